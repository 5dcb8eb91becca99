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

/* Where a conversation has outgrown the context this much of it stays, so that the next turns have
 * room, too, and the engine's cache holds for them. */
#define KEPT_OF_CONTEXT 0.6
#define NEARLY_FULL 0.9

typedef struct writing {
    answer *a;
    chunks said;
    size_t n_content, n_thinking; /* of them, what the store has */
    uint64_t flushed_ns;
    uint64_t thinking_since_ns; /* 0: it does not think now */
    double thinking_ms;
    store_usage before; /* of what is gone on with */
    json_t *sources;    /* of the turn */
    chat_prompt prompt;
    uint32_t n_ctx;             /* of the engine; 0: unknown */
    size_t n_too_long;          /* tokens of the prompt that was refused; 0: unknown */
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

/* What the model had room for: null where that is not known. */
static json_t *context_of(const writing *w, const store_usage *usage)
{
    const int64_t n_used = usage->n_prompt + usage->n_generated;
    if (w->n_ctx == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:b}", "n_ctx", (json_int_t)w->n_ctx, "used",
                     (json_int_t)n_used, "left_out", (json_int_t)w->prompt.n_left_out, "near_end",
                     (int)((double)n_used > NEARLY_FULL * w->n_ctx));
}

/* The same text read and written in two goes. */
static store_usage usage_of(const writing *w)
{
    store_usage all = w->said.usage;
    const store_usage *before = &w->before;
    if (before->n_generated > 0 && before->n_prompt > 0 && all.n_prompt > before->n_generated)
        all.n_prompt -= before->n_generated;
    all.n_generated += before->n_generated;
    all.prompt_ms += before->prompt_ms;
    all.generate_ms += before->generate_ms;
    return all;
}

static char *meta_of(const writing *w, const store_usage *usage)
{
    json_t *sources = w->n_rounds == 0 && json_array_size(w->sources) > 0 ? w->sources : NULL;
    json_t *meta = json_pack("{s:s, s:O*, s:o, s:O*}", "finish_reason", w->said.finish, "sources",
                             sources, "context", context_of(w, usage), "notices", w->a->notices);
    if (meta && w->thinking_ms > 0)
        json_object_set_new(meta, "thinking_ms", json_integer((json_int_t)w->thinking_ms));
    char *text = meta ? json_dumps(meta, JSON_COMPACT) : NULL;
    json_decref(meta);
    return text;
}

static void think_no_more(writing *w)
{
    if (w->thinking_since_ns > 0)
        w->thinking_ms += (double)(clock_now_ns() - w->thinking_since_ns) / 1e6;
    w->thinking_since_ns = 0;
}

static hearth_status finish(writing *w, store_state state, hearth_error *err)
{
    think_no_more(w);
    const store_usage usage = usage_of(w);
    char *meta = meta_of(w, &usage);
    char *calls = w->said.tool_calls ? json_dumps(w->said.tool_calls, JSON_COMPACT) : NULL;
    const store_end end = {.state = state,
                           .content = w->said.content.n ? w->said.content.data : "",
                           .reasoning = w->said.thinking.n ? w->said.thinking.data : "",
                           .tool_calls = calls,
                           .error = state == STORE_FAILED ? w->err.message : NULL,
                           .meta = meta,
                           .usage = usage};
    hearth_status status = store_message_finish(w->a->g->store, w->a->message, &end, err);
    free(meta);
    free(calls);
    return status;
}

/* ---- one request and its answer ---- */

static void tell_chunk(writing *w, const chunk *c)
{
    if (c->kind == CHUNK_THINKING && w->thinking_since_ns == 0)
        w->thinking_since_ns = clock_now_ns();
    else if (c->kind == CHUNK_CONTENT)
        think_no_more(w);
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
        const char *code = json_string_value(json_object_get(error, "code"));
        bool context = (type && strcmp(type, "exceed_context_size_error") == 0) ||
                       (code && strcmp(code, "context_length_exceeded") == 0);
        w->n_too_long = (size_t)json_integer_value(json_object_get(error, "n_prompt_tokens"));
        status = error_set(&w->err, context ? HEARTH_ECONTEXT : HEARTH_EINVAL, "engine", "%s",
                           message ? message : "the engine refused the request");
        json_decref(root);
    }
    buf_deinit(&body);
    return status;
}

/* What the model is not given, or not all of it, is told before its first word. */
static void tell_limits(writing *w)
{
    char text[128];
    const chat_prompt *p = &w->prompt;
    if (p->n_left_out > 0)
        chat_answer_tell(w->a, "context",
                         json_pack("{s:I, s:I}", "n_ctx", (json_int_t)w->n_ctx, "left_out",
                                   (json_int_t)p->n_left_out));
    if (p->n_hidden == 0)
        return;
    snprintf(text, sizeof text, "the model is not shown %zu of the files of this chat: %s",
             p->n_hidden, p->sees ? "it takes texts and pictures" : "it cannot see pictures");
    chat_answer_notice(w->a, "not_shown", text);
}

static hearth_status read_answer(writing *w, upstream *up, const upstream_request *asked)
{
    bool more = true;
    if (upstream_status(up) != 200)
        return refused(w, up, asked);
    tell_limits(w);
    while (more) {
        TRY(take_chunks(w, up, &more));
        if (more && atomic_load(&w->a->stop))
            return HEARTH_ECANCELED;
    }
    return HEARTH_OK;
}

