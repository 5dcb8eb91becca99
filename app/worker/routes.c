/* SPDX-License-Identifier: MIT
 *
 * routes.c - the table of an engine's routes, and what they have in common: the body is parsed for
 * the route's API, and a failure is written in that API's envelope.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/watch.h"
#include "os/entropy.h"
#include "protocol/json_memory.h"
#include "worker/state.h"

#define PUBLIC HTTP_OPEN_TO_ALL

enum { LARGE_BODY = 4 << 20 };

const worker_route worker_routes[] = {
    /* methods, path, api, handler, flags, no_body */
    {HTTP_GET, "/health", API_OTHER, worker_health, PUBLIC, true},
    {HTTP_GET, "/v1/health", API_OTHER, worker_health, PUBLIC, true},
    {HTTP_GET, "/v1/models", API_OPENAI_MODELS, worker_models, PUBLIC, true},
    {HTTP_GET, "/models", API_OPENAI_MODELS, worker_models, PUBLIC, true},
    {HTTP_GET, "/v1/models/*", API_OPENAI_MODELS, worker_model, PUBLIC, true},
    {HTTP_GET, "/props", API_OTHER, worker_props, 0, true},
    {HTTP_POST, "/props", API_PROPS, worker_set_props, 0, false},
    {HTTP_GET, "/slots", API_OTHER, worker_slots, 0, true},
    {HTTP_POST, "/slots/*", API_SLOT, worker_slot_action, 0, false},
    {HTTP_GET, "/metrics", API_OTHER, worker_metrics, 0, true},
    {HTTP_GET, "/lora-adapters", API_OTHER, worker_loras, 0, true},
    {HTTP_POST, "/lora-adapters", API_LORA, worker_set_loras, 0, false},
    {HTTP_POST, "/lora-adapters/load", API_LORA_LOAD, worker_load_lora, 0, false},
    {HTTP_DELETE, "/lora-adapters/*", API_OTHER, worker_unload_lora, 0, true},
    {HTTP_POST, "/tokenize", API_TOKENIZE, worker_tokenize, 0, false},
    {HTTP_POST, "/detokenize", API_DETOKENIZE, worker_detokenize, 0, false},
    {HTTP_POST, "/completion", API_COMPLETION, worker_complete, 0, false},
    {HTTP_POST, "/completions", API_COMPLETION, worker_complete, 0, false},
    {HTTP_POST, "/v1/completions", API_OPENAI_COMPLETION, worker_complete, 0, false},
    {HTTP_POST, "/infill", API_INFILL, worker_complete, 0, false},
    {HTTP_POST, "/v1/chat/completions", API_OPENAI_CHAT, worker_chat, 0, false},
    {HTTP_POST, "/chat/completions", API_OPENAI_CHAT, worker_chat, 0, false},
    {HTTP_POST, "/v1/responses", API_OPENAI_RESPONSES, worker_chat, 0, false},
    {HTTP_POST, "/responses", API_OPENAI_RESPONSES, worker_chat, 0, false},
    {HTTP_POST, "/v1/messages", API_ANTHROPIC, worker_chat, 0, false},
    {HTTP_POST, "/v1/messages/count_tokens", API_ANTHROPIC_COUNT, worker_count, 0, false},
    {HTTP_POST, "/v1/chat/completions/control", API_CONTROL, worker_control, 0, false},
    {HTTP_POST, "/v1/chat/completions/input_tokens", API_CHAT_COUNT, worker_count, 0, false},
    {HTTP_POST, "/chat/completions/input_tokens", API_CHAT_COUNT, worker_count, 0, false},
    {HTTP_POST, "/v1/responses/input_tokens", API_RESPONSES_COUNT, worker_count, 0, false},
    {HTTP_POST, "/responses/input_tokens", API_RESPONSES_COUNT, worker_count, 0, false},
    {HTTP_POST, "/apply-template", API_TEMPLATE, worker_template, 0, false},
    {HTTP_POST, "/v1/embeddings", API_OPENAI_EMBEDDING, worker_embed, 0, false},
    {HTTP_POST, "/embeddings", API_EMBEDDING, worker_embed, 0, false},
    {HTTP_POST, "/embedding", API_EMBEDDING, worker_embed, 0, false},
    {HTTP_POST, "/rerank", API_RERANK, worker_rerank, 0, false},
    {HTTP_POST, "/reranking", API_RERANK, worker_rerank, 0, false},
    {HTTP_POST, "/v1/rerank", API_RERANK, worker_rerank, 0, false},
    {HTTP_POST, "/v1/reranking", API_RERANK, worker_rerank, 0, false},
};
const size_t worker_n_routes = sizeof worker_routes / sizeof *worker_routes;

