/* SPDX-License-Identifier: MIT
 *
 * regular.c - expressions to automata, and the algebra of automata.
 *
 * Steps    The tree becomes a graph whose nodes take a character or go two ways (Thompson 1968);
 *          the sets of nodes that a text can lead to become states (Rabin and Scott 1959) of the
 *          automaton that regular_build.c makes.
 * ^ and $  ^ is a way that is open only before the first character, $ one that is followed only to
 *          tell whether the text may end. A search is the expression between two loops over every
 *          character.
 */
#include "grammar/regular.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "grammar/regular_build.h"

enum { NONE = UINT32_MAX };

/* ---- the graph of an expression ---- */

typedef enum node_kind { CHAR, SPLIT, AT_START, AT_END, ACCEPT } node_kind;

typedef struct node {
    node_kind kind;
    uint32_t next, other;
    uint32_t first, n; /* ranges of a CHAR */
} node;

typedef struct graph {
    const regex *r;
    buf nodes;
    hearth_error *err;
} graph;

static hearth_status add_node(graph *g, node new, uint32_t *index)
{
    *index = (uint32_t)REGULAR_COUNT(&g->nodes, node);
    if (*index >= REGULAR_NODES_MAX)
        return regular_too_large(g->err);
    return buf_append(&g->nodes, &new, sizeof new) ? HEARTH_OK : regular_no_memory(g->err);
}

static hearth_status make(graph *g, uint32_t index, uint32_t next, uint32_t *start);

static hearth_status make_choice(graph *g, uint32_t child, uint32_t next, uint32_t *start)
{
    TRY(make(g, child, next, start));
    while ((child = REGULAR_LIST(&g->r->items, regex_item)[child].before) != NONE) {
        uint32_t other;
        TRY(make(g, child, next, &other));
        TRY(add_node(g, (node){.kind = SPLIT, .next = other, .other = *start}, start));
    }
    return HEARTH_OK;
}

static hearth_status make_repeat(graph *g, regex_item r, uint32_t next, uint32_t *start)
{
    *start = next;
    if (r.max == NONE) {
        uint32_t body;
        TRY(add_node(g, (node){.kind = SPLIT, .other = next}, start));
        TRY(make(g, r.a, *start, &body));
        REGULAR_LIST(&g->nodes, node)[*start].next = body;
    } else {
        for (uint32_t i = r.b; i < r.max; i++) {
            uint32_t body;
            TRY(make(g, r.a, *start, &body));
            TRY(add_node(g, (node){.kind = SPLIT, .next = body, .other = next}, start));
        }
    }
    for (uint32_t i = 0; i < r.b; i++)
        TRY(make(g, r.a, *start, start));
    return HEARTH_OK;
}

static hearth_status make(graph *g, uint32_t index, uint32_t next, uint32_t *start)
{
    regex_item i = REGULAR_LIST(&g->r->items, regex_item)[index];
    switch (i.kind) {
    case REGEX_CLASS:
        return add_node(g, (node){.kind = CHAR, .next = next, .first = i.a, .n = i.b}, start);
    case REGEX_START:
        return add_node(g, (node){.kind = AT_START, .next = next}, start);
    case REGEX_END:
        return add_node(g, (node){.kind = AT_END, .next = next}, start);
    case REGEX_CHOICE:
        return make_choice(g, i.a, next, start);
    case REGEX_REPEAT:
        return make_repeat(g, i, next, start);
    case REGEX_SEQUENCE:
        break;
    }
    *start = next;
    for (uint32_t child = i.a; child != NONE;
         child = REGULAR_LIST(&g->r->items, regex_item)[child].before)
        TRY(make(g, child, *start, start));
    return HEARTH_OK;
}

