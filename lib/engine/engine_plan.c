/* SPDX-License-Identifier: MIT
 *
 * engine_plan.c - the memory of an engine, before any of it is touched.
 *
 * A context is chosen as for a session (plan.c), with one context's pages. Then the cache may grow
 * to hold several, but never beyond a quarter of what is still free: other programs need it too.
 */
#include "base/checked.h"
#include "base/options_take.h"
#include "engine/engine_state.h"
#include "os/sysmem.h"

enum {
    MAX_PARALLEL = 256,
    MAX_QUEUE = 1 << 16,
    DEFAULT_QUEUE = 128,
    MANY_CONTEXTS = 4, /* what the cache grows to, where memory is plenty */
    POSITIONS_PER_STREAM = 1024,
    LEAST_STREAMS = 8, /* chosen by itself, as the next one */
    MOST_STREAMS = 16,
    SAMPLER_BYTES = 28 /* per token of the vocabulary */
};

void hearth_engine_options_init(hearth_engine_options *options)
{
    *options = (hearth_engine_options){.struct_size = sizeof *options,
                                       .n_queue = DEFAULT_QUEUE,
                                       .draft_max = DRAFT_MOST,
                                       .draft_p_min = 0.75f,
                                       .cache_type_k = HEARTH_CACHE_F16,
                                       .cache_type_v = HEARTH_CACHE_F16};
}

static hearth_session_options session_options(const hearth_engine_options *o)
{
    hearth_session_options s;
    hearth_session_options_init(&s);
    s.n_ctx = o->n_ctx;
    s.n_batch = o->n_batch;
    s.n_threads = o->n_threads;
    s.cache_type_k = o->cache_type_k;
    s.cache_type_v = o->cache_type_v;
    s.group_n = o->group_n;
    s.group_w = o->group_w;
    return s;
}

static hearth_status check_options(const hearth_engine_options *o, hearth_error *err)
{
    if (o->n_parallel > MAX_PARALLEL)
        FAIL(err, EINVAL, "n_parallel", "%u requests at once are too many; %d are the most",
             o->n_parallel, MAX_PARALLEL);
    if (o->n_queue > MAX_QUEUE)
        FAIL(err, EINVAL, "n_queue", "a queue of %u is too long; %d is the most", o->n_queue,
             MAX_QUEUE);
    if (o->draft_min > DRAFT_MOST || o->draft_min > o->draft_max)
        FAIL(err, EINVAL, "draft_min",
             "draft_min is %u and draft_max %u; it must be no more than that, and %d at most",
             o->draft_min, o->draft_max, DRAFT_MOST);
    if (!(o->draft_p_min >= 0.0f && o->draft_p_min <= 1.0f))
        FAIL(err, EINVAL, "draft_p_min", "draft_p_min is %g; it must be from 0 to 1",
             (double)o->draft_p_min);
    return HEARTH_OK;
}

forward_options engine_forward_options(const hearth_model *model,
                                       const hearth_engine_options *options,
                                       const hearth_engine_plan_result *plan)
{
    hearth_session_options s = session_options(options);
    return plan_forward_options(model, &s, &plan->memory);
}

draft_model_options engine_draft_options(const hearth_model *model, const hearth_engine_options *o,
                                         const hearth_engine_plan_result *p)
{
    const hearth_model *small = o->draft_model;
    uint32_t n_ctx = p->memory.n_ctx;
    n_ctx = n_ctx < small->h.n_ctx_train ? n_ctx : small->h.n_ctx_train;
    n_ctx = o->draft_n_ctx && o->draft_n_ctx < n_ctx ? o->draft_n_ctx : n_ctx;
    return (draft_model_options){.model = small,
                                 .target = model,
                                 .n_ctx = n_ctx,
                                 .n_batch = p->memory.n_batch,
                                 .n_parallel = p->n_parallel,
                                 .n_pages = p->n_pages,
                                 .n_threads = p->memory.n_threads,
                                 .type_k = o->cache_type_k,
                                 .type_v = o->cache_type_v,
                                 .p_min = o->draft_p_min};
}

static uint32_t choose_parallel(const hearth_engine_options *o, uint64_t n_pages)
{
    if (o->n_parallel)
        return o->n_parallel;
    uint64_t n = n_pages * KV_PAGE / POSITIONS_PER_STREAM;
    return n < LEAST_STREAMS ? LEAST_STREAMS : n > MOST_STREAMS ? MOST_STREAMS : (uint32_t)n;
}

