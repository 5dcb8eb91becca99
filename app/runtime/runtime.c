/* SPDX-License-Identifier: MIT
 *
 * runtime.c - the runtime's public face: every function is a message to the actor (see actor.h), or
 * runs on the caller's thread from a copy.
 */
#include "runtime/runtime.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/actor.h"

const char *runtime_failure_text(runtime_failure_code code)
{
    static const char *const texts[] = {
#define RUNTIME_X(name, text, status) text,
        RUNTIME_FAILURE_MAP(RUNTIME_X)
#undef RUNTIME_X
    };
    return texts[code];
}

void runtime_failure_deinit(runtime_failure *failure)
{
    mem_free(failure->log);
    *failure = (runtime_failure){RUNTIME_NONE, NULL};
}

static hearth_status no_memory(hearth_error *err)
{
    return error_no_memory(err, "a call to the runtime", sizeof(call));
}

/* What the call brought home beside its status; a caller that gave up is told so by code. */
static void take_failure(call *c, hearth_status status, runtime_failure *out)
{
    monitor_lock(&c->m);
    if (out && status != HEARTH_OK) {
        if (c->done && !c->abandoned)
            *out = c->failure;
        else
            *out = (runtime_failure){status == HEARTH_EBUSY ? RUNTIME_DEADLINE : RUNTIME_CANCELED,
                                     NULL};
        if (c->done && !c->abandoned)
            c->failure = (runtime_failure){RUNTIME_NONE, NULL};
    }
    monitor_unlock(&c->m);
}

/* ---- leases ---- */

static hearth_status resolve(const runtime *rt, const char *name, model_spec *spec,
                             runtime_failure *failure, hearth_error *err)
{
    hearth_status status = rt->options.resolve(rt->options.user, name, spec, err);
    if (status == HEARTH_OK && (spec->id == NULL || *spec->id == '\0'))
        status = error_set(err, HEARTH_EINTERNAL, name, "'%.120s' has no id", name);
    if (status != HEARTH_OK && failure)
        failure->code = status == HEARTH_ENOTFOUND ? RUNTIME_NOT_FOUND
                        : status == HEARTH_EFORMAT ? RUNTIME_BAD_MODEL
                        : status == HEARTH_EINVAL  ? RUNTIME_BAD_SETTINGS
                                                   : RUNTIME_OTHER;
    return status;
}

static hearth_status acquire(runtime *rt, const char *name, int64_t keep_ms, bool background,
                             const runtime_wait *wait, runtime_lease **out,
                             runtime_failure *failure, hearth_error *err)
{
    if (failure)
        *failure = (runtime_failure){RUNTIME_NONE, NULL};
    call *c = call_new(CALL_ACQUIRE);
    if (c == NULL)
        return no_memory(err);
    c->number = keep_ms;
    c->background = background;
    hearth_status status = resolve(rt, name, &c->spec, failure, err);
    if (status == HEARTH_OK) {
        status = actor_ask(rt, c, wait, err);
        take_failure(c, background ? HEARTH_OK : status, failure);
    }
    *out = status == HEARTH_OK && !background ? c->lease : NULL;
    call_unref(c);
    return status;
}

hearth_status runtime_acquire(runtime *rt, const char *name, int64_t keep_ms,
                              const runtime_wait *wait, runtime_lease **out,
                              runtime_failure *failure, hearth_error *err)
{
    return acquire(rt, name, keep_ms, false, wait, out, failure, err);
}

const runtime_endpoint *runtime_lease_endpoint(const runtime_lease *lease)
{
    return &lease->endpoint;
}

void runtime_release(runtime_lease *lease)
{
    if (lease && !actor_post(lease->rt, &lease->release))
        engines_lease_free(lease);
}

hearth_status runtime_lease_why(const runtime_lease *lease, uint32_t wait_ms,
                                runtime_failure *failure, hearth_error *err)
{
    const runtime_wait wait = {.timeout_ms = wait_ms > 0 ? wait_ms : 1};
    if (failure)
        *failure = (runtime_failure){RUNTIME_OTHER, NULL};
    call *c = call_new(CALL_WHY);
    if (c == NULL)
        return no_memory(err);
    c->generation = lease->endpoint.generation;
    hearth_status status = actor_ask(lease->rt, c, &wait, err);
    if (status == HEARTH_EBUSY)
        status = error_set(err, HEARTH_EIO, lease->model,
                           "the connection to the engine of '%.120s' broke, and the engine runs on",
                           lease->model);
    else
        take_failure(c, status, failure);
    call_unref(c);
    return status;
}

/* ---- by hand ---- */

hearth_status runtime_load(runtime *rt, const char *name, int64_t keep_ms, bool background,
                           const runtime_wait *wait, runtime_failure *failure, hearth_error *err)
{
    runtime_lease *lease;
    hearth_status status = acquire(rt, name, keep_ms, background, wait, &lease, failure, err);
    runtime_release(lease);
    return status;
}

