/* SPDX-License-Identifier: MIT
 *
 * lanes_avx512.h - pieces that the AVX-512 weight kernels share: loads, sums across lanes, turning
 * rows into lanes.
 */
#ifndef HEARTH_KERNELS_LANES_AVX512_H
#define HEARTH_KERNELS_LANES_AVX512_H

#include <immintrin.h>

#include "kernels/weight_generic.h"

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

static inline __m512 join_ps(__m256 low, __m256 high)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
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

/* 16 rows of 16 dwords: v[j] becomes dword j of every row. */
static inline void transpose_16(__m512i *v)
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* v[4r + j] has dwords j, 4 + j, 8 + j, 12 + j of rows 4r to 4r + 3, each in 128 bits. */
    for (int j = 0; j < 4; j++) {
        t[j] = _mm512_shuffle_i32x4(v[j], v[4 + j], _MM_SHUFFLE(2, 0, 2, 0));
        t[4 + j] = _mm512_shuffle_i32x4(v[j], v[4 + j], _MM_SHUFFLE(3, 1, 3, 1));
        t[8 + j] = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], _MM_SHUFFLE(2, 0, 2, 0));
        t[12 + j] = _mm512_shuffle_i32x4(v[8 + j], v[12 + j], _MM_SHUFFLE(3, 1, 3, 1));
    }
    for (int j = 0; j < 4; j++) {
        v[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], _MM_SHUFFLE(2, 0, 2, 0));
        v[4 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], _MM_SHUFFLE(2, 0, 2, 0));
        v[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], _MM_SHUFFLE(3, 1, 3, 1));
        v[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], _MM_SHUFFLE(3, 1, 3, 1));
    }
}

/* Fetches n bytes into the second-level cache. Always inline: gcc drops calls of a function that
 * does nothing but this. */
ALWAYS_INLINE void prefetch(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        _mm_prefetch((const char *)p + i, _MM_HINT_T1);
}

/* ---- sixteen rows ---- */

/* Row 4i + j is at quad[i] + j * stride. With few pointers all of them stay in registers. */
typedef struct rows_16 {
    const uint8_t *quad[4];
    size_t stride;
} rows_16;

/* 16 bytes of rows j, 4 + j, 8 + j and 12 + j. Inserting from memory needs no shuffle. */
ALWAYS_INLINE __m512i load_every_fourth(const rows_16 *rows, size_t j, size_t at)
{
    at += j * rows->stride;
    __m512i v = _mm512_castsi128_si512(load_128(rows->quad[0] + at));
    v = _mm512_inserti32x4(v, load_128(rows->quad[1] + at), 1);
    v = _mm512_inserti32x4(v, load_128(rows->quad[2] + at), 2);
    return _mm512_inserti32x4(v, load_128(rows->quad[3] + at), 3);
}

/* The first of four dwords that are read from a byte of the rows on. */
ALWAYS_INLINE __m512i rows_dword(const rows_16 *rows, size_t at)
{
    const __m512i a =
        _mm512_unpacklo_epi32(load_every_fourth(rows, 0, at), load_every_fourth(rows, 1, at));
    const __m512i b =
        _mm512_unpacklo_epi32(load_every_fourth(rows, 2, at), load_every_fourth(rows, 3, at));
    return _mm512_unpacklo_epi64(a, b);
}

/* Four dwords of each row. */
ALWAYS_INLINE void turn_16(const rows_16 *rows, size_t at, __m512i *out)
{
    __m512i v[4], t[4];
    for (size_t j = 0; j < 4; j++)
        v[j] = load_every_fourth(rows, j, at);
    for (int i = 0; i < 4; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    out[0] = _mm512_unpacklo_epi64(t[0], t[2]);
    out[1] = _mm512_unpackhi_epi64(t[0], t[2]);
    out[2] = _mm512_unpacklo_epi64(t[1], t[3]);
    out[3] = _mm512_unpackhi_epi64(t[1], t[3]);
}

/* The same of eight rows, in the lower half. */
ALWAYS_INLINE __m512i rows_8_dword(const uint8_t *const *rows, size_t at)
{
    __m256i v[4];
    for (int j = 0; j < 4; j++)
        v[j] = _mm256_inserti128_si256(_mm256_castsi128_si256(load_128(rows[j] + at)),
                                       load_128(rows[4 + j] + at), 1);
    return _mm512_castsi256_si512(_mm256_unpacklo_epi64(_mm256_unpacklo_epi32(v[0], v[1]),
                                                        _mm256_unpacklo_epi32(v[2], v[3])));
}

static inline __m512i low_nibbles(__m512i v)
{
    return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

static inline __m512i high_nibbles(__m512i v)
{
    return low_nibbles(_mm512_srli_epi32(v, 4));
}

static inline __m512 low_f16(__m512i dwords)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(dwords));
}

static inline __m512 high_f16(__m512i dwords)
{
    return low_f16(_mm512_srli_epi32(dwords, 16));
}

/* ---- one value of each of eight rows ---- */

typedef uint16_t bits_fn(const uint8_t *p);

/* The f16 whose bits are found at a byte of the rows. */
ALWAYS_INLINE __m256 rows_f16(const uint8_t *const *rows, size_t at, bits_fn *bits)
{
#define BITS(r) (short)bits(rows[r] + at)
    return _mm256_cvtph_ps(
        _mm_setr_epi16(BITS(0), BITS(1), BITS(2), BITS(3), BITS(4), BITS(5), BITS(6), BITS(7)));
#undef BITS
}

#endif
