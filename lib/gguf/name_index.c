/* SPDX-License-Identifier: MIT
 *
 * name_index.c - see name_index.h. Hash: FNV-1a, 64 bits, its high half folded in.
 */
#include "gguf/name_index.h"

#include <string.h>

#include "base/mem.h"

enum { PROBES_MAX = 128, SLOTS_PER_ENTRY = 4 };

static size_t hash(const char *name, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)name[i]) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

static const gguf_string *name_of(const name_index *index, uint32_t slot)
{
    return (const gguf_string *)((const char *)index->entries + (slot - 1) * index->stride);
}

/* The slot that holds the name, or the empty one where it belongs; NULL after PROBES_MAX steps. */
static uint32_t *seek(const name_index *index, const char *name, size_t n)
{
    size_t at = hash(name, n);
    for (int i = 0; i < PROBES_MAX; i++, at++) {
        uint32_t *slot = &index->slots[at & index->mask];
        if (*slot == 0)
            return slot;
        const gguf_string *other = name_of(index, *slot);
        if (other->n == n && memcmp(other->data, name, n) == 0)
            return slot;
    }
    return NULL;
}

bool name_index_init(name_index *index, const void *entries, size_t stride, size_t capacity)
{
    size_t n_slots = 16;
    while (n_slots < capacity * SLOTS_PER_ENTRY)
        n_slots *= 2;
    *index = (name_index){.entries = entries, .stride = stride, .mask = n_slots - 1};
    index->slots = mem_calloc(n_slots, sizeof *index->slots);
    return index->slots != NULL;
}

void name_index_deinit(name_index *index)
{
    mem_free(index->slots);
    *index = (name_index){0};
}

name_index_result name_index_add(name_index *index, size_t position)
{
    const gguf_string *name = name_of(index, (uint32_t)position + 1);
    uint32_t *slot = seek(index, name->data, name->n);
    if (slot == NULL)
        return NAME_CROWDED;
    if (*slot != 0)
        return NAME_EXISTS;
    *slot = (uint32_t)position + 1;
    return NAME_ADDED;
}

const void *name_index_find(const name_index *index, const char *name, size_t n)
{
    const uint32_t *slot = index->slots ? seek(index, name, n) : NULL;
    return slot != NULL && *slot != 0 ? name_of(index, *slot) : NULL;
}
