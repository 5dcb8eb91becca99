/* SPDX-License-Identifier: MIT
 *
 * engines.c - handlers of what the runtime does: loading, unloading, plans, the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/handlers.h"
#include "gateway/model_settings.h"
#include "gateway/remotes.h"
#include "library/describe.h"
#include "library/peek.h"

static runtime_wait while_wanted(const gateway_call *c)
{
    return (runtime_wait){.wanted = call_is_wanted, .user = (void *)(uintptr_t)c->q};
}

static hearth_status answer_engine(gateway_call *c, const char *model, hearth_error *err)
{
    json_t *engine = runtime_find(c->g->runtime, model);
    if (engine == NULL)
        FAIL(err, ENOTFOUND, "model", "%s is not loaded", model);
    return call_json(c, engine, err);
}

hearth_status serve_engines(gateway_call *c, hearth_error *err)
{
    return call_json(c, json_pack("{s:o}", "engines", runtime_list(c->g->runtime)), err);
}

hearth_status gateway_check_plan(gateway_call *c, const char *model, hearth_error *err)
{
    json_t *plan = NULL;
    hearth_error why = {0};
    hearth_status status = runtime_plan(c->g->runtime, model, &plan, &c->failure.code, &why);
    const char *problem = json_string_value(json_object_get(plan, "problem"));
    if (status == HEARTH_OK && problem)
        status = error_set(&why, HEARTH_ENOFIT, "model", "%s", problem);
    if (status != HEARTH_OK && err)
        *err = why;
    json_decref(plan);
    return status;
}

/* An engine that runs with other settings leaves first. *before: what was set, if that is
 * different; the caller's. */
static hearth_status take_settings(gateway_call *c, const char *model, const json_t *settings,
                                   json_t **before, hearth_error *err)
{
    bool changed = false;
    const runtime_wait wait = while_wanted(c);
    if (settings == NULL)
        return HEARTH_OK;
    if (remote_is_known(c->g, model))
        FAIL(err, EINVAL, "settings", "%s runs elsewhere and has no settings here", model);
    json_t *old = NULL;
    TRY(model_settings_get(c->g->store, model, &old, err));
    hearth_status status = model_settings_change(c->g->store, model, settings, &changed, err);
    if (!changed) {
        json_decref(old);
        return status;
    }
    *before = old;
    TRY(gateway_check_plan(c, model, err));
    status = runtime_unload(c->g->runtime, model, false, &wait, NULL);
    if (status != HEARTH_OK && status != HEARTH_ENOTFOUND)
        FAIL(err, EBUSY, "model", "%s is in use with its old settings; try again", model);
    return HEARTH_OK;
}

/* Settings that no engine takes must not stay, or every later request would fail by them. */
static void give_back_settings(gateway_call *c, const char *model, const json_t *before)
{
    switch (c->failure.code) {
    case RUNTIME_BAD_SETTINGS:
    case RUNTIME_NO_FIT:
    case RUNTIME_NO_ENGINE:
    case RUNTIME_START_FAILED:
        model_settings_put(c->g->store, model, before, NULL);
        break;
    default:
        break;
    }
}

/* The name of the model that has this file, or NULL. */
static const char *name_of_file(const library_models *all, const char *path)
{
    for (size_t i = 0; i < all->n; i++) {
        const library_model *m = all->items[i];
        for (size_t k = 0; k < m->n_files; k++) {
            if (strcmp(m->files[k], path) == 0)
                return m->name;
        }
    }
    return NULL;
}

/* A file that no model has becomes one, used where it is. */
static hearth_status import_path(gateway_call *c, const char *path, char out[LIBRARY_NAME_MAX + 1],
                                 hearth_error *err)
{
    const library_import from = {.path = path};
    const library_model *m;
    TRY(library_import_file(c->g->library, &from, &m, err));
    snprintf(out, LIBRARY_NAME_MAX + 1, "%s", m->name);
    library_model_unref(m);
    events_send(c->g->bus, EVENT_LIBRARY_CHANGED,
                json_pack("{s:s, s:s}", "model", out, "change", "added"));
    return HEARTH_OK;
}

static hearth_status model_of_path(gateway_call *c, const char *path,
                                   char out[LIBRARY_NAME_MAX + 1], hearth_error *err)
{
    library_models all = {0};
    char *whole = realpath(path, NULL);
    if (whole == NULL)
        FAIL(err, ENOTFOUND, "model", "there is no file %.200s", path);
    hearth_status status = library_list(c->g->library, &all, err);
    const char *name = status == HEARTH_OK ? name_of_file(&all, whole) : NULL;
    if (name)
        snprintf(out, LIBRARY_NAME_MAX + 1, "%s", name);
    else if (status == HEARTH_OK)
        status = import_path(c, whole, out, err);
    library_models_deinit(&all);
    free(whole);
    return status;
}

