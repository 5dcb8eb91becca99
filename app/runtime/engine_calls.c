/* SPDX-License-Identifier: MIT
 *
 * engine_calls.c - what callers ask for: an engine, its end, its pin, why it is gone.
 */
#include "runtime/actor.h"

#include <string.h>

/* How long a new try has to wait after what happened before; false: it is answered with that. */
static bool may_try(engine *e, uint64_t *delay_ms)
{
    const uint64_t since = actor_now(e->rt) - e->failed_ms;
    const uint64_t pause = e->crashes > 0 ? engine_pause_after(e) : 0;
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
    if (e == NULL && engines_count(rt) < ENGINES_MOST && (e = engine_add(rt, c->spec.id)) != NULL)
        e->keep_ms = default_keep(rt, &c->spec);
    if (e == NULL) {
        error_no_memory(&err, "one more engine", sizeof *e);
        refuse_call(c, HEARTH_ENOMEM, &err, RUNTIME_OTHER);
        return;
    }
    take_keep(e, c);
    if (e->state == STATE_READY && model_spec_same_engine(&e->spec, &c->spec)) {
        engine_grant(e, c);
        return;
    }
    if (e->state == STATE_FAILED && !may_try(e, &delay_ms)) {
        call_answer(c, e->error.code, &e->error, &e->failure);
        return;
    }
    engine_add_waiter(e, c);
    e->unwanted = false;
    if (e->state == STATE_FAILED)
        engine_begin_again(e, delay_ms);
    else if (e->state == STATE_READY)
        engine_begin_drain(e, "settings", 0);
}

/* A load that nobody waits for any more is not gone on with. */
static void cancel_if_unwanted(engine *e)
{
    if (engine_is_wanted(e))
        return;
    if (e->state == STATE_PLANNING && e->is_planning) {
        e->unwanted = true;
    } else if (e->state == STATE_PLANNING && e->crashes > 0) {
        e->state = STATE_FAILED; /* the next one waits out the pause, too */
        e->has_plan = false;
        uv_timer_stop(&e->timer);
    } else if (e->state == STATE_PLANNING) {
        engine_forget(e);
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
    engine_cancel_waiters(e); /* who comes from now on starts it again */
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
    engine_cancel_waiters(e);
    e->pinned = false;
    if (e->is_planning)
        e->unwanted = true;
    else
        engine_forget(e);
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

void engines_answer_unloads(runtime *rt, const engine *e)
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
        engine_answer_waiters(e, HEARTH_ECANCELED, &err, &failure);
        e->pinned = false;
        if (!unload_at_once(e) && e->state != STATE_STOPPING)
            engine_begin_drain(e, "shutdown", rt->options.drain_ms);
    }
}
