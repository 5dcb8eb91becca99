/* SPDX-License-Identifier: MIT
 *
 * unpack_k.h - the formats of class K with linear and ternary quants, from bytes to super_blocks
 * (block.h). The IQ formats are in unpack_iq.h.
 *
 * Layouts (d and dmin f16; "chunk" is the part of the 256 weights that a run of bytes serves):
 *
 *   Q2_K   u8 scales[16] (low nibble s, high m, of 16 weights), qs[64], d, dmin
 *   Q3_K   hmask[32], qs[64], scales[12], d
 *   Q4_K   d, dmin, scales[12], nibbles[128]
 *   Q5_K   d, dmin, scales[12], qh[32], nibbles[128]
 *   Q6_K   ql[128], qh[64], i8 scales[16], d
 *   TQ1_0  qs[48], qh[4], d: five (in qh four) base-3 digits a byte, as a fraction of 256
 *   TQ2_0  qs[64], d
 *
 *   Pairs of bits (qs of Q2_K, Q3_K and TQ2_0, qh of Q6_K): 32 bytes serve a chunk of 128, byte i
 *   holding weights i, 32 + i, 64 + i and 96 + i from the lowest pair up.
 *   Nibbles of Q4_K and Q5_K: 32 bytes serve a chunk of 64, the low halves first.
 *
 * Source: ggml-common.h and the GGUF specification.
 */
#ifndef HEARTH_KERNELS_UNPACK_K_H
#define HEARTH_KERNELS_UNPACK_K_H

#include "kernels/block.h"

/* Bits 2i and 2i+1 of the 64 bytes in the order told above. */
static inline int bit_pair(const uint8_t *bytes, int i)
{
    return bytes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

/* Scale and minimum of 32 weights, 6 bits each: the first four of both in the low bits of bytes
 * 0-3 and 4-7, the rest in the nibbles of bytes 8-11 and the high bits of bytes 0-7. */
static inline void unpack_scales_q4(const uint8_t *packed, int16_t *s, int16_t *m)
{
    for (int g = 0; g < 8; g++) {
        int scale = packed[g % 4] & 63, minimum = packed[g % 4 + 4] & 63;
        if (g >= 4) {
            scale = (packed[g + 4] & 15) | packed[g - 4] >> 6 << 4;
            minimum = packed[g + 4] >> 4 | packed[g] >> 6 << 4;
        }
        s[2 * g] = s[2 * g + 1] = (int16_t)scale;
        m[2 * g] = m[2 * g + 1] = (int16_t)minimum;
    }
}

static inline void unpack_Q2_K(const uint8_t *block, super_block *out)
{
    const uint8_t *scales = block, *qs = block + 16;
    out->d = load_f16(block + 80);
    out->dmin = load_f16(block + 82);
    for (int g = 0; g < 16; g++) {
        out->s[g] = scales[g] & 15;
        out->m[g] = scales[g] >> 4;
    }
    for (int i = 0; i < 256; i++)
        out->q[i] = (int8_t)bit_pair(qs, i);
}

/* Scales are 6 bits less 32: low nibbles in bytes 0-7 (low halves first), high pairs of bits in
 * bytes 8-11, byte g mod 4. */
static inline void unpack_scales_q3(const uint8_t *packed, int16_t *s)
{
    for (int g = 0; g < 16; g++) {
        int low = packed[g % 8] >> g / 8 * 4 & 15;
        int high = packed[8 + g % 4] >> g / 4 * 2 & 3;
        s[g] = (int16_t)((low | high << 4) - 32);
    }
}

/* A third bit of the quant is set in hmask where nothing is subtracted. */
static inline void unpack_Q3_K(const uint8_t *block, super_block *out)
{
    const uint8_t *hmask = block, *qs = block + 32;
    out->d = load_f16(block + 108);
    unpack_scales_q3(block + 96, out->s);
    for (int i = 0; i < 256; i++)
        out->q[i] = (int8_t)(bit_pair(qs, i) - (hmask[i % 32] >> i / 32 & 1 ? 0 : 4));
}

static inline void unpack_Q4_K(const uint8_t *block, super_block *out)
{
    const uint8_t *qs = block + 16;
    out->d = load_f16(block);
    out->dmin = load_f16(block + 2);
    unpack_scales_q4(block + 4, out->s, out->m);
    for (int i = 0; i < 256; i++)
        out->q[i] = (int8_t)(qs[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15);
}

static inline void unpack_Q5_K(const uint8_t *block, super_block *out)
{
    const uint8_t *qh = block + 16, *qs = block + 48;
    out->d = load_f16(block);
    out->dmin = load_f16(block + 2);
    unpack_scales_q4(block + 4, out->s, out->m);
    for (int i = 0; i < 256; i++) {
        int low = qs[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15;
        int high = qh[i % 32] >> i / 32 & 1;
        out->q[i] = (int8_t)(low | high << 4);
    }
}

/* Low nibbles: 64 bytes serve a chunk of 128, the low halves first. */
static inline void unpack_Q6_K(const uint8_t *block, super_block *out)
{
    const uint8_t *ql = block, *qh = block + 128, *scales = block + 192;
    out->d = load_f16(block + 208);
    for (int g = 0; g < 16; g++)
        out->s[g] = (int8_t)scales[g];
    for (int i = 0; i < 256; i++) {
        int low = ql[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
        out->q[i] = (int8_t)((low | bit_pair(qh, i) << 4) - 32);
    }
}

/* Digit n of a byte whose value is the fraction byte / 256 in base 3, less 1. */
static inline int8_t ternary_digit(uint8_t byte, int n)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    uint8_t rest = (uint8_t)(byte * power[n]);
    return (int8_t)((rest * 3 >> 8) - 1);
}

static inline void unpack_TQ1_0(const uint8_t *block, super_block *out)
{
    out->d = load_f16(block + 52);
    for (int g = 0; g < 16; g++)
        out->s[g] = 1;
    for (int i = 0; i < 160; i++)
        out->q[i] = ternary_digit(block[i % 32], i / 32);
    for (int i = 0; i < 80; i++)
        out->q[160 + i] = ternary_digit(block[32 + i % 16], i / 16);
    for (int i = 0; i < 16; i++)
        out->q[240 + i] = ternary_digit(block[48 + i % 4], i / 4);
}

static inline void unpack_TQ2_0(const uint8_t *block, super_block *out)
{
    out->d = load_f16(block + 64);
    for (int g = 0; g < 16; g++)
        out->s[g] = 1;
    for (int i = 0; i < 256; i++)
        out->q[i] = (int8_t)(bit_pair(block, i) - 1);
}

#endif
