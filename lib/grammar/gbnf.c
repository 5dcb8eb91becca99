/* SPDX-License-Identifier: MIT
 *
 * gbnf.c - GBNF to a compiled grammar, in two steps: the text becomes a tree of items
 * (gbnf_parse.c), and here every rule's tree becomes nodes, from its end to its start, so that each
 * node knows what follows it.
 */
#include "grammar/gbnf.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "grammar/gbnf_parser.h"

/* ---- nodes ---- */

typedef struct compiler {
    gbnf_parser *p;
    buf nodes;
    uint32_t n_symbols;
} compiler;

static hearth_status add_node(compiler *c, grammar_node new, uint32_t *index)
{
    *index = (uint32_t)COUNT(&c->nodes, grammar_node);
    if (*index >= GRAMMAR_NODES_MAX)
        return error_set(c->p->err, HEARTH_EINVAL, "grammar",
                         "the grammar is larger than %d nodes with its repetitions written out; "
                         "use smaller counts or *",
                         GRAMMAR_NODES_MAX);
    return buf_append(&c->nodes, &new, sizeof new) ? HEARTH_OK : gbnf_parser_no_memory(c->p);
}

static hearth_status compile(compiler *c, uint32_t index, uint32_t next, uint32_t *start);

static hearth_status compile_text(compiler *c, const gbnf_item *i, uint32_t next, uint32_t *start)
{
    *start = next;
    for (uint32_t k = i->b; k-- > 0;) {
        uint8_t byte = (uint8_t)c->p->bytes.data[i->a + k];
        TRY(add_node(c, (grammar_node){.kind = NODE_RANGE, .a = byte, .b = byte, .next = *start},
                     start));
    }
    return HEARTH_OK;
}

static hearth_status compile_class(compiler *c, uint32_t id, uint32_t next, uint32_t *start)
{
    const gbnf_class *k = &AT(&c->p->classes, gbnf_class, id);
    const code_range *r = &AT(&c->p->ranges, code_range, k->first);
    if (k->n == 1 && r->high < 0x80)
        return add_node(
            c, (grammar_node){.kind = NODE_RANGE, .a = r->low, .b = (uint8_t)r->high, .next = next},
            start);
    return add_node(c, (grammar_node){.kind = NODE_CALL, .a = c->n_symbols + id, .next = next},
                    start);
}

static hearth_status compile_choice(compiler *c, const gbnf_item *choice, uint32_t next,
                                    uint32_t *start)
{
    uint32_t child = choice->a;
    TRY(compile(c, child, next, start));
    while ((child = AT(&c->p->items, gbnf_item, child).before) != NO_ITEM) {
        uint32_t other;
        TRY(compile(c, child, next, &other));
        TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .next = other, .a = *start}, start));
    }
    return HEARTH_OK;
}

/* x{2,4} is x x (x (x)?)?, x{2,} is x x x*. */
static hearth_status compile_repeat(compiler *c, const gbnf_item *r, uint32_t next, uint32_t *start)
{
    gbnf_item repeat = *r;
    *start = next;
    if (repeat.max == NO_MAX) {
        uint32_t loop, body;
        TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .a = next}, &loop));
        TRY(compile(c, repeat.a, loop, &body));
        AT(&c->nodes, grammar_node, loop).next = body;
        *start = loop;
    } else {
        for (uint32_t i = repeat.b; i < repeat.max; i++) {
            uint32_t body;
            TRY(compile(c, repeat.a, *start, &body));
            TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .next = body, .a = next}, start));
        }
    }
    for (uint32_t i = 0; i < repeat.b; i++)
        TRY(compile(c, repeat.a, *start, start));
    return HEARTH_OK;
}

static hearth_status compile(compiler *c, uint32_t index, uint32_t next, uint32_t *start)
{
    const gbnf_item *i = &AT(&c->p->items, gbnf_item, index);
    switch (i->kind) {
    case ITEM_TEXT:
        return compile_text(c, i, next, start);
    case ITEM_CLASS:
        return compile_class(c, i->a, next, start);
    case ITEM_RULE:
        return add_node(c, (grammar_node){.kind = NODE_CALL, .a = i->a, .next = next}, start);
    case ITEM_TOKEN:
        return add_node(
            c, (grammar_node){.kind = NODE_TOKEN, .a = i->a, .b = (uint8_t)i->b, .next = next},
            start);
    case ITEM_CHOICE:
        return compile_choice(c, i, next, start);
    case ITEM_REPEAT:
        return compile_repeat(c, i, next, start);
    case ITEM_SEQUENCE:
        break;
    }
    *start = next;
    for (uint32_t child = i->a; child != NO_ITEM; child = AT(&c->p->items, gbnf_item, child).before)
        TRY(compile(c, child, *start, start));
    return HEARTH_OK;
}

