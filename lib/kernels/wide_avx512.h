/* SPDX-License-Identifier: MIT
 *
 * wide_avx512.h - sixteen rows of weights times several columns.
 *
 * The bytes of 16 rows are turned so that a register holds four consecutive quants of each row,
 * and a column's four activations meet all rows at once, by a broadcast from memory. A lane is a
 * row from the first product to the float chain; nothing is ever added across lanes. Unpacking
 * and turning are paid once for all columns.
 */
#ifndef HEARTH_KERNELS_WIDE_AVX512_H
#define HEARTH_KERNELS_WIDE_AVX512_H

#include "kernels/unpack_b_avx512.h"
#include "kernels/unpack_k_avx512.h"

enum { WIDE_ROWS = 16, WIDE_COLUMNS = 4 };

/* Adds four products of each row to sum. */
static inline __m512i dot_four(__m512i sum, __m512i quants, const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm512_dpbusd_epi32(sum, quants, _mm512_set1_epi32(four));
}

/* ---- class B ---- */

/* Two blocks of each row: quants in turn, a scale for each part (half, or quarter) of the 64. */
typedef struct wide_b {
    __m512i q[16];
    __m512 d[4], m[2];
} wide_b;

ALWAYS_INLINE void load_wide_b(const format_b *f, const uint8_t *const *w, size_t b, size_t next,
                               wide_b *out)
{
    for (int r = 0; r < WIDE_ROWS; r++)
        out->q[r] = f->load(w[r], b, next);
    transpose_16(out->q);
    if (has_scale_per_16(f->type)) {
        for (size_t i = 0; i < 4; i++) {
            const size_t at = scale_at_b(f, b) + i;
            out->d[i] = join_ps(f->scale(w, at), f->scale(w + 8, at));
        }
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        const size_t at = scale_at_b(f, i ? next : b);
        out->d[i] = join_ps(f->scale(w, at), f->scale(w + 8, at));
        if (has_minimum(f->type))
            out->m[i] = join_ps(scale_f16(w, at + 2), scale_f16(w + 8, at + 2));
    }
}

/* Adds block b + half, of those in w, to a column's chains. */
ALWAYS_INLINE __m512 chain_wide_b(__m512 y, const format_b *f, const wide_b *w, size_t half,
                                  const int8_t *a, float da, const int16_t *sums)
{
    const int parts = has_scale_per_16(f->type) ? 2 : 1;
    for (int p = 0; p < parts; p++) {
        const int sum = parts == 2 ? sums[p] : sums[0] + sums[1];
        __m512i products = _mm512_set1_epi32(-f->offset * sum);
        for (int j = 0; j < 8 / parts; j++)
            products = dot_four(products, w->q[8 * half + (size_t)(4 * p + j)], a + 16 * p + 4 * j);
        const __m512 d = w->d[half * (size_t)parts + (size_t)p];
        y = _mm512_fmadd_ps(_mm512_mul_ps(d, _mm512_set1_ps(da)), _mm512_cvtepi32_ps(products), y);
    }
    if (has_minimum(f->type))
        y = _mm512_fmadd_ps(w->m[half], _mm512_set1_ps(da * (float)(sums[0] + sums[1])), y);
    return y;
}

ALWAYS_INLINE void multiply_wide_b(const format_b *f, const uint8_t *const *w, size_t ahead,
                                   const matmul_job *job, __m512 *y)
{
    const size_t n = job->k / 32;
    for (size_t b = 0; b < n; b += 2) {
        const size_t halves = b + 1 < n ? 2 : 1;
        wide_b v;
        for (size_t r = b % 16; r < b % 16 + 2; r++)
            prefetch(w[r] + ahead + scale_at_b(f, b / 16 * 16), scale_at_b(f, 16));
        load_wide_b(f, w, b, b + halves - 1, &v);
        for (int c = 0; c < job->n_columns; c++) {
            const void *x = job->x[c];
            const float *da = act_scales(x, job->k) + b;
            const int16_t *sums = act_sums(ACT_Q32, x, job->k) + 2 * b;
            for (size_t half = 0; half < halves; half++)
                y[c] = chain_wide_b(y[c], f, &v, half, (const int8_t *)x + 32 * (b + half),
                                    da[half], sums + 2 * half);
        }
    }
}

/* ---- class K ---- */

/* A super-block of each row: quants, scales and pairs of minimums (int16) in turn. */
typedef struct wide_k {
    __m512i q[4][16], s[16], m[16];
    __m512 d, dmin;
} wide_k;

