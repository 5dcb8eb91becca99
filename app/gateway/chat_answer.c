/* SPDX-License-Identifier: MIT
 *
 * chat_answer.c - the thread of an answer: asks the model, tells what comes, stores it.
 *
 * The text is stored every FLUSH_MS: what a crash of the server can lose. round_trip() is one
 * request to the model and its answer. One that asks for tools is followed by their results and
 * another request, each a message of its own below the one before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/chat_answer.h"
#include "gateway/chat_json.h"
#include "gateway/chat_prompt.h"
#include "gateway/chat_tools.h"
#include "gateway/chunks.h"
#include "gateway/remotes.h"
#include "gateway/title.h"
#include "gateway/upstream.h"
#include "os/clock.h"

enum { STEP_MS = 50, FLUSH_MS = 500, ERROR_MAX = 1 << 20, PROGRESS_QUEUE = 16 };

typedef struct writing {
    answer *a;
    chunks said;
    size_t n_content, n_thinking; /* of them, what the store has */
    uint64_t flushed_ns;
    json_t *sources;
    event_subscriber *progress; /* while the model is loaded */
    int n_rounds;               /* of calls of tools */
    bool stored;                /* the message is as it will be */
    runtime_failure failure;
    hearth_error err;
} writing;

/* ---- loading ---- */

static void tell_loading(writing *w)
{
    event e;
    while (events_next(w->progress, 0, &e)) {
        json_t *data = json_loadb(e.text, e.n_text, 0, NULL);
        const char *model = json_string_value(json_object_get(data, "model"));
        if (model && strcmp(model, w->a->model) == 0) {
            json_object_del(data, "model");
            json_object_set_new(data, "stage", json_string("loading"));
            chat_answer_tell(w->a, "progress", json_incref(data));
        }
        json_decref(data);
    }
}

static bool is_wanted(void *user)
{
    writing *w = user;
    if (w->progress)
        tell_loading(w);
    return !atomic_load(&w->a->stop);
}

/* ---- storing ---- */

static const char *after(const buf *text, size_t n)
{
    return text->n > n ? text->data + n : "";
}

static void flush(writing *w, bool now)
{
    const uint64_t at = clock_now_ns();
    bool waits = w->said.content.n > w->n_content || w->said.thinking.n > w->n_thinking;
    if (!waits || (!now && at - w->flushed_ns < FLUSH_MS * 1000000ull))
        return;
    hearth_error err;
    w->flushed_ns = at;
    if (store_message_append(w->a->g->store, w->a->message, after(&w->said.content, w->n_content),
                             after(&w->said.thinking, w->n_thinking), &err) == HEARTH_OK) {
        w->n_content = w->said.content.n;
        w->n_thinking = w->said.thinking.n;
    } else {
        log_write(&w->a->g->host->log, HEARTH_LOG_WARNING, "an answer is not stored yet: %s",
                  err.message);
    }
}

static char *meta_of(const writing *w)
{
    json_t *meta = json_pack("{s:s, s:O*}", "finish_reason", w->said.finish, "sources", w->sources);
    char *text = meta ? json_dumps(meta, JSON_COMPACT) : NULL;
    json_decref(meta);
    return text;
}

static hearth_status finish(writing *w, store_state state, hearth_error *err)
{
    char *meta = meta_of(w);
    char *calls = w->said.tool_calls ? json_dumps(w->said.tool_calls, JSON_COMPACT) : NULL;
    const store_end end = {.state = state,
                           .content = w->said.content.n ? w->said.content.data : "",
                           .reasoning = w->said.thinking.n ? w->said.thinking.data : "",
                           .tool_calls = calls,
                           .error = state == STORE_FAILED ? w->err.message : NULL,
                           .meta = meta,
                           .usage = w->said.usage};
    hearth_status status = store_message_finish(w->a->g->store, w->a->message, &end, err);
    free(meta);
    free(calls);
    return status;
}

/* ---- one request and its answer ---- */

static void tell_chunk(writing *w, const chunk *c)
{
    if (c->kind == CHUNK_PROGRESS)
        chat_answer_tell(w->a, "progress",
                         json_pack("{s:s, s:I, s:I}", "stage", "reading", "done",
                                   (json_int_t)c->done, "total", (json_int_t)c->total));
    else
        chat_answer_tell(w->a, c->kind == CHUNK_THINKING ? "thinking" : "chunk",
                         json_pack("{s:s}", "text", c->text));
}

/* *more: the stream goes on. */
static hearth_status take_chunks(writing *w, upstream *up, bool *more)
{
    chunk c;
    http_pull pull = upstream_pull(up, STEP_MS, chunks_input(&w->said));
    if (pull == HTTP_PULL_FAIL)
        return upstream_why(up, &w->failure, &w->err);
    while (chunks_next(&w->said, &c)) {
        if (c.kind == CHUNK_FAILURE)
            FAIL(&w->err, EIO, "engine", "%s", c.text);
        if (c.kind != CHUNK_DONE)
            tell_chunk(w, &c);
    }
    flush(w, false);
    *more = pull == HTTP_PULL_MORE;
    return HEARTH_OK;
}

/* The engine refused: its words. */
static hearth_status refused(writing *w, upstream *up, const upstream_request *asked)
{
    buf body;
    buf_init(&body, ERROR_MAX);
    hearth_status status = upstream_read(up, asked, &body, &w->failure, &w->err);
    if (status == HEARTH_OK) {
        json_t *root = json_loadb(body.data, body.n, 0, NULL);
        const json_t *error = json_object_get(root, "error");
        const char *message = json_string_value(json_object_get(error, "message"));
        const char *type = json_string_value(json_object_get(error, "type"));
        bool context = type && strcmp(type, "exceed_context_size_error") == 0;
        status = error_set(&w->err, context ? HEARTH_ECONTEXT : HEARTH_EINVAL, "engine", "%s",
                           message ? message : "the engine refused the request");
        json_decref(root);
    }
    buf_deinit(&body);
    return status;
}

