/* SPDX-License-Identifier: MIT
 *
 * library.c - see library.h: the object, its list, and finding a model by what a user calls it.
 */
#include "library/library.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/number.h"
#include "library/ember.h"
#include "library/folders.h"
#include "library/library_impl.h"
#include "library/name.h"
#include "os/file.h"

enum { CANDIDATES_MAX = 6, USAGE_MAX_BYTES = 8 << 20 };

const char *library_origin_name(library_origin origin)
{
    static const char *const names[] = {
#define LIBRARY_X(name, spelling) spelling,
        LIBRARY_ORIGIN_MAP(LIBRARY_X)
#undef LIBRARY_X
    };
    return names[origin];
}

int64_t library_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *library_default_folder(void)
{
    return folders_xdg("XDG_DATA_HOME", ".local/share", "hearth/models");
}

/* ---- life ---- */

void library_options_init(library_options *options)
{
    *options = (library_options){.huggingface = true, .lmstudio = true, .ollama = true};
}

/* Without the slashes at its end. */
static char *copy_folder(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return mem_dup(path, n);
}

static bool copy_folders(library *l, const library_options *o)
{
    l->folders = mem_calloc(o->n_folders + 1, sizeof *l->folders);
    if (l->folders == NULL)
        return false;
    for (; l->n_folders < o->n_folders; l->n_folders++) {
        l->folders[l->n_folders] = copy_folder(o->folders[l->n_folders]);
        if (l->folders[l->n_folders] == NULL)
            return false;
    }
    return true;
}

static char *usage_path(const library *l)
{
    return folders_join(l->folder, "usage.json");
}

static bool load_usage(library *l)
{
    char *path = usage_path(l), *text = NULL;
    size_t n;
    if (path && file_read_all(path, USAGE_MAX_BYTES, &text, &n, NULL) == HEARTH_OK)
        l->usage = json_loadb(text, n, 0, NULL);
    mem_free(text);
    mem_free(path);
    if (!json_is_object(l->usage)) {
        json_decref(l->usage);
        l->usage = json_object();
    }
    return l->usage != NULL;
}

static hearth_status prepare(library *l, const library_options *o, hearth_error *err)
{
    size_t n;
    char *cache = o->cache ? mem_dup(o->cache, strlen(o->cache))
                           : folders_xdg("XDG_CACHE_HOME", ".cache", "hearth/library.json");
    l->folder = o->folder ? copy_folder(o->folder) : library_default_folder();
    l->huggingface = o->huggingface;
    l->lmstudio = o->lmstudio;
    l->ollama = o->ollama;
    l->log = o->log;
    l->cache = facts_cache_open(cache && *cache ? cache : NULL);
    mem_free(cache);
    if (l->folder == NULL && o->folder == NULL)
        FAIL(err, EINVAL, "library",
             "where are the models? Neither XDG_DATA_HOME nor HOME is an absolute path");
    if (l->folder == NULL || l->cache == NULL || !copy_folders(l, o) || !load_usage(l))
        return error_no_memory(err, "the library", sizeof *l);
    const void *bytes = ember_bytes(&n);
    facts_read_memory(&l->ember, bytes, n);
    return HEARTH_OK;
}

hearth_status library_open(library **out, const library_options *options, hearth_error *err)
{
    library_options defaults;
    library_options_init(&defaults);
    library *l = mem_calloc(1, sizeof *l);
    if (l == NULL)
        return error_no_memory(err, "the library", sizeof *l);
    pthread_mutex_init(&l->work, NULL);
    pthread_mutex_init(&l->door, NULL);
    hearth_status status = prepare(l, options ? options : &defaults, err);
    if (status == HEARTH_OK)
        status = library_scan(l, err);
    if (status != HEARTH_OK) {
        library_close(l);
        return status;
    }
    *out = l;
    return HEARTH_OK;
}

void library_close(library *l)
{
    if (l == NULL)
        return;
    library_models_deinit(&l->models);
    facts_cache_close(l->cache);
    json_decref(l->usage);
    for (size_t i = 0; i < l->n_folders; i++)
        mem_free(l->folders[i]);
    mem_free(l->folders);
    mem_free(l->folder);
    pthread_mutex_destroy(&l->work);
    pthread_mutex_destroy(&l->door);
    mem_free(l);
}

