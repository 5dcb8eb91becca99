/* SPDX-License-Identifier: MIT
 *
 * planner.c - see planner.h.
 */
#include "runtime/planner.h"

#include <stdio.h>
#include <string.h>

enum {
    CTX_AUTO_MOST = 32768,
    CTX_GOOD = 8192,
    CTX_LEAST = 512,
    BATCH_GPU = 2048,
    BATCH_CPU = 512,
    CONTEXTS_MOST = 4
};

/* What a GPU's driver and its context take beside the model. */
static const uint64_t gpu_overhead = UINT64_C(320) << 20;

/* ---- cache types ---- */

static const struct {
    const char *name;
    uint32_t bytes_of_32;
    bool ours;
    hearth_cache_type type; /* what it is measured as */
} cache_types[] = {
    {"f32", 128, true, HEARTH_CACHE_F32},    {"f16", 64, true, HEARTH_CACHE_F16},
    {"q8_0", 34, true, HEARTH_CACHE_Q8_0},   {"bf16", 64, false, HEARTH_CACHE_F16},
    {"q5_1", 24, false, HEARTH_CACHE_F16},   {"q5_0", 22, false, HEARTH_CACHE_F16},
    {"q4_1", 20, false, HEARTH_CACHE_F16},   {"q4_0", 18, false, HEARTH_CACHE_F16},
    {"iq4_nl", 18, false, HEARTH_CACHE_F16},
};

static size_t find_type(const char *name)
{
    size_t i = 0;
    while (i < sizeof cache_types / sizeof *cache_types && strcmp(cache_types[i].name, name) != 0)
        i++;
    return i;
}

uint32_t planner_cache_type_bytes(const char *name)
{
    size_t i = find_type(name);
    return i < sizeof cache_types / sizeof *cache_types ? cache_types[i].bytes_of_32 : 0;
}

static hearth_status check_type(const char *what, const char *name, engine_kind_id kind,
                                hearth_error *err)
{
    size_t i = name ? find_type(name) : 0;
    if (i == sizeof cache_types / sizeof *cache_types)
        FAIL(err, EINVAL, what,
             "%s is '%.32s'; known are f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, "
             "q4_0 and iq4_nl",
             what, name);
    if (kind == ENGINE_BUILTIN && !cache_types[i].ours)
        FAIL(err, EINVAL, what,
             "%s is '%.32s', which the built-in engine does not have; it has "
             "f32, f16 and q8_0",
             what, name);
    return HEARTH_OK;
}

/* ---- one shape, measured and laid out ---- */

typedef struct work {
    const planner_source *source;
    const model_spec *spec;
    const char *name;
    size_t n_gpus;
    engine_plan *plan; /* what is being filled */
    planner_memory memory;
    const char *type_k, *type_v;
    uint64_t smallest; /* the least RAM that any shape would have taken */
} work;

static uint64_t scale(uint64_t bytes, uint64_t by, uint64_t of)
{
    return of == 0 ? 0 : (uint64_t)((double)bytes * (double)by / (double)of);
}

/* Types that are not ours take as much less as their values are smaller. */
static uint64_t scaled_cache(const work *w, uint64_t measured)
{
    size_t k = find_type(w->type_k), v = find_type(w->type_v);
    uint32_t as = (cache_types[k].ours ? cache_types[k].bytes_of_32 : 64) +
                  (cache_types[v].ours ? cache_types[v].bytes_of_32 : 64);
    return scale(measured, cache_types[k].bytes_of_32 + cache_types[v].bytes_of_32, as);
}

/* llama-server reads a text whose vector is wanted in one pass or not at all. 0: of no account. */
static uint32_t whole_text_batch(const work *w, uint32_t n_ctx)
{
    const model_spec *spec = w->spec;
    if (w->plan->kind == ENGINE_BUILTIN || spec->n_batch > 0 ||
        !(spec->embedding || spec->reranking))
        return spec->n_batch;
    return n_ctx < BATCH_GPU ? n_ctx : BATCH_GPU;
}

