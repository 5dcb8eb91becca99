/* SPDX-License-Identifier: MIT
 *
 * gguf.c - see gguf.h. Opening one file or a split set, overrides, and lookups.
 *
 * A split set is NAME-00001-of-00003.gguf and so on. Part 1 has the model's metadata; every part
 * has split.no (from 0), split.count and split.tensors.count (of the whole set).
 */
#include "gguf/gguf.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gguf/gguf_part.h"
#include "os/file_map.h"

enum {
    SUFFIX_BYTES = 20, /* "-00001-of-00003.gguf" */
    READ_AHEAD_STEP = 16 << 20,
    PAGE_BYTES = 4096, /* the smallest there is; touching too often does no harm */
};

struct gguf {
    char *path;
    gguf_part *parts; /* parts[0] has the metadata; with metadata_only the others are empty */
    file_map **maps;  /* of the parts; NULL for memory */
    int n_parts;
    gguf_tensor *tensors; /* of all parts, in order */
    size_t n_tensors;
    name_index tensor_names;
    void **override_memory;
    size_t n_overrides;
};

typedef struct split_info {
    uint64_t no, count, n_tensors;
} split_info;

/* ---- split sets ---- */

static hearth_status read_split(const gguf_part *part, split_info *split, hearth_error *err)
{
    *split = (split_info){.count = 1, .n_tensors = UINT64_MAX};
    TRY(gguf_part_get_uint(part, "split.no", UINT16_MAX, &split->no, NULL, err));
    TRY(gguf_part_get_uint(part, "split.count", UINT16_MAX, &split->count, NULL, err));
    TRY(gguf_part_get_uint(part, "split.tensors.count", INT32_MAX, &split->n_tensors, NULL, err));
    if (split->count == 0)
        split->count = 1;
    if (split->no >= split->count)
        FAIL(err, EFORMAT, "split.no", "part %llu of a set of %llu: no such part",
             (unsigned long long)split->no + 1, (unsigned long long)split->count);
    return HEARTH_OK;
}

static void split_suffix(char suffix[SUFFIX_BYTES + 8], unsigned no, unsigned count)
{
    snprintf(suffix, SUFFIX_BYTES + 8, "-%05u-of-%05u.gguf", no + 1, count);
}

/* The other parts can be found only if this one's name is that of its place in the set. */
static hearth_status check_split_name(const char *path, const split_info *split, hearth_error *err)
{
    char suffix[SUFFIX_BYTES + 8];
    size_t n = strlen(path);
    split_suffix(suffix, (unsigned)split->no, (unsigned)split->count);
    if (n <= SUFFIX_BYTES || strcmp(path + n - SUFFIX_BYTES, suffix) != 0)
        FAIL(err, EINVAL, "split.no",
             "'%s' is a part of a split model, and its name must end in %s so that the others are "
             "found",
             path, suffix);
    return HEARTH_OK;
}

static hearth_status split_path(char out[PATH_MAX], const char *path, int no, int count,
                                hearth_error *err)
{
    char suffix[SUFFIX_BYTES + 8];
    size_t n = strlen(path) - SUFFIX_BYTES;
    split_suffix(suffix, (unsigned)no, (unsigned)count);
    if (snprintf(out, PATH_MAX, "%.*s%s", (int)n, path, suffix) >= PATH_MAX)
        FAIL(err, EINVAL, "path", "the path is longer than %d bytes", PATH_MAX - 1);
    return HEARTH_OK;
}

static hearth_status check_split(const split_info *split, const split_info *first, int no,
                                 const char *path, hearth_error *err)
{
    if (split->no != (uint64_t)no || split->count != first->count)
        FAIL(err, EMISMATCH, "split.no",
             "'%s' says it is part %llu of %llu, but part %d of %llu is wanted", path,
             (unsigned long long)split->no + 1, (unsigned long long)split->count, no + 1,
             (unsigned long long)first->count);
    if (split->n_tensors != first->n_tensors)
        FAIL(err, EMISMATCH, "split.tensors.count",
             "'%s' is of another model than the first part: its set has %llu tensors, not %llu",
             path, (unsigned long long)split->n_tensors, (unsigned long long)first->n_tensors);
    return HEARTH_OK;
}

/* ---- opening ---- */

