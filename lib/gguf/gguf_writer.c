/* SPDX-License-Identifier: MIT
 *
 * gguf_writer.c - see gguf_writer.h; gguf_part.c has the layout.
 *
 * Metadata is kept encoded, as it will stand in the file, until begin_data writes the header in
 * one go: only then are the counts known. Tensor data then streams through; the writer counts it
 * against the declarations, so a file that was committed is one the reader takes.
 */
#include "gguf/gguf_writer.h"

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/half.h"
#include "base/mem.h"
#include "gguf/gguf_part.h"
#include "os/file.h"

enum { FILE_VERSION = 3, DEFAULT_ALIGNMENT = 32, ALIGNMENT_MAX = 1 << 16 };

typedef enum stage { STAGE_HEADER, STAGE_DATA, STAGE_DONE } stage;

typedef struct entry { /* of either table: a metadata value or a tensor */
    gguf_string name;  /* allocated */
    buf value;         /* metadata: u32 type and the value */
    wtype type;        /* a tensor, from here on */
    int n_dims;
    uint64_t ne[GGUF_MAX_DIMS];
    uint64_t n_bytes;
} entry;

typedef struct table {
    entry *entries;
    size_t n, capacity;
    name_index names;
} table;

struct gguf_writer {
    file_writer *file;
    stage stage;
    table values, tensors;
    uint64_t alignment;
    size_t tensor;    /* whose data is being written */
    uint64_t written; /* bytes of it */
};

/* ---- tables ---- */

static void table_deinit(table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        mem_free((void *)(uintptr_t)t->entries[i].name.data);
        buf_deinit(&t->entries[i].value);
    }
    name_index_deinit(&t->names);
    mem_free(t->entries);
}

/* The index points into the array, so it is made anew when the array moves. */
static bool table_grow(table *t)
{
    size_t capacity = t->capacity ? t->capacity * 2 : 64;
    entry *entries = mem_realloc_array(t->entries, capacity, sizeof *entries);
    if (entries == NULL)
        return false;
    t->entries = entries;
    name_index_deinit(&t->names);
    if (!name_index_init(&t->names, entries, sizeof *entries, capacity))
        return false;
    t->capacity = capacity;
    for (size_t i = 0; i < t->n; i++)
        name_index_add(&t->names, i);
    return true;
}

static hearth_status table_add(table *t, const char *name, size_t n, entry **out, hearth_error *err)
{
    if ((t->n == t->capacity || t->names.slots == NULL) && !table_grow(t))
        return error_no_memory(err, "a table of names", t->capacity * 2 * sizeof(entry));
    char *copy = mem_dup(name, n);
    if (copy == NULL)
        return error_no_memory(err, "a name", n);
    entry *e = &t->entries[t->n];
    *e = (entry){.name = {copy, n}};
    name_index_result result = name_index_add(&t->names, t->n);
    if (result != NAME_ADDED) {
        mem_free(copy);
        FAIL(err, EINVAL, "name", NAME_FORMAT " %s", (int)(n < 100 ? n : 100), name,
             result == NAME_EXISTS ? "is there already" : "and many other names collide");
    }
    t->n++;
    *out = e;
    return HEARTH_OK;
}

static entry *table_find(const table *t, const char *name, size_t n)
{
    return (entry *)(uintptr_t)name_index_find(&t->names, name, n);
}

/* ---- opening ---- */

hearth_status gguf_writer_open(gguf_writer **out, const char *path, hearth_error *err)
{
    gguf_writer *w = mem_calloc(1, sizeof *w);
    if (w == NULL)
        return error_no_memory(err, "a model writer", sizeof *w);
    hearth_status status = file_writer_open(&w->file, path, err);
    if (status != HEARTH_OK) {
        mem_free(w);
        return status;
    }
    *out = w;
    return HEARTH_OK;
}

