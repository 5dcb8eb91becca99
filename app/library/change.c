/* SPDX-License-Identifier: MIT
 *
 * change.c - what the library writes: model.yml files in Hearth's own folder, and nothing
 * elsewhere. A model of another store that gets a name or a value of its own is given a model.yml
 * that points to its files where they are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "library/folders.h"
#include "library/library_impl.h"
#include "library/name.h"
#include "library/sha256.h"
#include "os/file.h"

/* ---- model.yml ---- */

static bool is_own_yml(const library *l, const library_model *m)
{
    char *path = m->folder ? folders_join(m->folder, MODEL_YML_FILE) : NULL;
    bool own = path && folders_holds(l->folder, path);
    mem_free(path);
    return own;
}

static hearth_status set_text(model_yml *yml, const char *key, const char *value, hearth_error *err)
{
    return value && *value ? model_yml_set(yml, key, value, err) : HEARTH_OK;
}

/* What a new model.yml says of a model whose files stay where they are. */
static hearth_status describe(model_yml *yml, const library_model *m, hearth_error *err)
{
    TRY(set_text(yml, "model_path", m->path, err));
    TRY(set_text(yml, "mmproj_path", m->mmproj_path, err));
    if (model_yml_get(yml, "name") == NULL)
        TRY(set_text(yml, "name", m->title, err));
    TRY(model_yml_set_count(yml, "size_bytes", m->size_bytes, err));
    TRY(set_text(yml, "sha256", m->sha256, err));
    TRY(set_text(yml, "model_sha256", m->sha256, err));
    TRY(set_text(yml, "mmproj_sha256", m->mmproj_sha256, err));
    TRY(set_text(yml, "source", m->source, err));
    TRY(model_yml_set(yml, "embedding", m->capabilities & LIBRARY_CAN_EMBEDDING ? "true" : "false",
                      err));
    return model_yml_set_count(yml, "created", (uint64_t)library_now_ms(), err);
}

static hearth_status read_or_make(const library_model *m, model_yml **yml, hearth_error *err)
{
    if (m->folder == NULL)
        return model_yml_new(yml, err);
    char *path = folders_join(m->folder, MODEL_YML_FILE);
    if (path == NULL)
        return error_no_memory(err, "a path", strlen(m->folder));
    hearth_status status = model_yml_read(yml, path, err);
    mem_free(path);
    return status;
}

hearth_status library_yml_of(library *l, const library_model *m, model_yml **yml, char **path,
                             hearth_error *err)
{
    if (m->path == NULL)
        FAIL(err, EUNSUPPORTED, m->name, "'%s' is built into the program and has no settings here",
             m->name);
    bool own = is_own_yml(l, m);
    *yml = NULL;
    char *folder = own ? mem_dup(m->folder, strlen(m->folder)) : library_folder_of(l, m->name);
    *path = folder ? folders_join(folder, MODEL_YML_FILE) : NULL;
    mem_free(folder);
    hearth_status status =
        *path ? read_or_make(m, yml, err) : error_no_memory(err, "a path", strlen(m->name));
    if (status == HEARTH_OK && !own)
        status = describe(*yml, m, err);
    if (status != HEARTH_OK) {
        model_yml_free(*yml);
        mem_free(*path);
    }
    return status;
}

static hearth_status write_yml(model_yml *yml, const char *path, hearth_error *err)
{
    TRY(model_yml_set_count(yml, "modified", (uint64_t)library_now_ms(), err));
    TRY(folders_make_parent(path, err));
    return model_yml_write(yml, path, err);
}

hearth_status library_set(library *l, const char *name, const char *key, const char *value,
                          hearth_error *err)
{
    const library_model *m;
    model_yml *yml = NULL;
    char *path = NULL;
    hearth_status status;
    TRY(library_find(l, name, &m, err));
    pthread_mutex_lock(&l->work);
    status = library_yml_of(l, m, &yml, &path, err);
    if (status == HEARTH_OK) {
        status = model_yml_set(yml, key, value, err);
        if (status == HEARTH_OK)
            status = write_yml(yml, path, err);
        if (status == HEARTH_OK)
            status = library_scan_locked(l, err);
        model_yml_free(yml);
        mem_free(path);
    }
    pthread_mutex_unlock(&l->work);
    library_model_unref(m);
    return status;
}

