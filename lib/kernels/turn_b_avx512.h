/* SPDX-License-Identifier: MIT
 *
 * turn_b_avx512.h - the formats of class B for sixteen rows at once. Layouts: unpack_b.h.
 *
 * turn_NAME(rows, at, q) reads the file's block at a byte of sixteen rows. q[j] gets quants 4j to
 * 4j + 3 of each row, a row per dword, as unsigned bytes with the format's offset added. The raw
 * bytes are turned first and taken apart then, so there is as little to turn as there is to read.
 */
#ifndef HEARTH_KERNELS_TURN_B_AVX512_H
#define HEARTH_KERNELS_TURN_B_AVX512_H

#include "kernels/unpack_b_avx512.h"

/* 16 bytes: the low halves, then the high halves. */
ALWAYS_INLINE void turn_nibbles(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_16(rows, at, q);
    for (int j = 0; j < 4; j++) {
        q[4 + j] = high_nibbles(q[j]);
        q[j] = low_nibbles(q[j]);
    }
}

/* The bytes whose bit, of four from 4j on in their dword, is set. */
static inline __mmask64 four_bits(__m512i dwords, int j)
{
    const __m512i spread = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    const __m512i from = _mm512_add_epi8(spread, _mm512_set1_epi8((char)(j / 2)));
    return _mm512_test_epi8_mask(_mm512_shuffle_epi8(dwords, from),
                                 _mm512_set1_epi32(j % 2 ? (int)0x80402010 : 0x08040201));
}

ALWAYS_INLINE void add_fifth_bits(__m512i dwords, __m512i *q)
{
    for (int j = 0; j < 8; j++)
        q[j] = _mm512_mask_add_epi8(q[j], four_bits(dwords, j), q[j], _mm512_set1_epi8(16));
}

ALWAYS_INLINE void turn_Q4_0(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_nibbles(rows, at + 2, q);
}

ALWAYS_INLINE void turn_Q4_1(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_nibbles(rows, at + 4, q);
}

ALWAYS_INLINE void turn_Q5_0(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_nibbles(rows, at + 6, q);
    add_fifth_bits(rows_dword(rows, at + 2), q);
}

ALWAYS_INLINE void turn_Q5_1(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_nibbles(rows, at + 8, q);
    add_fifth_bits(rows_dword(rows, at + 4), q);
}

ALWAYS_INLINE void turn_Q8_0(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_16(rows, at + 2, q);
    turn_16(rows, at + 18, q + 4);
    for (int j = 0; j < 8; j++)
        q[j] = _mm512_xor_si512(q[j], _mm512_set1_epi8((char)128));
}

ALWAYS_INLINE void turn_IQ4_NL(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_nibbles(rows, at + 2, q);
    for (int j = 0; j < 8; j++)
        q[j] = look_up(codebook_iq4_nl, 128, q[j]);
}

ALWAYS_INLINE void turn_MXFP4(const rows_16 *rows, size_t at, __m512i *q)
{
    turn_nibbles(rows, at + 1, q);
    for (int j = 0; j < 8; j++)
        q[j] = look_up(codebook_fp4, 12, q[j]);
}

ALWAYS_INLINE void turn_NVFP4(const rows_16 *rows, size_t at, __m512i *q)
{
    __m512i packed[8];
    turn_16(rows, at + 4, packed);
    turn_16(rows, at + 20, packed + 4);
    for (int j = 0; j < 8; j++) {
        __m512i *to = q + j / 2 * 4 + j % 2;
        to[0] = look_up(codebook_fp4, 12, low_nibbles(packed[j]));
        to[2] = look_up(codebook_fp4, 12, high_nibbles(packed[j]));
    }
}

ALWAYS_INLINE void turn_Q1_0(const rows_16 *rows, size_t at, __m512i *q)
{
    __m512i bits[4];
    turn_16(rows, at + 2, bits);
    for (int j = 0; j < 32; j++)
        q[j] = _mm512_maskz_set1_epi8(four_bits(bits[j / 8], j % 8), 2);
}

ALWAYS_INLINE void turn_Q2_0(const rows_16 *rows, size_t at, __m512i *q)
{
    __m512i pairs[4];
    turn_16(rows, at + 2, pairs);
    for (int j = 0; j < 16; j++) {
        const __m512i byte = _mm512_and_si512(
            _mm512_srli_epi32(pairs[j / 4], (unsigned)(j % 4 * 8)), _mm512_set1_epi32(255));
        const __m512i two = _mm512_or_si512(byte, _mm512_slli_epi32(byte, 6));
        const __m512i four = _mm512_or_si512(two, _mm512_slli_epi32(two, 12));
        q[j] = _mm512_and_si512(four, _mm512_set1_epi8(3));
    }
}

#endif
