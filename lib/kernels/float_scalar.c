/* SPDX-License-Identifier: MIT
 *
 * float_scalar.c - the float kernels for the scalar table. See float_template.h.
 */
#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernels/tables.h"
#include "kernels/vec_scalar.h"

#define FLOAT_TABLE float_kernels_scalar
#include "kernels/float_template.h"
