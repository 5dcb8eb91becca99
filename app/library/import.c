/* SPDX-License-Identifier: MIT
 *
 * import.c - making a file that the user has known to the library: in place, by a model.yml that
 * points to it, or as a copy in Hearth's own folder.
 *
 * A copy shares its blocks with the original where the file system can (FICLONE); it has its name
 * only when all its bytes are on the disk. model.yml is written last.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hearth/model.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "library/folders.h"
#include "library/library_impl.h"
#include "library/name.h"
#include "library/record.h"
#include "library/sha256.h"
#include "os/file.h"

enum { COPY_BYTES = 1 << 20 };

typedef struct import {
    library *l;
    const library_import *from;
    char path[PATH_MAX];   /* of the first part */
    char mmproj[PATH_MAX]; /* "": none */
    char name[LIBRARY_NAME_MAX + 1];
    file_set files;
    facts facts;
    char *folder;    /* of the model.yml */
    size_t n_copied; /* of the files, then the projector */
} import;

/* ---- what it is ---- */

/* The one model among the files of a folder. */
static hearth_status find_in_folder(const char *folder, char path[PATH_MAX], hearth_error *err)
{
    folder_names names;
    size_t n_models = 0;
    if (!folders_list(folder, &names))
        return error_set_errno(err, HEARTH_EIO, folder, "cannot read the folder '%s'", folder);
    for (size_t i = 0; i < names.n; i++) {
        split_name split;
        facts f;
        char file[PATH_MAX];
        if (!name_is_gguf(names.items[i]) ||
            (split_name_parse(names.items[i], &split) && split.number != 1) ||
            snprintf(file, sizeof file, "%s/%s", folder, names.items[i]) >= PATH_MAX)
            continue;
        facts_read(&f, file);
        if (f.projector || f.adapter)
            continue;
        n_models++;
        memcpy(path, file, PATH_MAX);
    }
    folder_names_deinit(&names);
    if (n_models != 1)
        FAIL(err, EINVAL, folder, "'%s' holds %zu models, not one; name the file", folder,
             n_models);
    return HEARTH_OK;
}

/* An unknown architecture may be imported: another engine may know it. */
static hearth_status look_at_model(import *i, hearth_error *err)
{
    hearth_model_options options;
    hearth_model *m;
    split_name split;
    char first[PATH_MAX];
    if (split_name_parse(i->path, &split) &&
        split_name_part(i->path, &split, 1, first, sizeof first))
        memcpy(i->path, first, sizeof first);
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_METADATA;
    hearth_error why;
    hearth_status status = hearth_model_open(&m, i->path, &options, &why);
    if (status != HEARTH_OK)
        return error_set(err, status, i->path, "'%.200s': %.300s", i->path, why.message);
    hearth_model_close(m);
    facts_read(&i->facts, i->path);
    if (i->facts.projector)
        FAIL(err, EFORMAT, i->path,
             "'%s' is a projector of images or sound; import the model, and name it as --mmproj",
             i->path);
    if (i->facts.adapter)
        FAIL(err, EFORMAT, i->path, "'%s' is a LoRA adapter, to be used with --lora", i->path);
    return file_set_read(&i->files, i->path) ? HEARTH_OK
                                             : error_no_memory(err, "a list of files", 0);
}

static hearth_status look_at_path(import *i, hearth_error *err)
{
    struct stat info;
    const char *given = i->from->path;
    if (realpath(given, i->path) == NULL)
        return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, given,
                               "cannot find '%s'", given);
    if (stat(i->path, &info) == 0 && S_ISDIR(info.st_mode)) {
        char folder[PATH_MAX];
        memcpy(folder, i->path, sizeof folder);
        TRY(find_in_folder(folder, i->path, err));
    } else if (!name_is_gguf(i->path) && name_is_gguf(given)) {
        /* A link in a store of blobs: its own name is the one that tells something. */
        char *parent = folders_parent(given);
        char whole[PATH_MAX];
        bool known =
            parent && realpath(parent, whole) &&
            snprintf(i->path, sizeof i->path, "%s/%s", whole, name_of_path(given)) < PATH_MAX;
        mem_free(parent);
        if (!known)
            return error_set_errno(err, HEARTH_EIO, given, "cannot find '%s'", given);
    }
    if (!utf8_is_valid(i->path, strlen(i->path)))
        FAIL(err, EINVAL, "path",
             "'%s': a model's description cannot name a path that is not UTF-8; rename it",
             i->path);
    return look_at_model(i, err);
}

/* ---- its projector ---- */

