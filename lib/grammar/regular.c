/* SPDX-License-Identifier: MIT
 *
 * regular.c - expressions to automata, and the algebra of automata.
 *
 * Steps    The tree becomes a graph whose nodes take a character or go two ways (Thompson 1968);
 *          the sets of nodes that a text can lead to become states (Rabin and Scott 1959). States
 *          from which no text is complete are dropped, and equal ones joined (Moore 1956).
 * ^ and $  ^ is a way that is open only before the first character, $ one that is followed only to
 *          tell whether the text may end. A search is the expression between two loops over every
 *          character.
 */
#include "grammar/regular.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { NONE = UINT32_MAX };

#define LIST(array, type) ((type *)(void *)(array)->data)
#define COUNT(array, type) ((array)->n / sizeof(type))

static hearth_status no_memory(hearth_error *err)
{
    return error_no_memory(err, "a pattern", REGULAR_STATES_MAX);
}

static hearth_status too_large(hearth_error *err)
{
    FAIL(err, EINVAL, "pattern",
         "the pattern, with its lengths and repetitions, needs more than %d states; use smaller "
         "counts or a simpler pattern",
         REGULAR_STATES_MAX);
}

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
    *index = (uint32_t)COUNT(&g->nodes, node);
    if (*index >= REGULAR_NODES_MAX)
        return too_large(g->err);
    return buf_append(&g->nodes, &new, sizeof new) ? HEARTH_OK : no_memory(g->err);
}

static hearth_status make(graph *g, uint32_t index, uint32_t next, uint32_t *start);

