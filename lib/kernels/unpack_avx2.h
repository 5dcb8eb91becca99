/* SPDX-License-Identifier: MIT
 *
 * unpack_avx2.h - the weight formats in 256-bit registers: unpack_b.h, unpack_k.h and unpack_iq.h
 * once more, for weight_avx2.c.
 *
 * Products are made by maddubs, which multiplies unsigned by signed bytes and adds pairs into
 * int16 with saturation, so quants come in one of two forms (quant_form):
 *
 *   UNSIGNED  q + offset in 0..63, times the activations; offset * sum of activations is
 *             subtracted later, using the sums that come with the activations
 *   SIGNED    magnitude in 0..128, and bytes that carry the sign onto the activations
 *
 * No pair saturates whatever the file holds: 2 * 63 * 127 = 16,002 and 2 * 128 * 127 = 32,512 are
 * below 32,767. Times a scale of at most 128 and added up over a super-block a lane stays below
 * 2^31 (block.h). The order of elements is that of block.h: q[j] holds weights 32j..32j+31.
 */
#ifndef HEARTH_KERNELS_UNPACK_AVX2_H
#define HEARTH_KERNELS_UNPACK_AVX2_H

#include <immintrin.h>

#include "kernels/block.h"
#include "kernels/codebooks.h"

/* ---- forms ---- */

static inline bool is_signed(wtype type)
{
    switch (type) {
    case WTYPE_Q8_0:
    case WTYPE_IQ4_NL:
    case WTYPE_MXFP4:
    case WTYPE_NVFP4:
    case WTYPE_IQ1_S:
    case WTYPE_IQ1_M:
    case WTYPE_IQ2_XXS:
    case WTYPE_IQ2_XS:
    case WTYPE_IQ2_S:
    case WTYPE_IQ3_XXS:
    case WTYPE_IQ3_S:
    case WTYPE_IQ4_XS:
        return true;
    default:
        return false;
    }
}

/* What the UNSIGNED form has added to the quants of block.h. */
static inline int quant_offset(wtype type)
{
    switch (type) {
    case WTYPE_Q4_0:
        return 8;
    case WTYPE_Q5_0:
        return 16;
    case WTYPE_Q3_K:
        return 4;
    case WTYPE_Q6_K:
        return 32;
    case WTYPE_Q1_0:
    case WTYPE_Q2_0:
    case WTYPE_TQ1_0:
    case WTYPE_TQ2_0:
        return 1;
    default:
        return 0;
    }
}

/* 32 weights. */
typedef struct quants {
    __m256i q;    /* unsigned, or magnitudes */
    __m256i sign; /* of the SIGNED form: any byte of that sign; 0 only where q is 0 */
} quants;

/* 256 weights. */
typedef struct super_quants {
    quants w[8];
    __m256i s;   /* int16 scales: of groups 0, 2 .. 14 in the low half, of 1, 3 .. 15 in the high */
    __m256i sum; /* int16 factors of the 16 sums of activations in their order: the minimums, or
                  * scales * offset */
} super_quants;

/* ---- parts ---- */

ALWAYS_INLINE __m256i load_256(const void *p)
{
    return _mm256_loadu_si256(p);
}

ALWAYS_INLINE __m128i load_128(const void *p)
{
    return _mm_loadu_si128(p);
}

ALWAYS_INLINE void store_256(void *p, __m256i x)
{
    _mm256_storeu_si256(p, x);
}

ALWAYS_INLINE uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

ALWAYS_INLINE __m256i twice(__m128i x)
{
    return _mm256_broadcastsi128_si256(x);
}

ALWAYS_INLINE quants unsigned_quants(__m256i q)
{
    return (quants){q, q};
}

ALWAYS_INLINE quants signed_quants(__m256i q)
{
    return (quants){_mm256_abs_epi8(q), q};
}

/* (x >> shift) & mask in every byte; a negative shift goes left. The mask hides what 16-bit shifts
 * bring in from the neighbour. */
ALWAYS_INLINE __m256i bits_at(__m256i x, int shift, int mask)
{
    __m256i shifted = shift < 0 ? _mm256_slli_epi16(x, -shift) : _mm256_srli_epi16(x, shift);
    return _mm256_and_si256(shifted, _mm256_set1_epi8((char)mask));
}

