/* SPDX-License-Identifier: MIT
 *
 * gguf_part.c - the bytes of one GGUF file, made into an index. Source of the layout: the GGUF
 * specification of the ggml project.
 *
 *   "GGUF"  u32 version  u64 n_tensors  u64 n_values
 *   n_values x   { string key, u32 type, value }
 *   n_tensors x  { string name, u32 n_dims, u64 ne[n_dims], u32 weight format, u64 offset }
 *   padding to general.alignment (32 unless given), then tensor data; offsets count from there
 *
 * A string is u64 n and n bytes; an array is u32 type, u64 n and n values; a bool is a byte.
 * Everything is little-endian. Versions 2 and 3 are alike; version 1 had 32-bit counts.
 *
 * Invariants: no byte is read before the cursor has checked that it is there. Tables are allocated
 * only after the file has been seen to be long enough for that many entries, so memory is bounded
 * by a small multiple of the file's size; the counts have ceilings besides.
 */
#include "gguf/gguf_part.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/mem.h"

enum {
    VALUES_MAX = 1 << 20,  /* real models have less than a hundred */
    TENSORS_MAX = 1 << 20, /* and some ten thousand */
    VALUE_MIN_BYTES = 14,  /* string of 1, type, a byte */
    TENSOR_MIN_BYTES = 33, /* string of 1, n_dims, one dimension, format, offset */
    DEFAULT_ALIGNMENT = 32,
};

typedef struct cursor {
    const uint8_t *data;
    uint64_t n;
    uint64_t at;
} cursor;

typedef unsigned long long ull;

/* On failure *out is the last good place, never garbage. */
static hearth_status take(cursor *c, uint64_t n, const char *what, const uint8_t **out,
                          hearth_error *err)
{
    *out = c->data + c->at;
    if (n > c->n - c->at)
        FAIL(err, EFORMAT, what,
             "the file ends inside %s: %llu bytes wanted at offset %llu of %llu; it may be cut off",
             what, (ull)n, (ull)c->at, (ull)c->n);
    c->at += n;
    return HEARTH_OK;
}

static hearth_status take_u32(cursor *c, const char *what, uint32_t *out, hearth_error *err)
{
    const uint8_t *bytes;
    TRY(take(c, 4, what, &bytes, err));
    *out = load_u32(bytes);
    return HEARTH_OK;
}

static hearth_status take_u64(cursor *c, const char *what, uint64_t *out, hearth_error *err)
{
    const uint8_t *bytes;
    TRY(take(c, 8, what, &bytes, err));
    *out = load_u64(bytes);
    return HEARTH_OK;
}

static hearth_status take_string(cursor *c, const char *what, gguf_string *out, hearth_error *err)
{
    uint64_t n;
    const uint8_t *bytes;
    TRY(take_u64(c, what, &n, err));
    TRY(take(c, n, what, &bytes, err));
    *out = (gguf_string){.data = (const char *)bytes, .n = (size_t)n};
    return HEARTH_OK;
}

/* ---- header ---- */

static hearth_status check_version(uint32_t version, hearth_error *err)
{
    if (version == 2 || version == 3)
        return HEARTH_OK;
    if ((version & 0xffff) == 0 && version != 0)
        FAIL(err, EUNSUPPORTED, "version",
             "a big-endian GGUF file (version field 0x%08x); convert it to little-endian", version);
    FAIL(err, EUNSUPPORTED, "version",
         "GGUF version %u; versions 2 and 3 are supported, convert the model again", version);
}

static hearth_status check_count(const char *what, uint64_t count, uint64_t max, uint64_t min_bytes,
                                 const cursor *c, hearth_error *err)
{
    if (count > max)
        FAIL(err, EFORMAT, what, "the header tells %llu %s; at most %llu are accepted", (ull)count,
             what, (ull)max);
    if (count > (c->n - c->at) / min_bytes)
        FAIL(err, EFORMAT, what, "the header tells %llu %s, more than %llu bytes can hold",
             (ull)count, what, (ull)c->n);
    return HEARTH_OK;
}

static hearth_status parse_header(gguf_part *part, cursor *c, hearth_error *err)
{
    const uint8_t *magic;
    uint64_t n_tensors, n_values;
    TRY(take(c, 4, "the header", &magic, err));
    if (memcmp(magic, "GGUF", 4) != 0)
        FAIL(err, EFORMAT, "magic",
             "not a GGUF file: it starts with the bytes %02x %02x %02x %02x, not with \"GGUF\"",
             magic[0], magic[1], magic[2], magic[3]);
    TRY(take_u32(c, "the header", &part->version, err));
    TRY(check_version(part->version, err));
    TRY(take_u64(c, "the header", &n_tensors, err));
    TRY(take_u64(c, "the header", &n_values, err));
    TRY(check_count("values", n_values, VALUES_MAX, VALUE_MIN_BYTES, c, err));
    TRY(check_count("tensors", n_tensors, TENSORS_MAX, TENSOR_MIN_BYTES, c, err));
    part->n_values = (size_t)n_values;
    part->n_tensors = (size_t)n_tensors;
    return HEARTH_OK;
}

