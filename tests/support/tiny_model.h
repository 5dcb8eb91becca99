/* SPDX-License-Identifier: MIT
 *
 * tiny_model.h - small random models of every architecture, in every weight format, for tests that
 * must run without the reference set.
 */
#ifndef HEARTH_TESTS_TINY_MODEL_H
#define HEARTH_TESTS_TINY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wtype.h"

typedef struct tiny_model_options {
    const char *arch;
    wtype type; /* of the matrices; rows divide into its blocks if n_embd and n_ff do */
    uint32_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab, n_ctx;
    uint64_t seed;
    bool experts; /* also where the family has none by itself: Mixtral is such a llama */
} tiny_model_options;

/* F16, 2 layers of width 64 with 4 heads (2 for keys), 320 tokens, context 512. */
void tiny_model_options_init(tiny_model_options *o, const char *arch);

/* Writes a GGUF file; the same options give the same bytes. Ends the program with a message on
 * failure, also for an architecture that this generator does not know. */
void tiny_model_write(const char *path, const tiny_model_options *o);

/* The architectures it knows; NULL past the end. */
const char *tiny_model_arch(size_t i);

#endif