/* The projectors beside it are few, and are named so. */
static void find_projector(import *i)
{
    folder_names names;
    size_t n_found = 0;
    char *folder = folders_parent(i->path), file[PATH_MAX];
    bool fits = false;
    if (folder && folders_list(folder, &names)) {
        for (size_t k = 0; k < names.n; k++) {
            facts f;
            if (!name_is_gguf(names.items[k]) || strcasestr(names.items[k], "mmproj") == NULL ||
                snprintf(file, sizeof file, "%s/%s", folder, names.items[k]) >= PATH_MAX)
                continue;
            facts_read(&f, file);
            bool this_fits = f.projector && f.projector_dim == i->facts.n_embd;
            n_found += f.projector;
            if (f.projector && (this_fits || !fits) && !(fits && this_fits))
                memcpy(i->mmproj, file, sizeof file);
            fits = fits || this_fits;
        }
        folder_names_deinit(&names);
    }
    mem_free(folder);
    if (!fits && n_found != 1)
        i->mmproj[0] = '\0';
}

static hearth_status look_at_projector(import *i, hearth_error *err)
{
    facts f;
    const char *given = i->from->mmproj_path;
    if (given == NULL) {
        find_projector(i);
        return HEARTH_OK;
    }
    if (realpath(given, i->mmproj) == NULL)
        return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, given,
                               "cannot find '%s'", given);
    facts_read(&f, i->mmproj);
    if (!f.projector)
        FAIL(err, EFORMAT, given, "'%s' is no projector of images or sound%s%s", given,
             *f.problem ? ": " : "", f.problem);
    return HEARTH_OK;
}

/* ---- copying ---- */

