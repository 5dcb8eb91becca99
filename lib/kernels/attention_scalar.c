/* SPDX-License-Identifier: MIT
 *
 * attention_scalar.c - the attention kernels for the scalar table. See attention_template.h.
 */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/tables.h"
#include "kernels/vec_scalar.h"

enum { DOTS_ROWS = 2, DOTS_FEW_ROWS = 1, DOTS_MANY_VECS = 2 };

#define ATTN_TABLE attn_kernels_scalar
#include "kernels/attention_template.h"
