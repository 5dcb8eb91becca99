/* SPDX-License-Identifier: MIT
 *
 * words.h - what a word is: the tokenizer of the full-text index, and user's text as a query of it.
 *
 * A word is a run of letters and digits, folded (case, accents, compatibility forms) and cut at
 * WORDS_MAX_BYTES. Scripts that write without blanks (Han, kana, Thai, Lao, Khmer, Burmese) have a
 * word for each character, so that a text of several is found as a phrase wherever it stands.
 */
#ifndef HEARTH_STORE_WORDS_H
#define HEARTH_STORE_WORDS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"

enum { WORDS_MAX_BYTES = 240, WORDS_MAX_TERMS = 64, WORDS_MAX_WORDS = 256 };

/* fn gets each folded word and the bytes of the text that it stands for; other than 0 ends it and
 * is returned. */
int words_each(const char *text, size_t n,
               int (*fn)(void *user, const char *word, size_t n_word, size_t start, size_t end),
               void *user);

/* Makes the tokenizer "hearth" known to a connection. */
hearth_status words_register(sqlite3 *handle, hearth_error *err);

/* The terms that a query looks for, folded: each is some words that stand together. */
typedef struct words_word {
    char text[WORDS_MAX_BYTES];
    size_t n;
    bool prefix; /* the beginning of a word */
} words_word;
typedef struct words_term {
    size_t first, n; /* of words */
} words_term;
typedef struct words_list {
    words_term terms[WORDS_MAX_TERMS];
    size_t n_terms;
    words_word words[WORDS_MAX_WORDS];
    size_t n_words;
} words_list;

/* Writes an FTS5 expression that can have no syntax error to the empty out; nothing if there is no
 * word. The text is read as search.h tells. Its terms, but those that must not occur, are put into
 * list. */
hearth_status words_query(const char *text, size_t n, bool any_word, bool as_typed, buf *out,
                          words_list *list, hearth_error *err);

/* Appends one term of such an expression. */
bool words_quote(const char *text, size_t n, bool prefix, buf *out);

#endif
