/* SPDX-License-Identifier: MIT
 *
 * nearest.h - the known name that a mistyped one most likely meant.
 *
 * Offer every known name in turn; `best` is the closest one, or NULL while none is close enough to
 * be worth a question. Distance is counted in single edits (a letter more, less, changed, or two
 * swapped; case and leading dashes are free). A beginning of a name counts as one edit. About a
 * third of the letters may be wrong; words of one or two letters must match but for case.
 */
#ifndef HEARTH_BASE_NEAREST_H
#define HEARTH_BASE_NEAREST_H

#include <stddef.h>

enum { NEAREST_MAX = 48 }; /* longer names are never close to anything */

typedef struct nearest {
    const char *word; /* borrowed, n_word bytes */
    size_t n_word;
    const char *best; /* borrowed from the offers */
    unsigned distance;
} nearest;

void nearest_init(nearest *n, const char *word, size_t n_word);
void nearest_offer(nearest *n, const char *name);

#endif
