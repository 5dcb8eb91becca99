/* SPDX-License-Identifier: MIT
 *
 * narrow_avx512.h - eight rows of weights times one column, which is what decoding does.
 *
 * Each row is a stream of its own. A step leaves a vector of int32 partial sums for every row;
 * the eight are added across lanes together, into one register with a lane per row (a horizontal
 * sum costs three instructions), so that the float chains of all rows advance in one fma.
 * `ahead` bytes behind each row lies what its stream reads next.
 */
#ifndef HEARTH_KERNELS_NARROW_AVX512_H
#define HEARTH_KERNELS_NARROW_AVX512_H

#include "kernels/unpack_b_avx512.h"
#include "kernels/unpack_k_avx512.h"

enum { NARROW_ROWS = 8 };

/* ---- class B ---- */

/* What the offset adds to the products of two blocks, negated: a lane for each 16 weights. */
static inline __m512i correction_b(const int16_t *sums, int offset)
{
    const __m128i sums_32 =
        _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)sums));
    const __m128i products = _mm_madd_epi16(sums_32, _mm_set1_epi32(-offset & 0xffff));
    const __m512i places = _mm512_setr_epi32(0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0);
    return _mm512_maskz_permutexvar_epi32(0x1111, places, _mm512_castsi128_si512(products));
}

ALWAYS_INLINE __m256 low_ps(__m512 v)
{
    return _mm512_castps512_ps256(v);
}

/* Adds block b to the chains, or the half of it whose scale is byte i of those in `first`. */
ALWAYS_INLINE __m256 chain_b(__m256 y, const format_b *f, __m512i first, unsigned i,
                             const float *da, const int16_t *a_sums, size_t b, __m256i products)
{
    const __m256 d = low_ps(f->scale(_mm512_srli_epi32(first, 8 * i)));
    y = _mm256_fmadd_ps(_mm256_mul_ps(d, _mm256_set1_ps(da[b])), _mm256_cvtepi32_ps(products), y);
    if (has_minimum(f->type)) {
        const float sum = da[b] * (float)(a_sums[2 * b] + a_sums[2 * b + 1]);
        y = _mm256_fmadd_ps(low_ps(high_f16(first)), _mm256_set1_ps(sum), y);
    }
    return y;
}

/* Of one row, as far as all eight will go in eight steps of two blocks. */
ALWAYS_INLINE void prefetch_b(const format_b *f, const uint8_t *const *w, size_t ahead, size_t b)
{
    const size_t first = b / 16 * 16;
    prefetch(w[b % 16 / 2] + ahead + scale_at_b(f, first), scale_at_b(f, 16));
}

/* A row with an odd number of blocks reads, at its end, past the quants and sums of activations
 * into what follows in their row, and does not use it. */
ALWAYS_INLINE __m256 multiply_narrow_b(const format_b *f, const uint8_t *const *w, size_t ahead,
                                       const void *x, size_t k)
{
    const float *da = act_scales(x, k);
    const int16_t *a_sums = act_sums(ACT_Q32, x, k);
    const size_t n = k / 32;
    __m256 y = _mm256_setzero_ps();
    for (size_t b = 0; b < n; b += 2) {
        const __m512i a = load_512((const int8_t *)x + 32 * b);
        __m512i sums[NARROW_ROWS], start = _mm512_setzero_si512();
        if (f->offset)
            start = correction_b(a_sums + 2 * b, f->offset);
        prefetch_b(f, w, ahead, b);
        for (int r = 0; r < NARROW_ROWS; r++)
            sums[r] = _mm512_dpbusd_epi32(start, f->load(w[r], b, b + 1 < n ? b + 1 : b), a);
#define CHAIN(block, i, products) y = chain_b(y, f, first, i, da, a_sums, block, products)
        const __m512i first = rows_8_dword(w, scale_at_b(f, b));
        if (has_scale_per_16(f->type)) {
            const __m512i low = add_lanes_4(sums), high = add_lanes_4(sums + 4);
#define PART(i)                                                                                    \
    _mm256_set_m128i(_mm512_extracti32x4_epi32(high, i), _mm512_extracti32x4_epi32(low, i))
            CHAIN(b, 0, PART(0));
            CHAIN(b, 1, PART(1));
            CHAIN(b + 1, 2, PART(2));
            CHAIN(b + 1, 3, PART(3));
#undef PART
        } else {
            const __m512i halves = sum_halves_8(sums);
            y = chain_b(y, f, first, 0, da, a_sums, b, low_half(halves));
            if (b + 1 < n) {
                const __m512i second = rows_8_dword(w, scale_at_b(f, b + 1));
                y = chain_b(y, f, second, 0, da, a_sums, b + 1, high_half(halves));
            }
        }
#undef CHAIN
    }
    return y;
}

