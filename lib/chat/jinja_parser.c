/* SPDX-License-Identifier: MIT
 *
 * jinja_parser.c - the parser's half for statements, and what it stands on: tokens, nodes, names.
 *
 * Statements of Jinja that need other templates (extends, include, import) and `do`, which chat
 * templates are not rendered with, are unknown tags here.
 */
#include "chat/jinja_parser.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { TEMPLATE_MAX = 16 << 20, ARENA_MAX = 256 << 20 };

const char *const jinja_known_names[NAME_KNOWN] = {
    [NAME_LOOP] = "loop",
    [NAME_CALLER] = "caller",
    [NAME_VARARGS] = "varargs",
    [NAME_KWARGS] = "kwargs",
    [NAME_RANGE] = "range",
    [NAME_DICT] = "dict",
    [NAME_NAMESPACE] = "namespace",
    [NAME_CYCLER] = "cycler",
    [NAME_JOINER] = "joiner",
    [NAME_RAISE_EXCEPTION] = "raise_exception",
    [NAME_STRFTIME_NOW] = "strftime_now",
};

/* ---- memory, names, nodes ---- */

hearth_status parser_no_memory(jinja_parser *p)
{
    if (p->t->arena.over)
        PARSE_FAIL(p, "the template is too large");
    return error_no_memory(p->err, "the chat template", p->t->arena.used);
}

hearth_status parser_string(jinja_parser *p, const char *text, size_t n, const jinja_string **out)
{
    jinja_string *s = jinja_arena_alloc(&p->t->arena, sizeof *s);
    *out = s;
    if (s == NULL)
        return parser_no_memory(p);
    *s = (jinja_string){text, n, jinja_count_chars(text, n)};
    return HEARTH_OK;
}

static hearth_status grow_names(jinja_parser *p)
{
    jinja_template *t = p->t;
    uint32_t capacity = p->names_capacity ? p->names_capacity * 2 : 128;
    const jinja_string **names = jinja_arena_alloc(&t->arena, capacity * sizeof *names);
    uint32_t *slots = mem_calloc(capacity * 2, sizeof *slots);
    if (names == NULL || slots == NULL) {
        mem_free(slots);
        return parser_no_memory(p);
    }
    for (uint32_t i = 0; i < t->n_names; i++) {
        names[i] = t->names[i];
        uint64_t slot = hash_bytes(HASH_START, names[i]->text, names[i]->n);
        while (slots[slot % (capacity * 2)])
            slot++;
        slots[slot % (capacity * 2)] = i + 1;
    }
    mem_free(p->slots);
    p->slots = slots;
    p->n_slots = capacity * 2;
    p->names_capacity = capacity;
    t->names = names;
    return HEARTH_OK;
}

hearth_status parser_name(jinja_parser *p, const char *text, size_t n, uint32_t *out)
{
    jinja_template *t = p->t;
    if (t->n_names == p->names_capacity)
        TRY(grow_names(p));
    uint64_t slot = hash_bytes(HASH_START, text, n);
    for (; p->slots[slot % p->n_slots]; slot++) {
        *out = p->slots[slot % p->n_slots] - 1;
        if (t->names[*out]->n == n && memcmp(t->names[*out]->text, text, n) == 0)
            return HEARTH_OK;
    }
    TRY(parser_string(p, text, n, &t->names[t->n_names]));
    *out = t->n_names++;
    p->slots[slot % p->n_slots] = t->n_names;
    return HEARTH_OK;
}

hearth_status parser_node(jinja_parser *p, jinja_node_type type, jinja_node **out)
{
    jinja_node *node = jinja_arena_alloc(&p->t->arena, sizeof *node);
    *out = node;
    if (node == NULL)
        return parser_no_memory(p);
    *node = (jinja_node){.type = type, .line = p->token.line, .column = p->token.column};
    return HEARTH_OK;
}

