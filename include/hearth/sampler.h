/* SPDX-License-Identifier: MIT
 *
 * sampler.h - choosing the next token from logits.
 *
 * What     A chain with llama.cpp's stages, names, defaults and order: logit bias, penalties, dry,
 *          top_n_sigma, top_k, typ_p, top_p, min_p, xtc, temperature, then one draw. With mirostat
 *          the filters are replaced by it. Temperature 0 takes the likeliest token, without a draw.
 * Seeds    MT19937; one double in [0,1) per draw from two 32-bit outputs, (u0 + u1 * 2^32) / 2^64;
 *          the first candidate (likeliest first) whose cumulative probability reaches it.
 * Threads  One thread at a time per sampler.
 */
#ifndef HEARTH_SAMPLER_H
#define HEARTH_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include <hearth/grammar.h>
#include <hearth/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_logit_bias {
    int32_t token;
    float bias; /* added to the logit; -INFINITY forbids the token */
} hearth_logit_bias;

typedef struct hearth_sampler_options {
    size_t struct_size; /* set by hearth_sampler_options_init */
#define HEARTH_TYPE_F float
#define HEARTH_TYPE_I int32_t
#define HEARTH_TYPE_U uint32_t
#define X(type, field, value, min, max, flag, help) HEARTH_TYPE_##type field;
#include <hearth/sampler_options.def>
#undef X
#undef HEARTH_TYPE_F
#undef HEARTH_TYPE_I
#undef HEARTH_TYPE_U
    const char *samplers; /* order, as "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;
                             temperature"; NULL for that */
    const char *const *dry_sequence_breakers; /* NULL for "\n", ":", "\"", "*" */
    size_t n_dry_sequence_breakers;
    const hearth_logit_bias *logit_bias;
    size_t n_logit_bias;
} hearth_sampler_options;

/* Fills in the defaults. */
HEARTH_API void hearth_sampler_options_init(hearth_sampler_options *options);

/* The defaults, and over them what the model's file recommends in its metadata (general.sampling.
 * temp, top_k, top_p, min_p, xtc_probability, xtc_threshold, penalty_last_n, penalty_repeat,
 * mirostat, mirostat_tau, mirostat_eta), as llama.cpp takes them. A recommendation of another type
 * or out of its range is told to the model's log and left out. */
HEARTH_API void hearth_model_sampler_options(const hearth_model *model,
                                             hearth_sampler_options *options);

typedef struct hearth_sampler hearth_sampler;

/* options NULL means the defaults. A value out of its range is EINVAL and named. The model gives
 * the vocabulary (for DRY's breakers) and must outlive the sampler; n_ctx is what -1 look-backs
 * mean. */
HEARTH_API hearth_status hearth_sampler_new(hearth_sampler **out, const hearth_model *model,
                                            uint32_t n_ctx, const hearth_sampler_options *options,
                                            hearth_error *err);
HEARTH_API void hearth_sampler_free(hearth_sampler *sampler);

/* Chooses from n_vocab logits, which are not changed. The choice is not yet counted: accept it. */
HEARTH_API hearth_status hearth_sampler_sample(hearth_sampler *sampler, const float *logits,
                                               int32_t *token, hearth_error *err);

/* The same within a grammar (NULL: none), as llama.cpp does it: chooses freely first, and only if
 * the matcher refuses that token chooses again among those that it allows, with a draw of its own.
 * The matcher is not moved on. EINVAL if no token is allowed. */
HEARTH_API hearth_status hearth_sampler_sample_within(hearth_sampler *sampler, const float *logits,
                                                      hearth_matcher *matcher, int32_t *token,
                                                      hearth_error *err);

/* Counts a token (of the prompt or chosen) for the penalties. EINVAL outside the vocabulary. */
HEARTH_API hearth_status hearth_sampler_accept(hearth_sampler *sampler, int32_t token,
                                               hearth_error *err);

/* The candidates after the whole chain, likeliest first, as the last sample() saw them. Borrowed
 * until the next call on this sampler. */
typedef struct hearth_candidate {
    int32_t token;
    float logit;
    float probability;
} hearth_candidate;
HEARTH_API const hearth_candidate *hearth_sampler_candidates(const hearth_sampler *sampler,
                                                             size_t *n);

/* The seed in use: the one drawn if 4294967295 was asked for. */
HEARTH_API uint32_t hearth_sampler_seed(const hearth_sampler *sampler);

/* Back to the state just after new: seed, penalties and mirostat. */
HEARTH_API void hearth_sampler_reset(hearth_sampler *sampler);

#ifdef __cplusplus
}
#endif
#endif
