/* SPDX-License-Identifier: MIT
 *
 * attention_avx512.c - the attention kernels for the avx512 table. See attention_template.h.
 */
#include <math.h>
#include <string.h>

#include "kernels/tables.h"
#include "kernels/vec_avx512.h"

enum { DOTS_ROWS = 8, DOTS_FEW_ROWS = 4, DOTS_MANY_VECS = 4 };

#define ATTN_TABLE attn_kernels_avx512
#include "kernels/attention_template.h"