/* ---- metadata ---- */

static hearth_status parse_string_array(cursor *c, gguf_value *value, uint64_t n, hearth_error *err)
{
    const uint8_t *begin = c->data + c->at;
    if (n > (c->n - c->at) / 8)
        FAIL(err, EFORMAT, "array",
             "key " NAME_FORMAT ": an array of %llu strings at offset %llu "
             "does not fit into the file",
             NAME_ARGS(value->key), (ull)n, (ull)c->at);
    value->strings = mem_alloc_array((size_t)n, sizeof *value->strings);
    if (value->strings == NULL)
        return error_no_memory(err, "an array of strings", n * sizeof *value->strings);
    for (size_t i = 0; i < n; i++)
        TRY(take_string(c, "an array of strings", &value->strings[i], err));
    value->data = begin;
    value->n_bytes = (size_t)(c->data + c->at - begin);
    return HEARTH_OK;
}

static hearth_status parse_array(cursor *c, gguf_value *value, hearth_error *err)
{
    uint32_t type;
    uint64_t n, n_bytes;
    TRY(take_u32(c, "an array", &type, err));
    TRY(take_u64(c, "an array", &n, err));
    if (type >= GGUF_TYPE_COUNT || type == GGUF_ARRAY)
        FAIL(err, EFORMAT, "array", "key " NAME_FORMAT ": an array of %s (type %u) is not accepted",
             NAME_ARGS(value->key), type == GGUF_ARRAY ? "arrays" : "an unknown type", type);
    value->element_type = (gguf_type)type;
    if (!checked_size(n, &value->n))
        FAIL(err, EFORMAT, "array", "key " NAME_FORMAT ": an array of %llu elements",
             NAME_ARGS(value->key), (ull)n);
    if (type == GGUF_STRING)
        return parse_string_array(c, value, n, err);
    if (!checked_mul(n, gguf_scalar_bytes(value->element_type), &n_bytes) || n_bytes > c->n - c->at)
        FAIL(err, EFORMAT, "array",
             "key " NAME_FORMAT ": an array of %llu %s at offset %llu does "
             "not fit into the file",
             NAME_ARGS(value->key), (ull)n, gguf_type_name(value->element_type), (ull)c->at);
    value->n_bytes = (size_t)n_bytes;
    return take(c, n_bytes, "an array", &value->data, err);
}

static hearth_status parse_value(cursor *c, gguf_value *value, gguf_string *own, hearth_error *err)
{
    uint32_t type;
    TRY(take_string(c, "a metadata key", &value->key, err));
    if (value->key.n == 0 || value->key.n > GGUF_KEY_MAX_BYTES)
        FAIL(err, EFORMAT, "key",
             "a metadata key of %zu bytes before offset %llu; 1 to %d are "
             "accepted",
             value->key.n, (ull)c->at, GGUF_KEY_MAX_BYTES);
    TRY(take_u32(c, "a metadata type", &type, err));
    if (type >= GGUF_TYPE_COUNT)
        FAIL(err, EFORMAT, "type", "key " NAME_FORMAT ": unknown value type %u",
             NAME_ARGS(value->key), type);
    value->type = value->element_type = (gguf_type)type;
    value->n = 1;
    if (type == GGUF_ARRAY)
        return parse_array(c, value, err);
    if (type == GGUF_STRING) {
        TRY(take_string(c, "a metadata string", own, err));
        value->strings = own;
        value->data = (const uint8_t *)own->data;
        value->n_bytes = own->n;
        return HEARTH_OK;
    }
    value->n_bytes = gguf_scalar_bytes(value->type);
    return take(c, value->n_bytes, "a metadata value", &value->data, err);
}

