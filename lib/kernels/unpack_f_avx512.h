/* SPDX-License-Identifier: MIT
 *
 * unpack_f_avx512.h - the formats of class F, from bytes to registers.
 */
#ifndef HEARTH_KERNELS_UNPACK_F_AVX512_H
#define HEARTH_KERNELS_UNPACK_F_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* 16 elements, or those whose bit is set. */
typedef __m512 load_f_fn(const uint8_t *row, size_t i, __mmask16 mask);

static inline __m512 load_F32(const uint8_t *row, size_t i, __mmask16 mask)
{
    return _mm512_maskz_loadu_ps(mask, row + 4 * i);
}

static inline __m512 load_F16(const uint8_t *row, size_t i, __mmask16 mask)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, row + 2 * i));
}

static inline __m512 load_BF16(const uint8_t *row, size_t i, __mmask16 mask)
{
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, row + 2 * i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}

#endif
