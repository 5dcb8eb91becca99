/* SPDX-License-Identifier: MIT
 *
 * float_avx512.c - the float kernels for the avx512 table. See float_template.h.
 */
#include <math.h>
#include <string.h>

#include "kernels/tables.h"
#include "kernels/vec_avx512.h"

#define FLOAT_TABLE float_kernels_avx512
#include "kernels/float_template.h"
