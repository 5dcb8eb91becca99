/* SPDX-License-Identifier: MIT
 *
 * unpack_neon.h - the canonical blocks (block.h) of the common formats by NEON, 16 bytes at a
 * time. Layouts: unpack_b.h, unpack_k.h, unpack_iq.h. The rest are left to the plain C.
 */
#ifndef HEARTH_KERNELS_UNPACK_NEON_H
#define HEARTH_KERNELS_UNPACK_NEON_H

#include <arm_neon.h>

#include "kernels/unpack_b.h"
#include "kernels/unpack_iq.h"
#include "kernels/unpack_k.h"

static inline uint8x16_t low_nibbles(uint8x16_t v)
{
    return vandq_u8(v, vdupq_n_u8(15));
}

static inline uint8x16_t high_nibbles(uint8x16_t v)
{
    return vshrq_n_u8(v, 4);
}

/* The bits of v in mask, from bit `from` up, moved to bit `to`. */
static inline uint8x16_t move_bits(uint8x16_t v, int mask, int from, int to)
{
    return vshlq_u8(vandq_u8(v, vdupq_n_u8((uint8_t)(mask << from))),
                    vdupq_n_s8((int8_t)(to - from)));
}

/* Stores unsigned quants less an offset. */
static inline void store_quants(int8_t *q, uint8x16_t v, int offset)
{
    vst1q_s8(q, vreinterpretq_s8_u8(vsubq_u8(v, vdupq_n_u8((uint8_t)offset))));
}

static inline void store_nibbles(const uint8_t *nibbles, int offset, int8_t *q)
{
    const uint8x16_t v = vld1q_u8(nibbles);
    store_quants(q, low_nibbles(v), offset);
    store_quants(q + 16, high_nibbles(v), offset);
}

static inline void store_codes(const uint8_t *nibbles, const int8_t *codebook, int8_t *q)
{
    const uint8x16_t v = vld1q_u8(nibbles);
    const int8x16_t values = vld1q_s8(codebook);
    vst1q_s8(q, vqtbl1q_s8(values, low_nibbles(v)));
    vst1q_s8(q + 16, vqtbl1q_s8(values, high_nibbles(v)));
}

/* ---- class B ---- */

static inline void neon_Q4_0(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    store_nibbles(block + 2, 8, out->q);
}

static inline void neon_Q4_1(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    out->m = load_f16(block + 2);
    store_nibbles(block + 4, 0, out->q);
}

static inline void neon_IQ4_NL(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    store_codes(block + 2, codebook_iq4_nl, out->q);
}

static inline void neon_MXFP4(const uint8_t *block, float_block *out)
{
    set_scale(out, half_e8m0(block[0]));
    store_codes(block + 1, codebook_fp4, out->q);
}

/* ---- class K ---- */

/* 16 weights of the pairs of bits in 64 bytes, from weight i. */
static inline uint8x16_t load_pairs(const uint8_t *qs, int i)
{
    return move_bits(vld1q_u8(qs + i / 128 * 32 + i % 32), 3, i % 128 / 32 * 2, 0);
}

static inline void neon_Q2_K(const uint8_t *block, super_block *out)
{
    const uint8x16_t scales = vld1q_u8(block);
    out->d = load_f16(block + 80);
    out->dmin = load_f16(block + 82);
    for (int half = 0; half < 2; half++) {
        const uint8x8_t packed = half ? vget_high_u8(scales) : vget_low_u8(scales);
        vst1q_s16(out->s + 8 * half,
                  vreinterpretq_s16_u16(vmovl_u8(vand_u8(packed, vdup_n_u8(15)))));
        vst1q_s16(out->m + 8 * half, vreinterpretq_s16_u16(vmovl_u8(vshr_n_u8(packed, 4))));
    }
    for (int i = 0; i < 256; i += 16)
        store_quants(out->q + i, load_pairs(block + 16, i), 0);
}

