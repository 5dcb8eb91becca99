/* SPDX-License-Identifier: MIT
 *
 * trie.h - spellings by their bytes, for walking a text to all tokens that begin at one place.
 *
 * Nodes are numbered from the root, 0; an edge (node, byte) is one entry of a hash table, which is
 * the smallest thing that is fast for vocabularies of every shape.
 */
#ifndef HEARTH_TOKEN_TRIE_H
#define HEARTH_TOKEN_TRIE_H

#include "token/text_hash.h"

typedef struct trie {
    int_table edges; /* node << 8 | byte -> node */
    int32_t *ids;    /* of the token that ends at a node, or -1 */
    size_t n_nodes, capacity;
} trie;

bool trie_init(trie *t);
void trie_deinit(trie *t);
bool trie_add(trie *t, const char *text, size_t n, int32_t id); /* false: out of memory */

/* Follows one byte from *node. False, with *node unspecified, if no spelling goes on so. */
bool trie_step(const trie *t, uint32_t *node, char byte);

#endif
