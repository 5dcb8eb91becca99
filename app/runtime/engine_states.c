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

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"

enum { WELL_AGAIN = 120 /* times retry_ms without a crash: what was before is forgotten */ };

const char *engine_state_name(engine_state state)
{
    static const char *const names[] = {"planning", "starting", "ready",
                                        "draining", "stopping", "failed"};
    return names[state];
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
void engine_begin_again(engine *e, uint64_t delay_ms)
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
    e->asked_ms = actor_now(rt);
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
        engine_cancel_waiters(e);
        engine_forget(e);
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
    e->failed_ms = actor_now(e->rt);
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
    engine_answer_waiters(e, e->error.code, &e->error, &e->failure);
    engines_forget_failures(e->rt);
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
    place->failure.log = failure->log ? mem_dup(failure->log, strlen(failure->log)) : NULL;
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

uint64_t engine_pause_after(const engine *e)
{
    unsigned doublings = e->crashes > 0 ? e->crashes - 1 : 0;
    return (uint64_t)e->rt->options.retry_ms << (doublings < 16 ? doublings : 16);
}

/* The last line, if it says something: that it listens has nothing to do with its end. */
static void last_line(const engine *e, char *out, size_t n)
{
    char url[sizeof e->url];
    char *tail = line_log_tail(&e->log, 1);
    snprintf(out, n, "%s", tail ? tail : "");
    out[strcspn(out, "\n")] = '\0';
    if (engine_line_url(out, url, sizeof url))
        *out = '\0';
    mem_free(tail);
}

static void crash(engine *e, bool retry)
{
    runtime *rt = e->rt;
    const bool was_well = e->ready_ms > 0 && actor_now(rt) - e->ready_ms >=
                                                 (uint64_t)rt->options.retry_ms * WELL_AGAIN;
    e->crashes = was_well ? 1 : e->crashes + 1;
    retry = retry && engine_is_wanted(e) && e->crashes <= rt->options.retries && !rt->ending;
    remember_end(e, &e->error, &e->failure);
    events_send(rt->options.bus, EVENT_ENGINE_CRASHED,
                json_pack("{s:s, s:I, s:o, s:o}", "model", e->id, "generation",
                          (json_int_t)e->generation, "error", report_error(&e->error, &e->failure),
                          "retry_ms",
                          retry ? json_integer((json_int_t)engine_pause_after(e)) : json_null()));
    engines_answer_unloads(rt, e);
    if (retry)
        engine_begin_again(e, engine_pause_after(e));
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
    const bool was_killed = by_signal && WTERMSIG(e->exit_status) == SIGKILL; /* not by us */
    error_set(&err, HEARTH_EIO, e->id, "the engine of '%.100s' ended %s with %s%s%s%s", e->id,
              !was_ready           ? "before it was ready"
              : e->n_in_flight > 0 ? "while it was in use"
                                   : "while it was loaded",
              how, was_killed ? ", as the system does where memory runs out" : "",
              *line ? ": " : "", line);
    fail(e, was_ready || by_signal ? RUNTIME_CRASHED : RUNTIME_START_FAILED, &err);
    crash(e, was_ready || by_signal);
}

void engine_start_failed(engine *e, runtime_failure_code code, const hearth_error *err)
{
    fail(e, code, err);
    remember_end(e, &e->error, &e->failure);
    engines_answer_unloads(e->rt, e);
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

void engine_hangs(engine *e)
{
    error_set(&e->error, HEARTH_EIO, e->id,
              "the engine of '%.100s' gave no sign of life for %u s, and was killed", e->id,
              (unsigned)(e->rt->options.hang_ms / 1000));
    e->failure.code = RUNTIME_CRASHED;
    e->leaving = "hung";
    e->state = STATE_STOPPING;
    uv_timer_stop(&e->timer);
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
    e->started_ms = e->progress_ms = actor_now(rt);
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
    e->ready_ms = e->used_ms = actor_now(rt);
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
        engine_grant(e, c);
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
    const bool was_starting = e->state == STATE_STARTING;
    e->leaving = why;
    e->state = STATE_DRAINING;
    uv_timer_stop(&e->timer);
    engine_process_forget(e);
    if (e->n_in_flight == 0) {
        e->state = STATE_STOPPING;
        if (was_starting) /* it has nothing to bring to an end, and may hear nothing while it loads
                           */
            engine_process_kill(e);
        else
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
    engines_answer_unloads(rt, e);
    e->has_plan = false;
    if (e->waiters && !rt->ending)
        engine_begin_again(e, 0);
    else {
        engine_answer_waiters(e, HEARTH_ECANCELED, &err, &failure);
        engine_forget(e);
    }
}

/* It had failed while it ran. */
static void killed_for(engine *e, runtime_failure_code code)
{
    const hearth_error err = e->error;
    e->failure.code = RUNTIME_NONE;
    if (e->ready_ms == 0) {
        engine_start_failed(e, code, &err);
    } else {
        fail(e, code, &err);
        crash(e, true);
    }
}

void engine_has_ended(engine *e)
{
    runtime *rt = e->rt;
    uv_timer_stop(&e->timer);
    if (e->state == STATE_STOPPING && e->failure.code != RUNTIME_NONE) {
        killed_for(e, e->failure.code);
    } else if (e->state == STATE_STOPPING) {
        ended_as_told(e);
    } else {
        ended_by_itself(e);
    }
    admission_run(rt);
}
