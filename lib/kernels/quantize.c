/* SPDX-License-Identifier: MIT
 *
 * quantize.c - the table of quantize.h, the float formats, and the formats of one scale per block.
 *
 * Block layouts are told in unpack_b.h and unpack_k.h. Every scale is searched for as a float,
 * rounded to the 16 bits that the file has room for, and only then are the levels chosen, nearest
 * for the scale as it will be read.
 */
#include "kernels/quantize.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/codebooks.h"
#include "kernels/quantize_block.h"
#include "kernels/quantize_fit.h"

#define F16_MAX 65504.0f

uint16_t quantize_round_f16(float x)
{
    x = x < F16_MAX ? x : F16_MAX;
    return f32_to_f16(x > -F16_MAX ? x : -F16_MAX);
}

float quantize_store_f16(uint8_t *p, float x)
{
    uint16_t half = quantize_round_f16(x);
    memcpy(p, &half, sizeof half);
    return f16_to_f32(half);
}

void quantize_load(const float *x, int n, float *out)
{
    for (int i = 0; i < n; i++) {
        float v = x[i] < QUANTIZE_LIMIT ? x[i] : QUANTIZE_LIMIT;
        out[i] = v > -QUANTIZE_LIMIT ? v : -QUANTIZE_LIMIT;
    }
}

/* Bits of magnitudes order as the magnitudes do, and what is not finite is above all others. */
float quantize_max_magnitude(const float *x, size_t k)
{
    uint32_t max = 0;
    for (size_t i = 0; i < k; i++) {
        uint32_t bits = float_to_bits(x[i]) & 0x7fffffff;
        max = bits > max ? bits : max;
    }
    return max < 0x7f800000 ? float_from_bits(max) : INFINITY;
}

float quantize_safe_magnitude(wtype type)
{
    return type == WTYPE_F32 || type == WTYPE_BF16 || type == WTYPE_MXFP4 ? FLT_MAX : F16_MAX;
}

/* ---- floats ---- */

static void quantize_F32(const float *x, size_t k, uint8_t *out)
{
    memcpy(out, x, k * sizeof *x);
}

static void quantize_F16(const float *x, size_t k, uint8_t *out)
{
    for (size_t i = 0; i < k; i++)
        quantize_store_f16(out + 2 * i, x[i]);
}

static void quantize_BF16(const float *x, size_t k, uint8_t *out)
{
    for (size_t i = 0; i < k; i++) {
        uint16_t half = f32_to_bf16(x[i]);
        if ((half & 0x7fff) == 0x7f80)
            half--; /* rounded up to infinity */
        memcpy(out + 2 * i, &half, sizeof half);
    }
}

/* ---- one f16 scale: Q8_0, Q4_0, Q5_0, IQ4_NL, Q2_0 ---- */

static const float codes_iq4_nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                       1,    13,   25,  38,  53,  69,  89,  113};

const levels quantize_levels_iq4_nl = {-127, 113, 16, codes_iq4_nl, 0.8f, 1.2f, 9};
static const levels levels_q8 = {-127, 127, 0, NULL, 0.97f, 1.03f, 13};
static const levels levels_q5 = {-16, 15, 0, NULL, 0.85f, 1.15f, 13};
static const levels levels_q4 = {-8, 7, 0, NULL, 0.82f, 1.3f, 10};
static const levels levels_q2 = {-1, 2, 0, NULL, 0.6f, 2.0f, 16};

/* Chooses scale and levels of one block; q holds the levels, *d the scale's bits. The plain scale,
 * largest magnitude on the outermost level, is tried too: it is the one that gives back exactly
 * what was quantized before. */
static float quantize_scaled(const levels *lv, const float *x, int n, uint8_t *d, float *q)
{
    float w[FIT_MAX], other[FIT_MAX];
    quantize_load(x, n, w);
    float extreme = fit_extreme(w, n);
    float candidates[] = {fit_scale(lv, w, n), extreme / lv->lo, extreme / lv->hi};
    float best = -1.0f;
    for (int i = 0; i < 3; i++) {
        uint16_t half = quantize_round_f16(candidates[i]);
        float scale = f16_to_f32(half);
        fit_nearest(lv, w, n, scale, other);
        float error = fit_error(w, other, n, scale, 0.0f);
        if (best < 0.0f || error < best) {
            best = error;
            memcpy(d, &half, sizeof half);
            memcpy(q, other, (size_t)n * sizeof *q);
        }
    }
    return best;
}

