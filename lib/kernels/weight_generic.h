/* SPDX-License-Identifier: MIT
 *
 * weight_generic.h - the weight kernels in plain C over the canonical blocks of block.h.
 *
 * This is the specification of kernels.h in code: weight_scalar.c is nothing else. The files of
 * other instruction sets include it for what they do not write by hand. For every format it
 * defines generic_matmul_NAME and generic_dequantize_NAME, and generic_quantize_act_KIND; the
 * compiler folds the format's constants into the one body of each class.
 */
#ifndef HEARTH_KERNELS_WEIGHT_GENERIC_H
#define HEARTH_KERNELS_WEIGHT_GENERIC_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/kernels.h"
#include "kernels/unpack_b.h"
#include "kernels/unpack_iq.h"
#include "kernels/unpack_k.h"

typedef float element_fn(const uint8_t *p);
typedef void unpack_b_fn(const uint8_t *block, float_block *out);
typedef void unpack_k_fn(const uint8_t *block, super_block *out);

/* A format's part of wtype.def, for the bodies below. */
typedef struct block_format {
    wtype type;
    size_t elements, bytes; /* of one block */
} block_format;

ALWAYS_INLINE int32_t dot_q(const int8_t *w, const int8_t *a, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i] * a[i];
    return sum;
}

/* ---- class F ---- */

ALWAYS_INLINE float element_F32(const uint8_t *p)
{
    return float_from_bits(load_u32(p));
}

ALWAYS_INLINE float element_F16(const uint8_t *p)
{
    return f16_to_f32(load_u16(p));
}

ALWAYS_INLINE float element_BF16(const uint8_t *p)
{
    return bf16_to_f32(load_u16(p));
}

ALWAYS_INLINE float reduce_16(float *s)
{
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++)
            s[i] += s[i + width];
    }
    return s[0];
}

ALWAYS_INLINE void generic_matmul_f(const matmul_job *job, block_format f, element_fn *element)
{
    for (size_t row = 0; row < job->n_rows; row++) {
        const uint8_t *w = job->w + row * job->row_bytes;
        for (int c = 0; c < job->n_columns; c++) {
            const float *x = job->x[c];
            float sums[16] = {0};
            for (size_t i = 0; i < job->k; i++)
                sums[i % 16] = fmaf(element(w + i * f.bytes), x[i], sums[i % 16]);
            job->y[c][row] = reduce_16(sums);
        }
    }
}

ALWAYS_INLINE void generic_dequantize_f(const uint8_t *row, size_t k, float *x, block_format f,
                                        element_fn *element)
{
    for (size_t i = 0; i < k; i++)
        x[i] = element(row + i * f.bytes);
}

/* ---- class B ---- */

/* Adds one block of 32 weights to the chain y. */
ALWAYS_INLINE float add_float_block(float y, const float_block *w, wtype type, const int8_t *a,
                                    float da, const int16_t *sums)
{
    if (has_scale_per_16(type)) {
        for (int half = 0; half < 2; half++)
            y = fmaf(w->d[half] * da, (float)dot_q(w->q + 16 * half, a + 16 * half, 16), y);
    } else {
        y = fmaf(w->d[0] * da, (float)dot_q(w->q, a, 32), y);
    }
    if (has_minimum(type))
        y = fmaf(w->m, da * (float)(sums[0] + sums[1]), y);
    return y;
}

ALWAYS_INLINE void generic_matmul_b(const matmul_job *job, block_format f, unpack_b_fn *unpack)
{
    for (size_t row = 0; row < job->n_rows; row++) {
        const uint8_t *w = job->w + row * job->row_bytes;
        float y[MATMUL_MAX_COLUMNS] = {0};
        for (size_t i = 0; i < job->k; i += f.elements, w += f.bytes) {
            float_block blocks[4];
            unpack(w, blocks);
            for (size_t b = 0; b < f.elements / 32; b++) {
                size_t at = i + 32 * b;
                for (int c = 0; c < job->n_columns; c++) {
                    const void *x = job->x[c];
                    y[c] = add_float_block(y[c], &blocks[b], f.type, (const int8_t *)x + at,
                                           act_scales(x, job->k)[at / 32],
                                           act_sums(ACT_Q32, x, job->k) + at / 16);
                }
            }
        }
        for (int c = 0; c < job->n_columns; c++)
            job->y[c][row] = y[c];
    }
}

ALWAYS_INLINE void generic_dequantize_b(const uint8_t *row, size_t k, float *x, block_format f,
                                        unpack_b_fn *unpack)
{
    for (size_t i = 0; i < k; i += f.elements, row += f.bytes) {
        float_block blocks[4];
        unpack(row, blocks);
        for (size_t j = 0; j < f.elements; j++) {
            const float_block *w = &blocks[j / 32];
            x[i + j] = w->d[j % 32 / 16] * (float)w->q[j % 32];
            if (has_minimum(f.type))
                x[i + j] += w->m;
        }
    }
}

/* ---- class K ---- */

