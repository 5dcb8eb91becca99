/* SPDX-License-Identifier: MIT
 *
 * gguf.h - reading a GGUF model file: metadata and the table of tensors.
 *
 * What     Versions 2 and 3, little-endian, one file or a split set opened from any of its parts.
 *          Everything stays in the mapping; a gguf holds an index into it.
 * Input    Hostile. Every size, count, offset, type and string is checked before use; memory taken
 *          before tensors is bounded by 64 MB + 4 x file size; nesting of arrays is refused.
 * Threads  Immutable after open.
 * Lifetime Every pointer given out is borrowed and lives until gguf_close.
 */
#ifndef HEARTH_GGUF_GGUF_H
#define HEARTH_GGUF_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/status.h"
#include "base/wtype.h"

/* The value types, numbered as in the file. */
typedef enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
    GGUF_TYPE_COUNT
} gguf_type;

const char *gguf_type_name(gguf_type type); /* "u32", "str", "arr", ... */

typedef struct gguf_string { /* not NUL-terminated, may hold any byte */
    const char *data;
    size_t n;
} gguf_string;

typedef struct gguf_value {
    gguf_string key;
    gguf_type type;
    gguf_type element_type; /* of an array; otherwise the same as type */
    size_t n;               /* elements of an array, 1 otherwise */
    const uint8_t *data;    /* raw little-endian scalars, unaligned; for a string its bytes */
    size_t n_bytes;         /* of data */
    gguf_string *strings;   /* of a string array: n entries; of a string: one */
    bool overridden;        /* by an override, not from the file */
} gguf_value;

enum { GGUF_MAX_DIMS = 4 };

typedef struct gguf_tensor {
    gguf_string name;
    wtype type;
    int n_dims;                 /* 1..4 */
    uint64_t ne[GGUF_MAX_DIMS]; /* ne[0] is the row length; unused ones are 1; none is 0 */
    uint64_t n_elements;
    uint64_t n_bytes;
    int part;            /* which file of a split set */
    uint64_t offset;     /* from the start of that file */
    const uint8_t *data; /* in the mapping; unaligned if general.alignment says so */
} gguf_tensor;

typedef struct gguf gguf;

typedef struct gguf_options {
    const char *const *overrides; /* "KEY=TYPE:VALUE", TYPE one of int float bool str */
    size_t n_overrides;
    bool metadata_only; /* a split set is opened without its other parts' tensors */
    const hearth_log *log;
} gguf_options;

/* options may be NULL. Errors: EFORMAT with the offending key, tensor or offset; EUNSUPPORTED for
 * a big-endian file, another version or an unknown weight format; EIO; ENOMEM; EINVAL for a bad
 * override or a part that is not named as one; ENOTFOUND for a missing file or part; EMISMATCH for
 * a part of another set. */
hearth_status gguf_open(gguf **out, const char *path, const gguf_options *options,
                        hearth_error *err);

/* The same over bytes in memory that outlive the gguf: what tests and fuzzers use. */
hearth_status gguf_open_memory(gguf **out, const void *bytes, size_t n, const gguf_options *options,
                               hearth_error *err);
void gguf_close(gguf *g);

/* Of a file whose first n bytes these are: how many the header takes (metadata and the table of
 * tensors), or above n: how many are needed to find out. Of what is no GGUF file, a number up to n;
 * opening it tells what is wrong. */
uint64_t gguf_header_bytes(const void *bytes, size_t n);

uint32_t gguf_version(const gguf *g);
const char *gguf_path(const gguf *g); /* of the first part; "" for memory */
int gguf_n_parts(const gguf *g);
uint64_t gguf_file_bytes(const gguf *g); /* of all parts */

size_t gguf_n_values(const gguf *g);
const gguf_value *gguf_value_at(const gguf *g, size_t i);
const gguf_value *gguf_find(const gguf *g, const char *key); /* NULL if absent */

size_t gguf_n_tensors(const gguf *g);
const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i);
const gguf_tensor *gguf_find_tensor(const gguf *g, const char *name); /* NULL if absent */

/* Typed reading. An absent key leaves *out as it was and gives OK with *found false (found may be
 * NULL). A present key of a type that cannot hold the value is EFORMAT. Integers of any width are
 * accepted where they fit; a float is accepted from f32 or f64. */
hearth_status gguf_get_u32(const gguf *g, const char *key, uint32_t *out, bool *found,
                           hearth_error *err);
hearth_status gguf_get_f32(const gguf *g, const char *key, float *out, bool *found,
                           hearth_error *err);
hearth_status gguf_get_bool(const gguf *g, const char *key, bool *out, bool *found,
                            hearth_error *err);
hearth_status gguf_get_string(const gguf *g, const char *key, gguf_string *out, bool *found,
                              hearth_error *err);

/* Element i of a numeric or bool scalar (i = 0) or array, widened. False if i is out of range, or
 * of another type, or (i64) a float or a value that an int64 cannot hold. */
bool gguf_value_i64(const gguf_value *v, size_t i, int64_t *out);
bool gguf_value_f64(const gguf_value *v, size_t i, double *out);

/* Whether any mapped file has shrunk since open: what was read since may be zeros. */
bool gguf_is_lost(const gguf *g);

/* Lets go of what is in memory of the mapped files, which come back as they are read; bytes that
 * are mapped. Any thread, also while others read. */
uint64_t gguf_release(const gguf *g);

/* Hints the kernel to read all tensor data ahead. Progress in bytes; see hearth/log.h. */
hearth_status gguf_read_ahead(const gguf *g, const hearth_progress *progress, hearth_error *err);

#endif