static hearth_status make_choice(graph *g, uint32_t child, uint32_t next, uint32_t *start)
{
    TRY(make(g, child, next, start));
    while ((child = LIST(&g->r->items, regex_item)[child].before) != NONE) {
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
        LIST(&g->nodes, node)[*start].next = body;
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
    regex_item i = LIST(&g->r->items, regex_item)[index];
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
    for (uint32_t child = i.a; child != NONE; child = LIST(&g->r->items, regex_item)[child].before)
        TRY(make(g, child, *start, start));
    return HEARTH_OK;
}

/* A loop over any character, in front of next. all: the range of every character. */
static hearth_status add_loop(graph *g, uint32_t all, uint32_t next, uint32_t *start)
{
    uint32_t body;
    TRY(add_node(g, (node){.kind = SPLIT, .other = next}, start));
    TRY(add_node(g, (node){.kind = CHAR, .next = *start, .first = all, .n = 1}, &body));
    LIST(&g->nodes, node)[*start].next = body;
    return HEARTH_OK;
}

static hearth_status make_graph(graph *g, regex *r, regular_mode mode, uint32_t *start)
{
    static const code_range every = {0, 0x10ffff};
    uint32_t all = (uint32_t)COUNT(&r->ranges, code_range);
    if (!buf_append(&r->ranges, &every, sizeof every))
        return no_memory(g->err);
    TRY(add_node(g, (node){.kind = ACCEPT}, start));
    if (mode == REGULAR_SEARCH)
        TRY(add_loop(g, all, *start, start));
    TRY(make(g, r->root, *start, start));
    return mode == REGULAR_SEARCH ? add_loop(g, all, *start, start) : HEARTH_OK;
}

/* ---- building automata ---- */

/* A table of keys (runs of uint32_t) that gives each a number, and the automaton in the making. */
typedef struct builder {
    buf keys;    /* uint32_t, all keys behind each other */
    buf spans;   /* uint32_t: where key i begins; one more at the end */
    buf edges;   /* regular_edge */
    buf firsts;  /* uint32_t by state, one more at the end */
    buf accepts; /* uint8_t */
    uint32_t *slots;
    size_t n_slots;
    size_t work;
    hearth_error *err;
} builder;

static hearth_status builder_open(builder *b, hearth_error *err)
{
    static const uint32_t zero = 0;
    *b = (builder){.n_slots = 4 * 16384, .err = err};
    _Static_assert(REGULAR_STATES_MAX * 2 < 4 * 16384, "the table never fills");
    b->slots = mem_calloc(b->n_slots, sizeof *b->slots);
    return b->slots && buf_append(&b->spans, &zero, sizeof zero) ? HEARTH_OK : no_memory(err);
}

static void builder_close(builder *b)
{
    buf *arrays[] = {&b->keys, &b->spans, &b->edges, &b->firsts, &b->accepts};
    for (size_t i = 0; i < 5; i++)
        buf_deinit(arrays[i]);
    mem_free(b->slots);
}

static size_t builder_n(const builder *b)
{
    return COUNT(&b->spans, uint32_t) - 1;
}

static const uint32_t *builder_key(const builder *b, size_t i, size_t *n)
{
    const uint32_t *spans = LIST(&b->spans, uint32_t);
    *n = spans[i + 1] - spans[i];
    return LIST(&b->keys, uint32_t) + spans[i];
}

static hearth_status builder_state(builder *b, const uint32_t *key, size_t n, uint32_t *state)
{
    size_t at = hash_bytes(HASH_START, key, n * sizeof *key) & (b->n_slots - 1);
    for (; b->slots[at]; at = (at + 1) & (b->n_slots - 1)) {
        size_t n_other;
        const uint32_t *other = builder_key(b, b->slots[at] - 1, &n_other);
        if (n_other == n && (n == 0 || memcmp(key, other, n * sizeof *key) == 0)) {
            *state = b->slots[at] - 1;
            return HEARTH_OK;
        }
    }
    *state = (uint32_t)builder_n(b);
    if (*state >= REGULAR_STATES_MAX)
        return too_large(b->err);
    b->slots[at] = *state + 1;
    if (!buf_append(&b->keys, key, n * sizeof *key))
        return no_memory(b->err);
    uint32_t end = (uint32_t)COUNT(&b->keys, uint32_t);
    return buf_append(&b->spans, &end, sizeof end) ? HEARTH_OK : no_memory(b->err);
}

/* States are finished in the order of their numbers: begin, edges ascending, begin the next .. */
static hearth_status builder_begin(builder *b, bool accepts)
{
    uint32_t first = (uint32_t)COUNT(&b->edges, regular_edge);
    uint8_t flag = accepts;
    return buf_append(&b->firsts, &first, sizeof first) && buf_append(&b->accepts, &flag, 1)
               ? HEARTH_OK
               : no_memory(b->err);
}

static hearth_status builder_edge(builder *b, uint32_t low, uint32_t high, uint32_t to)
{
    size_t n = COUNT(&b->edges, regular_edge);
    regular_edge *last = n ? &LIST(&b->edges, regular_edge)[n - 1] : NULL;
    uint32_t first = LIST(&b->firsts, uint32_t)[COUNT(&b->firsts, uint32_t) - 1];
    if (++b->work > REGULAR_WORK_MAX)
        return too_large(b->err);
    if (n > first && last->to == to && last->high + 1 == low) {
        last->high = high;
        return HEARTH_OK;
    }
    regular_edge new = {low, high, to};
    return buf_append(&b->edges, &new, sizeof new) ? HEARTH_OK : no_memory(b->err);
}

/* ---- dropping and joining states ---- */

static void mark_useful(const builder *b, uint8_t *useful)
{
    const uint32_t *firsts = LIST(&b->firsts, uint32_t);
    const regular_edge *edges = LIST(&b->edges, regular_edge);
    size_t n = COUNT(&b->accepts, uint8_t);
    memcpy(useful, b->accepts.data, n);
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t s = n; s-- > 0;) {
            for (uint32_t e = firsts[s]; !useful[s] && e < firsts[s + 1]; e++) {
                if (useful[edges[e].to])
                    useful[s] = changed = true;
            }
        }
    }
}