void gguf_writer_close(gguf_writer *w)
{
    if (w == NULL)
        return;
    file_writer_close(w->file);
    table_deinit(&w->values);
    table_deinit(&w->tensors);
    mem_free(w);
}

/* ---- encoding ---- */

static bool put_u32(buf *b, uint32_t value)
{
    uint8_t bytes[4];
    store_u32(bytes, value);
    return buf_append(b, bytes, sizeof bytes);
}

static bool put_u64(buf *b, uint64_t value)
{
    uint8_t bytes[8];
    store_u64(bytes, value);
    return buf_append(b, bytes, sizeof bytes);
}

static bool put_string(buf *b, const char *text, size_t n)
{
    return put_u64(b, n) && buf_append(b, text, n);
}

static bool encode(buf *b, const gguf_value *value)
{
    if (!put_u32(b, value->type))
        return false;
    if (value->type == GGUF_STRING)
        return put_string(b, (const char *)value->data, value->n_bytes);
    if (value->type == GGUF_ARRAY && (!put_u32(b, value->element_type) || !put_u64(b, value->n)))
        return false;
    if (value->type != GGUF_ARRAY || value->element_type != GGUF_STRING)
        return buf_append(b, value->data, value->n_bytes);
    bool good = true;
    for (size_t i = 0; good && i < value->n; i++)
        good = put_string(b, value->strings[i].data, value->strings[i].n);
    return good;
}

hearth_status gguf_writer_copy(gguf_writer *w, const gguf_value *value, hearth_error *err)
{
    if (w->stage != STAGE_HEADER)
        FAIL(err, EINVAL, "key", "key " NAME_FORMAT " comes after the data", NAME_ARGS(value->key));
    if (value->key.n == 0 || value->key.n > GGUF_KEY_MAX_BYTES)
        FAIL(err, EINVAL, "key", "a key of %zu bytes; 1 to %d are possible", value->key.n,
             GGUF_KEY_MAX_BYTES);
    buf encoded;
    buf_init(&encoded, 0);
    if (!encode(&encoded, value)) {
        buf_deinit(&encoded);
        return error_no_memory(err, "metadata", value->n_bytes);
    }
    entry *e = table_find(&w->values, value->key.data, value->key.n);
    hearth_status status = HEARTH_OK;
    if (e == NULL)
        status = table_add(&w->values, value->key.data, value->key.n, &e, err);
    if (status != HEARTH_OK) {
        buf_deinit(&encoded);
        return status;
    }
    buf_deinit(&e->value);
    e->value = encoded;
    return HEARTH_OK;
}

static gguf_value make_value(const char *key, gguf_type type, const void *data, size_t n_bytes)
{
    return (gguf_value){.key = {key, strlen(key)},
                        .type = type,
                        .element_type = type,
                        .n = 1,
                        .data = data,
                        .n_bytes = n_bytes};
}

hearth_status gguf_writer_set_u32(gguf_writer *w, const char *key, uint32_t value,
                                  hearth_error *err)
{
    uint8_t bytes[4];
    store_u32(bytes, value);
    gguf_value v = make_value(key, GGUF_U32, bytes, sizeof bytes);
    return gguf_writer_copy(w, &v, err);
}

hearth_status gguf_writer_set_f32(gguf_writer *w, const char *key, float value, hearth_error *err)
{
    uint8_t bytes[4];
    store_u32(bytes, float_to_bits(value));
    gguf_value v = make_value(key, GGUF_F32, bytes, sizeof bytes);
    return gguf_writer_copy(w, &v, err);
}

hearth_status gguf_writer_set_bool(gguf_writer *w, const char *key, bool value, hearth_error *err)
{
    uint8_t byte = value;
    gguf_value v = make_value(key, GGUF_BOOL, &byte, 1);
    return gguf_writer_copy(w, &v, err);
}

hearth_status gguf_writer_set_string(gguf_writer *w, const char *key, const char *text, size_t n,
                                     hearth_error *err)
{
    gguf_value v = make_value(key, GGUF_STRING, text, n);
    return gguf_writer_copy(w, &v, err);
}

