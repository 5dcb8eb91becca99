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

#include "kernels/turn_b_avx512.h"
#include "kernels/unpack_k_avx512.h"

enum { WIDE_ROWS = 16, WIDE_COLUMNS = 4 };

static inline const uint8_t *wide_row(const rows_16 *rows, size_t r)
{
    return rows->quad[r / 4] + r % 4 * rows->stride;
}

/* Adds four products of each row to sum. */
static inline __m512i dot_four(__m512i sum, __m512i quants, const int8_t *a)
{
    int32_t four;
    memcpy(&four, a, sizeof four);
    return _mm512_dpbusd_epi32(sum, quants, _mm512_set1_epi32(four));
}

/* ---- class B ---- */

typedef struct column_b {
    const int8_t *q;
    const float *d;
    const int16_t *sums;
} column_b;

/* Keeps compilers from spreading what the address is made of over too many registers. */
static inline const int8_t *opaque(const int8_t *p)
{
    __asm__("" : "+r"(p));
    return p;
}

/* Two sums of 16 activations, in all lanes. */
static inline __m512i two_sums(const int16_t *sums)
{
    int32_t two;
    memcpy(&two, sums, sizeof two);
    return _mm512_set1_epi32(two);
}

/* Adds a block of 32 weights to a column's chains. `first` is the beginning of the file's block,
 * and i which of its parts with a scale of their own this one begins at. */
ALWAYS_INLINE __m512 chain_wide_b(__m512 y, const format_b *f, const __m512i *q, __m512i first,
                                  unsigned i, const int8_t *a, float da, const int16_t *sums)
{
    const int parts = has_scale_per_16(f->type) ? 2 : 1;
    const __m512 scale = _mm512_set1_ps(da);
    for (int p = 0; p < parts; p++) {
        __m512i products = _mm512_setzero_si512();
        if (f->offset) { /* is in every quant: to be taken back, from both sums or from one */
            const uint32_t which = parts == 1 ? 0x10001 : p == 0 ? 1 : 0x10000;
            const uint32_t minus = (uint16_t)-f->offset * which;
            products =
                _mm512_dpwssd_epi32(products, two_sums(sums), _mm512_set1_epi32((int32_t)minus));
        }
        __m512i more = _mm512_setzero_si512(); /* a second chain: half the time to wait */
        for (int j = 0; j < 8 / parts; j += 2) {
            products = dot_four(products, q[4 * p + j], a + 16 * p + 4 * j);
            more = dot_four(more, q[4 * p + j + 1], a + 16 * p + 4 * j + 4);
        }
        products = _mm512_add_epi32(products, more);
        const __m512 d = f->scale(_mm512_srli_epi32(first, 8 * (i + (unsigned)p)));
        y = _mm512_fmadd_ps(_mm512_mul_ps(d, scale), _mm512_cvtepi32_ps(products), y);
    }
    if (has_minimum(f->type)) {
        const __m512i sum =
            _mm512_dpwssd_epi32(_mm512_setzero_si512(), two_sums(sums), _mm512_set1_epi16(1));
        y = _mm512_fmadd_ps(high_f16(first), _mm512_mul_ps(scale, _mm512_cvtepi32_ps(sum)), y);
    }
    return y;
}

/* `ahead` bytes behind these rows lie those that their streams read next. */
ALWAYS_INLINE void multiply_wide_b(const format_b *f, const rows_16 *rows, size_t ahead,
                                   const matmul_job *job, __m512 *y)
{
    const int n_columns = job->n_columns;
    const size_t n = job->k / 32 / f->blocks;
    column_b x[MATMUL_MAX_COLUMNS];
    for (int c = 0; c < n_columns; c++)
        x[c] = (column_b){job->x[c], act_scales(job->x[c], job->k),
                          act_sums(ACT_Q32, job->x[c], job->k)};
    for (size_t i = 0; i < n; i++) {
        __m512i q[32];
        const __m512i first = rows_dword(rows, i * f->bytes);
        /* of one row, as far as all sixteen will go in sixteen steps */
        prefetch(wide_row(rows, i % WIDE_ROWS) + ahead + i / WIDE_ROWS * WIDE_ROWS * f->bytes,
                 WIDE_ROWS * f->bytes);
        f->turn(rows, i * f->bytes, q);
        for (int c = 0; c < n_columns; c++) {
            for (size_t j = 0; j < f->blocks; j++) {
                const size_t b = i * f->blocks + j;
                const unsigned part = has_scale_per_16(f->type) ? 2 * (unsigned)j : 0;
                y[c] = chain_wide_b(y[c], f, q + 8 * j, first, part, opaque(x[c].q + 32 * b),
                                    x[c].d[b], x[c].sums + 2 * b);
            }
        }
    }
}

