/* SPDX-License-Identifier: MIT
 *
 * engine_states.c - what becomes of an engine: every change of its state is here (the diagram is in
 * actor.h).
 *
 * Why an engine failed is told to all who wait for it, as an event, and to whoever asks for a lease
 * that broke. What ended by itself with an exit code before it was ready will do so again, so that
 * is an answer. What died of a signal, or after it was ready, is tried again after a pause that
 * doubles, while somebody wants it.
 */
#include "runtime/actor.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/entropy.h"

enum { WELL_AGAIN = 120 /* times retry_ms without a crash: what was before is forgotten */ };

const char *engine_state_name(engine_state state)
{
    static const char *const names[] = {"planning", "starting", "ready",
                                        "draining", "stopping", "failed"};
    return names[state];
}

static uint64_t now_of(const runtime *rt)
{
    return uv_now(&rt->loop);
}

/* ---- who is there ---- */

engine *engines_find(const runtime *rt, const char *id)
{
    engine *e = rt->engines;
    while (e && strcmp(e->id, id) != 0)
        e = e->next;
    return e;
}

/* The loop forgets the timer in its own time. */
static void timer_closed(uv_handle_t *handle)
{
    engine *e = handle->data;
    mem_free(e);
}

static void forget(engine *e)
{
    engine **at = &e->rt->engines;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    engine_process_forget(e);
    mem_free(e->id);
    model_spec_deinit(&e->spec);
    runtime_failure_deinit(&e->failure);
    uv_close((uv_handle_t *)&e->timer, timer_closed);
}

/* Failed ones are kept to be looked at, but not without end. */
static void forget_old_failures(runtime *rt)
{
    engine *oldest = NULL;
    size_t n = 0;
    for (engine *e = rt->engines; e; e = e->next) {
        if (e->state != STATE_FAILED)
            continue;
        n++;
        if (oldest == NULL || e->failed_ms < oldest->failed_ms)
            oldest = e;
    }
    if (n > FAILED_MOST)
        forget(oldest);
}

static engine *add(runtime *rt, const char *id)
{
    engine *e = mem_calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->id = mem_dup(id, strlen(id));
    if (e->id == NULL) {
        mem_free(e);
        return NULL;
    }
    e->rt = rt;
    e->proc = (process){-1, -1, -1, -1};
    e->state = STATE_FAILED;
    model_spec_init(&e->spec);
    line_log_init(&e->log);
    uv_timer_init(&rt->loop, &e->timer);
    e->timer.data = e;
    e->next = rt->engines;
    rt->engines = e;
    return e;
}

static size_t count_engines(const runtime *rt)
{
    size_t n = 0;
    for (const engine *e = rt->engines; e; e = e->next)
        n++;
    return n;
}

/* ---- who waits ---- */

static void add_waiter(engine *e, call *c)
{
    call **at = &e->waiters;
    while (*at)
        at = &(*at)->next;
    *at = c;
    c->next = NULL;
    e->background = e->background || c->background;
}

static void answer_waiters(engine *e, hearth_status status, const hearth_error *err,
                           const runtime_failure *failure)
{
    for (call *c = e->waiters, *next; c; c = next) {
        next = c->next;
        call_answer(c, status, err, failure);
    }
    e->waiters = NULL;
    e->background = false;
}

static void cancel_waiters(engine *e)
{
    hearth_error err;
    runtime_failure failure = {RUNTIME_CANCELED, NULL};
    error_set(&err, HEARTH_ECANCELED, e->id, "the load of '%.120s' was given up", e->id);
    answer_waiters(e, HEARTH_ECANCELED, &err, &failure);
}

static bool is_wanted(const engine *e)
{
    return e->waiters || e->background || e->pinned;
}

/* ---- leases ---- */

static char *dup_text(const char *text)
{
    return mem_dup(text, strlen(text));
}

void engines_lease_free(runtime_lease *lease)
{
    if (lease == NULL)
        return;
    mem_free(lease->model);
    mem_free(lease->base_url);
    mem_free(lease->key);
    mem_free(lease->name);
    mem_free(lease);
}

