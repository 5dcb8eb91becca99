/* SPDX-License-Identifier: MIT
 *
 * relay.c - see relay.h. Handlers of /v1 and of llama-server's paths.
 */
#include "gateway/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/handlers.h"
#include "gateway/via.h"

enum { PING_MS = 15000, PATH_BYTES = 512, HELD_MAX = 64 << 20 };

/* ---- streams ---- */

typedef struct relay {
    upstream up;
    protocol_api api;
    bool events; /* server-sent; else bytes are handed on as they come */
    buf held;    /* the beginning of an event */
    session_chat *session;
} relay;

size_t relay_whole_events(const char *text, size_t n)
{
    for (size_t i = n; i >= 2; i--) {
        if (text[i - 1] != '\n')
            continue;
        if (text[i - 2] == '\n' || (i >= 3 && text[i - 2] == '\r' && text[i - 3] == '\n'))
            return i;
    }
    return 0;
}

bool relay_write_failure(protocol_api api, const hearth_error *error,
                         const runtime_failure *failure, buf *out)
{
    const gateway_route route = {.dialect = DIALECT_ENGINE, .api = api};
    bool named = api == API_ANTHROPIC || api == API_OPENAI_RESPONSES;
    buf body;
    buf_init(&body, 0);
    gateway_write_failure(&route, error, failure, NULL, &body);
    bool ok = body.n > 0 && (!named || buf_append_text(out, "event: error\n")) &&
              buf_append_text(out, "data: ") && buf_append(out, body.data, body.n) &&
              buf_append_text(out, "\n\n");
    buf_deinit(&body);
    return ok;
}

static http_pull fail_stream(relay *r, buf *out)
{
    hearth_error error = {0};
    runtime_failure failure = {0};
    upstream_why(&r->up, &failure, &error);
    session_close(r->session, false, &error);
    r->session = NULL;
    bool ok = r->events && relay_write_failure(r->api, &error, &failure, out);
    log_write(&r->up.g->host->log, HEARTH_LOG_WARNING, "%s: %s", r->up.model, error.message);
    runtime_failure_deinit(&failure);
    return ok ? HTTP_PULL_END : HTTP_PULL_FAIL;
}

static http_pull end_stream(relay *r, const char *why, buf *out)
{
    hearth_error error = {.code = HEARTH_ECANCELED};
    snprintf(error.message, sizeof error.message, "%s", why);
    session_close(r->session, false, NULL);
    r->session = NULL;
    bool ok = r->events && relay_write_failure(r->api, &error, NULL, out);
    return ok ? HTTP_PULL_END : HTTP_PULL_FAIL;
}

static http_pull relay_pull(void *user, int timeout_ms, bool ending, buf *out)
{
    relay *r = user;
    if (ending)
        return end_stream(r, "the server is ending", out);
    if (r->session && session_is_stopped(r->session))
        return end_stream(r, "the answer was stopped", out);
    http_pull pull = upstream_pull(&r->up, timeout_ms, &r->held);
    if (pull == HTTP_PULL_FAIL)
        return fail_stream(r, out);
    bool all = pull == HTTP_PULL_END || !r->events;
    size_t n = all ? r->held.n : relay_whole_events(r->held.data, r->held.n);
    if (n > 0 && !buf_append(out, r->held.data, n))
        return HTTP_PULL_FAIL;
    if (r->session && n > 0)
        session_feed(r->session, r->held.data, n);
    buf_remove_front(&r->held, n);
    if (pull == HTTP_PULL_END) {
        session_close(r->session, true, NULL);
        r->session = NULL;
    }
    return pull;
}

/* A session writes to the store, which takes its time. */
static int relay_fd(void *user)
{
    const relay *r = user;
    return r->session ? -1 : upstream_fd(&r->up);
}

static bool relay_take(void *user, buf *out)
{
    relay *r = user;
    if (upstream_pull(&r->up, 0, &r->held) != HTTP_PULL_MORE)
        return false;
    size_t n = r->events ? relay_whole_events(r->held.data, r->held.n) : r->held.n;
    if (!buf_append(out, r->held.data, n))
        return false;
    buf_remove_front(&r->held, n);
    return upstream_fd(&r->up) >= 0;
}

static void relay_close(void *user)
{
    relay *r = user;
    upstream_close(&r->up);
    session_close(r->session, false, NULL);
    buf_deinit(&r->held);
    mem_free(r);
}

/* Takes both. */
static hearth_status start_stream(gateway_call *c, upstream *up, session_chat **session,
                                  const char *type, hearth_error *err)
{
    relay *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return error_no_memory(err, "a stream", sizeof *r);
    r->up = *up;
    *up = (upstream){0};
    r->session = *session;
    *session = NULL;
    r->api = c->route->api;
    r->events = strcmp(type, HTTP_EVENT_STREAM) == 0;
    buf_init(&r->held, HELD_MAX);
    const http_stream stream = {
        .pull = relay_pull,
        .fd = relay_fd,
        .take = relay_take,
        .close = relay_close,
        .user = r,
        .ping_ms = r->events ? PING_MS : 0,
    };
    http_reply_stream(c->reply, type, &stream);
    return HEARTH_OK;
}

