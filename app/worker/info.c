/* SPDX-License-Identifier: MIT
 *
 * info.c - the routes that tell about the engine: health, models, properties, slots, metrics.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "worker/answer.h"

hearth_status worker_health(worker_call *c, hearth_error *err)
{
    return response_health(&c->reply->body, err);
}

/* ---- models ---- */

static model_card card_of(const worker *w)
{
    const hearth_model_info *info = w->info;
    return (model_card){.id = w->name,
                        .aliases = w->aliases,
                        .n_aliases = w->n_aliases,
                        .tags = w->tags,
                        .n_tags = w->n_tags,
                        .created_s = w->created_s,
                        .type = info->tokenizer,
                        .ftype = info->file_type,
                        .n_vocab = info->n_vocab,
                        .n_ctx = hearth_engine_get_plan(w->engine)->memory.n_ctx,
                        .n_ctx_train = info->n_ctx_train,
                        .n_embd = info->n_embd,
                        .n_params = info->n_params,
                        .n_bytes = info->file_bytes};
}

hearth_status worker_models(worker_call *c, hearth_error *err)
{
    const model_card card = card_of(c->w);
    return response_models(&card, 1, &c->reply->body, err);
}

hearth_status worker_model(worker_call *c, hearth_error *err)
{
    const model_card card = card_of(c->w);
    const char *name = c->q->rest;
    bool known = strcmp(name, c->w->name) == 0;
    for (size_t i = 0; i < c->w->n_aliases; i++)
        known = known || strcmp(name, c->w->aliases[i]) == 0;
    if (!known)
        FAIL(err, ENOTFOUND, "model", "the model '%.128s' does not exist; this engine has '%.128s'",
             name, c->w->name);
    return response_model(&card, &c->reply->body, err);
}

/* ---- properties ---- */

hearth_status worker_props(worker_call *c, hearth_error *err)
{
    const worker *w = c->w;
    const hearth_engine_plan_result *plan = hearth_engine_get_plan(w->engine);
    const props_card card = {.defaults = &w->defaults,
                             .n_ctx = plan->memory.n_ctx,
                             .n_slots = plan->n_parallel,
                             .model_alias = w->name,
                             .model_path = w->model_path,
                             .model_ftype = w->info->file_type,
                             .chat_template = w->chat.source,
                             .chat_template_caps = w->chat.caps,
                             .bos_token = w->chat.bos ? w->chat.bos : "",
                             .eos_token = w->chat.eos ? w->chat.eos : "",
                             .build_info = w->fingerprint,
                             .endpoint_slots = !w->flags->no_slots,
                             .endpoint_props = w->flags->props,
                             .endpoint_metrics = w->flags->metrics};
    return response_props(&card, &c->reply->body, err);
}

hearth_status worker_set_props(worker_call *c, hearth_error *err)
{
    if (!c->w->flags->props)
        FAIL(err, EUNSUPPORTED, "props", "this engine was not started with --props");
    return response_success(true, NULL, &c->reply->body, err);
}

/* ---- slots ---- */

/* The options stay while the worker's lock is held. */
static slot_card slot_of(const worker *w, size_t i, const hearth_engine_slot *s)
{
    bool busy = s->state != HEARTH_SLOT_IDLE;
    slot_card card = {.id = (int32_t)i,
                      .n_ctx = hearth_engine_get_plan(w->engine)->memory.n_ctx,
                      .speculative = !w->flags->spec_type || strcmp(w->flags->spec_type, "none"),
                      .is_processing = busy,
                      .options = busy ? answer_options_of(w, s->request) : NULL,
                      .id_task = busy ? (int64_t)s->request : -1,
                      .usage = {.n_prompt = s->n_prompt,
                                .n_cached = s->n_cached,
                                .n_processed = s->n_prompt_done,
                                .n_generated = s->n_generated},
                      .n_remain = -1};
    if (busy && s->max_tokens >= 0)
        card.n_remain = s->max_tokens - (int64_t)s->n_generated;
    return card;
}

hearth_status worker_slots(worker_call *c, hearth_error *err)
{
    worker *w = c->w;
    size_t n = hearth_engine_get_plan(w->engine)->n_parallel;
    hearth_status status = HEARTH_OK;
    bool idle = false;
    if (w->flags->no_slots)
        FAIL(err, EUNSUPPORTED, "slots", "this engine was started with --no-slots");
    hearth_engine_slot *slots = mem_calloc(n, sizeof *slots);
    slot_card *cards = mem_calloc(n, sizeof *cards);
    if (slots == NULL || cards == NULL) {
        status = error_no_memory(err, "the slots", n * sizeof *cards);
        goto out;
    }
    TRY_OUT(hearth_engine_get_slots(w->engine, slots, &n, err));
    for (size_t i = 0; i < n; i++)
        idle = idle || slots[i].state == HEARTH_SLOT_IDLE;
    if (!idle && http_request_query(c->q, "fail_on_no_slot")) {
        c->detail.http = 503;
        FAIL_OUT(err, EBUSY, "slots", "no slot is free");
    }
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < n; i++)
        cards[i] = slot_of(w, i, &slots[i]);
    status = response_slots(cards, n, &c->reply->body, err);
    pthread_mutex_unlock(&w->lock);
out:
    mem_free(slots);
    mem_free(cards);
    return status;
}

/* ---- metrics ---- */

hearth_status worker_metrics(worker_call *c, hearth_error *err)
{
    hearth_engine_stats stats = {.struct_size = sizeof stats};
    if (!c->w->flags->metrics)
        FAIL(err, EUNSUPPORTED, "metrics", "this engine was not started with --metrics");
    TRY(hearth_engine_get_stats(c->w->engine, &stats, err));
    char start[32];
    snprintf(start, sizeof start, "%lld", (long long)c->w->created_s);
    http_reply_header(c->reply, "Process-Start-Time-Unix", start);
    c->reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (!metrics_write(&c->w->metrics, &stats, &c->reply->body))
        return error_no_memory(err, "the metrics", 1 << 14);
    return HEARTH_OK;
}