static runtime_lease *lease_new(engine *e)
{
    const bool remote = e->plan.kind == ENGINE_REMOTE;
    runtime_lease *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->release = (message){.kind = CALL_RELEASE, .lease = l};
    l->rt = e->rt;
    l->model = dup_text(e->id);
    l->base_url = dup_text(e->url);
    l->key = dup_text(remote ? (e->spec.key ? e->spec.key : "") : e->key);
    l->name = dup_text(remote && e->spec.remote_name ? e->spec.remote_name : e->id);
    l->endpoint = (runtime_endpoint){.model = l->model,
                                     .base_url = l->base_url,
                                     .key = l->key,
                                     .name = l->name,
                                     .kind = e->plan.kind,
                                     .generation = e->generation,
                                     .n_ctx = e->plan.n_ctx,
                                     .sees = e->plan.sees};
    if (l->model && l->base_url && l->key && l->name)
        return l;
    engines_lease_free(l);
    return NULL;
}

static void grant(engine *e, call *c)
{
    hearth_error err;
    e->used_ms = now_of(e->rt);
    e->used_at = time(NULL);
    if (c->background) {
        call_answer(c, HEARTH_OK, NULL, NULL);
        return;
    }
    runtime_lease *lease = lease_new(e);
    if (lease == NULL) {
        call_answer(c, error_no_memory(&err, "a lease", sizeof *lease), &err, NULL);
        return;
    }
    c->lease = lease;
    e->n_in_flight++;
    if (!call_answer(c, HEARTH_OK, NULL, NULL)) {
        e->n_in_flight--;
        engines_lease_free(lease);
    }
}

void engines_release(runtime *rt, runtime_lease *lease)
{
    engine *e = engines_find(rt, lease->model);
    if (e && e->generation == lease->endpoint.generation && e->n_in_flight > 0) {
        e->n_in_flight--;
        e->used_ms = now_of(rt);
        e->used_at = time(NULL);
        if (e->state == STATE_DRAINING && e->n_in_flight == 0)
            engine_begin_drain(e, e->leaving, 0);
    }
    engines_lease_free(lease);
}

/* ---- planning ---- */

static void begin_plan(engine *e)
{
    e->state = STATE_PLANNING;
    e->has_plan = false;
    e->progress = 0;
    e->told_progress = -1;
    report_progress(e, "planning");
    prepare_engine(e);
}

static void on_retry(uv_timer_t *timer)
{
    engine *e = timer->data;
    begin_plan(e);
}

/* From Failed or forgotten: the newest caller's spec decides, once (it is taken from the call). */
static void begin_again(engine *e, uint64_t delay_ms)
{
    runtime *rt = e->rt;
    call *newest = e->waiters;
    while (newest && newest->next)
        newest = newest->next;
    if (newest && newest->spec.id) {
        model_spec_deinit(&e->spec);
        e->spec = newest->spec;
        model_spec_init(&newest->spec);
    }
    e->pinned = e->pinned || e->spec.pinned;
    e->leaving = NULL;
    e->unwanted = false;
    e->asked_ms = now_of(rt);
    e->order = ++rt->orders;
    e->state = STATE_PLANNING;
    e->has_plan = false;
    e->n_in_flight = 0;
    if (delay_ms > 0)
        uv_timer_start(&e->timer, on_retry, delay_ms, 0);
    else
        begin_plan(e);
}

void engine_is_planned(engine *e, hearth_status status, runtime_failure_code code,
                       const hearth_error *err)
{
    if (e->unwanted || e->rt->ending) {
        cancel_waiters(e);
        forget(e);
    } else if (status != HEARTH_OK) {
        engine_refuse(e, code, err);
    } else {
        e->kind = engine_kind_find(e->plan.kind);
        e->has_plan = true;
        report_progress(e, "waiting");
    }
    admission_run(e->rt);
}

/* ---- failing ---- */

static void fail(engine *e, runtime_failure_code code, const hearth_error *err)
{
    char *tail = line_log_tail(&e->log, LOG_LINES);
    runtime_failure_deinit(&e->failure);
    e->failure = (runtime_failure){code, tail && *tail ? tail : NULL};
    if (e->failure.log == NULL)
        mem_free(tail);
    e->error = *err;
    e->state = STATE_FAILED;
    e->has_plan = false;
    e->n_in_flight = 0;
    e->failed_ms = now_of(e->rt);
    uv_timer_stop(&e->timer);
    engine_process_forget(e);
    log_write(&e->rt->options.log, HEARTH_LOG_WARNING, "%s", err->message);
}

