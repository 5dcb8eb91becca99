/* SPDX-License-Identifier: MIT
 *
 * rope.h - rotary position embedding: the angle of every pair of a head at a position.
 *
 * All variants are linear in the position, so a pair has one frequency:
 *   base^(-2i/n_rot) / factor[i]                      (Llama 3 and long/short factors)
 *   times 1/scale                                     (linear)
 *   times (1-mix)/scale + mix                         (YaRN, Peng et al. 2023, arXiv 2309.00071:
 *                                                      mix ramps from 1 to 0 over the pairs between
 *                                                      beta_fast and beta_slow turns)
 * and one magnitude for all pairs: attn_factor, times 1 + 0.1 ln(scale) under YaRN. Sliding layers
 * may have a base of their own: set 1, while set 0 is all others'. Angles are computed in double
 * and reduced exactly enough for any context length.
 */
#ifndef HEARTH_MODEL_ROPE_H
#define HEARTH_MODEL_ROPE_H

#include "model/weights.h"

enum { ROPE_SETS = 2 };

typedef struct rope_table {
    size_t n_pairs;
    double *frequency[ROPE_SETS]; /* n_pairs each */
    float magnitude[ROPE_SETS];
} rope_table;

/* n_ctx chooses between long and short factors. */
hearth_status rope_init(rope_table *r, const hparams *h, const weights *w, uint32_t n_ctx,
                        hearth_error *err);
void rope_deinit(rope_table *r);
size_t rope_bytes(const hparams *h);

/* cos and sin (n_pairs each) at a position, magnitude included. */
void rope_angles(const rope_table *r, int set, uint32_t position, float *cos, float *sin);

#endif