/* ---- answers ---- */

static const char *known_type(const char *type)
{
    static const char *const types[] = {HTTP_EVENT_STREAM, HTTP_JSON, "application/x-ndjson",
                                        "text/plain; charset=utf-8"};
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++) {
        size_t n = strcspn(types[i], ";");
        if (strncmp(type, types[i], n) == 0)
            return types[i];
    }
    return "application/octet-stream";
}

typedef struct waiting {
    const http_request *q;
    const session_chat *session;
} waiting;

static bool is_wanted(void *user)
{
    const waiting *w = user;
    return http_request_life(w->q) == HTTP_OPEN && !(w->session && session_is_stopped(w->session));
}

static hearth_status hand_on(gateway_call *c, upstream *up, const upstream_request *ask,
                             session_chat **session, hearth_error *err)
{
    const char *type = known_type(upstream_header(up, "Content-Type"));
    const bool is_stream = strcmp(type, HTTP_EVENT_STREAM) == 0;
    const char *ignored = upstream_header(up, "X-Hearth-Ignored");
    c->reply->status = upstream_status(up);
    http_reply_header(c->reply, "X-Hearth-Model", ask->model);
    if (ignored)
        http_reply_header(c->reply, "X-Hearth-Ignored", ignored);
    if (c->reply->status == 200 && *session)
        TRY(session_commit(*session, is_stream, err));
    if (is_stream || (ask->body && ask->body->streams))
        return start_stream(c, up, session, type, err);
    c->reply->content_type = type;
    TRY(upstream_read(up, ask, &c->reply->body, &c->failure, err));
    if (*session)
        session_feed(*session, c->reply->body.data, c->reply->body.n);
    return HEARTH_OK;
}

hearth_status relay_answer(gateway_call *c, const char *model, const char *path,
                           const body_view *body, session_chat *session, hearth_error *err)
{
    upstream up = {0};
    waiting wait = {c->q, session};
    const upstream_request ask = {.model = model,
                                  .path = path,
                                  .body = body,
                                  .keep_ms = RUNTIME_KEEP_DEFAULT,
                                  .via = http_request_header(c->q, VIA_HEADER),
                                  .wanted = is_wanted,
                                  .user = &wait};
    hearth_status status = upstream_ask(&up, c->g, &ask, &c->failure, err);
    if (status == HEARTH_OK)
        status = hand_on(c, &up, &ask, &session, err);
    upstream_close(&up);
    session_close(session, status == HEARTH_OK,
                  status == HEARTH_OK || status == HEARTH_ECANCELED ? NULL : err);
    return status;
}

/* ---- handlers ---- */

/* The model that the body names, or the default one. */
static hearth_status read_request(gateway_call *c, body_view *body,
                                  char model[LIBRARY_NAME_MAX + 1], hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1] = "";
    TRY(body_read(c->q->body, c->q->n_body, body, err));
    bool is_null = body->model.n == 4 && memcmp(body->model.at, "null", 4) == 0;
    if (body->model.at && !is_null && !body_text(body->model, name, sizeof name))
        FAIL(err, EINVAL, "model", "model: is not the name of a model");
    return gateway_model_name(c->g, name, model, err);
}

hearth_status serve_relay_post(gateway_call *c, hearth_error *err)
{
    body_view body;
    char model[LIBRARY_NAME_MAX + 1];
    TRY(read_request(c, &body, model, err));
    return relay_answer(c, model, c->q->path, &body, NULL, err);
}

/* A session's turns are the user's: only who may manage reads or writes them. */
static hearth_status answer_session(gateway_call *c, const char *name, const char *model,
                                    const body_view *body, hearth_error *err)
{
    session_chat *session;
    const char *text;
    body_view whole;
    const http_request *q = c->q;
    if (access_scope_of(&c->g->access, http_request_header(q, "Authorization"),
                        http_request_header(q, "X-Api-Key")) < SCOPE_MANAGE) {
        c->detail.http = 401;
        FAIL(err, EINVAL, "session_id", "session_id: needs the installation's key");
    }
    TRY(session_open(c->g, name, model, body, &session, &text, err));
    hearth_status status = body_read(text, strlen(text), &whole, err);
    if (status == HEARTH_OK)
        return relay_answer(c, model, q->path, &whole, session, err);
    session_close(session, false, NULL);
    return status;
}

hearth_status serve_relay_chat(gateway_call *c, hearth_error *err)
{
    body_view body;
    char model[LIBRARY_NAME_MAX + 1], name[80];
    TRY(read_request(c, &body, model, err));
    if (body.session_id.at == NULL || body.session_id.at[0] != '"')
        return relay_answer(c, model, c->q->path, &body, NULL, err);
    if (!body_text(body.session_id, name, sizeof name))
        name[0] = '\0';
    return answer_session(c, name, model, &body, err);
}

hearth_status serve_relay_get(gateway_call *c, hearth_error *err)
{
    char model[LIBRARY_NAME_MAX + 1];
    TRY(gateway_model_name(c->g, http_request_query(c->q, "model"), model, err));
    return relay_answer(c, model, c->q->path, NULL, NULL, err);
}
