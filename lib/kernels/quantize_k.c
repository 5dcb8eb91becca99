/* SPDX-License-Identifier: MIT
 *
 * quantize_k.c - writing super-blocks of 256 weights, whose groups have integer scales.
 *
 * Three steps, for formats with and without a minimum alike:
 *   1. every group is fitted alone, with a float scale (and minimum);
 *   2. the super-block's d (and dmin) is laid so that the largest fits the integers, and every
 *      group takes the integers near its own optimum that lose least in fact;
 *   3. with all integers fixed, d (and dmin) is solved by least squares, rounded to f16, and step 2
 *      is done again, as long as it gains.
 *
 * Ternary formats have one scale for all; their optimum is found exactly. Layouts: unpack_k.h.
 */
#include "kernels/quantize_block.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"

enum { SUPER = 256, MAX_GROUPS = 16, ROUNDS = 3 };

/* A format of groups: weights are d * s * q - dmin * m, the last part only where m_max > 0. */
typedef struct group_format {
    levels lv;
    int group;        /* weights in one */
    int s_min, s_max; /* of a group's scale */
    int m_max;        /* of its minimum */
    int reach;        /* integers tried to either side of the nearest scale */
} group_format;

/* One way to write a super-block. */
typedef struct choice {
    float d, dmin; /* as the file's f16 gives them back */
    float error;
    int s[MAX_GROUPS], m[MAX_GROUPS];
    float q[SUPER];
} choice;

/* As the file will hold it; never 0 for what is not, as an integer scale can still make up for a
 * unit that is too large. */
static float round_f16(float x)
{
    uint16_t half = quantize_round_f16(x);
    if ((half & 0x7fff) == 0 && x != 0.0f)
        half |= 1;
    return f16_to_f32(half);
}

static int round_clamped(float x, int lo, int hi)
{
    x = x > (float)lo ? x : (float)lo;
    return (int)rintf(x < (float)hi ? x : (float)hi);
}

/* ---- without a minimum ---- */

static void choose_scales(const group_format *f, const float *x, const float *ideal, int reach,
                          choice *c)
{
    float q[SUPER];
    c->error = 0.0f;
    for (int g = 0; g * f->group < SUPER; g++) {
        const float *w = x + g * f->group;
        int middle = c->d != 0.0f ? round_clamped(ideal[g] / c->d, f->s_min, f->s_max) : 0;
        float best = FLT_MAX;
        for (int s = middle - reach; s <= middle + reach; s++) {
            if (s < f->s_min || s > f->s_max)
                continue;
            float scale = c->d * (float)s;
            fit_nearest(&f->lv, w, f->group, scale, q);
            float error = fit_error(w, q, f->group, scale, 0.0f);
            if (error < best) {
                best = error;
                c->s[g] = s;
                memcpy(c->q + g * f->group, q, (size_t)f->group * sizeof *q);
            }
        }
        c->error += best;
    }
}

/* The d that suits the integers of c best. */
static float solve_d(const group_format *f, const float *x, const choice *c)
{
    float xq = 0.0f, qq = 0.0f;
    for (int g = 0; g * f->group < SUPER; g++) {
        fit_sums sums = fit_correlate(x + g * f->group, c->q + g * f->group, f->group);
        float s = (float)c->s[g];
        xq += s * sums.xq;
        qq += s * s * sums.qq;
    }
    return qq > 0.0f ? xq / qq : 0.0f;
}

/* Keeps taking turns from *c on, leaves the best. */
static void polish_scales(const group_format *f, const float *x, const float *ideal, choice *c)
{
    choice next;
    for (int round = 0; round < ROUNDS; round++) {
        next.d = round_f16(solve_d(f, x, c));
        next.dmin = 0.0f;
        if (next.d == c->d)
            return;
        choose_scales(f, x, ideal, f->reach, &next);
        if (next.error >= c->error)
            return;
        *c = next;
    }
}

static void quantize_scales(const group_format *f, const float *x, choice *best)
{
    /* Which end of the scales' range the largest one takes, and how far it is moved in. */
    static const float stretch[] = {1.0f, 0.95f, 1.05f};
    float w[SUPER], ideal[MAX_GROUPS] = {0};
    quantize_load(x, SUPER, w);
    int n_groups = SUPER / f->group;
    float largest = 0.0f;
    for (int g = 0; g < n_groups; g++) {
        ideal[g] = fit_scale(&f->lv, w + g * f->group, f->group);
        largest = fabsf(ideal[g]) > fabsf(largest) ? ideal[g] : largest;
    }
    best->error = FLT_MAX;
    choice c = {0};
    for (int end = 0; end < 2; end++) {
        for (size_t i = 0; i < sizeof stretch / sizeof stretch[0]; i++) {
            c.d = round_f16(largest * stretch[i] / (float)(end ? f->s_max : f->s_min));
            choose_scales(f, w, ideal, 0, &c);
            if (c.error < best->error)
                *best = c;
        }
    }
    if (f->reach > 0)
        choose_scales(f, w, ideal, f->reach, best);
    polish_scales(f, w, ideal, best);
}

