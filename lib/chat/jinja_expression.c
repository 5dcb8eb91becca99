/* SPDX-License-Identifier: MIT
 *
 * jinja_expression.c - the parser's half for expressions: one function per level of precedence,
 * from the conditional expression down to literals, as Jinja's own grammar has them.
 */
#include <string.h>

#include "chat/jinja_parser.h"
#include "chat/jinja_run.h"

static hearth_status parse_or(jinja_parser *p, const jinja_node **out);
static hearth_status parse_unary(jinja_parser *p, bool with_filter, const jinja_node **out);

static hearth_status make(jinja_parser *p, jinja_node_type type, const jinja_node *at,
                          const jinja_node *a, const jinja_node *b, const jinja_node **out)
{
    const jinja_node *kids[2] = {a, b};
    jinja_node *node;
    TRY(parser_node_of(p, type, at, b ? 2 : 1, kids, &node));
    *out = node;
    return HEARTH_OK;
}

static hearth_status make_list(jinja_parser *p, jinja_node_type type, const jinja_node *at,
                               const jinja_nodes *list, const jinja_node **out)
{
    jinja_node *node;
    TRY(parser_node_of(p, type, at, list->n, list->items, &node));
    *out = node;
    return HEARTH_OK;
}

hearth_status parser_expression(jinja_parser *p, bool condition, const jinja_node **out)
{
    bool found = false;
    TRY(parser_enter(p));
    TRY(parse_or(p, out));
    while (condition) {
        TRY(parser_take_name(p, "if", &found));
        if (!found)
            break;
        const jinja_node *kids[3] = {NULL, *out, NULL};
        jinja_node *node;
        TRY(parse_or(p, &kids[0]));
        TRY(parser_take_name(p, "else", &found));
        if (found)
            TRY(parser_expression(p, true, &kids[2]));
        TRY(parser_node_of(p, NODE_CONDITION, kids[0], 3, kids, &node));
        *out = node;
    }
    parser_leave(p);
    return HEARTH_OK;
}

static bool ends_tuple(const jinja_parser *p, const char *until)
{
    return p->token.type == TOKEN_PRINT_END || p->token.type == TOKEN_BLOCK_END ||
           parser_is_op(p, ')') || (until && parser_is_name(&p->token, until));
}

hearth_status parser_tuple(jinja_parser *p, bool condition, const char *until,
                           const jinja_node **out)
{
    jinja_nodes list = {0};
    bool comma = false;
    if (ends_tuple(p, until)) {
        char what[64];
        PARSE_FAIL(p, "an expression is missing before %s", parser_describe(p, what, sizeof what));
    }
    do {
        if (list.n > 0 && ends_tuple(p, until))
            break;
        TRY(parser_expression(p, condition, out));
        TRY(parser_push(p, &list, *out));
        bool found;
        TRY(parser_take_op(p, ',', &found));
        comma |= found;
        if (!found)
            break;
    } while (true);
    return comma ? make_list(p, NODE_TUPLE, list.items[0], &list, out) : HEARTH_OK;
}

static hearth_status parse_not(jinja_parser *p, const jinja_node **out);

static hearth_status parse_and(jinja_parser *p, const jinja_node **out)
{
    bool found;
    TRY(parse_not(p, out));
    for (;;) {
        const jinja_node *right;
        TRY(parser_take_name(p, "and", &found));
        if (!found)
            return HEARTH_OK;
        TRY(parse_not(p, &right));
        TRY(make(p, NODE_AND, *out, *out, right, out));
    }
}

static hearth_status parse_or(jinja_parser *p, const jinja_node **out)
{
    bool found;
    TRY(parse_and(p, out));
    for (;;) {
        const jinja_node *right;
        TRY(parser_take_name(p, "or", &found));
        if (!found)
            return HEARTH_OK;
        TRY(parse_and(p, &right));
        TRY(make(p, NODE_OR, *out, *out, right, out));
    }
}

/* ---- arithmetic ---- */

