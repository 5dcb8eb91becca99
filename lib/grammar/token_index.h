/* SPDX-License-Identifier: MIT
 *
 * token_index.h - a vocabulary sorted by the bytes of its tokens, as a trie that lies in one array.
 *
 * What     Nodes in the order of a walk that goes down first, each with the place behind its whole
 *          subtree: a walk is a loop over the array, and what cannot match is jumped over. Tokens
 *          stand in the order of their bytes, so those that end at a node are a run of them.
 * Tokens   Those that stand for bytes. Control tokens, tokens that end an answer and padding stand
 *          for none and are not in the trie.
 * Threads  Immutable.
 */
#ifndef HEARTH_GRAMMAR_TOKEN_INDEX_H
#define HEARTH_GRAMMAR_TOKEN_INDEX_H

#include "token/tokenizer.h"

enum { TOKEN_BYTES_MAX = 1024 }; /* longer tokens are never allowed by a grammar */

typedef struct token_node {
    uint32_t end;   /* the node behind the subtree */
    uint32_t first; /* of the tokens that end here; they go on to the next node's first */
    uint16_t depth; /* 1: the first byte */
    uint8_t byte;
} token_node;

typedef struct token_index {
    const tokenizer *t;
    size_t n_vocab;    /* of the model: may be more than the tokenizer has */
    size_t n_words;    /* 64-bit words of a mask */
    token_node *nodes; /* n_nodes and one behind them, for the last one's run */
    size_t n_nodes;
    int32_t *tokens; /* in the order of the trie */
    size_t n_tokens;
    char *bytes;       /* of all tokens, by id */
    uint32_t *offsets; /* n_vocab + 1 */
    uint64_t *ends;    /* mask of the tokens that end an answer */
} token_index;

hearth_status token_index_new(token_index **out, const tokenizer *t, size_t n_vocab,
                              hearth_error *err);
void token_index_free(token_index *index);

/* The bytes that a token stands for; *n is 0 for those that stand for none. */
const char *token_index_bytes(const token_index *index, int32_t token, size_t *n);

static inline bool token_mask_has(const uint64_t *mask, int32_t token)
{
    return mask[token / 64] >> (token % 64) & 1;
}

static inline void token_mask_set(uint64_t *mask, int32_t token)
{
    mask[token / 64] |= 1ull << (token % 64);
}

static inline void token_mask_clear(uint64_t *mask, int32_t token)
{
    mask[token / 64] &= ~(1ull << (token % 64));
}

#endif
