/* SPDX-License-Identifier: MIT
 *
 * streams.h - in which order the kernels of a few columns walk the rows of a job.
 *
 * A tile is n rows that are multiplied side by side. They are not neighbours: the job's rows are
 * cut into n streams of equal length, and a tile has one row of each. So a core reads n places of
 * memory, each from its beginning to its end, and they lie in pages of their own, which is what the
 * hardware's prefetching follows (docs/decisions/streams.md). What does not fill all streams is a
 * tile of its own at the end.
 */
#ifndef HEARTH_KERNELS_STREAMS_H
#define HEARTH_KERNELS_STREAMS_H

#include "kernels/kernels.h"

/* Tiles of n rows. */
static inline size_t n_tiles(const matmul_job *job, size_t n)
{
    return (job->n_rows + n - 1) / n;
}

/* The row of a tile's stream r < n. The last tile repeats the last row where there are too few. */
static inline size_t tile_row(const matmul_job *job, size_t n, size_t tile, size_t r)
{
    const size_t length = job->n_rows / n, row = length * n + r;
    if (tile < length)
        return r * length + tile;
    return row < job->n_rows ? row : job->n_rows - 1;
}

static inline const uint8_t *row_at(const matmul_job *job, size_t row)
{
    return job->w + row * job->row_bytes;
}

/* How far ahead of what it multiplies a kernel shall fetch, in bytes: within its streams as far as
 * the hardware follows, behind the last row about to where they begin in the rows after this job's.
 * 0: there is nothing to come. */
static inline size_t tile_ahead(const matmul_job *job, size_t n, size_t tile)
{
    enum { NEAR = 1024 };
    const size_t length = job->n_rows / n;
    if (tile + 1 < length)
        return job->row_bytes < NEAR ? job->row_bytes : NEAR;
    return tile + 1 == length && job->n_next >= n ? (job->n_rows - length + 1) * job->row_bytes : 0;
}

#endif