static void store_nibbles(const float *q, float offset, uint8_t *nibbles)
{
    for (int i = 0; i < 16; i++)
        nibbles[i] = (uint8_t)(((int)(q[i] + offset) & 15) | ((int)(q[i + 16] + offset) & 15) << 4);
}

static void store_fifth_bits(const float *q, float offset, uint8_t *out)
{
    uint32_t bits = 0;
    for (int i = 0; i < 32; i++)
        bits |= (uint32_t)((int)(q[i] + offset) >> 4 & 1) << i;
    memcpy(out, &bits, sizeof bits);
}

uint8_t quantize_code_index(const levels *lv, float q)
{
    int i = 0;
    while (i < lv->n_codes - 1 && lv->codes[i] < q)
        i++;
    return (uint8_t)i;
}

static void quantize_Q8_0(const float *x, size_t k, uint8_t *out)
{
    float q[32];
    for (size_t i = 0; i < k; i += 32, out += 34) {
        quantize_scaled(&levels_q8, x + i, 32, out, q);
        for (int j = 0; j < 32; j++)
            out[2 + j] = (uint8_t)(int8_t)q[j];
    }
}

static void quantize_Q4_0(const float *x, size_t k, uint8_t *out)
{
    float q[32];
    for (size_t i = 0; i < k; i += 32, out += 18) {
        quantize_scaled(&levels_q4, x + i, 32, out, q);
        store_nibbles(q, 8.0f, out + 2);
    }
}

static void quantize_Q5_0(const float *x, size_t k, uint8_t *out)
{
    float q[32];
    for (size_t i = 0; i < k; i += 32, out += 22) {
        quantize_scaled(&levels_q5, x + i, 32, out, q);
        store_fifth_bits(q, 16.0f, out + 2);
        store_nibbles(q, 16.0f, out + 6);
    }
}

static void quantize_IQ4_NL(const float *x, size_t k, uint8_t *out)
{
    float q[32];
    for (size_t i = 0; i < k; i += 32, out += 18) {
        quantize_scaled(&quantize_levels_iq4_nl, x + i, 32, out, q);
        for (int j = 0; j < 32; j++)
            q[j] = quantize_code_index(&quantize_levels_iq4_nl, q[j]);
        store_nibbles(q, 0.0f, out + 2);
    }
}

static void quantize_Q2_0(const float *x, size_t k, uint8_t *out)
{
    float q[64];
    for (size_t i = 0; i < k; i += 64, out += 18) {
        quantize_scaled(&levels_q2, x + i, 64, out, q);
        memset(out + 2, 0, 16);
        for (int j = 0; j < 64; j++)
            out[2 + j / 4] |= (uint8_t)((int)(q[j] + 1.0f) << j % 4 * 2);
    }
}

/* ---- scale and minimum: Q4_1, Q5_1 ---- */

static void quantize_affine(float n_max, const float *x, uint8_t *d_and_m, float *q)
{
    float w[32], other[32], lo, hi;
    quantize_load(x, 32, w);
    lo = hi = w[0];
    for (int i = 1; i < 32; i++) {
        lo = w[i] < lo ? w[i] : lo;
        hi = w[i] > hi ? w[i] : hi;
    }
    affine candidates[] = {fit_affine(n_max, INFINITY, w, 32), {(hi - lo) / n_max, lo}};
    float best = -1.0f;
    for (int i = 0; i < 2; i++) {
        uint8_t bytes[4];
        float d = quantize_store_f16(bytes, candidates[i].d);
        float m = quantize_store_f16(bytes + 2, candidates[i].m);
        fit_nearest_affine(n_max, w, 32, d, m, other);
        float error = fit_error(w, other, 32, d, m);
        if (best < 0.0f || error < best) {
            best = error;
            memcpy(d_and_m, bytes, 4);
            memcpy(q, other, sizeof other);
        }
    }
}

static void quantize_Q4_1(const float *x, size_t k, uint8_t *out)
{
    float q[32];
    for (size_t i = 0; i < k; i += 32, out += 20) {
        quantize_affine(15.0f, x + i, out, q);
        store_nibbles(q, 0.0f, out + 4);
    }
}

static void quantize_Q5_1(const float *x, size_t k, uint8_t *out)
{
    float q[32];
    for (size_t i = 0; i < k; i += 32, out += 24) {
        quantize_affine(31.0f, x + i, out, q);
        store_fifth_bits(q, 0.0f, out + 4);
        store_nibbles(q, 0.0f, out + 8);
    }
}