static hearth_status copy_bytes(int from, int to, const char *path, hearth_error *err)
{
    char *block = mem_alloc(COPY_BYTES);
    hearth_status status = HEARTH_OK;
    if (block == NULL)
        return error_no_memory(err, "a block to copy with", COPY_BYTES);
    for (;;) {
        ssize_t n = read(from, block, COPY_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        for (ssize_t done = 0, wrote; n > 0 && done < n; done += wrote) {
            wrote = write(to, block + done, (size_t)(n - done));
            if (wrote < 0 && errno == EINTR)
                wrote = 0;
            if (wrote < 0)
                n = -1;
        }
        if (n < 0)
            status = error_set_errno(err, HEARTH_EIO, path, "cannot copy '%s'", path);
        if (n <= 0)
            break;
    }
    mem_free(block);
    return status;
}

static hearth_status copy_file(const char *path, const char *folder, char copied[PATH_MAX],
                               hearth_error *err)
{
    char partial[PATH_MAX];
    hearth_status status = HEARTH_OK;
    if (snprintf(copied, PATH_MAX, "%s/%s", folder, name_of_path(path)) >= PATH_MAX ||
        snprintf(partial, sizeof partial, "%s.part", copied) >= PATH_MAX)
        FAIL(err, EINVAL, path, "the path of the copy is too long");
    if (access(copied, F_OK) == 0)
        FAIL(err, EMISMATCH, copied, "there is a file '%s' already; give this one another --name",
             copied);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    int to = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (from < 0 || to < 0)
        status = error_set_errno(err, HEARTH_EIO, path, "cannot copy '%s' to '%s'", path, copied);
    else if (ioctl(to, FICLONE, from) != 0)
        status = copy_bytes(from, to, path, err);
    if (status == HEARTH_OK && (fsync(to) != 0 || rename(partial, copied) != 0))
        status = error_set_errno(err, HEARTH_EIO, copied, "cannot write '%s'", copied);
    if (status == HEARTH_OK)
        file_leave_cache(to);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    if (status != HEARTH_OK)
        unlink(partial);
    return status;
}

/* The paths become those of the copies. */
static hearth_status copy_all(import *i, hearth_error *err)
{
    struct stat info;
    char copied[PATH_MAX];
    uint64_t need = i->files.n_bytes;
    if (*i->mmproj && stat(i->mmproj, &info) == 0)
        need += (uint64_t)info.st_size;
    TRY(folders_make(i->folder, err));
    if (file_free_space(i->folder) < need)
        FAIL(err, EIO, i->folder, "a copy takes %.1f MiB and %.1f MiB are free in '%s'",
             (double)need / 1048576.0, (double)file_free_space(i->folder) / 1048576.0, i->folder);
    for (size_t k = 0; k < i->files.n; k++) {
        TRY(copy_file(i->files.paths[k], i->folder, copied, err));
        i->n_copied++;
        if (k == 0)
            memcpy(i->path, copied, sizeof copied);
    }
    if (*i->mmproj) {
        TRY(copy_file(i->mmproj, i->folder, copied, err));
        i->n_copied++;
        memcpy(i->mmproj, copied, sizeof copied);
    }
    return HEARTH_OK;
}

/* What a failed import leaves is nothing. */
static void undo(const import *i)
{
    char copied[PATH_MAX];
    for (size_t k = 0; k < i->n_copied; k++) {
        const char *path = k < i->files.n ? i->files.paths[k] : i->mmproj;
        if (snprintf(copied, sizeof copied, "%s/%s", i->folder, name_of_path(path)) < PATH_MAX)
            unlink(copied);
    }
    folders_remove_empty(i->folder, i->l->folder);
}

/* ---- the description ---- */

static hearth_status write_description(import *i, hearth_error *err)
{
    model_yml *yml = NULL;
    char *path = folders_join(i->folder, MODEL_YML_FILE), sum[SHA256_HEX];
    const library_import *from = i->from;
    hearth_status status = HEARTH_OK;
    if (path == NULL)
        return error_no_memory(err, "a path", strlen(i->folder));
    TRY_OUT(model_yml_new(&yml, err));
    TRY_OUT(model_yml_set(yml, "model_path", from->copy ? name_of_path(i->path) : i->path, err));
    if (*i->mmproj)
        TRY_OUT(model_yml_set(yml, "mmproj_path", from->copy ? name_of_path(i->mmproj) : i->mmproj,
                              err));
    if (*i->facts.title)
        TRY_OUT(model_yml_set(yml, "name", i->facts.title, err));
    TRY_OUT(model_yml_set_count(yml, "size_bytes", i->files.n_bytes, err));
    if (from->sha256 && sha256_read(from->sha256, sum)) {
        TRY_OUT(model_yml_set(yml, "sha256", sum, err));
        TRY_OUT(model_yml_set(yml, "model_sha256", sum, err));
    }
    TRY_OUT(model_yml_set(yml, "embedding",
                          i->facts.capabilities & LIBRARY_CAN_EMBEDDING ? "true" : "false", err));
    if (from->source)
        TRY_OUT(model_yml_set(yml, "source", from->source, err));
    TRY_OUT(model_yml_set_count(yml, "created", (uint64_t)library_now_ms(), err));
    TRY_OUT(folders_make(i->folder, err));
    TRY_OUT(model_yml_write(yml, path, err));
out:
    model_yml_free(yml);
    mem_free(path);
    return status;
}

static hearth_status choose_name(import *i, hearth_error *err)
{
    library_models models;
    hearth_status status = HEARTH_OK;
    if (i->from->name)
        snprintf(i->name, sizeof i->name, "%s", i->from->name);
    else
        name_from_file("", i->path, i->name);
    if (i->from->name)
        TRY(name_check(i->from->name, err));
    TRY(library_list(i->l, &models, err));
    for (size_t k = 0; status == HEARTH_OK && k < models.n; k++) {
        if (strcasecmp(models.items[k]->name, i->name) == 0)
            status = error_set(err, HEARTH_EMISMATCH, "name",
                               "there is a model '%s' already; give this one another --name",
                               models.items[k]->name);
    }
    library_models_deinit(&models);
    return status;
}

static hearth_status import_locked(import *i, hearth_error *err)
{
    char sum[SHA256_HEX];
    if (i->from->sha256 && !sha256_read(i->from->sha256, sum))
        FAIL(err, EINVAL, "sha256", "'%.80s' is not a SHA-256: 64 hexadecimal digits",
             i->from->sha256);
    TRY(look_at_path(i, err));
    TRY(look_at_projector(i, err));
    TRY(choose_name(i, err));
    i->folder = library_folder_of(i->l, i->name);
    if (i->folder == NULL)
        return error_no_memory(err, "a path", sizeof i->name);
    hearth_status status = i->from->copy ? copy_all(i, err) : HEARTH_OK;
    if (status == HEARTH_OK)
        status = write_description(i, err);
    if (status != HEARTH_OK)
        undo(i);
    return status == HEARTH_OK ? library_scan_locked(i->l, err) : status;
}

hearth_status library_import_file(library *l, const library_import *from, const library_model **out,
                                  hearth_error *err)
{
    import *i = mem_calloc(1, sizeof *i);
    if (i == NULL)
        return error_no_memory(err, "an import", sizeof *i);
    i->l = l;
    i->from = from;
    pthread_mutex_lock(&l->work);
    hearth_status status = import_locked(i, err);
    pthread_mutex_unlock(&l->work);
    if (status == HEARTH_OK && out)
        status = library_find(l, i->name, out, err);
    file_set_deinit(&i->files);
    mem_free(i->folder);
    mem_free(i);
    return status;
}
