/* SPDX-License-Identifier: MIT
 *
 * unpack_iq_avx512.h - the IQ formats of class K, from bytes to registers, as unpack_k_avx512.h.
 *
 * Codebook rows are fetched one by one (a gather is no faster where it is fast, and much slower
 * elsewhere). Signs become a mask register of one bit per weight.
 */
#ifndef HEARTH_KERNELS_UNPACK_IQ_AVX512_H
#define HEARTH_KERNELS_UNPACK_IQ_AVX512_H

#include "kernels/unpack_b_avx512.h"
#include "kernels/unpack_k_avx512.h"

enum { GRID_OFFSET = 64 }; /* above every magnitude in a grid */

/* grid, negative where signs has a bit, plus GRID_OFFSET. */
static inline __m512i sign_grid(__m512i grid, uint64_t signs)
{
    const __m512i offset = _mm512_set1_epi8(GRID_OFFSET);
    return _mm512_mask_sub_epi8(_mm512_add_epi8(offset, grid), signs, offset, grid);
}

/* Rows of 8 weights. index(i) is an expression of i, 0 to 7. */
#define GRID_8(grid, index)                                                                        \
    _mm512_setr_epi64((long long)(grid)[index(0)], (long long)(grid)[index(1)],                    \
                      (long long)(grid)[index(2)], (long long)(grid)[index(3)],                    \
                      (long long)(grid)[index(4)], (long long)(grid)[index(5)],                    \
                      (long long)(grid)[index(6)], (long long)(grid)[index(7)])

/* Two rows of 4 weights, as one of 8. */
static inline long long grid_pair(const uint32_t *grid, uint32_t low, uint32_t high)
{
    return (long long)(grid[low] | (uint64_t)grid[high] << 32);
}

/* Eight times 7 bits of signs; the parity of each becomes its eighth bit (unpack_iq.h). */
static inline uint64_t even_signs_8(uint64_t packed)
{
    const uint64_t bits = _pdep_u64(packed, 0x7f7f7f7f7f7f7f7f);
    uint64_t parity = bits ^ bits >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return bits | (parity & 0x0101010101010101) << 7;
}

/* The low 28 bits of two u32. */
static inline uint64_t join_28(uint32_t low, uint32_t high)
{
    return (low & 0x0fffffff) | (uint64_t)(high & 0x0fffffff) << 28;
}

/* 16 nibbles of 8 bytes, the lowest first, as 2n + 1. */
static inline __m256i load_odd_nibbles_16(const uint8_t *p)
{
    const __m128i packed = _mm_loadl_epi64((const __m128i *)p), low = _mm_set1_epi8(15);
    const __m128i nibbles = _mm_unpacklo_epi8(_mm_and_si128(packed, low),
                                              _mm_and_si128(_mm_srli_epi16(packed, 4), low));
    return odd_scales(_mm256_cvtepu8_epi16(nibbles));
}

/* Eight 16-bit or 32-bit scales, each of 32 weights, as 2n + 1. */
static inline __m256i odd_scales_8(__m256i n)
{
    return odd_scales(twice_epi16(n));
}

/* 64 elements of IQ1: signed grid rows plus 1, or minus 1 where the row's bit is set. */
static inline __m512i add_delta(__m512i grid, __mmask8 negative)
{
    const __m512i plus = _mm512_set1_epi8(GRID_OFFSET + 1);
    const __m512i minus = _mm512_set1_epi8(GRID_OFFSET - 1);
    return _mm512_add_epi8(grid, _mm512_mask_blend_epi64(negative, plus, minus));
}

static inline void load_IQ1_S(const uint8_t *block, k_vectors *out)
{
    const uint8_t *index = block + 2, *qh = block + 34;
    const __m256i high = _mm256_cvtepu16_epi32(load_128(qh));
    out->s = odd_scales_8(_mm256_and_si256(_mm256_srli_epi32(high, 12), _mm256_set1_epi32(7)));
    for (int g = 0; g < 4; g++, index += 8) {
        const uint32_t h[2] = {load_u16(qh + 4 * g), load_u16(qh + 4 * g + 2)};
#define INDEX(i) (index[i] | (h[(i) / 4] >> (i) % 4 * 3 & 7) << 8)
        const __mmask8 negative = (__mmask8)((h[0] >> 15) * 0x0f | (h[1] >> 15) * 0xf0);
        out->q[g] = add_delta(GRID_8(codebook_iq1, INDEX), negative);
#undef INDEX
    }
}

/* The bits of d. */
static inline uint16_t scale_bits_IQ1_M(const uint8_t *block)
{
    return (uint16_t)_pext_u64(load_u64(block + 48), 0xf000f000f000f000);
}