/* 16 bytes of nibbles: the low halves, then the high halves. */
ALWAYS_INLINE __m256i nibbles_32(const uint8_t *p)
{
    const __m256i shifts = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
    __m256i both = _mm256_srlv_epi32(twice(load_128(p)), shifts);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* A byte 0xff for each of 32 bits that is set. */
ALWAYS_INLINE __m256i spread_bits(uint32_t bits)
{
    const __m256i byte =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i x = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte);
    return _mm256_cmpeq_epi8(_mm256_and_si256(x, bit), bit);
}

/* 16 bytes to 16 int16, the even ones in the low half and the odd ones in the high. */
ALWAYS_INLINE __m256i scales_by_parity(__m128i bytes)
{
    const __m128i parity = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, parity));
}

/* 8 bytes, one per 32 weights, to the same form. */
ALWAYS_INLINE __m256i scales_per_32(uint64_t bytes)
{
    return twice(_mm_cvtepi8_epi16(_mm_cvtsi64_si128((long long)bytes)));
}

/* ---- class B: 32 weights number j of a file's block ---- */

typedef quants unpack_quants_fn(const uint8_t *block, int j);

ALWAYS_INLINE quants quants_Q4_0(const uint8_t *block, int j)
{
    (void)j;
    return unsigned_quants(nibbles_32(block + 2));
}

ALWAYS_INLINE quants quants_Q4_1(const uint8_t *block, int j)
{
    (void)j;
    return unsigned_quants(nibbles_32(block + 4));
}

ALWAYS_INLINE quants fifth_bits(const uint8_t *nibbles, uint32_t fifth)
{
    __m256i high = _mm256_and_si256(spread_bits(fifth), _mm256_set1_epi8(16));
    return unsigned_quants(_mm256_or_si256(nibbles_32(nibbles), high));
}

ALWAYS_INLINE quants quants_Q5_0(const uint8_t *block, int j)
{
    (void)j;
    return fifth_bits(block + 6, load_u32(block + 2));
}

ALWAYS_INLINE quants quants_Q5_1(const uint8_t *block, int j)
{
    (void)j;
    return fifth_bits(block + 8, load_u32(block + 4));
}

ALWAYS_INLINE quants quants_Q8_0(const uint8_t *block, int j)
{
    (void)j;
    return signed_quants(load_256(block + 2));
}

ALWAYS_INLINE __m256i look_up(const int8_t *codebook, __m256i nibbles)
{
    return _mm256_shuffle_epi8(twice(_mm_load_si128((const __m128i *)(const void *)codebook)),
                               nibbles);
}

ALWAYS_INLINE quants quants_IQ4_NL(const uint8_t *block, int j)
{
    (void)j;
    return signed_quants(look_up(codebook_iq4_nl, nibbles_32(block + 2)));
}

ALWAYS_INLINE quants quants_MXFP4(const uint8_t *block, int j)
{
    (void)j;
    return signed_quants(look_up(codebook_fp4, nibbles_32(block + 1)));
}

/* Low and high halves change after every 8 weights. */
ALWAYS_INLINE quants quants_NVFP4(const uint8_t *block, int j)
{
    const __m256i shifts = _mm256_setr_epi64x(0, 4, 0, 4);
    __m256i x = _mm256_permute4x64_epi64(twice(load_128(block + 4 + 16 * j)), 0x50);
    x = _mm256_and_si256(_mm256_srlv_epi64(x, shifts), _mm256_set1_epi8(15));
    return signed_quants(look_up(codebook_fp4, x));
}

ALWAYS_INLINE quants quants_Q1_0(const uint8_t *block, int j)
{
    __m256i set = spread_bits(load_u32(block + 2 + 4 * j));
    return unsigned_quants(_mm256_and_si256(set, _mm256_set1_epi8(2)));
}

