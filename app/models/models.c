/* SPDX-License-Identifier: MIT
 *
 * models.c - see <hearth/models.h>: the manager, its changes and downloads, over library/.
 *
 * Here the caller's arguments are checked and translated; what the library is told is its own
 * kind of options, so that the public ones may grow.
 */
#include <string.h>

#include "base/mem.h"
#include "base/options_take.h"
#include "library/pull.h"
#include "models/models_state.h"

enum { WAIT_MS = 100 }; /* between two calls of a download's progress */

/* ---- options ---- */

hearth_status models_need(const char *text, const char *what, hearth_error *err)
{
    if (text == NULL || text[0] == '\0')
        FAIL(err, EINVAL, what, "%s is missing", what);
    return HEARTH_OK;
}

void hearth_models_options_init(hearth_models_options *options)
{
    *options = (hearth_models_options){
        .struct_size = sizeof *options, .huggingface = true, .lmstudio = true, .ollama = true};
}

void hearth_models_import_options_init(hearth_models_import_options *options)
{
    *options = (hearth_models_import_options){.struct_size = sizeof *options};
}

void hearth_models_download_options_init(hearth_models_download_options *options)
{
    *options = (hearth_models_download_options){.struct_size = sizeof *options};
}

/* ---- life ---- */

static hearth_status open_library(library **out, const hearth_models_options *o, hearth_error *err)
{
    library_options l;
    library_options_init(&l);
    for (size_t i = 0; i < o->n_folders; i++)
        TRY(models_need(o->folders ? o->folders[i] : NULL, "a path of folders", err));
    l.folder = o->folder;
    l.folders = o->folders;
    l.n_folders = o->n_folders;
    l.huggingface = o->huggingface;
    l.lmstudio = o->lmstudio;
    l.ollama = o->ollama;
    l.cache = o->cache;
    l.log = o->log;
    return library_open(out, &l, err);
}

hearth_status hearth_models_open(hearth_models **out, const hearth_models_options *options,
                                 hearth_error *err)
{
    hearth_models_options o;
    hearth_models_options_init(&o);
    *out = NULL;
    TRY(options_take(&o, sizeof o, options, "hearth_models_options", err));
    hearth_models *models = mem_calloc(1, sizeof *models);
    if (models == NULL)
        return error_no_memory(err, "the models' list", sizeof *models);
    models->log = o.log;
    pthread_mutex_init(&models->turn, NULL);
    pthread_mutex_init(&models->door, NULL);
    hearth_status status = open_library(&models->library, &o, err);
    if (status != HEARTH_OK) {
        hearth_models_close(models);
        return status;
    }
    *out = models;
    return HEARTH_OK;
}

void hearth_models_close(hearth_models *models)
{
    if (models == NULL)
        return;
    hearth_models_deactivate(models);
    if (models->library)
        library_close(models->library);
    pthread_mutex_destroy(&models->turn);
    pthread_mutex_destroy(&models->door);
    mem_free(models);
}

const char *hearth_models_folder(const hearth_models *models)
{
    return library_folder(models->library);
}

hearth_status hearth_models_scan(hearth_models *models, hearth_error *err)
{
    return library_scan(models->library, err);
}

uint64_t hearth_models_version(hearth_models *models)
{
    return library_version(models->library);
}

/* ---- changes ---- */

hearth_status hearth_models_import(hearth_models *models,
                                   const hearth_models_import_options *options,
                                   const hearth_models_entry **out, hearth_error *err)
{
    hearth_models_import_options o;
    const library_model *record = NULL;
    hearth_models_import_options_init(&o);
    TRY(options_take(&o, sizeof o, options, "hearth_models_import_options", err));
    TRY(models_need(o.path, "path", err));
    const library_import import = {.path = o.path,
                                   .name = o.name,
                                   .mmproj_path = o.mmproj_path,
                                   .copy = o.copy,
                                   .source = o.source,
                                   .sha256 = o.sha256};
    TRY(library_import_file(models->library, &import, &record, err));
    return models_give_entry(models, record, out, err);
}

