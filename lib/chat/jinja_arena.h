/* SPDX-License-Identifier: MIT
 *
 * jinja_arena.h - memory that is given out piece by piece and freed whole: one arena holds a
 * compiled template, another everything that a render makes.
 *
 * One thread at a time. Pieces are 16-aligned and not zeroed, and stay where they are.
 */
#ifndef HEARTH_CHAT_JINJA_ARENA_H
#define HEARTH_CHAT_JINJA_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct jinja_chunk jinja_chunk;

typedef struct jinja_arena {
    jinja_chunk *chunks;
    char *at, *end; /* what is left of the newest chunk */
    size_t used;    /* bytes given out */
    size_t max;
    bool over; /* a request was refused because of max, not because the heap is empty */
} jinja_arena;

void jinja_arena_init(jinja_arena *a, size_t max);
void jinja_arena_deinit(jinja_arena *a);

/* NULL: out of memory, or over max. */
void *jinja_arena_alloc(jinja_arena *a, size_t n);

#endif
