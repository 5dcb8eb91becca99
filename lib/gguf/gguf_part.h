/* SPDX-License-Identifier: MIT
 *
 * gguf_part.h - one GGUF file, parsed: inside this folder only.
 *
 * A part borrows the bytes it was parsed from. A zeroed part is a valid empty one.
 */
#ifndef HEARTH_GGUF_GGUF_PART_H
#define HEARTH_GGUF_GGUF_PART_H

#include "gguf/gguf.h"
#include "gguf/name_index.h"

/* Names quoted in messages are cut so that the message keeps room for the reason. */
#define NAME_FORMAT "'%.*s'"
#define NAME_ARGS(s) (int)((s).n < 100 ? (s).n : 100), (s).data

/* Limits on names: the specification's own for keys; for tensors ggml itself stops at 63. */
enum { GGUF_KEY_MAX_BYTES = 65535, GGUF_NAME_MAX_BYTES = 127 };

typedef struct gguf_part {
    const uint8_t *data;
    uint64_t n_bytes;
    uint32_t version;
    gguf_value *values; /* with room for n_extra_values more */
    size_t n_values;
    gguf_string *own_strings; /* entry i is what a string in values[i] points to */
    name_index keys;
    gguf_tensor *tensors;
    size_t n_tensors;
    uint64_t data_begin; /* where tensor data starts; only meaningful with tensors */
} gguf_part;

/* `part` is empty before, and on failure. number goes into gguf_tensor.part. */
hearth_status gguf_part_parse(gguf_part *part, const uint8_t *data, uint64_t n_bytes, int number,
                              size_t n_extra_values, hearth_error *err);
void gguf_part_deinit(gguf_part *part);

const gguf_value *gguf_part_find(const gguf_part *part, const char *key);

/* Bytes of one scalar in the file; 0 for strings and arrays. */
size_t gguf_scalar_bytes(gguf_type type);

/* An unsigned integer of at most max under key, in any integer type that holds it. An absent key
 * leaves *out as it was. */
hearth_status gguf_part_get_uint(const gguf_part *part, const char *key, uint64_t max,
                                 uint64_t *out, bool *found, hearth_error *err);

/* Parses "KEY=TYPE:VALUE" into a value whose key and bytes lie in *memory, which is the caller's
 * to mem_free. */
hearth_status gguf_override_parse(gguf_value *value, void **memory, const char *text,
                                  hearth_error *err);

#endif