/* A byte of four pairs of bits into a 32-bit lane: first its nibbles apart, then the pairs. */
ALWAYS_INLINE quants quants_Q2_0(const uint8_t *block, int j)
{
    __m256i x = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(block + 2 + 8 * j)));
    x = _mm256_or_si256(x, _mm256_slli_epi32(x, 12));
    x = _mm256_and_si256(x, _mm256_set1_epi32(0x000f000f));
    x = _mm256_or_si256(x, _mm256_slli_epi32(x, 6));
    return unsigned_quants(_mm256_and_si256(x, _mm256_set1_epi32(0x03030303)));
}

/* ---- class K, linear quants ---- */

typedef void unpack_super_fn(const uint8_t *block, super_quants *out);

/* Scales and minimums of Q4_K and Q5_K. Bytes 0-3 of lo and hi are scales, bytes 4-7 minimums. */
ALWAYS_INLINE void scales_q4(const uint8_t *packed, super_quants *out)
{
    const __m256i scales =
        twice(_mm_setr_epi8(0, -1, 1, -1, 2, -1, 3, -1, 8, -1, 9, -1, 10, -1, 11, -1));
    const __m256i minimums =
        _mm256_setr_epi8(4, -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7, -1, 12, -1, 12, -1, 13,
                         -1, 13, -1, 14, -1, 14, -1, 15, -1, 15, -1);
    uint64_t six = load_u64(packed), four = load_u32(packed + 8);
    uint64_t lo = six & 0x3f3f3f3f3f3f3f3f;
    uint64_t hi = (six >> 2 & 0x3030303030303030) | ((four | four << 28) & 0x0f0f0f0f0f0f0f0f);
    __m256i x = twice(_mm_set_epi64x((long long)hi, (long long)lo));
    out->s = _mm256_shuffle_epi8(x, scales);
    out->sum = _mm256_shuffle_epi8(x, minimums);
}

ALWAYS_INLINE void super_Q2_K(const uint8_t *block, super_quants *out)
{
    __m128i scales = load_128(block), low = _mm_set1_epi8(15);
    out->s = scales_by_parity(_mm_and_si128(scales, low));
    out->sum = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(scales, 4), low));
    for (int j = 0; j < 8; j++)
        out->w[j] = unsigned_quants(bits_at(load_256(block + 16 + j / 4 * 32), j % 4 * 2, 3));
}

ALWAYS_INLINE void super_Q3_K(const uint8_t *block, super_quants *out)
{
    uint64_t low = load_u64(block + 96), high = load_u32(block + 104);
    uint64_t first = (low & 0x0f0f0f0f0f0f0f0f) | ((high | high << 30) & 0x0303030303030303) << 4;
    high >>= 4;
    uint64_t second = (low >> 4 & 0x0f0f0f0f0f0f0f0f) | ((high | high << 30) & 0x0303030303030303)
                                                            << 4;
    __m128i scales = _mm_set_epi64x((long long)second, (long long)first);
    scales = _mm_sub_epi8(scales, _mm_set1_epi8(32));
    out->s = scales_by_parity(scales);
    out->sum = _mm256_slli_epi16(_mm256_cvtepi8_epi16(scales), 2);
    __m256i hmask = load_256(block);
    for (int j = 0; j < 8; j++) {
        __m256i pair = bits_at(load_256(block + 32 + j / 4 * 32), j % 4 * 2, 3);
        out->w[j] = unsigned_quants(_mm256_or_si256(pair, bits_at(hmask, j - 2, 4)));
    }
}

ALWAYS_INLINE void super_Q4_K(const uint8_t *block, super_quants *out)
{
    scales_q4(block + 4, out);
    for (int j = 0; j < 8; j++)
        out->w[j] = unsigned_quants(bits_at(load_256(block + 16 + j / 2 * 32), j % 2 * 4, 15));
}

ALWAYS_INLINE void super_Q5_K(const uint8_t *block, super_quants *out)
{
    scales_q4(block + 4, out);
    __m256i fifth = load_256(block + 16);
    for (int j = 0; j < 8; j++) {
        __m256i nibble = bits_at(load_256(block + 48 + j / 2 * 32), j % 2 * 4, 15);
        out->w[j] = unsigned_quants(_mm256_or_si256(nibble, bits_at(fifth, j - 4, 16)));
    }
}

