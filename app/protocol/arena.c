/* SPDX-License-Identifier: MIT
 *
 * arena.c - see arena.h. Blocks of their own for what is large, a shared block for the rest.
 */
#include "protocol/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/checked.h"
#include "base/mem.h"

enum { ALIGN = 16, BLOCK_BYTES = 4096, LARGE_BYTES = 1024 };

struct arena_block {
    arena_block *next;
    size_t n, capacity;
    _Alignas(ALIGN) char bytes[];
};

static arena_block *add_block(arena *a, size_t capacity)
{
    uint64_t total;
    size_t n_bytes;
    if (!checked_add(capacity, sizeof(arena_block), &total) || !checked_size(total, &n_bytes))
        return NULL;
    arena_block *block = mem_calloc(1, n_bytes);
    if (block == NULL)
        return NULL;
    block->capacity = capacity;
    /* The first block is the one that is being filled: a large one goes behind it. */
    if (a->first && capacity != BLOCK_BYTES) {
        block->next = a->first->next;
        a->first->next = block;
    } else {
        block->next = a->first;
        a->first = block;
    }
    return block;
}

void *arena_array(arena *a, size_t n, size_t size)
{
    uint64_t wanted;
    size_t n_bytes;
    if (!checked_mul(n, size, &wanted) || !checked_align(wanted, ALIGN, &wanted) ||
        !checked_size(wanted, &n_bytes))
        return NULL;
    arena_block *block = a->first;
    if (n_bytes > LARGE_BYTES)
        block = add_block(a, n_bytes);
    else if (block == NULL || block->capacity - block->n < n_bytes)
        block = add_block(a, BLOCK_BYTES);
    if (block == NULL)
        return NULL;
    void *bytes = block->bytes + block->n;
    block->n += n_bytes;
    return bytes;
}

char *arena_text(arena *a, const char *text, size_t n)
{
    char *copy = n < SIZE_MAX ? arena_array(a, n + 1, 1) : NULL;
    if (copy)
        memcpy(copy, text, n);
    return copy;
}

void arena_deinit(arena *a)
{
    while (a->first) {
        arena_block *next = a->first->next;
        mem_free(a->first);
        a->first = next;
    }
}