static hearth_status ask_about(runtime *rt, call_kind kind, const char *id, bool flag,
                               bool background, const runtime_wait *wait, hearth_error *err)
{
    call *c = call_new(kind);
    if (c == NULL || !model_spec_set(&c->spec.id, id)) {
        if (c)
            call_unref(c);
        return no_memory(err);
    }
    c->flag = flag;
    c->background = background;
    hearth_status status = actor_ask(rt, c, wait, err);
    call_unref(c);
    return status;
}

hearth_status runtime_unload(runtime *rt, const char *id, bool force, const runtime_wait *wait,
                             hearth_error *err)
{
    return ask_about(rt, CALL_UNLOAD, id, force, wait == NULL, wait, err);
}

hearth_status runtime_pin(runtime *rt, const char *id, bool pinned, hearth_error *err)
{
    return ask_about(rt, CALL_PIN, id, pinned, false, NULL, err);
}

/* ---- what is there ---- */

typedef struct answer {
    json_t *json;
    char *text;
    prepare_room *room;
} answer;

/* Takes what the call brought. */
static answer ask_for(runtime *rt, call_kind kind, const char *id, int64_t number)
{
    answer a = {0};
    call *c = call_new(kind);
    if (c == NULL)
        return a;
    c->number = number;
    if (model_spec_set(&c->spec.id, id) && actor_ask(rt, c, NULL, NULL) == HEARTH_OK) {
        a = (answer){c->json, c->text, c->room};
        c->json = NULL;
        c->text = NULL;
        c->room = NULL;
    }
    call_unref(c);
    return a;
}

json_t *runtime_list(runtime *rt)
{
    return ask_for(rt, CALL_LIST, NULL, 0).json;
}

json_t *runtime_find(runtime *rt, const char *id)
{
    return ask_for(rt, CALL_LIST, id, 0).json;
}

char *runtime_log(runtime *rt, const char *id)
{
    return ask_for(rt, CALL_LOG, id, 0).text;
}

json_t *runtime_telemetry(runtime *rt, int64_t since_ms)
{
    return ask_for(rt, CALL_TELEMETRY, NULL, since_ms).json;
}

bool runtime_metrics(runtime *rt, buf *out)
{
    char *text = ask_for(rt, CALL_METRICS, NULL, 0).text;
    const bool ok = text && buf_append_text(out, text);
    mem_free(text);
    return ok;
}

hearth_status runtime_plan_spec(runtime *rt, const model_spec *spec, json_t **out,
                                runtime_failure_code *code, hearth_error *err)
{
    engine_plan plan;
    budget_amount limit;
    gpu gpus[GPU_MOST];
    size_t n_gpus;
    runtime_failure_code own;
    prepare_room *room = ask_for(rt, CALL_ROOM, NULL, 0).room;
    if (room == NULL)
        FAIL(err, ECANCELED, "runtime", "the program is ending");
    hearth_status status = prepare_plan(rt, spec, room, &plan, &limit, gpus, &n_gpus, &own, err);
    if (code)
        *code = status == HEARTH_OK ? RUNTIME_NONE : own;
    mem_free(room);
    if (status != HEARTH_OK && status != HEARTH_ENOFIT)
        return status;
    *out = engine_plan_json(&plan);
    if (*out == NULL)
        return error_no_memory(err, "a plan", 0);
    if (status == HEARTH_ENOFIT && err)
        json_object_set_new(*out, "problem", json_string(err->message));
    return HEARTH_OK;
}

hearth_status runtime_plan(runtime *rt, const char *name, json_t **out, runtime_failure_code *code,
                           hearth_error *err)
{
    model_spec spec;
    runtime_failure failure = {0};
    model_spec_init(&spec);
    hearth_status status = resolve(rt, name, &spec, &failure, err);
    if (code)
        *code = failure.code;
    if (status == HEARTH_OK)
        status = runtime_plan_spec(rt, &spec, out, code, err);
    model_spec_deinit(&spec);
    return status;
}

json_t *runtime_machine(runtime *rt)
{
    gpu gpus[GPU_MOST];
    budget_amount limit;
    prepare_room *room = ask_for(rt, CALL_ROOM, NULL, 0).room;
    if (room == NULL)
        return NULL;
    size_t n_gpus = prepare_limits(rt, room, &limit, gpus);
    json_t *machine = report_machine(gpus, n_gpus, &limit, &room->held);
    json_t *backends = machine ? report_backends(rt->options.data_folder, gpus, n_gpus) : NULL;
    if (backends)
        json_object_set_new(machine, "backends", backends);
    mem_free(room);
    return machine;
}
