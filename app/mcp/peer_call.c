/* SPDX-License-Identifier: MIT
 *
 * peer_call.c - what others ask of a server: its tools, what it is, calls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mcp/peer_state.h"
#include "mcp/remote.h"
#include "os/clock.h"

#define MS_NS 1000000u

/* ---- messages ---- */

bool mcp_peer_post(mcp_peer *s, json_t *message)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    json_decref(message);
    if (text == NULL)
        return false;
    size_t n = s->outbox.n;
    bool good = buf_append_text(&s->outbox, text) && buf_append(&s->outbox, "\n", 1);
    if (!good)
        s->outbox.n = n; /* not half a message */
    free(text);          /* jansson's own allocation */
    const uint64_t one = 1;
    return good && write(s->wake, &one, sizeof one) == sizeof one;
}

bool mcp_peer_request(mcp_peer *s, int64_t id, const char *method, json_t *params)
{
    return mcp_peer_post(s, json_pack("{ss sI ss so}", "jsonrpc", "2.0", "id", (json_int_t)id,
                                      "method", method, "params", params));
}

bool mcp_peer_notify(mcp_peer *s, const char *method, json_t *params)
{
    return mcp_peer_post(s, json_pack("{ss ss so}", "jsonrpc", "2.0", "method", method, "params",
                                      params ? params : json_object()));
}

/* ---- what it is ---- */

static bool copy(arena *a, const char *text, const char **out)
{
    *out = arena_text(a, text ? text : "", text ? strlen(text) : 0);
    return *out != NULL;
}

hearth_status mcp_peer_describe(mcp_peer *s, arena *a, mcp_server *out, hearth_error *err)
{
    monitor_lock(&s->door);
    *out = (mcp_server){
        .state = s->state, .n_tools = json_array_size(s->tools), .n_starts = s->n_starts};
    bool good = copy(a, s->config->name, &out->name) && copy(a, s->title, &out->title) &&
                copy(a, s->instructions, &out->instructions) && copy(a, s->error, &out->error);
    monitor_unlock(&s->door);
    return good ? HEARTH_OK : error_no_memory(err, "a list of servers", 0);
}

json_t *mcp_peer_tools(mcp_peer *s, uint64_t *version)
{
    monitor_lock(&s->door);
    json_t *tools = s->state == MCP_READY ? json_deep_copy(s->tools) : json_array();
    *version = s->version;
    monitor_unlock(&s->door);
    return tools;
}

/* ---- calls ---- */

static void remove_waiting(mcp_peer *s, const pending *p)
{
    for (pending **at = &s->waiting; *at; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            return;
        }
    }
}

static bool goes_on(const mcp_call_options *o)
{
    return o->go_on == NULL || o->go_on(o->user);
}

/* Locked; unlocks while it asks the caller. */
static hearth_status wait_for(mcp_peer *s, pending *p, const mcp_call_options *o, hearth_error *err)
{
    uint64_t timeout_ms = mcp_peer_timeout_ms(s, o);
    uint64_t end = clock_now_ns() + timeout_ms * MS_NS;
    while (!p->done) {
        monitor_wait(&s->door, (int64_t)MCP_POLL_MS * MS_NS);
        if (p->done)
            break;
        if (clock_now_ns() >= end)
            FAIL(err, EIO, s->config->name,
                 "the tool server '%.64s' has not answered within %llu ms; try again, or give it "
                 "more time",
                 s->config->name, (unsigned long long)timeout_ms);
        monitor_unlock(&s->door);
        bool more = goes_on(o);
        monitor_lock(&s->door);
        if (!more && !p->done)
            FAIL(err, ECANCELED, s->config->name, "the call was canceled");
    }
    return HEARTH_OK;
}

static hearth_status call_locked(mcp_peer *s, json_t *params, const mcp_call_options *o, pending *p,
                                 hearth_error *err)
{
    if (s->state != MCP_READY) {
        json_decref(params);
        FAIL(err, EIO, s->config->name, "the tool server '%.64s' does not run: %.250s",
             s->config->name, s->error[0] ? s->error : "it is starting");
    }
    p->id = ++s->last_id;
    if (!mcp_peer_request(s, p->id, "tools/call", params))
        FAIL(err, EIO, s->config->name,
             "the tool server '%.64s' does not read what it is sent; it is stuck", s->config->name);
    p->next = s->waiting;
    s->waiting = p;
    hearth_status status = wait_for(s, p, o, err);
    remove_waiting(s, p);
    if (status != HEARTH_OK)
        mcp_peer_notify(s, "notifications/cancelled",
                        json_pack("{sI ss}", "requestId", (json_int_t)p->id, "reason",
                                  status == HEARTH_ECANCELED ? "canceled" : "timeout"));
    return status;
}

hearth_status mcp_peer_call(mcp_peer *s, const char *tool, const mcp_call_options *options,
                            json_t **out, hearth_error *err)
{
    pending p = {0};
    json_error_t error;
    *out = NULL;
    json_t *arguments = json_loads(options->arguments ? options->arguments : "{}", 0, &error);
    if (!json_is_object(arguments)) {
        json_decref(arguments);
        FAIL(err, EINVAL, "arguments", "the arguments of %.64s must be a JSON object", tool);
    }
    json_t *params = json_pack("{ss so}", "name", tool, "arguments", arguments);
    if (params == NULL)
        return error_no_memory(err, "a call", 0);
    if (s->config->url)
        return mcp_remote_call(s, params, options, out, err);
    monitor_lock(&s->door);
    hearth_status status = call_locked(s, params, options, &p, err);
    monitor_unlock(&s->door);
    if (status == HEARTH_OK && p.result == NULL) {
        if (err)
            *err = p.failed;
        return p.failed.code;
    }
    if (status == HEARTH_OK)
        *out = p.result;
    else
        json_decref(p.result);
    return status;
}
