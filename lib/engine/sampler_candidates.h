/* SPDX-License-Identifier: MIT
 *
 * sampler_candidates.h - the tokens that are still in the running, and how to order them.
 *
 * What     A vocabulary has up to 256k tokens and a sampler mostly wants the best few dozen. So
 *          nothing here compares pairs of candidates in a large array: ordering is by radix over
 *          the bits of the logits, selection narrows down on the k-th best digit by digit. Both are
 *          linear in the number of candidates whatever the logits are.
 * Order    Logit, largest first; equal logits by token id, smallest first. It is total, so that a
 *          selection of k is the head of the whole order, and the order of the input never shows.
 * Invariant  No token is there twice. No logit is NaN or +infinity; -infinity stands for a token
 *          that is forbidden; one that is not is always left.
 * Memory   The arrays are the owner's, sized once for the vocabulary. Nothing is allocated here.
 */
#ifndef HEARTH_ENGINE_SAMPLER_CANDIDATES_H
#define HEARTH_ENGINE_SAMPLER_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include <hearth/sampler.h>

typedef struct candidates {
    hearth_candidate *items;   /* n in use */
    hearth_candidate *scratch; /* as large as items */
    size_t n;
    bool sorted; /* items are in the order above */
} candidates;

/* Puts the k best of items[from..n) at items[from..from + k), in order. k <= n - from. */
void candidates_sort_head(candidates *c, size_t from, size_t k);

/* Keeps the k best, in order, and drops the rest. 1 <= k <= n. */
void candidates_keep_head(candidates *c, size_t k);

/* Puts all of them in order, unless they are. */
void candidates_sort(candidates *c);

/* Orders by probability, smallest first, equal ones as they were. Probabilities must not be
 * negative or NaN. */
void candidates_sort_by_probability(candidates *c);

float candidates_max_logit(const candidates *c); /* n >= 1 */

/* Fills in the probabilities; n >= 1. Works in binary32 and in the order of the items, as
 * llama.cpp does: a sum close to a threshold must fall on the same side. Returns what the
 * exponentials were divided by. */
float candidates_softmax(candidates *c);

/* The float functions of llama.cpp's samplers, from base/fmath.h so that all machines agree. */
float float_exp(float x);
float float_log(float x);
float float_log2(float x);
float float_pow(float x, float y);

#endif
