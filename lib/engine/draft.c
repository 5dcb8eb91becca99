/* SPDX-License-Identifier: MIT
 *
 * draft.c - see draft.h.
 */
#include "engine/draft.h"

#include <string.h>

enum { N_GRAM = 3, FIRST_LENGTH = 3, REST = 16 };

/* Where what followed begins; n if the end of the text never occurred before. */
static size_t find_end(const int32_t *tokens, size_t n)
{
    for (size_t at = n - 1; at >= N_GRAM; at--) {
        if (memcmp(tokens + at - N_GRAM, tokens + n - N_GRAM, N_GRAM * sizeof *tokens) == 0)
            return at;
    }
    return n;
}

size_t draft_guess(draft *d, const int32_t *tokens, size_t n, size_t least, size_t most,
                   int32_t *out)
{
    if (d->length == 0)
        d->length = FIRST_LENGTH;
    if (d->rest > 0) {
        d->rest--;
        return 0;
    }
    if (n <= N_GRAM)
        return 0;
    size_t from = find_end(tokens, n), length = d->length > least ? d->length : least;
    length = length < most ? length : most;
    if (from == n)
        return 0;
    for (size_t i = 0; i < length; i++) /* past the end it goes round: out may lie there */
        out[i] = from + i < n ? tokens[from + i] : out[from + i - n];
    return length;
}

void draft_learn(draft *d, size_t n, size_t n_right)
{
    if (n_right == n)
        d->length = d->length + 2 < DRAFT_MOST ? d->length + 2 : DRAFT_MOST;
    else
        d->length = (uint32_t)n_right + 1;
    if (n_right == 0)
        d->rest = REST;
}
