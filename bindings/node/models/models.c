/* SPDX-License-Identifier: MIT
 *
 * models.c - the functions of models.node: the models on this machine (app/library), listed,
 * imported, downloaded, removed.
 *
 * A module of its own, because it needs what a program that only runs models does not: libcurl,
 * libyaml and libcrypto. A context here is an open library.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/binding.h"
#include "library/catalog.h"
#include "library/pull.h"

#define V(j, name) (&(j)->p.values[PARAM_##name])

enum { WAIT_MS = 50 }; /* between looks at whether a download was canceled */

static library *library_of(const job *j)
{
    return j->c->models;
}

/* ---- contexts: as context.c of hearth.node has them ---- */

void context_close(context *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->n_running > 0)
        pthread_cond_wait(&c->changed, &c->lock);
    library *l = c->models;
    c->models = NULL;
    if (!c->closed && l)
        library_close(l);
    c->closed = true;
    pthread_mutex_unlock(&c->lock);
}

void context_unref(context *c)
{
    if (--c->n_refs > 0)
        return;
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

hearth_status work_release(job *j, hearth_error *err)
{
    (void)err;
    context_close(j->c);
    return HEARTH_OK;
}

napi_value give_nothing(napi_env env, job *j)
{
    napi_value value = NULL;
    (void)j;
    napi_get_undefined(env, &value);
    return value;
}

static hearth_status work_open(job *j, hearth_error *err)
{
    library_options o;
    library *l = NULL;
    library_options_init(&o);
    o.folder = V(j, folder)->text;
    o.folders = (const char *const *)V(j, folders)->texts;
    o.n_folders = V(j, folders)->n;
    o.huggingface = V(j, huggingface)->number != 0;
    o.lmstudio = V(j, lmstudio)->number != 0;
    o.ollama = V(j, ollama)->number != 0;
    hearth_status status = library_open(&l, &o, err);
    if (status != HEARTH_OK)
        return status;
    context *c = calloc(1, sizeof *c);
    if (c == NULL || pthread_mutex_init(&c->lock, NULL) != 0) {
        free(c);
        library_close(l);
        return fail(err, HEARTH_ENOMEM, "openModels", "openModels: out of memory");
    }
    if (pthread_cond_init(&c->changed, NULL) != 0) {
        pthread_mutex_destroy(&c->lock);
        free(c);
        library_close(l);
        return fail(err, HEARTH_ENOMEM, "openModels", "openModels: out of memory");
    }
    c->n_refs = 1;
    c->models = l;
    j->opened = c;
    return HEARTH_OK;
}

/* ---- what a model is ---- */

static napi_value capabilities_value(napi_env env, unsigned bits)
{
    static const struct {
        unsigned bit;
        const char *name;
    } all[] = {
#define LIBRARY_X(name, bit, spelling) {bit, spelling},
        LIBRARY_CAPABILITY_MAP(LIBRARY_X)
#undef LIBRARY_X
    };
    napi_value list;
    uint32_t n = 0;
    napi_create_array_with_length(env, 0, &list);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (bits & all[i].bit)
            napi_set_element(env, list, n++, value_text(env, all[i].name, NAPI_AUTO_LENGTH));
    }
    return list;
}

static void set_known_text(napi_env env, napi_value to, const char *name, const char *text)
{
    if (text && text[0])
        set_text(env, to, name, text);
}

static void set_known_number(napi_env env, napi_value to, const char *name, double number)
{
    if (number > 0)
        set_number(env, to, name, number);
}

static void set_time(napi_env env, napi_value to, const char *name, int64_t ms)
{
    char text[40];
    struct tm t;
    time_t s = (time_t)(ms / 1000);
    if (ms > 0 && gmtime_r(&s, &t) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t) > 0)
        set_text(env, to, name, text);
}