const char *library_folder(const library *l)
{
    return l->folder;
}

char *library_folder_of(const library *l, const char *name)
{
    return folders_join(l->folder, name);
}

/* ---- the list ---- */

void library_models_deinit(library_models *models)
{
    for (size_t i = 0; i < models->n; i++)
        library_model_unref(models->items[i]);
    mem_free(models->items);
    *models = (library_models){0};
}

void library_swap(library *l, library_models *fresh)
{
    pthread_mutex_lock(&l->door);
    library_models before = l->models;
    l->models = *fresh;
    l->version++;
    pthread_mutex_unlock(&l->door);
    library_models_deinit(&before);
}

hearth_status library_scan(library *l, hearth_error *err)
{
    pthread_mutex_lock(&l->work);
    hearth_status status = library_scan_locked(l, err);
    pthread_mutex_unlock(&l->work);
    return status;
}

uint64_t library_version(library *l)
{
    pthread_mutex_lock(&l->door);
    uint64_t version = l->version;
    pthread_mutex_unlock(&l->door);
    return version;
}

hearth_status library_list(library *l, library_models *out, hearth_error *err)
{
    pthread_mutex_lock(&l->door);
    size_t n = l->models.n;
    *out = (library_models){.items = mem_calloc(n + 1, sizeof *out->items)};
    for (; out->items && out->n < n; out->n++)
        out->items[out->n] = library_model_ref(l->models.items[out->n]);
    pthread_mutex_unlock(&l->door);
    return out->items ? HEARTH_OK : error_no_memory(err, "the list of models", n * sizeof(void *));
}

/* ---- finding ---- */

static hearth_status no_such_model(const library_models *models, const char *name,
                                   hearth_error *err)
{
    nearest near;
    nearest_init(&near, name, strlen(name));
    for (size_t i = 0; i < models->n; i++) {
        nearest_offer(&near, models->items[i]->name);
        nearest_offer(&near, name_of_path(models->items[i]->name));
    }
    if (near.best)
        FAIL(err, ENOTFOUND, "model", "there is no model '%.200s'; did you mean %s?", name,
             near.best);
    FAIL(err, ENOTFOUND, "model",
         "there is no model '%.200s'; hearth list shows those that are "
         "here, hearth pull gets others",
         name);
}

static hearth_status ambiguous(const library_models *models, const char *name, int fit,
                               hearth_error *err)
{
    buf names;
    size_t n = 0;
    buf_init(&names, 0);
    for (size_t i = 0; i < models->n; i++) {
        if (name_fit(models->items[i]->name, name) == fit && ++n <= CANDIDATES_MAX)
            buf_append_format(&names, "%s%s", n > 1 ? ", " : "", models->items[i]->name);
    }
    if (n > CANDIDATES_MAX)
        buf_append_format(&names, " and %zu more", n - CANDIDATES_MAX);
    error_set(err, HEARTH_EINVAL, "model", "'%.60s' may be one of several models: %.360s", name,
              names.data ? names.data : "");
    buf_deinit(&names);
    return HEARTH_EINVAL;
}

hearth_status library_find(library *l, const char *name, const library_model **out,
                           hearth_error *err)
{
    const library_model *best = NULL;
    int fit = NAME_FIT_NONE;
    size_t n_best = 0;
    hearth_status status = HEARTH_OK;
    pthread_mutex_lock(&l->door);
    for (size_t i = 0; i < l->models.n; i++) {
        int this_fit = name_fit(l->models.items[i]->name, name);
        n_best = this_fit > fit ? 1 : n_best + (this_fit == fit && fit > NAME_FIT_NONE);
        if (this_fit > fit) {
            fit = this_fit;
            best = l->models.items[i];
        }
    }
    if (best == NULL)
        status = no_such_model(&l->models, name, err);
    else if (n_best > 1)
        status = ambiguous(&l->models, name, fit, err);
    else
        *out = library_model_ref(best);
    pthread_mutex_unlock(&l->door);
    return status;
}

/* ---- what MODEL means ---- */

static bool is_path(const char *model)
{
    struct stat info;
    return *model == '/' || strncmp(model, "./", 2) == 0 || strncmp(model, "../", 3) == 0 ||
           name_is_gguf(model) || (stat(model, &info) == 0 && !S_ISDIR(info.st_mode));
}

