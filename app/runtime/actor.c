/* SPDX-License-Identifier: MIT
 *
 * actor.c - the runtime's thread, its inbox, and calls that wait for an answer (see actor.h).
 *
 * A call is counted by its caller and by the actor. A caller that gives up marks it under the
 * call's lock, so the actor either answers before that or learns that nobody took the answer.
 */
#include "runtime/actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "os/clock.h"

enum { LOOK_MS = 50 /* how often a waiting caller is asked whether it still wants it */ };

/* ---- calls ---- */

call *call_new(call_kind kind)
{
    call *c = mem_calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    monitor_init(&c->m);
    model_spec_init(&c->spec);
    c->n_refs = 1;
    c->first = (message){.kind = kind, .of = c};
    c->abandon = (message){.kind = CALL_ABANDON, .of = c};
    return c;
}

void call_unref(call *c)
{
    monitor_lock(&c->m);
    const int left = --c->n_refs;
    monitor_unlock(&c->m);
    if (left > 0)
        return;
    monitor_deinit(&c->m);
    model_spec_deinit(&c->spec);
    runtime_failure_deinit(&c->failure);
    json_decref(c->json);
    mem_free(c->text);
    mem_free(c->room);
    mem_free(c);
}

static void call_ref(call *c)
{
    monitor_lock(&c->m);
    c->n_refs++;
    monitor_unlock(&c->m);
}

bool call_answer(call *c, hearth_status status, const hearth_error *err,
                 const runtime_failure *failure)
{
    monitor_lock(&c->m);
    const bool taken = !c->abandoned && !c->background;
    c->status = status;
    if (err)
        c->err = *err;
    if (failure) {
        c->failure.code = failure->code;
        c->failure.log = failure->log ? mem_dup(failure->log, strlen(failure->log)) : NULL;
    }
    c->done = true;
    monitor_wake(&c->m);
    monitor_unlock(&c->m);
    call_unref(c);
    return taken;
}

bool actor_post(runtime *rt, message *m)
{
    m->next = NULL;
    monitor_lock(&rt->inbox_lock);
    const bool open = !rt->closed;
    if (open) {
        *rt->inbox_end = m;
        rt->inbox_end = &m->next;
        uv_async_send(&rt->wake);
    }
    monitor_unlock(&rt->inbox_lock);
    return open;
}

static hearth_status ended(hearth_error *err)
{
    FAIL(err, ECANCELED, "runtime", "the program is ending");
}

/* Locked c->m on return. False: it was given up, which *err says. */
static bool wait_for_answer(call *c, const runtime_wait *wait, hearth_error *err)
{
    const uint64_t timeout_ns = wait ? (uint64_t)wait->timeout_ms * 1000000 : 0;
    const uint64_t start = clock_now_ns();
    const int64_t step = wait && (wait->wanted || timeout_ns) ? (int64_t)LOOK_MS * 1000000 : -1;
    monitor_lock(&c->m);
    while (!c->done) {
        monitor_wait(&c->m, step);
        if (c->done)
            break;
        if (timeout_ns && clock_now_ns() - start >= timeout_ns) {
            error_set(err, HEARTH_EBUSY, "runtime", "no answer within %u ms; it may come later",
                      (unsigned)wait->timeout_ms);
            break;
        }
        if (wait && wait->wanted) {
            monitor_unlock(&c->m);
            const bool wanted = wait->wanted(wait->user);
            monitor_lock(&c->m);
            if (!wanted && !c->done) {
                error_set(err, HEARTH_ECANCELED, "runtime", "nobody waits for it any more");
                break;
            }
        }
    }
    return c->done;
}

hearth_status actor_ask(runtime *rt, call *c, const runtime_wait *wait, hearth_error *err)
{
    call_ref(c);
    if (!actor_post(rt, &c->first)) {
        call_unref(c);
        return ended(err);
    }
    if (c->background)
        return HEARTH_OK;
    hearth_error given_up = {0};
    if (wait_for_answer(c, wait, &given_up)) {
        if (c->status != HEARTH_OK && err)
            *err = c->err;
        const hearth_status status = c->status;
        monitor_unlock(&c->m);
        return status;
    }
    c->abandoned = true;
    c->n_refs++; /* the abandon message's */
    monitor_unlock(&c->m);
    if (!actor_post(rt, &c->abandon))
        call_unref(c);
    if (err)
        *err = given_up;
    return given_up.code;
}