/* Everything but the pages and the model. */
static uint64_t own_bytes(const hearth_model *m, const hearth_engine_options *o,
                          const hearth_engine_plan_result *p)
{
    forward_options f = engine_forward_options(m, o, p);
    uint64_t n_vocab = m->h.n_vocab,
             row = 2 * sizeof(uint32_t) + sizeof(int32_t) + 2 * sizeof(void *);
    uint64_t stream =
        sizeof(hearth_request) + n_vocab * SAMPLER_BYTES + p->memory.n_ctx * sizeof(int32_t) +
        sequence_bytes(kv_n_pages(p->memory.n_ctx)) + POOLED_ROWS * m->h.n_embd * sizeof(float);
    return forward_bytes(&f) + p->memory.n_batch * row + n_vocab * sizeof(float) +
           p->n_parallel * stream + page_pool_table_bytes(p->n_pages) +
           prefix_tree_bytes(p->n_pages);
}

static void count(const hearth_model *m, const hearth_engine_options *o, uint64_t n_pages,
                  hearth_engine_plan_result *p)
{
    hearth_plan *memory = &p->memory;
    p->n_pages = n_pages;
    p->n_parallel = choose_parallel(o, n_pages);
    if (memory->n_batch < p->n_parallel)
        memory->n_batch = p->n_parallel;
    memory->cache_bytes = n_pages * p->page_bytes;
    memory->compute_bytes = own_bytes(m, o, p);
    memory->total_bytes =
        memory->weight_bytes + memory->cache_bytes + memory->compute_bytes + memory->overhead_bytes;
    p->draft_bytes = 0;
    if (o->draft_model) {
        draft_model_options small = engine_draft_options(m, o, p);
        p->draft_bytes = draft_model_bytes(&small);
        memory->total_bytes += p->draft_bytes;
    }
    memory->fits = memory->total_bytes <= memory->available_bytes;
}

static void choose_pages(const hearth_model *m, const hearth_engine_options *o, uint64_t least,
                         hearth_engine_plan_result *p)
{
    count(m, o, least, p);
    if (!p->memory.fits)
        return;
    uint64_t spare = (p->memory.available_bytes - p->memory.total_bytes) / 4;
    uint64_t page_bytes = p->page_bytes + sizeof(prefix_node);
    if (o->draft_model) {
        draft_model_options small = engine_draft_options(m, o, p);
        page_bytes += draft_model_page_bytes(&small);
    }
    uint64_t more = spare / page_bytes;
    uint64_t most = least * (MANY_CONTEXTS - 1);
    count(m, o, least + (more < most ? more : most), p);
    if (!p->memory.fits) /* more streams took more than the pages */
        count(m, o, least, p);
}

hearth_status engine_make_plan(const hearth_model *model, const hearth_engine_options *o,
                               hearth_engine_plan_result *p, hearth_error *err)
{
    hearth_session_options s = session_options(o);
    uint64_t beside = 0;
    TRY(check_options(o, err));
    if (o->draft_model) {
        TRY(draft_model_check(o->draft_model, model, err));
        beside = plan_weight_bytes(o->draft_model) + plan_model_overhead(o->draft_model);
    }
    TRY(plan_session(model, &s, beside, &p->memory, err));
    p->memory.available_bytes = sysmem_available();
    kv_layout layout;
    kv_layout_init(&layout, &model->h, (cache_type)o->cache_type_k, (cache_type)o->cache_type_v,
                   o->group_n > 1);
    p->page_bytes = layout.page_bytes;
    uint64_t least = kv_n_pages(p->memory.n_ctx);
    if (o->cache_bytes == 0) {
        choose_pages(model, o, least, p);
        return HEARTH_OK;
    }
    uint64_t n_pages = o->cache_bytes / p->page_bytes;
    if (o->n_ctx == 0 && n_pages > 0 && n_pages < least) { /* the smaller of the two decides */
        p->memory.n_ctx = (uint32_t)(n_pages * KV_PAGE);
        least = n_pages;
    }
    if (n_pages < least || n_pages >= NO_PAGE)
        FAIL(err, EINVAL, "cache_bytes",
             "cache_bytes is %llu, %llu pages, but one context of %u takes %llu pages of %llu "
             "bytes; give more or lower n_ctx",
             (unsigned long long)o->cache_bytes, (unsigned long long)n_pages, p->memory.n_ctx,
             (unsigned long long)least, (unsigned long long)p->page_bytes);
    count(model, o, n_pages, p);
    return HEARTH_OK;
}

hearth_status hearth_engine_plan(const hearth_model *model, const hearth_engine_options *given,
                                 hearth_engine_plan_result *out, hearth_error *err)
{
    hearth_engine_options options;
    hearth_engine_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_engine_options", err));
    return engine_make_plan(model, &options, out, err);
}
