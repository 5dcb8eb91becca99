/* SPDX-License-Identifier: MIT
 *
 * operations.c - the functions of hearth.node.
 */
#include "binding.h"

const operation operations[] = {
    {"initialize", OF_initialize, false, work_initialize, give_context},
    {"plan", OF_plan, false, work_plan, give_plan},
    {"generate", OF_generate, true, work_generate, give_answer},
    {"chat", OF_chat, true, work_chat, give_answer},
    {"tokenize", OF_tokenize, true, work_tokenize, give_tokens},
    {"detokenize", OF_detokenize, true, work_detokenize, give_text},
    {"embed", OF_embed, true, work_embed, give_embeddings},
    {"rerank", OF_rerank, true, work_rerank, give_ranking},
    {"logits", OF_logits, true, work_logits, give_logits},
    {"saveState", OF_saveState, true, work_save, give_counts},
    {"loadState", OF_loadState, true, work_load, give_counts},
    {"trim", OF_trim, true, work_trim, give_trimmed},
    {"setAdapters", OF_setAdapters, true, work_adapters, give_nothing},
    {"loadAdapter", OF_loadAdapter, true, work_load_adapter, give_adapter},
    {"removeAdapter", OF_removeAdapter, true, work_remove_adapter, give_nothing},
};
const size_t n_operations = sizeof operations / sizeof *operations;

static napi_value info_of(napi_env env, napi_callback_info info)
{
    napi_value handle;
    binding *b = binding_arguments(env, info, 1, &handle);
    context *c = b ? binding_context(b, handle) : NULL;
    return c ? context_info(env, c) : NULL;
}

static napi_value stats_of(napi_env env, napi_callback_info info)
{
    napi_value handle;
    binding *b = binding_arguments(env, info, 1, &handle);
    context *c = b ? binding_context(b, handle) : NULL;
    return c ? context_stats(env, c) : NULL;
}

void module_add(napi_env env, napi_value exports)
{
    module_add_function(env, exports, "info", info_of);
    module_add_function(env, exports, "stats", stats_of);
    set_value(env, exports, "parameters", params_describe(env));
    set_text(env, exports, "version", hearth_version());
}