/* ---- class K ---- */

/* The scales of weights 64 part and on, as int16 for every two of them. */
static inline __m512i spread_scales(__m256i s, int part)
{
    const __m512i places =
        _mm512_add_epi16(lanes_epi16(0, 1, 2, 3), _mm512_set1_epi16((short)(4 * part)));
    return _mm512_permutexvar_epi16(places, _mm512_castsi256_si512(s));
}

/* Scaled products of a super-block, to be added across lanes. */
ALWAYS_INLINE __m512i dot_k(const format_k *f, const k_vectors *w, const int8_t *a, __m256i a_sums)
{
    const __m256i offsets = _mm256_mullo_epi16(w->s, _mm256_set1_epi16((short)-f->offset));
    __m512i sum = _mm512_setzero_si512();
    if (f->offset)
        sum = _mm512_zextsi256_si512(_mm256_madd_epi16(offsets, a_sums));
    for (int i = 0; i < 4; i++) {
        const __m512i q = w->q[i], x = load_512(a + 64 * i), s = spread_scales(w->s, i);
        if (f->type == WTYPE_IQ4_XS) {
            const __m512i products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q, x);
            sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(products, _mm512_srai_epi32(s, 16)));
        } else {
            sum = _mm512_dpwssd_epi32(sum, _mm512_maddubs_epi16(q, x), s);
        }
    }
    return sum;
}

ALWAYS_INLINE __m256 multiply_narrow_k(const format_k *f, const uint8_t *const *w, size_t ahead,
                                       const void *x, size_t k)
{
    __m256 y = _mm256_setzero_ps();
    for (size_t i = 0; i < k / 256; i++) {
        const int8_t *a = (const int8_t *)x + 256 * i;
        const __m256i a_sums = load_256(act_sums(ACT_Q256, x, k) + 16 * i);
        __m512i sums[NARROW_ROWS];
        __m256i minimums[NARROW_ROWS];
        for (int r = 0; r < NARROW_ROWS; r++) {
            const uint8_t *block = w[r] + i * f->bytes;
            k_vectors v;
            prefetch(block + ahead, f->bytes);
            f->load(block, &v);
            sums[r] = dot_k(f, &v, a, a_sums);
            if (has_minimum(f->type))
                minimums[r] = _mm256_madd_epi16(v.m, a_sums);
        }
        const size_t at = i * f->bytes + f->scale_at;
        const __m256 da = _mm256_set1_ps(act_scales(x, k)[i]);
        const __m256 d =
            _mm256_mul_ps(rows_f16(w, at, f->scale_bits), _mm256_set1_ps(f->scale_unit));
        y = _mm256_fmadd_ps(_mm256_mul_ps(d, da), _mm256_cvtepi32_ps(sum_8(sums)), y);
        if (has_minimum(f->type)) {
            const __m256 dmin = _mm256_mul_ps(rows_f16(w, at + 2, load_u16), da);
            const __m256 minus = _mm256_xor_ps(dmin, _mm256_set1_ps(-0.0f));
            y = _mm256_fmadd_ps(minus, _mm256_cvtepi32_ps(sum_8_short(minimums)), y);
        }
    }
    return y;
}

#endif
