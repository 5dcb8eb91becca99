/* SPDX-License-Identifier: MIT
 *
 * trie.h - spellings by their bytes, for walking a text to all tokens that begin at one place.
 *
 * Nodes are where spellings end or part, so there are two for each token at most, however long it
 * is: what lies between a node and its parent is read from the spelling of a token below it. Nodes
 * are numbered from the root, 0, and found by their parent and first byte in a hash table, which is
 * the smallest thing that is fast for vocabularies of every shape.
 */
#ifndef HEARTH_TOKEN_TRIE_H
#define HEARTH_TOKEN_TRIE_H

#include "token/vocab.h"

typedef struct trie_node {
    uint32_t parent;
    int32_t token;    /* one whose spelling leads here; the one that ends here if any does */
    uint16_t n_bytes; /* from the root, VOCAB_MATCH_MAX at most */
    bool is_end;
} trie_node;

typedef struct trie {
    const gguf_string *texts; /* the spellings; borrowed */
    id_table edges;           /* nodes by parent and first byte */
    trie_node *nodes;
    size_t n_nodes, capacity;
} trie;

/* A place in the trie: on the way to a node, or at it. The root is {0}. */
typedef struct trie_place {
    uint32_t node;
    uint32_t n_bytes; /* from the root */
} trie_place;

/* For tokens of the vocabulary, whose spellings must outlive it. False: out of memory. */
bool trie_init(trie *t, const vocab *v);
void trie_deinit(trie *t);
/* Spelled with 1 to VOCAB_MATCH_MAX bytes. The first of a spelling stays. False: out of memory. */
bool trie_add(trie *t, int32_t id);

/* Follows one byte. False, with *place unspecified, if no spelling goes on so. */
bool trie_step(const trie *t, trie_place *place, char byte);
int32_t trie_token(const trie *t, trie_place place); /* that ends here, or -1 */

#endif
