/* SPDX-License-Identifier: MIT
 *
 * grammar.h - a compiled grammar: rules as small graphs over bytes.
 *
 * What     Every rule is a graph of nodes. A node takes one byte of a range, goes two ways at once,
 *          calls a rule, takes a whole token, or ends its rule. Characters are UTF-8 already here:
 *          a character class is a rule of its own, made once, and used by a call.
 *
 *            root ::= "a" [b-d]*      0: byte 'a'..'a' -> 1
 *                                     1: split -> 2, 3
 *                                     2: call class [b-d], then 1
 *                                     3: end of root
 *
 * Holds    No rule calls itself before it has taken a byte or a token (left recursion), so that
 *          following the graph from any node needs a bounded number of calls.
 */
#ifndef HEARTH_GRAMMAR_GRAMMAR_H
#define HEARTH_GRAMMAR_GRAMMAR_H

#include <stdatomic.h>

#include <hearth/grammar.h>

#include "base/buf.h"
#include "base/status.h"

enum {
    GRAMMAR_TEXT_MAX = 16 << 20, /* bytes of GBNF */
    GRAMMAR_NODES_MAX = 1 << 20, /* of all rules, with every repetition written out */
    GRAMMAR_REPEAT_MAX = 100000, /* the largest count in {m,n} */
    GRAMMAR_DEPTH_MAX = 200      /* groups within groups */
};

typedef enum grammar_node_kind {
    NODE_RANGE, /* a byte from a to b, then next */
    NODE_SPLIT, /* next and a, both */
    NODE_CALL,  /* rule a, then next */
    NODE_TOKEN, /* the token of reference a, or if b any but it, then next */
    NODE_END    /* of rule a */
} grammar_node_kind;

typedef struct grammar_node {
    uint32_t next;
    uint32_t a;
    uint8_t b;
    uint8_t kind;
} grammar_node;

/* A token that the grammar names: by id, or if the text is not NULL by its spelling. */
typedef struct grammar_token {
    int32_t id;
    char *text;
    uint32_t line, column;
} grammar_token;

struct hearth_grammar {
    atomic_uint n_refs;
    grammar_node *nodes;
    size_t n_nodes;
    uint32_t *starts; /* first node of each rule */
    size_t n_rules;
    uint32_t root; /* a rule */
    grammar_token *tokens;
    size_t n_tokens;
    char *gbnf;
};

/* ---- character classes ---- */

typedef struct code_range {
    uint32_t low, high; /* both included */
} code_range;

/* Sorts the ranges, joins those that touch and drops the surrogates. Returns how many are left. */
size_t code_ranges_normalize(code_range *ranges, size_t n);
/* What normalized ranges leave out, written to out (room for n + 2). */
size_t code_ranges_negate(const code_range *ranges, size_t n, code_range *out);

/* One way to spell a range of characters in UTF-8: n bytes, each out of a range. */
typedef struct utf8_span {
    uint8_t low[4], high[4];
    int n;
} utf8_span;
/* Splits low..high into spans. At most UTF8_SPANS_MAX. */
enum { UTF8_SPANS_MAX = 24 };
size_t utf8_spans(uint32_t low, uint32_t high, utf8_span spans[UTF8_SPANS_MAX]);

/* ---- checks of a compiled grammar (grammar_check.c) ---- */

/* A rule that calls itself before it has taken anything (left recursion); n_rules if none does. */
hearth_status grammar_find_recursion(const hearth_grammar *g, uint32_t *rule, hearth_error *err);
/* Whether the root has an end that can be reached at all. */
hearth_status grammar_can_end(const hearth_grammar *g, bool *can_end, hearth_error *err);

#endif
