/* SPDX-License-Identifier: MIT
 *
 * trie.c - see trie.h.
 */
#include "token/trie.h"

#include "base/mem.h"

static bool add_node(trie *t)
{
    if (t->n_nodes == t->capacity) {
        size_t capacity = t->capacity ? t->capacity * 2 : 1024;
        int32_t *ids =
            capacity <= UINT32_MAX ? mem_realloc_array(t->ids, capacity, sizeof *ids) : NULL;
        if (ids == NULL)
            return false;
        t->ids = ids;
        t->capacity = capacity;
    }
    t->ids[t->n_nodes++] = -1;
    return true;
}

bool trie_init(trie *t)
{
    *t = (trie){0};
    return int_table_init(&t->edges, 1024) && add_node(t);
}

void trie_deinit(trie *t)
{
    int_table_deinit(&t->edges);
    mem_free(t->ids);
    *t = (trie){0};
}

static uint64_t edge(uint32_t node, char byte)
{
    return (uint64_t)node << 8 | (unsigned char)byte;
}

bool trie_step(const trie *t, uint32_t *node, char byte)
{
    uint64_t next;
    if (!int_table_find(&t->edges, edge(*node, byte), &next))
        return false;
    *node = (uint32_t)next;
    return true;
}

bool trie_add(trie *t, const char *text, size_t n, int32_t id)
{
    uint32_t node = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t parent = node;
        if (trie_step(t, &node, text[i]))
            continue;
        node = (uint32_t)t->n_nodes;
        if (!add_node(t) || !int_table_add(&t->edges, edge(parent, text[i]), node))
            return false;
    }
    if (t->ids[node] < 0)
        t->ids[node] = id;
    return true;
}