static hearth_status parse_values(gguf_part *part, cursor *c, size_t n_extra, hearth_error *err)
{
    size_t n = part->n_values, capacity = n + n_extra;
    part->values = mem_calloc(capacity, sizeof *part->values);
    part->own_strings = mem_calloc(n, sizeof *part->own_strings);
    if (part->values == NULL || part->own_strings == NULL ||
        !name_index_init(&part->keys, part->values, sizeof *part->values, capacity))
        return error_no_memory(err, "metadata", capacity * sizeof *part->values);
    for (size_t i = 0; i < n; i++) {
        gguf_value *value = &part->values[i];
        TRY(parse_value(c, value, &part->own_strings[i], err));
        switch (name_index_add(&part->keys, i)) {
        case NAME_ADDED:
            break;
        case NAME_EXISTS:
            FAIL(err, EFORMAT, "key", "key " NAME_FORMAT " is there twice", NAME_ARGS(value->key));
        case NAME_CROWDED:
            FAIL(err, EFORMAT, "key", "key " NAME_FORMAT " and many others are made to collide",
                 NAME_ARGS(value->key));
        }
    }
    return HEARTH_OK;
}

/* ---- tensors ---- */

static hearth_status parse_shape(cursor *c, gguf_tensor *tensor, hearth_error *err)
{
    uint32_t n_dims;
    TRY(take_u32(c, "a tensor's shape", &n_dims, err));
    if (n_dims < 1 || n_dims > GGUF_MAX_DIMS)
        FAIL(err, EFORMAT, "shape",
             "tensor " NAME_FORMAT " has %u dimensions; 1 to %d are accepted",
             NAME_ARGS(tensor->name), n_dims, GGUF_MAX_DIMS);
    tensor->n_dims = (int)n_dims;
    tensor->n_elements = 1;
    for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
        tensor->ne[i] = 1;
        if (i < n_dims)
            TRY(take_u64(c, "a tensor's shape", &tensor->ne[i], err));
        if (tensor->ne[i] == 0 || tensor->ne[i] > INT64_MAX ||
            !checked_mul(tensor->n_elements, tensor->ne[i], &tensor->n_elements) ||
            tensor->n_elements > INT64_MAX)
            FAIL(err, EFORMAT, "shape",
                 "tensor " NAME_FORMAT ": dimension %u is %llu, which gives "
                 "no possible number of elements",
                 NAME_ARGS(tensor->name), i, (ull)tensor->ne[i]);
    }
    return HEARTH_OK;
}

static hearth_status parse_format(cursor *c, gguf_tensor *tensor, hearth_error *err)
{
    uint32_t id;
    uint64_t row_bytes;
    TRY(take_u32(c, "a tensor's format", &id, err));
    if (!wtype_from_gguf(id, &tensor->type))
        FAIL(err, EUNSUPPORTED, "format",
             "tensor " NAME_FORMAT " has the weight format number %u, "
             "which is not known; convert the model to another",
             NAME_ARGS(tensor->name), id);
    const wtype_info *info = wtype_get(tensor->type);
    if (tensor->ne[0] % info->block_elements != 0)
        FAIL(err, EFORMAT, "shape",
             "tensor " NAME_FORMAT ": a row of %llu elements does not divide "
             "into blocks of %u, as %s has them",
             NAME_ARGS(tensor->name), (ull)tensor->ne[0], info->block_elements, info->name);
    if (!wtype_row_bytes(tensor->type, tensor->ne[0], &row_bytes) ||
        !checked_mul(row_bytes, tensor->n_elements / tensor->ne[0], &tensor->n_bytes))
        FAIL(err, EFORMAT, "shape",
             "tensor " NAME_FORMAT ": %llu elements of %s are more bytes "
             "than can be counted",
             NAME_ARGS(tensor->name), (ull)tensor->n_elements, info->name);
    return HEARTH_OK;
}

static hearth_status parse_tensor(cursor *c, gguf_tensor *tensor, hearth_error *err)
{
    TRY(take_string(c, "a tensor's name", &tensor->name, err));
    if (tensor->name.n == 0 || tensor->name.n > GGUF_NAME_MAX_BYTES)
        FAIL(err, EFORMAT, "tensor",
             "a tensor name of %zu bytes before offset %llu; 1 to %d are "
             "accepted",
             tensor->name.n, (ull)c->at, GGUF_NAME_MAX_BYTES);
    TRY(parse_shape(c, tensor, err));
    TRY(parse_format(c, tensor, err));
    return take_u64(c, "a tensor's offset", &tensor->offset, err);
}

static hearth_status read_alignment(const gguf_part *part, uint64_t *alignment, hearth_error *err)
{
    *alignment = DEFAULT_ALIGNMENT;
    TRY(gguf_part_get_uint(part, "general.alignment", UINT32_MAX, alignment, NULL, err));
    if (*alignment == 0 || (*alignment & (*alignment - 1)) != 0)
        FAIL(err, EFORMAT, "general.alignment",
             "key 'general.alignment' is %llu; it must be a power of two", (ull)*alignment);
    return HEARTH_OK;
}

