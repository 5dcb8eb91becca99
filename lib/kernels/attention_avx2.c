/* SPDX-License-Identifier: MIT
 *
 * attention_avx2.c - the attention kernels for the avx2 table. See attention_template.h.
 */
#include <math.h>
#include <string.h>

#include "kernels/tables.h"
#include "kernels/vec_avx2.h"

enum { DOTS_ROWS = 4, DOTS_FEW_ROWS = 2, DOTS_MANY_VECS = 2 };

#define ATTN_TABLE attn_kernels_avx2
#include "kernels/attention_template.h"
