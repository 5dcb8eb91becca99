/* SPDX-License-Identifier: MIT
 *
 * peer.c - see peer.h: the thread that starts the process and listens to it.
 *
 * A message is one line of JSON each way. Lines of the process that are no JSON are passed over:
 * some programs print greetings. What it writes to its standard error is logged, and the last line
 * of it explains its end.
 */
#include "mcp/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "mcp/peer_state.h"
#include "mcp/remote.h"
#include "os/clock.h"

#define MS_NS 1000000u

enum {
    READ_BYTES = 1 << 16,
    ERROR_LINE_BYTES = 1000,
    GRACE_MS = 1000,
    BACKOFF_FIRST_MS = 1000,
    STEADY_MS = 60000, /* one that ran so long begins again with the first wait */
    IDLE_POLL_MS = 1000
};

/* ---- states ---- */

static void begin_stage(mcp_peer *s, stage next)
{
    s->stage = next;
    s->deadline_ns = clock_now_ns() + (uint64_t)MCP_START_TIMEOUT_MS * MS_NS;
}

/* Sends the thread's own request. */
static bool ask(mcp_peer *s, const char *method, json_t *params)
{
    monitor_lock(&s->door);
    s->own_id = ++s->last_id;
    bool good = mcp_peer_request(s, s->own_id, method, params);
    monitor_unlock(&s->door);
    return good;
}

static bool initialize(mcp_peer *s)
{
    begin_stage(s, STAGE_INITIALIZE);
    return ask(s, "initialize", mcp_peer_hello());
}

static bool list_tools(mcp_peer *s, const char *cursor)
{
    if (cursor == NULL)
        begin_stage(s, STAGE_LIST);
    return (cursor || mcp_peer_begin_list(s)) &&
           ask(s, "tools/list", cursor ? json_pack("{ss}", "cursor", cursor) : json_object());
}

static bool take_initialized(mcp_peer *s, const json_t *result)
{
    mcp_peer_introduce(s, result);
    monitor_lock(&s->door);
    bool good = mcp_peer_notify(s, "notifications/initialized", NULL);
    monitor_unlock(&s->door);
    return good && list_tools(s, NULL);
}

static bool take_page(mcp_peer *s, const json_t *result)
{
    const char *next;
    if (!mcp_peer_take_page(s, result, &next))
        return false;
    if (next)
        return list_tools(s, next);
    s->stage = STAGE_IDLE;
    s->deadline_ns = 0;
    mcp_peer_publish(s);
    return !s->list_again || list_tools(s, NULL);
}

/* ---- what comes ---- */

static bool take_notification(mcp_peer *s, const char *method)
{
    if (!mcp_peer_tells_change(method))
        return true;
    if (s->stage == STAGE_IDLE)
        return list_tools(s, NULL);
    s->list_again = true;
    return true;
}

static void settle(mcp_peer *s, pending *p, json_t *message)
{
    mcp_peer_settle(s, message, &p->result, &p->failed);
    p->done = true;
    monitor_wake(&s->door);
}

static bool take_own(mcp_peer *s, const json_t *message)
{
    const json_t *result = json_object_get(message, "result");
    const char *text =
        json_string_value(json_object_get(json_object_get(message, "error"), "message"));
    if (!json_is_object(result)) {
        mcp_peer_fail(s, "it refused to %s: %.200s",
                  s->stage == STAGE_INITIALIZE ? "begin" : "list its tools",
                  text ? text : "there is no result");
        return false;
    }
    return s->stage == STAGE_INITIALIZE ? take_initialized(s, result) : take_page(s, result);
}

/* False: the process cannot be used any more. */
static bool take_message(mcp_peer *s, json_t *message)
{
    json_t *id = json_object_get(message, "id");
    const char *method = json_string_value(json_object_get(message, "method"));
    if (method && id) {
        mcp_peer_answer(s, id, method);
        return true;
    }
    if (method)
        return take_notification(s, method);
    if (!json_is_integer(id))
        return true;
    if (s->stage != STAGE_IDLE && json_integer_value(id) == s->own_id)
        return take_own(s, message);
    monitor_lock(&s->door);
    for (pending *p = s->waiting; p; p = p->next) {
        if (p->id == json_integer_value(id) && !p->done)
            settle(s, p, message);
    }
    monitor_unlock(&s->door);
    return true;
}

