/* SPDX-License-Identifier: MIT
 *
 * record.c - see record.h. A record owns its texts in one list, so that it is freed in one loop.
 */
#include "library/record.h"

#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "library/folders.h"
#include "library/name.h"

enum { TEXTS_MAX = 24, PARTS_MAX = 4096 };

typedef struct record {
    library_model model; /* first: a library_model is a record */
    atomic_uint n_refs;
    char *texts[TEXTS_MAX];
    size_t n_texts;
    char **files;
    bool failed;
} record;

/* ---- files ---- */

static bool look_at(file_set *set, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return true;
    int64_t changed = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    if (set->n == 0) {
        set->device = info.st_dev;
        set->inode = info.st_ino;
    }
    set->paths[set->n] = mem_dup(path, strlen(path));
    if (set->paths[set->n] == NULL)
        return false;
    set->n++;
    set->n_bytes += (uint64_t)info.st_size;
    set->changed_ns = changed > set->changed_ns ? changed : set->changed_ns;
    return true;
}

bool file_set_read(file_set *set, const char *path)
{
    split_name split;
    char part[PATH_MAX];
    bool is_split = split_name_parse(path, &split) && split.count <= PARTS_MAX;
    *set = (file_set){0};
    set->paths = mem_calloc(is_split ? split.count : 1, sizeof *set->paths);
    bool ok = set->paths != NULL;
    if (!is_split)
        return ok && look_at(set, path);
    for (unsigned i = 1; ok && i <= split.count; i++)
        ok = !split_name_part(path, &split, i, part, sizeof part) || look_at(set, part);
    return ok;
}

void file_set_deinit(file_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        mem_free(set->paths[i]);
    mem_free(set->paths);
    *set = (file_set){0};
}

/* ---- life ---- */

static void free_record(record *r)
{
    for (size_t i = 0; i < r->n_texts; i++)
        mem_free(r->texts[i]);
    for (size_t i = 0; r->files && i < r->model.n_files; i++)
        mem_free(r->files[i]);
    mem_free(r->files);
    mem_free(r);
}

const library_model *library_model_ref(const library_model *model)
{
    record *r = (record *)model;
    atomic_fetch_add(&r->n_refs, 1);
    return model;
}

void library_model_unref(const library_model *model)
{
    record *r = (record *)model;
    if (r && atomic_fetch_sub(&r->n_refs, 1) == 1)
        free_record(r);
}

/* NULL becomes "". */
static const char *own(record *r, const char *text)
{
    if (text == NULL || *text == '\0' || r->n_texts == TEXTS_MAX)
        return "";
    char *copy = mem_dup(text, strlen(text));
    if (copy == NULL) {
        r->failed = true;
        return "";
    }
    r->texts[r->n_texts++] = copy;
    return copy;
}

static const char *first_of(const char *a, const char *b)
{
    return a && *a ? a : b;
}

/* ---- making ---- */

static void take_files(record *r, const record_parts *p)
{
    size_t n = p->files->n + (p->mmproj ? p->mmproj_files->n : 0);
    r->files = mem_calloc(n + 1, sizeof *r->files);
    if (r->files == NULL) {
        r->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *path =
            i < p->files->n ? p->files->paths[i] : p->mmproj_files->paths[i - p->files->n];
        r->files[i] = mem_dup(path, strlen(path));
        r->failed = r->failed || r->files[i] == NULL;
        r->model.n_files++;
    }
    r->model.files = (const char *const *)r->files;
    r->model.model_size_bytes = p->files->n_bytes;
    r->model.mmproj_size_bytes = p->mmproj ? p->mmproj_files->n_bytes : 0;
    r->model.size_bytes = r->model.model_size_bytes + r->model.mmproj_size_bytes;
    r->model.own_files = p->files->n > 0 && folders_holds(p->own_folder, p->files->paths[0]);
}

static void take_facts(record *r, const facts *f)
{
    library_model *m = &r->model;
    m->architecture = own(r, f->architecture);
    m->title = own(r, f->title);
    m->license = own(r, f->license);
    m->quantization = own(r, f->quantization);
    m->problem = own(r, f->problem);
    m->n_params = f->n_params;
    m->context_length = (uint32_t)f->context_length;
    m->n_layer = (uint32_t)f->n_layer;
    m->n_embd = (uint32_t)f->n_embd;
    m->n_vocab = (uint32_t)f->n_vocab;
    m->capabilities = (unsigned)f->capabilities;
}

