/* SPDX-License-Identifier: MIT
 *
 * prefix_tree.h - which pages hold the keys and values of which text, so that no text is read
 * twice.
 *
 * What     A tree over pages. A node is one page: the 64 tokens that follow the path from the root.
 *          A key is a token of text at its place, so a page is right for whoever has the same path.
 *          A node of fewer tokens is the end of a finished text; it has no children and is never
 *          shared, only copied. The tree holds one reference on each of its pages.
 * Memory   A node has the number of its page: there are at most as many as pages, all taken at
 * open. Leaving  When the pool is empty, a leaf that nobody else refers to leaves: the one with the
 * least value. Value is what the tree's value was at the page's last use plus the number of its
 * uses, at most MAX_USES; and the tree's value is that of the page that left last (Cherkasova's
 * GDSF, 1998, with equal costs and sizes). So of pages used equally often the least recently used
 * one leaves, and what many ask for stays longer. Threads  One thread at a time.
 */
#ifndef HEARTH_ENGINE_PREFIX_TREE_H
#define HEARTH_ENGINE_PREFIX_TREE_H

#include <stdbool.h>

#include "engine/page_pool.h"

/* The parent of what begins a text. Texts that are read otherwise, by other adapters, have roots of
 * their own, next to it. */
#define PREFIX_ROOT NO_PAGE
enum { PREFIX_ROOTS = 32 };

typedef struct prefix_root {
    uint64_t key; /* a hash of what keys and values depend on beside the tokens */
    uint32_t first_child;
    uint32_t n_users;
} prefix_root;

typedef struct prefix_node {
    uint32_t parent;
    uint32_t first_child;
    uint32_t next, previous; /* among the parent's children */
    uint32_t next_in_bucket;
    uint32_t n_tokens; /* 0: the page is not in the tree */
    uint32_t n_uses;
    bool stored;  /* in the disk tier, or on its way there */
    bool waits;   /* is to be, once there is room in the queue */
    uint64_t key; /* of a whole page: what names it in the disk tier */
    uint64_t value;
    uint64_t last_use;
    int32_t tokens[KV_PAGE];
} prefix_node;

typedef struct prefix_tree {
    page_pool *pool;
    prefix_node *nodes;
    uint32_t *buckets;               /* of whole pages, by parent and tokens */
    size_t n_buckets;                /* a power of two */
    prefix_root roots[PREFIX_ROOTS]; /* the i-th is node PREFIX_ROOT - i; 0 is always there */
    uint64_t value;
    uint64_t clock;
    uint64_t n_evicted;
    uint64_t n_lost; /* of them such that waited for the disk tier */
    uint32_t n_waiting;
} prefix_tree;

/* root_key: of PREFIX_ROOT. */
hearth_status prefix_tree_init(prefix_tree *t, page_pool *pool, uint64_t root_key,
                               hearth_error *err);
void prefix_tree_deinit(prefix_tree *t);
uint64_t prefix_tree_bytes(uint64_t n_pages);

/* The root for texts with this key, which is kept until prefix_tree_leave_root; false if all are in
 * use. */
bool prefix_tree_take_root(prefix_tree *t, uint64_t key, uint32_t *root);
void prefix_tree_leave_root(prefix_tree *t, uint32_t root);

/* The child that holds exactly these KV_PAGE tokens, or NO_PAGE. */
uint32_t prefix_tree_find(const prefix_tree *t, uint32_t parent, const int32_t *tokens);

/* The child whose tokens begin most like these n, and how many are the same; NO_PAGE with 0. */
uint32_t prefix_tree_find_similar(const prefix_tree *t, uint32_t parent, const int32_t *tokens,
                                  size_t n, size_t *n_same);

/* What the key of a whole page after parent is or would be: a hash of the path. */
uint64_t prefix_tree_key(const prefix_tree *t, uint32_t parent, const int32_t *tokens);

/* Counts a use. */
void prefix_tree_use(prefix_tree *t, uint32_t node);

/* Adds a page with the n tokens after parent (PREFIX_ROOT or a node of KV_PAGE tokens) and takes a
 * reference of its own. If the tree has a page with these tokens or with more, that one is returned
 * and the page is left alone. */
uint32_t prefix_tree_add(prefix_tree *t, uint32_t parent, const int32_t *tokens, size_t n,
                         uint32_t page);

/* Frees the page of least value; false if all are in use. */
bool prefix_tree_evict(prefix_tree *t);

/* Frees all pages that nobody uses and that do not wait for the disk tier. */
void prefix_tree_evict_all(prefix_tree *t);

/* Frees this page; false if it is in use, or texts go on after it. */
bool prefix_tree_forget(prefix_tree *t, uint32_t node);

/* A whole page is to be in the disk tier; nothing if it is or waits already. */
void prefix_tree_want_stored(prefix_tree *t, uint32_t node);
/* The next of those to be written, never before the pages that it follows; NO_PAGE if none waits.
 */
uint32_t prefix_tree_next_to_store(const prefix_tree *t);
/* It is on its way, or there. */
void prefix_tree_set_stored(prefix_tree *t, uint32_t node);
/* All tokens from the root to the end of a whole page; how many. */
size_t prefix_tree_path(const prefix_tree *t, uint32_t node, int32_t *tokens);

/* Pages that only the tree refers to: all of them can be had by evicting. */
uint32_t prefix_tree_n_unused(const prefix_tree *t);

static inline const prefix_node *prefix_tree_node(const prefix_tree *t, uint32_t node)
{
    return &t->nodes[node];
}

#endif