/* Begins a change that the active model must not see; ended by unlocking turn, if it is OK. */
static hearth_status take_turn(hearth_models *models, const char *name, hearth_error *err)
{
    TRY(models_need(name, "the model's name", err));
    pthread_mutex_lock(&models->turn);
    if (!models_is_active(models, name))
        return HEARTH_OK;
    pthread_mutex_unlock(&models->turn);
    FAIL(err, EBUSY, "name", "%.200s is the active model; deactivate it first", name);
}

hearth_status hearth_models_remove(hearth_models *models, const char *name, uint64_t *freed_bytes,
                                   hearth_error *err)
{
    TRY(take_turn(models, name, err));
    hearth_status status = library_remove(models->library, name, freed_bytes, err);
    pthread_mutex_unlock(&models->turn);
    return status;
}

hearth_status hearth_models_rename(hearth_models *models, const char *name, const char *new_name,
                                   hearth_error *err)
{
    TRY(models_need(new_name, "the new name", err));
    TRY(take_turn(models, name, err));
    hearth_status status = library_rename(models->library, name, new_name, err);
    pthread_mutex_unlock(&models->turn);
    return status;
}

hearth_status hearth_models_set(hearth_models *models, const char *name, const char *key,
                                const char *value, hearth_error *err)
{
    TRY(models_need(name, "the model's name", err));
    TRY(models_need(key, "the key", err));
    return library_set(models->library, name, key, value, err);
}

hearth_status hearth_models_verify(hearth_models *models, const char *name,
                                   const hearth_progress *progress, char sha256[65],
                                   hearth_error *err)
{
    _Static_assert(LIBRARY_SHA256 == 65, "as the header says");
    TRY(models_need(name, "the model's name", err));
    return library_verify(models->library, name, progress, sha256, err);
}

hearth_status hearth_models_mark_used(hearth_models *models, const char *name, hearth_error *err)
{
    TRY(models_need(name, "the model's name", err));
    return library_mark_used(models->library, name, err);
}

/* ---- downloads ---- */

/* Until it ends, with its progress told on this thread. */
static hearth_status wait_for(download *d, const hearth_progress *progress,
                              const library_model **record, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    download_status now;
    bool canceled = false;
    while (!download_wait(d, WAIT_MS, record, &status, err)) {
        download_get_status(d, &now);
        if (!canceled && progress->fn &&
            !progress->fn(progress->user, now.transferred, now.total)) {
            canceled = true;
            download_cancel(d, false);
        }
    }
    if (status == HEARTH_OK && progress->fn) {
        download_get_status(d, &now);
        progress->fn(progress->user, now.total, now.total);
    }
    return status;
}

hearth_status hearth_models_download(hearth_models *models,
                                     const hearth_models_download_options *options,
                                     const hearth_models_entry **out, hearth_error *err)
{
    hearth_models_download_options o;
    const library_model *record = NULL;
    download *d = NULL;
    hearth_models_download_options_init(&o);
    TRY(options_take(&o, sizeof o, options, "hearth_models_download_options", err));
    TRY(models_need(o.reference, "reference", err));
    const pull_options pull = {.reference = o.reference,
                               .name = o.name,
                               .sha256 = o.sha256,
                               .endpoint = o.endpoint,
                               .token = o.token,
                               .n_connections = o.n_connections,
                               .no_mmproj = o.no_mmproj,
                               .log = models->log};
    TRY(download_start(&d, models->library, &pull, err));
    hearth_status status = wait_for(d, &o.progress, &record, err);
    download_free(d);
    if (status == HEARTH_OK && record == NULL)
        status = error_set(err, HEARTH_EINTERNAL, "download", "%.200s came, and is not in the list",
                           o.reference);
    if (status != HEARTH_OK) {
        library_model_unref(record);
        return status;
    }
    return models_give_entry(models, record, out, err);
}
