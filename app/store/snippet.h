/* SPDX-License-Identifier: MIT
 *
 * snippet.h - the part of a text that shows best why it was found, with marks around what was.
 *
 * FTS5 has a snippet of its own, but it evaluates the query anew for every text, which for
 * the beginning of a word takes as long as the search.
 */
#ifndef HEARTH_STORE_SNIPPET_H
#define HEARTH_STORE_SNIPPET_H

#include "protocol/arena.h"
#include "store/search.h"
#include "store/words.h"

enum {
    SNIPPET_BYTES = 240,        /* of the text, at the most */
    SNIPPET_MAX_SCAN = 4 << 20, /* bytes of a text that are looked at */
    SNIPPET_MAX_MARKS = 32
};

/* Sets snippet, marks and n_marks. Without a word of the list (or a list) it begins at
 * text[from]. False if out of memory. */
bool snippet_make(arena *a, const char *text, size_t n_text, size_t from, const words_list *words,
                  search_hit *hit);

#endif
