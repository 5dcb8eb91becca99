/* SPDX-License-Identifier: MIT
 *
 * remote.c - see remote.h: the life of a session, and calls in it.
 */
#include "mcp/remote.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "mcp/exchange.h"
#include "os/clock.h"

#define MS_NS 1000000u

enum {
    IDLE_POLL_MS = 1000,
    STREAM_POLL_MS = 200,
    SMALL_TIMEOUT_MS = 5000, /* of what nobody waits for: notifications */
    GOODBYE_MS = 500,
    REOPEN_MS = 1000
};

static bool is_ending(mcp_peer *s)
{
    monitor_lock(&s->door);
    bool ending = s->ending;
    monitor_unlock(&s->door);
    return ending;
}

static bool thread_goes_on(void *user)
{
    return !is_ending(user);
}

/* ---- the thread's own requests ---- */

static hearth_status ask(mcp_peer *s, const char *method, json_t *params, uint64_t deadline_ns,
                         json_t **result, hearth_error *err)
{
    exchange x;
    hearth_error failed = {0};
    const mcp_call_options o = {.go_on = thread_goes_on, .user = s};
    *result = NULL;
    monitor_lock(&s->door);
    int64_t id = ++s->last_id;
    monitor_unlock(&s->door);
    json_t *message = json_pack("{ss sI ss so}", "jsonrpc", "2.0", "id", (json_int_t)id, "method",
                                method, "params", params);
    hearth_status status = exchange_open(&x, s, &o, deadline_ns, err);
    if (status == HEARTH_OK)
        status = exchange_post(&x, message, id, err);
    if (status == HEARTH_OK && strcmp(method, "initialize") == 0)
        exchange_keep_session(&x);
    if (status == HEARTH_OK) {
        mcp_peer_settle(s, x.reply, result, &failed);
        if (*result == NULL)
            status = error_set(err, HEARTH_EIO, s->config->name, "%s", failed.message);
    }
    json_decref(message);
    exchange_close(&x);
    return status;
}

/* A message that has no answer; one that fails is lost. */
static hearth_status tell(mcp_peer *s, json_t *message, hearth_error *err)
{
    exchange x;
    const mcp_call_options o = {.go_on = thread_goes_on, .user = s};
    hearth_status status =
        exchange_open(&x, s, &o, clock_now_ns() + (uint64_t)SMALL_TIMEOUT_MS * MS_NS, err);
    if (status == HEARTH_OK)
        status = exchange_post(&x, message, 0, err);
    json_decref(message);
    exchange_close(&x);
    return status;
}

static hearth_status begin(mcp_peer *s, uint64_t deadline_ns, hearth_error *err)
{
    json_t *result;
    TRY(ask(s, "initialize", mcp_peer_hello(), deadline_ns, &result, err));
    const char *version = json_string_value(json_object_get(result, "protocolVersion"));
    mcp_peer_introduce(s, result);
    monitor_lock(&s->door);
    snprintf(s->protocol, sizeof s->protocol, "%s", version ? version : "");
    monitor_unlock(&s->door);
    json_decref(result);
    return tell(s, json_pack("{ss ss}", "jsonrpc", "2.0", "method", "notifications/initialized"),
                err);
}

static hearth_status list(mcp_peer *s, uint64_t deadline_ns, hearth_error *err)
{
    json_t *page = NULL;
    const char *next = NULL;
    bool good = mcp_peer_begin_list(s);
    do {
        json_t *params = next ? json_pack("{ss}", "cursor", next) : json_object();
        json_decref(page);
        TRY(ask(s, "tools/list", params, deadline_ns, &page, err));
        good = good && mcp_peer_take_page(s, page, &next);
    } while (good && next);
    json_decref(page);
    if (!good)
        return error_no_memory(err, "a list of tools", 0);
    mcp_peer_publish(s);
    return HEARTH_OK;
}

/* ---- between the calls ---- */

