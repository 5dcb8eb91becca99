/* SPDX-License-Identifier: MIT
 *
 * jinja_arena.c - see jinja_arena.h. Chunks grow from 16 KiB to 1 MiB; a piece that is larger than
 * a quarter of a chunk gets one of its own, so that little is lost at the ends.
 */
#include "chat/jinja_arena.h"

#include "base/mem.h"

enum { CHUNK_MIN = 16 << 10, CHUNK_MAX = 1 << 20, ALIGN = 16 };

struct jinja_chunk {
    jinja_chunk *next;
    _Alignas(ALIGN) char bytes[];
};

void jinja_arena_init(jinja_arena *a, size_t max)
{
    *a = (jinja_arena){.max = max};
}

void jinja_arena_deinit(jinja_arena *a)
{
    while (a->chunks) {
        jinja_chunk *next = a->chunks->next;
        mem_free(a->chunks);
        a->chunks = next;
    }
    jinja_arena_init(a, a->max);
}

static jinja_chunk *add_chunk(jinja_arena *a, size_t n)
{
    jinja_chunk *chunk = mem_alloc(sizeof *chunk + n);
    if (chunk) {
        chunk->next = a->chunks;
        a->chunks = chunk;
    }
    return chunk;
}

void *jinja_arena_alloc(jinja_arena *a, size_t n)
{
    if (n > a->max || a->used > a->max - n) {
        a->over = true;
        return NULL;
    }
    n = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    size_t left = (size_t)(a->end - a->at);
    if (n > left) {
        size_t chunk_bytes = a->used < CHUNK_MIN ? CHUNK_MIN : a->used;
        if (chunk_bytes > CHUNK_MAX)
            chunk_bytes = CHUNK_MAX;
        bool own = n > chunk_bytes / 4;
        jinja_chunk *chunk = add_chunk(a, own ? n : chunk_bytes);
        if (chunk == NULL)
            return NULL;
        a->used += n;
        if (own)
            return chunk->bytes;
        a->at = chunk->bytes + n;
        a->end = chunk->bytes + chunk_bytes;
        return chunk->bytes;
    }
    void *piece = a->at;
    a->at += n;
    a->used += n;
    return piece;
}
