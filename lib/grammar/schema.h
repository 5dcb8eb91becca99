/* SPDX-License-Identifier: MIT
 *
 * schema.h - the parts of the way from a JSON Schema to GBNF.
 *
 *   schema.c         the rules of arrays, of alternatives and of the whole
 *   schema_object.c  the rules of objects
 *   schema_unique.c  arrays whose items all differ
 *   schema_text.c    the rules of strings and numbers
 *   schema_flat.c    keywords checked, $ref followed: one flat schema
 *   schema_merge.c   two flat schemas as one: allOf, and what stands beside $ref
 *   schema_check.c   whether a value fits a schema, and whether two schemas exclude each other
 *
 * Flat     A flat schema is a JSON object of keywords that all hold at once: no $ref, no allOf, no
 *          const. "type" is an integer of TYPE_ bits; enum, pattern, format and multipleOf are
 *          arrays whose entries all hold (enum: one list); "groups" is an array of {"of": [..],
 *          "one": bool} for the anyOf and oneOf that hold too. Schemas inside stay as they were
 *          written. A schema that nothing fits is NULL (and no error).
 * Sound    Whatever the grammar lets through fits the schema. It may let through less: properties
 *          come in the order in which they are declared, numbers and escapes have one spelling.
 * Memory   jansson's own; a failed allocation is noted in `failed` and is an error at the end.
 */
#ifndef HEARTH_GRAMMAR_SCHEMA_H
#define HEARTH_GRAMMAR_SCHEMA_H

#include <jansson.h>

#include "grammar/gbnf.h"
#include "grammar/regular.h"

enum {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_FRACTION = 8, /* with TYPE_INTEGER: "number" */
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64,
    TYPE_ALL = 127
};

enum {
    SCHEMA_TEXT_MAX = 4 << 20,
    SCHEMA_DEPTH_MAX = 100,
    SCHEMA_RULES_MAX = 100000,
    SCHEMA_CHOICES_MAX = 10000, /* of an enum, an anyOf */
    SCHEMA_WORK_MAX = 200000    /* schemas looked at, all together */
};

/* The schemas that are being flattened, each because the one above it refers to it. */
typedef struct schema_chain {
    const json_t *source;
    const struct schema_chain *up;
} schema_chain;

typedef struct schema {
    const json_t *root;
    const schema_chain *chain;
    buf path;      /* the JSON pointer of the schema being looked at */
    buf rules;     /* GBNF so far */
    json_t *names; /* rule name by flat schema, as text */
    size_t n_rules;
    unsigned helpers; /* HELPER_ bits of the shared rules that are used */
    int depth;
    int work;
    bool failed; /* out of memory */
    hearth_error *err;
} schema;

/* ---- places and errors ---- */

/* Goes one step down in the path; schema_up with what it returned goes back. */
size_t schema_down(schema *s, const char *key);
size_t schema_down_index(schema *s, const char *key, size_t index);
void schema_up(schema *s, size_t mark);

hearth_status schema_refuse(schema *s, hearth_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
hearth_status schema_no_memory(schema *s);
/* Counts a step of work and a level of depth; schema_leave takes the level back. */
hearth_status schema_enter(schema *s);
void schema_leave(schema *s);

/* ---- flat schemas (schema_flat.c, schema_merge.c) ---- */

/* jansson's own, with what fails noted; value is taken. */
void schema_put(schema *s, json_t *object, const char *key, json_t *value);
void schema_add(schema *s, json_t *array, json_t *value);

/* *flat is a new reference, or NULL if nothing fits. */
hearth_status schema_flatten(schema *s, const json_t *source, json_t **flat);
/* Both at once, as flat schemas; a is taken (NULL stays NULL). */
hearth_status schema_merge(schema *s, json_t *a, const json_t *b, json_t **flat);
/* Leaves what flat's enum, if it has one, shares with the list b. */
void schema_merge_enum(schema *s, json_t *flat, const json_t *b);
int schema_types(const json_t *flat);
/* Two numbers, exactly: negative, 0, positive. */
int schema_compare(const json_t *a, const json_t *b);
/* {"allOf": [a, b]}, or the one that is not NULL; a new reference. */
json_t *schema_both(schema *s, const json_t *a, const json_t *b);

/* ---- rules ---- */

enum {
    HELPER_SPACE = 1,
    HELPER_CHAR = 2,
    HELPER_STRING = 4,
    HELPER_NUMBER = 8,
    HELPER_INTEGER = 16,
    HELPER_VALUE = 32 /* any value, and so all of the above */
};

/* The rule of a schema, made if there is none yet. name: room for SCHEMA_NAME. name[0] is 0 if
 * nothing fits. */
enum { SCHEMA_NAME = 64 };
hearth_status schema_rule(schema *s, const json_t *source, char name[SCHEMA_NAME]);
void schema_new_name(schema *s, char name[SCHEMA_NAME]);
/* The name of a shared rule, which is thereby used. */
const char *schema_helper(schema *s, unsigned helper);

/* Each writes what stands behind NAME ::= for one type of a flat schema, other rules to s->rules,
 * and leaves *possible false if nothing fits. */
hearth_status schema_write_string(schema *s, const json_t *flat, buf *out, bool *possible);
hearth_status schema_write_number(schema *s, const json_t *flat, buf *out, bool *possible);
hearth_status schema_write_object(schema *s, const json_t *flat, buf *out, bool *possible);
/* A text as a GBNF literal. */
bool schema_write_literal(const char *text, size_t n, buf *out);

/* The texts of the strings of a flat schema; *r is NULL where only the length is limited. */
hearth_status schema_strings(schema *s, const json_t *flat, regular **r);
/* Appends a text as a regular expression that matches it alone. */
bool schema_quote(const char *text, size_t n, buf *out);
/* A value as text, numbers as short as they can be. */
bool schema_write_value(const json_t *value, buf *out);
/* What stands between the brackets of an array of min to max items of flat's `items`, no two of
 * which are equal: items must be an enum of few values. */
hearth_status schema_write_unique(schema *s, const json_t *flat, uint32_t min, uint32_t max,
                                  buf *out, bool *possible);
/* Whole, not negative; `otherwise` if absent. */
hearth_status schema_count(schema *s, const json_t *flat, const char *key, uint32_t otherwise,
                           uint32_t *value);
/* Which numbers two flat schemas share: false if surely none. */
bool schema_numbers_meet(const json_t *a, const json_t *b);

/* ---- checks (schema_check.c) ---- */

hearth_status schema_fits(schema *s, const json_t *source, const json_t *value, bool *fits);
bool schema_all_differ(const json_t *list);
/* Whether nothing that is written for one can fit the other. False: not shown. */
hearth_status schema_exclusive(schema *s, const json_t *a, const json_t *b, bool *exclusive);

#endif
