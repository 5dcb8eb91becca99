/* SPDX-License-Identifier: MIT
 *
 * unpack_b_avx512.h - the formats of class B, from bytes to registers. Layouts: unpack_b.h.
 *
 * load_NAME(row, b, next) gives the quants of two blocks of 32 weights as unsigned bytes, each
 * with the format's offset added: block b, an even number, and block next, which is b + 1, or b
 * again at the end of a row with an odd number of blocks. scale_NAME gives the scales of sixteen
 * rows from the first four bytes of their blocks.
 */
#ifndef HEARTH_KERNELS_UNPACK_B_AVX512_H
#define HEARTH_KERNELS_UNPACK_B_AVX512_H

#include "kernels/lanes_avx512.h"

typedef __m512i load_b_fn(const uint8_t *row, size_t b, size_t next);
typedef __m512 scale_fn(__m512i dwords);

typedef void turn_b_fn(const rows_16 *rows, size_t at, __m512i *q); /* turn_b_avx512.h */

typedef struct format_b {
    load_b_fn *load;
    turn_b_fn *turn;
    scale_fn *scale;
    wtype type;
    int offset;
    size_t bytes, blocks; /* of the file's block, blocks of 32 in it */
} format_b;

/* Where the scale of block b is in a row. */
ALWAYS_INLINE size_t scale_at_b(const format_b *f, size_t b)
{
    return b / f->blocks * f->bytes;
}

/* Two arrays of 16 bytes: the low halves of the first, its high halves, and so the second. */
static inline __m512i load_nibbles(const uint8_t *first, const uint8_t *second)
{
    const __m512i both = join_256(_mm256_broadcastsi128_si256(load_128(first)),
                                  _mm256_broadcastsi128_si256(load_128(second)));
    return _mm512_and_si512(_mm512_srlv_epi16(both, lanes_epi16(0, 4, 0, 4)), _mm512_set1_epi8(15));
}

/* Codes of 4 bits as their values, plus an offset that leaves none negative. */
static inline __m512i look_up(const int8_t *codebook, int offset, __m512i codes)
{
    const __m512i values = _mm512_broadcast_i32x4(load_128(codebook));
    return _mm512_shuffle_epi8(_mm512_add_epi8(values, _mm512_set1_epi8((char)offset)), codes);
}

/* Nibbles with the fifth bits of both blocks. */
static inline __m512i add_fifth(__m512i nibbles, uint32_t first, uint32_t second)
{
    const __mmask64 fifth = first | (uint64_t)second << 32;
    return _mm512_mask_add_epi8(nibbles, fifth, nibbles, _mm512_set1_epi8(16));
}

static inline __m512i load_Q4_0(const uint8_t *row, size_t b, size_t next)
{
    return load_nibbles(row + 18 * b + 2, row + 18 * next + 2);
}

static inline __m512i load_Q4_1(const uint8_t *row, size_t b, size_t next)
{
    return load_nibbles(row + 20 * b + 4, row + 20 * next + 4);
}

static inline __m512i load_Q5_0(const uint8_t *row, size_t b, size_t next)
{
    const uint8_t *first = row + 22 * b + 2, *second = row + 22 * next + 2;
    return add_fifth(load_nibbles(first + 4, second + 4), load_u32(first), load_u32(second));
}

static inline __m512i load_Q5_1(const uint8_t *row, size_t b, size_t next)
{
    const uint8_t *first = row + 24 * b + 4, *second = row + 24 * next + 4;
    return add_fifth(load_nibbles(first + 4, second + 4), load_u32(first), load_u32(second));
}

static inline __m512i load_Q8_0(const uint8_t *row, size_t b, size_t next)
{
    const __m512i q = join_256(load_256(row + 34 * b + 2), load_256(row + 34 * next + 2));
    return _mm512_xor_si512(q, _mm512_set1_epi8((char)128));
}

static inline __m512i load_IQ4_NL(const uint8_t *row, size_t b, size_t next)
{
    return look_up(codebook_iq4_nl, 128, load_Q4_0(row, b, next));
}

static inline __m512i load_MXFP4(const uint8_t *row, size_t b, size_t next)
{
    return look_up(codebook_fp4, 12, load_nibbles(row + 17 * b + 1, row + 17 * next + 1));
}

/* Blocks of 64: four times 8 bytes that serve 16 weights. */
static inline __m512i load_NVFP4(const uint8_t *row, size_t b, size_t next)
{
    (void)next;
    const __m256i packed = load_256(row + 36 * (b / 2) + 4);
    const __m512i places = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
    const __m512i shifts = _mm512_setr_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    const __m512i both = _mm512_permutexvar_epi64(places, _mm512_castsi256_si512(packed));
    const __m512i codes = _mm512_and_si512(_mm512_srlv_epi64(both, shifts), _mm512_set1_epi8(15));
    return look_up(codebook_fp4, 12, codes);
}

/* Blocks of 128 bits. */
static inline __m512i load_Q1_0(const uint8_t *row, size_t b, size_t next)
{
    (void)next;
    uint64_t bits;
    memcpy(&bits, row + 18 * (b / 4) + 2 + b % 4 * 4, sizeof bits);
    return _mm512_maskz_set1_epi8(bits, 2);
}

/* Blocks of 64 pairs of bits: each byte goes to four places, shifted into place. */
static inline __m512i load_Q2_0(const uint8_t *row, size_t b, size_t next)
{
    (void)next;
    const __m512i bytes = _mm512_cvtepu8_epi32(load_128(row + 18 * (b / 2) + 2));
    const __m512i two = _mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 6));
    const __m512i four = _mm512_or_si512(two, _mm512_slli_epi32(two, 12));
    return _mm512_and_si512(four, _mm512_set1_epi8(3));
}

/* half_e8m0 of block.h. */
static inline __m512 scale_e8m0(__m512i dwords)
{
    const __m512i e = _mm512_and_si512(dwords, _mm512_set1_epi32(255));
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i small = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e);
    const __mmask16 is_small = _mm512_cmplt_epu32_mask(e, _mm512_set1_epi32(2));
    return _mm512_castsi512_ps(_mm512_mask_blend_epi32(is_small, normal, small));
}

/* half_ue4m3 of block.h. */
static inline __m512 scale_ue4m3(__m512i dwords)
{
    const __m512i e = _mm512_and_si512(dwords, _mm512_set1_epi32(255));
    const __m512i magnitude = _mm512_and_si512(e, _mm512_set1_epi32(0x7f));
    const __m512 normal = _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_slli_epi32(magnitude, 20), _mm512_set1_epi32((127 - 7 - 1) << 23)));
    const __m512 small = _mm512_mul_ps(_mm512_cvtepi32_ps(magnitude), _mm512_set1_ps(0x1p-10f));
    const __mmask16 is_small = _mm512_cmplt_epu32_mask(magnitude, _mm512_set1_epi32(8));
    const __mmask16 is_number = _mm512_cmpneq_epu32_mask(e, _mm512_set1_epi32(0x7f));
    return _mm512_maskz_mov_ps(is_number, _mm512_mask_blend_ps(is_small, normal, small));
}

#endif
