/* SPDX-License-Identifier: MIT
 *
 * scan.c - from files to models: what the stores hold, each file once, projectors put to the models
 * that they were made for, names made different.
 *
 * A projector belongs to a model in the same folder (or, in the Hugging Face cache, one below) if
 * the width it projects to is the model's. Where that fits none, the only projector of a folder
 * goes to models of its own base name, or to all if there is no other kind of model there. Of
 * several that fit, F16 is taken before BF16, Q8_0 and the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "library/ember.h"
#include "library/folders.h"
#include "library/library_impl.h"
#include "library/name.h"
#include "library/record.h"
#include "library/stores.h"

typedef struct item {
    found *found;
    file_set files;
    facts facts;
    char *folder; /* that the file lies in */
    bool dropped;
} item;

typedef struct scan {
    library *l;
    found_list list;
    item *items;
    size_t n;
    uint32_t *seen; /* a hash table of items by device and inode: index + 1 */
    size_t n_slots;
} scan;

/* ---- the stores ---- */

static void walk_if(found_list *list, char *path, library_origin origin, const hearth_log *log)
{
    if (path == NULL)
        return;
    if (origin == LIBRARY_HUGGINGFACE)
        stores_walk_huggingface(list, path);
    else if (origin == LIBRARY_OLLAMA)
        stores_walk_ollama(list, path, log);
    else
        stores_walk_folder(list, path, origin, log);
    mem_free(path);
}

static char *variable(const char *name, const char *below)
{
    const char *value = getenv(name);
    if (value == NULL || *value != '/')
        return NULL;
    return *below ? folders_join(value, below) : mem_dup(value, strlen(value));
}

static char *huggingface_folder(void)
{
    char *path = variable("HF_HUB_CACHE", "");
    if (path == NULL)
        path = variable("HUGGINGFACE_HUB_CACHE", "");
    if (path == NULL)
        path = variable("HF_HOME", "hub");
    return path ? path : folders_xdg("XDG_CACHE_HOME", ".cache", "huggingface/hub");
}

static void walk_all(library *l, found_list *list)
{
    stores_walk_folder(list, l->folder, LIBRARY_OWN, &l->log);
    for (size_t i = 0; i < l->n_folders; i++)
        stores_walk_folder(list, l->folders[i], LIBRARY_FOLDER, &l->log);
    if (l->huggingface)
        walk_if(list, huggingface_folder(), LIBRARY_HUGGINGFACE, &l->log);
    if (l->lmstudio) {
        walk_if(list, folders_home(".lmstudio/models"), LIBRARY_LMSTUDIO, &l->log);
        walk_if(list, folders_home(".cache/lm-studio/models"), LIBRARY_LMSTUDIO, &l->log);
    }
    if (l->ollama) {
        char *own = variable("OLLAMA_MODELS", "");
        static const char common[] = "/usr/share/ollama/.ollama/models";
        walk_if(list, own ? own : folders_home(".ollama/models"), LIBRARY_OLLAMA, &l->log);
        walk_if(list, mem_dup(common, sizeof common - 1), LIBRARY_OLLAMA, &l->log);
    }
}

/* ---- each file once ---- */

/* The item that holds the same file, or NULL; then this one is entered. */
static const item *find_same(scan *s, size_t index)
{
    const item *it = &s->items[index];
    uint64_t hash = hash_bytes(HASH_START, &it->files.inode, sizeof it->files.inode);
    hash = hash_bytes(hash, &it->files.device, sizeof it->files.device);
    size_t slot = (size_t)(hash % s->n_slots);
    for (; s->seen[slot]; slot = (slot + 1) % s->n_slots) {
        const item *other = &s->items[s->seen[slot] - 1];
        if (other->files.inode == it->files.inode && other->files.device == it->files.device)
            return other;
    }
    s->seen[slot] = (uint32_t)index + 1;
    return NULL;
}