static hearth_status compile_spans(compiler *c, uint32_t id, uint32_t end, uint32_t *start)
{
    const gbnf_class *k = &AT(&c->p->classes, gbnf_class, id);
    bool first = true;
    for (uint32_t i = 0; i < k->n; i++) {
        code_range r = AT(&c->p->ranges, code_range, k->first + i);
        utf8_span spans[UTF8_SPANS_MAX];
        size_t n = utf8_spans(r.low, r.high, spans);
        for (size_t s = 0; s < n; s++) {
            uint32_t one = end;
            for (int b = spans[s].n; b-- > 0;)
                TRY(add_node(c,
                             (grammar_node){.kind = NODE_RANGE,
                                            .a = spans[s].low[b],
                                            .b = spans[s].high[b],
                                            .next = one},
                             &one));
            if (first)
                *start = one;
            else
                TRY(add_node(c, (grammar_node){.kind = NODE_SPLIT, .next = one, .a = *start},
                             start));
            first = false;
        }
    }
    if (first) /* nothing matches: a byte that never comes */
        return add_node(c, (grammar_node){.kind = NODE_RANGE, .a = 1, .b = 0, .next = end}, start);
    return HEARTH_OK;
}

static hearth_status compile_rules(compiler *c, uint32_t *starts)
{
    for (uint32_t i = 0; i < c->n_symbols; i++) {
        uint32_t end, choice = AT(&c->p->symbols, gbnf_symbol, i).item;
        TRY(add_node(c, (grammar_node){.kind = NODE_END, .a = i}, &end));
        starts[i] = end;
        if (choice != NO_ITEM)
            TRY(compile(c, choice, end, &starts[i]));
    }
    for (uint32_t i = 0; i < COUNT(&c->p->classes, gbnf_class); i++) {
        uint32_t end;
        TRY(add_node(c, (grammar_node){.kind = NODE_END, .a = c->n_symbols + i}, &end));
        TRY(compile_spans(c, i, end, &starts[c->n_symbols + i]));
    }
    return HEARTH_OK;
}

/* ---- the whole ---- */

static hearth_status refuse_recursion(const gbnf_parser *p, const hearth_grammar *g)
{
    uint32_t rule;
    TRY(grammar_find_recursion(g, &rule, p->err));
    if (rule == g->n_rules)
        return HEARTH_OK;
    const gbnf_symbol *s = &AT(&p->symbols, gbnf_symbol, rule);
    return gbnf_parser_refuse(
        p, s->used,
        "rule '%.*s' calls itself before anything else (left recursion); put what "
        "comes first in front of the call",
        (int)(s->n_name < 80 ? s->n_name : 80), s->name);
}

static hearth_status build(hearth_grammar *g, gbnf_parser *p, const char *root)
{
    hearth_status status = HEARTH_OK;
    compiler c = {.p = p};
    buf_init(&c.nodes, 0);
    TRY_OUT(gbnf_parser_read(p));
    TRY_OUT(gbnf_parser_symbol(p, root, strlen(root), &g->root));
    if (AT(&p->symbols, gbnf_symbol, g->root).item == NO_ITEM)
        FAIL_OUT(p->err, EINVAL, "grammar", "the grammar has no rule '%.80s' to begin with", root);
    c.n_symbols = (uint32_t)COUNT(&p->symbols, gbnf_symbol);
    g->n_rules = c.n_symbols + COUNT(&p->classes, gbnf_class);
    g->starts = mem_calloc(g->n_rules, sizeof *g->starts);
    if (g->starts == NULL) {
        status = gbnf_parser_no_memory(p);
        goto out;
    }
    TRY_OUT(compile_rules(&c, g->starts));
    g->n_nodes = COUNT(&c.nodes, grammar_node);
    g->nodes = (grammar_node *)(void *)buf_take(&c.nodes, &(size_t){0});
    g->n_tokens = COUNT(&p->tokens, grammar_token);
    if (g->n_tokens)
        g->tokens = (grammar_token *)(void *)buf_take(&p->tokens, &(size_t){0});
    if (g->nodes == NULL || (g->n_tokens && g->tokens == NULL)) {
        g->n_tokens = g->tokens ? g->n_tokens : 0;
        status = gbnf_parser_no_memory(p);
        goto out;
    }
    status = refuse_recursion(p, g);
out:
    buf_deinit(&c.nodes);
    return status;
}

hearth_status gbnf_compile(hearth_grammar *g, const char *text, size_t n, const char *root,
                           hearth_error *err)
{
    gbnf_parser p;
    hearth_status status = gbnf_parser_init(&p, text, n, err);
    if (status == HEARTH_OK)
        status = build(g, &p, root);
    gbnf_parser_deinit(&p);
    return status;
}
