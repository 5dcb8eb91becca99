/* SPDX-License-Identifier: MIT
 *
 * stores.c - see stores.h.
 */
#include "library/stores.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "base/mem.h"
#include "library/folders.h"
#include "library/name.h"
#include "os/file.h"

enum { DEPTH_MAX = 8, FOLDERS_MAX = 20000, FILES_MAX = 20000, MANIFEST_MAX_BYTES = 1 << 20 };

/* ---- the list ---- */

void found_list_deinit(found_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        found *f = &list->items[i];
        mem_free(f->name);
        mem_free(f->path);
        mem_free(f->mmproj);
        mem_free(f->folder);
        mem_free(f->source);
        model_yml_free(f->yml);
    }
    mem_free(list->items);
    *list = (found_list){0};
}

/* Takes path. NULL: out of memory, or full. */
static found *add(found_list *list, library_origin origin, const char *name, char *path)
{
    if (list->n == list->capacity && list->n < FILES_MAX) {
        size_t more = list->capacity ? 2 * list->capacity : 64;
        found *items = mem_realloc_array(list->items, more, sizeof *items);
        if (items) {
            list->items = items;
            list->capacity = more;
        }
    }
    char *copy = mem_dup(name, strlen(name));
    if (list->n == list->capacity || path == NULL || copy == NULL) {
        list->failed = true;
        mem_free(path);
        mem_free(copy);
        return NULL;
    }
    list->items[list->n] = (found){.origin = origin, .name = copy, .path = path};
    return &list->items[list->n++];
}

/* ---- folders of files ---- */

typedef struct walk {
    found_list *list;
    const char *root;
    library_origin origin;
    const hearth_log *log;
    struct {
        dev_t device;
        ino_t inode;
    } * seen;
    size_t n_seen;
} walk;

/* A folder that is reached twice, over links, is looked at once. */
static bool is_new(walk *w, const struct stat *info)
{
    for (size_t i = 0; i < w->n_seen; i++) {
        if (w->seen[i].device == info->st_dev && w->seen[i].inode == info->st_ino)
            return false;
    }
    if (w->n_seen == FOLDERS_MAX)
        return false;
    w->seen[w->n_seen].device = info->st_dev;
    w->seen[w->n_seen++].inode = info->st_ino;
    return true;
}

/* Of a split set only the first part counts, or the first of those that are there. */
static bool is_first(const char *path)
{
    split_name split;
    char other[PATH_MAX];
    if (!split_name_parse(path, &split))
        return true;
    for (unsigned i = 1; i < split.number; i++) {
        if (split_name_part(path, &split, i, other, sizeof other) && access(other, F_OK) == 0)
            return false;
    }
    return true;
}

char *stores_resolve_path(const char *folder, const char *path)
{
    char *above = mem_dup(folder, strlen(folder)), *whole = NULL;
    if (*path == '/') {
        mem_free(above);
        return mem_dup(path, strlen(path));
    }
    for (int i = 0; above && i < DEPTH_MAX; i++) {
        whole = folders_join(above, path);
        if (whole && file_exists(whole))
            break;
        mem_free(whole);
        whole = NULL;
        char *next = folders_parent(above);
        bool at_end = next && strcmp(next, above) == 0;
        mem_free(above);
        above = next;
        if (at_end)
            break;
    }
    mem_free(above);
    return whole ? whole : folders_join(folder, path);
}

static const char *below_root(const walk *w, const char *folder)
{
    const char *rest = folder + strlen(w->root);
    return *rest == '/' ? rest + 1 : rest;
}

static void take_yml(walk *w, const char *folder, const char *file)
{
    hearth_error why;
    model_yml *yml;
    char name[LIBRARY_NAME_MAX + 1];
    if (model_yml_read(&yml, file, &why) != HEARTH_OK) {
        log_write(w->log, HEARTH_LOG_WARNING, "%s", why.message);
        return;
    }
    const char *model = model_yml_get(yml, "model_path");
    const char *mmproj = model_yml_get(yml, "mmproj_path");
    const char *rest = below_root(w, folder);
    if (model == NULL) {
        log_write(w->log, HEARTH_LOG_WARNING, "'%s' has no model_path", file);
        model_yml_free(yml);
        return;
    }
    if (*rest)
        snprintf(name, sizeof name, "%s", rest);
    else
        name_from_file("", model, name);
    name_repair(name);
    found *f = add(w->list, w->origin, name, stores_resolve_path(folder, model));
    if (f == NULL) {
        model_yml_free(yml);
        return;
    }
    f->yml = yml;
    f->folder = mem_dup(folder, strlen(folder));
    f->mmproj = mmproj ? stores_resolve_path(folder, mmproj) : NULL;
}

