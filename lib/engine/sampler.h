/* SPDX-License-Identifier: MIT
 *
 * sampler.h - a sampler over any vocabulary, for the engine's own files and for tests.
 *
 * hearth_sampler_new is sampler_open over a model's vocabulary.
 */
#ifndef HEARTH_ENGINE_SAMPLER_H
#define HEARTH_ENGINE_SAMPLER_H

#include <hearth/sampler.h>

#include "engine/sampler_dry.h"

/* vocab is used during the call only, and its functions only where DRY is on. */
hearth_status sampler_open(hearth_sampler **out, const sampler_vocab *vocab, uint32_t n_ctx,
                           const hearth_sampler_options *options, hearth_error *err);

size_t sampler_n_vocab(const hearth_sampler *sampler);

#endif