/* The states that count, renumbered: state 0 and those from which a text can be completed. */
static hearth_status trim(const builder *b, regular *r, hearth_error *err)
{
    const uint32_t *firsts = LIST(&b->firsts, uint32_t);
    const regular_edge *edges = LIST(&b->edges, regular_edge);
    size_t n = COUNT(&b->accepts, uint8_t);
    uint32_t *number = mem_alloc_array(n, sizeof *number);
    uint8_t *useful = mem_alloc(n);
    r->first = mem_alloc_array(n + 1, sizeof *r->first);
    r->accepts = mem_alloc(n);
    r->edges = mem_alloc_array(COUNT(&b->edges, regular_edge), sizeof *edges);
    if (!number || !useful || !r->first || !r->accepts || !r->edges) {
        mem_free(number);
        mem_free(useful);
        return no_memory(err);
    }
    mark_useful(b, useful);
    useful[0] = 1;
    for (size_t s = 0; s < n; s++)
        number[s] = useful[s] ? (uint32_t)r->n_states++ : NONE;
    uint32_t n_edges = 0;
    for (size_t s = 0; s < n; s++) {
        if (!useful[s])
            continue;
        r->first[number[s]] = n_edges;
        r->accepts[number[s]] = (uint8_t)b->accepts.data[s];
        for (uint32_t e = firsts[s]; e < firsts[s + 1]; e++) {
            if (useful[edges[e].to])
                r->edges[n_edges++] =
                    (regular_edge){edges[e].low, edges[e].high, number[edges[e].to]};
        }
    }
    r->first[r->n_states] = n_edges;
    mem_free(number);
    mem_free(useful);
    return HEARTH_OK;
}

/* Numbers for the states such that two have the same one exactly where what they accept at once
 * and where their edges lead is equal; from the numbers of the round before. */
static hearth_status refine(const regular *r, const uint32_t *old, uint32_t *new, size_t *n_classes,
                            hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    builder b;
    buf key;
    buf_init(&key, 0);
    TRY_OUT(builder_open(&b, err));
    for (size_t s = 0; s < r->n_states; s++) {
        buf_clear(&key);
        uint32_t high = NONE, to = NONE;
        bool good = buf_append(&key, &old[s], sizeof *old);
        for (uint32_t e = r->first[s]; good && e < r->first[s + 1]; e++) {
            const regular_edge *x = &r->edges[e];
            if (to == old[x->to] && high + 1 == x->low) { /* the same edge now, going on */
                high = x->high;
                memcpy(key.data + key.n - 2 * sizeof high, &high, sizeof high);
                continue;
            }
            uint32_t part[3] = {x->low, high = x->high, to = old[x->to]};
            good = buf_append(&key, part, sizeof part);
        }
        if (!good) {
            status = no_memory(err);
            goto out;
        }
        TRY_OUT(builder_state(&b, LIST(&key, uint32_t), COUNT(&key, uint32_t), &new[s]));
    }
    *n_classes = builder_n(&b);
out:
    builder_close(&b);
    buf_deinit(&key);
    return status;
}

/* Joins the states of each class; class 0 holds state 0. */
static hearth_status join(regular *r, const uint32_t *classes, size_t n_classes, hearth_error *err)
{
    uint32_t *old_of = mem_alloc_array(n_classes, sizeof *old_of);
    builder b;
    hearth_status status = builder_open(&b, err);
    if (old_of == NULL)
        status = no_memory(err);
    for (size_t s = r->n_states; status == HEARTH_OK && s-- > 0;)
        old_of[classes[s]] = (uint32_t)s;
    for (size_t c = 0; status == HEARTH_OK && c < n_classes; c++) {
        uint32_t s = old_of[c];
        status = builder_begin(&b, r->accepts[s]);
        for (uint32_t e = r->first[s]; status == HEARTH_OK && e < r->first[s + 1]; e++)
            status = builder_edge(&b, r->edges[e].low, r->edges[e].high, classes[r->edges[e].to]);
    }
    if (status == HEARTH_OK)
        status = builder_begin(&b, false);
    if (status == HEARTH_OK) {
        mem_free(r->first);
        mem_free(r->edges);
        mem_free(r->accepts);
        r->n_states = n_classes;
        r->first = (uint32_t *)(void *)buf_take(&b.firsts, &(size_t){0});
        r->accepts = (uint8_t *)buf_take(&b.accepts, &(size_t){0});
        r->edges = buf_append(&b.edges, "", 0)
                       ? (regular_edge *)(void *)buf_take(&b.edges, &(size_t){0})
                       : NULL;
        if (!r->first || !r->accepts || !r->edges)
            status = no_memory(err);
    }
    builder_close(&b);
    mem_free(old_of);
    return status;
}

