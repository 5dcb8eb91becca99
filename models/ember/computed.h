/* SPDX-License-Identifier: MIT
 *
 * computed.h - tables too large to write out: sums, products, sequences.
 *
 * Operands are held out by a hash of the operation and its unordered operands: a tenth of all pairs
 * never occurs in training, in neither order and in no phrasing.
 */
#ifndef HEARTH_EMBER_COMPUTED_H
#define HEARTH_EMBER_COMPUTED_H

#include "ember/corpus.h"

enum { COMPUTED_CELL = 160 };

typedef struct computed_row {
    const char *columns[CORPUS_MAX_COLUMNS];
    char cells[CORPUS_MAX_COLUMNS][COMPUTED_CELL];
    size_t n;
} computed_row;

/* How many rows there are, for weighting; 0: no such table. "short" is known here and drawn by the
 * corpus: it pairs questions with their answer in a word. */
size_t computed_rows(const char *name);
void computed_draw(const char *name, draw_kind kind, rng *r, computed_row *out);

#endif