static inline void neon_Q3_K(const uint8_t *block, super_block *out)
{
    out->d = load_f16(block + 108);
    unpack_scales_q3(block + 96, out->s);
    for (int i = 0; i < 256; i += 16) {
        const uint8x16_t hmask = vld1q_u8(block + i % 32);
        store_quants(out->q + i,
                     vorrq_u8(load_pairs(block + 32, i), move_bits(hmask, 1, i / 32, 2)), 4);
    }
}

static inline void neon_Q4_K(const uint8_t *block, super_block *out)
{
    const uint8_t *qs = block + 16;
    out->d = load_f16(block);
    out->dmin = load_f16(block + 2);
    unpack_scales_q4(block + 4, out->s, out->m);
    for (int i = 0; i < 128; i += 16) {
        const uint8x16_t v = vld1q_u8(qs + i);
        int8_t *q = out->q + i / 32 * 64 + i % 32;
        store_quants(q, low_nibbles(v), 0);
        store_quants(q + 32, high_nibbles(v), 0);
    }
}

static inline void neon_Q5_K(const uint8_t *block, super_block *out)
{
    const uint8_t *qh = block + 16, *qs = block + 48;
    out->d = load_f16(block);
    out->dmin = load_f16(block + 2);
    unpack_scales_q4(block + 4, out->s, out->m);
    for (int i = 0; i < 128; i += 16) {
        const uint8x16_t v = vld1q_u8(qs + i), high = vld1q_u8(qh + i % 32);
        const int bit = i / 32 * 2;
        int8_t *q = out->q + i / 32 * 64 + i % 32;
        store_quants(q, vorrq_u8(low_nibbles(v), move_bits(high, 1, bit, 4)), 0);
        store_quants(q + 32, vorrq_u8(high_nibbles(v), move_bits(high, 1, bit + 1, 4)), 0);
    }
}

static inline void neon_Q6_K(const uint8_t *block, super_block *out)
{
    const int8x16_t scales = vld1q_s8((const int8_t *)block + 192);
    out->d = load_f16(block + 208);
    vst1q_s16(out->s, vmovl_s8(vget_low_s8(scales)));
    vst1q_s16(out->s + 8, vmovl_high_s8(scales));
    for (int i = 0; i < 128; i += 16) {
        const uint8x16_t low = vld1q_u8(block + i);
        const uint8x16_t high = vld1q_u8(block + 128 + i / 64 * 32 + i % 32);
        const int pair = i % 64 / 32 * 2;
        int8_t *q = out->q + i / 64 * 128 + i % 64;
        store_quants(q, vorrq_u8(low_nibbles(low), move_bits(high, 3, pair, 4)), 32);
        store_quants(q + 64, vorrq_u8(high_nibbles(low), move_bits(high, 3, pair + 4, 4)), 32);
    }
}

static inline void neon_IQ4_XS(const uint8_t *block, super_block *out)
{
    out->d = load_f16(block);
    unpack_scales_iq4(load_u16(block + 2), block + 4, out->s);
    for (int g = 0; g < 8; g++)
        store_codes(block + 8 + 16 * g, codebook_iq4_nl, out->q + 32 * g);
}

static inline void neon_TQ2_0(const uint8_t *block, super_block *out)
{
    out->d = load_f16(block + 64);
    for (int g = 0; g < 16; g++)
        out->s[g] = 1;
    for (int i = 0; i < 256; i += 16)
        store_quants(out->q + i, load_pairs(block, i), 1);
}

/* ---- as good in plain C ---- */

#define neon_Q5_0 unpack_Q5_0
#define neon_Q5_1 unpack_Q5_1
#define neon_Q8_0 unpack_Q8_0
#define neon_NVFP4 unpack_NVFP4
#define neon_Q1_0 unpack_Q1_0
#define neon_Q2_0 unpack_Q2_0
#define neon_TQ1_0 unpack_TQ1_0
#define neon_IQ1_S unpack_IQ1_S
#define neon_IQ1_M unpack_IQ1_M
#define neon_IQ2_XXS unpack_IQ2_XXS
#define neon_IQ2_XS unpack_IQ2_XS
#define neon_IQ2_S unpack_IQ2_S
#define neon_IQ3_XXS unpack_IQ3_XXS
#define neon_IQ3_S unpack_IQ3_S

#endif