static void take_file(walk *w, const char *folder, const char *path)
{
    char name[LIBRARY_NAME_MAX + 1];
    if (!is_first(path))
        return;
    name_from_file(below_root(w, folder), path, name);
    add(w->list, w->origin, name, mem_dup(path, strlen(path)));
}

static void walk_folder(walk *w, const char *folder, int depth);

static void visit(walk *w, const char *folder, const char *name, int depth)
{
    struct stat info;
    char path[PATH_MAX];
    if (*name == '.' || snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX ||
        stat(path, &info) != 0)
        return;
    if (S_ISDIR(info.st_mode) && depth < DEPTH_MAX && is_new(w, &info))
        walk_folder(w, path, depth + 1);
    else if (S_ISREG(info.st_mode) && strcmp(name, MODEL_YML_FILE) == 0)
        take_yml(w, folder, path);
    else if (S_ISREG(info.st_mode) && name_is_gguf(name))
        take_file(w, folder, path);
}

/* What model.yml says comes first: the file it names is then known. */
static void walk_folder(walk *w, const char *folder, int depth)
{
    folder_names names;
    if (!folders_list(folder, &names))
        return;
    for (size_t i = 0; i < names.n; i++) {
        if (strcmp(names.items[i], MODEL_YML_FILE) == 0)
            visit(w, folder, names.items[i], depth);
    }
    for (size_t i = 0; i < names.n; i++) {
        if (strcmp(names.items[i], MODEL_YML_FILE) != 0)
            visit(w, folder, names.items[i], depth);
    }
    folder_names_deinit(&names);
}

void stores_walk_folder(found_list *list, const char *root, library_origin origin,
                        const hearth_log *log)
{
    walk w = {.list = list, .root = root, .origin = origin, .log = log};
    w.seen = mem_calloc(FOLDERS_MAX, sizeof *w.seen);
    if (w.seen == NULL) {
        list->failed = true;
        return;
    }
    struct stat info;
    if (stat(root, &info) == 0 && is_new(&w, &info))
        walk_folder(&w, root, 0);
    mem_free(w.seen);
}

/* ---- the Hugging Face cache ---- */

/* The blob that a link leads to has its SHA-256 as its name, if it is a large file. */
static void read_link_sum(const char *path, char out[SHA256_HEX])
{
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof target - 1);
    *out = '\0';
    if (n <= 0)
        return;
    target[n] = '\0';
    sha256_read(name_of_path(target), out);
}

static void walk_snapshot(found_list *list, const char *folder, const char *repository, int depth)
{
    folder_names names;
    if (depth > DEPTH_MAX || !folders_list(folder, &names))
        return;
    for (size_t i = 0; i < names.n; i++) {
        struct stat info;
        char name[LIBRARY_NAME_MAX + 1], source[LIBRARY_NAME_MAX + 16];
        char *path = folders_join(folder, names.items[i]);
        bool there = path && lstat(path, &info) == 0;
        if (there && S_ISDIR(info.st_mode))
            walk_snapshot(list, path, repository, depth + 1);
        if (there && !S_ISDIR(info.st_mode) && name_is_gguf(path) && file_exists(path) &&
            is_first(path)) {
            name_from_file(repository, path, name);
            snprintf(source, sizeof source, "hf.co/%s", repository);
            found *f = add(list, LIBRARY_HUGGINGFACE, name, mem_dup(path, strlen(path)));
            if (f) {
                f->source = mem_dup(source, strlen(source));
                read_link_sum(path, f->sha256);
            }
        }
        mem_free(path);
    }
    folder_names_deinit(&names);
}

/* The revision called main comes first; files of others count where it has none of that name. */
static void walk_repository(found_list *list, const char *hub, const char *folder)
{
    char repository[LIBRARY_NAME_MAX + 1], path[PATH_MAX], *main_revision = NULL;
    size_t n = 0;
    folder_names revisions;
    snprintf(repository, sizeof repository, "%s", folder + strlen("models--"));
    char *dashes = strstr(repository, "--");
    if (dashes) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    if (!library_name_is_valid(repository))
        return;
    snprintf(path, sizeof path, "%s/%s/refs/main", hub, folder);
    if (file_read_all(path, 256, &main_revision, &n, NULL) == HEARTH_OK)
        main_revision[strcspn(main_revision, "\r\n /")] = '\0';
    snprintf(path, sizeof path, "%s/%s/snapshots", hub, folder);
    if (folders_list(path, &revisions)) {
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < revisions.n; i++) {
                bool is_main = main_revision && strcmp(revisions.items[i], main_revision) == 0;
                snprintf(path, sizeof path, "%s/%s/snapshots/%s", hub, folder, revisions.items[i]);
                if (is_main == (pass == 0))
                    walk_snapshot(list, path, repository, 0);
            }
        }
        folder_names_deinit(&revisions);
    }
    mem_free(main_revision);
}