/* ---- MXFP4: a power of two ---- */

/* Magnitudes of codebook_fp4 with their signs, ascending, and the code of each. */
static const float codes_fp4[15] = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};
static const levels levels_fp4 = {-12, 12, 15, codes_fp4, 0, 0, 0};

static uint8_t fp4_code(float q)
{
    for (uint8_t code = 0; code < 16; code++) {
        if (codebook_fp4[code] == (int)q)
            return code;
    }
    return 0;
}

/* The scale is 2^(e - 128). The block is brought to a largest magnitude in [1, 2) first, by an
 * exact power of two, so that no weight is too large or too small to be squared. */
static void quantize_MXFP4_block(const float *x, uint8_t *out)
{
    float w[32], q[32], other[32];
    int exponent;
    memcpy(w, x, sizeof w);
    frexpf(fit_max_magnitude(w, 32), &exponent);
    for (int i = 0; i < 32; i++)
        w[i] = ldexpf(w[i], 1 - exponent);
    float best = -1.0f;
    int chosen = 0;
    /* 12 d covers 2 for d = 2^-2; four times as fine cuts everything off, so it never wins. */
    for (int shift = -5; shift <= -1; shift++) {
        int e = 128 + exponent - 1 + shift;
        if (e < 0 || e > 252) /* 12 * 2^(252 - 128) is the last finite one */
            continue;
        float d = ldexpf(1.0f, shift);
        fit_nearest(&levels_fp4, w, 32, d, other);
        float error = fit_error(w, other, 32, d, 0.0f);
        if (best < 0.0f || error < best) {
            best = error;
            chosen = e;
            memcpy(q, other, sizeof q);
        }
    }
    if (best < 0.0f)
        memset(q, 0, sizeof q);
    out[0] = (uint8_t)chosen;
    for (int j = 0; j < 32; j++)
        q[j] = fp4_code(q[j]);
    store_nibbles(q, 0.0f, out + 1);
}

static void quantize_MXFP4(const float *x, size_t k, uint8_t *out)
{
    for (size_t i = 0; i < k; i += 32, out += 17)
        quantize_MXFP4_block(x + i, out);
}

/* ---- Q1_0: signs ---- */

/* The mean magnitude is the exact optimum. */
static void quantize_Q1_0(const float *x, size_t k, uint8_t *out)
{
    for (size_t i = 0; i < k; i += 128, out += 18) {
        float w[128], sum = 0.0f;
        quantize_load(x + i, 128, w);
        memset(out + 2, 0, 16);
        for (int j = 0; j < 128; j++) {
            sum += fabsf(w[j]);
            out[2 + j / 8] |= (uint8_t)((w[j] >= 0.0f) << j % 8);
        }
        quantize_store_f16(out, sum / 128.0f);
    }
}

quantize_row_fn quantize_row_get(wtype type)
{
    static const quantize_row_fn table[WTYPE_COUNT] = {
        [WTYPE_F32] = quantize_F32,         [WTYPE_F16] = quantize_F16,
        [WTYPE_BF16] = quantize_BF16,       [WTYPE_Q8_0] = quantize_Q8_0,
        [WTYPE_Q4_0] = quantize_Q4_0,       [WTYPE_Q4_1] = quantize_Q4_1,
        [WTYPE_Q5_0] = quantize_Q5_0,       [WTYPE_Q5_1] = quantize_Q5_1,
        [WTYPE_IQ4_NL] = quantize_IQ4_NL,   [WTYPE_MXFP4] = quantize_MXFP4,
        [WTYPE_Q1_0] = quantize_Q1_0,       [WTYPE_Q2_0] = quantize_Q2_0,
        [WTYPE_Q2_K] = quantize_row_Q2_K,   [WTYPE_Q3_K] = quantize_row_Q3_K,
        [WTYPE_Q4_K] = quantize_row_Q4_K,   [WTYPE_Q5_K] = quantize_row_Q5_K,
        [WTYPE_Q6_K] = quantize_row_Q6_K,   [WTYPE_IQ4_XS] = quantize_row_IQ4_XS,
        [WTYPE_TQ1_0] = quantize_row_TQ1_0, [WTYPE_TQ2_0] = quantize_row_TQ2_0,
    };
    return type < WTYPE_COUNT ? table[type] : NULL;
}
