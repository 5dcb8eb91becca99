/* SPDX-License-Identifier: MIT
 *
 * unpack_k_avx512.h - the formats of class K, from bytes to registers. Layouts: unpack_k.h and
 * unpack_iq.h.
 *
 * load_NAME(block, out) gives the 256 quants as unsigned bytes, each with the format's offset
 * added, in ascending order, and the integer scales (and minimums) of 16 weights as int16. How a
 * quant is put together from parts of bytes: the source bytes are brought to every place that
 * needs them, shifted (or rotated) by an amount per lane, and masked. Shifts work on lanes wider
 * than a byte; what crosses into a neighbour is masked away.
 */
#ifndef HEARTH_KERNELS_UNPACK_K_AVX512_H
#define HEARTH_KERNELS_UNPACK_K_AVX512_H

#include "kernels/lanes_avx512.h"

typedef struct k_vectors {
    __m512i q[4];
    __m256i s, m;
} k_vectors;

typedef void load_k_fn(const uint8_t *block, k_vectors *out);

typedef struct format_k {
    load_k_fn *load;
    bits_fn *scale_bits;
    wtype type;
    int group, offset;      /* weights with one scale: 16, 32 or 256 */
    size_t bytes, scale_at; /* dmin follows d */
    float scale_unit;       /* what d is multiplied with, a power of two */
} format_k;

static inline __m512i mask_bytes(__m512i v, int mask)
{
    return _mm512_and_si512(v, _mm512_set1_epi8((char)mask));
}

/* Bits of b where mask has them, else of a. */
static inline __m512i merge_bits(__m512i a, __m512i b, int mask)
{
    return _mm512_ternarylogic_epi32(a, b, _mm512_set1_epi8((char)mask), 0xd8);
}

/* Lower half rotated right by low bits, upper half by high; negative: left. */
static inline __m512i rotate_halves(__m512i v, int low, int high)
{
    return _mm512_rorv_epi32(v, join_256(_mm256_set1_epi32(low), _mm256_set1_epi32(high)));
}

/* int32 to twice the same int16. */
static inline __m256i twice_epi16(__m256i v)
{
    return _mm256_or_si256(_mm256_slli_epi32(v, 16),
                           _mm256_and_si256(v, _mm256_set1_epi32(0xffff)));
}

static inline __m256i odd_scales(__m256i n)
{
    return _mm256_add_epi16(_mm256_add_epi16(n, n), _mm256_set1_epi16(1));
}

/* Eight nibbles of a u32, the lowest first, to int32. */
static inline __m256i nibbles_epi32(uint32_t packed)
{
    const __m256i shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    return _mm256_and_si256(_mm256_srlv_epi32(_mm256_set1_epi32((int)packed), shifts),
                            _mm256_set1_epi32(15));
}

/* Pairs of bits of 64 bytes, each chunk of 128 weights from 32 bytes. */
static inline void load_bit_pairs(const uint8_t *qs, __m512i *q)
{
    for (int i = 0; i < 4; i++) {
        const int low = i % 2 * 4;
        q[i] = mask_bytes(rotate_halves(load_256_twice(qs + i / 2 * 32), low, low + 2), 3);
    }
}

/* Nibbles of 128 bytes, each chunk of 64 weights from 32 bytes, under junk in the upper halves. */
static inline void load_low_bits(const uint8_t *qs, __m512i *q)
{
    for (int i = 0; i < 4; i++)
        q[i] = rotate_halves(load_256_twice(qs + i * 32), 0, 4);
}

static inline void load_Q2_K(const uint8_t *block, k_vectors *out)
{
    const __m128i scales = load_128(block), low = _mm_set1_epi8(15);
    out->s = _mm256_cvtepu8_epi16(_mm_and_si128(scales, low));
    out->m = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(scales, 4), low));
    load_bit_pairs(block + 16, out->q);
}

static inline void load_Q3_K(const uint8_t *block, k_vectors *out)
{
    const uint64_t low = load_u64(block + 96);
    const __m128i nibbles =
        _mm_and_si128(_mm_set_epi64x((long long)(low >> 4), (long long)low), _mm_set1_epi8(15));
    const __m128i pairs = _mm_and_si128(
        _mm_srlv_epi32(_mm_set1_epi32((int)load_u32(block + 104)), _mm_setr_epi32(0, 2, 4, 6)),
        _mm_set1_epi8(3));
    const __m128i scales = _mm_or_si128(nibbles, _mm_slli_epi16(pairs, 4));
    out->s = _mm256_sub_epi16(_mm256_cvtepu8_epi16(scales), _mm256_set1_epi16(32));
    load_bit_pairs(block + 32, out->q);
    const __m512i hmask = load_256_twice(block);
    for (int i = 0; i < 4; i++)
        out->q[i] = merge_bits(out->q[i], rotate_halves(hmask, 2 * i - 2, 2 * i - 1), 4);
}

