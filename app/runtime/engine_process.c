/* SPDX-License-Identifier: MIT
 *
 * engine_process.c - from a plan to a process that answers, and to its end.
 *
 * The engine binds a port of its own choice and says so in a line; from then on its health is asked
 * for until it answers. How far it is, is told by what it has read or holds of the model's bytes,
 * whatever kind it is: that cannot grow without end, so an engine that hangs is found out.
 * A remote engine has no process: its list of models is its health.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "runtime/actor.h"
#include "runtime/proc_stat.h"

enum {
    TICK_MS = 100,        /* looks at a start */
    WATCH_MS = 10000,     /* looks at a remote engine */
    HEALTH_MS = 5000,     /* for an answer */
    HEALTH_MAX = 1 << 20, /* bytes of one */
    UNHEALTHY_MOST = 3,   /* answers of a remote that do not come, in a row */
    READS_AT_ONCE = 16,   /* of a flood, before others have their turn */
    READS_AT_END = 64,
    STEP_PERCENT = 1, /* of the model's bytes is progress */
};

/* ---- what it writes ---- */

static void on_line(void *user, const char *line)
{
    engine *e = user;
    if (e->url[0] == '\0' && engine_line_url(line, e->url, sizeof e->url))
        e->health_ms = 0;
}

/* False: its end is closed. */
static bool read_some(engine *e, int fd, int stream, int most)
{
    char bytes[8192];
    for (int i = 0; i < most; i++) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n > 0)
            line_log_write(&e->log, stream, bytes, (size_t)n, on_line, e);
        else
            return n == -1 && (errno == EAGAIN || errno == EINTR);
    }
    return true;
}

static void on_out(uv_poll_t *poll, int status, int happened)
{
    engine *e = poll->data;
    (void)happened;
    if (status < 0 || !read_some(e, e->proc.out_fd, 0, READS_AT_ONCE))
        uv_poll_stop(poll);
}

static void on_err(uv_poll_t *poll, int status, int happened)
{
    engine *e = poll->data;
    (void)happened;
    if (status < 0 || !read_some(e, e->proc.err_fd, 1, READS_AT_ONCE))
        uv_poll_stop(poll);
}

/* ---- its end ---- */

static void on_closed(uv_handle_t *handle)
{
    engine *e = handle->data;
    if (--e->n_handles > 0)
        return;
    process_close(&e->proc);
    e->proc = (process){-1, -1, -1, -1};
    engine_has_ended(e);
}

static void on_end(uv_poll_t *poll, int status, int happened)
{
    engine *e = poll->data;
    (void)status;
    (void)happened;
    /* While it is not reaped, its number stands for its group alone: what it started ends, too. */
    process_signal(&e->proc, SIGKILL, true);
    if (!process_reap(&e->proc, &e->exit_status))
        return;
    engine_process_forget(e);
    uv_timer_stop(&e->timer);
    read_some(e, e->proc.out_fd, 0, READS_AT_END);
    read_some(e, e->proc.err_fd, 1, READS_AT_END);
    line_log_finish(&e->log);
    uv_close((uv_handle_t *)&e->out, on_closed);
    uv_close((uv_handle_t *)&e->err, on_closed);
    uv_close((uv_handle_t *)&e->end, on_closed);
}

/* One without a process ends in the loop's next round, as one with a process would. */
static void on_nothing_left(uv_timer_t *timer)
{
    engine_has_ended(timer->data);
}

static void on_stop_late(uv_timer_t *timer)
{
    engine_process_kill(timer->data);
}

void engine_process_kill(engine *e)
{
    if (e->proc.pidfd == -1)
        uv_timer_start(&e->timer, on_nothing_left, 0, 0);
    else
        process_signal(&e->proc, SIGKILL, true);
}

void engine_process_stop(engine *e)
{
    if (e->proc.pidfd == -1) {
        engine_process_kill(e);
        return;
    }
    process_signal(&e->proc, SIGTERM, false);
    uv_timer_start(&e->timer, on_stop_late, e->rt->options.stop_ms, 0);
}

void engine_process_forget(engine *e)
{
    fetch_cancel(e->health);
    fetch_cancel(e->metrics);
    e->health = e->metrics = NULL;
}

/* ---- readiness ---- */

