/* SPDX-License-Identifier: MIT
 *
 * block.h - what every quantized weight format looks like once unpacked.
 *
 * Each format has one function that turns its bytes into the canonical form of its class, and all
 * arithmetic is written once over that form:
 *
 *   class B  float_block   32 weights,   w[i] = d[i / 16] * q[i] + m
 *   class K  super_block   256 weights,  w[i] = d * s[i / 16] * q[i] - dmin * m[i / 16]
 *
 * Scales with fractions become integers by moving powers of two into d, which is exact. Those of
 * 32 weights fill two entries. m and dmin are set by the formats that have_minimum only.
 *
 * Bounds, for any bytes in a file: |q| <= 128, |s| <= 128, 0 <= m <= 63, and with activations in
 * [-127, 127] the sum of a super-block stays below 256 * 128 * 128 * 127 < 2^30. Only Q8_0 reaches
 * |q| = 128 (and has no s); the largest true sums, of Q6_K and IQ4_XS, are below 2^27.
 *
 * The functions that unpack are static, here and in unpack_*.h, because each instruction set
 * compiles its own copy (tables.h).
 */
#ifndef HEARTH_KERNELS_BLOCK_H
#define HEARTH_KERNELS_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/half.h"
#include "base/wtype.h"

/* For what must be folded into its caller, whatever it costs in code. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct float_block {
    int8_t q[32];
    float d[2]; /* equal but for NVFP4 */
    float m;
} float_block;

typedef struct super_block {
    int8_t q[256];
    int16_t s[16];
    int16_t m[16];
    float d, dmin;
} super_block;

static inline bool has_minimum(wtype type)
{
    return type == WTYPE_Q4_1 || type == WTYPE_Q5_1 || type == WTYPE_Q2_K || type == WTYPE_Q4_K ||
           type == WTYPE_Q5_K;
}

/* The one format with a float scale for every 16 weights. */
static inline bool has_scale_per_16(wtype type)
{
    return type == WTYPE_NVFP4;
}

/* Fields of a block lie at any address, little-endian as the machine is. */
static inline uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline float load_f16(const uint8_t *p)
{
    return f16_to_f32(load_u16(p));
}

/* Half of an E8M0 scale, 2^(e - 128): the values it multiplies are doubled (codebook_fp4). */
static inline float half_e8m0(uint8_t e)
{
    return float_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* Half of an unsigned E4M3 scale. The sign bit is not looked at; 0x7f, a NaN, counts as 0. */
static inline float half_ue4m3(uint8_t e)
{
    if (e == 0x7f)
        return 0.0f;
    uint32_t magnitude = e & 0x7f;
    if (magnitude < 8)
        return (float)magnitude * 0x1p-10f;
    return float_from_bits((magnitude << 20) + ((127u - 7 - 1) << 23));
}

#endif
