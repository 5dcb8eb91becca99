/* SPDX-License-Identifier: MIT
 *
 * ollama.c - handlers of Ollama's answers: /api/chat, generate, embed; protocol/ollama.h
 * translates.
 */
#include "protocol/ollama.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/handlers.h"
#include "gateway/upstream.h"
#include "gateway/via.h"
#include "http/sse.h"
#include "os/clock.h"

#define OLLAMA_STREAM "application/x-ndjson"

enum { EVENT_MAX = 64 << 20, STEP_MS = 50 };

typedef struct ollama_stream {
    upstream up;
    sse_reader events;
    ollama_answer *answer;
    uint64_t start_ns, load_ns;
    bool ended;
} ollama_stream;

static void close_stream(void *user)
{
    ollama_stream *s = user;
    upstream_close(&s->up);
    sse_deinit(&s->events);
    ollama_answer_free(s->answer);
    mem_free(s);
}

static hearth_status end_answer(ollama_stream *s, buf *out, hearth_error *err)
{
    if (s->ended)
        return HEARTH_OK;
    s->ended = true;
    return ollama_answer_end(s->answer, store_now_ms(), clock_now_ns() - s->start_ns, s->load_ns,
                             out, err);
}

static hearth_status take_event(ollama_stream *s, const sse_event *e, buf *out, hearth_error *err)
{
    if (strcmp(e->data, "[DONE]") == 0)
        return end_answer(s, out, err);
    json_t *chunk = json_loadb(e->data, e->n_data, 0, NULL);
    if (chunk == NULL)
        FAIL(err, EFORMAT, "engine", "the engine's answer is not JSON");
    hearth_status status = ollama_answer_chunk(s->answer, chunk, store_now_ms(), out, err);
    json_decref(chunk);
    return status;
}

/* What has come within timeout_ms; *more: there may be something yet. */
static hearth_status step(ollama_stream *s, int timeout_ms, bool *more, runtime_failure *failure,
                          buf *out, hearth_error *err)
{
    sse_event e;
    http_pull pull = upstream_pull(&s->up, timeout_ms, sse_input(&s->events));
    if (pull == HTTP_PULL_FAIL)
        return upstream_why(&s->up, failure, err);
    while (sse_next(&s->events, &e))
        TRY(take_event(s, &e, out, err));
    *more = pull == HTTP_PULL_MORE;
    return *more ? HEARTH_OK : end_answer(s, out, err);
}

static http_pull pull_lines(void *user, int timeout_ms, bool ending, buf *out)
{
    ollama_stream *s = user;
    runtime_failure failure = {0};
    hearth_error err = {0};
    bool more = false;
    if (ending)
        return ollama_write_error("the server is ending", out) ? HTTP_PULL_END : HTTP_PULL_FAIL;
    hearth_status status = step(s, timeout_ms, &more, &failure, out, &err);
    runtime_failure_deinit(&failure);
    if (status == HEARTH_OK)
        return more ? HTTP_PULL_MORE : HTTP_PULL_END;
    return ollama_write_error(err.message, out) ? HTTP_PULL_END : HTTP_PULL_FAIL;
}

/* ---- asking ---- */

static hearth_status ask(gateway_call *c, const ollama_request *r, const char *model, upstream *up,
                         hearth_error *err)
{
    body_view body;
    char *text = json_dumps(r->body, JSON_COMPACT);
    if (text == NULL)
        return error_no_memory(err, "a request", 0);
    const upstream_request asked = {.model = model,
                                    .path = r->path,
                                    .body = &body,
                                    .keep_ms = r->keep_ms,
                                    .via = http_request_header(c->q, VIA_HEADER),
                                    .wanted = call_is_wanted,
                                    .user = (void *)(uintptr_t)c->q};
    hearth_status status = body_read(text, strlen(text), &body, err);
    if (status == HEARTH_OK)
        status = upstream_ask(up, c->g, &asked, &c->failure, err);
    free(text);
    return status;
}

/* The engine refused: its words, in Ollama's envelope. */
static hearth_status refused(gateway_call *c, upstream *up, hearth_error *err)
{
    const upstream_request wait = {.wanted = call_is_wanted, .user = (void *)(uintptr_t)c->q};
    buf body;
    buf_init(&body, EVENT_MAX);
    c->detail.http = upstream_status(up);
    hearth_status status = upstream_read(up, &wait, &body, &c->failure, err);
    json_t *answer = status == HEARTH_OK ? json_loadb(body.data, body.n, 0, NULL) : NULL;
    const char *message =
        json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
    if (status == HEARTH_OK)
        status = error_set(err, HEARTH_EINVAL, "engine", "%s",
                           message ? message : "the engine refused the request");
    json_decref(answer);
    buf_deinit(&body);
    return status;
}

