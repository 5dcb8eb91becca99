/* SPDX-License-Identifier: MIT
 *
 * gbnf_parser.h - the text of a grammar as a tree of items, between gbnf_parse.c, which makes it,
 * and gbnf.c, which compiles it.
 */
#ifndef HEARTH_GRAMMAR_GBNF_PARSER_H
#define HEARTH_GRAMMAR_GBNF_PARSER_H

#include "base/buf.h"
#include "grammar/cursor.h"
#include "grammar/grammar.h"
#include "token/text_hash.h"

typedef enum gbnf_item_kind {
    ITEM_TEXT,     /* bytes a..a+b of the pool */
    ITEM_CLASS,    /* class a */
    ITEM_RULE,     /* symbol a */
    ITEM_TOKEN,    /* token a; b: any but it */
    ITEM_SEQUENCE, /* children, the last one first: a, then by `before` */
    ITEM_CHOICE,   /* the same, of sequences */
    ITEM_REPEAT    /* child a, b to max times */
} gbnf_item_kind;

enum { NO_ITEM = UINT32_MAX, NO_MAX = UINT32_MAX };

typedef struct gbnf_item {
    gbnf_item_kind kind;
    uint32_t a, b, max;
    uint32_t before; /* the sibling in front */
} gbnf_item;

typedef struct gbnf_symbol {
    const char *name; /* in the text */
    uint32_t n_name;
    uint32_t item; /* its choice; NO_ITEM: not defined */
    const char *used;
} gbnf_symbol;

typedef struct gbnf_class {
    uint32_t first, n; /* ranges */
} gbnf_class;

typedef struct gbnf_parser {
    cursor in;
    buf items, symbols, classes, ranges, bytes, tokens; /* arrays of the types above */
    id_table symbol_ids, class_ids;
    int depth;
    hearth_error *err;
} gbnf_parser;

#define AT(array, type, i) (((type *)(void *)(array)->data)[i])
#define COUNT(array, type) ((array)->n / sizeof(type))

hearth_status gbnf_parser_init(gbnf_parser *p, const char *text, size_t n, hearth_error *err);
void gbnf_parser_deinit(gbnf_parser *p); /* also after a failed init */

/* All rules; each that is called is there. */
hearth_status gbnf_parser_read(gbnf_parser *p);

/* The symbol of that name, made if it is not there. */
hearth_status gbnf_parser_symbol(gbnf_parser *p, const char *name, size_t n, uint32_t *id);

/* EINVAL, with line and column of `at`. */
hearth_status gbnf_parser_refuse(const gbnf_parser *p, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
hearth_status gbnf_parser_no_memory(const gbnf_parser *p);

#endif
