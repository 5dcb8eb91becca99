/* SPDX-License-Identifier: MIT
 *
 * unpack_f_avx2.h - the formats of class F, from bytes to registers.
 */
#ifndef HEARTH_KERNELS_UNPACK_F_AVX2_H
#define HEARTH_KERNELS_UNPACK_F_AVX2_H

#include "kernels/unpack_avx2.h"

/* Eight elements. */
typedef __m256 load_8_fn(const uint8_t *p);

ALWAYS_INLINE __m256 load_8_F32(const uint8_t *p)
{
    return _mm256_castsi256_ps(load_256(p));
}

ALWAYS_INLINE __m256 load_8_F16(const uint8_t *p)
{
    return _mm256_cvtph_ps(load_128(p));
}

ALWAYS_INLINE __m256 load_8_BF16(const uint8_t *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_128(p)), 16));
}

#endif
