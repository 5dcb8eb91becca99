/* SPDX-License-Identifier: MIT
 *
 * schema_raw.h - the strings of a schema as they are, without quotes and escapes: for notations
 * that write a text up to a mark.
 */
#ifndef HEARTH_GRAMMAR_SCHEMA_RAW_H
#define HEARTH_GRAMMAR_SCHEMA_RAW_H

#include <stdbool.h>

#include <hearth/status.h>

#include "base/buf.h"

typedef struct schema_raw {
    const char *schema; /* JSON text */
    const char *name;   /* of the rule */
    const char *mark;   /* not empty: is in none of the strings */
    bool plain;         /* none that could be read as a number, a list or another literal */
} schema_raw;

/* Appends the rule NAME and rules NAME-...: every string that fits. *any false: none does, and
 * nothing is appended. Errors as hearth_grammar_from_schema. */
hearth_status schema_raw_strings(const schema_raw *raw, buf *rules, bool *any, hearth_error *err);

#endif