/* Nothing is tried again. */
static void give_up(engine *e)
{
    events_send(
        e->rt->options.bus, EVENT_MODEL_FAILED,
        json_pack("{s:s, s:o}", "model", e->id, "error", report_error(&e->error, &e->failure)));
    answer_waiters(e, e->error.code, &e->error, &e->failure);
    forget_old_failures(e->rt);
}

void engine_refuse(engine *e, runtime_failure_code code, const hearth_error *err)
{
    fail(e, code, err);
    give_up(e);
}

/* The reason for those who ask later; the ring's oldest leaves. */
static void remember_end(engine *e, const hearth_error *err, const runtime_failure *failure)
{
    runtime *rt = e->rt;
    ended_engine *place = &rt->ended[rt->n_ended++ % ENDED_MOST];
    runtime_failure_deinit(&place->failure);
    *place = (ended_engine){.generation = e->generation, .error = *err};
    place->failure.code = failure->code;
    place->failure.log = failure->log ? dup_text(failure->log) : NULL;
    for (call **at = &rt->whys; *at;) {
        call *c = *at;
        if (c->generation != e->generation) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        call_answer(c, err->code, err, failure);
    }
}

static void answer_unloads(runtime *rt, const engine *e);

static uint64_t pause_after(const engine *e)
{
    unsigned doublings = e->crashes > 0 ? e->crashes - 1 : 0;
    return (uint64_t)e->rt->options.retry_ms << (doublings < 16 ? doublings : 16);
}

/* The last line that says something. */
static void last_line(const engine *e, char *out, size_t n)
{
    char *tail = line_log_tail(&e->log, 1);
    snprintf(out, n, "%s", tail ? tail : "");
    out[strcspn(out, "\n")] = '\0';
    mem_free(tail);
}

static void crash(engine *e, bool retry)
{
    runtime *rt = e->rt;
    const bool was_well =
        e->ready_ms > 0 && now_of(rt) - e->ready_ms >= (uint64_t)rt->options.retry_ms * WELL_AGAIN;
    e->crashes = was_well ? 1 : e->crashes + 1;
    retry = retry && is_wanted(e) && e->crashes <= rt->options.retries && !rt->ending;
    remember_end(e, &e->error, &e->failure);
    events_send(rt->options.bus, EVENT_ENGINE_CRASHED,
                json_pack("{s:s, s:I, s:o, s:o}", "model", e->id, "generation",
                          (json_int_t)e->generation, "error", report_error(&e->error, &e->failure),
                          "retry_ms",
                          retry ? json_integer((json_int_t)pause_after(e)) : json_null()));
    answer_unloads(rt, e);
    if (retry)
        begin_again(e, pause_after(e));
    else
        give_up(e);
}

/* It ended although nobody told it to. */
static void ended_by_itself(engine *e)
{
    char how[64], line[200];
    hearth_error err;
    const bool was_ready = e->state != STATE_STARTING;
    const bool by_signal = WIFSIGNALED(e->exit_status);
    process_status_text(e->exit_status, how, sizeof how);
    last_line(e, line, sizeof line);
    error_set(&err, HEARTH_EIO, e->id, "the engine of '%.100s' ended %s with %s%s%s", e->id,
              was_ready ? "while it was in use" : "before it was ready", how, *line ? ": " : "",
              line);
    fail(e, was_ready || by_signal ? RUNTIME_CRASHED : RUNTIME_START_FAILED, &err);
    crash(e, was_ready || by_signal);
}

void engine_start_failed(engine *e, runtime_failure_code code, const hearth_error *err)
{
    fail(e, code, err);
    remember_end(e, &e->error, &e->failure);
    answer_unloads(e->rt, e);
    give_up(e);
}

