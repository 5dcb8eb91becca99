/* SPDX-License-Identifier: MIT
 *
 * grammar_check.c - what can be said of a grammar before a text is seen: which rules may be empty,
 * which can end at all, and whether one calls itself at its own start.
 *
 * A flood from the start of every rule finds which nodes can be reached. It goes past a call only
 * once the called rule's end has been reached, so calls wait for that; every node and every call is
 * visited once, and the whole is linear.
 */
#include "grammar/grammar.h"

#include <string.h>

#include "base/mem.h"

enum { NONE = UINT32_MAX };

typedef struct flood {
    const hearth_grammar *g;
    bool
        past_input; /* go past bytes and tokens too: else what is reached is reached empty-handed */
    uint8_t *reached;       /* by node */
    uint8_t *ends;          /* by rule: its end is reached */
    uint32_t *waiting;      /* by rule: the first call that waits for its end */
    uint32_t *next_waiting; /* by node */
    uint32_t *work;
    size_t n_work;
} flood;

static void flood_close(flood *f)
{
    mem_free(f->reached);
    mem_free(f->ends);
    mem_free(f->waiting);
    mem_free(f->next_waiting);
    mem_free(f->work);
}

static hearth_status flood_open(flood *f, const hearth_grammar *g, bool past_input,
                                hearth_error *err)
{
    *f = (flood){.g = g, .past_input = past_input};
    f->reached = mem_calloc(g->n_nodes, 1);
    f->ends = mem_calloc(g->n_rules, 1);
    f->waiting = mem_alloc_array(g->n_rules, sizeof *f->waiting);
    f->next_waiting = mem_alloc_array(g->n_nodes, sizeof *f->next_waiting);
    f->work = mem_alloc_array(g->n_nodes, sizeof *f->work);
    if (!f->reached || !f->ends || !f->waiting || !f->next_waiting || !f->work) {
        flood_close(f);
        return error_no_memory(err, "a grammar", g->n_nodes * 9);
    }
    memset(f->waiting, 0xff, g->n_rules * sizeof *f->waiting);
    return HEARTH_OK;
}

static void reach(flood *f, uint32_t node)
{
    if (!f->reached[node]) {
        f->reached[node] = 1;
        f->work[f->n_work++] = node;
    }
}

static void end_rule(flood *f, uint32_t rule)
{
    f->ends[rule] = 1;
    for (uint32_t call = f->waiting[rule]; call != NONE; call = f->next_waiting[call])
        reach(f, f->g->nodes[call].next);
}

static void visit(flood *f, uint32_t index)
{
    const grammar_node *n = &f->g->nodes[index];
    switch ((grammar_node_kind)n->kind) {
    case NODE_RANGE:
        if (f->past_input && n->a <= n->b)
            reach(f, n->next);
        break;
    case NODE_TOKEN:
        if (f->past_input)
            reach(f, n->next);
        break;
    case NODE_SPLIT:
        reach(f, n->next);
        reach(f, n->a);
        break;
    case NODE_CALL:
        if (f->ends[n->a])
            reach(f, n->next);
        f->next_waiting[index] = f->waiting[n->a];
        f->waiting[n->a] = index;
        break;
    case NODE_END:
        end_rule(f, n->a);
        break;
    }
}

static void flood_run(flood *f)
{
    for (size_t r = 0; r < f->g->n_rules; r++) {
        reach(f, f->g->starts[r]);
        while (f->n_work > 0)
            visit(f, f->work[--f->n_work]);
    }
}

/* ---- left recursion ---- */

/* The calls of a rule that are reached empty-handed, by rule, found through the node's owner: a
 * second walk from each start over reached nodes. colours: 0 new, 1 on the path, 2 done. */
typedef struct search {
    const flood *f;
    uint8_t *colours; /* by rule */
    uint8_t *seen;    /* by node */
    struct frame {
        uint32_t node; /* to go on with */
        uint32_t rule; /* NONE: a node of the same rule; else leaving this rule */
    } * stack;
    size_t n;
} search;

static void push(search *s, uint32_t node, uint32_t rule)
{
    s->stack[s->n++] = (struct frame){node, rule};
}

static void enter_node(search *s, uint32_t node)
{
    if (!s->seen[node]) {
        s->seen[node] = 1;
        push(s, node, NONE);
    }
}

static void enter_rule(search *s, uint32_t rule)
{
    s->colours[rule] = 1;
    push(s, 0, rule);
    enter_node(s, s->f->g->starts[rule]);
}

/* True if the node calls a rule that is on the path. */
static bool follow(search *s, uint32_t index)
{
    const grammar_node *n = &s->f->g->nodes[index];
    if (n->kind == NODE_SPLIT) {
        enter_node(s, n->next);
        enter_node(s, n->a);
    } else if (n->kind == NODE_CALL) {
        if (s->colours[n->a] == 1)
            return true;
        if (s->f->ends[n->a])
            enter_node(s, n->next);
        if (s->colours[n->a] == 0)
            enter_rule(s, n->a);
    }
    return false;
}

static uint32_t find_cycle(search *s)
{
    for (uint32_t r = 0; r < s->f->g->n_rules; r++) {
        if (s->colours[r] == 0)
            enter_rule(s, r);
        while (s->n > 0) {
            struct frame top = s->stack[--s->n];
            if (top.rule != NONE)
                s->colours[top.rule] = 2;
            else if (follow(s, top.node))
                return s->f->g->nodes[top.node].a;
        }
    }
    return (uint32_t)s->f->g->n_rules;
}

hearth_status grammar_find_recursion(const hearth_grammar *g, uint32_t *rule, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    flood f;
    TRY(flood_open(&f, g, false, err));
    search s = {.f = &f};
    s.colours = mem_calloc(g->n_rules, 1);
    s.seen = mem_calloc(g->n_nodes, 1);
    s.stack = mem_alloc_array(g->n_nodes + g->n_rules, sizeof *s.stack);
    if (!s.colours || !s.seen || !s.stack) {
        status = error_no_memory(err, "a grammar", g->n_nodes * 9);
        goto out;
    }
    flood_run(&f);
    *rule = find_cycle(&s);
out:
    mem_free(s.colours);
    mem_free(s.seen);
    mem_free(s.stack);
    flood_close(&f);
    return status;
}

hearth_status grammar_can_end(const hearth_grammar *g, bool *can_end, hearth_error *err)
{
    flood f;
    TRY(flood_open(&f, g, true, err));
    flood_run(&f);
    *can_end = f.ends[g->root] != 0;
    flood_close(&f);
    return HEARTH_OK;
}