/* model.yml may give one file several names, and so does Ollama. */
static bool is_repeated(scan *s, size_t index)
{
    const item *it = &s->items[index], *same = find_same(s, index);
    if (same == NULL || it->found->yml)
        return false;
    return !(it->found->origin == LIBRARY_OLLAMA && same->found->origin == LIBRARY_OLLAMA);
}

static bool look_at(scan *s, size_t index)
{
    item *it = &s->items[index];
    it->found = &s->list.items[index];
    it->folder = folders_parent(it->found->path);
    if (it->folder == NULL || !file_set_read(&it->files, it->found->path))
        return false;
    if (it->files.n == 0 && it->found->yml == NULL)
        it->dropped = true;
    else if (it->files.n == 0)
        snprintf(it->facts.problem, sizeof it->facts.problem, "the file '%.200s' is not there",
                 it->found->path);
    else if (is_repeated(s, index))
        it->dropped = true;
    else
        facts_cache_get(s->l->cache, it->found->path, it->files.n_bytes, it->files.changed_ns,
                        &it->facts);
    return true;
}

/* What a model.yml speaks of comes first, so that the file itself is the repetition. */
static bool look_at_files(scan *s)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->n; i++) {
            if ((s->list.items[i].yml != NULL) == (pass == 0) && !look_at(s, i))
                return false;
        }
    }
    return true;
}

/* ---- projectors ---- */

static int rank_of(const item *projector)
{
    static const char *const best[] = {"F16", "BF16", "Q8_0"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(projector->facts.quantization, best[i]) == 0)
            return i;
    }
    return 3;
}

static bool is_beside(const item *projector, const item *model)
{
    if (strcmp(projector->folder, model->folder) == 0)
        return true;
    size_t n = strlen(projector->folder);
    return model->found->origin == LIBRARY_HUGGINGFACE &&
           strncmp(projector->folder, model->folder, n) == 0 && model->folder[n] == '/';
}

static bool is_model(const item *it)
{
    return !it->dropped && !it->facts.projector && !it->facts.adapter;
}

/* Whether all models of the projector's folder are of one kind, quantizations apart. */
static bool is_alone(const scan *s, const item *model)
{
    for (size_t i = 0; i < s->n; i++) {
        const item *it = &s->items[i];
        if (is_model(it) && strcmp(it->folder, model->folder) == 0 &&
            (it->facts.n_params != model->facts.n_params ||
             strcmp(it->facts.architecture, model->facts.architecture) != 0))
            return false;
    }
    return true;
}

static const item *find_projector(const scan *s, const item *model)
{
    const item *fitting = NULL, *only = NULL;
    size_t n_beside = 0;
    for (size_t i = 0; i < s->n; i++) {
        const item *it = &s->items[i];
        if (!it->facts.projector || *it->facts.problem || !is_beside(it, model))
            continue;
        n_beside++;
        only = it;
        if (it->facts.projector_dim == model->facts.n_embd &&
            (fitting == NULL || rank_of(it) < rank_of(fitting)))
            fitting = it;
    }
    if (fitting || n_beside != 1)
        return fitting;
    bool named = *only->facts.basename && *model->facts.basename;
    bool belongs =
        named ? strcmp(only->facts.basename, model->facts.basename) == 0 : is_alone(s, model);
    return belongs ? only : NULL;
}

/* ---- records ---- */

static bool is_taken(const library_models *models, const char *name)
{
    for (size_t i = 0; i < models->n; i++) {
        if (strcmp(models->items[i]->name, name) == 0)
            return true;
    }
    return false;
}

static void choose_name(const library_models *models, const found *f,
                        char name[LIBRARY_NAME_MAX + 1])
{
    snprintf(name, LIBRARY_NAME_MAX + 1, "%s", f->name);
    if (is_taken(models, name))
        snprintf(name, LIBRARY_NAME_MAX + 1, "%s/%.150s", library_origin_name(f->origin), f->name);
    for (unsigned i = 2; is_taken(models, name); i++)
        snprintf(name, LIBRARY_NAME_MAX + 1, "%s/%.150s@%u", library_origin_name(f->origin),
                 f->name, i);
}

