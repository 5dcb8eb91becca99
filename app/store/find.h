/* SPDX-License-Identifier: MIT
 *
 * find.h - a search whose expression of words has been made: what search_find and memory_recall
 * share.
 */
#ifndef HEARTH_STORE_FIND_H
#define HEARTH_STORE_FIND_H

#include "store/search.h"
#include "store/state.h"
#include "store/words.h"

/* words: an FTS5 expression, "" for none, and its terms, NULL for no snippets. The text of the
 * query is used for its meaning alone, its any_word and as_typed not at all. quiet: chats that do
 * not want to be remembered are left out, and no titles are looked at. */
hearth_status find_run(store *s, const search_query *query, const char *words,
                       const words_list *terms, bool quiet, search_hits *out, hearth_error *err);

#endif