static hearth_status give(const char *from, char **path, hearth_error *err)
{
    *path = mem_dup(from, strlen(from));
    return *path ? HEARTH_OK : error_no_memory(err, "a path", strlen(from));
}

static hearth_status resolve_name(library *l, const char *name, char **path,
                                  const library_model **record, hearth_error *err)
{
    const library_model *m;
    TRY(library_find(l, name, &m, err));
    hearth_status status = HEARTH_OK;
    if (m->path && m->n_files == 0)
        status = error_set(err, HEARTH_ENOTFOUND, m->name, "%s: %s", m->name, m->problem);
    else if (m->path)
        status = give(m->path, path, err);
    if (status == HEARTH_OK && record)
        *record = library_model_ref(m);
    library_model_unref(m);
    return status;
}

hearth_status library_resolve(library *l, const char *model, char **path,
                              const library_model **record, hearth_error *err)
{
    library *opened = NULL;
    *path = NULL;
    if (record)
        *record = NULL;
    if (ember_is_named(model))
        return HEARTH_OK;
    if (is_path(model))
        return give(model, path, err);
    if (l == NULL)
        TRY(library_open(&opened, NULL, err));
    hearth_status status = resolve_name(l ? l : opened, model, path, record, err);
    library_close(opened);
    return status;
}

size_t library_overrides(const library_model *m, library_override out[LIBRARY_OVERRIDES_MAX])
{
    size_t n = 0;
    if (m && isfinite(m->temperature))
        number_print(out[n++], sizeof *out, "general.sampling.temp=float:%.7g", m->temperature);
    if (m && isfinite(m->top_p))
        number_print(out[n++], sizeof *out, "general.sampling.top_p=float:%.7g", m->top_p);
    if (m && m->top_k)
        snprintf(out[n++], sizeof *out, "general.sampling.top_k=int:%" PRIu32, m->top_k);
    if (m && m->mirostat)
        snprintf(out[n++], sizeof *out, "general.sampling.mirostat=int:%" PRIu32, m->mirostat);
    return n;
}

/* ---- uses ---- */

void library_get_usage(library *l, const char *name, uint64_t *count, int64_t *last_ms)
{
    pthread_mutex_lock(&l->door);
    const json_t *entry = json_object_get(l->usage, name);
    *count = (uint64_t)json_integer_value(json_object_get(entry, "count"));
    *last_ms = json_integer_value(json_object_get(entry, "last"));
    pthread_mutex_unlock(&l->door);
}

static hearth_status write_usage(library *l, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    file_writer *file = NULL;
    char *path = usage_path(l);
    pthread_mutex_lock(&l->door);
    char *text = json_dumps(l->usage, JSON_INDENT(1));
    pthread_mutex_unlock(&l->door);
    if (path == NULL || text == NULL) {
        status = error_no_memory(err, "the count of uses", 0);
        goto out;
    }
    TRY_OUT(folders_make_parent(path, err));
    TRY_OUT(file_writer_open(&file, path, err));
    TRY_OUT(file_writer_write(file, text, strlen(text), err));
    TRY_OUT(file_writer_commit(file, err));
out:
    file_writer_close(file);
    mem_free(text);
    mem_free(path);
    return status;
}

hearth_status library_mark_used(library *l, const char *name, hearth_error *err)
{
    const library_model *m;
    TRY(library_find(l, name, &m, err));
    pthread_mutex_lock(&l->work);
    json_t *entry = json_pack("{s:I, s:I}", "count", (json_int_t)(m->usage_count + 1), "last",
                              (json_int_t)library_now_ms());
    pthread_mutex_lock(&l->door);
    json_int_t known =
        json_integer_value(json_object_get(json_object_get(l->usage, m->name), "count"));
    if (known > (json_int_t)m->usage_count)
        json_object_set_new(entry, "count", json_integer(known + 1));
    json_object_set_new(l->usage, m->name, entry);
    pthread_mutex_unlock(&l->door);
    hearth_status status = write_usage(l, err);
    if (status == HEARTH_OK)
        status = library_scan_locked(l, err);
    pthread_mutex_unlock(&l->work);
    library_model_unref(m);
    return status;
}