/* The 12 bytes of 6-bit scales and minimums of Q4_K and Q5_K, after d and dmin. */
static inline void load_scales_q4(const uint8_t *block, k_vectors *out)
{
    const __m128i packed = load_128(block);
    const __m128i low =
        _mm_and_si128(_mm_srlv_epi32(_mm_shuffle_epi32(packed, _MM_SHUFFLE(3, 2, 3, 1)),
                                     _mm_setr_epi32(0, 0, 0, 4)),
                      _mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f));
    const __m128i high =
        _mm_and_si128(_mm_srli_epi32(_mm_shuffle_epi32(packed, _MM_SHUFFLE(2, 2, 1, 1)), 2),
                      _mm_setr_epi32(0, 0x30303030, 0, 0x30303030));
    const __m256i bytes = _mm256_broadcastsi128_si256(_mm_or_si128(low, high));
    const __m256i from_s =
        _mm256_setr_epi32((int)0x80008000, (int)0x80018001, (int)0x80028002, (int)0x80038003,
                          (int)0x80048004, (int)0x80058005, (int)0x80068006, (int)0x80078007);
    out->s = _mm256_shuffle_epi8(bytes, from_s);
    out->m = _mm256_shuffle_epi8(bytes, _mm256_add_epi8(from_s, _mm256_set1_epi16(8)));
}

static inline void load_Q4_K(const uint8_t *block, k_vectors *out)
{
    load_scales_q4(block, out);
    load_low_bits(block + 16, out->q);
    for (int i = 0; i < 4; i++)
        out->q[i] = mask_bytes(out->q[i], 15);
}

static inline void load_Q5_K(const uint8_t *block, k_vectors *out)
{
    load_scales_q4(block, out);
    load_low_bits(block + 48, out->q);
    const __m512i qh = load_256_twice(block + 16);
    for (int i = 0; i < 4; i++) {
        const __m512i high = rotate_halves(qh, 2 * i - 4, 2 * i - 3);
        out->q[i] = mask_bytes(merge_bits(out->q[i], high, 16), 31);
    }
}

static inline void load_Q6_K(const uint8_t *block, k_vectors *out)
{
    out->s = _mm256_cvtepi8_epi16(load_128(block + 192));
    for (int i = 0; i < 4; i++) {
        const int shift = i % 2 * 4;
        const __m512i ql = rotate_halves(load_512(block + i / 2 * 64), shift, shift);
        const __m512i qh = load_256_twice(block + 128 + i / 2 * 32);
        const __m512i high = rotate_halves(qh, shift - 4, shift - 2);
        out->q[i] = mask_bytes(merge_bits(ql, high, 0x30), 63);
    }
}

/* Base-3 digit n of 32 bytes, for 3^n in the lanes of power (unpack_k.h). */
static inline __m256i ternary_digits(__m256i bytes, __m512i power)
{
    const __m512i product = _mm512_mullo_epi16(_mm512_cvtepu8_epi16(bytes), power);
    const __m512i rest = _mm512_and_si512(product, _mm512_set1_epi16(255));
    const __m512i digit = _mm512_srli_epi16(_mm512_mullo_epi16(rest, _mm512_set1_epi16(3)), 8);
    return _mm512_cvtepi16_epi8(digit);
}

static inline void load_TQ1_0(const uint8_t *block, k_vectors *out)
{
    const __m256i first = load_256(block);
    const __m128i second = load_128(block + 32), third = _mm_set1_epi32((int)load_u32(block + 48));
    const __m256i both = _mm256_broadcastsi128_si256(second);
    /* Bytes 48-51 serve 16 weights, four with each digit. */
    const __m512i last =
        join_256(_mm256_set1_epi16(81),
                 _mm256_setr_epi16(1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27));
    out->s = _mm256_set1_epi16(1);
    out->q[0] = join_256(ternary_digits(first, _mm512_set1_epi16(1)),
                         ternary_digits(first, _mm512_set1_epi16(3)));
    out->q[1] = join_256(ternary_digits(first, _mm512_set1_epi16(9)),
                         ternary_digits(first, _mm512_set1_epi16(27)));
    out->q[2] = join_256(ternary_digits(first, _mm512_set1_epi16(81)),
                         ternary_digits(both, lanes_epi16(1, 1, 3, 3)));
    out->q[3] = join_256(ternary_digits(both, lanes_epi16(9, 9, 27, 27)),
                         ternary_digits(_mm256_set_m128i(third, second), last));
}

static inline void load_TQ2_0(const uint8_t *block, k_vectors *out)
{
    out->s = _mm256_set1_epi16(1);
    load_bit_pairs(block, out->q);
}

#endif
