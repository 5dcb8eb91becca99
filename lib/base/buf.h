/* SPDX-License-Identifier: MIT
 *
 * buf.h - a growable byte buffer with a ceiling.
 *
 * The contents always end in a NUL that is not counted, so b->data prints as a string. Growth is
 * geometric. One thread at a time. After a failed append the buffer is unchanged.
 */
#ifndef HEARTH_BASE_BUF_H
#define HEARTH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

typedef struct buf {
    char *data; /* NULL until the first append */
    size_t n;   /* bytes used, without the NUL */
    size_t capacity;
    size_t max; /* 0: no ceiling */
} buf;

void buf_init(buf *b, size_t max);
void buf_deinit(buf *b);
void buf_clear(buf *b);                               /* keeps the memory */
bool buf_append(buf *b, const void *bytes, size_t n); /* false: out of memory or over max */
bool buf_append_text(buf *b, const char *text);
bool buf_append_format(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_remove_front(buf *b, size_t n); /* n <= b->n */

/* Hands the bytes (NUL-terminated, freed with mem_free) to the caller; b is empty afterwards.
 * NULL if out of memory. */
char *buf_take(buf *b, size_t *n);

#endif
