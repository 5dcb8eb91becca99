/* SPDX-License-Identifier: MIT
 *
 * panel.h - many columns at once: the weights of up to PANEL_ROWS rows, unpacked once, times all.
 *
 * Same arithmetic and same bits as matmul of kernels.h, for which each format's contract leaves the
 * order inside a block free. What differs is the shape of the work:
 *
 *   tiles   Activations are laid out by `pack`, once for all matrices that share them, as tiles of
 *           TILE_COLUMNS columns whose 16 columns are the lanes of a vector. Quantized kinds:
 *             int8  q[k / 4][16][4]         a line of 64 bytes: four elements of each column
 *             float d[k / block][16]
 *             int16 sum[k / 32][16][2]      as the sums of kernels.h, two to a column
 *             64 bytes more[k / 16]         ACT_Q256 only: the sums as minimums want them, which is
 *                                           the instruction set's own affair
 *           The q of 64 elements are a B operand of AMX (16 rows of 64 bytes). ACT_F32: 16 rows of
 *           act_row_bytes. Columns that a last tile lacks are zeros.
 *   panels  A job takes its raw rows PANEL_DEPTH elements of k at a time, unpacks them to scratch
 *           in whatever form its instruction set multiplies best, and runs over all tiles. So the
 *           panel stays in the second-level cache while activations stream by.
 *   chains  Outputs wait in scratch between two parts of k: float y[16 rows][16 columns] for every
 *           16 rows and tile of a slab of PANEL_SLAB columns. The chain of an output goes on where
 *           it was, so neither depth nor slab shows in the result.
 */
#ifndef HEARTH_KERNELS_PANEL_H
#define HEARTH_KERNELS_PANEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/wtype.h"

enum {
    TILE_COLUMNS = 16,
    PANEL_ROWS = 64,
    PANEL_DEPTH = 2048,
    PANEL_SLAB = 512,
    PANEL_SCRATCH_BYTES = 1 << 20,
};

/* y[c * y_stride + r] = row r of w . column c, for r < n_rows and c < n_columns. */
typedef struct panel_job {
    const uint8_t *w; /* first row; any alignment */
    size_t row_bytes; /* distance between rows */
    size_t k;         /* elements per row, a multiple of the format's block */
    size_t n_rows;    /* 1..PANEL_ROWS */
    size_t n_columns;
    const uint8_t *tiles; /* (n_columns + 15) / 16 of them, one after another, MEM_ALIGNed */
    float *y;
    size_t y_stride; /* in floats */
    void *scratch;   /* PANEL_SCRATCH_BYTES, MEM_ALIGNed, of this thread alone */
} panel_job;

typedef void panel_pack_fn(const void *const *rows, size_t n, size_t k, void *tile);
typedef void panel_matmul_fn(const panel_job *job);

#endif