hearth_status parser_node_of(jinja_parser *p, jinja_node_type type, const jinja_node *at, size_t n,
                             const jinja_node *const *kids, jinja_node **out)
{
    const jinja_node **kept = jinja_arena_alloc(&p->t->arena, n * sizeof *kept);
    *out = NULL;
    if (kept == NULL)
        return parser_no_memory(p);
    TRY(parser_node(p, type, out));
    if (n > 0)
        memcpy(kept, kids, n * sizeof *kept);
    (*out)->kids = kept;
    (*out)->n = n;
    if (at) {
        (*out)->line = at->line;
        (*out)->column = at->column;
    }
    return HEARTH_OK;
}

hearth_status parser_push(jinja_parser *p, jinja_nodes *list, const jinja_node *node)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 4;
        const jinja_node **items = jinja_arena_alloc(&p->t->arena, capacity * sizeof *items);
        if (items == NULL)
            return parser_no_memory(p);
        if (list->n > 0)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = node;
    return HEARTH_OK;
}

hearth_status parser_enter(jinja_parser *p)
{
    if (p->depth >= JINJA_DEPTH_MAX)
        PARSE_FAIL(p, "nested more than %d levels deep", JINJA_DEPTH_MAX);
    p->depth++;
    return HEARTH_OK;
}

void parser_leave(jinja_parser *p)
{
    p->depth--;
}

/* ---- tokens ---- */

hearth_status parser_advance(jinja_parser *p)
{
    p->token = p->ahead;
    if (p->token.type == TOKEN_END)
        return HEARTH_OK;
    return jinja_lexer_next(&p->lexer, &p->ahead);
}

bool parser_is_op(const jinja_parser *p, uint16_t op)
{
    return p->token.type == TOKEN_OPERATOR && p->token.op == op;
}

bool parser_is_name(const jinja_token *token, const char *name)
{
    return token->type == TOKEN_NAME && token->n == strlen(name) &&
           memcmp(token->text, name, token->n) == 0;
}

const char *parser_describe(const jinja_parser *p, char *out, size_t n_out)
{
    const jinja_token *t = &p->token;
    static const char *const names[] = {
        [TOKEN_END] = "the end of the template",
        [TOKEN_TEXT] = "text",
        [TOKEN_BLOCK_BEGIN] = "{%",
        [TOKEN_BLOCK_END] = "the end of the block",
        [TOKEN_PRINT_BEGIN] = "{{",
        [TOKEN_PRINT_END] = "the end of the expression",
        [TOKEN_STRING] = "a string",
        [TOKEN_INTEGER] = "a number",
        [TOKEN_FLOAT] = "a number",
    };
    if (t->type == TOKEN_NAME)
        snprintf(out, n_out, "'%.*s'", (int)(t->n < 48 ? t->n : 48), t->text);
    else if (t->type == TOKEN_OPERATOR)
        snprintf(out, n_out, "'%c%c'", (char)t->op, (char)(t->op >> 8 ? t->op >> 8 : '\''));
    else
        snprintf(out, n_out, "%s", names[t->type]);
    if (t->type == TOKEN_OPERATOR && t->op >> 8 == 0)
        out[3] = '\0';
    return out;
}

hearth_status parser_take_op(jinja_parser *p, uint16_t op, bool *found)
{
    bool is = parser_is_op(p, op);
    if (found)
        *found = is;
    if (is)
        return parser_advance(p);
    char what[64];
    if (found == NULL)
        PARSE_FAIL(p, "expected '%c' instead of %s", (char)op,
                   parser_describe(p, what, sizeof what));
    return HEARTH_OK;
}

hearth_status parser_take_name(jinja_parser *p, const char *name, bool *found)
{
    bool is = parser_is_name(&p->token, name);
    if (found)
        *found = is;
    if (is)
        return parser_advance(p);
    char what[64];
    if (found == NULL)
        PARSE_FAIL(p, "expected '%s' instead of %s", name, parser_describe(p, what, sizeof what));
    return HEARTH_OK;
}

