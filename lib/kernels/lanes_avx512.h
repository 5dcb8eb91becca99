/* SPDX-License-Identifier: MIT
 *
 * lanes_avx512.h - pieces that the AVX-512 weight kernels share: sums across lanes, and vectors
 * whose lanes are eight (row, column) pairs.
 */
#ifndef HEARTH_KERNELS_LANES_AVX512_H
#define HEARTH_KERNELS_LANES_AVX512_H

#include <immintrin.h>

#include "kernels/weight_generic.h"

enum { N_PAIRS = 8 }; /* rows x columns of a tile (weight_avx512.c) */

static inline __m512i load_512(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline __m256i load_256(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline __m128i load_128(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

static inline uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The same 32 bytes in both halves. */
static inline __m512i load_256_twice(const void *p)
{
    return _mm512_broadcast_i64x4(load_256(p));
}

static inline __m512i join_256(__m256i low, __m256i high)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* A 16-bit value for each 128-bit lane. */
static inline __m512i lanes_epi16(int a, int b, int c, int d)
{
    const __m128i va = _mm_set1_epi16((short)a), vb = _mm_set1_epi16((short)b);
    const __m128i vc = _mm_set1_epi16((short)c), vd = _mm_set1_epi16((short)d);
    return join_256(_mm256_set_m128i(vb, va), _mm256_set_m128i(vd, vc));
}

/* Two vectors to one whose lanes are sums of neighbours: a, b, a, b in each 128 bits. */
static inline __m512i add_pairs_32(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

static inline __m512i add_pairs_64(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

/* Each 128 bits become the sums of that part of v[0], v[1], v[2] and v[3]. */
static inline __m512i add_lanes_4(const __m512i *v)
{
    return add_pairs_64(add_pairs_32(v[0], v[1]), add_pairs_32(v[2], v[3]));
}

/* Sums of the lower halves of v[0..7] in the lower half, of the upper halves in the upper. */
static inline __m512i sum_halves_8(const __m512i *v)
{
    const __m512i a = add_lanes_4(v), b = add_lanes_4(v + 4);
    const __m512i sum = _mm512_add_epi32(_mm512_shuffle_i64x2(a, b, _MM_SHUFFLE(2, 0, 2, 0)),
                                         _mm512_shuffle_i64x2(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
    return _mm512_shuffle_i64x2(sum, sum, _MM_SHUFFLE(3, 1, 2, 0));
}

static inline __m256i low_half(__m512i v)
{
    return _mm512_castsi512_si256(v);
}

static inline __m256i high_half(__m512i v)
{
    return _mm512_extracti64x4_epi64(v, 1);
}

static inline __m256i sum_8(const __m512i *v)
{
    const __m512i halves = sum_halves_8(v);
    return _mm256_add_epi32(low_half(halves), high_half(halves));
}

/* Of vectors of 256 bits: pairs of them travel together. */
static inline __m256i sum_8_short(const __m256i *v)
{
    const __m512i joined[4] = {join_256(v[0], v[4]), join_256(v[1], v[5]), join_256(v[2], v[6]),
                               join_256(v[3], v[7])};
    const __m512i quarters = add_lanes_4(joined);
    const __m512i even = _mm512_shuffle_i64x2(quarters, quarters, _MM_SHUFFLE(2, 0, 2, 0));
    const __m512i odd = _mm512_shuffle_i64x2(quarters, quarters, _MM_SHUFFLE(3, 1, 3, 1));
    return low_half(_mm512_add_epi32(even, odd));
}

/* ---- one value per pair; pair p is row p / columns, column p % columns ---- */

typedef uint16_t bits_fn(const uint8_t *p);

/* An f16 of each row. */
ALWAYS_INLINE __m256 row_f16(const uint8_t *const *rows, size_t at, int columns, bits_fn *bits)
{
    if (columns == N_PAIRS)
        return _mm256_cvtph_ps(_mm_set1_epi16((short)bits(rows[0] + at)));
#define BITS(p) (short)bits(rows[(p) / columns] + at)
    return _mm256_cvtph_ps(
        _mm_setr_epi16(BITS(0), BITS(1), BITS(2), BITS(3), BITS(4), BITS(5), BITS(6), BITS(7)));
#undef BITS
}

/* A byte of each row. */
ALWAYS_INLINE __m256i row_bytes(const uint8_t *const *rows, size_t at, int columns)
{
    if (columns == N_PAIRS)
        return _mm256_set1_epi32(rows[0][at]);
#define BYTE(p) rows[(p) / columns][at]
    return _mm256_setr_epi32(BYTE(0), BYTE(1), BYTE(2), BYTE(3), BYTE(4), BYTE(5), BYTE(6),
                             BYTE(7));
#undef BYTE
}

/* A float of each column. */
ALWAYS_INLINE __m256 column_floats(const float *const *v, size_t i, int columns)
{
    if (columns == 1)
        return _mm256_set1_ps(v[0][i]);
#define VALUE(p) v[(p) % columns][i]
    return _mm256_setr_ps(VALUE(0), VALUE(1), VALUE(2), VALUE(3), VALUE(4), VALUE(5), VALUE(6),
                          VALUE(7));
#undef VALUE
}

#endif