/* ---- with a minimum ---- */

typedef struct group_fit {
    affine ideal;
    float mean_q; /* how much the minimum moves when the scale does */
} group_fit;

static void choose_pairs(const group_format *f, const float *x, const group_fit *fits, int reach,
                         choice *c)
{
    float q[SUPER];
    c->error = 0.0f;
    for (int g = 0; g * f->group < SUPER; g++) {
        const float *w = x + g * f->group;
        affine ideal = fits[g].ideal;
        int middle = c->d > 0.0f ? round_clamped(ideal.d / c->d, 0, f->s_max) : 0;
        float best = FLT_MAX;
        for (int s = middle - reach; s <= middle + reach; s++) {
            if (s < 0 || s > f->s_max)
                continue;
            float scale = c->d * (float)s;
            float m = -ideal.m + (scale - ideal.d) * fits[g].mean_q;
            int below = c->dmin > 0.0f ? round_clamped(floorf(m / c->dmin), 0, f->m_max) : 0;
            for (int i = below; i <= below + 1 && i <= f->m_max; i++) {
                float minimum = -(c->dmin * (float)i);
                fit_nearest_affine(f->lv.hi, w, f->group, scale, minimum, q);
                float error = fit_error(w, q, f->group, scale, minimum);
                if (error < best) {
                    best = error;
                    c->s[g] = s;
                    c->m[g] = i;
                    memcpy(c->q + g * f->group, q, (size_t)f->group * sizeof *q);
                }
            }
        }
        c->error += best;
    }
}

/* d and dmin that suit the integers of c best: x ~ d * (s q) - dmin * m. False if they are not
 * determined. */
static bool solve_pair(const group_format *f, const float *x, const choice *c, float *d,
                       float *dmin)
{
    double aa = 0, am = 0, mm = 0, xa = 0, xm = 0;
    for (int g = 0; g * f->group < SUPER; g++) {
        fit_sums sums = fit_correlate(x + g * f->group, c->q + g * f->group, f->group);
        double s = c->s[g], m = c->m[g];
        aa += s * s * sums.qq;
        am += s * m * sums.q;
        mm += m * m * f->group;
        xa += s * sums.xq;
        xm += m * sums.x;
    }
    double determinant = aa * mm - am * am;
    if (determinant <= 0.0) {
        *dmin = c->dmin;
        *d = aa > 0.0 ? (float)((xa + c->dmin * am) / aa) : 0.0f;
        return aa > 0.0;
    }
    *d = (float)((xa * mm - xm * am) / determinant);
    *dmin = (float)((xa * am - xm * aa) / determinant);
    return *d > 0.0f && *dmin >= 0.0f;
}

static void polish_pairs(const group_format *f, const float *x, const group_fit *fits, choice *c)
{
    choice next;
    for (int round = 0; round < ROUNDS; round++) {
        if (!solve_pair(f, x, c, &next.d, &next.dmin))
            return;
        next.d = round_f16(next.d);
        next.dmin = round_f16(next.dmin);
        if (next.d == c->d && next.dmin == c->dmin)
            return;
        choose_pairs(f, x, fits, f->reach, &next);
        if (next.error >= c->error)
            return;
        *c = next;
    }
}

static void quantize_pairs(const group_format *f, const float *x, choice *best)
{
    float w[SUPER], q[SUPER];
    group_fit fits[MAX_GROUPS];
    quantize_load(x, SUPER, w);
    float largest = 0.0f, lowest = 0.0f;
    for (int g = 0; g * f->group < SUPER; g++) {
        affine a = fit_affine(f->lv.hi, 0.0f, w + g * f->group, f->group);
        fit_nearest_affine(f->lv.hi, w + g * f->group, f->group, a.d, a.m, q);
        fits[g] = (group_fit){a, fit_correlate(w, q, f->group).q / (float)f->group};
        largest = a.d > largest ? a.d : largest;
        lowest = a.m < lowest ? a.m : lowest;
    }
    best->error = FLT_MAX;
    static const float stretch[] = {1.0f, 0.94f};
    choice c = {0};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            c.d = round_f16(largest * stretch[i] / (float)f->s_max);
            c.dmin = round_f16(-lowest * stretch[j] / (float)f->m_max);
            choose_pairs(f, w, fits, 0, &c);
            if (c.error < best->error)
                *best = c;
        }
    }
    choose_pairs(f, w, fits, f->reach, best);
    polish_pairs(f, w, fits, best);
}

