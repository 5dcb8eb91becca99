/* SPDX-License-Identifier: MIT
 *
 * plan.c - the memory of a model and its sessions, from the header alone.
 *
 * Cache and compute are counted by the code that allocates them (kv.c, forward.c), so they cannot
 * be wrong. Overhead is what the allocator, the program and the tokenizer's tables take: estimated
 * from sizes in the header, with constants measured on this code (docs/ARCHITECTURE.md, "Memory").
 */
#include "base/options_take.h"
#include "engine/model.h"
#include "engine/session.h"
#include "os/cpu.h"
#include "os/sysmem.h"
#include "os/thread_pool.h"

enum {
    DEFAULT_BATCH = 512,
    DEFAULT_GROUP_WIDTH = 512,
    MAX_GROUP = 1024,
    PROGRAM_BYTES = 6 << 20, /* the program, its libraries, the heap's slack */
    THREAD_BYTES = 96 << 10, /* a worker's stack as far as it is touched, and its kernel side */
    TOKEN_BYTES = 96,        /* a token's entries in the vocabulary tables, beside its text */
    MERGE_BYTES = 64,
    TENSOR_BYTES = 256 /* a tensor's entry in the index, and its binding */
};

static uint64_t array_length(const gguf *g, const char *key)
{
    const gguf_value *v = gguf_find(g, key);
    return v && v->type == GGUF_ARRAY ? v->n : 0;
}

uint64_t plan_weight_bytes(const hearth_model *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < gguf_n_tensors(m->g); i++)
        n += gguf_tensor_at(m->g, i)->n_bytes;
    return n;
}

static uint64_t adapter_bytes(const hearth_model *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->n_adapters; i++)
        n += gguf_file_bytes(m->adapters[i]->g);
    return n;
}

uint64_t plan_model_overhead(const hearth_model *m)
{
    uint64_t header = gguf_file_bytes(m->g) - plan_weight_bytes(m); /* read once, so resident */
    return PROGRAM_BYTES + header + array_length(m->g, "tokenizer.ggml.tokens") * TOKEN_BYTES +
           array_length(m->g, "tokenizer.ggml.merges") * MERGE_BYTES +
           gguf_n_tensors(m->g) * TENSOR_BYTES + m->w.owned_bytes;
}

static hearth_status check_options(const hearth_model *m, const hearth_session_options *o,
                                   hearth_error *err)
{
    if (o->n_ctx > MAX_CONTEXT)
        FAIL(err, EINVAL, "n_ctx", "a context of %u is too large; %d is the most", o->n_ctx,
             MAX_CONTEXT);
    if (o->n_threads < 0 || o->n_threads > THREAD_POOL_MAX)
        FAIL(err, EINVAL, "n_threads", "%d threads make no sense; 1 to %d do", o->n_threads,
             THREAD_POOL_MAX);
    if ((unsigned)o->cache_type_k >= CACHE_COUNT || (unsigned)o->cache_type_v >= CACHE_COUNT)
        FAIL(err, EINVAL, "cache_type", "cache type %d is unknown; f32, f16 and q8_0 are known",
             (unsigned)o->cache_type_k >= CACHE_COUNT ? (int)o->cache_type_k
                                                      : (int)o->cache_type_v);
    const gguf_tensor *positions = gguf_find_tensor(m->g, "position_embd.weight");
    if (positions && o->n_ctx > positions->ne[1])
        FAIL(err, EINVAL, "n_ctx",
             "a context of %u is asked for, but the model has a table of %llu "
             "positions; ask for that at most",
             o->n_ctx, (unsigned long long)positions->ne[1]);
    return HEARTH_OK;
}

static uint32_t group_width(const hearth_session_options *o)
{
    return o->group_w ? o->group_w : DEFAULT_GROUP_WIDTH;
}

static hearth_status check_group(const hearth_model *m, const hearth_session_options *o,
                                 hearth_error *err)
{
    const hparams *h = &m->h;
    bool turns = h->causal && h->rope != ROPE_NONE && h->n_window == 0 && h->alibi_max_bias == 0;
    for (uint32_t il = 0; il < h->n_layer; il++)
        turns = turns && h->layers[il].rope;
    if (o->group_n <= 1)
        return HEARTH_OK;
    if (!turns)
        FAIL(err, EUNSUPPORTED, "group_n",
             "self-extend needs a language model with rotary positions in every layer and without "
             "a sliding window, and %s is none; leave group_n at 1",
             m->info.architecture);
    if (o->group_n > MAX_GROUP || group_width(o) > MAX_CONTEXT || group_width(o) % o->group_n != 0)
        FAIL(
            err, EINVAL, "group_w",
            "group_n is %u and group_w %u; group_n may be %d at most, and group_w a multiple of it",
            o->group_n, group_width(o), MAX_GROUP);
    return HEARTH_OK;
}