/* Adds one super-block to the chain y. */
ALWAYS_INLINE float add_super_block(float y, const super_block *w, wtype type, const int8_t *a,
                                    float da, const int16_t *sums)
{
    int32_t total = 0;
    for (int g = 0; g < 16; g++)
        total += w->s[g] * dot_q(w->q + 16 * g, a + 16 * g, 16);
    y = fmaf(w->d * da, (float)total, y);
    if (has_minimum(type)) {
        int32_t minimum = 0;
        for (int g = 0; g < 16; g++)
            minimum += w->m[g] * sums[g];
        y = fmaf(-(w->dmin * da), (float)minimum, y);
    }
    return y;
}

ALWAYS_INLINE void generic_matmul_k(const matmul_job *job, block_format f, unpack_k_fn *unpack)
{
    for (size_t row = 0; row < job->n_rows; row++) {
        const uint8_t *w = job->w + row * job->row_bytes;
        float y[MATMUL_MAX_COLUMNS] = {0};
        for (size_t i = 0; i < job->k; i += 256, w += f.bytes) {
            super_block block;
            unpack(w, &block);
            for (int c = 0; c < job->n_columns; c++) {
                const void *x = job->x[c];
                y[c] = add_super_block(y[c], &block, f.type, (const int8_t *)x + i,
                                       act_scales(x, job->k)[i / 256],
                                       act_sums(ACT_Q256, x, job->k) + i / 16);
            }
        }
        for (int c = 0; c < job->n_columns; c++)
            job->y[c][row] = y[c];
    }
}

ALWAYS_INLINE void generic_dequantize_k(const uint8_t *row, size_t k, float *x, block_format f,
                                        unpack_k_fn *unpack)
{
    for (size_t i = 0; i < k; i += 256, row += f.bytes) {
        super_block w;
        unpack(row, &w);
        for (int j = 0; j < 256; j++) {
            x[i + (size_t)j] = w.d * w.s[j / 16] * w.q[j];
            if (has_minimum(f.type))
                x[i + (size_t)j] -= w.dmin * w.m[j / 16];
        }
    }
}

/* ---- activations ---- */

ALWAYS_INLINE void generic_quantize_act_F32(const float *x, size_t k, void *row)
{
    memcpy(row, x, k * sizeof *x);
}

/* Returns the block's scale. Bits of magnitudes order as the magnitudes do, NaN above all. A block
 * of magnitudes below 127 / FLT_MAX, too small to be scaled, is 0. */
ALWAYS_INLINE float quantize_block(const float *x, size_t n, int8_t *q)
{
    uint32_t max_bits = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = float_to_bits(x[i]) & 0x7fffffff;
        max_bits = bits > max_bits ? bits : max_bits;
    }
    float amax = float_from_bits(max_bits);
    float inverse = 127.0f / amax;
    if (max_bits >= 0x7f800000 || inverse > FLT_MAX) {
        memset(q, 0, n);
        return 0.0f;
    }
    for (size_t i = 0; i < n; i++)
        q[i] = (int8_t)lrintf(x[i] * inverse);
    return amax / 127.0f;
}

ALWAYS_INLINE void generic_quantize_act(const float *x, size_t k, void *row, act_kind kind)
{
    const size_t n = act_block(kind);
    int8_t *q = row;
    float *d = (float *)(q + k);
    int16_t *sums = (int16_t *)(d + k / n);
    for (size_t i = 0; i < k; i += n)
        d[i / n] = quantize_block(x + i, n, q + i);
    for (size_t i = 0; i < k; i += 16) {
        int sum = 0;
        for (size_t j = 0; j < 16; j++)
            sum += q[i + j];
        sums[i / 16] = (int16_t)sum;
    }
}

static inline void generic_quantize_act_Q32(const float *x, size_t k, void *row)
{
    generic_quantize_act(x, k, row, ACT_Q32);
}

static inline void generic_quantize_act_Q256(const float *x, size_t k, void *row)
{
    generic_quantize_act(x, k, row, ACT_Q256);
}

/* ---- every format ---- */

#define GENERIC(name, elements, bytes, body, unpack)                                               \
    static inline void generic_matmul_##name(const matmul_job *job)                                \
    {                                                                                              \
        generic_matmul_##body(job, (block_format){WTYPE_##name, elements, bytes}, unpack);         \
    }                                                                                              \
    static inline void generic_dequantize_##name(const uint8_t *row, size_t k, float *x)           \
    {                                                                                              \
        generic_dequantize_##body(row, k, x, (block_format){WTYPE_##name, elements, bytes},        \
                                  unpack);                                                         \
    }
#define GENERIC_F(name, elements, bytes) GENERIC(name, elements, bytes, f, element_##name)
#define GENERIC_B(name, elements, bytes) GENERIC(name, elements, bytes, b, unpack_##name)
#define GENERIC_K(name, elements, bytes) GENERIC(name, elements, bytes, k, unpack_##name)
#define GENERIC_N(name, elements, bytes)

#define X(name, id, text, elements, bytes, class) GENERIC_##class(name, elements, bytes)
#include "base/wtype.def"
#undef X

#undef GENERIC
#undef GENERIC_F
#undef GENERIC_B
#undef GENERIC_K
#undef GENERIC_N

#endif