/* What stands in the outbox goes out, line by line. */
static void send_outbox(mcp_peer *s)
{
    for (;;) {
        monitor_lock(&s->door);
        char *end = s->outbox.n ? memchr(s->outbox.data, '\n', s->outbox.n) : NULL;
        size_t n = end ? (size_t)(end - s->outbox.data) : 0;
        json_t *message = end ? json_loadb(s->outbox.data, n, 0, NULL) : NULL;
        if (end)
            buf_remove_front(&s->outbox, n + 1);
        monitor_unlock(&s->door);
        if (end == NULL)
            return;
        if (message)
            tell(s, message, NULL);
    }
}

/* The stream of what the server says unasked. */
typedef struct listening {
    exchange x;
    bool open, none; /* none: the server has no such stream */
    uint64_t again_ns;
} listening;

static void wait_for_wake(mcp_peer *s, int timeout_ms)
{
    uint64_t count;
    struct pollfd fd = {.fd = s->wake, .events = POLLIN};
    if (poll(&fd, 1, timeout_ms) > 0 && read(s->wake, &count, sizeof count) < 0)
        return; /* somebody else's wake was enough */
}

/* Waits a moment for something to do. */
static hearth_status listen(mcp_peer *s, listening *l, hearth_error *err)
{
    const uint64_t now = clock_now_ns();
    if (!l->open && !l->none && now >= l->again_ns) {
        TRY(exchange_listen(&l->x, err));
        l->open = true;
    }
    if (!l->open) {
        wait_for_wake(s, l->none ? IDLE_POLL_MS : STREAM_POLL_MS);
        return HEARTH_OK;
    }
    switch (exchange_hear(&l->x, STREAM_POLL_MS, err)) {
    case HTTP_PULL_MORE:
        return HEARTH_OK;
    case HTTP_PULL_END:
        l->open = false;
        l->none = !l->x.is_stream;
        l->again_ns = clock_now_ns() + (uint64_t)REOPEN_MS * MS_NS;
        return HEARTH_OK;
    default:
        return err->code;
    }
}

/* Until the session is lost, or everything ends: OK. */
static hearth_status stay(mcp_peer *s, hearth_error *err)
{
    listening l = {0};
    hearth_status status = exchange_open(&l.x, s, NULL, 0, err);
    while (status == HEARTH_OK) {
        send_outbox(s);
        monitor_lock(&s->door);
        bool over = s->ending || s->lost, changed = s->changed;
        s->changed = false;
        monitor_unlock(&s->door);
        if (over)
            break;
        if (changed)
            status =
                list(s, clock_now_ns() + (uint64_t)MCP_START_TIMEOUT_MS * MS_NS, err);
        else
            status = listen(s, &l, err);
    }
    exchange_close(&l.x);
    return status;
}

static void say_goodbye(mcp_peer *s)
{
    exchange x;
    monitor_lock(&s->door);
    bool has_session = s->session[0] != '\0';
    monitor_unlock(&s->door);
    if (!has_session)
        return;
    if (exchange_open(&x, s, NULL, clock_now_ns() + (uint64_t)GOODBYE_MS * MS_NS, NULL) ==
        HEARTH_OK)
        exchange_end_session(&x);
    exchange_close(&x);
}

bool mcp_remote_run(mcp_peer *s)
{
    hearth_error err = {0};
    const uint64_t deadline_ns = clock_now_ns() + (uint64_t)MCP_START_TIMEOUT_MS * MS_NS;
    monitor_lock(&s->door);
    s->n_starts++;
    s->state = MCP_STARTING;
    s->lost = s->changed = false;
    s->session[0] = s->protocol[0] = '\0';
    buf_clear(&s->outbox);
    monitor_unlock(&s->door);
    hearth_status status = begin(s, deadline_ns, &err);
    if (status == HEARTH_OK)
        status = list(s, deadline_ns, &err);
    if (status == HEARTH_OK)
        status = stay(s, &err);
    bool ending = is_ending(s);
    if (status != HEARTH_OK && !ending)
        mcp_peer_fail(s, "%s", err.message);
    if (ending)
        say_goodbye(s);
    monitor_lock(&s->door);
    bool lost = s->lost && status == HEARTH_OK && !ending;
    s->state = ending ? MCP_DISABLED : lost ? MCP_STARTING : MCP_FAILED;
    s->version++;
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
    return lost;
}