ALWAYS_INLINE void super_Q6_K(const uint8_t *block, super_quants *out)
{
    __m128i scales = load_128(block + 192);
    out->s = scales_by_parity(scales);
    out->sum = _mm256_slli_epi16(_mm256_cvtepi8_epi16(scales), 5);
    for (int j = 0; j < 8; j++) {
        __m256i nibble = bits_at(load_256(block + j / 4 * 64 + j % 2 * 32), j % 4 / 2 * 4, 15);
        __m256i pair = bits_at(load_256(block + 128 + j / 4 * 32), j % 4 * 2 - 4, 0x30);
        out->w[j] = unsigned_quants(_mm256_or_si256(nibble, pair));
    }
}

ALWAYS_INLINE void super_TQ2_0(const uint8_t *block, super_quants *out)
{
    out->s = out->sum = _mm256_set1_epi16(1);
    for (int j = 0; j < 8; j++)
        out->w[j] = unsigned_quants(bits_at(load_256(block + j / 4 * 32), j % 4 * 2, 3));
}

/* byte * 3 >> 8: 1 from 86 on, 2 from 171 on. */
ALWAYS_INLINE quants ternary_digits(__m256i bytes)
{
    __m256i x = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
    __m256i one = _mm256_cmpgt_epi8(x, _mm256_set1_epi8(85 - 128));
    __m256i two = _mm256_cmpgt_epi8(x, _mm256_set1_epi8(170 - 128));
    return unsigned_quants(_mm256_abs_epi8(_mm256_add_epi8(one, two)));
}

/* Every byte times that of factors, of which all bytes of a 16-bit lane are equal. */
ALWAYS_INLINE __m256i multiply_bytes(__m256i x, __m256i factors)
{
    const __m256i low = _mm256_set1_epi16(0xff);
    __m256i even = _mm256_mullo_epi16(x, factors);
    __m256i odd = _mm256_mullo_epi16(_mm256_srli_epi16(x, 8), factors);
    return _mm256_or_si256(_mm256_and_si256(even, low), _mm256_slli_epi16(odd, 8));
}

ALWAYS_INLINE void super_TQ1_0(const uint8_t *block, super_quants *out)
{
    const __m256i digits_5 = _mm256_setr_m128i(_mm_set1_epi16(1), _mm_set1_epi16(3));
    const __m256i digits_6 = _mm256_setr_m128i(_mm_set1_epi16(9), _mm_set1_epi16(27));
    const __m256i digits_7 =
        _mm256_setr_m128i(_mm_set1_epi16(81), _mm_setr_epi16(1, 1, 3, 3, 9, 9, 27, 27));
    out->s = out->sum = _mm256_set1_epi16(1);
    __m256i x = load_256(block);
    for (int j = 0; j < 5; j++) {
        out->w[j] = ternary_digits(x);
        x = _mm256_add_epi8(x, _mm256_add_epi8(x, x));
    }
    __m128i last = load_128(block + 32);
    out->w[5] = ternary_digits(multiply_bytes(twice(last), digits_5));
    out->w[6] = ternary_digits(multiply_bytes(twice(last), digits_6));
    x = _mm256_setr_m128i(last, _mm_set1_epi32((int)load_u32(block + 48)));
    out->w[7] = ternary_digits(multiply_bytes(x, digits_7));
}

/* ---- class K, codebooks ---- */

ALWAYS_INLINE void super_IQ4_XS(const uint8_t *block, super_quants *out)
{
    /* 2 bits of high to each byte, and 4 bits of low: pdep keeps their order. */
    uint64_t high = _pdep_u64(load_u16(block + 2), 0x3030303030303030);
    uint64_t low = _pdep_u64(load_u32(block + 4), 0x0f0f0f0f0f0f0f0f);
    __m128i scales = _mm_cvtsi64_si128((long long)(high | low));
    out->s = twice(_mm_cvtepi8_epi16(_mm_sub_epi8(scales, _mm_set1_epi8(32))));
    for (int j = 0; j < 8; j++)
        out->w[j] = signed_quants(look_up(codebook_iq4_nl, nibbles_32(block + 8 + 16 * j)));
}

