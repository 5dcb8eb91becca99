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

enum { WORDS_MAX_BYTES = 240, WORDS_MAX_TERMS = 64 };

/* fn gets each folded word and the bytes of the text that it stands for; other than 0 ends it and
 * is returned. */
int words_each(const char *text, size_t n,
               int (*fn)(void *user, const char *word, size_t n_word, size_t start, size_t end),
               void *user);

/* Makes the tokenizer "hearth" known to a connection. */
hearth_status words_register(sqlite3 *handle, hearth_error *err);

/* Writes an FTS5 expression that can have no syntax error to the empty out; nothing if there is no
 * word. The text is read as search.h tells. */
hearth_status words_query(const char *text, size_t n, bool any_word, bool as_typed, buf *out,
                          hearth_error *err);

/* Appends one term of such an expression. */
bool words_quote(const char *text, size_t n, bool prefix, buf *out);

#endif
