/* SPDX-License-Identifier: MIT
 *
 * sampler_options.h - sampling options checked, and the order of the stages read.
 */
#ifndef HEARTH_ENGINE_SAMPLER_OPTIONS_H
#define HEARTH_ENGINE_SAMPLER_OPTIONS_H

#include <hearth/sampler.h>

#include "base/status.h"

/* X(stage, name, other names that llama.cpp's users write), in the default order. */
#define SAMPLER_STAGES(X)                                                                          \
    X(PENALTIES, "penalties", "", "")                                                              \
    X(DRY, "dry", "", "")                                                                          \
    X(TOP_N_SIGMA, "top_n_sigma", "top-n-sigma", "")                                               \
    X(TOP_K, "top_k", "top-k", "")                                                                 \
    X(TYPICAL, "typ_p", "typical_p", "typical")                                                    \
    X(TOP_P, "top_p", "top-p", "nucleus")                                                          \
    X(MIN_P, "min_p", "min-p", "")                                                                 \
    X(XTC, "xtc", "", "")                                                                          \
    X(TEMPERATURE, "temperature", "temp", "")

typedef enum sampler_stage {
#define X(stage, name, second, third) STAGE_##stage,
    SAMPLER_STAGES(X)
#undef X
        N_STAGES
} sampler_stage;

typedef struct sampler_chain {
    sampler_stage stages[N_STAGES]; /* each at most once */
    size_t n;
} sampler_chain;

/* Fills *known from what the caller gave (NULL: the defaults) and checks every value; the chain is
 * what options.samplers names. Pointers in *known are still the caller's. */
hearth_status sampler_options_take(hearth_sampler_options *known, sampler_chain *chain,
                                   const hearth_sampler_options *given, size_t n_vocab,
                                   hearth_error *err);

bool sampler_chain_has(const sampler_chain *chain, sampler_stage stage);

#endif
