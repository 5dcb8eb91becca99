/* SPDX-License-Identifier: MIT
 *
 * draft.h - tokens that may come next, guessed from the text so far.
 *
 * What     What followed the last time that the text's end occurred in it (prompt lookup: Saxena
 *          2023). Texts that quote (code that is changed, documents that are summed up, JSON)
 * repeat themselves; a guess that is right costs a column of a pass instead of a pass. Bits     A
 * guess is fed after the token that is to be fed anyway; the logits of each of its places are those
 * of the text up to there. Tokens are chosen from them one after the other, as without guesses, and
 * the guesses after the first wrong one are forgotten. Pays     Guesses get longer while they are
 * right, and rest for a while when they are not.
 */
#ifndef HEARTH_ENGINE_DRAFT_H
#define HEARTH_ENGINE_DRAFT_H

#include <stddef.h>
#include <stdint.h>

enum { DRAFT_MOST = 7 };

typedef struct draft {
    uint32_t length; /* of the next guess; 0: not begun */
    uint32_t rest;   /* tokens to go without a guess */
} draft;

/* Guesses `least` to `most` tokens (0 < least <= most) after the n that are there, into out; how
 * many, or 0. */
size_t draft_guess(draft *d, const int32_t *tokens, size_t n, size_t least, size_t most,
                   int32_t *out);

/* n_right of n guesses were right. */
void draft_learn(draft *d, size_t n, size_t n_right);

#endif
