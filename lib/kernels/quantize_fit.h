/* SPDX-License-Identifier: MIT
 *
 * quantize_fit.h - the searches behind quantize.h: which scale (and minimum) of a group of weights
 * loses least when every weight takes the nearest level.
 *
 * A group is n floats, n a multiple of 16 and at most FIT_MAX. Levels are small integers held in
 * floats. Two models of a weight:
 *
 *   scaled   x = d * q          q out of a `levels` set
 *   affine   x = d * q + m      q = 0 .. n_max
 *
 * For fixed q the best d (and m) is a least-squares solution in closed form, and for fixed d the
 * best q is the nearest level; what has to be searched is the starting point. fit_* try a series of
 * them, score each by its closed form, and polish the winner by taking turns between the two.
 */
#ifndef HEARTH_KERNELS_QUANTIZE_FIT_H
#define HEARTH_KERNELS_QUANTIZE_FIT_H

#include <stdint.h>

enum { FIT_MAX = 256 };

/* Every integer from lo to hi, or, if codes is set, its n_codes ascending values. */
typedef struct levels {
    float lo, hi;
    int n_codes;
    const float *codes;
    /* Where the search begins and ends: the level on which the group's largest magnitude falls, in
     * parts of the outermost level. Above 1 it is cut off. */
    float from, to;
    int n_steps;
} levels;

/* Least-squares sums of a group against its chosen levels. */
typedef struct fit_sums {
    float xq, qq; /* scaled */
    float q, x;   /* affine also */
} fit_sums;

float fit_max_magnitude(const float *x, int n);
/* The element of the largest magnitude, the first if there are several. */
float fit_extreme(const float *x, int n);

/* Levels nearest to x / d (all levels nearest to 0 for d = 0). */
void fit_nearest(const levels *lv, const float *x, int n, float d, float *q);
/* The same for (x - m) / d, q = 0 .. n_max. */
void fit_nearest_affine(float n_max, const float *x, int n, float d, float m, float *q);

fit_sums fit_correlate(const float *x, const float *q, int n);
/* Sum of (x - (d q + m))^2. */
float fit_error(const float *x, const float *q, int n, float d, float m);

/* The best scale; may be negative. */
float fit_scale(const levels *lv, const float *x, int n);

typedef struct affine {
    float d, m;
} affine;

/* The best pair; d >= 0. With max_m 0 the minimum m may not be positive. */
affine fit_affine(float n_max, float max_m, const float *x, int n);

#endif
