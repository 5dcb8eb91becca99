/* SPDX-License-Identifier: MIT
 *
 * engine_list.c - the engines that there are, who waits for them, and who has leases on them.
 */
#include "runtime/actor.h"

#include <string.h>

#include "base/mem.h"

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

void engine_forget(engine *e)
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
void engines_forget_failures(runtime *rt)
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
        engine_forget(oldest);
}

engine *engine_add(runtime *rt, const char *id)
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

size_t engines_count(const runtime *rt)
{
    size_t n = 0;
    for (const engine *e = rt->engines; e; e = e->next)
        n++;
    return n;
}

/* ---- who waits ---- */

void engine_add_waiter(engine *e, call *c)
{
    call **at = &e->waiters;
    while (*at)
        at = &(*at)->next;
    *at = c;
    c->next = NULL;
    e->background = e->background || c->background;
}

void engine_answer_waiters(engine *e, hearth_status status, const hearth_error *err,
                           const runtime_failure *failure)
{
    for (call *c = e->waiters, *next; c; c = next) {
        next = c->next;
        call_answer(c, status, err, failure);
    }
    e->waiters = NULL;
    e->background = false;
}

void engine_cancel_waiters(engine *e)
{
    hearth_error err;
    runtime_failure failure = {RUNTIME_CANCELED, NULL};
    error_set(&err, HEARTH_ECANCELED, e->id, "the load of '%.120s' was given up", e->id);
    engine_answer_waiters(e, HEARTH_ECANCELED, &err, &failure);
}

bool engine_is_wanted(const engine *e)
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

void engine_grant(engine *e, call *c)
{
    hearth_error err;
    e->used_ms = actor_now(e->rt);
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
        e->used_ms = actor_now(rt);
        e->used_at = time(NULL);
        if (e->state == STATE_DRAINING && e->n_in_flight == 0)
            engine_begin_drain(e, e->leaving, 0);
    }
    engines_lease_free(lease);
}