void engine_is_late(engine *e)
{
    hearth_error err;
    error_set(&err, HEARTH_EIO, e->id,
              "the engine of '%.100s' got no further for %u s while it started, at %.0f %%", e->id,
              (unsigned)(e->rt->options.start_ms / 1000), e->progress * 100);
    e->failure.code = RUNTIME_START_TIMEOUT;
    e->error = err;
    e->leaving = "late";
    e->state = STATE_STOPPING;
    engine_process_forget(e);
    engine_process_kill(e);
}

void engine_is_unreachable(engine *e, long http_status)
{
    hearth_error err;
    char how[48] = "does not answer";
    if (http_status > 0)
        snprintf(how, sizeof how, "answers with status %ld", http_status);
    error_set(&err, HEARTH_EIO, e->id, "the remote engine of '%.100s' at %.150s %s%s", e->id,
              e->url, how, http_status == 401 ? ": its key is wrong or missing" : "");
    fail(e, RUNTIME_UNREACHABLE, &err);
    crash(e, false);
}

/* ---- starting and ending ---- */

void engine_begin_start(engine *e)
{
    runtime *rt = e->rt;
    e->state = STATE_STARTING;
    e->generation = ++rt->generations;
    e->started_ms = e->progress_ms = now_of(rt);
    e->started_at = time(NULL);
    e->ready_ms = 0;
    e->load = (engine_load){0};
    e->cpu_at_ms = 0;
    line_log_init(&e->log);
    runtime_failure_deinit(&e->failure);
    e->error = (hearth_error){0};
    report_progress(e, "starting");
    engine_process_start(e);
}

void engine_is_ready(engine *e)
{
    runtime *rt = e->rt;
    call *waiters = e->waiters;
    uv_timer_stop(&e->timer);
    e->state = STATE_READY;
    e->progress = 1;
    e->ready_ms = e->used_ms = now_of(rt);
    e->used_at = time(NULL);
    e->waiters = NULL;
    e->background = false;
    events_send(rt->options.bus, EVENT_MODEL_LOADED,
                json_pack("{s:s, s:s, s:I, s:I, s:o}", "model", e->id, "kind",
                          engine_kind_name(e->plan.kind), "generation", (json_int_t)e->generation,
                          "load_ms", (json_int_t)(e->ready_ms - e->started_ms), "plan",
                          engine_plan_json(&e->plan)));
    for (call *c = waiters, *next; c; c = next) {
        next = c->next;
        grant(e, c);
    }
    engine_process_watch(e);
    admission_run(rt);
}

static void on_drained_late(uv_timer_t *timer)
{
    engine *e = timer->data;
    e->n_in_flight = 0;
    engine_begin_drain(e, e->leaving, 0);
}

void engine_begin_drain(engine *e, const char *why, uint32_t deadline_ms)
{
    e->leaving = why;
    e->state = STATE_DRAINING;
    uv_timer_stop(&e->timer);
    engine_process_forget(e);
    if (e->n_in_flight == 0) {
        e->state = STATE_STOPPING;
        engine_process_stop(e);
    } else if (deadline_ms > 0) {
        uv_timer_start(&e->timer, on_drained_late, deadline_ms, 0);
    }
}

/* As it was told to. */
static void ended_as_told(engine *e)
{
    runtime *rt = e->rt;
    hearth_error err;
    runtime_failure failure = {RUNTIME_CANCELED, NULL};
    error_set(&err, HEARTH_ECANCELED, e->id, "the engine of '%.100s' was unloaded (%s)", e->id,
              e->leaving);
    remember_end(e, &err, &failure);
    events_send(rt->options.bus, EVENT_MODEL_UNLOADED,
                json_pack("{s:s, s:I, s:s}", "model", e->id, "generation",
                          (json_int_t)e->generation, "reason", e->leaving));
    answer_unloads(rt, e);
    e->has_plan = false;
    if (e->waiters && !rt->ending)
        begin_again(e, 0);
    else {
        answer_waiters(e, HEARTH_ECANCELED, &err, &failure);
        forget(e);
    }
}