/* Turns the offset within the data into one within the file, once it is known to lie there. */
static hearth_status place_tensor(const gguf_part *part, gguf_tensor *tensor, uint64_t alignment,
                                  hearth_error *err)
{
    uint64_t begin, end;
    if (tensor->offset % alignment != 0)
        FAIL(err, EFORMAT, "offset",
             "tensor " NAME_FORMAT ": offset %llu is no multiple of the "
             "alignment %llu",
             NAME_ARGS(tensor->name), (ull)tensor->offset, (ull)alignment);
    if (!checked_add(part->data_begin, tensor->offset, &begin) ||
        !checked_add(begin, tensor->n_bytes, &end) || end > part->n_bytes)
        FAIL(err, EFORMAT, "offset",
             "tensor " NAME_FORMAT ": %llu bytes at data offset %llu lie "
             "outside the file of %llu bytes; it may be cut off",
             NAME_ARGS(tensor->name), (ull)tensor->n_bytes, (ull)tensor->offset,
             (ull)part->n_bytes);
    tensor->offset = begin;
    tensor->data = part->data + begin;
    return HEARTH_OK;
}

static hearth_status parse_tensors(gguf_part *part, cursor *c, int number, hearth_error *err)
{
    uint64_t alignment, total = 0;
    TRY(read_alignment(part, &alignment, err));
    part->tensors = mem_calloc(part->n_tensors, sizeof *part->tensors);
    if (part->tensors == NULL)
        return error_no_memory(err, "the table of tensors",
                               part->n_tensors * sizeof *part->tensors);
    for (size_t i = 0; i < part->n_tensors; i++)
        TRY(parse_tensor(c, &part->tensors[i], err));
    if (!checked_align(c->at, alignment, &part->data_begin))
        FAIL(err, EFORMAT, "general.alignment", "the alignment %llu leaves no room for tensor data",
             (ull)alignment);
    for (size_t i = 0; i < part->n_tensors; i++) {
        part->tensors[i].part = number;
        TRY(place_tensor(part, &part->tensors[i], alignment, err));
        /* Tensors that lie over each other could claim any amount of memory and work. */
        if (!checked_add(total, part->tensors[i].n_bytes, &total) || total > part->n_bytes)
            FAIL(err, EFORMAT, "offset",
                 "tensor " NAME_FORMAT " and those before it take more "
                 "bytes than the file's %llu: some overlap",
                 NAME_ARGS(part->tensors[i].name), (ull)part->n_bytes);
    }
    return HEARTH_OK;
}

hearth_status gguf_part_parse(gguf_part *part, const uint8_t *data, uint64_t n_bytes, int number,
                              size_t n_extra_values, hearth_error *err)
{
    cursor c = {.data = data, .n = n_bytes};
    *part = (gguf_part){.data = data, .n_bytes = n_bytes};
    hearth_status status = parse_header(part, &c, err);
    if (status == HEARTH_OK)
        status = parse_values(part, &c, n_extra_values, err);
    if (status == HEARTH_OK)
        status = parse_tensors(part, &c, number, err);
    if (status != HEARTH_OK)
        gguf_part_deinit(part);
    return status;
}

void gguf_part_deinit(gguf_part *part)
{
    for (size_t i = 0; part->values != NULL && i < part->n_values; i++) {
        if (part->values[i].type == GGUF_ARRAY)
            mem_free(part->values[i].strings);
    }
    name_index_deinit(&part->keys);
    mem_free(part->values);
    mem_free(part->own_strings);
    mem_free(part->tensors);
    *part = (gguf_part){0};
}

const gguf_value *gguf_part_find(const gguf_part *part, const char *key)
{
    return name_index_find(&part->keys, key, strlen(key));
}

hearth_status gguf_part_get_uint(const gguf_part *part, const char *key, uint64_t max,
                                 uint64_t *out, bool *found, hearth_error *err)
{
    const gguf_value *value = gguf_part_find(part, key);
    int64_t number;
    if (found)
        *found = value != NULL;
    if (value == NULL)
        return HEARTH_OK;
    if (value->type == GGUF_ARRAY || value->type == GGUF_BOOL ||
        !gguf_value_i64(value, 0, &number) || number < 0 || (uint64_t)number > max)
        FAIL(err, EFORMAT, key, "key '%s' (%s) must be an integer of 0 to %llu", key,
             gguf_type_name(value->type), (ull)max);
    *out = (uint64_t)number;
    return HEARTH_OK;
}
