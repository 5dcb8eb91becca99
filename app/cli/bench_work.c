/* SPDX-License-Identifier: MIT
 *
 * bench_work.c - see bench_work.h.
 */
#include "cli/bench_work.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "base/wtype.h"

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), n_end = strlen(end);
    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

/* Rows are looked up there, which costs nothing to speak of. */
static bool is_lookup(const char *name, bool tied)
{
    return (strcmp(name, "token_embd.weight") == 0 && !tied) ||
           strcmp(name, "position_embd.weight") == 0 || strcmp(name, "token_types.weight") == 0;
}

static double *operations(bench_matrices *m, bool integers)
{
    return integers ? &m->int_ops : &m->float_ops;
}

static void add(bench_matrices *m, const hearth_tensor_info *t)
{
    double elements = 1.0;
    wtype type;
    for (uint32_t i = 0; i < t->n_dims; i++)
        elements *= (double)t->ne[i];
    m->bytes += (double)t->n_bytes;
    if (t->n_dims < 2 || !ends_with(t->name, ".weight"))
        return;
    bool integers = wtype_from_name(t->type, &type) && (wtype_get(type)->class == WTYPE_CLASS_B ||
                                                        wtype_get(type)->class == WTYPE_CLASS_K);
    *operations(m, integers) += 2.0 * elements;
}

hearth_status bench_model_count(bench_model *out, const hearth_model *model,
                                const hearth_session_options *cache, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(model);
    static const double element_bytes[] = {4.0, 2.0, 34.0 / 32.0};
    const double products = 2.0 * info->n_layer * info->n_head * info->head_dim;
    hearth_tensor_info t;
    bool tied = true;
    *out = (bench_model){
        .expert_share = info->n_expert ? (double)info->n_expert_used / (double)info->n_expert : 0,
        .attention.bytes =
            (double)info->n_layer * info->n_head_kv * info->head_dim *
            (element_bytes[cache->cache_type_k] + element_bytes[cache->cache_type_v]),
        .window = (double)info->sliding_window,
    };
    *operations(&out->attention, cache->cache_type_k != HEARTH_CACHE_F32) += products;
    *operations(&out->attention, cache->cache_type_v != HEARTH_CACHE_F32) += products;
    for (size_t i = 0; i < hearth_model_n_tensors(model); i++) {
        TRY(hearth_model_tensor_at(model, i, &t, err));
        tied = tied && strcmp(t.name, "output.weight") != 0;
    }
    for (size_t i = 0; i < hearth_model_n_tensors(model); i++) {
        TRY(hearth_model_tensor_at(model, i, &t, err));
        const char *output = tied ? "token_embd.weight" : "output.weight";
        if (is_lookup(t.name, tied))
            continue;
        add(strcmp(t.name, output) == 0        ? &out->output
            : strstr(t.name, "_exps.") != NULL ? &out->experts
                                               : &out->layers,
            &t);
    }
    return HEARTH_OK;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

bench_work bench_work_per_token(const bench_model *m, size_t depth, size_t n, size_t pass,
                                bool all_logits)
{
    bench_work sum = {0};
    for (size_t done = 0; done < n;) {
        double now = least((double)pass, (double)(n - done));
        double first = (double)(depth + done), most = m->window > 0 ? m->window : INFINITY;
        double n_logits = all_logits ? now : (double)(n - done) <= now ? 1.0 : 0.0;
        /* Experts are chosen independently, so far as anybody can tell. */
        double touched = 1.0 - pow(1.0 - m->expert_share, now);
        sum.bytes += m->layers.bytes + touched * m->experts.bytes;
        sum.bytes += (n_logits > 0 ? m->output.bytes : 0) + m->attention.bytes * least(first, most);
        sum.int_ops += now * (m->layers.int_ops + m->expert_share * m->experts.int_ops);
        sum.int_ops += n_logits * m->output.int_ops;
        sum.float_ops += now * (m->layers.float_ops + m->expert_share * m->experts.float_ops);
        sum.float_ops += n_logits * m->output.float_ops;
        const double seen = now * least(first + (now + 1) / 2, most);
        sum.int_ops += seen * m->attention.int_ops;
        sum.float_ops += seen * m->attention.float_ops;
        done += (size_t)now;
    }
    return (bench_work){sum.bytes / (double)n, sum.int_ops / (double)n, sum.float_ops / (double)n};
}
