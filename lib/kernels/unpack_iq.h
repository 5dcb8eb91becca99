/* SPDX-License-Identifier: MIT
 *
 * unpack_iq.h - the IQ formats of class K, from bytes to super_blocks (block.h).
 *
 * Weights are rows of a codebook, 8 (IQ3: 4) at a time, with signs. Layouts, d f16, the parts for
 * 32 weights in ascending order:
 *
 *   IQ1_S    d, u8 index[32], u16 qh[8]: three times 3 high index bits of 8 weights (x 4), 3 bits
 *            of scale, 1 bit: delta is -1/8 instead of 1/8
 *   IQ1_M    u8 index[32], u8 qh[16]: per 8 weights 3 high index bits and the delta's bit,
 *            u16 scales[4]: per 16 weights 3 bits; the four top nibbles make d
 *   IQ2_XXS  d, per 32 weights: u8 index[4], u32 (4 x 7 bits of signs, 4 bits of scale)
 *   IQ2_XS   d, per 8 weights u16: 9 bits of index, 7 bits of signs; u8 scales[8], nibble per 16
 *   IQ2_S    d, u8 index[32], u8 signs[32], u8 qh[8]: 2 high index bits per 8 weights,
 *            u8 scales[8], nibble per 16
 *   IQ3_XXS  d, u8 index[64], per 32 weights u32 (4 x 7 bits of signs, 4 bits of scale)
 *   IQ3_S    d, u8 index[64], u8 qh[8]: high index bit per 4 weights, u8 signs[32],
 *            u8 scales[4], nibble per 32
 *   IQ4_XS   d, u16 high scale bits (2 per 32 weights), u8 scales[4] (low nibbles per 32),
 *            per 32 weights nibbles[16]: low halves weights 0-15, high halves 16-31
 *
 * All but IQ4_XS scale by an odd number 2n + 1. The format's own 1/8 (IQ1: q in eighths; IQ2: grid
 * in eighths, where the format says (n + 1/2) / 4) and 1/4 (IQ3_XXS) goes into d.
 *
 * Source: ggml-common.h and the GGUF specification.
 */
#ifndef HEARTH_KERNELS_UNPACK_IQ_H
#define HEARTH_KERNELS_UNPACK_IQ_H

#include "kernels/block.h"
#include "kernels/codebooks.h"

/* One bit per element, set where it is negative. 7 stored bits give the eighth by even parity. */
static inline uint8_t even_signs(uint32_t bits)
{
    bits &= 127;
    uint32_t parity = bits ^ bits >> 4;
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return (uint8_t)(bits | (parity & 1) << 7);
}

/* n elements of a grid row, the lowest byte first. */
static inline void unpack_signed(uint64_t row, uint8_t signs, int n, int8_t *q)
{
    for (int i = 0; i < n; i++) {
        int8_t magnitude = (int8_t)(row >> 8 * i);
        q[i] = (int8_t)(signs >> i & 1 ? -magnitude : magnitude);
    }
}

/* Scales as nibbles, the low half first, each serving n entries of s. */
static inline void unpack_odd_scales(const uint8_t *nibbles, int n, int16_t *s)
{
    for (int g = 0; g < 16; g++) {
        int nibble = g / n;
        s[g] = (int16_t)(2 * (nibbles[nibble / 2] >> nibble % 2 * 4 & 15) + 1);
    }
}

static inline void unpack_IQ1_row(uint32_t index, bool negative_delta, int8_t *q)
{
    for (int i = 0; i < 8; i++)
        q[i] = (int8_t)((int8_t)(codebook_iq1[index] >> 8 * i) + (negative_delta ? -1 : 1));
}

static inline void unpack_IQ1_S(const uint8_t *block, super_block *out)
{
    const uint8_t *index = block + 2, *qh = block + 34;
    out->d = load_f16(block) * 0.125f;
    for (int g = 0; g < 8; g++) {
        uint32_t high = load_u16(qh + 2 * g);
        out->s[2 * g] = out->s[2 * g + 1] = (int16_t)(2 * (high >> 12 & 7) + 1);
        for (int i = 0; i < 4; i++)
            unpack_IQ1_row(index[4 * g + i] | (high >> 3 * i & 7) << 8, high >> 15,
                           out->q + 32 * g + 8 * i);
    }
}

