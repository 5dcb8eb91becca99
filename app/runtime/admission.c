/* SPDX-License-Identifier: MIT
 *
 * admission.c - the rules of budget.h applied to the engines as they are.
 */
#include "runtime/actor.h"

#include <stdio.h>

enum { STAY_LOADS = 4 /* what was loaded stays so many times as long as that took */ };

typedef struct view {
    budget_holder holders[ENGINES_MOST];
    engine *engines[ENGINES_MOST];
    bool marks[ENGINES_MOST];
    size_t n;
} view;

static bool holds(const engine *e)
{
    return e->state == STATE_STARTING || e->state == STATE_READY || e->state == STATE_DRAINING ||
           e->state == STATE_STOPPING;
}

static uint64_t stay_of(const engine *e)
{
    const uint64_t stay = (e->ready_ms - e->started_ms) * STAY_LOADS;
    return stay < e->rt->options.stay_ms ? stay : e->rt->options.stay_ms;
}

static budget_holder holder_of(const engine *e)
{
    return (budget_holder){.held = e->plan.need,
                           .ready = e->state == STATE_READY,
                           .leaving = e->state == STATE_DRAINING || e->state == STATE_STOPPING,
                           .pinned = e->pinned,
                           .n_in_flight = e->n_in_flight,
                           .ready_ms = e->ready_ms,
                           .stay_ms = stay_of(e),
                           .used_ms = e->used_ms,
                           .keep_ms = e->keep_ms};
}

static void look(const runtime *rt, view *v)
{
    v->n = 0;
    for (engine *e = rt->engines; e && v->n < ENGINES_MOST; e = e->next) {
        if (holds(e)) {
            v->engines[v->n] = e;
            v->holders[v->n++] = holder_of(e);
        }
    }
}

void admission_reserved(const runtime *rt, bool pinned_only, budget_amount *out)
{
    *out = (budget_amount){{0}};
    for (const engine *e = rt->engines; e; e = e->next) {
        if (holds(e) && (!pinned_only || e->pinned))
            budget_add(out, &e->plan.need);
    }
}

uint64_t admission_expires_in(const engine *e)
{
    if (!holds(e))
        return UINT64_MAX;
    const budget_holder h = holder_of(e);
    const uint64_t end = budget_expiry(&h), now = uv_now(&e->rt->loop);
    return end == UINT64_MAX ? end : end > now ? end - now : 0;
}

static engine *oldest_waiting(const runtime *rt)
{
    engine *oldest = NULL;
    for (engine *e = rt->engines; e; e = e->next) {
        if (e->state == STATE_PLANNING && e->has_plan &&
            (oldest == NULL || e->order < oldest->order))
            oldest = e;
    }
    return oldest;
}

static void refuse(engine *e)
{
    hearth_error err;
    error_set(
        &err, HEARTH_ENOFIT, e->id,
        "'%.120s' takes %.0f MiB, which there are not beside the pinned models; unpin one, or "
        "lower its context",
        e->id, (double)e->plan.need.bytes[BUDGET_RAM] / (1 << 20));
    engine_refuse(e, RUNTIME_NO_FIT, &err);
}

static void expire(runtime *rt, uint64_t now, uint64_t *next)
{
    view v;
    look(rt, &v);
    *next = budget_expire(v.holders, v.n, now, v.marks);
    for (size_t i = 0; i < v.n; i++) {
        if (v.marks[i])
            engine_begin_drain(v.engines[i], "idle", 0);
    }
}

/* True: somebody was let in or refused, so that the next one is to be looked at. */
static bool admit_oldest(runtime *rt, uint64_t now, uint64_t *next)
{
    view v;
    uint64_t again;
    const budget_rules rules = {rt->limit, rt->options.patience_ms};
    engine *e = oldest_waiting(rt);
    if (e == NULL)
        return false;
    look(rt, &v);
    switch (
        budget_admit(&rules, v.holders, v.n, &e->plan.need, e->asked_ms, now, v.marks, &again)) {
    case BUDGET_ADMIT:
        engine_begin_start(e);
        return true;
    case BUDGET_REFUSE:
        refuse(e);
        return true;
    case BUDGET_MAKE:
        for (size_t i = 0; i < v.n; i++) {
            if (v.marks[i])
                engine_begin_drain(v.engines[i], "room", 0);
        }
        return false;
    case BUDGET_WAIT:
        *next = again < *next ? again : *next;
        return false;
    }
    return false;
}

static void on_clock(uv_timer_t *timer)
{
    admission_run(timer->data);
}

void admission_run(runtime *rt)
{
    uint64_t next = UINT64_MAX;
    const uint64_t now = uv_now(&rt->loop);
    if (rt->closing)
        return;
    if (!rt->ending) {
        expire(rt, now, &next);
        while (admit_oldest(rt, now, &next))
            continue;
    }
    if (next == UINT64_MAX)
        uv_timer_stop(&rt->clock);
    else
        uv_timer_start(&rt->clock, on_clock, next > now ? next - now : 0, 0);
}