/* *roomier: the engine has more room than it had when so much was left out. */
static hearth_status listen(writing *w, const upstream_request *asked, bool *roomier)
{
    upstream up = {0};
    /* Without it the page sees no bar: nothing to fail for. */
    events_subscribe(&w->progress, w->a->g->bus, EVENT_BIT(EVENT_MODEL_PROGRESS), PROGRESS_QUEUE,
                     NULL);
    hearth_status status = upstream_ask(&up, w->a->g, asked, &w->failure, &w->err);
    events_unsubscribe(w->progress);
    w->progress = NULL;
    *roomier = false;
    if (status == HEARTH_OK) {
        w->n_ctx = upstream_endpoint(&up)->n_ctx;
        *roomier = w->prompt.n_left_out > 0 && w->n_ctx > w->prompt.n_ctx;
        w->prompt.n_ctx = w->n_ctx;
        if (!*roomier)
            status = read_answer(w, &up, asked);
    }
    upstream_close(&up);
    return status;
}

static hearth_status make_body(writing *w, char **text)
{
    answer *a = w->a;
    json_t *root;
    const chat_prompt_options options = {.parameters = a->parameters,
                                         .plain = remote_is_known(a->g, a->model),
                                         .goes_on = a->goes_on};
    TRY(chat_prompt_body(&w->prompt, &options, &root, &w->err));
    hearth_status status = chat_tools_offer(a, root, w->n_rounds == CHAT_TOOLS_ROUNDS_MAX, &w->err);
    *text = status == HEARTH_OK ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (status == HEARTH_OK && *text == NULL)
        return error_no_memory(&w->err, "a prompt", 0);
    return status;
}

static hearth_status ask(writing *w, bool *roomier)
{
    char *text = NULL;
    body_view body;
    TRY(make_body(w, &text));
    const upstream_request asked = {.model = w->a->model,
                                    .path = "/v1/chat/completions",
                                    .body = &body,
                                    .keep_ms = RUNTIME_KEEP_DEFAULT,
                                    .wanted = is_wanted,
                                    .user = w};
    hearth_status status = body_read(text, strlen(text), &body, &w->err);
    if (status == HEARTH_OK)
        status = listen(w, &asked, roomier);
    free(text);
    return status;
}

/* The prompt was too long: the oldest turns go. False: there are none that could. */
static bool make_room(writing *w)
{
    double share = 0.5;
    if (w->n_too_long > 0 && w->n_ctx > 0 && w->n_too_long > KEPT_OF_CONTEXT * w->n_ctx)
        share = 1 - KEPT_OF_CONTEXT * w->n_ctx / (double)w->n_too_long;
    return chat_prompt_leave_out(&w->prompt, share);
}

static hearth_status round_trip(writing *w)
{
    answer *a = w->a;
    bool roomier;
    chat_prompt_close(&w->prompt);
    TRY(chat_prompt_open(&w->prompt, a->g, a->chat, a->goes_on ? a->message : a->parent, a->model,
                         &w->err));
    w->prompt.sources = json_incref(w->sources);
    hearth_status status;
    do {
        status = ask(w, &roomier);
        if (status == HEARTH_OK && roomier)
            w->prompt.n_left_out = 0;
    } while ((status == HEARTH_OK && roomier) || (status == HEARTH_ECONTEXT && make_room(w)));
    if (w->sources == NULL)
        w->sources = json_incref(w->prompt.sources);
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
    a->goes_on = false;
    json_decref(a->notices);
    a->notices = NULL;
    TRY(chat_answer_add(a, &w->err));
    w->stored = false;
    chunks_deinit(&w->said);
    chunks_init(&w->said);
    w->n_content = w->n_thinking = 0;
    w->thinking_ms = 0;
    w->before = (store_usage){0};
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

/* What the message holds already, when it is gone on with. */
static hearth_status begin_with_before(writing *w)
{
    store_messages one;
    if (!w->a->goes_on)
        return HEARTH_OK;
    TRY(store_message_get(w->a->g->store, w->a->message, &one, &w->err));
    const store_message *m = &one.items[0];
    bool ok = buf_append_text(&w->said.content, m->content) &&
              buf_append_text(&w->said.thinking, m->reasoning);
    json_t *meta = chat_object_of(m->meta);
    json_t *sources = json_object_get(meta, "sources");
    w->sources = sources ? json_incref(sources) : json_array(); /* none are looked for anew */
    w->thinking_ms = json_number_value(json_object_get(meta, "thinking_ms"));
    w->a->notices = json_incref(json_object_get(meta, "notices"));
    json_decref(meta);
    w->before = m->usage;
    w->n_content = w->said.content.n;
    w->n_thinking = w->said.thinking.n;
    store_messages_free(&one);
    return ok ? HEARTH_OK : error_no_memory(&w->err, "an answer", w->n_content);
}

/* The end that is stored when not even what was there could be read: it stays as it is. */
static void leave_as_it_was(const writing *w)
{
    const store_end end = {.state = STORE_FAILED, .error = w->err.message};
    store_message_finish(w->a->g->store, w->a->message, &end, NULL);
}

void chat_answer_write(answer *a)
{
    writing w = {.a = a};
    chunks_init(&w.said);
    w.flushed_ns = clock_now_ns();
    hearth_status status = begin_with_before(&w);
    if (status != HEARTH_OK) {
        leave_as_it_was(&w);
        w.stored = true;
    } else {
        status = write_all(&w);
    }
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
    chat_prompt_close(&w.prompt);
    json_decref(w.sources);
    chunks_deinit(&w.said);
}
