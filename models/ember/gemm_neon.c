/* SPDX-License-Identifier: MIT
 *
 * gemm_neon.c - the trainer's arithmetic for NEON.
 */
#include "kernels/vec_neon.h"

#define ROWS 6
#define VECS 1
#include "ember/gemm_template.h"

extern const gemm_kernels gemm_neon;
const gemm_kernels gemm_neon = GEMM_TABLE("neon");