typedef struct level {
    hearth_status (*below)(jinja_parser *p, const jinja_node **out);
    struct {
        uint16_t token;
        uint8_t op;
    } ops[5];
} level;

static hearth_status parse_level(jinja_parser *p, const level *l, const jinja_node **out)
{
    TRY(l->below(p, out));
    for (;;) {
        size_t i = 0;
        while (l->ops[i].token && !parser_is_op(p, l->ops[i].token))
            i++;
        if (l->ops[i].token == 0)
            return HEARTH_OK;
        const jinja_node *kids[2] = {*out, NULL};
        jinja_node *node;
        TRY(parser_advance(p));
        TRY(l->below(p, &kids[1]));
        TRY(parser_node_of(p, NODE_BINARY, kids[0], 2, kids, &node));
        node->op = l->ops[i].op;
        *out = node;
    }
}

static hearth_status parse_signed(jinja_parser *p, const jinja_node **out)
{
    return parse_unary(p, true, out);
}

static hearth_status parse_power(jinja_parser *p, const jinja_node **out)
{
    static const level l = {parse_signed, {{JINJA_OP2('*', '*'), OP_POW}}};
    return parse_level(p, &l, out);
}

static hearth_status parse_product(jinja_parser *p, const jinja_node **out)
{
    static const level l = {
        parse_power,
        {{'*', OP_MUL}, {'/', OP_DIV}, {JINJA_OP2('/', '/'), OP_FLOORDIV}, {'%', OP_MOD}}};
    return parse_level(p, &l, out);
}

static hearth_status parse_concat(jinja_parser *p, const jinja_node **out)
{
    jinja_nodes list = {0};
    TRY(parse_product(p, out));
    TRY(parser_push(p, &list, *out));
    while (parser_is_op(p, '~')) {
        const jinja_node *part;
        TRY(parser_advance(p));
        TRY(parse_product(p, &part));
        TRY(parser_push(p, &list, part));
    }
    return list.n > 1 ? make_list(p, NODE_CONCAT, *out, &list, out) : HEARTH_OK;
}

static hearth_status parse_sum(jinja_parser *p, const jinja_node **out)
{
    static const level l = {parse_concat, {{'+', OP_ADD}, {'-', OP_SUB}}};
    return parse_level(p, &l, out);
}

/* Steps over a comparing operator, if there is one. */
static hearth_status take_comparison(jinja_parser *p, uint8_t *op, bool *found)
{
    static const struct {
        uint16_t token;
        uint8_t op;
    } ops[] = {{JINJA_OP2('=', '='), OP_EQ},
               {JINJA_OP2('!', '='), OP_NE},
               {JINJA_OP2('<', '='), OP_LE},
               {JINJA_OP2('>', '='), OP_GE},
               {'<', OP_LT},
               {'>', OP_GT}};
    *found = true;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (parser_is_op(p, ops[i].token)) {
            *op = ops[i].op;
            return parser_advance(p);
        }
    }
    if (parser_is_name(&p->token, "in")) {
        *op = OP_IN;
        return parser_advance(p);
    }
    if (parser_is_name(&p->token, "not") && parser_is_name(&p->ahead, "in")) {
        *op = OP_NOT_IN;
        TRY(parser_advance(p));
        return parser_advance(p);
    }
    *found = false;
    return HEARTH_OK;
}

