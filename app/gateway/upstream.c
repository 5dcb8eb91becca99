/* SPDX-License-Identifier: MIT
 *
 * upstream.c - see upstream.h.
 */
#include "gateway/upstream.h"

#include <stdio.h>
#include <string.h>

#include "gateway/via.h"

enum { STEP_MS = 50, WHY_MS = 2000, BODY_MAX = 512 << 20 };

static bool is_wanted(const upstream_request *ask)
{
    return ask->wanted == NULL || ask->wanted(ask->user);
}

/* "base" + "/v1/..." where the base of a remote engine may end in /v1 already. */
static bool write_url(const char *base, const char *path, buf *out)
{
    size_t n = strlen(base);
    if (n >= 3 && strcmp(base + n - 3, "/v1") == 0 && strncmp(path, "/v1/", 4) == 0)
        path += 3;
    return buf_append(out, base, n) && buf_append_text(out, path);
}

/* What a limit is called where an answer of any length may be asked for without one. NULL: nowhere
 * there. */
static const char *limit_key(const char *path)
{
    static const char *const keys[][2] = {
        {"/chat/completions", "max_tokens"}, {"/completions", "max_tokens"},
        {"/completion", "max_tokens"},       {"/infill", "n_predict"},
        {"/responses", "max_output_tokens"},
    };
    path += strncmp(path, "/v1/", 4) == 0 ? 3 : 0;
    size_t n = strcspn(path, "?");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strncmp(path, keys[i][0], n) == 0 && keys[i][0][n] == '\0')
            return keys[i][1];
    }
    return NULL;
}

static bool write_body(upstream *u, const upstream_request *ask, const char *name, buf *out)
{
    const char *key = limit_key(ask->path);
    uint32_t limit = key ? gateway_model_limit(u->g, ask->model) : 0;
    return body_for_engine(ask->body, name, limit > 0 ? key : NULL, limit, out);
}

static hearth_status send(upstream *u, const upstream_request *ask, hearth_error *err)
{
    char via[VIA_LINE_BYTES];
    const char *headers[2];
    size_t n_headers = 0;
    const runtime_endpoint *e = runtime_lease_endpoint(u->lease);
    buf url, body;
    hearth_status status = HEARTH_OK;
    buf_init(&url, 0);
    buf_init(&body, 0);
    bool ok = write_url(e->base_url, ask->path, &url);
    if (ok && ask->body)
        ok = write_body(u, ask, e->name, &body);
    if (!ok) {
        status = error_no_memory(err, "a request to an engine", body.n);
        goto out;
    }
    if (ask->body)
        headers[n_headers++] = "Content-Type: application/json";
    if (e->kind == ENGINE_REMOTE)
        headers[n_headers++] = via_line(u->g->id, ask->via, via);
    http_call_options options = {
        .url = url.data,
        .bearer = e->key[0] ? e->key : NULL,
        .body = body.data,
        .n_body = body.n,
        .has_body = ask->body != NULL,
        .is_stream = true,
        .headers = headers,
        .n_headers = n_headers,
    };
    if (u->call == NULL)
        TRY_OUT(http_call_new(&u->call, err));
    status = http_call_start(u->call, &options, err);
out:
    buf_deinit(&url);
    buf_deinit(&body);
    return status;
}

typedef struct waiter {
    const gateway *g;
    const upstream_request *ask;
} waiter;

/* The end of the server lets answers end, but nobody begins one any more. */
static bool may_load(void *user)
{
    const waiter *w = user;
    return !atomic_load(&w->g->ending) && is_wanted(w->ask);
}

static hearth_status lease(upstream *u, const upstream_request *ask, runtime_failure *failure,
                           hearth_error *err)
{
    waiter who = {u->g, ask};
    const runtime_wait wait = {.wanted = may_load, .user = &who};
    runtime_failure_deinit(failure);
    return runtime_acquire(u->g->runtime, ask->model, ask->keep_ms, &wait, &u->lease, failure, err);
}

/* *again: the engine was not there any more when it was asked. */
static hearth_status ask_once(upstream *u, const upstream_request *ask, bool *again,
                              runtime_failure *failure, hearth_error *err)
{
    *again = false;
    TRY(lease(u, ask, failure, err));
    TRY(send(u, ask, err));
    for (;;) {
        http_pull pull = http_call_head(u->call, STEP_MS);
        if (pull == HTTP_PULL_END)
            return HEARTH_OK;
        if (pull == HTTP_PULL_FAIL)
            break;
        if (!is_wanted(ask))
            FAIL(err, ECANCELED, "client", "the client has gone");
    }
    *again = http_call_problem(u->call) == HTTP_PROBLEM_CONNECT;
    return upstream_why(u, failure, err);
}

hearth_status upstream_ask(upstream *u, gateway *g, const upstream_request *ask,
                           runtime_failure *failure, hearth_error *err)
{
    bool again;
    *u = (upstream){.g = g};
    snprintf(u->model, sizeof u->model, "%s", ask->model);
    hearth_status status = ask_once(u, ask, &again, failure, err);
    if (status != HEARTH_OK && again && is_wanted(ask)) {
        upstream_close(u);
        u->g = g;
        status = ask_once(u, ask, &again, failure, err);
    }
    if (status != HEARTH_OK)
        upstream_close(u);
    else if (!ask->is_quiet)
        gateway_model_used(g, ask->model);
    return status;
}

int upstream_status(const upstream *u)
{
    return http_call_status(u->call);
}

const char *upstream_header(const upstream *u, const char *name)
{
    return http_call_header(u->call, name);
}

const runtime_endpoint *upstream_endpoint(const upstream *u)
{
    return runtime_lease_endpoint(u->lease);
}

http_pull upstream_pull(upstream *u, int timeout_ms, buf *out)
{
    return http_call_pull(u->call, timeout_ms, out);
}

int upstream_fd(const upstream *u)
{
    return http_call_fd(u->call);
}

hearth_status upstream_read(upstream *u, const upstream_request *ask, buf *out,
                            runtime_failure *failure, hearth_error *err)
{
    for (;;) {
        if (out->n > BODY_MAX)
            FAIL(err, EIO, "engine", "the engine's answer is too large");
        switch (upstream_pull(u, STEP_MS, out)) {
        case HTTP_PULL_END:
            return HEARTH_OK;
        case HTTP_PULL_FAIL:
            return upstream_why(u, failure, err);
        case HTTP_PULL_MORE:
            break;
        }
        if (!is_wanted(ask))
            FAIL(err, ECANCELED, "client", "the client has gone");
    }
}

hearth_status upstream_why(upstream *u, runtime_failure *failure, hearth_error *err)
{
    hearth_error of_call = {0};
    hearth_status status = http_call_error(u->call, &of_call);
    runtime_failure_deinit(failure);
    hearth_status why = runtime_lease_why(u->lease, WHY_MS, failure, err);
    if (failure->code != RUNTIME_OTHER || status == HEARTH_OK)
        return why;
    if (upstream_endpoint(u)->kind == ENGINE_REMOTE)
        failure->code = RUNTIME_UNREACHABLE;
    FAIL(err, EIO, "engine", "the connection to the engine of %.100s broke: %s", u->model,
         of_call.message);
}

void upstream_close(upstream *u)
{
    http_call_free(u->call);
    runtime_release(u->lease);
    u->call = NULL;
    u->lease = NULL;
}
