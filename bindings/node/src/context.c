/* SPDX-License-Identifier: MIT
 *
 * context.c - a model with its engine and chat: opened by initialize, closed once, freed by its
 * last reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

enum { CONTEXT_SIZE_USUAL = 2048 };

static const param_value *value_of(const params *p, param_id id)
{
    return &p->values[id];
}

hearth_status setup_model_options(const params *p, hearth_model_options *o, hearth_error *err)
{
    hearth_model_options_init(o);
    if (value_of(p, PARAM_model)->text == NULL)
        return fail(err, HEARTH_EINVAL, "model", "model: give the path of a GGUF file");
    o->isa = value_of(p, PARAM_isa)->text;
    o->overrides = (const char *const *)value_of(p, PARAM_overrides)->texts;
    o->n_overrides = value_of(p, PARAM_overrides)->n;
    o->adapters = (const char *const *)value_of(p, PARAM_adapters)->texts;
    o->n_adapters = value_of(p, PARAM_adapters)->n;
    o->read_ahead = value_of(p, PARAM_readAhead)->number != 0;
    o->ignore_memory_limit = value_of(p, PARAM_ignoreMemoryLimit)->number != 0;
    return HEARTH_OK;
}

hearth_status setup_engine_options(const params *p, const hearth_model *model,
                                   hearth_engine_options *o, hearth_error *err)
{
    static const char types[] = "f32|f16|q8_0"; /* in the order of hearth_cache_type */
    int k, v;
    hearth_engine_options_init(o);
    hearth_status status = param_choice(p, PARAM_cacheTypeK, types, HEARTH_CACHE_F16, &k, err);
    if (status == HEARTH_OK)
        status = param_choice(p, PARAM_cacheTypeV, types, HEARTH_CACHE_F16, &v, err);
    if (status != HEARTH_OK)
        return status;
    uint32_t n_ctx_train = hearth_model_get_info(model)->n_ctx_train;
    double n_ctx = value_of(p, PARAM_contextSize)->number;
    if (n_ctx < 0)
        n_ctx =
            n_ctx_train > 0 && n_ctx_train < CONTEXT_SIZE_USUAL ? n_ctx_train : CONTEXT_SIZE_USUAL;
    o->n_ctx = (uint32_t)n_ctx;
    o->n_batch = (uint32_t)value_of(p, PARAM_batchSize)->number;
    o->n_threads = (int32_t)value_of(p, PARAM_threads)->number;
    o->n_parallel = (uint32_t)value_of(p, PARAM_parallel)->number;
    o->n_queue = (uint32_t)value_of(p, PARAM_queue)->number;
    o->cache_type_k = (hearth_cache_type)k;
    o->cache_type_v = (hearth_cache_type)v;
    o->cache_bytes = (uint64_t)value_of(p, PARAM_cacheBytes)->number;
    o->no_prefix_cache = value_of(p, PARAM_prefixCache)->number == 0;
    o->disk_dir = value_of(p, PARAM_diskCache)->text;
    o->no_drafts = value_of(p, PARAM_drafts)->number == 0;
    o->draft_max = (uint32_t)value_of(p, PARAM_draftMax)->number;
    o->ignore_memory_limit = value_of(p, PARAM_ignoreMemoryLimit)->number != 0;
    return HEARTH_OK;
}

static hearth_status open_draft(context *c, const params *p, hearth_error *err)
{
    hearth_model_options m;
    const char *path = value_of(p, PARAM_draftModel)->text;
    if (path == NULL)
        return HEARTH_OK;
    hearth_model_options_init(&m);
    m.isa = value_of(p, PARAM_isa)->text;
    m.ignore_memory_limit = value_of(p, PARAM_ignoreMemoryLimit)->number != 0;
    return hearth_model_open(&c->draft, path, &m, err);
}

