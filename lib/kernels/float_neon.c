/* SPDX-License-Identifier: MIT
 *
 * float_neon.c - the float kernels for the neon table. See float_template.h.
 */
#include <math.h>
#include <string.h>

#include "kernels/tables.h"
#include "kernels/vec_neon.h"

#define FLOAT_TABLE float_kernels_neon
#include "kernels/float_template.h"