hearth_status gguf_writer_set_array(gguf_writer *w, const char *key, gguf_type element_type,
                                    const void *data, size_t n, hearth_error *err)
{
    uint64_t n_bytes;
    size_t element = (unsigned)element_type < GGUF_TYPE_COUNT ? gguf_scalar_bytes(element_type) : 0;
    if (element == 0)
        FAIL(err, EINVAL, key, "key '%s': an array of %s is not made this way", key,
             gguf_type_name(element_type));
    if (!checked_mul(n, element, &n_bytes))
        FAIL(err, EINVAL, key, "key '%s': %zu elements are too many", key, n);
    gguf_value v = make_value(key, GGUF_ARRAY, data, (size_t)n_bytes);
    v.element_type = element_type;
    v.n = n;
    return gguf_writer_copy(w, &v, err);
}

hearth_status gguf_writer_set_string_array(gguf_writer *w, const char *key,
                                           const gguf_string *strings, size_t n, hearth_error *err)
{
    gguf_value v = make_value(key, GGUF_ARRAY, NULL, 0);
    v.element_type = GGUF_STRING;
    v.n = n;
    v.strings = (gguf_string *)(uintptr_t)strings;
    return gguf_writer_copy(w, &v, err);
}

/* ---- tensors ---- */

hearth_status gguf_writer_add_tensor(gguf_writer *w, const char *name, size_t name_n, wtype type,
                                     int n_dims, const uint64_t *ne, hearth_error *err)
{
    int shown = (int)(name_n < 100 ? name_n : 100);
    uint64_t n_bytes = 0;
    if (w->stage != STAGE_HEADER)
        FAIL(err, EINVAL, "tensor", "tensor '%.*s' comes after the data", shown, name);
    if (name_n == 0 || name_n > GGUF_NAME_MAX_BYTES || n_dims < 1 || n_dims > GGUF_MAX_DIMS)
        FAIL(err, EINVAL, "tensor", "tensor '%.*s': a name of %zu bytes and %d dimensions", shown,
             name, name_n, n_dims);
    bool good = wtype_row_bytes(type, ne[0], &n_bytes);
    for (int i = 1; good && i < n_dims; i++)
        good = checked_mul(n_bytes, ne[i], &n_bytes);
    if (!good || n_bytes == 0)
        FAIL(err, EINVAL, "tensor", "tensor '%.*s': rows of %llu do not make whole blocks of %s",
             shown, name, (unsigned long long)ne[0], wtype_get(type)->name);
    entry *e;
    TRY(table_add(&w->tensors, name, name_n, &e, err));
    e->type = type;
    e->n_dims = n_dims;
    memcpy(e->ne, ne, (size_t)n_dims * sizeof *ne);
    e->n_bytes = n_bytes;
    return HEARTH_OK;
}

static hearth_status read_alignment(gguf_writer *w, hearth_error *err)
{
    static const char key[] = "general.alignment";
    const entry *e = table_find(&w->values, key, sizeof key - 1);
    w->alignment = DEFAULT_ALIGNMENT;
    if (e == NULL)
        return HEARTH_OK;
    const uint8_t *bytes = (const uint8_t *)e->value.data;
    uint32_t value = load_u32(bytes) == GGUF_U32 ? load_u32(bytes + 4) : 0;
    if (value == 0 || value > ALIGNMENT_MAX || (value & (value - 1)) != 0)
        FAIL(err, EINVAL, key, "key '%s' must be an u32 power of two up to %d", key, ALIGNMENT_MAX);
    w->alignment = value;
    return HEARTH_OK;
}

static bool encode_header(const gguf_writer *w, buf *b)
{
    bool good = buf_append(b, "GGUF", 4) && put_u32(b, FILE_VERSION) && put_u64(b, w->tensors.n) &&
                put_u64(b, w->values.n);
    for (size_t i = 0; good && i < w->values.n; i++) {
        const entry *e = &w->values.entries[i];
        good = put_string(b, e->name.data, e->name.n) && buf_append(b, e->value.data, e->value.n);
    }
    return good;
}

