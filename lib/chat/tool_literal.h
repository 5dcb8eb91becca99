/* SPDX-License-Identifier: MIT
 *
 * tool_literal.h - values as models write them outside of JSON: Python's literals, and Gemma's
 * braces with bare keys and strings between marks of their own.
 *
 * One reader takes all of them, since none contradicts another: strings in ' or " or a style's own
 * quote, keys with or without quotes, True/true, None/null, tuples as lists.
 */
#ifndef HEARTH_CHAT_TOOL_LITERAL_H
#define HEARTH_CHAT_TOOL_LITERAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { TOOL_LITERAL_DEPTH = 64 };

/* Appends text[0..n) as JSON to out. quote: the style's own, or "". False, with out unchanged, if
 * it is no literal; out of memory counts as that and sets *nomem. */
bool tool_literal_copy(buf *out, const char *text, size_t n, const char *quote, bool *nomem);

/* Looks for the ',' or closing bracket that ends a literal, as text arrives. */
typedef struct tool_scan {
    size_t at; /* where to go on */
    size_t depth;
    char string; /* the quote that is open, 'q' for the style's own, or 0 */
    bool escape;
} tool_scan;

/* True: text[scan->at] ends the value. False: there is no end yet. */
bool tool_scan_end(tool_scan *scan, const char *text, size_t n, const char *quote);

#endif