/* A beginning of a name is enough to use a model, but not to take it away. */
static hearth_status find_whole(library *l, const char *name, const library_model **out,
                                hearth_error *err)
{
    TRY(library_find(l, name, out, err));
    if (strcmp((*out)->name, name) == 0)
        return HEARTH_OK;
    error_set(err, HEARTH_EINVAL, "model", "'%.100s' is not a whole name; did you mean %s?", name,
              (*out)->name);
    library_model_unref(*out);
    *out = NULL;
    return HEARTH_EINVAL;
}

/* ---- renaming ---- */

static hearth_status check_new_name(library *l, const char *name, hearth_error *err)
{
    library_models models;
    hearth_status status = HEARTH_OK;
    TRY(name_check(name, err));
    TRY(library_list(l, &models, err));
    for (size_t i = 0; status == HEARTH_OK && i < models.n; i++) {
        if (strcasecmp(models.items[i]->name, name) == 0)
            status = error_set(err, HEARTH_EMISMATCH, "name", "there is a model '%s' already",
                               models.items[i]->name);
    }
    library_models_deinit(&models);
    return status;
}

static bool has_folders_in(const char *folder)
{
    folder_names names;
    bool found = false;
    if (!folders_list(folder, &names))
        return false;
    for (size_t i = 0; !found && i < names.n; i++) {
        struct stat info;
        char *path = folders_join(folder, names.items[i]);
        found = path && lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
        mem_free(path);
    }
    folder_names_deinit(&names);
    return found;
}

/* A model of Hearth's folder: the folder is renamed, with the files that lie in it. */
static hearth_status rename_folder(library *l, const library_model *m, const char *new_name,
                                   hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    char *to = library_folder_of(l, new_name);
    if (to == NULL)
        return error_no_memory(err, "a path", strlen(new_name));
    if (has_folders_in(m->folder))
        FAIL_OUT(err, EUNSUPPORTED, m->name,
                 "'%s' cannot be renamed: there are other folders in '%s'", m->name, m->folder);
    if (file_exists(to))
        FAIL_OUT(err, EMISMATCH, "name", "'%s' is there already", to);
    TRY_OUT(folders_make_parent(to, err));
    if (rename(m->folder, to) != 0) {
        status =
            error_set_errno(err, HEARTH_EIO, m->name, "cannot rename '%s' to '%s'", m->folder, to);
        goto out;
    }
    char *above = folders_parent(m->folder);
    if (above)
        folders_remove_empty(above, l->folder);
    mem_free(above);
out:
    mem_free(to);
    return status;
}

/* Any other model: a model.yml under the new name. */
static hearth_status point_to(library *l, const library_model *m, const char *new_name,
                              hearth_error *err)
{
    model_yml *yml = NULL;
    char *path = NULL, *folder = NULL, *there = NULL;
    hearth_status status = library_yml_of(l, m, &yml, &path, err);
    if (status != HEARTH_OK)
        return status;
    folder = library_folder_of(l, new_name);
    there = folder ? folders_join(folder, MODEL_YML_FILE) : NULL;
    if (there == NULL)
        status = error_no_memory(err, "a path", strlen(new_name));
    else if (file_exists(there))
        status = error_set(err, HEARTH_EMISMATCH, "name", "'%s' is there already", there);
    else
        status = write_yml(yml, there, err);
    mem_free(there);
    mem_free(folder);
    mem_free(path);
    model_yml_free(yml);
    return status;
}

