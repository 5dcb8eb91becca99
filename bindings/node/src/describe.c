/* SPDX-License-Identifier: MIT
 *
 * describe.c - what a context is: its model, its plan, its statistics.
 */
#include <string.h>

#include "binding.h"

napi_value plan_value(napi_env env, const hearth_engine_plan_result *plan)
{
    const hearth_plan *m = &plan->memory;
    napi_value to = value_object(env);
    set_bool(env, to, "fits", m->fits);
    set_number(env, to, "contextSize", m->n_ctx);
    set_number(env, to, "maxContextSize", m->n_ctx_max);
    set_number(env, to, "batchSize", m->n_batch);
    set_number(env, to, "threads", m->n_threads);
    set_number(env, to, "parallel", plan->n_parallel);
    set_number(env, to, "weightBytes", (double)m->weight_bytes);
    set_number(env, to, "cacheBytes", (double)m->cache_bytes);
    set_number(env, to, "computeBytes", (double)m->compute_bytes);
    set_number(env, to, "overheadBytes", (double)m->overhead_bytes);
    set_number(env, to, "totalBytes", (double)m->total_bytes);
    set_number(env, to, "availableBytes", (double)m->available_bytes);
    return to;
}

napi_value give_plan(napi_env env, job *j)
{
    return plan_value(env, &j->plan);
}

napi_value give_trimmed(napi_env env, job *j)
{
    napi_value to = value_object(env);
    set_number(env, to, "cacheBytes", (double)j->trimmed.cache_bytes);
    set_number(env, to, "weightBytes", (double)j->trimmed.weight_bytes);
    return to;
}

static napi_value capabilities(napi_env env, const context *c, const hearth_model_info *info)
{
    napi_value list;
    uint32_t n = 0;
    napi_create_array_with_length(env, 0, &list);
    if (info->causal && c->chat)
        napi_set_element(env, list, n++, value_text(env, "chat", NAPI_AUTO_LENGTH));
    if (info->causal)
        napi_set_element(env, list, n++, value_text(env, "inference", NAPI_AUTO_LENGTH));
    if (info->n_labels > 0)
        napi_set_element(env, list, n++, value_text(env, "rerank", NAPI_AUTO_LENGTH));
    if (strcmp(info->pooling, "rank") != 0)
        napi_set_element(env, list, n++, value_text(env, "embedding", NAPI_AUTO_LENGTH));
    return list;
}

napi_value context_info(napi_env env, context *c)
{
    const hearth_model_info *info = hearth_model_get_info(c->model);
    napi_value to = value_object(env), warnings;
    set_text(env, to, "modelPath", info->path);
    set_text(env, to, "name", info->name);
    set_text(env, to, "architecture", info->architecture);
    set_text(env, to, "quantization", info->file_type);
    set_text(env, to, "isa", info->isa);
    set_text(env, to, "pooling", info->pooling);
    set_number(env, to, "size", (double)info->file_bytes);
    set_number(env, to, "parameters", (double)info->n_params);
    set_number(env, to, "contextLength", info->n_ctx_train);
    set_number(env, to, "vocabularySize", info->n_vocab);
    set_number(env, to, "embeddingSize", info->n_embd);
    set_value(env, to, "adapters", context_adapters(env, c));
    set_value(env, to, "capabilities", capabilities(env, c, info));
    set_value(env, to, "plan", plan_value(env, hearth_engine_get_plan(c->engine)));
    napi_create_array_with_length(env, 0, &warnings);
    if (c->warning)
        napi_set_element(env, warnings, 0, value_text(env, c->warning, NAPI_AUTO_LENGTH));
    set_value(env, to, "warnings", warnings);
    return to;
}

napi_value context_stats(napi_env env, context *c)
{
    hearth_engine_stats s = {.struct_size = sizeof s};
    hearth_error err;
    napi_value to = value_object(env);
    if (hearth_engine_get_stats(c->engine, &s, &err) != HEARTH_OK) {
        napi_throw(env, value_error(env, &err));
        return NULL;
    }
    set_number(env, to, "running", s.n_running);
    set_number(env, to, "waiting", s.n_waiting);
    set_number(env, to, "requests", (double)s.n_requests);
    set_number(env, to, "done", (double)s.n_done);
    set_number(env, to, "failed", (double)s.n_failed);
    set_number(env, to, "refused", (double)s.n_refused);
    set_number(env, to, "promptTokens", (double)s.n_prompt_tokens);
    set_number(env, to, "cachedTokens", (double)s.n_cached_tokens);
    set_number(env, to, "generatedTokens", (double)s.n_generated_tokens);
    set_number(env, to, "pages", (double)s.n_pages);
    set_number(env, to, "pagesUsed", (double)s.n_pages_used);
    set_number(env, to, "pagesCached", (double)s.n_pages_cached);
    return to;
}
