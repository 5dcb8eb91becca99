/* SPDX-License-Identifier: MIT
 *
 * dropout.c - units left out in training, so that no answer hangs on a single one (Srivastava et
 * al. 2014). Which ones is a function of the batch's key, the layer, the site and the row: nothing
 * is kept for the backward pass, and threads do not matter.
 */
#include "ember/net_impl.h"
#include "ember/rng.h"

enum { ROWS = 64, PER_DRAW = 4 }; /* four decisions of 16 bits in each number */

typedef struct drop_job {
    const net_batch *batch;
    uint64_t stream;
    float *x;
    size_t width;
} drop_job;

static void drop_row(const drop_job *j, size_t row)
{
    rng r = rng_new(j->batch->dropout_key ^ row, j->stream);
    float *x = j->x + row * j->width, scale = 1.0f / (1.0f - j->batch->dropout);
    uint64_t limit = (uint64_t)(j->batch->dropout * 65536.0f);
    for (size_t i = 0; i < j->width; i += PER_DRAW) {
        uint64_t bits = rng_next(&r);
        for (size_t k = i; k < i + PER_DRAW && k < j->width; k++, bits >>= 16)
            x[k] *= (bits & 0xffff) < limit ? 0.0f : scale;
    }
}

static void drop_chunk(void *arg, size_t chunk, int worker)
{
    const drop_job *j = arg;
    (void)worker;
    for (size_t i = chunk * ROWS; i < (chunk + 1) * ROWS && i < j->batch->n_tokens; i++)
        drop_row(j, i);
}

void net_drop(net *n, const net_batch *batch, uint32_t layer, net_site site, float *x, size_t width)
{
    drop_job job = {batch, layer * 4 + site, x, width};
    if (batch->dropout > 0)
        net_run(n, drop_chunk, &job, (batch->n_tokens + ROWS - 1) / ROWS);
}