hearth_status parser_expect_name(jinja_parser *p, const char *what, uint32_t *out)
{
    char found[64];
    if (p->token.type != TOKEN_NAME)
        PARSE_FAIL(p, "expected %s instead of %s", what, parser_describe(p, found, sizeof found));
    TRY(parser_name(p, p->token.text, p->token.n, out));
    return parser_advance(p);
}

/* ---- statements ---- */

static hearth_status parse_statement(jinja_parser *p, const jinja_node **out);

static hearth_status end_block(jinja_parser *p)
{
    char what[64];
    if (p->token.type != TOKEN_BLOCK_END)
        PARSE_FAIL(p, "expected %%} instead of %s", parser_describe(p, what, sizeof what));
    return parser_advance(p);
}

static hearth_status parse_print(jinja_parser *p, const jinja_node **out)
{
    const jinja_node *value;
    jinja_node *node;
    char what[64];
    TRY(parser_advance(p));
    TRY(parser_tuple(p, true, NULL, &value));
    if (p->token.type != TOKEN_PRINT_END)
        PARSE_FAIL(p, "expected }} instead of %s", parser_describe(p, what, sizeof what));
    TRY(parser_node_of(p, NODE_PRINT, value, 1, &value, &node));
    *out = node;
    return parser_advance(p);
}

static hearth_status parse_text(jinja_parser *p, const jinja_node **out)
{
    const jinja_string *s;
    jinja_node *node;
    TRY(parser_string(p, p->token.text, p->token.n, &s));
    TRY(parser_node(p, NODE_TEXT, &node));
    node->constant = jinja_of_string(s);
    *out = node;
    return parser_advance(p);
}

static bool is_one_of(const jinja_token *token, const char *const *words)
{
    for (; *words; words++) {
        if (parser_is_name(token, *words))
            return true;
    }
    return false;
}

/* Statements up to a block that begins with one of the words, at which the token then is; to the
 * end of the template if there are none. */
static hearth_status parse_until(jinja_parser *p, const char *const *words, const jinja_node **out)
{
    jinja_nodes list = {0};
    const jinja_node *statement;
    jinja_node *node;
    TRY(parser_node(p, NODE_BODY, &node));
    for (;;) {
        if (p->token.type == TOKEN_END) {
            if (*words)
                PARSE_FAIL(p, "the template ends where {%% %s %%} is still to come", words[0]);
            break;
        }
        if (p->token.type == TOKEN_TEXT) {
            TRY(parse_text(p, &statement));
        } else if (p->token.type == TOKEN_PRINT_BEGIN) {
            TRY(parse_print(p, &statement));
        } else {
            TRY(parser_advance(p));
            if (is_one_of(&p->token, words))
                break;
            TRY(parse_statement(p, &statement));
            TRY(end_block(p));
        }
        TRY(parser_push(p, &list, statement));
    }
    node->kids = list.items;
    node->n = list.n;
    *out = node;
    return HEARTH_OK;
}

/* The rest of a tag, then its body up to one of the words. */
static hearth_status parse_body(jinja_parser *p, const char *const *words, const jinja_node **out)
{
    bool found;
    TRY(parser_take_op(p, ':', &found));
    TRY(end_block(p));
    return parse_until(p, words, out);
}

/* A body with one possible end, which is stepped over. */
static hearth_status parse_closed(jinja_parser *p, const char *word, const jinja_node **out)
{
    const char *const words[] = {word, NULL};
    TRY(parse_body(p, words, out));
    return parser_advance(p);
}

