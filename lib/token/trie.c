/* SPDX-License-Identifier: MIT
 *
 * trie.c - see trie.h.
 */
#include "token/trie.h"

#include "base/mem.h"

typedef struct edge {
    uint32_t parent;
    char byte;
} edge;

static bool edge_is(const void *owner, int32_t id, const void *key)
{
    const trie *t = owner;
    const edge *e = key;
    const trie_node *node = &t->nodes[id];
    return node->parent == e->parent &&
           t->texts[node->token].data[t->nodes[e->parent].n_bytes] == e->byte;
}

static uint64_t hash_edge(const trie *t, edge e)
{
    return hash_u64(((uint64_t)e.parent << 8 | (unsigned char)e.byte) ^ t->edges.seed);
}

static bool add_node(trie *t, uint32_t parent, int32_t token, size_t n_bytes, bool is_end)
{
    if (t->n_nodes == t->capacity) {
        size_t capacity = t->capacity + t->capacity / 2 + 64;
        trie_node *nodes = mem_realloc_array(t->nodes, capacity, sizeof *nodes);
        if (nodes == NULL)
            return false;
        t->nodes = nodes;
        t->capacity = capacity;
    }
    t->nodes[t->n_nodes++] = (trie_node){parent, token, (uint16_t)n_bytes, is_end};
    return true;
}

/* Makes `node`, which its parent and its spelling lead to, what the edge to it finds. */
static void link_node(trie *t, uint32_t node)
{
    const trie_node *n = &t->nodes[node];
    edge e = {n->parent, t->texts[n->token].data[t->nodes[n->parent].n_bytes]};
    id_table_set(&t->edges, hash_edge(t, e), (int32_t)node, edge_is, t, &e);
}

bool trie_init(trie *t, const vocab *v)
{
    *t = (trie){.texts = v->texts};
    return v->n <= INT32_MAX / 2 && id_table_init(&t->edges, 2 * v->n + 1) &&
           add_node(t, 0, 0, 0, false);
}

void trie_deinit(trie *t)
{
    id_table_deinit(&t->edges);
    mem_free(t->nodes);
    *t = (trie){0};
}

bool trie_step(const trie *t, trie_place *place, char byte)
{
    const trie_node *node = &t->nodes[place->node];
    if (place->n_bytes < node->n_bytes)
        return t->texts[node->token].data[place->n_bytes++] == byte;
    edge e = {place->node, byte};
    int32_t child = id_table_find(&t->edges, hash_edge(t, e), edge_is, t, &e);
    *place = (trie_place){(uint32_t)child, place->n_bytes + 1};
    return child >= 0;
}

int32_t trie_token(const trie *t, trie_place place)
{
    const trie_node *node = &t->nodes[place.node];
    return node->is_end && place.n_bytes == node->n_bytes ? node->token : -1;
}

/* Puts a node on the way to place->node, and the place at it. */
static bool split(trie *t, trie_place *place)
{
    uint32_t below = place->node, middle = (uint32_t)t->n_nodes;
    trie_node old = t->nodes[below];
    if (!add_node(t, old.parent, old.token, place->n_bytes, false))
        return false;
    link_node(t, middle);
    t->nodes[below].parent = middle;
    link_node(t, below);
    place->node = middle;
    return true;
}

bool trie_add(trie *t, int32_t id)
{
    const gguf_string *text = &t->texts[id];
    trie_place place = {0}, next = {0};
    while (place.n_bytes < text->n && trie_step(t, &next, text->data[place.n_bytes]))
        place = next;
    if (place.n_bytes < t->nodes[place.node].n_bytes && !split(t, &place))
        return false;
    if (place.n_bytes < text->n) {
        if (!add_node(t, place.node, id, text->n, true))
            return false;
        link_node(t, (uint32_t)t->n_nodes - 1);
    } else if (!t->nodes[place.node].is_end) {
        t->nodes[place.node].is_end = true;
        t->nodes[place.node].token = id;
    }
    return true;
}