void engine_has_ended(engine *e)
{
    runtime *rt = e->rt;
    uv_timer_stop(&e->timer);
    if (e->failure.code == RUNTIME_START_TIMEOUT && e->state == STATE_STOPPING &&
        e->ready_ms == 0) {
        hearth_error err = e->error;
        e->failure.code = RUNTIME_NONE;
        engine_start_failed(e, RUNTIME_START_TIMEOUT, &err);
    } else if (e->state == STATE_STOPPING) {
        ended_as_told(e);
    } else {
        ended_by_itself(e);
    }
    admission_run(rt);
}

/* ---- calls ---- */

/* How long a new try has to wait after what happened before; false: it is answered with that. */
static bool may_try(engine *e, uint64_t *delay_ms)
{
    const uint64_t since = now_of(e->rt) - e->failed_ms;
    const uint64_t pause = e->crashes > 0 ? pause_after(e) : 0;
    *delay_ms = 0;
    if (e->crashes > e->rt->options.retries) {
        if (since < pause)
            return false;
        e->crashes = 0;
    } else if (since < pause) {
        *delay_ms = pause - since;
    }
    return true;
}

static void refuse_call(call *c, hearth_status status, const hearth_error *err,
                        runtime_failure_code code)
{
    runtime_failure failure = {code, NULL};
    call_answer(c, status, err, &failure);
}

static int64_t default_keep(const runtime *rt, const model_spec *spec)
{
    int64_t idle = spec->idle_ms >= 0 ? spec->idle_ms : rt->options.idle_ms;
    return idle > 0 ? idle : RUNTIME_KEEP_FOREVER;
}

static void take_keep(engine *e, const call *c)
{
    if (c->number != RUNTIME_KEEP_DEFAULT)
        e->keep_ms = c->number;
    else if (e->spec.idle_ms != c->spec.idle_ms)
        e->keep_ms = default_keep(e->rt, &c->spec);
    e->spec.idle_ms = c->spec.idle_ms;
    e->pinned = e->pinned || c->spec.pinned;
}

void engines_acquire(runtime *rt, call *c)
{
    hearth_error err;
    uint64_t delay_ms = 0;
    if (rt->ending) {
        error_set(&err, HEARTH_ECANCELED, "runtime", "the program is ending");
        refuse_call(c, HEARTH_ECANCELED, &err, RUNTIME_CANCELED);
        return;
    }
    engine *e = engines_find(rt, c->spec.id);
    if (e == NULL && count_engines(rt) < ENGINES_MOST && (e = add(rt, c->spec.id)) != NULL)
        e->keep_ms = default_keep(rt, &c->spec);
    if (e == NULL) {
        error_no_memory(&err, "one more engine", sizeof *e);
        refuse_call(c, HEARTH_ENOMEM, &err, RUNTIME_OTHER);
        return;
    }
    take_keep(e, c);
    if (e->state == STATE_READY && model_spec_same_engine(&e->spec, &c->spec)) {
        grant(e, c);
        return;
    }
    if (e->state == STATE_FAILED && !may_try(e, &delay_ms)) {
        call_answer(c, e->error.code, &e->error, &e->failure);
        return;
    }
    add_waiter(e, c);
    e->unwanted = false;
    if (e->state == STATE_FAILED)
        begin_again(e, delay_ms);
    else if (e->state == STATE_READY)
        engine_begin_drain(e, "settings", 0);
}

/* A load that nobody waits for any more is not gone on with. */
static void cancel_if_unwanted(engine *e)
{
    if (is_wanted(e))
        return;
    if (e->state == STATE_PLANNING && e->is_planning) {
        e->unwanted = true;
    } else if (e->state == STATE_PLANNING && e->crashes > 0) {
        e->state = STATE_FAILED; /* the next one waits out the pause, too */
        e->has_plan = false;
        uv_timer_stop(&e->timer);
    } else if (e->state == STATE_PLANNING) {
        forget(e);
    } else if (e->state == STATE_STARTING) {
        engine_begin_drain(e, "unwanted", 0);
    }
}

static bool take_from(call **list, const call *c)
{
    for (call **at = list; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            return true;
        }
    }
    return false;
}

void engines_abandon(runtime *rt, call *c)
{
    bool found = take_from(&rt->whys, c) || take_from(&rt->unloads, c);
    for (engine *e = rt->engines, *next; e && !found; e = next) {
        next = e->next;
        found = take_from(&e->waiters, c);
        if (found)
            cancel_if_unwanted(e);
    }
    if (found)
        call_answer(c, HEARTH_ECANCELED, NULL, NULL);
}

