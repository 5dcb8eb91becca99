/* SPDX-License-Identifier: MIT
 *
 * gemm_avx2.c - the trainer's arithmetic for AVX2 and FMA.
 */
#include "kernels/vec_avx2.h"

#define ROWS 3
#define VECS 1
#include "ember/gemm_template.h"

extern const gemm_kernels gemm_avx2;
const gemm_kernels gemm_avx2 = GEMM_TABLE("avx2");
