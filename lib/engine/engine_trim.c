/* SPDX-License-Identifier: MIT
 *
 * engine_trim.c - memory given back where other programs need it more.
 *
 * The cache goes first: it costs what was kept for later to be read again. Weights are clean pages
 * of files, which the system takes by itself when it has nothing better; letting go of them tells
 * it that it may, and costs a reading from the page cache or the disk in the next pass.
 */
#include "base/options_take.h"
#include "engine/engine_state.h"

typedef struct trim_job {
    engine_job base; /* the first member: one is the other */
    uint64_t cache_bytes;
} trim_job;

static bool trim(hearth_engine *e, engine_job *base)
{
    trim_job *job = (trim_job *)base;
    prefix_tree_evict_all(&e->tree);
    job->cache_bytes = page_pool_trim(&e->pool);
    if (e->draft)
        job->cache_bytes += draft_model_trim(e->draft);
    return true;
}

static uint64_t release_weights(const hearth_model *m)
{
    uint64_t n = gguf_release(m->g);
    for (size_t i = 0; i < m->n_adapters; i++)
        n += gguf_release(m->adapters[i]->g);
    return n;
}

hearth_status hearth_engine_trim(hearth_engine *e, hearth_trim_level level, hearth_trim_counts *out,
                                 hearth_error *err)
{
    trim_job job;
    if ((unsigned)level > HEARTH_TRIM_WEIGHTS)
        FAIL(err, EINVAL, "level", "trim level %d is unknown", (int)level);
    engine_do(e, &job.base, trim);
    *out = (hearth_trim_counts){.cache_bytes = job.cache_bytes};
    if (level < HEARTH_TRIM_WEIGHTS)
        return HEARTH_OK;
    out->weight_bytes = release_weights(e->model);
    if (e->options.draft_model)
        out->weight_bytes += release_weights(e->options.draft_model);
    return HEARTH_OK;
}