/* ---- the thread ---- */

uint64_t actor_now(const runtime *rt)
{
    return uv_now(&rt->loop);
}

static void answer_json(call *c, json_t *json)
{
    c->json = json;
    hearth_error err;
    if (json == NULL)
        error_no_memory(&err, "a report", 0);
    call_answer(c, json ? HEARTH_OK : HEARTH_ENOMEM, json ? NULL : &err, NULL);
}

static void answer_list(runtime *rt, call *c)
{
    json_t *list = json_array();
    for (const engine *e = rt->engines; e && list && c->spec.id == NULL; e = e->next)
        json_array_append_new(list, report_engine(e));
    if (c->spec.id == NULL) {
        answer_json(c, list);
        return;
    }
    json_decref(list);
    const engine *e = engines_find(rt, c->spec.id);
    answer_json(c, e ? report_engine(e) : NULL);
}

static void answer_log(runtime *rt, call *c)
{
    const engine *e = engines_find(rt, c->spec.id);
    c->text = e ? line_log_tail(&e->log, SIZE_MAX) : NULL;
    call_answer(c, HEARTH_OK, NULL, NULL);
}

static void answer_metrics(runtime *rt, call *c)
{
    buf text;
    size_t n;
    buf_init(&text, 0);
    c->text = telemetry_metrics(rt, &text) ? buf_take(&text, &n) : NULL;
    buf_deinit(&text);
    call_answer(c, HEARTH_OK, NULL, NULL);
}

static void answer_room(runtime *rt, call *c)
{
    c->room = mem_calloc(1, sizeof *c->room);
    if (c->room)
        prepare_room_look(rt, NULL, c->room);
    call_answer(c, HEARTH_OK, NULL, NULL);
}

static void handle(runtime *rt, message *m)
{
    call *c = m->of;
    switch (m->kind) {
    case CALL_ACQUIRE:
        engines_acquire(rt, c);
        break;
    case CALL_UNLOAD:
        engines_unload(rt, c);
        break;
    case CALL_PIN:
        engines_pin(rt, c);
        break;
    case CALL_LIST:
        answer_list(rt, c);
        break;
    case CALL_LOG:
        answer_log(rt, c);
        break;
    case CALL_WHY:
        engines_why(rt, c);
        break;
    case CALL_ROOM:
        answer_room(rt, c);
        break;
    case CALL_TELEMETRY:
        answer_json(c, telemetry_since(rt, c->number));
        break;
    case CALL_METRICS:
        answer_metrics(rt, c);
        break;
    case CALL_ABANDON:
        engines_abandon(rt, c);
        call_unref(c);
        break;
    case CALL_RELEASE:
        engines_release(rt, m->lease);
        break;
    case CALL_END:
        engines_end(rt);
        call_answer(c, HEARTH_OK, NULL, NULL);
        break;
    }
}

/* Closes the loop's handles once nothing is left that needs them. */
static void close_when_empty(runtime *rt)
{
    if (!rt->ending || rt->closing || rt->engines || rt->n_workers > 0)
        return;
    rt->closing = true;
    monitor_lock(&rt->inbox_lock);
    rt->closed = true;
    monitor_unlock(&rt->inbox_lock);
    telemetry_close(rt);
    fetcher_close(rt->fetcher);
    uv_close((uv_handle_t *)&rt->clock, NULL);
    uv_close((uv_handle_t *)&rt->pulse, NULL);
    uv_close((uv_handle_t *)&rt->wake, NULL);
}

static message *take_inbox(runtime *rt)
{
    monitor_lock(&rt->inbox_lock);
    message *m = rt->inbox;
    rt->inbox = NULL;
    rt->inbox_end = &rt->inbox;
    monitor_unlock(&rt->inbox_lock);
    return m;
}

static void on_wake(uv_async_t *wake)
{
    runtime *rt = wake->data;
    for (message *m = take_inbox(rt), *next; m; m = next) {
        next = m->next;
        handle(rt, m);
    }
    admission_run(rt);
}

/* After every round of the loop: whatever happened in it may have been the last thing. */
static void on_round(uv_check_t *check)
{
    runtime *rt = check->data;
    close_when_empty(rt);
    if (rt->closing)
        uv_close((uv_handle_t *)check, NULL);
}

