/* SPDX-License-Identifier: MIT
 *
 * exchange.c - see exchange.h.
 */
#include "mcp/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "os/clock.h"

#define MS_NS 1000000u

enum { RESUMES_MAX = 5, RESUME_MS = 1000, REFUSAL_BYTES = 1 << 16, HEADERS_MAX = 5 };

hearth_status exchange_open(exchange *x, mcp_peer *s, const mcp_call_options *options,
                            uint64_t deadline_ns, hearth_error *err)
{
    *x = (exchange){.s = s, .options = options, .deadline_ns = deadline_ns};
    sse_init(&x->events, MCP_MAX_MESSAGE_BYTES);
    monitor_lock(&s->door);
    memcpy(x->session, s->session, sizeof x->session);
    memcpy(x->protocol, s->protocol, sizeof x->protocol);
    monitor_unlock(&s->door);
    return http_call_new(&x->call, err);
}

void exchange_close(exchange *x)
{
    http_call_free(x->call);
    sse_deinit(&x->events);
    json_decref(x->reply);
    *x = (exchange){0};
}

/* ---- sending ---- */

static hearth_status send(exchange *x, const char *method, const char *body, hearth_error *err)
{
    char session[sizeof x->session + 32], protocol[64], last[sizeof x->last_id + 32];
    const char *headers[HEADERS_MAX];
    size_t n = 0;
    headers[n++] = strcmp(method, "GET") == 0 ? "Accept: text/event-stream"
                                              : "Accept: application/json, text/event-stream";
    if (body)
        headers[n++] = "Content-Type: application/json";
    snprintf(session, sizeof session, "Mcp-Session-Id: %s", x->session);
    snprintf(protocol, sizeof protocol, "MCP-Protocol-Version: %s", x->protocol);
    snprintf(last, sizeof last, "Last-Event-ID: %s", x->last_id);
    if (x->protocol[0])
        headers[n++] = protocol;
    if (x->last_id[0] && strcmp(method, "GET") == 0)
        headers[n++] = last;
    const char *private[MCP_MAX_HEADERS + 1];
    const mcp_server_config *c = x->s->config;
    size_t n_private = 0;
    for (; n_private < c->n_headers; n_private++)
    private[n_private] = c->headers[n_private];
    if (x->session[0])
    private[n_private++] = session;
    sse_deinit(&x->events);
    sse_init(&x->events, MCP_MAX_MESSAGE_BYTES);
    x->is_stream = false;
    const http_call_options o = {.method = method,
                                 .url = c->url,
                                 .headers = headers,
                                 .n_headers = n,
                                 .private_headers = private,
                                 .n_private_headers = n_private,
                                 .body = body,
                                 .n_body = body ? strlen(body) : 0,
                                 .has_body = body != NULL,
                                 .redirects = HTTP_REDIRECT_SAME_ORIGIN,
                                 .log = x->s->log};
    return http_call_start(x->call, &o, err);
}

/* ---- waiting ---- */

static hearth_status goes_on(exchange *x, hearth_error *err)
{
    const mcp_call_options *o = x->options;
    const char *name = x->s->config->name;
    x->gave_up = true;
    if (o && o->go_on && !o->go_on(o->user))
        FAIL(err, ECANCELED, name, "the call was canceled");
    if (x->deadline_ns && clock_now_ns() >= x->deadline_ns)
        FAIL(err, EIO, name,
             "the tool server '%.64s' has not answered in time; try again, or give it more time",
             name);
    x->gave_up = false;
    return HEARTH_OK;
}

static int patience_ms(const exchange *x)
{
    const uint64_t now = clock_now_ns();
    if (x->deadline_ns == 0 || x->deadline_ns >= now + (uint64_t)MCP_POLL_MS * MS_NS)
        return MCP_POLL_MS;
    return x->deadline_ns > now ? (int)((x->deadline_ns - now) / MS_NS) : 0;
}