/* ---- packing ---- */

/* Pairs of bits in the order of unpack_k.h's bit_pair. */
static void store_bit_pairs(const uint8_t *values, uint8_t *bytes)
{
    memset(bytes, 0, 64);
    for (int i = 0; i < SUPER; i++)
        bytes[i / 128 * 32 + i % 32] |= (uint8_t)((values[i] & 3) << i % 128 / 32 * 2);
}

static void levels_to_bytes(const choice *c, int offset, uint8_t *values)
{
    for (int i = 0; i < SUPER; i++)
        values[i] = (uint8_t)((int)c->q[i] + offset);
}

void quantize_row_Q2_K(const float *x, size_t k, uint8_t *out)
{
    static const group_format format = {{0, 3, 0, NULL, 0, 0, 0}, 16, 0, 15, 15, 1};
    choice c;
    uint8_t values[SUPER];
    for (size_t i = 0; i < k; i += SUPER, out += 84) {
        quantize_pairs(&format, x + i, &c);
        for (int g = 0; g < 16; g++)
            out[g] = (uint8_t)(c.s[g] | c.m[g] << 4);
        levels_to_bytes(&c, 0, values);
        store_bit_pairs(values, out + 16);
        quantize_store_f16(out + 80, c.d);
        quantize_store_f16(out + 82, c.dmin);
    }
}

void quantize_row_Q3_K(const float *x, size_t k, uint8_t *out)
{
    static const group_format format = {{-4, 3, 0, NULL, 0.75f, 1.5f, 7}, 16, -32, 31, 0, 1};
    choice c;
    uint8_t values[SUPER];
    for (size_t i = 0; i < k; i += SUPER, out += 110) {
        uint8_t *hmask = out, *scales = out + 96;
        quantize_scales(&format, x + i, &c);
        levels_to_bytes(&c, 4, values);
        memset(hmask, 0, 32);
        for (int j = 0; j < SUPER; j++)
            hmask[j % 32] |= (uint8_t)((values[j] >> 2) << j / 32);
        store_bit_pairs(values, out + 32);
        memset(scales, 0, 12);
        for (int g = 0; g < 16; g++) {
            int s = c.s[g] + 32;
            scales[g % 8] |= (uint8_t)((s & 15) << g / 8 * 4);
            scales[8 + g % 4] |= (uint8_t)((s >> 4) << g / 4 * 2);
        }
        quantize_store_f16(out + 108, c.d);
    }
}

/* The 12 bytes of unpack_k.h's unpack_scales_q4. */
static void store_scales_q4(const choice *c, uint8_t *packed)
{
    memset(packed, 0, 12);
    for (int g = 0; g < 4; g++) {
        packed[g] = (uint8_t)(c->s[g] | c->s[g + 4] >> 4 << 6);
        packed[g + 4] = (uint8_t)(c->m[g] | c->m[g + 4] >> 4 << 6);
        packed[g + 8] = (uint8_t)((c->s[g + 4] & 15) | (c->m[g + 4] & 15) << 4);
    }
}

/* Nibbles of Q4_K and Q5_K. */
static void store_nibbles_64(const uint8_t *values, uint8_t *nibbles)
{
    for (int i = 0; i < 128; i++) {
        const uint8_t *low = values + i / 32 * 64 + i % 32;
        nibbles[i] = (uint8_t)((low[0] & 15) | (low[32] & 15) << 4);
    }
}

void quantize_row_Q4_K(const float *x, size_t k, uint8_t *out)
{
    static const group_format format = {{0, 15, 0, NULL, 0, 0, 0}, 32, 0, 63, 63, 2};
    choice c;
    uint8_t values[SUPER];
    for (size_t i = 0; i < k; i += SUPER, out += 144) {
        quantize_pairs(&format, x + i, &c);
        quantize_store_f16(out, c.d);
        quantize_store_f16(out + 2, c.dmin);
        store_scales_q4(&c, out + 4);
        levels_to_bytes(&c, 0, values);
        store_nibbles_64(values, out + 16);
    }
}

void quantize_row_Q5_K(const float *x, size_t k, uint8_t *out)
{
    static const group_format format = {{0, 31, 0, NULL, 0, 0, 0}, 32, 0, 63, 63, 2};
    choice c;
    uint8_t values[SUPER];
    for (size_t i = 0; i < k; i += SUPER, out += 176) {
        uint8_t *qh = out + 16;
        quantize_pairs(&format, x + i, &c);
        quantize_store_f16(out, c.d);
        quantize_store_f16(out + 2, c.dmin);
        store_scales_q4(&c, out + 4);
        levels_to_bytes(&c, 0, values);
        memset(qh, 0, 32);
        for (int j = 0; j < SUPER; j++)
            qh[j % 32] |= (uint8_t)((values[j] >> 4) << j / 32);
        store_nibbles_64(values, out + 48);
    }
}