static void look_at_progress(engine *e, uint64_t now)
{
    proc_usage usage;
    const uint64_t all = e->plan.weight_bytes;
    if (e->proc.pidfd == -1 || all == 0 || !proc_usage_read(e->proc.pid, &usage))
        return;
    uint64_t seen =
        usage.resident_bytes > usage.read_bytes ? usage.resident_bytes : usage.read_bytes;
    double part = seen < all ? (double)seen / (double)all : 1;
    if (part * 100 >= e->progress * 100 + STEP_PERCENT) {
        e->progress = part;
        e->progress_ms = now;
        report_progress(e, "starting");
    }
}

static void on_health(void *user, long status, const char *body, size_t n)
{
    engine *e = user;
    const uint64_t now = uv_now(&e->rt->loop);
    (void)body;
    (void)n;
    e->health = NULL;
    if (status > 0)
        engine_is_alive(e);
    if (status >= 200 && status < 300) {
        e->n_unhealthy = 0;
        if (e->state == STATE_STARTING)
            engine_is_ready(e);
        return;
    }
    e->n_unhealthy++;
    /* The longer it takes, the less often. */
    uint64_t waited = now - e->started_ms;
    e->health_ms = now + (waited / 20 < 1000 ? waited / 20 : 1000);
    if (!e->kind->has_process && (e->state == STATE_READY || e->state == STATE_STARTING) &&
        (e->n_unhealthy >= UNHEALTHY_MOST || status >= 400))
        engine_is_unreachable(e, status);
}

void engine_process_ask_health(engine *e)
{
    char url[400];
    if (e->health || e->url[0] == '\0')
        return;
    const char *key = e->kind->health_needs_key ? e->spec.key : NULL;
    snprintf(url, sizeof url, "%s%s", e->url, e->kind->health_path);
    fetch_start(e->rt->fetcher, url, key, HEALTH_MS, HEALTH_MAX, on_health, e, &e->health, NULL);
}

static void on_tick(uv_timer_t *timer)
{
    engine *e = timer->data;
    const uint64_t now = uv_now(&e->rt->loop);
    look_at_progress(e, now);
    if (now - e->progress_ms >= e->rt->options.start_ms)
        engine_is_late(e);
    else if (now >= e->health_ms)
        engine_process_ask_health(e);
}

static void on_watch(uv_timer_t *timer)
{
    engine_process_ask_health(timer->data);
}

void engine_process_watch(engine *e)
{
    if (!e->kind->has_process)
        uv_timer_start(&e->timer, on_watch, WATCH_MS, WATCH_MS);
}

/* ---- the beginning ---- */

static bool make_key(char *out)
{
    unsigned char bytes[32];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

static void watch(engine *e, uv_poll_t *poll, int fd, uv_poll_cb callback)
{
    uv_poll_init(&e->rt->loop, poll, fd);
    poll->data = e;
    uv_poll_start(poll, UV_READABLE, callback);
    e->n_handles++;
}

static hearth_status start_process(engine *e, hearth_error *err)
{
    word_list argv = {0}, environment = {0};
    if (!make_key(e->key))
        FAIL(err, EIO, "key", "the system gives no random bytes for an engine's key");
    e->kind->command(&e->spec, &e->plan, &argv);
    engine_environment(e->kind, e->key, &environment);
    hearth_status status = process_start(&e->proc, &argv, &environment, err);
    word_list_deinit(&argv);
    word_list_deinit(&environment);
    if (status != HEARTH_OK)
        return status;
    watch(e, &e->out, e->proc.out_fd, on_out);
    watch(e, &e->err, e->proc.err_fd, on_err);
    watch(e, &e->end, e->proc.pidfd, on_end);
    return HEARTH_OK;
}

void engine_process_start(engine *e)
{
    hearth_error err = {0};
    hearth_status status;
    e->url[0] = '\0';
    e->n_unhealthy = 0;
    e->health_ms = 0;
    if (e->kind->has_process)
        status = start_process(e, &err);
    else
        status = engine_remote_url(e->spec.url, e->url, sizeof e->url, &err);
    if (status != HEARTH_OK) {
        engine_start_failed(e, RUNTIME_START_FAILED, &err);
        return;
    }
    uv_timer_start(&e->timer, on_tick, 0, TICK_MS);
}