static hearth_status open_parts(context *c, const params *p, const hearth_progress *progress,
                                hearth_error *err)
{
    hearth_model_options m;
    hearth_engine_options e;
    const param_value *template = value_of(p, PARAM_chatTemplate);
    hearth_status status = setup_model_options(p, &m, err);
    m.progress = *progress;
    if (status == HEARTH_OK)
        status = hearth_model_open(&c->model, value_of(p, PARAM_model)->text, &m, err);
    if (status == HEARTH_OK)
        status = context_take_adapters(c, value_of(p, PARAM_adapterScales), err);
    if (status == HEARTH_OK)
        status = setup_engine_options(p, c->model, &e, err);
    if (status == HEARTH_OK)
        status = open_draft(c, p, err);
    if (status == HEARTH_OK) {
        e.draft_model = c->draft;
        status = hearth_engine_open(&c->engine, c->model, &e, err);
    }
    if (status != HEARTH_OK)
        return status;
    /* A model without a usable template still writes and embeds. */
    status = hearth_chat_new(&c->chat, c->model, template->text, template->n, &c->chat_problem);
    if (status != HEARTH_OK && template->given) {
        *err = c->chat_problem;
        return status;
    }
    if (value_of(p, PARAM_gpuLayers)->number != 0) {
        static const char text[] = "gpuLayers is without effect: this build runs on the processor";
        c->warning = malloc(sizeof text);
        if (c->warning)
            memcpy(c->warning, text, sizeof text);
    }
    return HEARTH_OK;
}

hearth_status context_open(context **out, const params *p, const hearth_progress *progress,
                           hearth_error *err)
{
    context *c = calloc(1, sizeof *c);
    *out = NULL;
    if (c == NULL || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        return fail(err, HEARTH_ENOMEM, "initialize", "initialize: out of memory");
    }
    if (pthread_cond_init(&c->changed, NULL) != 0) {
        pthread_mutex_destroy(&c->lock);
        free(c);
        return fail(err, HEARTH_ENOMEM, "initialize", "initialize: out of memory");
    }
    c->n_refs = 1;
    hearth_status status = open_parts(c, p, progress, err);
    if (status == HEARTH_OK) {
        *out = c;
        return HEARTH_OK;
    }
    context_close(c);
    context_unref(c);
    return status;
}

void context_close(context *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->n_running > 0)
        pthread_cond_wait(&c->changed, &c->lock);
    hearth_text *last = c->last;
    hearth_engine *engine = c->engine;
    hearth_chat *chat = c->chat;
    hearth_model *model = c->model, *draft = c->draft;
    bool was_closed = c->closed;
    c->last = NULL;
    c->engine = NULL;
    c->chat = NULL;
    c->model = c->draft = NULL;
    /* A second release waits for the first: it holds the lock while it closes. */
    if (!was_closed) {
        hearth_text_free(last);
        hearth_engine_close(engine);
        context_close_adapters(c);
        hearth_chat_free(chat);
        hearth_model_close(draft);
        hearth_model_close(model);
        c->closed = true;
    }
    pthread_mutex_unlock(&c->lock);
}

void context_unref(context *c)
{
    if (--c->n_refs > 0)
        return;
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c->warning);
    free(c);
}

void context_keep(context *c, const hearth_request *request)
{
    hearth_text *text = NULL;
    if (hearth_request_text(request, &text, NULL) != HEARTH_OK)
        return;
    pthread_mutex_lock(&c->lock);
    hearth_text *old = c->last;
    c->last = text;
    pthread_mutex_unlock(&c->lock);
    hearth_text_free(old);
}

hearth_status work_initialize(job *j, hearth_error *err)
{
    const hearth_progress progress = {job_progress, j};
    hearth_status status = context_open(&j->opened, &j->p, &progress, err);
    if (status == HEARTH_OK && atomic_load(&j->canceled))
        return fail(err, HEARTH_ECANCELED, "initialize", "initialize: canceled");
    return status;
}

hearth_status work_plan(job *j, hearth_error *err)
{
    hearth_model_options m;
    hearth_engine_options e;
    hearth_model *model = NULL;
    hearth_status status = setup_model_options(&j->p, &m, err);
    m.scope = HEARTH_SCOPE_METADATA;
    if (status == HEARTH_OK)
        status = hearth_model_open(&model, j->p.values[PARAM_model].text, &m, err);
    if (status == HEARTH_OK)
        status = setup_engine_options(&j->p, model, &e, err);
    if (status == HEARTH_OK)
        status = hearth_engine_plan(model, &e, &j->plan, err);
    hearth_model_close(model);
    return status;
}

hearth_status work_trim(job *j, hearth_error *err)
{
    bool weights = j->p.values[PARAM_weights].number != 0;
    return hearth_engine_trim(j->c->engine, weights ? HEARTH_TRIM_WEIGHTS : HEARTH_TRIM_CACHE,
                              &j->trimmed, err);
}

hearth_status work_release(job *j, hearth_error *err)
{
    (void)err;
    context_close(j->c);
    return HEARTH_OK;
}
