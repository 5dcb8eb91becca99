/* SPDX-License-Identifier: MIT
 *
 * arena.h - memory that is freed all at once: what a request's parts point to.
 */
#ifndef HEARTH_PROTOCOL_ARENA_H
#define HEARTH_PROTOCOL_ARENA_H

#include <stddef.h>

typedef struct arena_block arena_block;

/* Zeroed is empty. */
typedef struct arena {
    arena_block *first;
} arena;

/* n * size zeroed bytes, aligned for any type; NULL if out of memory or on overflow. */
void *arena_array(arena *a, size_t n, size_t size);

/* n bytes of text and a NUL. */
char *arena_text(arena *a, const char *text, size_t n);

void arena_deinit(arena *a);

#endif