static hearth_status broken(exchange *x, hearth_error *err)
{
    hearth_error why = {0};
    http_call_error(x->call, &why);
    x->unreachable = true;
    FAIL(err, EIO, x->s->config->name, "%s", why.message[0] ? why.message : "the connection broke");
}

static hearth_status wait_head(exchange *x, hearth_error *err)
{
    for (;;) {
        http_pull pull = http_call_head(x->call, patience_ms(x));
        if (pull == HTTP_PULL_END)
            return HEARTH_OK;
        if (pull == HTTP_PULL_FAIL)
            return broken(x, err);
        TRY(goes_on(x, err));
    }
}

static hearth_status read_whole(exchange *x, buf *body, hearth_error *err)
{
    for (;;) {
        http_pull pull = http_call_pull(x->call, patience_ms(x), body);
        if (pull == HTTP_PULL_END)
            return HEARTH_OK;
        if (pull == HTTP_PULL_FAIL)
            return broken(x, err);
        TRY(goes_on(x, err));
    }
}

/* ---- what comes ---- */

static void take_message(exchange *x, json_t *message)
{
    mcp_peer *s = x->s;
    json_t *id = json_object_get(message, "id");
    const char *method = json_string_value(json_object_get(message, "method"));
    if (method && id) {
        mcp_peer_answer(s, id, method);
    } else if (method) {
        monitor_lock(&s->door);
        s->changed |= mcp_peer_tells_change(method);
        monitor_unlock(&s->door);
    } else if (x->id > 0 && x->reply == NULL && json_is_integer(id) &&
               json_integer_value(id) == x->id) {
        x->reply = json_incref(message);
    }
}

static void take_text(exchange *x, const char *text, size_t n)
{
    size_t i;
    json_t *one, *message = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    if (json_is_object(message)) {
        take_message(x, message);
    } else { /* some send several at once */
        json_array_foreach(message, i, one) take_message(x, one);
    }
    json_decref(message);
}

static void take_events(exchange *x)
{
    sse_event event;
    while (sse_next(&x->events, &event)) {
        snprintf(x->last_id, sizeof x->last_id, "%s", event.id);
        take_text(x, event.data, event.n_data);
    }
}

static bool has_type(const exchange *x, const char *type)
{
    const char *value = http_call_header(x->call, "Content-Type");
    return value && strncasecmp(value, type, strlen(type)) == 0;
}

/* ---- answers ---- */

/* The server's own words, as far as they are JSON. */
static hearth_status refused(exchange *x, hearth_error *err)
{
    buf body;
    const char *name = x->s->config->name;
    const int code = http_call_status(x->call);
    buf_init(&body, REFUSAL_BYTES);
    /* Servers on the common TypeScript package say 400 to a session from before their restart. */
    x->lost = (code == 404 || code == 400) && x->session[0] != '\0';
    hearth_status status = read_whole(x, &body, NULL);
    json_t *root = status == HEARTH_OK ? json_loadb(body.data, body.n, 0, NULL) : NULL;
    const char *text =
        json_string_value(json_object_get(json_object_get(root, "error"), "message"));
    x->unreachable = x->gave_up = false; /* it has answered */
    status =
        error_set(err, HEARTH_EIO, name, "the tool server '%.64s' answered %d%s%.200s", name, code,
                  text                         ? ": "
                  : code == 401 || code == 403 ? "; look at its headers"
                                               : "",
                  text ? text : "");
    json_decref(root);
    buf_deinit(&body);
    return status;
}

static hearth_status read_json(exchange *x, hearth_error *err)
{
    buf body;
    buf_init(&body, MCP_MAX_MESSAGE_BYTES);
    hearth_status status = read_whole(x, &body, err);
    if (status == HEARTH_OK && body.n)
        take_text(x, body.data, body.n);
    buf_deinit(&body);
    return status;
}