/* A loop over any character, in front of next. all: the range of every character. */
static hearth_status add_loop(graph *g, uint32_t all, uint32_t next, uint32_t *start)
{
    uint32_t body;
    TRY(add_node(g, (node){.kind = SPLIT, .other = next}, start));
    TRY(add_node(g, (node){.kind = CHAR, .next = *start, .first = all, .n = 1}, &body));
    REGULAR_LIST(&g->nodes, node)[*start].next = body;
    return HEARTH_OK;
}

static hearth_status make_graph(graph *g, regex *r, regular_mode mode, uint32_t *start)
{
    static const code_range every = {0, 0x10ffff};
    uint32_t all = (uint32_t)REGULAR_COUNT(&r->ranges, code_range);
    if (!buf_append(&r->ranges, &every, sizeof every))
        return regular_no_memory(g->err);
    TRY(add_node(g, (node){.kind = ACCEPT}, start));
    if (mode == REGULAR_SEARCH)
        TRY(add_loop(g, all, *start, start));
    TRY(make(g, r->root, *start, start));
    return mode == REGULAR_SEARCH ? add_loop(g, all, *start, start) : HEARTH_OK;
}

/* ---- sets of nodes to states ---- */

typedef struct subsets {
    const graph *g;
    regular_builder b;
    uint32_t *stamps; /* by node */
    uint32_t now;
    buf work, found; /* nodes */
    buf bounds;      /* uint32_t: where ranges begin, and behind their ends */
} subsets;