forward_options plan_forward_options(const hearth_model *m, const hearth_session_options *o,
                                     const hearth_plan *plan)
{
    uint32_t rank = 0, n_out = 0;
    for (size_t i = 0; i < m->n_adapters; i++) {
        rank = m->adapters[i]->rank > rank ? m->adapters[i]->rank : rank;
        n_out = m->adapters[i]->n_out > n_out ? m->adapters[i]->n_out : n_out;
    }
    return (forward_options){.h = &m->h,
                             .w = &m->w,
                             .kernels = m->kernels,
                             .n_threads = plan->n_threads,
                             .n_batch = plan->n_batch,
                             .n_ctx = plan->n_ctx,
                             .type_k = (cache_type)o->cache_type_k,
                             .type_v = (cache_type)o->cache_type_v,
                             .adapter_rank = rank,
                             .adapter_n_out = n_out,
                             .group_n = o->group_n,
                             .group_w = o->group_n > 1 ? group_width(o) : 0};
}

/* Fills in the bytes for a context of n_ctx. */
static void count(const hearth_model *m, const hearth_session_options *o, uint32_t n_ctx,
                  hearth_plan *plan)
{
    kv_layout layout;
    uint32_t most = o->n_batch ? o->n_batch : DEFAULT_BATCH;
    plan->n_ctx = n_ctx;
    /* An encoder reads its whole text in one pass. */
    plan->n_batch = most < n_ctx && m->h.causal ? most : n_ctx;
    forward_options f = plan_forward_options(m, o, plan);
    kv_layout_init(&layout, &m->h, f.type_k, f.type_v, f.group_n > 1);
    plan->cache_bytes = (uint64_t)kv_n_pages(n_ctx) * layout.page_bytes;
    plan->compute_bytes = forward_bytes(&f) + session_bytes(&m->h, plan);
    plan->total_bytes =
        plan->weight_bytes + plan->cache_bytes + plan->compute_bytes + plan->overhead_bytes;
    plan->fits = plan->total_bytes <= plan->available_bytes;
}

/* The largest context that fits, up to `most`: a multiple of a page, or `most` itself. */
static uint32_t largest_fit(const hearth_model *m, const hearth_session_options *o, uint32_t most,
                            hearth_plan plan)
{
    count(m, o, most, &plan);
    if (plan.fits)
        return most;
    uint32_t low = 0, high = most / KV_PAGE; /* low fits (or is 0), high + 1 does not */
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        count(m, o, middle * KV_PAGE, &plan);
        if (plan.fits)
            low = middle;
        else
            high = middle - 1;
    }
    return low * KV_PAGE;
}

/* The context of a caller who names none: the model's own, but never more than three quarters of
 * the free memory, which other programs need too. Where not even a page fits so, the most that
 * does; where nothing fits, the model's own, for the plan to tell what it would have taken. */
static uint32_t choose_context(const hearth_model *m, const hearth_session_options *o,
                               const hearth_plan *plan)
{
    hearth_plan modest = *plan;
    modest.available_bytes -= modest.available_bytes / 4;
    uint32_t n_ctx = largest_fit(m, o, m->h.n_ctx_train, modest);
    if (n_ctx == 0)
        n_ctx = plan->n_ctx_max;
    return n_ctx ? n_ctx : m->h.n_ctx_train;
}

hearth_status plan_session(const hearth_model *m, const hearth_session_options *o, uint64_t beside,
                           hearth_plan *plan, hearth_error *err)
{
    uint64_t available = sysmem_available();
    if (m->arch == NULL) {
        if (err)
            *err = m->unknown;
        return m->unknown.code;
    }
    TRY(check_options(m, o, err));
    TRY(check_group(m, o, err));
    *plan = (hearth_plan){.weight_bytes = plan_weight_bytes(m) + adapter_bytes(m),
                          .available_bytes = available > beside ? available - beside : 0};
    plan->n_threads = o->n_threads ? o->n_threads : cpu_default_threads();
    plan->overhead_bytes = plan_model_overhead(m) + (uint64_t)plan->n_threads * THREAD_BYTES;
    uint32_t n_ctx = o->n_ctx, most = n_ctx > m->h.n_ctx_train ? n_ctx : m->h.n_ctx_train;
    plan->n_ctx_max = largest_fit(m, o, most, *plan);
    if (n_ctx == 0)
        n_ctx = choose_context(m, o, plan);
    count(m, o, n_ctx, plan);
    if (plan->fits && n_ctx > plan->n_ctx_max) /* less than a page */
        plan->n_ctx_max = n_ctx;
    return HEARTH_OK;
}

hearth_status hearth_model_plan(const hearth_model *model, const hearth_session_options *given,
                                hearth_plan *out, hearth_error *err)
{
    hearth_session_options options;
    hearth_session_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_session_options", err));
    return plan_session(model, &options, 0, out, err);
}