static napi_value model_value(napi_env env, const library_model *m)
{
    napi_value to = value_object(env);
    const char *slash = m->path ? strrchr(m->path, '/') : NULL;
    set_text(env, to, "name", m->name);
    set_text(env, to, "modelType", "local");
    set_text(env, to, "origin", library_origin_name(m->origin));
    set_known_text(env, to, "filename", slash ? slash + 1 : m->path);
    set_known_text(env, to, "modelPath", m->path);
    set_known_text(env, to, "title", m->title);
    set_known_text(env, to, "architecture", m->architecture);
    set_known_text(env, to, "quantization", m->quantization);
    set_known_text(env, to, "checksum", m->sha256);
    set_known_text(env, to, "source", m->source);
    set_known_text(env, to, "creator", m->creator);
    set_known_text(env, to, "provider", m->provider);
    set_known_text(env, to, "license", m->license);
    set_known_text(env, to, "problem", m->problem);
    set_number(env, to, "size", (double)m->size_bytes);
    set_known_number(env, to, "parameters", (double)m->n_params);
    set_known_number(env, to, "contextLength", m->context_length);
    set_known_number(env, to, "contextSize", m->context_size);
    set_known_number(env, to, "maxTokens", m->max_tokens);
    set_known_number(env, to, "batchSize", m->batch_size);
    set_known_number(env, to, "threads", m->threads);
    set_known_number(env, to, "topK", m->top_k);
    set_known_number(env, to, "mirostat", m->mirostat);
    if (!isnan(m->temperature))
        set_number(env, to, "temperature", m->temperature);
    if (!isnan(m->top_p))
        set_number(env, to, "topP", m->top_p);
    set_known_number(env, to, "created", (double)m->created_ms);
    set_known_number(env, to, "modified", (double)m->modified_ms);
    set_time(env, to, "createdAt", m->created_ms);
    set_time(env, to, "lastUsed", m->last_used_ms);
    set_number(env, to, "usageCount", (double)m->usage_count);
    set_value(env, to, "capabilities", capabilities_value(env, m->capabilities));
    return to;
}

static void free_model(void *data)
{
    library_model_unref(data);
}

static void keep_model(job *j, const library_model *m)
{
    j->data = (void *)m;
    j->free_data = free_model;
}

static napi_value give_model(napi_env env, job *j)
{
    return model_value(env, j->data);
}

/* ---- looking ---- */

static void free_models(void *data)
{
    library_models_deinit(data);
    free(data);
}

static hearth_status work_list(job *j, hearth_error *err)
{
    library_models *models = calloc(1, sizeof *models);
    if (models == NULL)
        return fail(err, HEARTH_ENOMEM, "list", "list: out of memory");
    hearth_status status = library_scan(library_of(j), err);
    if (status == HEARTH_OK)
        status = library_list(library_of(j), models, err);
    if (status != HEARTH_OK) {
        free(models);
        return status;
    }
    j->data = models;
    j->free_data = free_models;
    return HEARTH_OK;
}

static napi_value give_models(napi_env env, job *j)
{
    const library_models *models = j->data;
    napi_value list;
    if (napi_create_array_with_length(env, models->n, &list) != napi_ok)
        return NULL;
    for (size_t i = 0; i < models->n; i++)
        napi_set_element(env, list, (uint32_t)i, model_value(env, models->items[i]));
    return list;
}

static hearth_status need(const job *j, const param_value *v, const char *name, hearth_error *err)
{
    if (v->given)
        return HEARTH_OK;
    return fail(err, HEARTH_EINVAL, name, "%s: give %s", j->op->name, name);
}

static hearth_status work_find(job *j, hearth_error *err)
{
    const library_model *m = NULL;
    hearth_status status = need(j, V(j, name), "name", err);
    if (status == HEARTH_OK)
        status = library_find(library_of(j), V(j, name)->text, &m, err);
    if (status == HEARTH_OK)
        keep_model(j, m);
    return status;
}

/* ---- changing ---- */

static hearth_status work_import(job *j, hearth_error *err)
{
    const library_model *m = NULL;
    const library_import import = {.path = V(j, path)->text,
                                   .name = V(j, name)->text,
                                   .copy = V(j, copy)->number != 0,
                                   .source = V(j, source)->text,
                                   .sha256 = V(j, sha256)->text};
    hearth_status status = need(j, V(j, path), "path", err);
    if (status == HEARTH_OK)
        status = library_import_file(library_of(j), &import, &m, err);
    if (status == HEARTH_OK)
        keep_model(j, m);
    return status;
}

static hearth_status work_remove(job *j, hearth_error *err)
{
    uint64_t freed = 0;
    hearth_status status = need(j, V(j, name), "name", err);
    if (status == HEARTH_OK)
        status = library_remove(library_of(j), V(j, name)->text, &freed, err);
    j->counts.n_bytes = freed;
    return status;
}

static napi_value give_freed(napi_env env, job *j)
{
    napi_value to = value_object(env);
    set_number(env, to, "freedBytes", (double)j->counts.n_bytes);
    return to;
}

static hearth_status work_rename(job *j, hearth_error *err)
{
    hearth_status status = need(j, V(j, name), "name", err);
    if (status == HEARTH_OK)
        status = need(j, V(j, newName), "newName", err);
    return status == HEARTH_OK
               ? library_rename(library_of(j), V(j, name)->text, V(j, newName)->text, err)
               : status;
}

