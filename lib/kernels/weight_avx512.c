/* SPDX-License-Identifier: MIT
 *
 * weight_avx512.c - the weight kernels for this instruction set, as the compiler vectorises them.
 */
#include "kernels/weight_generic.h"

#define WEIGHT_TABLE weight_kernels_avx512
#define MATMUL(name) generic_matmul_##name
#define DEQUANTIZE(name) generic_dequantize_##name
#define QUANTIZE_ACT(kind) generic_quantize_act_##kind
#include "kernels/weight_table.h"