static bool take_line(mcp_peer *s, const char *line, size_t n)
{
    json_t *message = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
    bool good = true;
    size_t i;
    json_t *one;
    if (json_is_object(message)) {
        good = take_message(s, message);
    } else { /* some send several at once */
        json_array_foreach(message, i, one) good = good && take_message(s, one);
    }
    json_decref(message);
    return good;
}

static bool take_lines(mcp_peer *s)
{
    for (;;) {
        char *from = s->inbox.data;
        char *end = s->inbox.n > s->n_looked
                        ? memchr(from + s->n_looked, '\n', s->inbox.n - s->n_looked)
                        : NULL;
        if (end == NULL) {
            s->n_looked = s->inbox.n;
            return true;
        }
        bool good = take_line(s, from, (size_t)(end - from));
        buf_remove_front(&s->inbox, (size_t)(end + 1 - from));
        s->n_looked = 0;
        if (!good)
            return false;
    }
}

/* ---- the pipes ---- */

static bool read_output(mcp_peer *s)
{
    char block[READ_BYTES];
    ssize_t n = read(s->process.output, block, sizeof block);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    if (!buf_append(&s->inbox, block, (size_t)n)) {
        mcp_peer_fail(s, "it sent a message of more than %d MB", MCP_MAX_MESSAGE_BYTES >> 20);
        return false;
    }
    return take_lines(s);
}

/* Keeps the last line that is not empty. */
static void read_errors(mcp_peer *s)
{
    char block[4096];
    ssize_t n = read(s->process.errors, block, sizeof block);
    if (n <= 0) {
        if (n == 0) {
            close(s->process.errors);
            s->process.errors = -1;
        }
        return;
    }
    for (ssize_t i = 0, start = 0; i <= n; i++) {
        if (i < n && block[i] != '\n')
            continue;
        if (i > start) {
            if (start > 0)
                buf_clear(&s->errors);
            size_t room = s->errors.max - s->errors.n, length = (size_t)(i - start);
            buf_append(&s->errors, block + start, length < room ? length : room);
            if (i < n)
                log_write(s->log, HEARTH_LOG_DEBUG, "tool server %s: %s", s->config->name,
                          s->errors.data ? s->errors.data : "");
        }
        start = i + 1;
    }
}

static bool write_outbox(mcp_peer *s)
{
    monitor_lock(&s->door);
    ssize_t n = s->outbox.n ? write(s->process.input, s->outbox.data, s->outbox.n) : 0;
    bool good = n >= 0 || errno == EAGAIN || errno == EINTR;
    if (n > 0)
        buf_remove_front(&s->outbox, (size_t)n);
    monitor_unlock(&s->door);
    return good;
}

static int patience_ms(const mcp_peer *s)
{
    uint64_t now = clock_now_ns();
    if (s->deadline_ns == 0)
        return IDLE_POLL_MS;
    uint64_t left = s->deadline_ns > now ? (s->deadline_ns - now) / MS_NS + 1 : 0;
    return left < IDLE_POLL_MS ? (int)left : IDLE_POLL_MS;
}

static bool is_late(mcp_peer *s)
{
    if (s->deadline_ns == 0 || clock_now_ns() < s->deadline_ns)
        return false;
    mcp_peer_fail(s, "it has not told its tools within %d s", MCP_START_TIMEOUT_MS / 1000);
    return true;
}

/* One turn; false at the end of the process, or of everything. */
static bool turn(mcp_peer *s)
{
    uint64_t count;
    monitor_lock(&s->door);
    bool ending = s->ending, writing = s->outbox.n > 0;
    monitor_unlock(&s->door);
    if (ending || is_late(s))
        return false;
    struct pollfd fds[] = {
        {.fd = s->wake, .events = POLLIN},
        {.fd = s->process.output, .events = POLLIN},
        {.fd = s->process.errors, .events = POLLIN},
        {.fd = writing ? s->process.input : -1, .events = POLLOUT},
    };
    if (poll(fds, 4, patience_ms(s)) < 0)
        return errno == EINTR;
    if (fds[0].revents && read(s->wake, &count, sizeof count) < 0 && errno != EAGAIN)
        return false;
    if (fds[2].revents)
        read_errors(s);
    if (fds[3].revents && !write_outbox(s))
        return false;
    return fds[1].revents == 0 || read_output(s);
}

/* ---- the life of a process ---- */

