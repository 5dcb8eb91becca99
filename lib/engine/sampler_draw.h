/* SPDX-License-Identifier: MIT
 *
 * sampler_draw.h - the last stage of the chain: one candidate out of those that are left.
 *
 * What     Each sets the probabilities of the candidates and returns the index of the chosen one.
 *          One double is drawn per choice, none where only one candidate is left.
 */
#ifndef HEARTH_ENGINE_SAMPLER_DRAW_H
#define HEARTH_ENGINE_SAMPLER_DRAW_H

#include "engine/mt19937.h"
#include "engine/sampler_candidates.h"

/* By probability: the first candidate, in the order they are in, at which the running sum reaches
 * the number drawn. */
size_t draw(candidates *c, mt19937 *generator);

/* The likeliest, without a draw. */
size_t draw_greedy(candidates *c);

/* Mirostat (S. Basu et al., "Mirostat: a neural text decoding algorithm that directly controls
 * perplexity", 2020): keeps the surprise of the chosen tokens, in bits, near tau. */
typedef struct mirostat {
    float tau; /* wanted surprise */
    float eta; /* how fast mu follows */
    float mu;  /* the limit in force */
} mirostat;

void mirostat_reset(mirostat *m); /* mu as at the start: 2 tau */

/* Version 1 estimates from the m = 100 best how probabilities fall with the rank (Zipf's law), and
 * derives how many candidates give the wanted surprise. */
size_t draw_mirostat(candidates *c, mirostat *m, size_t n_vocab, mt19937 *generator);

/* Version 2 drops all candidates whose own surprise exceeds mu. */
size_t draw_mirostat_v2(candidates *c, mirostat *m, mt19937 *generator);

#endif
