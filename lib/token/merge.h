/* SPDX-License-Identifier: MIT
 *
 * merge.h - joining neighbours, best pair first: the heart of SPM and BPE.
 *
 * A word is a list of symbols, at first one per character. As long as some two neighbours may be
 * joined, the pair with the lowest key is (the leftmost of equals). Pairs wait in a heap; one that
 * has since changed is recognised by its length and dropped, so a word of n symbols costs
 * O(n log n), whatever its vocabulary.
 */
#ifndef HEARTH_TOKEN_MERGE_H
#define HEARTH_TOKEN_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct merge_symbol {
    uint32_t start, n; /* bytes of the word; n 0: joined to the one on its left */
    int32_t prev, next;
    int32_t id; /* what the finder calls it; -1 if nothing */
} merge_symbol;

typedef struct merge_candidate {
    uint64_t order; /* key, then index of the left symbol */
    uint32_t n;     /* bytes of the joined symbol */
    int32_t id;
} merge_candidate;

/* Whether the neighbours may be joined, and if so the key and the id of the joined symbol. */
typedef bool (*merge_finder)(const void *user, const char *word, const merge_symbol *left,
                             const merge_symbol *right, uint32_t *key, int32_t *id);

typedef struct merger {
    merge_symbol *symbols;
    size_t n_symbols, symbols_capacity;
    merge_candidate *heap;
    size_t n_heap, heap_capacity;
    uint64_t n_steps; /* pairs looked up and candidates taken, since init: the work done */
} merger;

void merger_init(merger *m);
void merger_deinit(merger *m);
void merger_clear(merger *m); /* ready for another word; keeps the memory */
/* False: out of memory, or the thread's watch has ended the call. */
bool merger_add(merger *m, uint32_t start, uint32_t n, int32_t id);
/* Afterwards the symbols with n > 0 are the result, in order. False: as above. */
bool merger_run(merger *m, const char *word, merge_finder find, const void *user);

#endif