protocol_api worker_api_of(const char *path)
{
    for (size_t i = 0; i < worker_n_routes; i++) {
        const char *row = worker_routes[i].path;
        size_t n = strcspn(row, "*");
        if (row[n] ? strncmp(row, path, n) == 0 : strcmp(row, path) == 0)
            return worker_routes[i].api;
    }
    return API_OTHER;
}

/* ---- failures ---- */

void worker_refuse(void *app, const char *path, int status, const char *message, http_reply *out)
{
    hearth_error error = {.code = HEARTH_EINVAL};
    worker *w = app;
    uint32_t loaded = atomic_load(&w->loaded);
    const failure_detail detail = {.http = status,
                                   .is_loading = status == 503 && loaded < LOADED_ALL,
                                   .progress = (float)loaded / LOADED_ALL};
    snprintf(error.message, sizeof error.message, "%s", message);
    failure_write(worker_api_of(path), &error, &detail, &out->body);
}

/* ---- the handler of all routes ---- */

static void write_failure(worker_call *c, protocol_api api, const hearth_error *error)
{
    buf_clear(&c->reply->body);
    c->reply->content_type = HTTP_JSON;
    c->reply->status = failure_write(api, error, &c->detail, &c->reply->body);
    if (error->code == HEARTH_EBUSY)
        http_reply_header(c->reply, "Retry-After", "1");
}

/* A client that left, or a server that is ending, ends long calls as well. */
static bool is_wanted(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return http_request_life(user) == HTTP_OPEN;
}

hearth_status worker_fail_ending(failure_detail *detail, hearth_error *err)
{
    detail->http = 503;
    FAIL(err, ECANCELED, "server", "the server is ending");
}

static hearth_status begin_reading(worker_call *c, hearth_error *err)
{
    worker *w = c->w;
    hearth_status status = HEARTH_OK;
    struct timespec until;
    if (c->q->n_body < LARGE_BODY)
        return HEARTH_OK;
    pthread_mutex_lock(&w->lock);
    while (w->large_busy && status == HEARTH_OK) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += HTTP_PULL_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&w->large, &w->lock, &until);
        pthread_mutex_unlock(&w->lock);
        if (http_request_life(c->q) != HTTP_OPEN)
            status = watch_end(err);
        pthread_mutex_lock(&w->lock);
    }
    c->is_large = status == HEARTH_OK;
    w->large_busy = w->large_busy || c->is_large;
    pthread_mutex_unlock(&w->lock);
    return status;
}

void worker_done_reading(worker_call *c)
{
    if (!c->is_large)
        return;
    c->is_large = false;
    pthread_mutex_lock(&c->w->lock);
    c->w->large_busy = false;
    pthread_cond_signal(&c->w->large);
    pthread_mutex_unlock(&c->w->lock);
}

void worker_handle(void *app, const http_request *q, http_reply *out)
{
    worker_call c = {.w = app, .q = q, .reply = out};
    const worker_route *route = q->tag;
    hearth_error err = {0};
    hearth_status status = HEARTH_OK;
    const hearth_progress watch = {is_wanted, (void *)(uintptr_t)q};
    hearth_watch_thread(&watch);
    json_memory_begin();
    status = begin_reading(&c, &err);
    if (status == HEARTH_OK && !route->no_body)
        status = request_parse(&c.r, route->api, q->body, q->n_body, &c.w->limits, &err);
    if (status == HEARTH_OK && c.r && c.r->ignored)
        http_reply_header(out, "X-Hearth-Ignored", c.r->ignored);
    if (status == HEARTH_OK)
        status = route->handler(&c, &err);
    worker_done_reading(&c);
    hearth_watch_thread(NULL);
    if (status == HEARTH_OK && json_memory_failed()) {
        if (out->stream.pull)
            out->stream.close(out->stream.user);
        out->stream = (http_stream){0};
        status = error_no_memory(&err, "the request", q->n_body);
    }
    if (err.code == HEARTH_ECANCELED && http_request_life(q) == HTTP_ENDING)
        worker_fail_ending(&c.detail, &err);
    if (status == HEARTH_EBUSY && strcmp(err.where, "queue") == 0)
        error_set(&err, HEARTH_EBUSY, "queue",
                  "%u requests wait already, which is the most; try again later, or start the "
                  "engine with a larger --queue",
                  (unsigned)c.w->flags->queue);
    if (status != HEARTH_OK)
        write_failure(&c, route->api, &err);
    request_free(c.r);
}

reply_info worker_reply_info(const worker *w, char id[33])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (int i = 0; i < 32; i++)
        id[i] = letters[entropy_u32() % (sizeof letters - 1)];
    id[32] = '\0';
    return (reply_info){.model = w->name,
                        .fingerprint = w->fingerprint,
                        .id = id,
                        .created_s = (int64_t)time(NULL)};
}
