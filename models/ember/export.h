/* SPDX-License-Identifier: MIT
 *
 * export.h - the trained parameters as a GGUF file of the llama architecture.
 */
#ifndef HEARTH_EMBER_EXPORT_H
#define HEARTH_EMBER_EXPORT_H

#include "ember/net.h"

/* Metadata of the tokenizer comes from the vocabulary's file; weights are written as F32. */
hearth_status export_gguf(const float *parameters, const net_shape *shape,
                          const char *vocabulary_path, const char *path, hearth_error *err);

#endif
