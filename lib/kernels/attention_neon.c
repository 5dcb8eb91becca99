/* SPDX-License-Identifier: MIT
 *
 * attention_neon.c - the attention kernels for the neon table. See attention_template.h.
 */
#include <math.h>
#include <string.h>

#include "kernels/tables.h"
#include "kernels/vec_neon.h"

enum { DOTS_ROWS = 4, DOTS_FEW_ROWS = 2, DOTS_MANY_VECS = 2 };

#define ATTN_TABLE attn_kernels_neon
#include "kernels/attention_template.h"