static hearth_status open_part(gguf_part *part, file_map **map, const char *path, int number,
                               size_t n_extra_values, hearth_error *err)
{
    file_map *opened;
    TRY(file_map_open(&opened, path, err));
    hearth_status status = gguf_part_parse(part, file_map_data(opened), file_map_size(opened),
                                           number, n_extra_values, err);
    if (status == HEARTH_OK && file_map_is_lost(opened)) {
        gguf_part_deinit(part);
        status = error_set(err, HEARTH_EIO, path, "'%s' was cut while it was read", path);
    }
    if (status != HEARTH_OK) {
        file_map_close(opened);
        return status;
    }
    *map = opened;
    return HEARTH_OK;
}

/* parts[0] is already open: it told how many there are. */
static hearth_status open_other_parts(gguf *g, const split_info *first, hearth_error *err)
{
    char path[PATH_MAX];
    split_info split;
    for (int i = 1; i < g->n_parts; i++) {
        TRY(split_path(path, g->path, i, g->n_parts, err));
        TRY(open_part(&g->parts[i], &g->maps[i], path, i, 0, err));
        TRY(read_split(&g->parts[i], &split, err));
        TRY(check_split(&split, first, i, path, err));
    }
    return HEARTH_OK;
}

static hearth_status allocate_parts(gguf *g, int n_parts, hearth_error *err)
{
    g->parts = mem_calloc((size_t)n_parts, sizeof *g->parts);
    g->maps = mem_calloc((size_t)n_parts, sizeof *g->maps);
    if (g->parts == NULL || g->maps == NULL)
        return error_no_memory(err, "the parts of a model", (size_t)n_parts * sizeof *g->parts);
    g->n_parts = n_parts;
    return HEARTH_OK;
}

/* Opens path far enough to learn its place in a set, and gives the first part's path. */
static hearth_status find_first(const char *path, split_info *split, char first[PATH_MAX],
                                hearth_error *err)
{
    gguf_part part;
    file_map *map;
    TRY(open_part(&part, &map, path, 0, 0, err));
    hearth_status status = read_split(&part, split, err);
    gguf_part_deinit(&part);
    file_map_close(map);
    TRY(status);
    if (split->count > 1) {
        TRY(check_split_name(path, split, err));
        return split_path(first, path, 0, (int)split->count, err);
    }
    if (snprintf(first, PATH_MAX, "%s", path) >= PATH_MAX)
        FAIL(err, EINVAL, "path", "the path is longer than %d bytes", PATH_MAX - 1);
    return HEARTH_OK;
}

static hearth_status open_files(gguf *g, const char *path, const gguf_options *options,
                                hearth_error *err)
{
    char first_path[PATH_MAX];
    split_info given, first;
    TRY(find_first(path, &given, first_path, err));
    g->path = mem_dup(first_path, strlen(first_path));
    if (g->path == NULL)
        return error_no_memory(err, "a path", strlen(first_path));
    TRY(allocate_parts(g, (int)given.count, err));
    TRY(open_part(&g->parts[0], &g->maps[0], g->path, 0, options->n_overrides, err));
    TRY(read_split(&g->parts[0], &first, err));
    TRY(check_split(&first, &given, 0, g->path, err));
    if (options->metadata_only || g->n_parts == 1)
        return HEARTH_OK;
    TRY(open_other_parts(g, &first, err));
    size_t n_tensors = 0;
    for (int i = 0; i < g->n_parts; i++)
        n_tensors += g->parts[i].n_tensors;
    if (first.n_tensors != UINT64_MAX && first.n_tensors != n_tensors)
        FAIL(err, EFORMAT, "split.tensors.count",
             "the set should have %llu tensors, its parts have %zu",
             (unsigned long long)first.n_tensors, n_tensors);
    return HEARTH_OK;
}

static hearth_status open_bytes(gguf *g, const void *bytes, size_t n, const gguf_options *options,
                                hearth_error *err)
{
    split_info split;
    g->path = mem_dup("", 0);
    if (g->path == NULL)
        return error_no_memory(err, "a path", 1);
    TRY(allocate_parts(g, 1, err));
    TRY(gguf_part_parse(&g->parts[0], bytes, n, 0, options->n_overrides, err));
    TRY(read_split(&g->parts[0], &split, err));
    if (split.count > 1 && !(options->metadata_only && split.no == 0))
        FAIL(err, EINVAL, "split.count",
             "part %llu of a set of %llu cannot be opened from memory; open the file",
             (unsigned long long)split.no + 1, (unsigned long long)split.count);
    return HEARTH_OK;
}