/* 2 * nibble + 1 of 16 nibbles, low halves first, as bytes. */
ALWAYS_INLINE __m128i odd_scales(uint64_t nibbles)
{
    __m128i x = _mm_cvtsi64_si128((long long)nibbles);
    x = _mm_unpacklo_epi8(x, _mm_srli_epi16(x, 4));
    x = _mm_and_si128(x, _mm_set1_epi8(15));
    return _mm_or_si128(_mm_add_epi8(x, x), _mm_set1_epi8(1));
}

ALWAYS_INLINE __m256i rows_of_8(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return _mm256_setr_epi64x((long long)a, (long long)b, (long long)c, (long long)d);
}

/* Signs of 4 x 8 weights, 7 bits each in the low 28 bits. */
ALWAYS_INLINE __m256i signs_of_28(uint32_t bits)
{
    return rows_of_8(codebook_signs[bits & 127], codebook_signs[bits >> 7 & 127],
                     codebook_signs[bits >> 14 & 127], codebook_signs[bits >> 21 & 127]);
}

/* Signs of 32 weights, a bit each. */
ALWAYS_INLINE __m256i signs_of_32(uint32_t bits)
{
    return _mm256_or_si256(spread_bits(bits), _mm256_set1_epi8(1));
}

ALWAYS_INLINE void super_IQ2_XXS(const uint8_t *block, super_quants *out)
{
    uint64_t scales = 0;
    for (int j = 0; j < 8; j++) {
        uint64_t packed = load_u64(block + 2 + 8 * j);
        uint32_t index = (uint32_t)packed, signs = (uint32_t)(packed >> 32);
        scales |= packed >> 60 << 8 * j;
        out->w[j].q = rows_of_8(codebook_iq2_xxs[index & 255], codebook_iq2_xxs[index >> 8 & 255],
                                codebook_iq2_xxs[index >> 16 & 255], codebook_iq2_xxs[index >> 24]);
        out->w[j].sign = signs_of_28(signs);
    }
    out->s = scales_per_32(2 * scales + 0x0101010101010101);
}

ALWAYS_INLINE void super_IQ2_XS(const uint8_t *block, super_quants *out)
{
    out->s = scales_by_parity(odd_scales(load_u64(block + 66)));
    for (int j = 0; j < 8; j++) {
        uint64_t packed = load_u64(block + 2 + 8 * j);
        out->w[j].q =
            rows_of_8(codebook_iq2_xs[packed & 511], codebook_iq2_xs[packed >> 16 & 511],
                      codebook_iq2_xs[packed >> 32 & 511], codebook_iq2_xs[packed >> 48 & 511]);
        out->w[j].sign =
            rows_of_8(codebook_signs[packed >> 9 & 127], codebook_signs[packed >> 25 & 127],
                      codebook_signs[packed >> 41 & 127], codebook_signs[packed >> 57]);
    }
}

ALWAYS_INLINE void super_IQ2_S(const uint8_t *block, super_quants *out)
{
    out->s = scales_by_parity(odd_scales(load_u64(block + 74)));
    for (int j = 0; j < 8; j++) {
        const uint8_t *index = block + 2 + 4 * j;
        uint32_t high = block[66 + j];
        out->w[j].q = rows_of_8(codebook_iq2_s[index[0] | (high << 8 & 0x300)],
                                codebook_iq2_s[index[1] | (high << 6 & 0x300)],
                                codebook_iq2_s[index[2] | (high << 4 & 0x300)],
                                codebook_iq2_s[index[3] | (high << 2 & 0x300)]);
        out->w[j].sign = signs_of_32(load_u32(block + 34 + 4 * j));
    }
}

ALWAYS_INLINE __m256i rows_of_4(const uint32_t *codebook, const uint16_t *index)
{
#define ROW(i) (int)codebook[index[i]]
    return _mm256_setr_epi32(ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7));
#undef ROW
}