static hearth_status parse_if(jinja_parser *p, const jinja_node **out)
{
    static const char *const words[] = {"endif", "elif", "else", NULL};
    jinja_nodes list = {0};
    jinja_node *node;
    const jinja_node *part;
    TRY(parser_node(p, NODE_IF, &node));
    for (;;) {
        TRY(parser_advance(p));
        TRY(parser_tuple(p, false, NULL, &part));
        TRY(parser_push(p, &list, part));
        TRY(parse_body(p, words, &part));
        TRY(parser_push(p, &list, part));
        if (!parser_is_name(&p->token, "elif"))
            break;
    }
    if (parser_is_name(&p->token, "else")) {
        TRY(parser_advance(p));
        TRY(parse_closed(p, "endif", &part));
        TRY(parser_push(p, &list, part));
    } else {
        TRY(parser_advance(p));
    }
    node->kids = list.items;
    node->n = list.n;
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_for(jinja_parser *p, const jinja_node **out)
{
    static const char *const words[] = {"endfor", "else", NULL};
    const jinja_node *kids[5] = {NULL};
    bool found, recursive;
    unsigned n_loops = p->n_loops;
    jinja_node *node;
    TRY(parser_advance(p));
    TRY(parser_target(p, true, false, "in", &kids[0]));
    TRY(parser_take_name(p, "in", NULL));
    TRY(parser_tuple(p, false, "recursive", &kids[1]));
    TRY(parser_take_name(p, "if", &found));
    if (found)
        TRY(parser_expression(p, true, &kids[2]));
    TRY(parser_take_name(p, "recursive", &recursive));
    p->n_loops++;
    TRY(parse_body(p, words, &kids[3]));
    p->n_loops = 0; /* else stands outside of the loop, and breaks none */
    found = parser_is_name(&p->token, "else");
    TRY(parser_advance(p));
    if (found)
        TRY(parse_closed(p, "endfor", &kids[4]));
    p->n_loops = n_loops;
    TRY(parser_node_of(p, NODE_FOR, kids[0], 5, kids, &node));
    node->flag = recursive;
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_set(jinja_parser *p, const jinja_node **out)
{
    const jinja_node *kids[3] = {NULL};
    jinja_node *node;
    bool found;
    TRY(parser_advance(p));
    TRY(parser_target(p, true, true, NULL, &kids[0]));
    TRY(parser_take_op(p, '=', &found));
    if (found) {
        TRY(parser_tuple(p, true, NULL, &kids[1]));
        TRY(parser_node_of(p, NODE_SET, kids[0], 2, kids, &node));
    } else {
        TRY(parser_filters(p, false, &kids[2]));
        TRY(parse_closed(p, "endset", &kids[1]));
        TRY(parser_node_of(p, NODE_SET_BLOCK, kids[0], 3, kids, &node));
    }
    *out = node;
    return HEARTH_OK;
}

/* (a, b=1) of a macro or a call block. */
static hearth_status parse_signature(jinja_parser *p, jinja_signature *s)
{
    enum { PARAMETERS_MAX = 64 };
    uint32_t names[PARAMETERS_MAX];
    jinja_nodes defaults = {0};
    TRY(parser_take_op(p, '(', NULL));
    while (!parser_is_op(p, ')')) {
        const jinja_node *value = NULL;
        bool found;
        if (s->n == PARAMETERS_MAX)
            PARSE_FAIL(p, "more than %d parameters", PARAMETERS_MAX);
        TRY(parser_expect_name(p, "a parameter's name", &names[s->n]));
        TRY(parser_take_op(p, '=', &found));
        if (found)
            TRY(parser_expression(p, true, &value));
        else if (s->n > 0 && defaults.items[s->n - 1])
            PARSE_FAIL(p, "a parameter without a default cannot follow one with a default");
        TRY(parser_push(p, &defaults, value));
        s->n++;
        if (!parser_is_op(p, ')'))
            TRY(parser_take_op(p, ',', NULL));
    }
    uint32_t *kept = jinja_arena_alloc(&p->t->arena, s->n * sizeof *kept);
    if (kept == NULL)
        return parser_no_memory(p);
    memcpy(kept, names, s->n * sizeof *kept);
    s->names = kept;
    s->defaults = defaults.items;
    return parser_advance(p);
}

/* A body that is called: what of caller, varargs and kwargs it names belongs to it, and to what
 * stands around it. */
static hearth_status parse_callable(jinja_parser *p, jinja_signature *s, const char *end,
                                    const jinja_node **body)
{
    bool varargs = p->saw_varargs, kwargs = p->saw_kwargs, caller = p->saw_caller;
    unsigned n_loops = p->n_loops;
    p->saw_varargs = p->saw_kwargs = p->saw_caller = false;
    p->n_loops = 0;
    TRY(parse_closed(p, end, body));
    s->takes_varargs = p->saw_varargs;
    s->takes_kwargs = p->saw_kwargs;
    s->takes_caller = p->saw_caller;
    p->saw_varargs |= varargs;
    p->saw_kwargs |= kwargs;
    p->saw_caller |= caller;
    p->n_loops = n_loops;
    return HEARTH_OK;
}

static hearth_status new_signature(jinja_parser *p, jinja_signature **out)
{
    *out = jinja_arena_alloc(&p->t->arena, sizeof **out);
    if (*out == NULL)
        return parser_no_memory(p);
    **out = (jinja_signature){0};
    return HEARTH_OK;
}

static hearth_status parse_macro(jinja_parser *p, const jinja_node **out)
{
    jinja_signature *s;
    const jinja_node *body;
    jinja_node *node;
    uint32_t name;
    TRY(parser_advance(p));
    TRY(new_signature(p, &s));
    TRY(parser_expect_name(p, "the macro's name", &name));
    TRY(parse_signature(p, s));
    TRY(parse_callable(p, s, "endmacro", &body));
    TRY(parser_node_of(p, NODE_MACRO, body, 1, &body, &node));
    node->name = name;
    node->signature = s;
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_call_block(jinja_parser *p, const jinja_node **out)
{
    jinja_signature *s;
    const jinja_node *kids[2];
    jinja_node *node;
    TRY(parser_advance(p));
    TRY(new_signature(p, &s));
    if (parser_is_op(p, '('))
        TRY(parse_signature(p, s));
    TRY(parser_expression(p, true, &kids[0]));
    if (kids[0]->type != NODE_CALL)
        PARSE_FAIL(p, "a call block needs a call of a macro");
    TRY(parse_callable(p, s, "endcall", &kids[1]));
    TRY(parser_node_of(p, NODE_CALL_BLOCK, kids[0], 2, kids, &node));
    node->signature = s;
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_filter_block(jinja_parser *p, const jinja_node **out)
{
    const jinja_node *kids[2] = {NULL};
    jinja_node *node;
    TRY(parser_advance(p));
    TRY(parser_filters(p, true, &kids[0]));
    TRY(parse_closed(p, "endfilter", &kids[1]));
    TRY(parser_node_of(p, NODE_FILTER_BLOCK, kids[0], 2, kids, &node));
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_with(jinja_parser *p, const jinja_node **out)
{
    jinja_nodes list = {0};
    const jinja_node *part;
    jinja_node *node;
    TRY(parser_advance(p));
    TRY(parser_push(p, &list, NULL));
    while (p->token.type != TOKEN_BLOCK_END) {
        if (list.n > 1)
            TRY(parser_take_op(p, ',', NULL));
        TRY(parser_target(p, false, false, NULL, &part));
        TRY(parser_push(p, &list, part));
        TRY(parser_take_op(p, '=', NULL));
        TRY(parser_expression(p, true, &part));
        TRY(parser_push(p, &list, part));
    }
    TRY(parse_closed(p, "endwith", &list.items[0]));
    TRY(parser_node_of(p, NODE_WITH, NULL, list.n, list.items, &node));
    *out = node;
    return HEARTH_OK;
}

/* {% generation %} marks what a model wrote; {% block %} is its body where nothing extends. */
static hearth_status parse_scope(jinja_parser *p, const jinja_node **out)
{
    bool is_block = parser_is_name(&p->token, "block");
    const jinja_node *body;
    jinja_node *node;
    uint32_t name;
    unsigned n_loops = p->n_loops;
    p->n_loops = 0;
    TRY(parser_advance(p));
    if (is_block)
        TRY(parser_expect_name(p, "the block's name", &name));
    TRY(parse_closed(p, is_block ? "endblock" : "endgeneration", &body));
    if (is_block && p->token.type == TOKEN_NAME)
        TRY(parser_advance(p));
    p->n_loops = n_loops;
    TRY(parser_node_of(p, NODE_SCOPE, body, 1, &body, &node));
    *out = node;
    return HEARTH_OK;
}

static hearth_status parse_jump(jinja_parser *p, const jinja_node **out)
{
    jinja_node *node;
    bool is_break = parser_is_name(&p->token, "break");
    if (p->n_loops == 0)
        PARSE_FAIL(p, "'%s' outside of a loop", is_break ? "break" : "continue");
    TRY(parser_node(p, is_break ? NODE_BREAK : NODE_CONTINUE, &node));
    *out = node;
    return parser_advance(p);
}

static hearth_status parse_tag(jinja_parser *p, const jinja_node **out)
{
    static const struct {
        const char *word;
        hearth_status (*parse)(jinja_parser *p, const jinja_node **out);
    } tags[] = {
        {"if", parse_if},       {"for", parse_for},          {"set", parse_set},
        {"macro", parse_macro}, {"call", parse_call_block},  {"filter", parse_filter_block},
        {"with", parse_with},   {"generation", parse_scope}, {"block", parse_scope},
        {"break", parse_jump},  {"continue", parse_jump},
    };
    char what[64];
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (parser_is_name(&p->token, tags[i].word))
            return tags[i].parse(p, out);
    }
    PARSE_FAIL(p, "%s is no tag that chat templates have", parser_describe(p, what, sizeof what));
}

static hearth_status parse_statement(jinja_parser *p, const jinja_node **out)
{
    TRY(parser_enter(p));
    TRY(parse_tag(p, out));
    parser_leave(p);
    return HEARTH_OK;
}

/* ---- the whole ---- */

/* A copy with \r\n and \r as \n, without the one newline at the end. */
static hearth_status copy_source(jinja_parser *p, const char *source, size_t n, const char **out,
                                 size_t *n_out)
{
    char *copy = n <= TEMPLATE_MAX ? jinja_arena_alloc(&p->t->arena, n + 1) : NULL;
    if (n > TEMPLATE_MAX)
        FAIL(p->err, EFORMAT, "chat template", "the template has %zu bytes; %d are the most", n,
             TEMPLATE_MAX);
    if (copy == NULL)
        return error_no_memory(p->err, "the chat template", n);
    if (!utf8_is_valid(source, n))
        FAIL(p->err, EFORMAT, "chat template", "the template is not valid UTF-8");
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r' && i + 1 < n && source[i + 1] == '\n')
            continue;
        copy[used++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (used > 0 && copy[used - 1] == '\n')
        used--;
    copy[used] = '\0';
    *out = copy;
    *n_out = used;
    return HEARTH_OK;
}

static hearth_status parse_all(jinja_parser *p, const char *source, size_t n)
{
    static const char *const no_words[] = {NULL};
    const char *copy = NULL;
    size_t n_copy = 0;
    uint32_t number;
    TRY(copy_source(p, source, n, &copy, &n_copy));
    for (size_t i = 0; i < NAME_KNOWN; i++)
        TRY(parser_name(p, jinja_known_names[i], strlen(jinja_known_names[i]), &number));
    jinja_lexer_init(&p->lexer, copy, n_copy, &p->t->arena, p->err);
    TRY(jinja_lexer_next(&p->lexer, &p->ahead));
    TRY(parser_advance(p));
    return parse_until(p, no_words, &p->t->root);
}

hearth_status jinja_parse(jinja_template *t, const char *source, size_t n, hearth_error *err)
{
    *t = (jinja_template){0};
    jinja_arena_init(&t->arena, ARENA_MAX);
    jinja_parser p = {.t = t, .err = err};
    hearth_status status = parse_all(&p, source, n);
    mem_free(p.slots);
    if (status != HEARTH_OK)
        jinja_template_deinit(t);
    return status;
}

void jinja_template_deinit(jinja_template *t)
{
    jinja_arena_deinit(&t->arena);
    *t = (jinja_template){0};
}
