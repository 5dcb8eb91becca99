/* SPDX-License-Identifier: MIT
 *
 * attention_amx.c - the attention kernels for the amx table. See attention_template.h.
 */
#include <math.h>
#include <string.h>

#include "kernels/tables.h"
#include "kernels/vec_avx512.h"

enum { DOTS_ROWS = 8, DOTS_FEW_ROWS = 4, DOTS_MANY_VECS = 4 };

#define ATTN_WIDE_TILE "kernels/attention_amx.h"
#define ATTN_TABLE attn_kernels_amx
#include "kernels/attention_template.h"