static hearth_status work_verify(job *j, hearth_error *err)
{
    const hearth_progress progress = {job_progress, j};
    hearth_status status = need(j, V(j, name), "name", err);
    if (status == HEARTH_OK && (j->answer_text = malloc(LIBRARY_SHA256)) == NULL)
        status = fail(err, HEARTH_ENOMEM, "verify", "verify: out of memory");
    if (status == HEARTH_OK)
        status = library_verify(library_of(j), V(j, name)->text, &progress, j->answer_text, err);
    return status;
}

static napi_value give_sum(napi_env env, job *j)
{
    return value_text(env, j->answer_text, NAPI_AUTO_LENGTH);
}

static hearth_status work_set(job *j, hearth_error *err)
{
    hearth_status status = need(j, V(j, name), "name", err);
    if (status == HEARTH_OK)
        status = need(j, V(j, key), "key", err);
    return status == HEARTH_OK ? library_set(library_of(j), V(j, name)->text, V(j, key)->text,
                                             V(j, value)->text, err)
                               : status;
}

static hearth_status work_mark_used(job *j, hearth_error *err)
{
    hearth_status status = need(j, V(j, name), "name", err);
    return status == HEARTH_OK ? library_mark_used(library_of(j), V(j, name)->text, err) : status;
}

/* ---- downloads ---- */

/* The end of a success is progress too: a short download has no other. */
static void tell_download(void *user, const download_event *e)
{
    bool progresses = e->kind == DOWNLOAD_PROGRESS || e->kind == DOWNLOAD_SUCCESS;
    const event progress = {.type = progresses ? "progress" : download_event_name(e->kind),
                            .token = -1,
                            .index = -1,
                            .name = e->model,
                            .done = (double)e->transferred,
                            .total = (double)e->total};
    job_tell(user, &progress);
}

static hearth_status work_download(job *j, hearth_error *err)
{
    const library_model *m = NULL;
    download *d = NULL;
    hearth_status ended = HEARTH_OK, status = need(j, V(j, reference), "reference", err);
    const pull_options o = {.reference = V(j, reference)->text,
                            .name = V(j, name)->text,
                            .sha256 = V(j, sha256)->text,
                            .n_connections = (uint32_t)V(j, connections)->number,
                            .on_event = tell_download,
                            .user = j};
    if (status == HEARTH_OK)
        status = download_start(&d, library_of(j), &o, err);
    if (status != HEARTH_OK)
        return status;
    while (!download_wait(d, WAIT_MS, &m, &ended, err)) {
        if (atomic_load(&j->canceled))
            download_cancel(d, false);
    }
    download_free(d);
    if (ended == HEARTH_OK && m == NULL)
        ended = fail(err, HEARTH_ECANCELED, "download", "download: canceled");
    if (ended == HEARTH_OK)
        keep_model(j, m);
    else
        library_model_unref(m);
    return ended;
}

/* ---- the module ---- */

const operation operations[] = {
    {"openModels", OF_openModels, false, work_open, give_context},
    {"list", OF_list, true, work_list, give_models},
    {"find", OF_find, true, work_find, give_model},
    {"import", OF_import, true, work_import, give_model},
    {"download", OF_download, true, work_download, give_model},
    {"remove", OF_remove, true, work_remove, give_freed},
    {"rename", OF_rename, true, work_rename, give_nothing},
    {"verify", OF_verify, true, work_verify, give_sum},
    {"set", OF_set, true, work_set, give_nothing},
    {"markUsed", OF_markUsed, true, work_mark_used, give_nothing},
};
const size_t n_operations = sizeof operations / sizeof *operations;

/* The catalogue is a table in the module: nothing is fetched. */
static napi_value catalogue(napi_env env)
{
    napi_value list;
    napi_create_array_with_length(env, catalog_count(), &list);
    for (size_t i = 0; i < catalog_count(); i++) {
        const catalog_model *m = catalog_at(i);
        napi_value to = value_object(env);
        set_text(env, to, "name", m->name);
        set_text(env, to, "title", m->title);
        set_known_text(env, to, "repository", m->repository);
        set_known_text(env, to, "filename", m->file);
        set_number(env, to, "size", (double)m->bytes);
        set_known_text(env, to, "parameters", m->parameters);
        set_number(env, to, "contextLength", m->context);
        set_known_text(env, to, "quantization", m->quantization);
        set_known_text(env, to, "license", m->license);
        set_value(env, to, "capabilities", capabilities_value(env, m->capabilities));
        napi_set_element(env, list, (uint32_t)i, to);
    }
    return list;
}

void module_add(napi_env env, napi_value exports)
{
    set_value(env, exports, "catalogue", catalogue(env));
}
