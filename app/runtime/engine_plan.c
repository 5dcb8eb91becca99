/* SPDX-License-Identifier: MIT
 *
 * engine_plan.c - see engine_plan.h.
 */
#include "runtime/engine_plan.h"

#include <stdarg.h>
#include <stdio.h>

void plan_because(engine_plan *plan, const char *about, const char *format, ...)
{
    va_list args;
    if (plan->n_reasons == PLAN_REASONS)
        return;
    plan_reason *r = &plan->reasons[plan->n_reasons++];
    snprintf(r->about, sizeof r->about, "%s", about);
    va_start(args, format);
    vsnprintf(r->text, sizeof r->text, format, args);
    va_end(args);
}

static const char *mode_name(plan_mode mode)
{
    static const char *const names[] = {"unsupported", "cpu", "hybrid", "gpu", "remote"};
    return names[mode];
}

static const char *fit_name(plan_fit fit)
{
    static const char *const names[] = {"green", "yellow", "red"};
    return names[fit];
}

static json_t *gpu_bytes(const budget_amount *amount, const budget_amount *limit)
{
    json_t *list = json_array();
    for (size_t i = BUDGET_GPU; list && i < BUDGET_POOLS && limit->bytes[i] > 0; i++)
        json_array_append_new(list, json_integer((json_int_t)amount->bytes[i]));
    return list;
}

static json_t *memory_json(const engine_plan *p)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:o}", "weights", (json_int_t)p->weight_bytes,
        "cache", (json_int_t)p->cache_bytes, "compute", (json_int_t)p->compute_bytes, "projector",
        (json_int_t)p->projector_bytes, "overhead", (json_int_t)p->overhead_bytes, "ram",
        (json_int_t)p->need.bytes[BUDGET_RAM], "vram", gpu_bytes(&p->need, &p->limit), "ram_limit",
        (json_int_t)p->limit.bytes[BUDGET_RAM], "vram_limit", gpu_bytes(&p->limit, &p->limit));
}

static json_t *reasons_json(const engine_plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < p->n_reasons; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "about", p->reasons[i].about, "text",
                                              p->reasons[i].text));
    return list;
}

json_t *engine_plan_json(const engine_plan *p)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:I, s:I, s:s, s:s, s:o, s:o}",
                     "kind", engine_kind_name(p->kind), "backend", p->backend, "mode",
                     mode_name(p->mode), "fit", fit_name(p->fit), "n_ctx", (json_int_t)p->n_ctx,
                     "n_parallel", (json_int_t)p->n_parallel, "n_batch", (json_int_t)p->n_batch,
                     "n_threads", p->n_threads, "n_layers", (json_int_t)p->n_layers, "n_gpu_layers",
                     (json_int_t)p->n_gpu_layers, "cache_type_k", p->cache_type_k, "cache_type_v",
                     p->cache_type_v, "memory", memory_json(p), "reasons", reasons_json(p));
}