static hearth_status start_answer(gateway_call *c, const ollama_request *r, const char *model,
                                  ollama_stream *s, hearth_error *err)
{
    sse_init(&s->events, EVENT_MAX);
    s->start_ns = clock_now_ns();
    TRY(ask(c, r, model, &s->up, err));
    s->load_ns = clock_now_ns() - s->start_ns;
    if (upstream_status(&s->up) != 200)
        return refused(c, &s->up, err);
    return ollama_answer_new(&s->answer, r, r->model[0] ? r->model : model, err);
}

static hearth_status answer_whole(gateway_call *c, ollama_stream *s, hearth_error *err)
{
    bool more = true;
    while (more) {
        TRY(step(s, STEP_MS, &more, &c->failure, &c->reply->body, err));
        if (http_request_life(c->q) != HTTP_OPEN)
            FAIL(err, ECANCELED, "client", "the client has gone");
    }
    return HEARTH_OK;
}

static hearth_status generate(gateway_call *c, const ollama_request *r, const char *model,
                              hearth_error *err)
{
    ollama_stream *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err, "an answer", sizeof *s);
    hearth_status status = start_answer(c, r, model, s, err);
    if (status == HEARTH_OK && r->stream) {
        const http_stream stream = {.pull = pull_lines, .close = close_stream, .user = s};
        http_reply_stream(c->reply, OLLAMA_STREAM, &stream);
        return HEARTH_OK;
    }
    if (status == HEARTH_OK)
        status = answer_whole(c, s, err);
    close_stream(s);
    return status;
}

static hearth_status embed(gateway_call *c, const ollama_request *r, const char *model,
                           hearth_error *err)
{
    upstream up = {0};
    const upstream_request wait = {.wanted = call_is_wanted, .user = (void *)(uintptr_t)c->q};
    const uint64_t start = clock_now_ns();
    buf body;
    json_t *answer = NULL;
    buf_init(&body, EVENT_MAX);
    hearth_status status = ask(c, r, model, &up, err);
    const uint64_t loaded = clock_now_ns();
    if (status == HEARTH_OK && upstream_status(&up) != 200)
        status = refused(c, &up, err);
    else if (status == HEARTH_OK)
        status = upstream_read(&up, &wait, &body, &c->failure, err);
    if (status == HEARTH_OK) {
        answer = json_loadb(body.data, body.n, 0, NULL);
        status = call_json(c,
                           ollama_embedding(r, r->model[0] ? r->model : model, answer,
                                            clock_now_ns() - start, loaded - start),
                           err);
    }
    json_decref(answer);
    buf_deinit(&body);
    upstream_close(&up);
    return status;
}

/* No text: the model is only to come, or to go. */
static hearth_status load(gateway_call *c, const ollama_request *r, const char *model,
                          hearth_error *err)
{
    const runtime_wait wait = {.wanted = call_may_load, .user = c};
    if (r->keep_ms == 0) {
        hearth_status status = runtime_unload(c->g->runtime, model, false, &wait, err);
        if (status != HEARTH_OK && status != HEARTH_ENOTFOUND)
            return status;
    } else {
        TRY(runtime_load(c->g->runtime, model, r->keep_ms, false, &wait, &c->failure, err));
    }
    if (r->stream)
        c->reply->content_type = OLLAMA_STREAM;
    TRY(call_json(c, ollama_loaded(r, r->model[0] ? r->model : model, store_now_ms()), err));
    return buf_append_text(&c->reply->body, "\n") ? HEARTH_OK
                                                  : error_no_memory(err, "the answer", 0);
}

static hearth_status answer(gateway_call *c, ollama_kind kind, hearth_error *err)
{
    ollama_request r;
    char model[LIBRARY_NAME_MAX + 1];
    TRY(call_read_body(c, false, err));
    hearth_status status = ollama_request_read(&r, kind, c->body, err);
    if (status == HEARTH_OK && r.ignored.n > 0)
        http_reply_header(c->reply, "X-Hearth-Ignored", r.ignored.data);
    if (status == HEARTH_OK)
        status = gateway_model_name(c->g, r.model, model, err);
    if (status == HEARTH_OK) {
        http_reply_header(c->reply, "X-Hearth-Model", model);
        if (r.body == NULL)
            status = load(c, &r, model, err);
        else if (kind == OLLAMA_EMBED || kind == OLLAMA_EMBEDDING)
            status = embed(c, &r, model, err);
        else
            status = generate(c, &r, model, err);
    }
    ollama_request_deinit(&r);
    return status;
}

hearth_status serve_ollama_chat(gateway_call *c, hearth_error *err)
{
    return answer(c, OLLAMA_CHAT, err);
}

hearth_status serve_ollama_generate(gateway_call *c, hearth_error *err)
{
    return answer(c, OLLAMA_GENERATE, err);
}

hearth_status serve_ollama_embed(gateway_call *c, hearth_error *err)
{
    return answer(c, OLLAMA_EMBED, err);
}

hearth_status serve_ollama_embeddings(gateway_call *c, hearth_error *err)
{
    return answer(c, OLLAMA_EMBEDDING, err);
}