static uint32_t count32(const model_yml *yml, const char *key)
{
    uint64_t value = 0;
    return model_yml_get_count(yml, key, &value) && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static void take_yml(record *r, const model_yml *yml)
{
    library_model *m = &r->model;
    char sum[SHA256_HEX];
    bool embedding = false;
    const char *word = first_of(model_yml_get(yml, "sha256"), model_yml_get(yml, "model_sha256"));
    word = first_of(word, model_yml_get(yml, "checksum"));
    if (word && sha256_read(word, sum))
        m->sha256 = own(r, sum);
    word = model_yml_get(yml, "mmproj_sha256");
    if (word && sha256_read(word, sum))
        m->mmproj_sha256 = own(r, sum);
    if (model_yml_get(yml, "name"))
        m->title = own(r, model_yml_get(yml, "name"));
    if (model_yml_get(yml, "quantization"))
        m->quantization = own(r, model_yml_get(yml, "quantization"));
    if (model_yml_get(yml, "license"))
        m->license = own(r, model_yml_get(yml, "license"));
    m->source = own(r, model_yml_get(yml, "source"));
    m->creator = own(r, model_yml_get(yml, "creator"));
    m->provider = own(r, model_yml_get(yml, "provider"));
    model_yml_get_time(yml, "created", &m->created_ms);
    model_yml_get_time(yml, "modified", &m->modified_ms);
    model_yml_get_time(yml, "lastUsed", &m->last_used_ms);
    model_yml_get_count(yml, "usageCount", &m->usage_count);
    model_yml_get_real(yml, "temperature", &m->temperature);
    model_yml_get_real(yml, "topP", &m->top_p);
    m->top_k = count32(yml, "topK");
    m->mirostat = count32(yml, "mirostat");
    m->batch_size = count32(yml, "batchSize");
    m->threads = count32(yml, "threads");
    m->max_tokens = count32(yml, "maxTokens");
    m->context_size = count32(yml, "contextSize");
    if (model_yml_get_bool(yml, "embedding", &embedding) && embedding)
        m->capabilities = LIBRARY_CAN_EMBEDDING;
}

static void take_found(record *r, const record_parts *p)
{
    library_model *m = &r->model;
    const found *f = p->found;
    char format[24];
    m->path = own(r, f->path);
    m->folder = f->folder ? own(r, f->folder) : NULL;
    m->mmproj_path = p->mmproj ? own(r, p->mmproj) : NULL;
    m->sha256 = own(r, f->sha256);
    m->mmproj_sha256 = own(r, f->mmproj_sha256);
    m->source = own(r, f->source);
    name_quantization(f->path, format);
    if (*format)
        m->quantization = own(r, format);
    take_files(r, p);
    if (p->files->changed_ns > 0)
        m->modified_ms = p->files->changed_ns / 1000000;
    if (p->mmproj)
        m->capabilities |= (unsigned)p->mmproj_facts->capabilities;
    if (p->mmproj && *p->mmproj_facts->problem && *m->problem == '\0')
        m->problem = own(r, p->mmproj_facts->problem);
    if (f->yml)
        take_yml(r, f->yml);
}

const library_model *record_new(const record_parts *parts)
{
    record *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    library_model *m = &r->model;
    atomic_store(&r->n_refs, 1);
    m->origin = parts->origin;
    m->temperature = m->top_p = NAN;
    m->sha256 = m->mmproj_sha256 = m->source = m->creator = m->provider = "";
    m->name = own(r, parts->name);
    take_facts(r, parts->facts);
    m->size_bytes = m->model_size_bytes = parts->size_bytes;
    if (parts->found)
        take_found(r, parts);
    if (parts->usage_count > 0) {
        m->usage_count = parts->usage_count;
        m->last_used_ms = parts->last_used_ms;
    }
    if (r->failed) {
        free_record(r);
        return NULL;
    }
    return m;
}
