/* SPDX-License-Identifier: MIT
 *
 * seams.h - where a text may be cut without changing its tokens.
 *
 * SPM and UGM have no notion of a word: the best tokens are sought over the whole text. But no
 * token can lie across two neighbouring characters that stand so in no spelling, hence a text may
 * be cut between them and its pieces tokenized one by one, with the same result and a memory of
 * the longest piece. The pairs that do occur are kept in a bit set by hash: a collision only means
 * a cut not made.
 */
#ifndef HEARTH_TOKEN_SEAMS_H
#define HEARTH_TOKEN_SEAMS_H

#include "token/vocab.h"

typedef struct seams {
    uint64_t *pairs;
} seams;

bool seams_init(seams *s, const vocab *v); /* false: out of memory */
void seams_deinit(seams *s);

/* One character, or one byte that is part of none. n is at least 1; the result is its length. */
size_t seams_char(const char *text, size_t n, uint32_t *unit);

/* Whether no token lies across the end of `left` and the start of `right`. */
bool seams_between(const seams *s, uint32_t left, uint32_t right);

#endif