static void unload(engine *e, bool force)
{
    e->pinned = false;
    cancel_waiters(e); /* who comes from now on starts it again */
    if (force && e->state != STATE_STOPPING)
        e->n_in_flight = 0;
    if (e->state == STATE_STARTING || e->state == STATE_READY || e->state == STATE_DRAINING)
        engine_begin_drain(e, "asked", e->rt->options.drain_ms);
}

/* Those that only wait, or have failed, are gone at once. True: so it was. */
static bool unload_at_once(engine *e)
{
    if (e->state != STATE_FAILED && e->state != STATE_PLANNING)
        return false;
    cancel_waiters(e);
    e->pinned = false;
    if (e->is_planning)
        e->unwanted = true;
    else
        forget(e);
    return true;
}

void engines_unload(runtime *rt, call *c)
{
    hearth_error err;
    size_t n = 0;
    for (engine *e = rt->engines, *next; e; e = next) {
        next = e->next;
        if (c->spec.id && strcmp(e->id, c->spec.id) != 0)
            continue;
        n++;
        c->n_left += !unload_at_once(e);
    }
    if (n == 0 && c->spec.id) {
        error_set(&err, HEARTH_ENOTFOUND, c->spec.id, "'%.120s' is not loaded", c->spec.id);
        call_answer(c, HEARTH_ENOTFOUND, &err, NULL);
        return;
    }
    if (c->n_left == 0) {
        call_answer(c, HEARTH_OK, NULL, NULL);
        return;
    }
    c->next = rt->unloads;
    rt->unloads = c;
    for (engine *e = rt->engines; e; e = e->next) {
        if ((c->spec.id == NULL || strcmp(e->id, c->spec.id) == 0) && e->state != STATE_PLANNING)
            unload(e, c->flag);
    }
}

static void answer_unloads(runtime *rt, const engine *e)
{
    for (call **at = &rt->unloads; *at;) {
        call *c = *at;
        const bool about = c->spec.id == NULL || strcmp(c->spec.id, e->id) == 0;
        if (!about || --c->n_left > 0) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        call_answer(c, HEARTH_OK, NULL, NULL);
    }
}

void engines_pin(runtime *rt, call *c)
{
    hearth_error err;
    engine *e = engines_find(rt, c->spec.id);
    if (e == NULL || e->state == STATE_FAILED) {
        error_set(&err, HEARTH_ENOTFOUND, c->spec.id, "'%.120s' is not loaded", c->spec.id);
        call_answer(c, HEARTH_ENOTFOUND, &err, NULL);
        return;
    }
    e->pinned = c->flag;
    call_answer(c, HEARTH_OK, NULL, NULL);
}

void engines_why(runtime *rt, call *c)
{
    hearth_error err;
    for (size_t i = 0; i < ENDED_MOST; i++) {
        const ended_engine *ended = &rt->ended[i];
        if (ended->generation == c->generation) {
            call_answer(c, ended->error.code, &ended->error, &ended->failure);
            return;
        }
    }
    for (const engine *e = rt->engines; e; e = e->next) {
        if (e->generation == c->generation) {
            c->next = rt->whys;
            rt->whys = c;
            return;
        }
    }
    error_set(&err, HEARTH_EIO, "engine", "that engine ended long ago");
    refuse_call(c, HEARTH_EIO, &err, RUNTIME_OTHER);
}

void engines_end(runtime *rt)
{
    hearth_error err;
    runtime_failure failure = {RUNTIME_CANCELED, NULL};
    if (rt->ending)
        return;
    rt->ending = true;
    error_set(&err, HEARTH_ECANCELED, "runtime", "the program is ending");
    for (engine *e = rt->engines, *next; e; e = next) {
        next = e->next;
        answer_waiters(e, HEARTH_ECANCELED, &err, &failure);
        e->pinned = false;
        if (!unload_at_once(e) && e->state != STATE_STOPPING)
            engine_begin_drain(e, "shutdown", rt->options.drain_ms);
    }
}