ALWAYS_INLINE void super_IQ3_XXS(const uint8_t *block, super_quants *out)
{
    uint64_t scales = 0;
    for (int j = 0; j < 8; j++) {
        uint32_t packed = load_u32(block + 66 + 4 * j);
        uint16_t index[8];
        for (int i = 0; i < 8; i++)
            index[i] = block[2 + 8 * j + i];
        scales |= (uint64_t)(packed >> 28) << 8 * j;
        out->w[j].q = rows_of_4(codebook_iq3_xxs, index);
        out->w[j].sign = signs_of_28(packed);
    }
    out->s = scales_per_32(2 * scales + 0x0101010101010101);
}

ALWAYS_INLINE void super_IQ3_S(const uint8_t *block, super_quants *out)
{
    const __m256i bit =
        _mm256_setr_epi16(1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9,
                          1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, (short)(1 << 15));
    uint16_t index[64];
    for (int i = 0; i < 4; i++) {
        __m256i ninth = _mm256_set1_epi16((short)load_u16(block + 66 + 2 * i));
        ninth = _mm256_cmpeq_epi16(_mm256_and_si256(ninth, bit), bit);
        ninth = _mm256_and_si256(ninth, _mm256_set1_epi16(0x100));
        __m256i low = _mm256_cvtepu8_epi16(load_128(block + 2 + 16 * i));
        store_256(index + 16 * i, _mm256_or_si256(low, ninth));
    }
    out->s = twice(_mm_cvtepi8_epi16(odd_scales(load_u32(block + 106))));
    for (int j = 0; j < 8; j++) {
        out->w[j].q = rows_of_4(codebook_iq3_s, index + 8 * j);
        out->w[j].sign = signs_of_32(load_u32(block + 74 + 4 * j));
    }
}

ALWAYS_INLINE void super_IQ1_S(const uint8_t *block, super_quants *out)
{
    uint64_t scales = 0;
    for (int j = 0; j < 8; j++) {
        const uint8_t *index = block + 2 + 4 * j;
        uint32_t high = load_u16(block + 34 + 2 * j);
        __m256i rows = rows_of_8(codebook_iq1[index[0] | (high << 8 & 0x700)],
                                 codebook_iq1[index[1] | (high << 5 & 0x700)],
                                 codebook_iq1[index[2] | (high << 2 & 0x700)],
                                 codebook_iq1[index[3] | (high >> 1 & 0x700)]);
        __m256i delta = _mm256_set1_epi8((char)(1 - (int)(high >> 15) * 2));
        scales |= (uint64_t)(high >> 12 & 7) << 8 * j;
        out->w[j] = signed_quants(_mm256_add_epi8(rows, delta));
    }
    out->s = scales_per_32(2 * scales + 0x0101010101010101);
}

ALWAYS_INLINE void super_IQ1_M(const uint8_t *block, super_quants *out)
{
    /* The lowest 12 bits of each 16 hold four scales. */
    const uint64_t three_bits = 0x0707070707070707;
    uint64_t packed = _pext_u64(load_u64(block + 48), 0x0fff0fff0fff0fff);
    uint64_t first = 2 * _pdep_u64(packed, three_bits) + 0x0101010101010101;
    uint64_t second = 2 * _pdep_u64(packed >> 24, three_bits) + 0x0101010101010101;
    out->s = scales_by_parity(_mm_set_epi64x((long long)second, (long long)first));
    for (int j = 0; j < 8; j++) {
        const uint8_t *index = block + 4 * j;
        uint32_t high = load_u16(block + 32 + 2 * j);
        __m256i rows = rows_of_8(codebook_iq1[index[0] | (high << 8 & 0x700)],
                                 codebook_iq1[index[1] | (high << 4 & 0x700)],
                                 codebook_iq1[index[2] | (high & 0x700)],
                                 codebook_iq1[index[3] | (high >> 4 & 0x700)]);
        __m256i sign = _mm256_set1_epi16((short)high);
        const __m256i bit = _mm256_setr_epi64x(0x0008000800080008, 0x0080008000800080,
                                               0x0800080008000800, (long long)0x8000800080008000);
        __m256i negative = _mm256_cmpeq_epi16(_mm256_and_si256(sign, bit), bit);
        __m256i delta = _mm256_or_si256(negative, _mm256_set1_epi8(1));
        out->w[j] = signed_quants(_mm256_add_epi8(rows, delta));
    }
}

#endif