void stores_walk_huggingface(found_list *list, const char *hub)
{
    folder_names names;
    if (!folders_list(hub, &names))
        return;
    for (size_t i = 0; i < names.n; i++) {
        if (strncmp(names.items[i], "models--", strlen("models--")) == 0)
            walk_repository(list, hub, names.items[i]);
    }
    folder_names_deinit(&names);
}

/* ---- Ollama's store ---- */

/* "registry.ollama.ai/library/llama3.2/3b" is "llama3.2:3b"; other namespaces and hosts are kept.
 */
static void name_ollama(const char *host, const char *space, const char *name, const char *tag,
                        char out[LIBRARY_NAME_MAX + 1])
{
    bool home = strcmp(host, "registry.ollama.ai") == 0;
    bool common = home && strcmp(space, "library") == 0;
    snprintf(out, LIBRARY_NAME_MAX + 1, "%s%s%s%s%s:%s", home ? "" : host, home ? "" : "/",
             common ? "" : space, common ? "" : "/", name, tag);
    name_repair(out);
}

/* The blob of the first layer of that type. The digest becomes a path only if it is one. */
static char *blob_of(const char *models, const json_t *manifest, const char *type,
                     char sum[SHA256_HEX])
{
    size_t i;
    const json_t *layer;
    const json_t *layers = json_object_get(manifest, "layers");
    char path[PATH_MAX];
    *sum = '\0';
    json_array_foreach(layers, i, layer)
    {
        const char *media = json_string_value(json_object_get(layer, "mediaType"));
        const char *digest = json_string_value(json_object_get(layer, "digest"));
        if (media == NULL || digest == NULL || strcmp(media, type) != 0 ||
            !sha256_read(digest, sum))
            continue;
        int n = snprintf(path, sizeof path, "%s/blobs/sha256-%s", models, sum);
        return n < PATH_MAX ? mem_dup(path, (size_t)n) : NULL;
    }
    return NULL;
}

static void read_manifest(found_list *list, const char *models, const char *path, const char *name,
                          const hearth_log *log)
{
    char *text = NULL, sum[SHA256_HEX];
    size_t n;
    hearth_error why;
    if (file_read_all(path, MANIFEST_MAX_BYTES, &text, &n, &why) != HEARTH_OK) {
        log_write(log, HEARTH_LOG_WARNING, "%s", why.message);
        return;
    }
    json_t *manifest = json_loadb(text, n, 0, NULL);
    mem_free(text);
    if (manifest == NULL)
        log_write(log, HEARTH_LOG_WARNING, "'%s' is not JSON", path);
    char *blob = blob_of(models, manifest, "application/vnd.ollama.image.model", sum);
    found *f = blob ? add(list, LIBRARY_OLLAMA, name, blob) : NULL;
    if (f) {
        memcpy(f->sha256, sum, sizeof sum);
        f->mmproj =
            blob_of(models, manifest, "application/vnd.ollama.image.projector", f->mmproj_sha256);
    }
    json_decref(manifest);
}

/* HOST/NAMESPACE/NAME/TAG: four levels, each a name. */
static void walk_manifests(found_list *list, const char *models, const char *folder,
                           const char *parts[4], int level, const hearth_log *log)
{
    folder_names names;
    char path[PATH_MAX], name[LIBRARY_NAME_MAX + 1];
    if (!folders_list(folder, &names))
        return;
    for (size_t i = 0; i < names.n; i++) {
        if (*names.items[i] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, names.items[i]) >= PATH_MAX)
            continue;
        parts[level] = names.items[i];
        if (level < 3) {
            walk_manifests(list, models, path, parts, level + 1, log);
        } else {
            name_ollama(parts[0], parts[1], parts[2], parts[3], name);
            read_manifest(list, models, path, name, log);
        }
    }
    folder_names_deinit(&names);
}

void stores_walk_ollama(found_list *list, const char *models, const hearth_log *log)
{
    const char *parts[4];
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/manifests", models) < PATH_MAX)
        walk_manifests(list, models, path, parts, 0, log);
}
