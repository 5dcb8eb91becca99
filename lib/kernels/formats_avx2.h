/* SPDX-License-Identifier: MIT
 *
 * formats_avx2.h - what the AVX2 kernels need to know of each format beside its quants
 * (unpack_avx2.h): scales, and how many products fit 16 bits.
 */
#ifndef HEARTH_KERNELS_FORMATS_AVX2_H
#define HEARTH_KERNELS_FORMATS_AVX2_H

#include "kernels/unpack_avx2.h"
#include "kernels/unpack_f_avx2.h"

/* Eight vectors of eight int32: rows become columns. */
ALWAYS_INLINE void transpose_8(__m256i x[8])
{
    __m256i a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
        a[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
        x[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
    }
}

/* ---- class B ---- */

/* How many results of maddubs for one format's quants can be added as int16. */
static inline int sums_that_fit(wtype type)
{
    switch (type) {
    case WTYPE_Q8_0:   /* 2 * 128 * 127 */
    case WTYPE_IQ4_NL: /* 2 * 127 * 127 */
        return 1;
    default: /* 2 * 31 * 127, four times: 31,496 */
        return 4;
    }
}

ALWAYS_INLINE float block_scale(const uint8_t *block, wtype type, int sixteenth)
{
    if (type == WTYPE_MXFP4)
        return half_e8m0(block[0]);
    if (type == WTYPE_NVFP4)
        return half_ue4m3(block[sixteenth]);
    return _cvtsh_ss(load_u16(block));
}

/* ---- class K ---- */

/* Where the f16 scale is; a minimum's follows it. */
static inline size_t scale_at(wtype type)
{
    switch (type) {
    case WTYPE_Q2_K:
        return 80;
    case WTYPE_Q3_K:
        return 108;
    case WTYPE_Q6_K:
        return 208;
    case WTYPE_TQ1_0:
        return 52;
    case WTYPE_TQ2_0:
        return 64;
    default:
        return 0;
    }
}

/* What unpack_iq.h moves into d. */
static inline float scale_factor(wtype type)
{
    switch (type) {
    case WTYPE_IQ1_S:
    case WTYPE_IQ1_M:
    case WTYPE_IQ2_XXS:
    case WTYPE_IQ2_XS:
    case WTYPE_IQ2_S:
        return 0.125f;
    case WTYPE_IQ3_XXS:
        return 0.25f;
    default:
        return 1.0f;
    }
}

/* The scale of IQ1_M is the top nibbles of its last four u16. */
static inline uint16_t scale_of_IQ1_M(const uint8_t *block)
{
    return (uint16_t)_pext_u64(load_u64(block + 48), 0xf000f000f000f000);
}

#endif
