/* SPDX-License-Identifier: MIT
 *
 * wtype.h - the weight formats of wtype.def as an enum and lookups.
 *
 * A wtype is dense (an array index); the id a GGUF file stores is wtype_info.gguf_id.
 */
#ifndef HEARTH_BASE_WTYPE_H
#define HEARTH_BASE_WTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wtype {
#define X(name, id, text, elements, bytes, class) WTYPE_##name,
#include "base/wtype.def"
#undef X
    WTYPE_COUNT
} wtype;

typedef enum wtype_class { WTYPE_CLASS_F, WTYPE_CLASS_B, WTYPE_CLASS_K, WTYPE_CLASS_N } wtype_class;

typedef struct wtype_info {
    const char *name;
    uint32_t gguf_id;
    uint32_t block_elements;
    uint32_t block_bytes;
    wtype_class class;
} wtype_info;

const wtype_info *wtype_get(wtype type);             /* type must be valid */
bool wtype_from_gguf(uint32_t gguf_id, wtype *type); /* false: unknown id */
bool wtype_from_name(const char *name, wtype *type); /* ignores case; false: unknown */

/* Bytes of one row of k elements. False if k is no multiple of the block or on overflow. */
bool wtype_row_bytes(wtype type, uint64_t k, uint64_t *bytes);

#endif