/* Only saves room, so large automata are left as they are: the rounds may be as many as states. */
static hearth_status minimize(regular *r, hearth_error *err)
{
    enum { WORTH_IT = 2000 };
    hearth_status status = HEARTH_OK;
    size_t n = r->n_states, n_old = 0, n_new = 1;
    if (n > WORTH_IT)
        return HEARTH_OK;
    uint32_t *old = mem_alloc_array(n, sizeof *old), *new = mem_alloc_array(n, sizeof *new);
    if (!old || !new) {
        status = no_memory(err);
        goto out;
    }
    for (size_t s = 0; s < n; s++)
        new[s] = r->accepts[s];
    while (n_new != n_old) {
        uint32_t *swap = old;
        old = new;
        new = swap;
        n_old = n_new;
        TRY_OUT(refine(r, old, new, &n_new, err));
    }
    if (n_new < n)
        status = join(r, new, n_new, err);
out:
    mem_free(old);
    mem_free(new);
    return status;
}

static hearth_status builder_finish(builder *b, regular **out, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    regular *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return no_memory(err);
    TRY_OUT(builder_begin(b, false)); /* the end of the last state's edges */
    b->accepts.n--;
    TRY_OUT(trim(b, r, err));
    TRY_OUT(minimize(r, err));
    *out = r;
    r = NULL;
out:
    regular_free(r);
    return status;
}

/* ---- sets of nodes to states ---- */

typedef struct subsets {
    const graph *g;
    builder b;
    uint32_t *stamps; /* by node */
    uint32_t now;
    buf work, found; /* nodes */
    buf bounds;      /* uint32_t: where ranges begin, and behind their ends */
} subsets;

/* Every node reached without a character is kept but for splits. at_end: $ is open. */
static hearth_status reach(subsets *s, uint32_t start, bool at_start, bool at_end)
{
    const node *nodes = LIST(&s->g->nodes, node);
    if (!buf_append(&s->work, &start, sizeof start))
        return no_memory(s->b.err);
    while (s->work.n > 0) {
        uint32_t i, to[2], n = 0;
        s->work.n -= sizeof i;
        memcpy(&i, s->work.data + s->work.n, sizeof i);
        if (s->stamps[i] == s->now)
            continue;
        s->stamps[i] = s->now;
        if (++s->b.work > REGULAR_WORK_MAX)
            return too_large(s->b.err);
        if (nodes[i].kind == SPLIT || (nodes[i].kind == AT_START && at_start) ||
            (nodes[i].kind == AT_END && at_end))
            to[n++] = nodes[i].next;
        if (nodes[i].kind == SPLIT)
            to[n++] = nodes[i].other;
        if (!buf_append(&s->work, to, n * sizeof *to) ||
            (nodes[i].kind != SPLIT && nodes[i].kind != AT_START &&
             !buf_append(&s->found, &i, sizeof i)))
            return no_memory(s->b.err);
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
        qsort(list->data, COUNT(list, uint32_t), sizeof(uint32_t), ascending);
}

/* Whether a text that leads to these nodes may end. */
static hearth_status accepts(subsets *s, const uint32_t *key, size_t n, bool at_start, bool *result)
{
    buf_clear(&s->found);
    s->now++;
    for (size_t i = 0; i < n; i++)
        TRY(reach(s, key[i], at_start, true));
    *result = false;
    for (size_t i = 0; i < COUNT(&s->found, uint32_t); i++) {
        if (LIST(&s->g->nodes, node)[LIST(&s->found, uint32_t)[i]].kind == ACCEPT)
            *result = true;
    }
    return HEARTH_OK;
}

static hearth_status collect_bounds(subsets *s, const uint32_t *key, size_t n)
{
    const code_range *ranges = LIST(&s->g->r->ranges, code_range);
    buf_clear(&s->bounds);
    for (size_t i = 0; i < n; i++) {
        const node *x = &LIST(&s->g->nodes, node)[key[i]];
        for (uint32_t k = 0; x->kind == CHAR && k < x->n; k++) {
            uint32_t pair[2] = {ranges[x->first + k].low, ranges[x->first + k].high + 1};
            if (!buf_append(&s->bounds, pair, sizeof pair))
                return no_memory(s->b.err);
        }
    }
    sort_list(&s->bounds);
    return HEARTH_OK;
}

static bool takes(const subsets *s, const node *x, uint32_t c)
{
    const code_range *ranges = LIST(&s->g->r->ranges, code_range) + x->first;
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
        const node *x = &LIST(&s->g->nodes, node)[key[i]];
        s->b.work += x->kind == CHAR ? x->n : 1;
        if (takes(s, x, low))
            TRY(reach(s, x->next, false, false));
    }
    if (s->b.work > REGULAR_WORK_MAX)
        return too_large(s->b.err);
    if (s->found.n == 0)
        return HEARTH_OK;
    sort_list(&s->found);
    TRY(builder_state(&s->b, LIST(&s->found, uint32_t), COUNT(&s->found, uint32_t), &to));
    return builder_edge(&s->b, low, high, to);
}