ALWAYS_INLINE void load_wide_k(const format_k *f, const uint8_t *const *w, size_t ahead, size_t i,
                               wide_k *out)
{
    for (int r = 0; r < WIDE_ROWS; r++) {
        const uint8_t *block = w[r] + i * f->bytes;
        k_vectors v;
        prefetch(block + ahead, f->bytes);
        f->load(block, &v);
        for (int j = 0; j < 4; j++)
            out->q[j][r] = v.q[j];
        out->s[r] = _mm512_cvtepi16_epi32(v.s);
        if (has_minimum(f->type))
            out->m[r] = _mm512_castsi256_si512(v.m);
    }
    for (int j = 0; j < 4; j++)
        transpose_16(out->q[j]);
    transpose_16(out->s);
    const size_t at = i * f->bytes + f->scale_at;
    const __m512 d = join_ps(rows_f16(w, at, f->scale_bits), rows_f16(w + 8, at, f->scale_bits));
    out->d = _mm512_mul_ps(d, _mm512_set1_ps(f->scale_unit));
    if (has_minimum(f->type)) {
        transpose_16(out->m);
        out->dmin = join_ps(rows_f16(w, at + 2, load_u16), rows_f16(w + 8, at + 2, load_u16));
    }
}

/* What the offset adds to each group's products, negated. */
ALWAYS_INLINE void corrections_k(const format_k *f, __m256i a_sums, int32_t *start)
{
    const __m256i minus = _mm256_set1_epi16((short)-f->offset);
    const __m512i single =
        _mm512_mullo_epi32(_mm512_cvtepi16_epi32(a_sums), _mm512_set1_epi32(-f->offset));
    if (f->group == 16)
        _mm512_storeu_si512(start, single);
    else if (f->group == 32)
        _mm256_storeu_si256((__m256i *)(void *)start, _mm256_madd_epi16(a_sums, minus));
    else
        start[0] = _mm512_reduce_add_epi32(single);
}

/* Scaled products of a super-block with some columns. They share each load of quants. */
ALWAYS_INLINE void dot_wide_k(const format_k *f, const wide_k *w, int columns,
                              const int8_t *const *a, int32_t (*start)[16], __m512i *sums)
{
    const int n = f->group / 4; /* registers of quants with one scale */
    for (int g = 0; g < 64 / n; g++) {
        const __m512i *q = &w->q[0][0] + n * g;
        __m512i products[WIDE_COLUMNS];
        for (int c = 0; c < columns; c++)
            products[c] = _mm512_set1_epi32(start[c][g]);
        for (int j = 0; j < n; j++) {
            for (int c = 0; c < columns; c++)
                products[c] = dot_four(products[c], q[j], a[c] + f->group * g + 4 * j);
        }
        for (int c = 0; c < columns; c++)
            sums[c] = _mm512_add_epi32(sums[c],
                                       _mm512_mullo_epi32(products[c], w->s[g * (f->group / 16)]));
    }
}

static inline __m512i dot_minimums(const wide_k *w, const int16_t *a_sums)
{
    __m512i minimums = _mm512_setzero_si512();
    for (int j = 0; j < 8; j++) {
        int32_t two;
        memcpy(&two, a_sums + 2 * j, sizeof two);
        minimums = _mm512_dpwssd_epi32(minimums, w->m[j], _mm512_set1_epi32(two));
    }
    return minimums;
}

/* Adds super-block i to the chains of some columns. */
ALWAYS_INLINE void chain_wide_k(const format_k *f, const wide_k *w, size_t i, size_t k, int columns,
                                const void *const *x, __m512 *y)
{
    const int8_t *a[WIDE_COLUMNS];
    int32_t start[WIDE_COLUMNS][16] = {{0}};
    __m512i sums[WIDE_COLUMNS];
    for (int c = 0; c < columns; c++) {
        a[c] = (const int8_t *)x[c] + 256 * i;
        sums[c] = _mm512_setzero_si512();
        if (f->offset)
            corrections_k(f, load_256(act_sums(ACT_Q256, x[c], k) + 16 * i), start[c]);
    }
    dot_wide_k(f, w, columns, a, start, sums);
    for (int c = 0; c < columns; c++) {
        const __m512 da = _mm512_set1_ps(act_scales(x[c], k)[i]);
        y[c] = _mm512_fmadd_ps(_mm512_mul_ps(w->d, da), _mm512_cvtepi32_ps(sums[c]), y[c]);
        if (has_minimum(f->type)) {
            const __m512i minimums = dot_minimums(w, act_sums(ACT_Q256, x[c], k) + 16 * i);
            const __m512 minus = _mm512_xor_ps(_mm512_mul_ps(w->dmin, da), _mm512_set1_ps(-0.0f));
            y[c] = _mm512_fmadd_ps(minus, _mm512_cvtepi32_ps(minimums), y[c]);
        }
    }
}

ALWAYS_INLINE void multiply_wide_k(const format_k *f, const uint8_t *const *w, size_t ahead,
                                   const matmul_job *job, __m512 *y)
{
    for (size_t i = 0; i < job->k / 256; i++) {
        int c = 0;
        wide_k v;
        load_wide_k(f, w, ahead, i, &v);
        for (; c + WIDE_COLUMNS <= job->n_columns; c += WIDE_COLUMNS)
            chain_wide_k(f, &v, i, job->k, WIDE_COLUMNS, job->x + c, y + c);
        for (; c < job->n_columns; c++)
            chain_wide_k(f, &v, i, job->k, 1, job->x + c, y + c);
    }
}

#endif
