/* SPDX-License-Identifier: MIT
 *
 * stop_words.h - text on its way out, held back while it could still become a stop string.
 *
 * What     Bytes go in as they are written; those that can belong to no stop string come out. When
 * a stop string is complete, what stood before it comes out and the string itself never does. Which
 * The match that ends first wins, and of those that end together the longest. So the answer depends
 * on the text alone, not on how it was cut into pieces. Cost     Every stop string walks over every
 * byte once (Knuth, Morris and Pratt, 1977). Characters  Text that goes in by whole characters
 * comes out by whole characters.
 */
#ifndef HEARTH_ENGINE_STOP_WORDS_H
#define HEARTH_ENGINE_STOP_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"

typedef struct stop_word stop_word;

typedef struct stop_words {
    stop_word *words;
    size_t n;
    size_t *borders; /* one array for all words */
    buf held;        /* not given out yet */
    const char *found;
} stop_words;

/* The strings are borrowed. Each must be UTF-8 and not empty. */
hearth_status stop_words_open(stop_words *s, const char *const *words, size_t n, hearth_error *err);
void stop_words_close(stop_words *s);

/* Appends to out what can go. True in *stopped once a stop string is complete: s->found is it, and
 * whatever is fed after that is dropped. */
hearth_status stop_words_feed(stop_words *s, const char *text, size_t n, buf *out, bool *stopped,
                              hearth_error *err);

/* The text has ended: what is held back was no stop string, and is appended to out. */
hearth_status stop_words_finish(stop_words *s, buf *out, hearth_error *err);

#endif