static void fail_waiting(mcp_peer *s)
{
    monitor_lock(&s->door);
    for (pending *p = s->waiting; p; p = p->next) {
        if (p->done)
            continue;
        error_set(&p->failed, HEARTH_EIO, s->config->name,
                  "the tool server '%.64s' ended during the call: %.250s", s->config->name,
                  s->error);
        p->done = true;
    }
    s->state = s->ending ? MCP_DISABLED : MCP_FAILED;
    s->version++;
    buf_clear(&s->outbox);
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
}

static bool run_process(mcp_peer *s)
{
    hearth_error err = {0};
    buf_clear(&s->inbox);
    buf_clear(&s->errors);
    s->n_looked = 0;
    s->told = false;
    monitor_lock(&s->door);
    s->n_starts++;
    s->state = MCP_STARTING;
    monitor_unlock(&s->door);
    if (mcp_process_start(&s->process, s->config, &err) != HEARTH_OK) {
        mcp_peer_fail(s, "%s", err.message);
    } else if (initialize(s)) {
        while (turn(s))
            continue;
    }
    monitor_lock(&s->door);
    bool ending = s->ending;
    monitor_unlock(&s->door);
    if (s->process.errors >= 0)
        read_errors(s);
    if (!s->told && !ending)
        mcp_peer_fail(s, "it ended%s%.200s", s->errors.n ? ": " : "",
                  s->errors.n ? s->errors.data : "");
    fail_waiting(s);
    mcp_process_stop(&s->process, GRACE_MS);
    return false;
}

static void run(void *arg)
{
    mcp_peer *s = arg;
    int64_t wait_ms = BACKOFF_FIRST_MS;
    for (;;) {
        uint64_t start = clock_now_ns();
        bool at_once = s->config->url ? mcp_remote_run(s) : run_process(s);
        if (clock_now_ns() - start > (uint64_t)STEADY_MS * MS_NS)
            wait_ms = BACKOFF_FIRST_MS;
        uint64_t until = clock_now_ns() + (uint64_t)wait_ms * MS_NS;
        monitor_lock(&s->door);
        while (!at_once && !s->ending && clock_now_ns() < until)
            monitor_wait(&s->door, (int64_t)(until - clock_now_ns()));
        bool ending = s->ending;
        monitor_unlock(&s->door);
        if (ending)
            return;
        if (at_once)
            continue;
        wait_ms = wait_ms * 2 < MCP_BACKOFF_MAX_MS ? wait_ms * 2 : MCP_BACKOFF_MAX_MS;
    }
}

/* ---- opening and closing ---- */

hearth_status mcp_peer_new(mcp_peer **out, const mcp_server_config *config, const hearth_log *log,
                           hearth_error *err)
{
    mcp_peer *s = mem_calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL)
        return error_no_memory(err, "a tool server", sizeof *s);
    s->config = config;
    s->log = log;
    s->state = config->disabled ? MCP_DISABLED : MCP_STARTING;
    s->process = (mcp_process){.input = -1, .output = -1, .errors = -1};
    monitor_init(&s->door);
    buf_init(&s->outbox, 2 * (size_t)MCP_MAX_MESSAGE_BYTES);
    buf_init(&s->inbox, MCP_MAX_MESSAGE_BYTES);
    buf_init(&s->errors, ERROR_LINE_BYTES);
    s->tools = json_array();
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    hearth_status status = HEARTH_OK;
    if (s->tools == NULL || s->wake < 0)
        status = error_no_memory(err, "a tool server", 0);
    else if (!config->disabled)
        status = thread_start(&s->thread, run, s, "a tool server", err);
    if (status != HEARTH_OK)
        mcp_peer_free(s);
    else
        *out = s;
    return status;
}

void mcp_peer_end(mcp_peer *s)
{
    const uint64_t one = 1;
    if (s == NULL)
        return;
    monitor_lock(&s->door);
    s->ending = true;
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
    if (s->wake >= 0 && write(s->wake, &one, sizeof one) < 0)
        return; /* full of wakes already */
}

void mcp_peer_free(mcp_peer *s)
{
    if (s == NULL)
        return;
    mcp_peer_end(s);
    thread_join(&s->thread);
    if (s->wake >= 0)
        close(s->wake);
    json_decref(s->tools);
    json_decref(s->new_tools);
    buf_deinit(&s->outbox);
    buf_deinit(&s->inbox);
    buf_deinit(&s->errors);
    mem_free(s->title);
    mem_free(s->instructions);
    monitor_deinit(&s->door);
    mem_free(s);
}
