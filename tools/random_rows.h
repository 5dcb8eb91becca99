/* SPDX-License-Identifier: MIT
 *
 * random_rows.h - an endless supply of random weights in any format, made quickly.
 *
 * A matrix that is small is made number by number. Quantizing billions of numbers would take many
 * minutes, so a large one is put together from pieces of at most 256 elements, each drawn at random
 * from a pool of POOL_PIECES that were made and quantized once for this format and row length.
 * Rows are then as good as independent, and no kernel or cache can tell the difference.
 */
#ifndef HEARTH_TOOLS_RANDOM_ROWS_H
#define HEARTH_TOOLS_RANDOM_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wtype.h"

typedef struct random_rows random_rows;

random_rows *random_rows_new(uint64_t seed); /* ends the program if there is no memory */
void random_rows_free(random_rows *r);

/* The next row of k elements, about normal around `offset` with deviation `scale`; *n_bytes of it,
 * valid until the next call. `pooled`: from the pool. Ends the program if k does not divide into
 * blocks of the format. */
const uint8_t *random_rows_next(random_rows *r, wtype type, size_t k, float scale, float offset,
                                bool pooled, size_t *n_bytes);

#endif