/* ---- calls ---- */

/* Locked; unlocks while it asks the caller. */
static hearth_status wait_until_ready(mcp_peer *s, const mcp_call_options *o, uint64_t end_ns,
                                      hearth_error *err)
{
    while (s->state == MCP_STARTING && clock_now_ns() < end_ns) {
        monitor_wait(&s->door, (int64_t)MCP_POLL_MS * MS_NS);
        monitor_unlock(&s->door);
        bool more = o->go_on == NULL || o->go_on(o->user);
        monitor_lock(&s->door);
        if (!more)
            FAIL(err, ECANCELED, s->config->name, "the call was canceled");
    }
    if (s->state == MCP_READY)
        return HEARTH_OK;
    FAIL(err, EIO, s->config->name, "the tool server '%.64s' does not run: %.250s", s->config->name,
         s->error[0] ? s->error : "it is starting");
}

/* The session of that start cannot be used: the thread begins another one. */
static void lose(mcp_peer *s, uint64_t n_starts)
{
    const uint64_t one = 1;
    monitor_lock(&s->door);
    if (s->n_starts == n_starts && s->state == MCP_READY) {
        s->lost = true;
        s->state = MCP_STARTING;
    }
    monitor_unlock(&s->door);
    if (write(s->wake, &one, sizeof one) < 0)
        return; /* full of wakes already */
}

static void tell_nobody_waits(mcp_peer *s, int64_t id, hearth_status why)
{
    monitor_lock(&s->door);
    mcp_peer_notify(s, "notifications/cancelled",
                    json_pack("{sI ss}", "requestId", (json_int_t)id, "reason",
                              why == HEARTH_ECANCELED ? "canceled" : "timeout"));
    monitor_unlock(&s->door);
}

/* *again: the session was lost before the server looked at the call. */
static hearth_status call_once(mcp_peer *s, json_t *params, const mcp_call_options *o,
                               uint64_t end_ns, bool *again, json_t **out, hearth_error *err)
{
    exchange x;
    hearth_error failed = {0};
    *again = false;
    monitor_lock(&s->door);
    hearth_status status = wait_until_ready(s, o, end_ns, err);
    const uint64_t n_starts = s->n_starts;
    const int64_t id = ++s->last_id;
    monitor_unlock(&s->door);
    TRY(status);
    json_t *message = json_pack("{ss sI ss sO}", "jsonrpc", "2.0", "id", (json_int_t)id, "method",
                                "tools/call", "params", params);
    status = exchange_open(&x, s, o, end_ns, err);
    if (status == HEARTH_OK)
        status = exchange_post(&x, message, id, err);
    json_decref(message);
    if (status == HEARTH_OK) {
        mcp_peer_settle(s, x.reply, out, &failed);
        if (*out == NULL)
            status = error_set(err, HEARTH_EIO, s->config->name, "%s", failed.message);
    } else if (x.lost || x.unreachable) {
        *again = x.lost;
        lose(s, n_starts);
    } else if (x.gave_up) {
        tell_nobody_waits(s, id, status);
    }
    exchange_close(&x);
    return status;
}

hearth_status mcp_remote_call(mcp_peer *s, json_t *params, const mcp_call_options *options,
                              json_t **out, hearth_error *err)
{
    bool again;
    const uint64_t end_ns = clock_now_ns() + mcp_peer_timeout_ms(s, options) * MS_NS;
    hearth_error first = {0};
    *out = NULL;
    hearth_status status = call_once(s, params, options, end_ns, &again, out, &first);
    if (again)
        status = call_once(s, params, options, end_ns, &again, out, &first);
    if (status != HEARTH_OK && err)
        *err = first;
    json_decref(params);
    return status;
}