static hearth_status measure(work *w, uint32_t n_ctx, hearth_error *err)
{
    const model_spec *spec = w->spec;
    const bool builtin = w->plan->kind == ENGINE_BUILTIN;
    planner_shape shape = {.n_ctx = n_ctx,
                           .n_parallel = spec->n_parallel,
                           .n_batch = whole_text_batch(w, n_ctx),
                           .n_threads = spec->n_threads,
                           .cache_type_k = cache_types[find_type(w->type_k)].type,
                           .cache_type_v = cache_types[find_type(w->type_v)].type};
    /* The requests of the built-in engine share one cache: a context to use and one to remember.
     * Each of llama-server's has one of its own. */
    if (!builtin && shape.n_parallel == 0)
        shape.n_parallel = 1;
    shape.roughly = !builtin;
    shape.n_contexts = shape.n_parallel ? shape.n_parallel : 2;
    if (builtin && shape.n_contexts > CONTEXTS_MOST)
        shape.n_contexts = CONTEXTS_MOST;
    TRY(w->source->measure(w->source, &shape, &w->memory, err));
    w->memory.cache_bytes = scaled_cache(w, w->memory.cache_bytes);
    return HEARTH_OK;
}

/* What k layers on the GPUs (n_layers + 1: with the output) make of the measured memory. */
static budget_amount lay_out(const work *w, uint32_t k)
{
    const planner_source *s = w->source;
    const planner_memory *m = &w->memory;
    uint64_t width = 0, gpu = 0, largest = 0, gpus_limit = 0;
    budget_amount need = {{0}};
    for (uint32_t i = 0; i < s->n_layers; i++)
        width += s->kv_width[i];
    for (uint32_t i = s->n_layers; i > 0 && s->n_layers - i < k; i--) {
        uint64_t bytes = s->layer_bytes[i - 1] + scale(m->cache_bytes, s->kv_width[i - 1], width);
        gpu += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    uint64_t all = m->weight_bytes + m->cache_bytes;
    uint64_t ram = all > gpu ? all - gpu : 0;
    if (k > s->n_layers) {
        gpu += s->output_bytes;
        ram = ram > s->output_bytes ? ram - s->output_bytes : 0;
        ram = ram > s->input_bytes ? ram : s->input_bytes;
    }
    if (k > 0)
        gpu += s->projector_bytes;
    else
        ram += s->projector_bytes;
    need.bytes[BUDGET_RAM] = ram + m->compute_bytes + m->overhead_bytes;
    for (size_t i = 0; i < w->n_gpus; i++)
        gpus_limit += w->plan->limit.bytes[BUDGET_GPU + i];
    for (size_t i = 0; k > 0 && i < w->n_gpus; i++)
        need.bytes[BUDGET_GPU + i] = scale(gpu, w->plan->limit.bytes[BUDGET_GPU + i], gpus_limit) +
                                     m->compute_bytes + gpu_overhead +
                                     (w->n_gpus > 1 ? largest : 0);
    return need;
}

/* Within percent of every limit. */
static bool fits(const work *w, const budget_amount *need, unsigned percent)
{
    for (size_t i = 0; i < BUDGET_POOLS; i++) {
        if (need->bytes[i] > w->plan->limit.bytes[i] / 100 * percent)
            return false;
    }
    return true;
}

static hearth_status accept(work *w, uint32_t n_ctx, uint32_t k, const budget_amount *need)
{
    engine_plan *p = w->plan;
    const planner_memory *m = &w->memory;
    const bool builtin = p->kind == ENGINE_BUILTIN;
    p->mode = k == 0 ? PLAN_CPU : k > w->source->n_layers ? PLAN_GPU : PLAN_HYBRID;
    p->need = *need;
    p->n_ctx = n_ctx;
    p->n_parallel = m->n_parallel;
    p->n_threads = builtin ? m->n_threads : w->spec->n_threads;
    const uint32_t asked = whole_text_batch(w, n_ctx);
    p->n_batch = builtin ? m->n_batch : asked > 0 ? asked : k > 0 ? BATCH_GPU : BATCH_CPU;
    p->cache_mib = builtin ? m->cache_mib : 0;
    p->n_layers = w->source->n_layers;
    p->n_gpu_layers = k;
    snprintf(p->cache_type_k, sizeof p->cache_type_k, "%s", w->type_k);
    snprintf(p->cache_type_v, sizeof p->cache_type_v, "%s", w->type_v);
    p->weight_bytes = m->weight_bytes;
    p->cache_bytes = m->cache_bytes;
    p->compute_bytes = m->compute_bytes;
    p->overhead_bytes = m->overhead_bytes;
    p->projector_bytes = w->source->projector_bytes;
    p->fit = p->mode != PLAN_HYBRID && fits(w, need, 80) ? PLAN_GREEN : PLAN_YELLOW;
    return HEARTH_OK;
}

/* ---- the search ---- */

static uint32_t first_context(const work *w)
{
    if (w->spec->n_ctx > 0)
        return w->spec->n_ctx;
    uint32_t train = w->source->n_ctx_train ? w->source->n_ctx_train : CTX_GOOD;
    return train < CTX_AUTO_MOST ? train : CTX_AUTO_MOST;
}

/* The next one to try, 0 if there is none that is at least `least`. */
static uint32_t next_context(const work *w, uint32_t n_ctx, uint32_t least)
{
    return w->spec->n_ctx == 0 && n_ctx / 2 >= least ? n_ctx / 2 : 0;
}

/* Tries contexts from the largest down to `least` with k layers on the GPUs; with `most_layers`, as
 * many of them as fit. *found tells. */
static hearth_status try_contexts(work *w, uint32_t n_ctx, uint32_t least, uint32_t k,
                                  bool most_layers, unsigned percent, bool *found,
                                  hearth_error *err)
{
    for (; n_ctx > 0 && !*found; n_ctx = next_context(w, n_ctx, least)) {
        TRY(measure(w, n_ctx, err));
        budget_amount need = lay_out(w, k);
        uint32_t layers = k;
        while (most_layers && layers > 1 && !fits(w, &need, percent))
            need = lay_out(w, --layers);
        if (k == 0 && need.bytes[BUDGET_RAM] < w->smallest)
            w->smallest = need.bytes[BUDGET_RAM];
        if (fits(w, &need, percent)) {
            accept(w, n_ctx, layers, &need);
            *found = true;
        }
    }
    return HEARTH_OK;
}

/* Everything with one pair of cache types. */
static hearth_status try_types(work *w, bool *found, hearth_error *err)
{
    const uint32_t first = first_context(w), all = w->source->n_layers + 1;
    const uint32_t good = first < CTX_GOOD ? first : CTX_GOOD;
    const int32_t asked = w->spec->n_gpu_layers;
    if (w->n_gpus > 0 && asked > 0)
        return try_contexts(w, first, CTX_LEAST, (uint32_t)asked < all ? (uint32_t)asked : all,
                            false, 95, found, err);
    if (w->n_gpus > 0 && asked != 0) {
        TRY(try_contexts(w, first, good, all, false, 95, found, err));
        if (!*found)
            TRY(try_contexts(w, w->spec->n_ctx ? first : good, CTX_LEAST, all, true, 95, found,
                             err));
    }
    if (!*found)
        TRY(try_contexts(w, first, good, 0, false, 60, found, err));
    return *found ? HEARTH_OK : try_contexts(w, first, CTX_LEAST, 0, false, 100, found, err);
}

/* ---- why ---- */

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void explain(const work *w)
{
    engine_plan *p = w->plan;
    const uint32_t first = first_context(w);
    const int32_t asked = w->spec->n_gpu_layers;
    if (w->spec->n_ctx > 0)
        plan_because(p, "n_ctx", "%u positions, as asked for%s", p->n_ctx,
                     w->source->n_ctx_train && p->n_ctx > w->source->n_ctx_train
                         ? "; the model was trained for fewer"
                         : "");
    else if (p->n_ctx == first)
        plan_because(p, "n_ctx", "%u positions: %s", p->n_ctx,
                     first == w->source->n_ctx_train ? "what the model was trained for"
                                                     : "the most that is taken unasked");
    else
        plan_because(p, "n_ctx", "%u positions: %u would not fit%s", p->n_ctx, first,
                     p->mode == PLAN_GPU ? " on the GPU" : " with room to spare");
    if (p->mode == PLAN_GPU)
        plan_because(p, "n_gpu_layers", "all %u layers and the output on the GPU", p->n_layers);
    else if (p->mode == PLAN_HYBRID && asked > 0)
        plan_because(p, "n_gpu_layers", "%u of %u layers on the GPU, as asked for", p->n_gpu_layers,
                     p->n_layers);
    else if (p->mode == PLAN_HYBRID)
        plan_because(p, "n_gpu_layers", "%u of %u layers on the GPU: more do not fit in %.0f MiB",
                     p->n_gpu_layers, p->n_layers, mib(p->limit.bytes[BUDGET_GPU]));
    else if (w->n_gpus > 0)
        plan_because(p, "n_gpu_layers", "none: %s", asked == 0 ? "as asked for" : "not one fits");
    else
        plan_because(p, "n_gpu_layers", "none%s: %s", asked > 0 ? ", and not as asked for" : "",
                     p->kind == ENGINE_BUILTIN ? "the built-in engine runs on the processor"
                                               : "there is no GPU that it can use");
    if (w->spec->cache_type_k || w->spec->cache_type_v)
        plan_because(p, "cache_type", "keys %s, values %s: as asked for", w->type_k, w->type_v);
    else
        plan_because(p, "cache_type", "keys and values %s%s", w->type_k,
                     strcmp(w->type_k, "f16") == 0 ? ", exact enough for every model"
                                                   : ": with f16 no context would fit");
    plan_because(p, "n_parallel", "%u requests at once%s", p->n_parallel,
                 w->spec->n_parallel ? ", as asked for" : "");
    plan_because(p, "memory", "%.0f of %.0f MiB of RAM%s", mib(p->need.bytes[BUDGET_RAM]),
                 mib(p->limit.bytes[BUDGET_RAM]),
                 p->fit == PLAN_GREEN ? "" : "; tight: other programs may suffer");
    if (asked > 0 && w->n_gpus == 0) /* slower than it could be elsewhere */
        p->fit = PLAN_YELLOW;
}

static hearth_status no_fit(const work *w, hearth_error *err)
{
    engine_plan *p = w->plan;
    p->mode = PLAN_UNSUPPORTED;
    p->fit = PLAN_RED;
    p->n_layers = w->source->n_layers;
    p->need.bytes[BUDGET_RAM] = w->smallest == UINT64_MAX ? 0 : w->smallest;
    if (w->smallest == UINT64_MAX)
        FAIL(err, ENOFIT, w->name,
             "'%.120s' with %d layers on the GPU does not fit in its %.0f MiB; fewer would, or -1 "
             "to have them chosen",
             w->name, w->spec->n_gpu_layers, mib(p->limit.bytes[BUDGET_GPU]));
    FAIL(err, ENOFIT, w->name,
         "'%.120s' takes %.0f MiB%s, and engines may have %.0f MiB here; a smaller %s would fit",
         w->name, mib(w->smallest), w->spec->n_ctx ? " with this context" : " at least",
         mib(p->limit.bytes[BUDGET_RAM]),
         w->spec->n_ctx && w->memory.weight_bytes < p->limit.bytes[BUDGET_RAM]
             ? "context"
             : "quantization or model");
}

hearth_status planner_choose(const planner_source *source, const char *name, const model_spec *spec,
                             size_t n_gpus, engine_plan *plan, hearth_error *err)
{
    work w = {.source = source,
              .spec = spec,
              .name = name,
              .n_gpus = n_gpus,
              .plan = plan,
              .type_k = spec->cache_type_k ? spec->cache_type_k : "f16",
              .type_v = spec->cache_type_v ? spec->cache_type_v : "f16",
              .smallest = UINT64_MAX};
    bool found = false;
    TRY(check_type("cache_type_k", spec->cache_type_k, plan->kind, err));
    TRY(check_type("cache_type_v", spec->cache_type_v, plan->kind, err));
    TRY(try_types(&w, &found, err));
    if (!found && spec->cache_type_k == NULL && spec->cache_type_v == NULL) {
        w.type_k = w.type_v = "q8_0";
        TRY(try_types(&w, &found, err));
    }
    if (!found)
        return no_fit(&w, err);
    explain(&w);
    return HEARTH_OK;
}