static void carry_usage(library *l, const char *from, const char *to)
{
    pthread_mutex_lock(&l->door);
    json_t *entry = json_object_get(l->usage, from);
    if (entry)
        json_object_set(l->usage, to, entry);
    json_object_del(l->usage, from);
    pthread_mutex_unlock(&l->door);
}

hearth_status library_rename(library *l, const char *name, const char *new_name, hearth_error *err)
{
    const library_model *m;
    TRY(check_new_name(l, new_name, err));
    TRY(find_whole(l, name, &m, err));
    pthread_mutex_lock(&l->work);
    hearth_status status;
    if (m->path == NULL)
        status =
            error_set(err, HEARTH_EINVAL, m->name, "'%s' is built in and keeps its name", m->name);
    else if (is_own_yml(l, m) && strcmp(m->folder, l->folder) != 0)
        status = rename_folder(l, m, new_name, err);
    else
        status = point_to(l, m, new_name, err);
    if (status == HEARTH_OK) {
        carry_usage(l, m->name, new_name);
        status = library_scan_locked(l, err);
    }
    pthread_mutex_unlock(&l->work);
    library_model_unref(m);
    return status;
}

/* ---- removing ---- */

/* Whether another model has the file, too. */
static bool is_shared(const library_models *all, const library_model *m, const char *file)
{
    for (size_t i = 0; i < all->n; i++) {
        const library_model *other = all->items[i];
        for (size_t k = 0; other != m && k < other->n_files; k++) {
            if (file_same(other->files[k], file))
                return true;
        }
    }
    return false;
}

static hearth_status remove_file(const char *path, uint64_t *freed, hearth_error *err)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return HEARTH_OK; /* gone already */
    if (unlink(path) != 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot remove '%s'", path);
    if (S_ISREG(info.st_mode) && info.st_nlink == 1)
        *freed += (uint64_t)info.st_size;
    return HEARTH_OK;
}

static hearth_status remove_files(library *l, const library_model *m, uint64_t *freed,
                                  hearth_error *err)
{
    library_models all;
    hearth_status status = HEARTH_OK;
    TRY(library_list(l, &all, err));
    for (size_t i = 0; status == HEARTH_OK && i < m->n_files; i++) {
        if (folders_holds(l->folder, m->files[i]) && !is_shared(&all, m, m->files[i]))
            status = remove_file(m->files[i], freed, err);
    }
    library_models_deinit(&all);
    return status;
}

/* model.yml goes first: what is left after a crash are files without a description, which are
 * found and can be removed. */
static hearth_status remove_model(library *l, const library_model *m, uint64_t *freed,
                                  hearth_error *err)
{
    uint64_t of_yml = 0;
    bool own_yml = is_own_yml(l, m);
    if (m->path == NULL)
        FAIL(err, EUNSUPPORTED, m->name, "'%s' is built into the program", m->name);
    if (!own_yml && !m->own_files)
        FAIL(err, EUNSUPPORTED, m->name,
             "'%s' is not in Hearth's folder and is left alone; its file is '%s'", m->name,
             m->path);
    if (own_yml) {
        char *yml = folders_join(m->folder, MODEL_YML_FILE);
        if (yml == NULL)
            return error_no_memory(err, "a path", strlen(m->folder));
        hearth_status status = remove_file(yml, &of_yml, err);
        mem_free(yml);
        TRY(status);
    }
    TRY(remove_files(l, m, freed, err));
    char *folder = own_yml ? mem_dup(m->folder, strlen(m->folder)) : folders_parent(m->path);
    if (folder)
        folders_remove_empty(folder, l->folder);
    mem_free(folder);
    return HEARTH_OK;
}

