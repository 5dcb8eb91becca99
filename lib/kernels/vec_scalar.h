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

/* The fixed tree: 16 partial sums to one. */
static inline float vec_sum(vec a)
{
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++)
            a.v[i] += a.v[i + width];
    }
    return a.v[0];
}

static inline float vec_top(vec a) /* the greatest; no NaN */
{
    float top = a.v[0];
    for (int i = 1; i < 16; i++)
        top = a.v[i] > top ? a.v[i] : top;
    return top;
}

/* ---- sixteen 32-bit integers, or as many pairs of 16-bit ones ---- */

typedef struct ivec {
    uint32_t v[16];
} ivec;

static inline ivec ivec_load(const void *p)
{
    ivec r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}

static inline void ivec_store(void *p, ivec a)
{
    memcpy(p, a.v, sizeof a.v);
}

static inline ivec ivec_broadcast(const void *p) /* 4 bytes */
{
    ivec r;
    for (int i = 0; i < 16; i++)
        memcpy(&r.v[i], p, sizeof r.v[i]);
    return r;
}

static inline ivec ivec_zero(void)
{
    return (ivec){{0}};
}

/* c += the sum of the two products of each pair; modulo 2^32. */
static inline ivec ivec_dot2(ivec c, ivec a, ivec b)
{
    for (int i = 0; i < 16; i++) {
        int32_t low = (int16_t)a.v[i] * (int16_t)b.v[i];
        int32_t high = (int16_t)(a.v[i] >> 16) * (int16_t)(b.v[i] >> 16);
        c.v[i] += (uint32_t)low + (uint32_t)high;
    }
    return c;
}

static inline vec ivec_to_vec(ivec a)
{
    VEC_EACH((float)(int32_t)a.v[i]);
}

/* The low halves of the bits of a, and those of b above them. */
static inline ivec ivec_pair_bits(vec a, vec b)
{
    ivec r;
    for (int i = 0; i < 16; i++)
        r.v[i] = (float_to_bits(a.v[i]) & 0xffff) | float_to_bits(b.v[i]) << 16;
    return r;
}

/* The low halves of the bits of a, 32 bytes. */
static inline void vec_store_low_bits(void *p, vec a)
{
    for (int i = 0; i < 16; i++) {
        uint16_t low = (uint16_t)float_to_bits(a.v[i]);
        memcpy((uint8_t *)p + 2 * i, &low, sizeof low);
    }
}

/* 32 bytes to 32 16-bit integers. */
static inline ivec ivec_widen(const int8_t *p)
{
    ivec r;
    for (int i = 0; i < 16; i++)
        r.v[i] = (uint16_t)p[2 * i] | (uint32_t)(uint16_t)p[2 * i + 1] << 16;
    return r;
}

#undef VEC_EACH

#endif