/* ---- after the files: tensors of all parts, and overrides ---- */

static hearth_status collect_tensors(gguf *g, hearth_error *err)
{
    for (int i = 0; i < g->n_parts; i++)
        g->n_tensors += g->parts[i].n_tensors;
    g->tensors = mem_alloc_array(g->n_tensors, sizeof *g->tensors);
    if (g->tensors == NULL ||
        !name_index_init(&g->tensor_names, g->tensors, sizeof *g->tensors, g->n_tensors))
        return error_no_memory(err, "the table of tensors", g->n_tensors * sizeof *g->tensors);
    size_t at = 0;
    for (int i = 0; i < g->n_parts; i++) {
        gguf_part *part = &g->parts[i];
        if (part->n_tensors > 0)
            memcpy(g->tensors + at, part->tensors, part->n_tensors * sizeof *g->tensors);
        at += part->n_tensors;
        mem_free(part->tensors);
        part->tensors = NULL;
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        name_index_result result = name_index_add(&g->tensor_names, i);
        if (result != NAME_ADDED)
            FAIL(err, EFORMAT, "tensor", "tensor " NAME_FORMAT " %s", NAME_ARGS(g->tensors[i].name),
                 result == NAME_EXISTS ? "is there twice"
                                       : "and many others have names made to collide");
    }
    return HEARTH_OK;
}

static bool describes_the_file(const gguf_string *key)
{
    static const char alignment[] = "general.alignment", split[] = "split.";
    return (key->n == sizeof alignment - 1 && memcmp(key->data, alignment, key->n) == 0) ||
           (key->n >= sizeof split - 1 && memcmp(key->data, split, sizeof split - 1) == 0);
}

static hearth_status apply_override(gguf *g, const char *text, const hearth_log *log,
                                    hearth_error *err)
{
    gguf_part *part = &g->parts[0];
    gguf_value value;
    TRY(gguf_override_parse(&value, &g->override_memory[g->n_overrides], text, err));
    g->n_overrides++;
    if (describes_the_file(&value.key))
        FAIL(err, EINVAL, "override",
             "'%s': this key describes the file itself and cannot be overridden", text);
    gguf_value *old =
        (gguf_value *)(uintptr_t)name_index_find(&part->keys, value.key.data, value.key.n);
    if (old != NULL) {
        if (old->type == GGUF_ARRAY)
            mem_free(old->strings);
        *old = value;
        return HEARTH_OK;
    }
    /* What any file may recommend of sampling is read wherever it comes from. */
    static const char known[] = "general.sampling.";
    bool is_known =
        value.key.n >= sizeof known - 1 && memcmp(value.key.data, known, sizeof known - 1) == 0;
    log_write(log, is_known ? HEARTH_LOG_DEBUG : HEARTH_LOG_WARNING,
              "override '%s': the file has no such key; it is added, and counts only if something "
              "reads it",
              text);
    part->values[part->n_values] = value;
    if (name_index_add(&part->keys, part->n_values) != NAME_ADDED)
        FAIL(err, EFORMAT, "override", "'%s': too many keys collide with this one", text);
    part->n_values++;
    return HEARTH_OK;
}

static hearth_status apply_overrides(gguf *g, const gguf_options *options, hearth_error *err)
{
    g->override_memory = mem_calloc(options->n_overrides, sizeof *g->override_memory);
    if (g->override_memory == NULL)
        return error_no_memory(err, "overrides", options->n_overrides * sizeof(void *));
    for (size_t i = 0; i < options->n_overrides; i++)
        TRY(apply_override(g, options->overrides[i], options->log, err));
    return HEARTH_OK;
}

static hearth_status open_any(gguf **out, const char *path, const void *bytes, size_t n,
                              const gguf_options *options, hearth_error *err)
{
    static const gguf_options defaults;
    hearth_status status;
    if (options == NULL)
        options = &defaults;
    gguf *g = mem_calloc(1, sizeof *g);
    if (g == NULL)
        return error_no_memory(err, "a model file", sizeof *g);
    TRY_OUT(path ? open_files(g, path, options, err) : open_bytes(g, bytes, n, options, err));
    TRY_OUT(collect_tensors(g, err));
    TRY_OUT(apply_overrides(g, options, err));
    *out = g;
    g = NULL;
out:
    gguf_close(g);
    return status;
}

