/* SPDX-License-Identifier: MIT
 *
 * panel_loops.h - what the panel kernels of all instruction sets share: where the parts of a tile
 * are, and the loops of a job. Layouts: panel.h.
 */
#ifndef HEARTH_KERNELS_PANEL_LOOPS_H
#define HEARTH_KERNELS_PANEL_LOOPS_H

#include "kernels/block.h"
#include "kernels/kernels.h"

enum {
    GROUP_ROWS = 16,
    PANEL_GROUPS = PANEL_ROWS / GROUP_ROWS,
    SLAB_TILES = PANEL_SLAB / TILE_COLUMNS,
    LINE = 64, /* bytes of a line of a tile */
    Y_BYTES = PANEL_ROWS * PANEL_SLAB * (int)sizeof(float),
};

/* ---- tiles ---- */

/* The parts of a tile of quantized activations, at element k0 (a multiple of 64) of k. */
typedef struct tile_part {
    const uint8_t *q;
    const float *d;
    const uint8_t *sums, *more;
} tile_part;

ALWAYS_INLINE tile_part tile_at(const uint8_t *tile, act_kind kind, size_t k, size_t k0)
{
    const size_t block = act_block(kind);
    const uint8_t *d = tile + LINE * (k / 4), *sums = d + LINE * (k / block);
    const uint8_t *more = sums + LINE * (k / 32);
    return (tile_part){tile + LINE * (k0 / 4),
                       (const float *)(const void *)(d + LINE * (k0 / block)),
                       sums + LINE * (k0 / 32), more + LINE * (k0 / 16)};
}

/* ---- the loops of a job ---- */

/* Where the work on a part of k is: what a kernel's two steps get. */
typedef struct panel_part {
    const panel_job *job;
    size_t k0, n_k;             /* elements of k */
    size_t n_groups;            /* of GROUP_ROWS rows */
    size_t first_tile, n_tiles; /* of the slab */
    float (*y)[SLAB_TILES][GROUP_ROWS][TILE_COLUMNS];
    uint8_t *panel;
    const void *format; /* format_b or format_k */
} panel_part;

typedef void panel_step(const panel_part *part);
typedef void store_tile_fn(const panel_part *part, size_t tile); /* of the slab */

/* The rows of a group. Missing rows are repeats of the last. */
ALWAYS_INLINE void point_at_group(const panel_job *job, size_t group, const uint8_t **w)
{
    for (size_t r = 0; r < GROUP_ROWS; r++) {
        const size_t row = GROUP_ROWS * group + r;
        w[r] = job->w + (row < job->n_rows ? row : job->n_rows - 1) * job->row_bytes;
    }
}

/* Not inline: what depends on the format is in unpack, what on its class of scales in multiply. */
static void run_panel(const panel_job *job, const void *format, panel_step *unpack,
                      panel_step *multiply, store_tile_fn *store)
{
    const size_t n_tiles = (job->n_columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
    panel_part part = {.job = job,
                       .format = format,
                       .n_groups = (job->n_rows + GROUP_ROWS - 1) / GROUP_ROWS,
                       .y = job->scratch,
                       .panel = (uint8_t *)job->scratch + Y_BYTES};
    for (size_t t = 0; t < n_tiles; t += SLAB_TILES) {
        part.first_tile = t;
        part.n_tiles = n_tiles - t < SLAB_TILES ? n_tiles - t : SLAB_TILES;
        for (size_t g = 0; g < part.n_groups; g++)
            memset(part.y[g], 0, part.n_tiles * sizeof part.y[g][0]);
        for (size_t k0 = 0; k0 < job->k; k0 += PANEL_DEPTH) {
            part.k0 = k0;
            part.n_k = job->k - k0 < PANEL_DEPTH ? job->k - k0 : PANEL_DEPTH;
            unpack(&part);
            multiply(&part);
        }
        for (size_t i = 0; i < part.n_tiles; i++)
            store(&part, i);
    }
}

#endif
