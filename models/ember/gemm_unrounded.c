/* SPDX-License-Identifier: MIT
 *
 * gemm_unrounded.c - the trainer's arithmetic without bfloat16: smooth, for tests.
 */
#include "kernels/vec_scalar.h"

#define ROWS 6
#define VECS 1
#define UNROUNDED
#include "ember/gemm_template.h"

extern const gemm_kernels gemm_unrounded;
const gemm_kernels gemm_unrounded = GEMM_TABLE("unrounded");