static hearth_status parse_compare(jinja_parser *p, const jinja_node **out)
{
    enum { CHAIN_MAX = 32 };
    uint8_t ops[CHAIN_MAX];
    jinja_nodes list = {0};
    TRY(parse_sum(p, out));
    TRY(parser_push(p, &list, *out));
    for (;;) {
        bool found;
        const jinja_node *right;
        if (list.n > CHAIN_MAX)
            PARSE_FAIL(p, "more than %d comparisons in a row", CHAIN_MAX);
        TRY(take_comparison(p, &ops[list.n - 1 < CHAIN_MAX ? list.n - 1 : 0], &found));
        if (!found)
            break;
        TRY(parse_sum(p, &right));
        TRY(parser_push(p, &list, right));
    }
    if (list.n == 1)
        return HEARTH_OK;
    jinja_node *node;
    TRY(parser_node_of(p, NODE_COMPARE, *out, list.n, list.items, &node));
    uint8_t *kept = jinja_arena_alloc(&p->t->arena, list.n);
    if (kept == NULL)
        return parser_no_memory(p);
    memcpy(kept, ops, list.n - 1);
    node->ops = kept;
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_not(jinja_parser *p, const jinja_node **out)
{
    if (!parser_is_name(&p->token, "not"))
        return parse_compare(p, out);
    const jinja_node *kid;
    TRY(parser_enter(p));
    TRY(parser_advance(p));
    TRY(parse_not(p, &kid));
    parser_leave(p);
    return make(p, NODE_NOT, kid, kid, NULL, out);
}

/* ---- literals ---- */

static hearth_status constant(jinja_parser *p, jinja_value value, const jinja_node **out)
{
    jinja_node *node;
    TRY(parser_node(p, NODE_CONST, &node));
    node->constant = value;
    *out = node;
    return HEARTH_OK;
}

/* true, false and none in both spellings, in this order; 6 for any other name. */
static size_t constant_word(const jinja_parser *p)
{
    static const char *const words[] = {"true", "True", "false", "False", "none", "None"};
    size_t i = 0;
    while (i < sizeof words / sizeof *words && !parser_is_name(&p->token, words[i]))
        i++;
    return i;
}

static hearth_status parse_name(jinja_parser *p, const jinja_node **out)
{
    jinja_node *node;
    size_t word = constant_word(p);
    if (word < 6) {
        TRY(constant(p, word < 4 ? jinja_bool(word < 2) : jinja_none(), out));
        return parser_advance(p);
    }
    TRY(parser_node(p, NODE_NAME, &node));
    TRY(parser_expect_name(p, "a name", &node->name));
    p->saw_varargs |= node->name == NAME_VARARGS;
    p->saw_kwargs |= node->name == NAME_KWARGS;
    p->saw_caller |= node->name == NAME_CALLER;
    *out = node;
    return HEARTH_OK;
}

/* Strings that follow each other are one. */
static hearth_status parse_string(jinja_parser *p, const jinja_node **out)
{
    jinja_node *node;
    const jinja_string *whole, *part;
    TRY(parser_node(p, NODE_CONST, &node));
    TRY(parser_string(p, p->token.text, p->token.n, &whole));
    TRY(parser_advance(p));
    while (p->token.type == TOKEN_STRING) {
        char *joined = jinja_arena_alloc(&p->t->arena, whole->n + p->token.n);
        if (joined == NULL)
            return parser_no_memory(p);
        memcpy(joined, whole->text, whole->n);
        memcpy(joined + whole->n, p->token.text, p->token.n);
        TRY(parser_string(p, joined, whole->n + p->token.n, &part));
        whole = part;
        TRY(parser_advance(p));
    }
    node->constant = jinja_of_string(whole);
    *out = node;
    return HEARTH_OK;
}

/* A list up to ']', or a dict up to '}'. */
static hearth_status parse_items(jinja_parser *p, bool is_dict, const jinja_node **out)
{
    jinja_nodes list = {0};
    const jinja_node *item;
    jinja_node *node;
    uint16_t end = is_dict ? '}' : ']';
    TRY(parser_node(p, is_dict ? NODE_DICT : NODE_LIST, &node));
    TRY(parser_advance(p));
    while (!parser_is_op(p, end)) {
        TRY(parser_expression(p, true, &item));
        TRY(parser_push(p, &list, item));
        if (is_dict) {
            TRY(parser_take_op(p, ':', NULL));
            TRY(parser_expression(p, true, &item));
            TRY(parser_push(p, &list, item));
        }
        if (!parser_is_op(p, end))
            TRY(parser_take_op(p, ',', NULL));
    }
    node->kids = list.items;
    node->n = list.n;
    *out = node;
    return parser_advance(p);
}

static hearth_status parse_parentheses(jinja_parser *p, const jinja_node **out)
{
    jinja_nodes none = {0};
    TRY(parser_advance(p));
    if (parser_is_op(p, ')'))
        TRY(make_list(p, NODE_TUPLE, NULL, &none, out));
    else
        TRY(parser_tuple(p, true, NULL, out));
    return parser_take_op(p, ')', NULL);
}

static hearth_status parse_primary(jinja_parser *p, const jinja_node **out)
{
    char what[64];
    switch (p->token.type) {
    case TOKEN_NAME:
        return parse_name(p, out);
    case TOKEN_STRING:
        return parse_string(p, out);
    case TOKEN_INTEGER:
        TRY(constant(p, jinja_int(p->token.integer), out));
        return parser_advance(p);
    case TOKEN_FLOAT:
        TRY(constant(p, jinja_float(p->token.real), out));
        return parser_advance(p);
    default:
        break;
    }
    if (parser_is_op(p, '('))
        return parse_parentheses(p, out);
    if (parser_is_op(p, '[') || parser_is_op(p, '{'))
        return parse_items(p, parser_is_op(p, '{'), out);
    PARSE_FAIL(p, "unexpected %s", parser_describe(p, what, sizeof what));
}

/* ---- what follows a value ---- */

typedef struct arguments {
    jinja_nodes items, values;
    uint32_t keywords[64];
    const jinja_node *star, *double_star;
} arguments;

static hearth_status parse_argument(jinja_parser *p, arguments *a)
{
    const jinja_node *value;
    bool star = parser_is_op(p, '*'), double_star = parser_is_op(p, JINJA_OP2('*', '*'));
    if (star || double_star) {
        if (a->double_star || (star && a->star))
            PARSE_FAIL(p, "a call takes one * and then one ** argument");
        TRY(parser_advance(p));
        return parser_expression(p, true, star ? &a->star : &a->double_star);
    }
    if (p->token.type == TOKEN_NAME && p->ahead.type == TOKEN_OPERATOR && p->ahead.op == '=') {
        if (a->double_star || a->values.n == sizeof a->keywords / sizeof *a->keywords)
            PARSE_FAIL(p, "too many keyword arguments, or one after **");
        TRY(parser_expect_name(p, "a name", &a->keywords[a->values.n]));
        for (size_t i = 0; i < a->values.n; i++) {
            if (a->keywords[i] == a->keywords[a->values.n])
                PARSE_FAIL(p, "the keyword argument is given twice");
        }
        TRY(parser_advance(p));
        TRY(parser_expression(p, true, &value));
        return parser_push(p, &a->values, value);
    }
    if (a->star || a->double_star || a->values.n > 0)
        PARSE_FAIL(p, "an argument without a name cannot follow one with a name");
    TRY(parser_expression(p, true, &value));
    return parser_push(p, &a->items, value);
}

static hearth_status keep_arguments(jinja_parser *p, const arguments *a,
                                    const jinja_call_args **out)
{
    jinja_call_args *args = jinja_arena_alloc(&p->t->arena, sizeof *args);
    uint32_t *keywords = jinja_arena_alloc(&p->t->arena, a->values.n * sizeof *keywords);
    if (args == NULL || keywords == NULL)
        return parser_no_memory(p);
    memcpy(keywords, a->keywords, a->values.n * sizeof *keywords);
    *args = (jinja_call_args){.items = a->items.items,
                              .n = a->items.n,
                              .keywords = keywords,
                              .keyword_values = a->values.items,
                              .n_keywords = a->values.n,
                              .star = a->star,
                              .double_star = a->double_star};
    *out = args;
    return HEARTH_OK;
}

static hearth_status parse_arguments(jinja_parser *p, const jinja_call_args **out)
{
    arguments a = {0};
    TRY(parser_take_op(p, '(', NULL));
    while (!parser_is_op(p, ')')) {
        TRY(parse_argument(p, &a));
        if (!parser_is_op(p, ')'))
            TRY(parser_take_op(p, ',', NULL));
    }
    TRY(parser_advance(p));
    return keep_arguments(p, &a, out);
}

static hearth_status parse_call(jinja_parser *p, const jinja_node **out)
{
    jinja_node *node;
    TRY(parser_node_of(p, NODE_CALL, *out, 1, out, &node));
    TRY(parse_arguments(p, &node->args));
    *out = node;
    return HEARTH_OK;
}

/* One subscript: an expression, or start:stop:step with any of them left out. */
static hearth_status parse_subscript(jinja_parser *p, const jinja_node **out)
{
    const jinja_node *kids[4] = {*out, NULL, NULL, NULL};
    jinja_node *node;
    size_t part = 1;
    bool is_slice = false;
    for (;;) {
        bool found;
        if (!parser_is_op(p, ':') && !parser_is_op(p, ']') && !parser_is_op(p, ','))
            TRY(parser_expression(p, true, &kids[part]));
        if (part == 3)
            break;
        TRY(parser_take_op(p, ':', &found));
        if (!found)
            break;
        is_slice = true;
        part++;
    }
    if (kids[1] == NULL && !is_slice)
        PARSE_FAIL(p, "the subscript is empty");
    if (parser_is_op(p, ','))
        PARSE_FAIL(p, "several subscripts are not supported; use [a][b]");
    TRY(parser_node_of(p, is_slice ? NODE_SLICE : NODE_ITEM, *out, is_slice ? 4 : 2, kids, &node));
    *out = node;
    return parser_take_op(p, ']', NULL);
}

static hearth_status parse_member(jinja_parser *p, const jinja_node **out)
{
    jinja_node *node;
    if (p->token.type == TOKEN_INTEGER) {
        const jinja_node *index;
        TRY(constant(p, jinja_int(p->token.integer), &index));
        TRY(parser_advance(p));
        return make(p, NODE_ITEM, *out, *out, index, out);
    }
    TRY(parser_node_of(p, NODE_ATTRIBUTE, *out, 1, out, &node));
    TRY(parser_expect_name(p, "a name or number after the dot", &node->name));
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_postfix(jinja_parser *p, const jinja_node **out)
{
    for (;;) {
        bool found;
        TRY(parser_take_op(p, '.', &found));
        if (found) {
            TRY(parse_member(p, out));
        } else if (parser_is_op(p, '[')) {
            TRY(parser_advance(p));
            TRY(parse_subscript(p, out));
        } else if (parser_is_op(p, '(')) {
            TRY(parse_call(p, out));
        } else {
            return HEARTH_OK;
        }
    }
}

/* a.b: names of filters and tests may have dots. */
static hearth_status dotted_name(jinja_parser *p, jinja_node *node)
{
    TRY(parser_expect_name(p, node->type == NODE_TEST ? "a test" : "a filter", &node->name));
    if (parser_is_op(p, '.'))
        PARSE_FAIL(p, "there is no %s with a dot in its name",
                   node->type == NODE_TEST ? "test" : "filter");
    const jinja_string *name = p->t->names[node->name];
    node->builtin = node->type == NODE_TEST ? jinja_find_test(name) : jinja_find_filter(name);
    return HEARTH_OK;
}

hearth_status parser_filters(jinja_parser *p, bool named, const jinja_node **node)
{
    while (named || parser_is_op(p, '|')) {
        jinja_node *filter;
        arguments none = {0};
        if (!named)
            TRY(parser_advance(p));
        named = false;
        TRY(parser_node_of(p, NODE_FILTER, NULL, 1, node, &filter));
        TRY(dotted_name(p, filter));
        if (parser_is_op(p, '('))
            TRY(parse_arguments(p, &filter->args));
        else
            TRY(keep_arguments(p, &none, &filter->args));
        *node = filter;
    }
    return HEARTH_OK;
}

/* An argument of a test without brackets: `is divisibleby 3`. */
static bool starts_argument(const jinja_parser *p)
{
    const jinja_token *t = &p->token;
    if (t->type == TOKEN_NAME)
        return !parser_is_name(t, "else") && !parser_is_name(t, "or") && !parser_is_name(t, "and");
    return t->type == TOKEN_STRING || t->type == TOKEN_INTEGER || t->type == TOKEN_FLOAT ||
           parser_is_op(p, '[') || parser_is_op(p, '{');
}

static hearth_status parse_test(jinja_parser *p, const jinja_node **out)
{
    jinja_node *test;
    arguments a = {0};
    TRY(parser_advance(p));
    TRY(parser_node_of(p, NODE_TEST, NULL, 1, out, &test));
    TRY(parser_take_name(p, "not", &test->flag));
    TRY(dotted_name(p, test));
    *out = test;
    if (parser_is_op(p, '('))
        return parse_arguments(p, &test->args);
    if (starts_argument(p)) {
        const jinja_node *value;
        if (parser_is_name(&p->token, "is"))
            PARSE_FAIL(p, "tests cannot be chained with 'is'; join them with 'and'");
        /* `x is defined if y` and `x is defined in z` go on behind the test */
        TRY(parse_primary(p, &value));
        TRY(parse_postfix(p, &value));
        TRY(parser_push(p, &a.items, value));
    }
    return keep_arguments(p, &a, &test->args);
}

static hearth_status parse_behind(jinja_parser *p, const jinja_node **out)
{
    for (;;) {
        if (parser_is_op(p, '|'))
            TRY(parser_filters(p, false, out));
        else if (parser_is_name(&p->token, "is"))
            TRY(parse_test(p, out));
        else if (parser_is_op(p, '('))
            TRY(parse_call(p, out));
        else
            return HEARTH_OK;
    }
}

static hearth_status parse_unary(jinja_parser *p, bool with_filter, const jinja_node **out)
{
    TRY(parser_enter(p));
    if (parser_is_op(p, '-') || parser_is_op(p, '+')) {
        jinja_node_type type = parser_is_op(p, '-') ? NODE_NEGATE : NODE_PLUS;
        const jinja_node *kid;
        TRY(parser_advance(p));
        TRY(parse_unary(p, false, &kid));
        TRY(make(p, type, kid, kid, NULL, out));
    } else {
        TRY(parse_primary(p, out));
    }
    TRY(parse_postfix(p, out));
    if (with_filter)
        TRY(parse_behind(p, out));
    parser_leave(p);
    return HEARTH_OK;
}

/* ---- targets of assignments ---- */

static hearth_status one_target(jinja_parser *p, bool attribute, const jinja_node **out)
{
    jinja_node *node;
    TRY(parser_enter(p));
    if (parser_is_op(p, '(')) {
        TRY(parser_advance(p));
        TRY(parser_target(p, true, attribute, NULL, out));
        parser_leave(p);
        return parser_take_op(p, ')', NULL);
    }
    if (constant_word(p) < 6)
        PARSE_FAIL(p, "true, false and none cannot be assigned to");
    TRY(parser_node(p, NODE_NAME, &node));
    TRY(parser_expect_name(p, "a name to assign to", &node->name));
    if (attribute && parser_is_op(p, '.')) {
        node->type = NODE_TARGET;
        TRY(parser_advance(p));
        TRY(parser_expect_name(p, "an attribute's name", &node->name2));
    }
    *out = node;
    parser_leave(p);
    return HEARTH_OK;
}

hearth_status parser_target(jinja_parser *p, bool tuple, bool attribute, const char *until,
                            const jinja_node **out)
{
    jinja_nodes list = {0};
    bool comma = false;
    for (;;) {
        bool found;
        TRY(one_target(p, attribute, out));
        TRY(parser_push(p, &list, *out));
        if (!tuple)
            break;
        TRY(parser_take_op(p, ',', &found));
        comma |= found;
        if (!found || ends_tuple(p, until) || parser_is_op(p, '='))
            break;
    }
    return comma ? make_list(p, NODE_TUPLE, list.items[0], &list, out) : HEARTH_OK;
}
