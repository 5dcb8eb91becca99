/* SPDX-License-Identifier: MIT
 *
 * prefix_tree.c - see prefix_tree.h.
 *
 * Whoever refers to a node's page refers to those of all its ancestors too. So a page that only the
 * tree refers to has no descendant that is in use, and leaves in turn.
 */
#include "engine/prefix_tree.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { MAX_USES = 64 };

static size_t count_buckets(uint64_t n_pages)
{
    size_t n = 16;
    while (n < n_pages * 2)
        n *= 2;
    return n;
}

uint64_t prefix_tree_bytes(uint64_t n_pages)
{
    return n_pages * sizeof(prefix_node) + count_buckets(n_pages) * sizeof(uint32_t);
}

hearth_status prefix_tree_init(prefix_tree *t, page_pool *pool, uint64_t root_key,
                               hearth_error *err)
{
    *t = (prefix_tree){.pool = pool, .n_buckets = count_buckets(pool->n_pages)};
    for (size_t i = 0; i < PREFIX_ROOTS; i++)
        t->roots[i].first_child = NO_PAGE;
    t->roots[0].key = root_key;
    t->nodes = mem_calloc(pool->n_pages, sizeof *t->nodes);
    t->buckets = mem_alloc_array(t->n_buckets, sizeof *t->buckets);
    if (!t->nodes || !t->buckets) {
        prefix_tree_deinit(t);
        return error_no_memory(err, "the prefix tree", prefix_tree_bytes(pool->n_pages));
    }
    for (size_t i = 0; i < t->n_buckets; i++)
        t->buckets[i] = NO_PAGE;
    return HEARTH_OK;
}

void prefix_tree_deinit(prefix_tree *t)
{
    mem_free(t->nodes);
    mem_free(t->buckets);
    *t = (prefix_tree){0};
}

static uint32_t *bucket_of(const prefix_tree *t, uint32_t parent, const int32_t *tokens)
{
    uint64_t hash = hash_bytes(HASH_START, &parent, sizeof parent);
    hash = hash_bytes(hash, tokens, KV_PAGE * sizeof *tokens);
    return &t->buckets[(hash ^ hash >> 32) & (t->n_buckets - 1)];
}

/* NULL for a page. */
static prefix_root *root_of(const prefix_tree *t, uint32_t node)
{
    uint32_t i = PREFIX_ROOT - node;
    return i < PREFIX_ROOTS ? (prefix_root *)&t->roots[i] : NULL;
}

bool prefix_tree_take_root(prefix_tree *t, uint64_t key, uint32_t *root)
{
    uint32_t unused = PREFIX_ROOTS;
    for (uint32_t i = 0; i < PREFIX_ROOTS; i++) {
        prefix_root *r = &t->roots[i];
        bool empty = i > 0 && r->n_users == 0 && r->first_child == NO_PAGE;
        if (r->key == key && !empty) {
            unused = i;
            break;
        }
        if (empty && unused == PREFIX_ROOTS)
            unused = i;
    }
    if (unused == PREFIX_ROOTS)
        return false;
    t->roots[unused].key = key;
    t->roots[unused].n_users++;
    *root = PREFIX_ROOT - unused;
    return true;
}

void prefix_tree_leave_root(prefix_tree *t, uint32_t root)
{
    root_of(t, root)->n_users--;
}

static uint32_t *children_of(prefix_tree *t, uint32_t parent)
{
    prefix_root *root = root_of(t, parent);
    return root ? &root->first_child : &t->nodes[parent].first_child;
}

static size_t count_same(const int32_t *a, const int32_t *b, size_t n)
{
    size_t same = 0;
    while (same < n && a[same] == b[same])
        same++;
    return same;
}

uint32_t prefix_tree_find(const prefix_tree *t, uint32_t parent, const int32_t *tokens)
{
    uint32_t at = *bucket_of(t, parent, tokens);
    while (at != NO_PAGE && (t->nodes[at].parent != parent ||
                             memcmp(t->nodes[at].tokens, tokens, KV_PAGE * sizeof *tokens) != 0))
        at = t->nodes[at].next_in_bucket;
    return at;
}

uint32_t prefix_tree_find_similar(const prefix_tree *t, uint32_t parent, const int32_t *tokens,
                                  size_t n, size_t *n_same)
{
    uint32_t best = NO_PAGE;
    uint32_t at = *children_of((prefix_tree *)t, parent);
    *n_same = 0;
    for (; at != NO_PAGE; at = t->nodes[at].next) {
        const prefix_node *node = &t->nodes[at];
        size_t same = count_same(node->tokens, tokens, n < node->n_tokens ? n : node->n_tokens);
        if (same > *n_same) {
            *n_same = same;
            best = at;
        }
    }
    return best;
}

uint64_t prefix_tree_key(const prefix_tree *t, uint32_t parent, const int32_t *tokens)
{
    const prefix_root *root = root_of(t, parent);
    uint64_t key = root ? root->key : t->nodes[parent].key;
    return hash_bytes(key, tokens, KV_PAGE * sizeof *tokens);
}

void prefix_tree_use(prefix_tree *t, uint32_t at)
{
    prefix_node *node = &t->nodes[at];
    if (node->n_uses < MAX_USES)
        node->n_uses++;
    node->value = t->value + node->n_uses;
    node->last_use = ++t->clock;
}

