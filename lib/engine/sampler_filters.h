/* SPDX-License-Identifier: MIT
 *
 * sampler_filters.h - the stages of the chain that look at the candidates alone.
 *
 * What     Each drops candidates or changes logits, and leaves at least one that is not forbidden.
 *          A parameter at its neutral value changes nothing. min_keep is how many candidates a
 *          filter must leave if it can; 0 is as 1.
 * Order    The order in which a stage leaves the candidates is part of its contract: the draw walks
 *          them in that order, so a seed gives the token that llama.cpp's stages lead to.
 */
#ifndef HEARTH_ENGINE_SAMPLER_FILTERS_H
#define HEARTH_ENGINE_SAMPLER_FILTERS_H

#include "engine/mt19937.h"
#include "engine/sampler_candidates.h"

/* The k best, in order. k <= 0 keeps all as they are. */
void filter_top_k(candidates *c, int32_t k);

/* The shortest head of the order whose probability reaches p (A. Holtzman et al., "The curious case
 * of neural text degeneration", 2019). */
void filter_top_p(candidates *c, float p, size_t min_keep);

/* Those with at least p times the probability of the best. Leaves the order as it is, unless fewer
 * than min_keep would stay. */
void filter_min_p(candidates *c, float p, size_t min_keep);

/* Those whose surprise is nearest to the expected one, up to a total probability above p
 * (C. Meister et al., "Locally typical sampling", 2022). Leaves them in order of that distance. */
void filter_typical(candidates *c, float p, size_t min_keep);

/* Forbids logits more than n standard deviations below the largest (C. Tang et al., "Top-n-sigma",
 * 2024), and sorts. Forbidden candidates stay in the list. n <= 0 does nothing. */
void filter_top_n_sigma(candidates *c, float n);

/* With the given chance, drops all candidates that reach the threshold but the last of them
 * (P. E. Weidmann, "Exclude top choices", 2024). One float is drawn for each call that could do
 * something. */
void filter_xtc(candidates *c, float chance, float threshold, size_t min_keep, mt19937 *generator);

/* Divides the logits. At 0, and where the quotient is beyond the floats, forbids all but the best.
 */
void filter_temperature(candidates *c, float temperature);

/* A temperature between t - range and t + range, by the entropy relative to the largest one
 * possible: low + (high - low) * relative ^ exponent. Sorts. range <= 0 is filter_temperature. */
void filter_dynamic_temperature(candidates *c, float temperature, float range, float exponent);

#endif