/* Until the answer is there, or the stream is over: OK without it. */
static hearth_status read_events(exchange *x, hearth_error *err)
{
    while (x->reply == NULL) {
        http_pull pull = http_call_pull(x->call, patience_ms(x), sse_input(&x->events));
        take_events(x);
        if (pull != HTTP_PULL_MORE && x->reply == NULL && x->last_id[0])
            return HEARTH_OK;
        if (pull == HTTP_PULL_FAIL && x->reply == NULL)
            return broken(x, err);
        if (pull == HTTP_PULL_END)
            return HEARTH_OK;
        TRY(goes_on(x, err));
    }
    return HEARTH_OK;
}

static hearth_status read_answer(exchange *x, hearth_error *err)
{
    TRY(wait_head(x, err));
    const int code = http_call_status(x->call);
    if (code < 200 || code > 299)
        return refused(x, err);
    x->is_stream = has_type(x, "text/event-stream");
    if (x->id == 0)
        return HEARTH_OK;
    if (x->is_stream)
        return read_events(x, err);
    if (has_type(x, "application/json"))
        return read_json(x, err);
    FAIL(err, EIO, x->s->config->name,
         "the tool server '%.64s' answered neither JSON nor events; is its url right?",
         x->s->config->name);
}

static hearth_status pause_for(exchange *x, int ms, hearth_error *err)
{
    for (; ms > 0; ms -= MCP_POLL_MS) {
        if (!http_call_sleep(x->call, MCP_POLL_MS))
            FAIL(err, ECANCELED, x->s->config->name, "the call was canceled");
        TRY(goes_on(x, err));
    }
    return HEARTH_OK;
}

hearth_status exchange_post(exchange *x, const json_t *message, int64_t id, hearth_error *err)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    if (text == NULL)
        return error_no_memory(err, "a message", 0);
    x->id = id;
    hearth_status status = send(x, "POST", text, err);
    free(text); /* jansson's own allocation */
    if (status == HEARTH_OK)
        status = read_answer(x, err);
    for (int i = 0; status == HEARTH_OK && id > 0 && x->reply == NULL && i < RESUMES_MAX; i++) {
        if (!x->is_stream || x->last_id[0] == '\0')
            break;
        status = pause_for(x, RESUME_MS, err);
        if (status == HEARTH_OK)
            status = send(x, "GET", NULL, err);
        if (status == HEARTH_OK)
            status = read_answer(x, err);
    }
    if (status == HEARTH_OK && id > 0 && x->reply == NULL)
        status = error_set(err, HEARTH_EIO, x->s->config->name,
                           "the tool server '%.64s' ended its answer before the result",
                           x->s->config->name);
    return status;
}

void exchange_keep_session(exchange *x)
{
    const char *session = http_call_header(x->call, "Mcp-Session-Id");
    monitor_lock(&x->s->door);
    snprintf(x->s->session, sizeof x->s->session, "%s", session ? session : "");
    monitor_unlock(&x->s->door);
}

/* ---- what is said unasked ---- */

hearth_status exchange_listen(exchange *x, hearth_error *err)
{
    x->id = 0;
    return send(x, "GET", NULL, err);
}

http_pull exchange_hear(exchange *x, int timeout_ms, hearth_error *err)
{
    if (!x->is_stream) {
        http_pull head = http_call_head(x->call, timeout_ms);
        if (head == HTTP_PULL_MORE)
            return head;
        if (head == HTTP_PULL_FAIL) {
            broken(x, err);
            return HTTP_PULL_FAIL;
        }
        x->is_stream = http_call_status(x->call) == 200 && has_type(x, "text/event-stream");
        if (http_call_status(x->call) == 404 && x->session[0]) {
            error_set(err, HEARTH_EIO, x->s->config->name, "its session is over");
            return HTTP_PULL_FAIL;
        }
        return x->is_stream ? HTTP_PULL_MORE : HTTP_PULL_END;
    }
    http_pull pull = http_call_pull(x->call, timeout_ms, sse_input(&x->events));
    take_events(x);
    /* One that broke off is begun again; whether the server is there shows then. */
    return pull == HTTP_PULL_MORE ? pull : HTTP_PULL_END;
}

void exchange_end_session(exchange *x)
{
    if (send(x, "DELETE", NULL, NULL) == HEARTH_OK)
        wait_head(x, NULL);
}