/* Takes a node without children out, and lets go of its page. */
static void drop(prefix_tree *t, uint32_t at)
{
    prefix_node *node = &t->nodes[at];
    if (node->previous != NO_PAGE)
        t->nodes[node->previous].next = node->next;
    else
        *children_of(t, node->parent) = node->next;
    if (node->next != NO_PAGE)
        t->nodes[node->next].previous = node->previous;
    if (node->n_tokens == KV_PAGE) {
        uint32_t *link = bucket_of(t, node->parent, node->tokens);
        while (*link != at)
            link = &t->nodes[*link].next_in_bucket;
        *link = node->next_in_bucket;
    }
    t->n_waiting -= node->waits;
    node->waits = false;
    node->n_tokens = 0;
    page_pool_unref(t->pool, at);
}

/* A child that holds at least these tokens. Ends of text that they go beyond leave on the way: all
 * they tell is in the new page. */
static uint32_t find_or_replace(prefix_tree *t, uint32_t parent, const int32_t *tokens, size_t n)
{
    if (n == KV_PAGE) {
        uint32_t found = prefix_tree_find(t, parent, tokens);
        if (found != NO_PAGE)
            return found;
    }
    for (uint32_t at = *children_of(t, parent), next; at != NO_PAGE; at = next) {
        const prefix_node *node = &t->nodes[at];
        next = node->next;
        size_t least = n < node->n_tokens ? n : node->n_tokens;
        if (count_same(node->tokens, tokens, least) < least)
            continue;
        if (n <= node->n_tokens)
            return at;
        drop(t, at); /* shorter, so not a whole page, so never shared */
    }
    return NO_PAGE;
}

uint32_t prefix_tree_add(prefix_tree *t, uint32_t parent, const int32_t *tokens, size_t n,
                         uint32_t page)
{
    uint32_t found = find_or_replace(t, parent, tokens, n);
    if (found == NO_PAGE) {
        prefix_node *node = &t->nodes[page];
        uint32_t *first = children_of(t, parent);
        *node = (prefix_node){.parent = parent,
                              .first_child = NO_PAGE,
                              .next = *first,
                              .previous = NO_PAGE,
                              .next_in_bucket = NO_PAGE,
                              .n_tokens = (uint32_t)n};
        memcpy(node->tokens, tokens, n * sizeof *tokens);
        if (*first != NO_PAGE)
            t->nodes[*first].previous = page;
        *first = page;
        if (n == KV_PAGE) {
            uint32_t *bucket = bucket_of(t, parent, tokens);
            node->key = prefix_tree_key(t, parent, tokens);
            node->next_in_bucket = *bucket;
            *bucket = page;
        }
        page_pool_ref(t->pool, page);
        found = page;
    }
    prefix_tree_use(t, found);
    return found;
}

static bool is_unused(const prefix_tree *t, uint32_t at)
{
    return t->nodes[at].n_tokens > 0 && t->pool->references[at] == 1;
}

bool prefix_tree_forget(prefix_tree *t, uint32_t node)
{
    if (!is_unused(t, node) || t->nodes[node].first_child != NO_PAGE)
        return false;
    drop(t, node);
    return true;
}

bool prefix_tree_evict(prefix_tree *t)
{
    const prefix_node *best = NULL;
    for (uint32_t i = 0; i < t->pool->n_pages; i++) {
        const prefix_node *node = &t->nodes[i];
        if (!is_unused(t, i) || node->first_child != NO_PAGE)
            continue;
        if (best == NULL || node->value < best->value ||
            (node->value == best->value && node->last_use < best->last_use))
            best = node;
    }
    if (best == NULL)
        return false;
    t->value = best->value;
    t->n_evicted++;
    t->n_lost += best->waits;
    drop(t, (uint32_t)(best - t->nodes));
    return true;
}

void prefix_tree_evict_all(prefix_tree *t)
{
    for (uint32_t i = 0; i < t->pool->n_pages; i++) {
        uint32_t at = i, parent;
        while (root_of(t, at) == NULL && is_unused(t, at) && !t->nodes[at].waits &&
               t->nodes[at].first_child == NO_PAGE) {
            parent = t->nodes[at].parent;
            t->n_evicted++;
            drop(t, at);
            at = parent; /* which has one child less */
        }
    }
}

uint32_t prefix_tree_n_unused(const prefix_tree *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->pool->n_pages; i++)
        n += is_unused(t, i);
    return n;
}

/* ---- the disk tier ---- */

void prefix_tree_want_stored(prefix_tree *t, uint32_t node)
{
    prefix_node *n = &t->nodes[node];
    if (n->stored || n->waits)
        return;
    n->waits = true;
    t->n_waiting++;
}

void prefix_tree_set_stored(prefix_tree *t, uint32_t node)
{
    t->n_waiting -= t->nodes[node].waits;
    t->nodes[node].waits = false;
    t->nodes[node].stored = true;
}

uint32_t prefix_tree_next_to_store(const prefix_tree *t)
{
    for (uint32_t i = 0; t->n_waiting > 0 && i < t->pool->n_pages; i++) {
        const prefix_node *node = &t->nodes[i];
        if (node->waits && (root_of(t, node->parent) || !t->nodes[node->parent].waits))
            return i;
    }
    return NO_PAGE;
}

size_t prefix_tree_path(const prefix_tree *t, uint32_t node, int32_t *tokens)
{
    size_t n = 0;
    for (uint32_t at = node; root_of(t, at) == NULL; at = t->nodes[at].parent)
        n += KV_PAGE;
    size_t end = n;
    for (uint32_t at = node; end > 0; at = t->nodes[at].parent) {
        end -= KV_PAGE;
        memcpy(tokens + end, t->nodes[at].tokens, KV_PAGE * sizeof *tokens);
    }
    return n;
}
