/* SPDX-License-Identifier: MIT
 *
 * weight_table.h - the table of weight kernels of one instruction set, included at the end of its
 * file after defining WEIGHT_TABLE, the table's name, and MATMUL(name), DEQUANTIZE(name) and
 * QUANTIZE_ACT(kind), the names of its functions.
 */
#include "kernels/tables.h"

#define FOR_F(entry) entry,
#define FOR_B(entry) entry,
#define FOR_K(entry) entry,
#define FOR_N(entry)

const weight_kernels WEIGHT_TABLE = {
    .matmul =
        {
#define X(name, id, text, elements, bytes, class) FOR_##class([WTYPE_##name] = MATMUL(name))
#include "base/wtype.def"
#undef X
        },
    .dequantize =
        {
#define X(name, id, text, elements, bytes, class) FOR_##class([WTYPE_##name] = DEQUANTIZE(name))
#include "base/wtype.def"
#undef X
        },
    .quantize_act = {[ACT_F32] = QUANTIZE_ACT(F32),
                     [ACT_Q32] = QUANTIZE_ACT(Q32),
                     [ACT_Q256] = QUANTIZE_ACT(Q256)},
};

#undef FOR_F
#undef FOR_B
#undef FOR_K
#undef FOR_N