hearth_status gguf_open(gguf **out, const char *path, const gguf_options *options,
                        hearth_error *err)
{
    return open_any(out, path, NULL, 0, options, err);
}

hearth_status gguf_open_memory(gguf **out, const void *bytes, size_t n, const gguf_options *options,
                               hearth_error *err)
{
    return open_any(out, NULL, bytes, n, options, err);
}

void gguf_close(gguf *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->n_overrides; i++)
        mem_free(g->override_memory[i]);
    for (int i = 0; i < g->n_parts; i++) {
        gguf_part_deinit(&g->parts[i]);
        file_map_close(g->maps[i]);
    }
    name_index_deinit(&g->tensor_names);
    mem_free(g->override_memory);
    mem_free(g->tensors);
    mem_free(g->parts);
    mem_free(g->maps);
    mem_free(g->path);
    mem_free(g);
}

/* ---- asking ---- */

uint32_t gguf_version(const gguf *g)
{
    return g->parts[0].version;
}

const char *gguf_path(const gguf *g)
{
    return g->path;
}

int gguf_n_parts(const gguf *g)
{
    return g->n_parts;
}

uint64_t gguf_file_bytes(const gguf *g)
{
    uint64_t n = 0;
    for (int i = 0; i < g->n_parts; i++)
        n += g->parts[i].n_bytes;
    return n;
}

size_t gguf_n_values(const gguf *g)
{
    return g->parts[0].n_values;
}

const gguf_value *gguf_value_at(const gguf *g, size_t i)
{
    return &g->parts[0].values[i];
}

const gguf_value *gguf_find(const gguf *g, const char *key)
{
    return gguf_part_find(&g->parts[0], key);
}

size_t gguf_n_tensors(const gguf *g)
{
    return g->n_tensors;
}

const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i)
{
    return &g->tensors[i];
}

const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name)
{
    return name_index_find(&g->tensor_names, name, strlen(name));
}

bool gguf_is_lost(const gguf *g)
{
    for (int i = 0; i < g->n_parts; i++) {
        if (g->maps[i] != NULL && file_map_is_lost(g->maps[i]))
            return true;
    }
    return false;
}

/* ---- reading ahead ---- */

static void touch(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i += PAGE_BYTES)
        (void)*(const volatile uint8_t *)(data + i);
}

/* The kernel is told of the next step while this one is waited for. */
static hearth_status read_part(const gguf_part *part, const file_map *map, uint64_t total,
                               uint64_t *done, const hearth_progress *progress, hearth_error *err)
{
    for (uint64_t at = part->data_begin; at < part->n_bytes;) {
        uint64_t left = part->n_bytes - at;
        size_t n = left < READ_AHEAD_STEP ? (size_t)left : READ_AHEAD_STEP;
        file_map_read_ahead(map, (size_t)at, 2 * (size_t)READ_AHEAD_STEP);
        touch(part->data + at, n);
        at += n;
        *done += n;
        if (progress != NULL && progress->fn != NULL && !progress->fn(progress->user, *done, total))
            FAIL(err, ECANCELED, "reading ahead", "canceled after %llu of %llu bytes",
                 (unsigned long long)*done, (unsigned long long)total);
    }
    return HEARTH_OK;
}

hearth_status gguf_read_ahead(const gguf *g, const hearth_progress *progress, hearth_error *err)
{
    uint64_t total = 0, done = 0;
    for (int i = 0; i < g->n_parts; i++) {
        if (g->maps[i] != NULL && g->parts[i].data_begin < g->parts[i].n_bytes)
            total += g->parts[i].n_bytes - g->parts[i].data_begin;
    }
    for (int i = 0; i < g->n_parts; i++) {
        if (g->maps[i] != NULL)
            TRY(read_part(&g->parts[i], g->maps[i], total, &done, progress, err));
    }
    return HEARTH_OK;
}

uint64_t gguf_release(const gguf *g)
{
    uint64_t n = 0;
    for (int i = 0; i < g->n_parts; i++) {
        if (g->maps[i] == NULL)
            continue;
        file_map_release(g->maps[i]);
        n += file_map_size(g->maps[i]);
    }
    return n;
}