/* Every node reached without a character is kept but for splits. at_end: $ is open. */
static hearth_status reach(subsets *s, uint32_t start, bool at_start, bool at_end)
{
    const node *nodes = REGULAR_LIST(&s->g->nodes, node);
    if (!buf_append(&s->work, &start, sizeof start))
        return regular_no_memory(s->b.err);
    while (s->work.n > 0) {
        uint32_t i, to[2], n = 0;
        s->work.n -= sizeof i;
        memcpy(&i, s->work.data + s->work.n, sizeof i);
        if (s->stamps[i] == s->now)
            continue;
        s->stamps[i] = s->now;
        if (++s->b.work > REGULAR_WORK_MAX)
            return regular_too_large(s->b.err);
        if (nodes[i].kind == SPLIT || (nodes[i].kind == AT_START && at_start) ||
            (nodes[i].kind == AT_END && at_end))
            to[n++] = nodes[i].next;
        if (nodes[i].kind == SPLIT)
            to[n++] = nodes[i].other;
        if (!buf_append(&s->work, to, n * sizeof *to) ||
            (nodes[i].kind != SPLIT && nodes[i].kind != AT_START &&
             !buf_append(&s->found, &i, sizeof i)))
            return regular_no_memory(s->b.err);
    }
    return HEARTH_OK;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort_list(buf *list)
{
    if (list->n > sizeof(uint32_t))
        qsort(list->data, REGULAR_COUNT(list, uint32_t), sizeof(uint32_t), ascending);
}

/* Whether a text that leads to these nodes may end. */
static hearth_status accepts(subsets *s, const uint32_t *key, size_t n, bool at_start, bool *result)
{
    buf_clear(&s->found);
    s->now++;
    for (size_t i = 0; i < n; i++)
        TRY(reach(s, key[i], at_start, true));
    *result = false;
    for (size_t i = 0; i < REGULAR_COUNT(&s->found, uint32_t); i++) {
        if (REGULAR_LIST(&s->g->nodes, node)[REGULAR_LIST(&s->found, uint32_t)[i]].kind == ACCEPT)
            *result = true;
    }
    return HEARTH_OK;
}

static hearth_status collect_bounds(subsets *s, const uint32_t *key, size_t n)
{
    const code_range *ranges = REGULAR_LIST(&s->g->r->ranges, code_range);
    buf_clear(&s->bounds);
    for (size_t i = 0; i < n; i++) {
        const node *x = &REGULAR_LIST(&s->g->nodes, node)[key[i]];
        for (uint32_t k = 0; x->kind == CHAR && k < x->n; k++) {
            uint32_t pair[2] = {ranges[x->first + k].low, ranges[x->first + k].high + 1};
            if (!buf_append(&s->bounds, pair, sizeof pair))
                return regular_no_memory(s->b.err);
        }
    }
    sort_list(&s->bounds);
    return HEARTH_OK;
}

static bool takes(const subsets *s, const node *x, uint32_t c)
{
    const code_range *ranges = REGULAR_LIST(&s->g->r->ranges, code_range) + x->first;
    if (x->kind != CHAR)
        return false;
    for (uint32_t k = 0; k < x->n; k++) {
        if (ranges[k].low <= c && c <= ranges[k].high)
            return true;
    }
    return false;
}

/* The edge for characters low to high, which all nodes treat alike. */
static hearth_status follow(subsets *s, const uint32_t *key, size_t n, uint32_t low, uint32_t high)
{
    uint32_t to;
    buf_clear(&s->found);
    s->now++;
    for (size_t i = 0; i < n; i++) {
        const node *x = &REGULAR_LIST(&s->g->nodes, node)[key[i]];
        s->b.work += x->kind == CHAR ? x->n : 1;
        if (takes(s, x, low))
            TRY(reach(s, x->next, false, false));
    }
    if (s->b.work > REGULAR_WORK_MAX)
        return regular_too_large(s->b.err);
    if (s->found.n == 0)
        return HEARTH_OK;
    sort_list(&s->found);
    TRY(regular_builder_state(&s->b, REGULAR_LIST(&s->found, uint32_t),
                              REGULAR_COUNT(&s->found, uint32_t), &to));
    return regular_builder_edge(&s->b, low, high, to);
}

/* Key 0 is the start: a first element that no node has keeps it apart from every other state. */
static hearth_status make_state(subsets *s, size_t state, buf *copy)
{
    size_t n;
    bool may_end;
    const uint32_t *key = regular_builder_key(&s->b, state, &n);
    bool at_start = state == 0;
    buf_clear(copy); /* the keys move when states are added */
    if (!buf_append(copy, key + at_start, (n - at_start) * sizeof *key))
        return regular_no_memory(s->b.err);
    key = REGULAR_LIST(copy, uint32_t);
    n -= at_start;
    TRY(accepts(s, key, n, at_start, &may_end));
    TRY(regular_builder_begin(&s->b, may_end));
    TRY(collect_bounds(s, key, n));
    for (size_t i = 0; i + 1 < REGULAR_COUNT(&s->bounds, uint32_t); i++) {
        uint32_t low = REGULAR_LIST(&s->bounds, uint32_t)[i],
                 end = REGULAR_LIST(&s->bounds, uint32_t)[i + 1];
        if (low < end)
            TRY(follow(s, key, n, low, end - 1));
    }
    return HEARTH_OK;
}

static hearth_status make_states(subsets *s, uint32_t start, regular **out)
{
    static const uint32_t mark = NONE;
    hearth_status status = HEARTH_OK;
    buf copy;
    uint32_t zero;
    buf_init(&copy, 0);
    s->now++;
    TRY_OUT(reach(s, start, true, false));
    sort_list(&s->found);
    if (!buf_append(&copy, &mark, sizeof mark) || !buf_append(&copy, s->found.data, s->found.n)) {
        status = regular_no_memory(s->b.err);
        goto out;
    }
    TRY_OUT(regular_builder_state(&s->b, REGULAR_LIST(&copy, uint32_t),
                                  REGULAR_COUNT(&copy, uint32_t), &zero));
    for (size_t state = 0; state < regular_builder_n(&s->b); state++)
        TRY_OUT(make_state(s, state, &copy));
    status = regular_builder_finish(&s->b, out, s->b.err);
out:
    buf_deinit(&copy);
    return status;
}

hearth_status regular_from_regex(regular **out, const char *pattern, size_t n, regular_mode mode,
                                 hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    regex r = {0};
    graph g = {.r = &r, .err = err};
    subsets s = {.g = &g};
    uint32_t start;
    *out = NULL;
    TRY_OUT(regex_parse(&r, pattern, n, err));
    TRY_OUT(make_graph(&g, &r, mode, &start));
    TRY_OUT(regular_builder_open(&s.b, err));
    s.stamps = mem_calloc(REGULAR_COUNT(&g.nodes, node), sizeof *s.stamps);
    if (s.stamps == NULL) {
        status = regular_no_memory(err);
        goto out;
    }
    status = make_states(&s, start, out);
out:
    regular_builder_close(&s.b);
    mem_free(s.stamps);
    buf_deinit(&s.work);
    buf_deinit(&s.found);
    buf_deinit(&s.bounds);
    buf_deinit(&g.nodes);
    regex_deinit(&r);
    return status;
}

void regular_free(regular *r)
{
    if (r == NULL)
        return;
    mem_free(r->first);
    mem_free(r->edges);
    mem_free(r->accepts);
    mem_free(r);
}

/* ---- algebra ---- */

/* The edges of one pair of states. y NONE: b has no way on. */
static hearth_status combine_edges(regular_builder *to, const regular *a, const regular *b,
                                   uint32_t x, uint32_t y, bool except)
{
    uint32_t j = y == NONE ? 0 : b->first[y], end = y == NONE ? 0 : b->first[y + 1];
    for (uint32_t i = a->first[x]; i < a->first[x + 1]; i++) {
        const regular_edge *e = &a->edges[i];
        uint32_t low = e->low;
        while (low <= e->high) {
            while (j < end && b->edges[j].high < low)
                j++;
            bool inside = j < end && b->edges[j].low <= low;
            uint32_t high = e->high;
            if (inside && b->edges[j].high < high)
                high = b->edges[j].high;
            else if (!inside && j < end && b->edges[j].low <= high)
                high = b->edges[j].low - 1;
            uint32_t key[2] = {e->to, inside ? b->edges[j].to : NONE}, state;
            if (inside || except) {
                TRY(regular_builder_state(to, key, 2, &state));
                TRY(regular_builder_edge(to, low, high, state));
            }
            low = high + 1;
        }
    }
    return HEARTH_OK;
}

hearth_status regular_combine(regular **out, const regular *a, const regular *b, bool except,
                              hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    static const uint32_t start[2] = {0, 0};
    regular_builder to;
    uint32_t state;
    *out = NULL;
    TRY_OUT(regular_builder_open(&to, err));
    TRY_OUT(regular_builder_state(&to, start, 2, &state));
    for (size_t s = 0; s < regular_builder_n(&to); s++) {
        size_t n;
        const uint32_t *key = regular_builder_key(&to, s, &n);
        uint32_t x = key[0], y = key[1];
        bool in_b = y != NONE && b->accepts[y];
        TRY_OUT(regular_builder_begin(&to, a->accepts[x] && in_b != except));
        TRY_OUT(combine_edges(&to, a, b, x, y, except));
    }
    status = regular_builder_finish(&to, out, err);
out:
    regular_builder_close(&to);
    return status;
}

bool regular_is_empty(const regular *r)
{
    for (size_t s = 0; s < r->n_states; s++) {
        if (r->accepts[s])
            return false;
    }
    return true;
}

bool regular_matches(const regular *r, const char *text, size_t n)
{
    uint32_t state = 0;
    for (size_t at = 0; at < n;) {
        uint32_t c, next = NONE;
        at += utf8_decode(text + at, n - at, &c);
        for (uint32_t e = r->first[state]; e < r->first[state + 1]; e++) {
            if (r->edges[e].low <= c && c <= r->edges[e].high)
                next = r->edges[e].to;
        }
        if (next == NONE)
            return false;
        state = next;
    }
    return r->accepts[state];
}
