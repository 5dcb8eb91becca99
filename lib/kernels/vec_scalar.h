/* SPDX-License-Identifier: MIT
 *
 * vec_scalar.h - sixteen floats in plain C: what the vec of every instruction set must do.
 *
 * float_template.h is written over these few operations. Each is elementwise and correctly rounded,
 * so a vec of two 256-bit or one 512-bit register gives the same bits.
 */
#ifndef HEARTH_KERNELS_VEC_SCALAR_H
#define HEARTH_KERNELS_VEC_SCALAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/half.h"

typedef struct vec {
    float v[16];
} vec;

#define VEC_EACH(expr)                                                                             \
    vec r;                                                                                         \
    for (int i = 0; i < 16; i++)                                                                   \
        r.v[i] = (expr);                                                                           \
    return r

static inline vec vec_load(const float *p)
{
    VEC_EACH(p[i]);
}

static inline void vec_store(float *p, vec a)
{
    memcpy(p, a.v, sizeof a.v);
}

static inline vec vec_load_f16(const uint16_t *p)
{
    VEC_EACH(f16_to_f32(p[i]));
}

static inline void vec_store_f16(uint16_t *p, vec a)
{
    for (int i = 0; i < 16; i++)
        p[i] = f32_to_f16(a.v[i]);
}

static inline vec vec_load_i8(const int8_t *p)
{
    VEC_EACH((float)p[i]);
}

static inline vec vec_set1(float x)
{
    VEC_EACH(x);
}

static inline vec vec_add(vec a, vec b)
{
    VEC_EACH(a.v[i] + b.v[i]);
}

static inline vec vec_sub(vec a, vec b)
{
    VEC_EACH(a.v[i] - b.v[i]);
}

static inline vec vec_mul(vec a, vec b)
{
    VEC_EACH(a.v[i] * b.v[i]);
}

static inline vec vec_div(vec a, vec b)
{
    VEC_EACH(a.v[i] / b.v[i]);
}

static inline vec vec_fma(vec a, vec b, vec c) /* a * b + c, rounded once */
{
    VEC_EACH(fmaf(a.v[i], b.v[i], c.v[i]));
}

static inline vec vec_max(vec a, vec b) /* b where either is NaN */
{
    VEC_EACH(a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}

static inline vec vec_min(vec a, vec b) /* b where either is NaN */
{
    VEC_EACH(a.v[i] < b.v[i] ? a.v[i] : b.v[i]);
}

static inline vec vec_abs(vec a)
{
    VEC_EACH(fabsf(a.v[i]));
}

/* x < limit ? a : b */
static inline vec vec_select_less(vec x, vec limit, vec a, vec b)
{
    VEC_EACH(x.v[i] < limit.v[i] ? a.v[i] : b.v[i]);
}

/* Adds the low bits of t, as an integer, to the exponent of y: y * 2^n where t = 1.5 * 2^23 + n. */
static inline vec vec_scale_exponent(vec y, vec t)
{
    VEC_EACH(float_from_bits(float_to_bits(y.v[i]) + (float_to_bits(t.v[i]) << 23)));
}

#undef VEC_EACH

#endif
