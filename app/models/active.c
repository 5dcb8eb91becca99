/* SPDX-License-Identifier: MIT
 *
 * active.c - models in memory: opening one by its name, and the one that the application answers
 * with.
 *
 * The old model goes before the new one comes: a phone has no room for two.
 */
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/options_take.h"
#include "library/ember.h"
#include "models/models_state.h"

/* ---- opening ---- */

static bool has_key(const hearth_model_options *o, const char *override)
{
    size_t n = strcspn(override, "=") + 1;
    for (size_t i = 0; i < o->n_overrides; i++) {
        if (strncmp(o->overrides[i], override, n) == 0)
            return true;
    }
    return false;
}

static hearth_status check(const library_model *record, hearth_error *err)
{
    if (record->problem[0])
        FAIL(err, EFORMAT, "model", "%.160s cannot be used: %.240s", record->name, record->problem);
    return HEARTH_OK;
}

/* The record's way of answering goes among the overrides, where the caller says nothing else. */
static hearth_status open_model(const library_model *record, const hearth_model_options *options,
                                hearth_model **out, hearth_error *err)
{
    hearth_model_options o;
    library_override own[LIBRARY_OVERRIDES_MAX];
    hearth_status status;
    size_t n_bytes;
    hearth_model_options_init(&o);
    TRY(options_take(&o, sizeof o, options, "hearth_model_options", err));
    size_t n_own = library_overrides(record, own), n = 0;
    const char **all = mem_calloc(o.n_overrides + n_own, sizeof *all);
    if (all == NULL)
        return error_no_memory(err, "overrides", n_own * sizeof *own);
    for (; n < o.n_overrides; n++)
        all[n] = o.overrides[n];
    for (size_t i = 0; i < n_own; i++) {
        if (!has_key(&o, own[i]))
            all[n++] = own[i];
    }
    o.overrides = all;
    o.n_overrides = n;
    if (record->path) {
        status = hearth_model_open(out, record->path, &o, err);
    } else {
        const void *bytes = ember_bytes(&n_bytes);
        status = hearth_model_open_memory(out, bytes, n_bytes, &o, err);
    }
    mem_free(all);
    return status;
}

hearth_status hearth_models_load(hearth_models *models, const char *name,
                                 const hearth_model_options *options, hearth_model **out,
                                 hearth_error *err)
{
    const library_model *record = NULL;
    *out = NULL;
    TRY(models_need(name, "the model's name", err));
    TRY(library_find(models->library, name, &record, err));
    hearth_status status = check(record, err);
    if (status == HEARTH_OK)
        status = open_model(record, options, out, err);
    library_model_unref(record);
    return status;
}

/* ---- the active one ---- */

bool models_is_active(hearth_models *models, const char *name)
{
    pthread_mutex_lock(&models->door);
    bool is = models->active && strcmp(models->active->shown.entry->name, name) == 0;
    pthread_mutex_unlock(&models->door);
    return is;
}

static void swap(hearth_models *models, active_model *fresh)
{
    pthread_mutex_lock(&models->door);
    active_model *old = models->active;
    models->active = fresh;
    pthread_mutex_unlock(&models->door);
    if (old == NULL)
        return;
    hearth_engine_close(old->shown.engine);
    hearth_model_close(old->model);
    hearth_models_entry_unref(old->shown.entry);
    mem_free(old);
}

static hearth_status take_engine_options(hearth_engine_options *o, const library_model *record,
                                         const hearth_engine_options *given, hearth_error *err)
{
    hearth_engine_options_init(o);
    TRY(options_take(o, sizeof *o, given, "hearth_engine_options", err));
    if (o->n_ctx == 0)
        o->n_ctx = record->context_size;
    if (o->n_batch == 0)
        o->n_batch = record->batch_size;
    if (o->n_threads == 0)
        o->n_threads = (int32_t)record->threads;
    return HEARTH_OK;
}

/* Takes the record. Turn is locked, and none is active. */
static hearth_status bring(hearth_models *models, const library_model *record,
                           const hearth_model_options *model_options,
                           const hearth_engine_options *engine_options, hearth_error *err)
{
    active_model *a = mem_calloc(1, sizeof *a);
    hearth_status status;
    struct timespec now;
    if (a == NULL) {
        library_model_unref(record);
        return error_no_memory(err, "the active model", sizeof *a);
    }
    TRY_OUT(open_model(record, model_options, &a->model, err));
    TRY_OUT(hearth_engine_open(&a->shown.engine, a->model, engine_options, err));
    library_mark_used(models->library, record->name, NULL); /* a full disk stops no answer */
    status = models_give_entry(models, record, &a->shown.entry, err);
    record = NULL;
    if (status != HEARTH_OK)
        goto out;
    ((hearth_models_entry *)a->shown.entry)->active = true; /* nobody else has it yet */
    a->shown.model = a->model;
    clock_gettime(CLOCK_REALTIME, &now);
    a->shown.initialized_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    swap(models, a);
    return HEARTH_OK;
out:
    hearth_engine_close(a->shown.engine);
    hearth_model_close(a->model);
    library_model_unref(record);
    mem_free(a);
    return status;
}

hearth_status hearth_models_activate(hearth_models *models, const char *name,
                                     const hearth_model_options *model_options,
                                     const hearth_engine_options *engine_options,
                                     const hearth_models_active **out, hearth_error *err)
{
    const library_model *record = NULL;
    hearth_engine_options e;
    *out = NULL;
    TRY(models_need(name, "the model's name", err));
    pthread_mutex_lock(&models->turn);
    hearth_status status = library_find(models->library, name, &record, err);
    if (status == HEARTH_OK)
        status = check(record, err);
    if (status == HEARTH_OK)
        status = take_engine_options(&e, record, engine_options, err);
    if (status == HEARTH_OK) {
        swap(models, NULL);
        status = bring(models, record, model_options, &e, err);
    } else {
        library_model_unref(record);
    }
    if (status == HEARTH_OK)
        *out = hearth_models_get_active(models);
    pthread_mutex_unlock(&models->turn);
    return status;
}

const hearth_models_active *hearth_models_get_active(hearth_models *models)
{
    pthread_mutex_lock(&models->door);
    active_model *a = models->active;
    pthread_mutex_unlock(&models->door);
    return a ? &a->shown : NULL;
}

void hearth_models_deactivate(hearth_models *models)
{
    pthread_mutex_lock(&models->turn);
    swap(models, NULL);
    pthread_mutex_unlock(&models->turn);
}