static void run(void *user)
{
    runtime *rt = user;
    uv_check_t check;
    uv_check_init(&rt->loop, &check);
    check.data = rt;
    uv_check_start(&check, on_round);
    uv_run(&rt->loop, UV_RUN_DEFAULT);
    /* Releases that came too late for the loop. */
    for (message *m = take_inbox(rt), *next; m; m = next) {
        next = m->next;
        handle(rt, m);
    }
}

/* ---- beginning and end ---- */

void runtime_options_init(runtime_options *options)
{
    *options = (runtime_options){.idle_ms = 300000,
                                 .start_ms = 600000,
                                 .stop_ms = 10000,
                                 .hang_ms = 30000,
                                 .drain_ms = 30000,
                                 .stay_ms = 10000,
                                 .patience_ms = 30000,
                                 .retry_ms = 500,
                                 .retries = 3,
                                 .sample_ms = 2000};
}

static bool copy_texts(runtime *rt, const runtime_options *o)
{
    bool ok = model_spec_set(&rt->data_folder, o->data_folder) &&
              model_spec_set(&rt->engine_path, o->engine_path) &&
              model_spec_set(&rt->nvidia_smi, o->nvidia_smi) &&
              model_spec_set(&rt->builtin_name, o->builtin_name);
    if (ok && rt->engine_path == NULL)
        rt->engine_path = realpath("/proc/self/exe", NULL);
    rt->options.data_folder = rt->data_folder;
    rt->options.engine_path = rt->engine_path;
    rt->options.nvidia_smi = rt->nvidia_smi;
    rt->options.builtin_name = rt->builtin_name;
    return ok && rt->engine_path;
}

static void runtime_destroy(runtime *rt)
{
    mem_free(rt->data_folder);
    mem_free(rt->engine_path);
    mem_free(rt->nvidia_smi);
    mem_free(rt->builtin_name);
    for (size_t i = 0; i < ENDED_MOST; i++)
        runtime_failure_deinit(&rt->ended[i].failure);
    telemetry_free(rt);
    monitor_deinit(&rt->inbox_lock);
    mem_free(rt);
}

static bool goes_on(void *user, uint64_t done, uint64_t total)
{
    const runtime *rt = user;
    (void)done;
    (void)total;
    return !atomic_load(&rt->is_ending);
}

hearth_status runtime_new(runtime **out, const runtime_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    runtime *rt = mem_calloc(1, sizeof *rt);
    if (rt == NULL)
        return error_no_memory(err, "the runtime", sizeof *rt);
    monitor_init(&rt->inbox_lock);
    rt->inbox_end = &rt->inbox;
    rt->options = *options;
    rt->watch = (hearth_progress){goes_on, rt};
    if (!copy_texts(rt, options)) {
        runtime_destroy(rt);
        return error_no_memory(err, "the runtime's options", 0);
    }
    if (uv_loop_init(&rt->loop) != 0) {
        runtime_destroy(rt);
        FAIL(err, EIO, "runtime", "cannot make an event loop");
    }
    uv_async_init(&rt->loop, &rt->wake, on_wake);
    uv_timer_init(&rt->loop, &rt->clock);
    uv_timer_init(&rt->loop, &rt->pulse);
    rt->wake.data = rt->clock.data = rt->pulse.data = rt;
    engine_watch_start(rt);
    TRY_OUT(fetcher_new(&rt->fetcher, &rt->loop, err));
    TRY_OUT(telemetry_start(rt, err));
    TRY_OUT(thread_start(&rt->actor, run, rt, "the runtime", err));
    *out = rt;
    return HEARTH_OK;
out:
    telemetry_close(rt);
    fetcher_close(rt->fetcher);
    uv_close((uv_handle_t *)&rt->clock, NULL);
    uv_close((uv_handle_t *)&rt->pulse, NULL);
    uv_close((uv_handle_t *)&rt->wake, NULL);
    uv_run(&rt->loop, UV_RUN_DEFAULT);
    uv_loop_close(&rt->loop);
    runtime_destroy(rt);
    return status;
}

void runtime_begin_end(runtime *rt)
{
    call *c = call_new(CALL_END);
    atomic_store(&rt->is_ending, true);
    if (c == NULL)
        return; /* runtime_free tries again */
    actor_ask(rt, c, NULL, NULL);
    call_unref(c);
}

void runtime_free(runtime *rt)
{
    if (rt == NULL)
        return;
    runtime_begin_end(rt);
    thread_join(&rt->actor);
    uv_loop_close(&rt->loop);
    runtime_destroy(rt);
}
