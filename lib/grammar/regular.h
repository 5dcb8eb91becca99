/* SPDX-License-Identifier: MIT
 *
 * regular.h - sets of texts that a regular expression describes, as finite automata over
 * characters.
 *
 * What     Made from an expression; two can be cut with each other, or one out of the other; and
 *          the result be written as GBNF. So a schema's pattern, format, length and excluded names
 *          become one grammar in which nothing has to be taken back.
 * Form     State 0 is the start. From every state a way leads to a text of the set, but for state 0
 *          of the empty set. Edges of a state ascend and do not overlap.
 * Syntax   ECMAScript, where each \u is a character (flag u): alternatives, groups, classes,
 *          \d \D \w \W \s \S, quantifiers (lazy ones too), ^ and $. Look-around, references back,
 *          word boundaries, \p and flags are refused by name.
 * Threads  Immutable.
 */
#ifndef HEARTH_GRAMMAR_REGULAR_H
#define HEARTH_GRAMMAR_REGULAR_H

#include "grammar/grammar.h"

enum {
    REGULAR_STATES_MAX = 10000,
    REGULAR_NODES_MAX = 60000, /* of an expression with its repetitions written out */
    REGULAR_WORK_MAX = 40000000
};

typedef struct regular_edge {
    uint32_t low, high, to;
} regular_edge;

typedef struct regular {
    uint32_t *first; /* n_states + 1: the edges of each state */
    regular_edge *edges;
    uint8_t *accepts;
    size_t n_states;
} regular;

typedef enum regular_mode {
    REGULAR_WHOLE, /* the whole text matches */
    REGULAR_SEARCH /* a part of it does, as "pattern" means it */
} regular_mode;

hearth_status regular_from_regex(regular **out, const char *pattern, size_t n, regular_mode mode,
                                 hearth_error *err);
void regular_free(regular *r);

/* Texts of a that are in b, or with `except` that are not in b. */
hearth_status regular_combine(regular **out, const regular *a, const regular *b, bool except,
                              hearth_error *err);

bool regular_is_empty(const regular *r);
bool regular_matches(const regular *r, const char *text, size_t n);

/* Appends rules NAME-0, NAME-1 .. of which the first is the whole. json: as it stands between the
 * quotes of a JSON string. */
hearth_status regular_write(const regular *r, const char *name, bool json, buf *out,
                            hearth_error *err);

/* ---- the expression itself, for regular.c ---- */

typedef enum regex_kind {
    REGEX_CLASS,    /* ranges a..a+b */
    REGEX_SEQUENCE, /* children: a the last, then by `before` */
    REGEX_CHOICE,   /* the same */
    REGEX_REPEAT,   /* child a, b to max times, UINT32_MAX without end */
    REGEX_START,    /* ^ */
    REGEX_END       /* $ */
} regex_kind;

typedef struct regex_item {
    regex_kind kind;
    uint32_t a, b, max, before;
} regex_item;

enum { REGEX_NONE = UINT32_MAX, REGEX_DEPTH_MAX = 100, REGEX_REPEAT_MAX = 10000 };

typedef struct regex {
    buf items;  /* regex_item */
    buf ranges; /* code_range */
    uint32_t root;
} regex;

hearth_status regex_parse(regex *r, const char *pattern, size_t n, hearth_error *err);
void regex_deinit(regex *r);

#endif