/* Each tensor's data starts at the next multiple of the alignment. */
static bool encode_tensors(const gguf_writer *w, buf *b)
{
    uint64_t offset = 0;
    bool good = true;
    for (size_t i = 0; good && i < w->tensors.n; i++) {
        const entry *e = &w->tensors.entries[i];
        good = put_string(b, e->name.data, e->name.n) && put_u32(b, (uint32_t)e->n_dims);
        for (int k = 0; good && k < e->n_dims; k++)
            good = put_u64(b, e->ne[k]);
        good = good && put_u32(b, wtype_get(e->type)->gguf_id) && put_u64(b, offset) &&
               checked_add(offset, e->n_bytes, &offset) &&
               checked_align(offset, w->alignment, &offset);
    }
    return good;
}

/* Zeros up to the alignment, which data both starts and ends on. */
static hearth_status pad(gguf_writer *w, hearth_error *err)
{
    static const uint8_t zeros[4096];
    uint64_t end, at = file_writer_offset(w->file);
    if (!checked_align(at, w->alignment, &end))
        FAIL(err, EINVAL, "size", "the file would be larger than can be counted");
    for (uint64_t left = end - at; left > 0;) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        TRY(file_writer_write(w->file, zeros, n, err));
        left -= n;
    }
    return HEARTH_OK;
}

hearth_status gguf_writer_begin_data(gguf_writer *w, hearth_error *err)
{
    if (w->stage != STAGE_HEADER)
        FAIL(err, EINVAL, "data", "the data has begun already");
    TRY(read_alignment(w, err));
    buf header;
    buf_init(&header, 0);
    hearth_status status = HEARTH_OK;
    if (!encode_header(w, &header) || !encode_tensors(w, &header))
        status = error_no_memory(err, "the header of a model", header.n);
    if (status == HEARTH_OK)
        status = file_writer_write(w->file, header.data, header.n, err);
    if (status == HEARTH_OK)
        status = pad(w, err);
    buf_deinit(&header);
    w->stage = STAGE_DATA;
    return status;
}

hearth_status gguf_writer_write_data(gguf_writer *w, const void *bytes, size_t n, hearth_error *err)
{
    const uint8_t *at = bytes;
    if (w->stage != STAGE_DATA)
        FAIL(err, EINVAL, "data", "the data has not begun");
    while (n > 0) {
        if (w->tensor == w->tensors.n)
            FAIL(err, EINVAL, "data", "%zu bytes more than the tensors declared", n);
        const entry *e = &w->tensors.entries[w->tensor];
        uint64_t left = e->n_bytes - w->written;
        size_t now = n < left ? n : (size_t)left;
        TRY(file_writer_write(w->file, at, now, err));
        at += now;
        n -= now;
        w->written += now;
        if (w->written == e->n_bytes) {
            TRY(pad(w, err));
            w->tensor++;
            w->written = 0;
        }
    }
    return HEARTH_OK;
}

hearth_status gguf_writer_commit(gguf_writer *w, hearth_error *err)
{
    if (w->stage != STAGE_DATA)
        FAIL(err, EINVAL, "data", "%s",
             w->stage == STAGE_DONE ? "the file is committed already" : "the data has not begun");
    if (w->tensor < w->tensors.n)
        FAIL(err, EINVAL, "data", "tensor " NAME_FORMAT " has only %llu of its %llu bytes",
             NAME_ARGS(w->tensors.entries[w->tensor].name), (unsigned long long)w->written,
             (unsigned long long)w->tensors.entries[w->tensor].n_bytes);
    TRY(file_writer_commit(w->file, err));
    w->stage = STAGE_DONE;
    return HEARTH_OK;
}