hearth_status serve_engine_start(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    const char *model;
    json_t *settings = NULL, *before = NULL;
    json_int_t keep_ms = RUNTIME_KEEP_FOREVER;
    int waits = 1;
    const runtime_wait wait = {.wanted = call_may_load, .user = c};
    TRY(call_unpack(c, err, "{s:s, s?:I, s?:b, s?:o}", "model", &model, "keep_ms", &keep_ms, "wait",
                    &waits, "settings", &settings));
    if (keep_ms < RUNTIME_KEEP_FOREVER)
        FAIL(err, EINVAL, "keep_ms", "keep_ms %lld: give milliseconds, or -1 for ever",
             (long long)keep_ms);
    if (json_object_get(c->body, "keep_ms") == NULL)
        keep_ms = RUNTIME_KEEP_DEFAULT;
    if (model[0] == '/')
        TRY(model_of_path(c, model, name, err));
    else
        TRY(call_model(c, model, name, err));
    hearth_status status = take_settings(c, name, settings, &before, err);
    if (status == HEARTH_OK)
        status = runtime_load(c->g->runtime, name, keep_ms, !waits, &wait, &c->failure, err);
    if (status != HEARTH_OK && before)
        give_back_settings(c, name, before);
    json_decref(before);
    TRY(status);
    gateway_model_used(c->g, name);
    if (!waits)
        return call_json(c, json_pack("{s:s, s:s}", "model", name, "state", "planning"), err);
    return answer_engine(c, name, err);
}

hearth_status serve_engine_stop(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    const char *model = NULL;
    int force = 0, waits = 1;
    const runtime_wait wait = while_wanted(c);
    TRY(call_unpack(c, err, "{s?:s, s?:b, s?:b}", "model", &model, "force", &force, "wait",
                    &waits));
    if (model)
        TRY(call_model(c, model, name, err));
    TRY(runtime_unload(c->g->runtime, model ? name : NULL, force != 0, waits ? &wait : NULL, err));
    return call_json(c, json_pack("{s:b}", "stopped", 1), err);
}

hearth_status serve_engine_pin(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    const char *model;
    int pinned;
    TRY(call_unpack(c, err, "{s:s, s:b}", "model", &model, "pinned", &pinned));
    TRY(call_model(c, model, name, err));
    TRY(runtime_pin(c->g->runtime, name, pinned != 0, err));
    return answer_engine(c, name, err);
}

hearth_status serve_engine_log(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    TRY(call_model(c, NULL, name, err));
    char *log = runtime_log(c->g->runtime, name);
    if (log == NULL)
        FAIL(err, ENOTFOUND, "model", "%s is not loaded, and has no log", name);
    json_t *text = *log ? describe_text(log) : json_string("");
    mem_free(log);
    return call_json(c, json_pack("{s:o}", "log", text), err);
}

/* Of a model that is not here: its headers are fetched for it. */
static hearth_status plan_elsewhere(gateway_call *c, const char *reference, json_t **out,
                                    hearth_error *err)
{
    const char *mmproj = http_request_query(c->q, "mmproj");
    const peek_options options = {.reference = reference,
                                  .no_mmproj = mmproj && strcmp(mmproj, "false") == 0,
                                  .is_wanted = call_is_wanted,
                                  .user = (void *)(uintptr_t)c->q,
                                  .log = c->g->host->log};
    peek *p;
    model_spec spec;
    hearth_status status = peek_open(&p, &options, err);
    if (status == HEARTH_EIO) /* of the server that has the model */
        c->detail.http = 502;
    TRY(status);
    model_spec_init(&spec);
    bool ok = model_spec_set(&spec.id, reference) && model_spec_set(&spec.path, peek_path(p)) &&
              model_spec_set(&spec.mmproj, peek_mmproj_path(p));
    status = ok ? runtime_plan_spec(c->g->runtime, &spec, out, &c->failure.code, err)
                : error_no_memory(err, "a model's settings", 0);
    model_spec_deinit(&spec);
    peek_close(p);
    return status;
}

hearth_status serve_plan(gateway_call *c, hearth_error *err)
{
    char known[LIBRARY_NAME_MAX + 1];
    const char *name = http_request_query(c->q, "model");
    json_t *plan = NULL;
    if (name && peek_is_reference(name, c->g->library)) {
        TRY(plan_elsewhere(c, name, &plan, err));
    } else {
        TRY(call_model(c, NULL, known, err));
        name = known;
        TRY(runtime_plan(c->g->runtime, name, &plan, &c->failure.code, err));
    }
    const char *fit = json_string_value(json_object_get(plan, "fit"));
    return call_json(c,
                     json_pack("{s:s, s:b, s:o}", "model", name, "fits",
                               fit == NULL || strcmp(fit, "red") != 0, "plan", plan),
                     err);
}

hearth_status serve_machine(gateway_call *c, hearth_error *err)
{
    return call_json(c, runtime_machine(c->g->runtime), err);
}

hearth_status serve_telemetry(gateway_call *c, hearth_error *err)
{
    int64_t since;
    TRY(call_query_number(c, "since_ms", 0, &since, err));
    return call_json(c, runtime_telemetry(c->g->runtime, since), err);
}

hearth_status serve_metrics(gateway_call *c, hearth_error *err)
{
    c->reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (!runtime_metrics(c->g->runtime, &c->reply->body) ||
        !buf_append_format(&c->reply->body,
                           "# HELP hearth_requests_active Requests being read or answered.\n"
                           "# TYPE hearth_requests_active gauge\nhearth_requests_active %zu\n",
                           http_server_n_active(c->g->server)))
        return error_no_memory(err, "the metrics", c->reply->body.n);
    return HEARTH_OK;
}
