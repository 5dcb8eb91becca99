/* SPDX-License-Identifier: MIT
 *
 * float_avx2.c - the float kernels for the avx2 table. See float_template.h.
 */
#include <math.h>
#include <string.h>

#include "kernels/tables.h"
#include "kernels/vec_avx2.h"

#define FLOAT_TABLE float_kernels_avx2
#include "kernels/float_template.h"