static hearth_status listen(writing *w, const upstream_request *asked)
{
    upstream up = {0};
    bool more = true;
    hearth_status status = HEARTH_OK;
    /* Without it the page sees no bar: nothing to fail for. */
    events_subscribe(&w->progress, w->a->g->bus, EVENT_BIT(EVENT_MODEL_PROGRESS), PROGRESS_QUEUE,
                     NULL);
    status = upstream_ask(&up, w->a->g, asked, &w->failure, &w->err);
    events_unsubscribe(w->progress);
    w->progress = NULL;
    if (status == HEARTH_OK && upstream_status(&up) != 200)
        status = refused(w, &up, asked);
    while (status == HEARTH_OK && more) {
        status = take_chunks(w, &up, &more);
        if (status == HEARTH_OK && more && atomic_load(&w->a->stop))
            status = HEARTH_ECANCELED;
    }
    upstream_close(&up);
    return status;
}

static hearth_status round_trip(writing *w)
{
    answer *a = w->a;
    json_t *root = NULL;
    body_view body;
    TRY(chat_prompt_build(a->g, a->chat, a->parent, a->parameters, remote_is_known(a->g, a->model),
                          &root, &w->sources, &w->err));
    hearth_status offered =
        chat_tools_offer(a, root, w->n_rounds == CHAT_TOOLS_ROUNDS_MAX, &w->err);
    if (offered != HEARTH_OK) {
        json_decref(root);
        return offered;
    }
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL)
        return error_no_memory(&w->err, "a prompt", 0);
    const upstream_request asked = {.model = a->model,
                                    .path = "/v1/chat/completions",
                                    .body = &body,
                                    .keep_ms = RUNTIME_KEEP_DEFAULT,
                                    .wanted = is_wanted,
                                    .user = w};
    hearth_status status = body_read(text, strlen(text), &body, &w->err);
    if (status == HEARTH_OK)
        status = listen(w, &asked);
    free(text);
    return status;
}

/* ---- tools ---- */

/* The answer asks for tools: it is stored, they are called, and the next message begins. */
static hearth_status go_on(writing *w)
{
    answer *a = w->a;
    json_t *message = NULL;
    if (w->n_rounds++ == CHAT_TOOLS_ROUNDS_MAX)
        FAIL(&w->err, EIO, "tools", "the model asked for tools more than %d times in one answer",
             (int)CHAT_TOOLS_ROUNDS_MAX);
    chat_tools_name_calls(a, w->said.tool_calls);
    TRY(finish(w, STORE_COMPLETE, &w->err));
    w->stored = true;
    TRY(chat_tools_run(a, w->said.tool_calls, &a->parent, &w->err));
    TRY(chat_answer_add(a, &w->err));
    w->stored = false;
    chunks_deinit(&w->said);
    chunks_init(&w->said);
    w->n_content = w->n_thinking = 0;
    json_decref(w->sources);
    w->sources = NULL;
    TRY(chat_message_load_json(a->g, a->message, &message, &w->err));
    chat_answer_tell(a, "message", json_pack("{s:o}", "message", message));
    return HEARTH_OK;
}

static hearth_status write_all(writing *w)
{
    for (;;) {
        TRY(round_trip(w));
        if (json_array_size(w->said.tool_calls) == 0)
            return HEARTH_OK;
        TRY(go_on(w));
    }
}

/* ---- the end ---- */

static void tell_end(writing *w, store_state state)
{
    json_t *message = NULL;
    hearth_error err;
    if (chat_message_load_json(w->a->g, w->a->message, &message, &err) != HEARTH_OK)
        message = json_null();
    if (state == STORE_FAILED) {
        json_t *data = gateway_failure_json(&w->err, &w->failure);
        json_object_set_new(data, "failed", message);
        chat_answer_tell(w->a, "error", data);
    } else {
        chat_answer_tell(w->a, "done", json_pack("{s:o}", "message", message));
    }
}

static void make_title(writing *w)
{
    store_chats one;
    char title[TITLE_BYTES];
    answer *a = w->a;
    if (store_chat_get(a->g->store, a->chat, &one, NULL) != HEARTH_OK)
        return;
    bool has_none = one.items[0].title[0] == '\0';
    store_chats_free(&one);
    runtime_failure_deinit(&w->failure);
    if (has_none &&
        title_make(a->g, a->chat, a->model, is_wanted, w, title, &w->failure, NULL) == HEARTH_OK)
        chat_answer_tell(a, "title", json_pack("{s:s}", "title", title));
}

void chat_answer_write(answer *a)
{
    writing w = {.a = a};
    chunks_init(&w.said);
    w.flushed_ns = clock_now_ns();
    hearth_status status = write_all(&w);
    store_state state = status == HEARTH_OK                                   ? STORE_COMPLETE
                        : status == HEARTH_ECANCELED && atomic_load(&a->stop) ? STORE_STOPPED
                                                                              : STORE_FAILED;
    hearth_error err;
    if (!w.stored && finish(&w, state, &err) != HEARTH_OK) {
        log_write(&a->g->host->log, HEARTH_LOG_ERROR, "an answer could not be stored: %s",
                  err.message);
        w.err = err;
        state = STORE_FAILED;
    }
    chat_answer_leave_place(a);
    tell_end(&w, state);
    if (state == STORE_COMPLETE)
        make_title(&w);
    runtime_failure_deinit(&w.failure);
    json_decref(w.sources);
    chunks_deinit(&w.said);
}