static inline void load_IQ1_M(const uint8_t *block, k_vectors *out)
{
    const uint8_t *index = block, *qh = block + 32;
    const __m256i scales =
        _mm256_broadcastsi128_si256(_mm_loadl_epi64((const __m128i *)(const void *)(block + 48)));
    /* Each u16 to four places, then every place its own 3 bits. */
    const __m256i places = _mm256_setr_epi64x(0x0100010001000100, 0x0302030203020302,
                                              0x0504050405040504, 0x0706070607060706);
    const __m256i shifts = _mm256_set1_epi64x(0x0009000600030000);
    out->s = odd_scales(_mm256_and_si256(
        _mm256_srlv_epi16(_mm256_shuffle_epi8(scales, places), shifts), _mm256_set1_epi16(7)));
    for (int g = 0; g < 4; g++, index += 8, qh += 4) {
        const uint32_t h = load_u32(qh);
#define INDEX(i) (index[i] | (h >> 4 * (i)&7) << 8)
        const __mmask8 negative = (__mmask8)_pext_u32(h, 0x88888888);
        out->q[g] = add_delta(GRID_8(codebook_iq1, INDEX), negative);
#undef INDEX
    }
}

static inline void load_IQ2_XXS(const uint8_t *block, k_vectors *out)
{
    const __m256i n = _mm512_cvtepi64_epi32(_mm512_srli_epi64(load_512(block + 2), 60));
    out->s = odd_scales_8(n);
    for (int g = 0; g < 4; g++) {
        const uint8_t *p = block + 2 + 16 * g;
#define INDEX(i) p[(i) / 4 * 8 + (i) % 4]
        const uint64_t signs = even_signs_8(join_28(load_u32(p + 4), load_u32(p + 12)));
        out->q[g] = sign_grid(GRID_8(codebook_iq2_xxs, INDEX), signs);
#undef INDEX
    }
}

static inline void load_IQ2_XS(const uint8_t *block, k_vectors *out)
{
    out->s = load_odd_nibbles_16(block + 66);
    for (int g = 0; g < 4; g++) {
        const uint8_t *p = block + 2 + 16 * g;
#define INDEX(i) (load_u16(p + 2 * (i)) & 511)
        const __m512i grid = GRID_8(codebook_iq2_xs, INDEX);
#undef INDEX
        const uint64_t high = 0xfe00fe00fe00fe00;
        const uint64_t packed = _pext_u64(load_u64(p), high) | _pext_u64(load_u64(p + 8), high)
                                                                   << 28;
        out->q[g] = sign_grid(grid, even_signs_8(packed));
    }
}

static inline void load_IQ2_S(const uint8_t *block, k_vectors *out)
{
    const uint8_t *index = block + 2, *signs = block + 34, *qh = block + 66;
    out->s = load_odd_nibbles_16(block + 74);
    for (int g = 0; g < 4; g++, index += 8) {
        const uint32_t high = load_u16(qh + 2 * g);
#define INDEX(i) (index[i] | (high >> 2 * (i)&3) << 8)
        out->q[g] = sign_grid(GRID_8(codebook_iq2_s, INDEX), load_u64(signs + 8 * g));
#undef INDEX
    }
}

static inline void load_IQ3_XXS(const uint8_t *block, k_vectors *out)
{
    const uint8_t *index = block + 2, *packed = block + 66;
    out->s = odd_scales_8(_mm256_srli_epi32(load_256(packed), 28));
    for (int g = 0; g < 4; g++, index += 16, packed += 8) {
        const uint32_t *grid = codebook_iq3_xxs;
#define PAIR(i) grid_pair(grid, index[2 * (i)], index[2 * (i) + 1])
        const __m512i rows = _mm512_setr_epi64(PAIR(0), PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5),
                                               PAIR(6), PAIR(7));
#undef PAIR
        const uint64_t signs = even_signs_8(join_28(load_u32(packed), load_u32(packed + 4)));
        out->q[g] = sign_grid(rows, signs);
    }
}

static inline void load_IQ3_S(const uint8_t *block, k_vectors *out)
{
    const uint8_t *index = block + 2, *qh = block + 66, *signs = block + 74;
    out->s = odd_scales_8(nibbles_epi32(load_u32(block + 106)));
    for (int g = 0; g < 4; g++, index += 16) {
        const uint32_t *grid = codebook_iq3_s;
        const uint32_t high = load_u16(qh + 2 * g);
#define INDEX(i) (index[i] | (high >> (i)&1) << 8)
#define PAIR(i) grid_pair(grid, INDEX(2 * (i)), INDEX(2 * (i) + 1))
        const __m512i rows = _mm512_setr_epi64(PAIR(0), PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5),
                                               PAIR(6), PAIR(7));
#undef PAIR
#undef INDEX
        out->q[g] = sign_grid(rows, load_u64(signs + 8 * g));
    }
}

static inline void load_IQ4_XS(const uint8_t *block, k_vectors *out)
{
    const uint8_t *qs = block + 8;
    const __m256i pairs = _mm256_srlv_epi32(_mm256_set1_epi32(load_u16(block + 2)),
                                            _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
    const __m256i high = _mm256_slli_epi32(_mm256_and_si256(pairs, _mm256_set1_epi32(3)), 4);
    const __m256i scales = _mm256_or_si256(nibbles_epi32(load_u32(block + 4)), high);
    out->s = twice_epi16(_mm256_sub_epi32(scales, _mm256_set1_epi32(32)));
    for (int i = 0; i < 4; i++)
        out->q[i] = look_up(codebook_iq4_nl, 128, load_nibbles(qs + 32 * i, qs + 32 * i + 16));
}

#endif
