/* SPDX-License-Identifier: MIT
 *
 * format_gbnf.h - pieces of GBNF: literals, "text up to a mark", whole grammars, and JSON values
 * by schema.
 *
 * A writer collects rules. Out of memory is remembered (`failed`) and asked for once at the end.
 */
#ifndef HEARTH_CHAT_FORMAT_GBNF_H
#define HEARTH_CHAT_FORMAT_GBNF_H

#include <stdbool.h>

#include <jansson.h>

#include <hearth/status.h>

#include "base/buf.h"

typedef struct gbnf {
    buf rules; /* whole lines */
    bool failed;
} gbnf;

void gbnf_init(gbnf *g);
void gbnf_deinit(gbnf *g);

/* Appends text of the grammar as it is, or one literal that stands for text[0..n) ("" gives none).
 */
void gbnf_put(gbnf *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gbnf_literal(gbnf *g, const char *text, size_t n);
void gbnf_text(gbnf *g, const char *text);

/* Of a mark: where it begins behind blanks, and its length without blanks at its end. */
const char *gbnf_trim_start(const char *text);
size_t gbnf_trim_end(const char *text);

/* The rules NAME-0, NAME-1, ...: NAME-0 is any text up to and with the first of the mark, which is
 * valid UTF-8 and not empty. */
void gbnf_until(gbnf *g, const char *name, const char *mark, size_t n);

/* A grammar of its own becomes rules of this one: its root is NAME, any other rule R is NAME-R. */
void gbnf_embed(gbnf *g, const char *name, const char *grammar);

/* The rules of a JSON value that follows the schema (NULL: any object), with NAME as the first. The
 * schema is part of root, which may define what it refers to. */
hearth_status gbnf_schema(gbnf *g, const char *name, const json_t *schema, const json_t *root,
                          hearth_error *err);

/* NAME: the strings that follow the schema, as they are, without the end mark; plain: none that
 * reads like a literal. *any false: there is none, nor a rule. */
hearth_status gbnf_raw_strings(gbnf *g, const char *name, const json_t *schema, const json_t *root,
                               const char *end, bool plain, bool *any, hearth_error *err);

#endif