hearth_status library_remove(library *l, const char *name, uint64_t *freed, hearth_error *err)
{
    const library_model *m = NULL;
    uint64_t n = 0;
    bool found = false;
    hearth_error why = {0};
    hearth_status status = find_whole(l, name, &m, &why);
    pthread_mutex_lock(&l->work);
    if (status == HEARTH_OK)
        status = remove_model(l, m, &n, &why);
    else if (library_name_is_valid(name)) {
        hearth_status partial = library_remove_partial(l, name, &n, &found, &why);
        status = found ? partial : status;
    }
    if (status != HEARTH_OK && err)
        *err = why;
    if (library_scan_locked(l, &why) != HEARTH_OK)
        log_write(&l->log, HEARTH_LOG_WARNING, "%s", why.message);
    pthread_mutex_unlock(&l->work);
    library_model_unref(m);
    if (freed)
        *freed = n;
    return status;
}

/* ---- verifying ---- */

typedef struct verify {
    const library_model *m;
    model_yml *yml; /* NULL: there is none */
    const hearth_progress *progress;
    uint64_t done;
    bool learned; /* yml has a sum that it had not */
} verify;

static hearth_status verify_file(verify *v, const char *path, const char *expected,
                                 char sum[SHA256_HEX], hearth_error *err)
{
    struct stat info;
    TRY(sha256_file(path, v->progress, v->done, v->m->size_bytes, sum, err));
    if (stat(path, &info) == 0)
        v->done += (uint64_t)info.st_size;
    if (expected && *expected && strcmp(expected, sum) != 0)
        FAIL(err, EMISMATCH, path,
             "'%.120s' is not what it should be: its SHA-256 is %s, expected %s; get it again",
             path, sum, expected);
    return HEARTH_OK;
}

static hearth_status verify_all(verify *v, char first[LIBRARY_SHA256], hearth_error *err)
{
    const library_model *m = v->m;
    char sum[SHA256_HEX], told[SHA256_HEX];
    bool has_mmproj = m->mmproj_size_bytes > 0;
    for (size_t i = 0; i < m->n_files; i++) {
        bool is_mmproj = has_mmproj && i + 1 == m->n_files;
        const char *word = v->yml ? model_yml_get_word(v->yml, "sha256_parts", i) : NULL;
        const char *expected = is_mmproj ? m->mmproj_sha256 : i == 0 ? m->sha256 : "";
        if (!is_mmproj && *expected == '\0' && word && sha256_read(word, told))
            expected = told;
        TRY(verify_file(v, m->files[i], expected, sum, err));
        if (i == 0)
            memcpy(first, sum, sizeof sum);
        if (v->yml && *expected == '\0' && (i == 0 || is_mmproj)) {
            TRY(model_yml_set(v->yml, is_mmproj ? "mmproj_sha256" : "sha256", sum, err));
            if (i == 0)
                TRY(model_yml_set(v->yml, "model_sha256", sum, err));
            v->learned = true;
        }
    }
    return HEARTH_OK;
}

hearth_status library_verify(library *l, const char *name, const hearth_progress *progress,
                             char sha256[LIBRARY_SHA256], hearth_error *err)
{
    char sum[LIBRARY_SHA256] = "", *path = NULL;
    verify v = {.progress = progress};
    TRY(library_find(l, name, &v.m, err));
    hearth_status status = HEARTH_OK;
    if (v.m->path == NULL)
        FAIL_OUT(err, EUNSUPPORTED, v.m->name, "'%s' is built into the program", v.m->name);
    if (v.m->n_files == 0)
        FAIL_OUT(err, ENOTFOUND, v.m->name, "%s: %s", v.m->name, v.m->problem);
    if (is_own_yml(l, v.m))
        TRY_OUT(library_yml_of(l, v.m, &v.yml, &path, err));
    TRY_OUT(verify_all(&v, sum, err));
    if (v.learned) {
        pthread_mutex_lock(&l->work);
        status = write_yml(v.yml, path, err);
        if (status == HEARTH_OK)
            status = library_scan_locked(l, err);
        pthread_mutex_unlock(&l->work);
    }
    if (sha256)
        memcpy(sha256, sum, sizeof sum);
out:
    if (v.yml) {
        model_yml_free(v.yml);
        mem_free(path);
    }
    library_model_unref(v.m);
    return status;
}
