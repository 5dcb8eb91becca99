/* SPDX-License-Identifier: MIT
 *
 * pooling.h - one vector for a text, from the hidden states of its tokens.
 *
 * Tokens are added one by one, in order, so that it does not matter in which pieces they came.
 */
#ifndef HEARTH_ENGINE_POOLING_H
#define HEARTH_ENGINE_POOLING_H

#include <stdbool.h>
#include <stddef.h>

#include "model/hparams.h"

typedef struct pooled {
    size_t n; /* tokens added */
    size_t width;
    float *sum;
    float *first;
    float *last;
} pooled;

enum { POOLED_ROWS = 3 };

/* memory: POOLED_ROWS * width floats, zeroed. */
void pooled_init(pooled *p, float *memory, size_t width);

/* n rows, `stride` floats from one to the next. */
void pooled_add(pooled *p, const float_kernels *f, const float *rows, size_t stride, size_t n);

/* Of the first token (CLS) or the last (anything else); n must not be 0. Borrowed. */
const float *pooled_row(const pooled *p, pooling_kind kind);

/* By MEAN, CLS or LAST (anything else is MEAN); n must not be 0. */
void pooled_result(const pooled *p, const float_kernels *f, pooling_kind kind, float *out);

/* To length 1; zeros stay zeros. */
void pooling_normalize(const float_kernels *f, float *vector, size_t width);

#endif
