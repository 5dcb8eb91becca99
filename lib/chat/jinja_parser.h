/* SPDX-License-Identifier: MIT
 *
 * jinja_parser.h - what the two halves of the parser share: statements (jinja_parser.c) and
 * expressions (jinja_expression.c). The parser sees one token and the one after it.
 */
#ifndef HEARTH_CHAT_JINJA_PARSER_H
#define HEARTH_CHAT_JINJA_PARSER_H

#include "chat/jinja_ast.h"
#include "chat/jinja_lexer.h"

typedef struct jinja_parser {
    jinja_template *t;
    jinja_lexer lexer;
    jinja_token token, ahead;
    uint32_t *slots; /* hash table of names: number + 1 */
    uint32_t n_slots;
    uint32_t names_capacity;
    unsigned depth, n_loops;
    bool saw_varargs, saw_kwargs, saw_caller; /* names that were read since these were cleared */
    hearth_error *err;
} jinja_parser;

/* A growing list of nodes; moves to the arena when it is done. */
typedef struct jinja_nodes {
    const jinja_node **items;
    size_t n, capacity;
} jinja_nodes;

#define PARSE_FAIL(p, ...)                                                                         \
    return jinja_syntax_error((p)->err, (p)->token.line, (p)->token.column, __VA_ARGS__)

hearth_status parser_no_memory(jinja_parser *p);
hearth_status parser_advance(jinja_parser *p);
hearth_status parser_node(jinja_parser *p, jinja_node_type type, jinja_node **out);
/* A node of that type with up to four kids, placed where `at` is (NULL: at the token). */
hearth_status parser_node_of(jinja_parser *p, jinja_node_type type, const jinja_node *at, size_t n,
                             const jinja_node *const *kids, jinja_node **out);
hearth_status parser_push(jinja_parser *p, jinja_nodes *list, const jinja_node *node);
hearth_status parser_name(jinja_parser *p, const char *text, size_t n, uint32_t *out);
hearth_status parser_string(jinja_parser *p, const char *text, size_t n, const jinja_string **out);
/* Counts a level of nesting; leave() it on success. */
hearth_status parser_enter(jinja_parser *p);
void parser_leave(jinja_parser *p);

bool parser_is_op(const jinja_parser *p, uint16_t op);
bool parser_is_name(const jinja_token *token, const char *name);
/* Steps over the token if it is that; *found may be NULL where it must be there. */
hearth_status parser_take_op(jinja_parser *p, uint16_t op, bool *found);
hearth_status parser_take_name(jinja_parser *p, const char *name, bool *found);
/* The token, which must be a name, as a number. */
hearth_status parser_expect_name(jinja_parser *p, const char *what, uint32_t *out);
/* What the token is, for messages. */
const char *parser_describe(const jinja_parser *p, char *out, size_t n_out);

hearth_status parser_expression(jinja_parser *p, bool condition, const jinja_node **out);
/* An expression, or several with commas between: a tuple. until: a word that ends it, or NULL. */
hearth_status parser_tuple(jinja_parser *p, bool condition, const char *until,
                           const jinja_node **out);
/* Filters behind *node, which is NULL where a block's text goes in. named: the first has no bar. */
hearth_status parser_filters(jinja_parser *p, bool named, const jinja_node **node);
hearth_status parser_target(jinja_parser *p, bool tuple, bool attribute, const char *until,
                            const jinja_node **out);

#endif