/* ---- class K ---- */

/* A super-block of each row: quants, scales and pairs of minimums (int16) in turn. */
typedef struct wide_k {
    __m512i q[4][16], s[16], m[16];
    __m512 d, dmin;
} wide_k;

/* Q4_K, turned before it is taken apart as in turn_b_avx512.h. See load_scales_q4. */
ALWAYS_INLINE void turn_Q4_K(const rows_16 *rows, size_t at, wide_k *out)
{
    const __m512i six = _mm512_set1_epi8(63), two = _mm512_set1_epi8(0x30);
    const __m512i low_byte = _mm512_set1_epi32((int32_t)0x80808000);
    const __m512i twice = _mm512_set1_epi32((int32_t)0x80008000);
    __m512i head[4], s[2], m[2];
    turn_16(rows, at, head);
    out->d = low_f16(head[0]);
    out->dmin = high_f16(head[0]);
    s[0] = _mm512_and_si512(head[1], six);
    m[0] = _mm512_and_si512(head[2], six);
    s[1] =
        _mm512_or_si512(low_nibbles(head[3]), _mm512_and_si512(_mm512_srli_epi32(head[1], 2), two));
    m[1] = _mm512_or_si512(high_nibbles(head[3]),
                           _mm512_and_si512(_mm512_srli_epi32(head[2], 2), two));
    const __m512i lanes = _mm512_set4_epi32(0x000c000c, 0x00080008, 0x00040004, 0);
    const __m512i low_lanes = _mm512_set4_epi32(12, 8, 4, 0);
    for (int g = 0; g < 8; g++) {
        const __m512i n = _mm512_set1_epi32(g % 4), n_twice = _mm512_set1_epi32(g % 4 * 0x10001);
        out->s[2 * g] = _mm512_shuffle_epi8(
            s[g / 4], _mm512_add_epi32(_mm512_add_epi32(low_byte, low_lanes), n));
        out->m[g] = _mm512_shuffle_epi8(m[g / 4],
                                        _mm512_add_epi32(_mm512_add_epi32(twice, lanes), n_twice));
    }
    for (size_t i = 0; i < 4; i++) {
        turn_16(rows, at + 16 + 32 * i, out->q[i]);
        turn_16(rows, at + 32 + 32 * i, out->q[i] + 4);
        for (int j = 0; j < 8; j++) {
            out->q[i][8 + j] = high_nibbles(out->q[i][j]);
            out->q[i][j] = low_nibbles(out->q[i][j]);
        }
    }
}

ALWAYS_INLINE void load_wide_k(const format_k *f, const rows_16 *rows, size_t ahead, size_t i,
                               wide_k *out)
{
    const uint8_t *w[WIDE_ROWS];
    for (size_t r = 0; r < WIDE_ROWS; r++) {
        w[r] = wide_row(rows, r);
        prefetch(w[r] + ahead + i * f->bytes, f->bytes);
    }
    if (f->type == WTYPE_Q4_K) {
        turn_Q4_K(rows, i * f->bytes, out);
        return;
    }
    for (int r = 0; r < WIDE_ROWS; r++) {
        const uint8_t *block = w[r] + i * f->bytes;
        k_vectors v;
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

ALWAYS_INLINE void multiply_wide_k(const format_k *f, const rows_16 *rows, size_t ahead,
                                   const matmul_job *job, __m512 *y)
{
    for (size_t i = 0; i < job->k / 256; i++) {
        const int n = job->n_columns;
        int c = 0;
        wide_k v;
        load_wide_k(f, rows, ahead, i, &v);
        for (; c + WIDE_COLUMNS <= n; c += WIDE_COLUMNS)
            chain_wide_k(f, &v, i, job->k, WIDE_COLUMNS, job->x + c, y + c);
        for (; c < n; c++)
            chain_wide_k(f, &v, i, job->k, 1, job->x + c, y + c);
    }
}

#endif
