/* SPDX-License-Identifier: MIT
 *
 * format_params.h - parameters that stand one by one, in tags or as pairs, as GBNF.
 */
#ifndef HEARTH_CHAT_FORMAT_PARAMS_H
#define HEARTH_CHAT_FORMAT_PARAMS_H

#include "chat/format_gbnf.h"
#include "chat/tool_list.h"
#include "chat/tool_shape.h"

enum { RULE_BYTES = 48 };

/* What a call of tool t has between its name and its end (kinds XML and PAIRS). */
void format_put_params(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t);

/* The rules that it names. */
hearth_status format_put_param_rules(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t,
                                     hearth_error *err);

/* format_marked.c: the rule NAME of a value in braces, whose strings stand between the quote and
 * whose keys stand alone. EUNSUPPORTED for what this notation cannot hold to. */
hearth_status format_put_marked(gbnf *g, const char *quote, const char *name, const json_t *schema,
                                const json_t *root, hearth_error *err);

/* Whether any string will do. */
bool format_is_any_string(const json_t *schema);

#endif
