/* SPDX-License-Identifier: MIT
 *
 * merge.c - see merge.h.
 */
#include "token/merge.h"

#include "base/mem.h"
#include "base/watch.h"

void merger_init(merger *m)
{
    *m = (merger){0};
}

void merger_deinit(merger *m)
{
    mem_free(m->symbols);
    mem_free(m->heap);
    *m = (merger){0};
}

void merger_clear(merger *m)
{
    m->n_symbols = 0;
    m->n_heap = 0;
}

static bool reserve(void **array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return true;
    size_t bigger = *capacity < 64 ? 64 : *capacity * 2;
    void *moved = mem_realloc_array(*array, bigger, size);
    if (moved == NULL)
        return false;
    *array = moved;
    *capacity = bigger;
    return true;
}

bool merger_add(merger *m, uint32_t start, uint32_t n, int32_t id)
{
    void *symbols = m->symbols;
    if (m->n_symbols >= INT32_MAX || !watch_go_on(1) ||
        !reserve(&symbols, m->n_symbols, &m->symbols_capacity, sizeof *m->symbols))
        return false;
    m->symbols = symbols;
    int32_t i = (int32_t)m->n_symbols++;
    m->symbols[i] = (merge_symbol){.start = start, .n = n, .prev = i - 1, .next = -1, .id = id};
    if (i > 0)
        m->symbols[i - 1].next = i;
    return true;
}

static bool heap_push(merger *m, merge_candidate candidate)
{
    void *heap = m->heap;
    if (!reserve(&heap, m->n_heap, &m->heap_capacity, sizeof *m->heap))
        return false;
    m->heap = heap;
    size_t i = m->n_heap++;
    while (i > 0 && m->heap[(i - 1) / 2].order > candidate.order) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = candidate;
    return true;
}

static merge_candidate heap_pop(merger *m)
{
    merge_candidate top = m->heap[0];
    merge_candidate last = m->heap[--m->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < m->n_heap; child = 2 * i + 1) {
        if (child + 1 < m->n_heap && m->heap[child + 1].order < m->heap[child].order)
            child++;
        if (m->heap[child].order >= last.order)
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

/* Puts the pair that starts at symbol `left` into the heap, if it is one that may be joined. */
static bool propose(merger *m, int32_t left, const char *word, merge_finder find, const void *user)
{
    if (left < 0 || m->symbols[left].next < 0)
        return true;
    const merge_symbol *l = &m->symbols[left];
    const merge_symbol *r = &m->symbols[l->next];
    merge_candidate candidate = {.n = l->n + r->n};
    uint32_t key;
    m->n_steps++;
    if (!watch_go_on(1))
        return false;
    if (!find(user, word, l, r, &key, &candidate.id))
        return true;
    candidate.order = (uint64_t)key << 32 | (uint32_t)left;
    return heap_push(m, candidate);
}

bool merger_run(merger *m, const char *word, merge_finder find, const void *user)
{
    for (size_t i = 0; i + 1 < m->n_symbols; i++) {
        if (!propose(m, (int32_t)i, word, find, user))
            return false;
    }
    while (m->n_heap > 0) {
        merge_candidate best = heap_pop(m);
        m->n_steps++;
        if (!watch_go_on(1))
            return false;
        int32_t left = (int32_t)(best.order & UINT32_MAX);
        merge_symbol *l = &m->symbols[left];
        /* Symbols only ever grow to the right, so the length tells whether both are as proposed. */
        if (l->n == 0 || l->next < 0 || l->n + m->symbols[l->next].n != best.n)
            continue;
        merge_symbol *r = &m->symbols[l->next];
        l->n = best.n;
        l->id = best.id;
        r->n = 0;
        l->next = r->next;
        if (r->next >= 0)
            m->symbols[r->next].prev = left;
        if (!propose(m, l->prev, word, find, user) || !propose(m, left, word, find, user))
            return false;
    }
    return true;
}