static inline void unpack_IQ1_M(const uint8_t *block, super_block *out)
{
    const uint8_t *index = block, *qh = block + 32, *scales = block + 48;
    uint32_t d = 0;
    for (int i = 0; i < 4; i++)
        d |= (uint32_t)(load_u16(scales + 2 * i) >> 12) << 4 * i;
    out->d = f16_to_f32((uint16_t)d) * 0.125f;
    for (int g = 0; g < 16; g++)
        out->s[g] = (int16_t)(2 * (load_u16(scales + g / 4 * 2) >> g % 4 * 3 & 7) + 1);
    for (int i = 0; i < 32; i++) {
        uint32_t high = qh[i / 2] >> i % 2 * 4;
        unpack_IQ1_row(index[i] | (high & 7) << 8, high >> 3 & 1, out->q + 8 * i);
    }
}

static inline void unpack_IQ2_XXS(const uint8_t *block, super_block *out)
{
    out->d = load_f16(block) * 0.125f;
    for (int g = 0; g < 8; g++) {
        const uint8_t *index = block + 2 + 8 * g;
        uint32_t packed = load_u32(index + 4);
        out->s[2 * g] = out->s[2 * g + 1] = (int16_t)(2 * (packed >> 28) + 1);
        for (int i = 0; i < 4; i++)
            unpack_signed(codebook_iq2_xxs[index[i]], even_signs(packed >> 7 * i), 8,
                          out->q + 32 * g + 8 * i);
    }
}

static inline void unpack_IQ2_XS(const uint8_t *block, super_block *out)
{
    out->d = load_f16(block) * 0.125f;
    unpack_odd_scales(block + 66, 1, out->s);
    for (int i = 0; i < 32; i++) {
        uint32_t packed = load_u16(block + 2 + 2 * i);
        unpack_signed(codebook_iq2_xs[packed & 511], even_signs(packed >> 9), 8, out->q + 8 * i);
    }
}

static inline void unpack_IQ2_S(const uint8_t *block, super_block *out)
{
    const uint8_t *index = block + 2, *signs = block + 34, *qh = block + 66;
    out->d = load_f16(block) * 0.125f;
    unpack_odd_scales(block + 74, 1, out->s);
    for (int i = 0; i < 32; i++) {
        uint32_t high = qh[i / 4] >> i % 4 * 2 & 3;
        unpack_signed(codebook_iq2_s[index[i] | high << 8], signs[i], 8, out->q + 8 * i);
    }
}

static inline void unpack_IQ3_XXS(const uint8_t *block, super_block *out)
{
    const uint8_t *index = block + 2;
    out->d = load_f16(block) * 0.25f;
    for (int g = 0; g < 8; g++) {
        uint32_t packed = load_u32(block + 66 + 4 * g);
        out->s[2 * g] = out->s[2 * g + 1] = (int16_t)(2 * (packed >> 28) + 1);
        for (int i = 0; i < 8; i++) {
            uint8_t signs = (uint8_t)(even_signs(packed >> i / 2 * 7) >> i % 2 * 4);
            unpack_signed(codebook_iq3_xxs[index[8 * g + i]], signs, 4, out->q + 32 * g + 4 * i);
        }
    }
}

static inline void unpack_IQ3_S(const uint8_t *block, super_block *out)
{
    const uint8_t *index = block + 2, *qh = block + 66, *signs = block + 74;
    out->d = load_f16(block);
    unpack_odd_scales(block + 106, 2, out->s);
    for (int i = 0; i < 64; i++) {
        uint32_t high = qh[i / 8] >> i % 8 & 1;
        unpack_signed(codebook_iq3_s[index[i] | high << 8], (uint8_t)(signs[i / 2] >> i % 2 * 4), 4,
                      out->q + 4 * i);
    }
}

/* Scales are 6 bits less 32, the high pairs of bits apart from the low nibbles. */
static inline void unpack_scales_iq4(uint32_t high, const uint8_t *nibbles, int16_t *s)
{
    for (int g = 0; g < 16; g++) {
        int low = nibbles[g / 4] >> g / 2 % 2 * 4 & 15;
        s[g] = (int16_t)((low | (int)(high >> g / 2 * 2 & 3) << 4) - 32);
    }
}

static inline void unpack_IQ4_XS(const uint8_t *block, super_block *out)
{
    const uint8_t *qs = block + 8;
    out->d = load_f16(block);
    unpack_scales_iq4(load_u16(block + 2), block + 4, out->s);
    for (int i = 0; i < 256; i++)
        out->q[i] = codebook_iq4_nl[qs[i / 32 * 16 + i % 16] >> i % 32 / 16 * 4 & 15];
}

#endif