static bool put(library_models *models, const library_model *m)
{
    if (m)
        models->items[models->n++] = m;
    return m != NULL;
}

static bool put_ember(scan *s, library_models *models)
{
    size_t n_bytes;
    record_parts parts = {.name = EMBER_NAME, .origin = LIBRARY_BUILTIN, .facts = &s->l->ember};
    ember_bytes(&n_bytes);
    parts.size_bytes = n_bytes;
    library_get_usage(s->l, EMBER_NAME, &parts.usage_count, &parts.last_used_ms);
    return put(models, record_new(&parts));
}

static bool put_model(scan *s, library_models *models, const item *it)
{
    char name[LIBRARY_NAME_MAX + 1];
    const item *beside = NULL;
    file_set files = {0};
    facts mmproj = {.problem = ""};
    record_parts parts = {.name = name,
                          .origin = it->found->origin,
                          .found = it->found,
                          .files = &it->files,
                          .facts = &it->facts,
                          .mmproj = it->found->mmproj,
                          .mmproj_files = &files,
                          .mmproj_facts = &mmproj,
                          .own_folder = s->l->folder};
    bool ok = true;
    choose_name(models, it->found, name);
    if (parts.mmproj == NULL && it->files.n > 0)
        beside = find_projector(s, it);
    if (beside) {
        parts.mmproj = beside->found->path;
        parts.mmproj_files = &beside->files;
        parts.mmproj_facts = &beside->facts;
    } else if (parts.mmproj) {
        ok = file_set_read(&files, parts.mmproj);
        if (ok && files.n > 0)
            facts_cache_get(s->l->cache, parts.mmproj, files.n_bytes, files.changed_ns, &mmproj);
        else
            snprintf(mmproj.problem, sizeof mmproj.problem, "the projector '%.200s' is not there",
                     parts.mmproj);
    }
    library_get_usage(s->l, name, &parts.usage_count, &parts.last_used_ms);
    ok = ok && put(models, record_new(&parts));
    file_set_deinit(&files);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    const library_model *const *x = a, *const *y = b;
    int order = ((*y)->origin == LIBRARY_BUILTIN) - ((*x)->origin == LIBRARY_BUILTIN);
    if (order == 0)
        order = strcasecmp((*x)->name, (*y)->name);
    return order ? order : strcmp((*x)->name, (*y)->name);
}

static bool make_models(scan *s, library_models *models)
{
    *models = (library_models){0};
    models->items = mem_calloc(s->n + 1, sizeof *models->items);
    bool ok = models->items && put_ember(s, models);
    for (size_t i = 0; ok && i < s->n; i++) {
        if (is_model(&s->items[i]))
            ok = put_model(s, models, &s->items[i]);
    }
    if (ok)
        qsort(models->items, models->n, sizeof *models->items, by_name);
    else
        library_models_deinit(models);
    return ok;
}

hearth_status library_scan_locked(library *l, hearth_error *err)
{
    scan s = {.l = l};
    library_models models;
    hearth_error why;
    walk_all(l, &s.list);
    s.n = s.list.n;
    s.n_slots = 2 * s.n + 1;
    s.items = mem_calloc(s.n + 1, sizeof *s.items);
    s.seen = mem_calloc(s.n_slots, sizeof *s.seen);
    facts_cache_begin(l->cache);
    bool ok = !s.list.failed && s.items && s.seen && look_at_files(&s) && make_models(&s, &models);
    if (ok) {
        library_swap(l, &models);
        if (facts_cache_save(l->cache, &why) != HEARTH_OK)
            log_write(&l->log, HEARTH_LOG_INFO, "metadata is not kept: %s", why.message);
    }
    for (size_t i = 0; s.items && i < s.n; i++) {
        file_set_deinit(&s.items[i].files);
        mem_free(s.items[i].folder);
    }
    mem_free(s.items);
    mem_free(s.seen);
    found_list_deinit(&s.list);
    return ok ? HEARTH_OK : error_no_memory(err, "the list of models", s.n * sizeof(item));
}
