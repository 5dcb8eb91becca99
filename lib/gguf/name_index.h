/* SPDX-License-Identifier: MIT
 *
 * name_index.h - from a name to the position of its entry in an array, in constant time.
 *
 * The entries are any structs whose first member is a gguf_string. The table holds positions only,
 * at most a quarter full, searched linearly. Names come from hostile files and may be made to
 * collide, so a search is bounded: an insertion that would need more steps than PROBES_MAX (which
 * honest names never do at this load) is refused, and the file with it.
 */
#ifndef HEARTH_GGUF_NAME_INDEX_H
#define HEARTH_GGUF_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gguf/gguf.h"

typedef struct name_index {
    const void *entries;
    size_t stride;   /* bytes from one entry to the next */
    uint32_t *slots; /* position + 1; 0: empty */
    size_t mask;     /* slots - 1; slots are a power of two */
} name_index;

typedef enum name_index_result { NAME_ADDED, NAME_EXISTS, NAME_CROWDED } name_index_result;

/* For up to `capacity` (at most 2^28) entries. False: out of memory. */
bool name_index_init(name_index *index, const void *entries, size_t stride, size_t capacity);
void name_index_deinit(name_index *index);

name_index_result name_index_add(name_index *index, size_t position);

/* The entry with this name, or NULL. */
const void *name_index_find(const name_index *index, const char *name, size_t n);

#endif
