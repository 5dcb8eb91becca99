/* SPDX-License-Identifier: MIT
 *
 * weight_scalar.c - the weight kernels in plain C: the specification, and the table of processors
 * for which nothing better was written. All of it is in weight_generic.h.
 */
#include "kernels/weight_generic.h"

#define WEIGHT_TABLE weight_kernels_scalar
#define MATMUL(name) generic_matmul_##name
#define DEQUANTIZE(name) generic_dequantize_##name
#define QUANTIZE_ACT(kind) generic_quantize_act_##kind
#include "kernels/weight_table.h"
