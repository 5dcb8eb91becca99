/* SPDX-License-Identifier: MIT
 *
 * tables.h - the tables of each instruction set, for kernels.c alone. Files named *_avx2.c,
 * *_avx512.c, *_amx.c and *_neon.c are compiled with that instruction set's flags; everything in
 * them but the table is static, so that the linker can never pick an AVX-512 copy of a shared
 * helper.
 */
#ifndef HEARTH_KERNELS_TABLES_H
#define HEARTH_KERNELS_TABLES_H

#include "kernels/kernels.h"

extern const weight_kernels weight_kernels_scalar;
extern const float_kernels float_kernels_scalar;
extern const attn_kernels attn_kernels_scalar;
#if defined(__x86_64__)
extern const weight_kernels weight_kernels_avx2;
extern const float_kernels float_kernels_avx2;
extern const attn_kernels attn_kernels_avx2;
extern const weight_kernels weight_kernels_avx512;
extern const float_kernels float_kernels_avx512;
extern const attn_kernels attn_kernels_avx512;
extern const attn_kernels attn_kernels_amx;
extern const panel_kernels panel_kernels_avx2;
extern const panel_kernels panel_kernels_avx512;
extern const panel_kernels panel_kernels_amx;
#elif defined(__aarch64__)
extern const weight_kernels weight_kernels_neon;
extern const float_kernels float_kernels_neon;
extern const attn_kernels attn_kernels_neon;
#endif

#endif
