/* SPDX-License-Identifier: MIT
 *
 * upstream.h - one request to the engine of a model: the lease, the call, and what went wrong.
 *
 *     upstream_ask   loads the model if need be, sends the request, waits for the answer's head.
 *                    An engine that ended between the lease and the call is asked for once more:
 *                    nobody has seen anything of it yet.
 *     upstream_pull  hands on the body as it comes. A failure is told once, with its reason:
 *                    whether the engine ended or the connection broke.
 *     upstream_close ends the call, which tells the engine to stop, and gives the lease back.
 *
 * Threads  One thread at a time.
 */
#ifndef HEARTH_GATEWAY_UPSTREAM_H
#define HEARTH_GATEWAY_UPSTREAM_H

#include "gateway/body.h"
#include "gateway/state.h"
#include "http/client.h"

typedef struct upstream {
    gateway *g;
    runtime_lease *lease;
    http_call *call;
    char model[LIBRARY_NAME_MAX + 1];
} upstream;

typedef struct upstream_request {
    const char *model;          /* a model's id */
    const char *path;           /* "/v1/chat/completions", with its query */
    const body_view *body;      /* NULL: a GET */
    int64_t keep_ms;            /* as runtime_acquire */
    const char *via;            /* the servers that this request came through (via.h), or NULL */
    bool is_quiet;              /* nobody asked for this model: it does not become the default */
    bool (*wanted)(void *user); /* false: nobody waits any more; ECANCELED */
    void *user;
} upstream_request;

hearth_status upstream_ask(upstream *u, gateway *g, const upstream_request *ask,
                           runtime_failure *failure, hearth_error *err);

int upstream_status(const upstream *u);
const char *upstream_header(const upstream *u, const char *name);
const runtime_endpoint *upstream_endpoint(const upstream *u);

http_pull upstream_pull(upstream *u, int timeout_ms, buf *out);
int upstream_fd(const upstream *u); /* as http_call_fd */
/* The whole of a body. */
hearth_status upstream_read(upstream *u, const upstream_request *ask, buf *out,
                            runtime_failure *failure, hearth_error *err);

/* After upstream_pull gave FAIL. Never OK. */
hearth_status upstream_why(upstream *u, runtime_failure *failure, hearth_error *err);

void upstream_close(upstream *u); /* zeroed and closed ones are fine */

#endif
