/* SPDX-License-Identifier: MIT
 *
 * cut.c - cutting a text into passages (search_cut of search.h).
 */
#include <stdbool.h>

#include "base/utf8.h"
#include "store/search.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* How good a place it is to end before text[at]: 3 after a paragraph, 2 a sentence or line, 1 a
 * word, 0 within a word. */
static int goodness(const char *text, size_t at)
{
    char before = text[at - 1];
    if (!is_blank(text[at]))
        return 0;
    if (text[at] == '\n')
        return at > 0 && before == '\n' ? 3 : 2;
    if (before == '\n')
        return 2;
    return before == '.' || before == '!' || before == '?' ? 2 : 1;
}

/* The end of a passage that begins at start: the best place in its second half, the last of
 * equals. */
static size_t find_end(const char *text, size_t n, size_t start)
{
    size_t limit = start + SEARCH_PASSAGE_BYTES;
    if (limit >= n)
        return n;
    size_t best = 0;
    int best_goodness = 0;
    for (size_t at = limit; at > start + SEARCH_PASSAGE_BYTES / 2; at--) {
        int here = goodness(text, at);
        if (here > best_goodness) {
            best = at;
            best_goodness = here;
        }
    }
    if (best_goodness > 0)
        return best;
    while (limit > start + 1 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}

size_t search_cut(const char *text, size_t n, size_t *at, size_t *start)
{
    size_t from = *at;
    while (from < n && is_blank(text[from]))
        from++;
    *start = from;
    if (from >= n) {
        *at = n;
        return 0;
    }
    size_t end = find_end(text, n, from);
    *at = end;
    while (end > from + 1 && is_blank(text[end - 1]))
        end--;
    return end - from;
}
