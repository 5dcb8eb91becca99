/* SPDX-License-Identifier: MIT
 *
 * formats_avx512.h - what the AVX-512 kernels need to know of each format, as initializers of
 * format_b and format_k.
 */
#ifndef HEARTH_KERNELS_FORMATS_AVX512_H
#define HEARTH_KERNELS_FORMATS_AVX512_H

#include "kernels/turn_b_avx512.h"
#include "kernels/unpack_f_avx512.h"
#include "kernels/unpack_iq_avx512.h"
#include "kernels/unpack_k_avx512.h"

/* Class B: scale, offset. Class K: bits of the scale, where it is, its unit, offset, group. */
#define FORMAT_Q4_0 low_f16, 8
#define FORMAT_Q4_1 low_f16, 0
#define FORMAT_Q5_0 low_f16, 16
#define FORMAT_Q5_1 low_f16, 0
#define FORMAT_Q8_0 low_f16, 128
#define FORMAT_IQ4_NL low_f16, 128
#define FORMAT_MXFP4 scale_e8m0, 12
#define FORMAT_NVFP4 scale_ue4m3, 12
#define FORMAT_Q1_0 low_f16, 1
#define FORMAT_Q2_0 low_f16, 1

#define FORMAT_Q2_K load_u16, 80, 1.0f, 0, 16
#define FORMAT_Q3_K load_u16, 108, 1.0f, 4, 16
#define FORMAT_Q4_K load_u16, 0, 1.0f, 0, 32
#define FORMAT_Q5_K load_u16, 0, 1.0f, 0, 32
#define FORMAT_Q6_K load_u16, 208, 1.0f, 32, 16
#define FORMAT_TQ1_0 load_u16, 52, 1.0f, 1, 256
#define FORMAT_TQ2_0 load_u16, 64, 1.0f, 1, 256
#define FORMAT_IQ1_S load_u16, 0, 0.125f, GRID_OFFSET, 32
#define FORMAT_IQ1_M scale_bits_IQ1_M, 0, 0.125f, GRID_OFFSET, 16
#define FORMAT_IQ2_XXS load_u16, 0, 0.125f, GRID_OFFSET, 32
#define FORMAT_IQ2_XS load_u16, 0, 0.125f, GRID_OFFSET, 16
#define FORMAT_IQ2_S load_u16, 0, 0.125f, GRID_OFFSET, 16
#define FORMAT_IQ3_XXS load_u16, 0, 0.25f, GRID_OFFSET, 32
#define FORMAT_IQ3_S load_u16, 0, 1.0f, GRID_OFFSET, 32
#define FORMAT_IQ4_XS load_u16, 0, 1.0f, 128, 32

#define FORMAT_B(name, elements, bytes, scale, offset)                                             \
    {                                                                                              \
        load_##name, turn_##name, scale, WTYPE_##name, offset, bytes, elements / 32                \
    }
#define FORMAT_K(name, elements, bytes, bits, at, unit, offset, group)                             \
    {                                                                                              \
        load_##name, bits, WTYPE_##name, group, offset, bytes, at, unit                            \
    }
#define APPLY(macro, ...) macro(__VA_ARGS__)

#endif