/* Key 0 is the start: a first element that no node has keeps it apart from every other state. */
static hearth_status make_state(subsets *s, size_t state, buf *copy)
{
    size_t n;
    bool may_end;
    const uint32_t *key = builder_key(&s->b, state, &n);
    bool at_start = state == 0;
    buf_clear(copy); /* the keys move when states are added */
    if (!buf_append(copy, key + at_start, (n - at_start) * sizeof *key))
        return no_memory(s->b.err);
    key = LIST(copy, uint32_t);
    n -= at_start;
    TRY(accepts(s, key, n, at_start, &may_end));
    TRY(builder_begin(&s->b, may_end));
    TRY(collect_bounds(s, key, n));
    for (size_t i = 0; i + 1 < COUNT(&s->bounds, uint32_t); i++) {
        uint32_t low = LIST(&s->bounds, uint32_t)[i], end = LIST(&s->bounds, uint32_t)[i + 1];
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
        status = no_memory(s->b.err);
        goto out;
    }
    TRY_OUT(builder_state(&s->b, LIST(&copy, uint32_t), COUNT(&copy, uint32_t), &zero));
    for (size_t state = 0; state < builder_n(&s->b); state++)
        TRY_OUT(make_state(s, state, &copy));
    status = builder_finish(&s->b, out, s->b.err);
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
    TRY_OUT(builder_open(&s.b, err));
    s.stamps = mem_calloc(COUNT(&g.nodes, node), sizeof *s.stamps);
    if (s.stamps == NULL) {
        status = no_memory(err);
        goto out;
    }
    status = make_states(&s, start, out);
out:
    builder_close(&s.b);
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
static hearth_status combine_edges(builder *to, const regular *a, const regular *b, uint32_t x,
                                   uint32_t y, bool except)
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
                TRY(builder_state(to, key, 2, &state));
                TRY(builder_edge(to, low, high, state));
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
    builder to;
    uint32_t state;
    *out = NULL;
    TRY_OUT(builder_open(&to, err));
    TRY_OUT(builder_state(&to, start, 2, &state));
    for (size_t s = 0; s < builder_n(&to); s++) {
        size_t n;
        const uint32_t *key = builder_key(&to, s, &n);
        uint32_t x = key[0], y = key[1];
        bool in_b = y != NONE && b->accepts[y];
        TRY_OUT(builder_begin(&to, a->accepts[x] && in_b != except));
        TRY_OUT(combine_edges(&to, a, b, x, y, except));
    }
    status = builder_finish(&to, out, err);
out:
    builder_close(&to);
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
