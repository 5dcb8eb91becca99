/* SPDX-License-Identifier: MIT
 *
 * unpack_b.h - the formats of class B, from bytes to float_blocks (block.h).
 *
 * unpack_NAME(block, out) fills one float_block per 32 weights of the file's block. Layouts, f16
 * unless said otherwise; a nibble array's low halves are weights 0-15 and its high halves 16-31:
 *
 *   Q4_0   d, nibbles[16]                     q - 8
 *   Q4_1   d, m, nibbles[16]                  q
 *   Q5_0   d, u32 fifth bits, nibbles[16]     q - 16
 *   Q5_1   d, m, u32 fifth bits, nibbles[16]  q
 *   Q8_0   d, i8 q[32]
 *   IQ4_NL d, nibbles[16]                     codebook_iq4_nl[q]
 *   MXFP4  u8 E8M0 d, nibbles[16]             codebook_fp4[q], d halved
 *   NVFP4  u8 UE4M3 d[4], then per 16 weights nibbles[8]: low halves 0-7, high halves 8-15;
 *          codebook_fp4[q], d halved
 *   Q1_0   d, 128 bits                        bit ? 1 : -1
 *   Q2_0   d, 64 pairs of bits                q - 1
 *
 * Source: ggml-common.h and the GGUF specification.
 */
#ifndef HEARTH_KERNELS_UNPACK_B_H
#define HEARTH_KERNELS_UNPACK_B_H

#include "kernels/block.h"
#include "kernels/codebooks.h"

static inline void set_scale(float_block *out, float d)
{
    out->d[0] = out->d[1] = d;
}

/* q = nibble + 16 * fifth bit - offset. */
static inline void unpack_nibbles(const uint8_t *nibbles, uint32_t fifth, int offset, int8_t *q)
{
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)((nibbles[i] & 15) + (int)(fifth >> i & 1) * 16 - offset);
        q[i + 16] = (int8_t)((nibbles[i] >> 4) + (int)(fifth >> (i + 16) & 1) * 16 - offset);
    }
}

/* n bytes hold the low halves' values, then the high halves'. */
static inline void unpack_codes(const uint8_t *nibbles, int n, const int8_t *codebook, int8_t *q)
{
    for (int i = 0; i < n; i++) {
        q[i] = codebook[nibbles[i] & 15];
        q[i + n] = codebook[nibbles[i] >> 4];
    }
}

static inline void unpack_Q4_0(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    unpack_nibbles(block + 2, 0, 8, out->q);
}

static inline void unpack_Q4_1(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    out->m = load_f16(block + 2);
    unpack_nibbles(block + 4, 0, 0, out->q);
}

static inline void unpack_Q5_0(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    unpack_nibbles(block + 6, load_u32(block + 2), 16, out->q);
}

static inline void unpack_Q5_1(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    out->m = load_f16(block + 2);
    unpack_nibbles(block + 8, load_u32(block + 4), 0, out->q);
}

static inline void unpack_Q8_0(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    memcpy(out->q, block + 2, sizeof out->q);
}

static inline void unpack_IQ4_NL(const uint8_t *block, float_block *out)
{
    set_scale(out, load_f16(block));
    unpack_codes(block + 2, 16, codebook_iq4_nl, out->q);
}

static inline void unpack_MXFP4(const uint8_t *block, float_block *out)
{
    set_scale(out, half_e8m0(block[0]));
    unpack_codes(block + 1, 16, codebook_fp4, out->q);
}

static inline void unpack_NVFP4(const uint8_t *block, float_block *out)
{
    for (int g = 0; g < 4; g++) {
        out[g / 2].d[g % 2] = half_ue4m3(block[g]);
        unpack_codes(block + 4 + 8 * g, 8, codebook_fp4, out[g / 2].q + g % 2 * 16);
    }
}

static inline void unpack_Q1_0(const uint8_t *block, float_block *out)
{
    for (int i = 0; i < 128; i++)
        out[i / 32].q[i % 32] = block[2 + i / 8] >> i % 8 & 1 ? 1 : -1;
    for (int b = 0; b < 4; b++)
        set_scale(&out[b], load_f16(block));
}

static inline void unpack_Q2_0(const uint8_t *block, float_block *out)
{
    for (int i = 0; i < 64; i++)
        out[i / 32].q[i % 32] = (int8_t)((block[2 + i / 4] >> i % 4 * 2 & 3) - 1);
    for (int b = 0; b < 2; b++)
        set_scale(&out[b], load_f16(block));
}

#endif
