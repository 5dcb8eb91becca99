/* SPDX-License-Identifier: MIT
 *
 * gemm_avx512.c - the trainer's arithmetic for AVX-512.
 */
#include "kernels/vec_avx512.h"

#define ROWS 6
#define VECS 2
#include "ember/gemm_template.h"

extern const gemm_kernels gemm_avx512;
const gemm_kernels gemm_avx512 = GEMM_TABLE("avx512");