void quantize_row_Q6_K(const float *x, size_t k, uint8_t *out)
{
    static const group_format format = {{-32, 31, 0, NULL, 0.9f, 1.1f, 11}, 16, -128, 127, 0, 0};
    choice c;
    uint8_t values[SUPER], high[SUPER];
    for (size_t i = 0; i < k; i += SUPER, out += 210) {
        quantize_scales(&format, x + i, &c);
        levels_to_bytes(&c, 32, values);
        memset(out, 0, 128);
        for (int j = 0; j < SUPER; j++) {
            out[j / 128 * 64 + j % 64] |= (uint8_t)((values[j] & 15) << j % 128 / 64 * 4);
            high[j] = values[j] >> 4;
        }
        store_bit_pairs(high, out + 128);
        for (int g = 0; g < 16; g++)
            out[192 + g] = (uint8_t)(int8_t)c.s[g];
        quantize_store_f16(out + 208, c.d);
    }
}

void quantize_row_IQ4_XS(const float *x, size_t k, uint8_t *out)
{
    const group_format format = {quantize_levels_iq4_nl, 32, -32, 31, 0, 1};
    choice c;
    for (size_t i = 0; i < k; i += SUPER, out += 136) {
        quantize_scales(&format, x + i, &c);
        quantize_store_f16(out, c.d);
        unsigned high = 0;
        memset(out + 4, 0, 4);
        for (int g = 0; g < 8; g++) {
            unsigned s = (unsigned)(c.s[g] + 32);
            out[4 + g / 2] |= (uint8_t)((s & 15) << g % 2 * 4);
            high |= s >> 4 << 2 * g;
        }
        out[2] = (uint8_t)high;
        out[3] = (uint8_t)(high >> 8);
        for (int j = 0; j < 128; j++) {
            const float *low = c.q + j / 16 * 32 + j % 16;
            out[8 + j] = (uint8_t)(quantize_code_index(&format.lv, low[0]) |
                                   quantize_code_index(&format.lv, low[16]) << 4);
        }
    }
}

/* ---- ternary ---- */

static int by_magnitude_descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* If the n largest magnitudes take +-1, their mean is the best scale, and explains
 * (their sum)^2 / n. So one pass over the sorted magnitudes finds the best n. */
static void quantize_ternary(const float *x, uint8_t *d, uint8_t *values)
{
    static const levels ternary = {-1, 1, 0, NULL, 0, 0, 0};
    float w[SUPER], sorted[SUPER], q[SUPER];
    quantize_load(x, SUPER, w);
    for (int i = 0; i < SUPER; i++)
        sorted[i] = fabsf(w[i]);
    qsort(sorted, SUPER, sizeof sorted[0], by_magnitude_descending);
    float sum = 0.0f, best = 0.0f, scale = 0.0f;
    for (int i = 0; i < SUPER; i++) {
        sum += sorted[i];
        float n = (float)(i + 1);
        if (sum * (sum / n) > best) {
            best = sum * (sum / n);
            scale = sum / n;
        }
    }
    fit_nearest(&ternary, w, SUPER, quantize_store_f16(d, scale), q);
    for (int i = 0; i < SUPER; i++)
        values[i] = (uint8_t)((int)q[i] + 1);
}

/* n digits, the first the most significant, as the fraction that unpack_k.h's ternary_digit reads:
 * rounded up, so that every digit stays on its side of the boundary. */
static uint8_t ternary_byte(const uint8_t *values, int n, int stride)
{
    unsigned number = 0;
    for (int i = 0; i < 5; i++)
        number = number * 3 + (i < n ? values[i * stride] : 0);
    return (uint8_t)((number * 256 + 242) / 243);
}

void quantize_row_TQ1_0(const float *x, size_t k, uint8_t *out)
{
    uint8_t values[SUPER];
    for (size_t i = 0; i < k; i += SUPER, out += 54) {
        quantize_ternary(x + i, out + 52, values);
        for (int j = 0; j < 32; j++)
            out[j] = ternary_byte(values + j, 5, 32);
        for (int j = 0; j < 16; j++)
            out[32 + j] = ternary_byte(values + 160 + j, 5, 16);
        for (int j = 0; j < 4; j++)
            out[48 + j] = ternary_byte(values + 240 + j, 4, 4);
    }
}

void quantize_row_TQ2_0(const float *x, size_t k, uint8_t *out)
{
    uint8_t values[SUPER];
    for (size_t i = 0; i < k; i += SUPER, out += 66) {
        quantize_ternary(x + i, out + 64, values);
        store_bit_pairs(values, out);
    }
}
