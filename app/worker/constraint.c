/* SPDX-License-Identifier: MIT
 *
 * constraint.c - see constraint.h.
 */
#include "worker/constraint.h"

#include <stdlib.h>

#include <hearth/answer.h>

#include "base/place.h"

/* ---- the grammar of a request ---- */

static hearth_status of_schema(const json_t *schema, hearth_grammar **out, hearth_error *err)
{
    char *text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return error_no_memory(err, "the JSON schema", 1);
    hearth_status status = hearth_grammar_from_schema(out, text, err);
    free(text);
    return status;
}

/* Errors name the field that says so; what cannot be enforced is the client's mistake (400). */
static hearth_status of_request(const request_options *o, hearth_grammar **out, hearth_error *err)
{
    hearth_error inner = {0};
    hearth_status status = HEARTH_OK;
    const char *at = o->constraint_at;
    *out = NULL;
    switch (o->constraint) {
    case CONSTRAINT_NONE:
        return HEARTH_OK;
    case CONSTRAINT_GRAMMAR: /* which has its name in front of line and column */
        status = hearth_grammar_from_gbnf(out, o->grammar, NULL, &inner);
        return status == HEARTH_OK ? status : error_set(err, status, at, "%s", inner.message);
    case CONSTRAINT_JSON_OBJECT:
        return hearth_grammar_from_schema(out, "{\"type\":\"object\"}", err);
    case CONSTRAINT_JSON_SCHEMA:
        status = of_schema(o->schema, out, &inner);
        break;
    case CONSTRAINT_REGEX:
        status = hearth_grammar_from_regex(out, o->grammar, &inner);
        break;
    }
    return status == HEARTH_OK ? status : place_error(err, HEARTH_EINVAL, at, &inner);
}

/* ---- together ---- */

static bool must_call(const request *r)
{
    return r->chat.choice == TOOL_CHOICE_REQUIRED || r->chat.choice == TOOL_CHOICE_NAMED;
}

hearth_status constraint_matcher(const request *r, const hearth_model *model,
                                 const hearth_chat_format *format, hearth_matcher **out,
                                 hearth_error *err)
{
    hearth_grammar *grammar = NULL;
    hearth_status status = HEARTH_OK;
    *out = NULL;
    if (!must_call(r))
        TRY_OUT(of_request(&r->options, &grammar, err));
    if (format)
        status = hearth_chat_format_matcher(format, model, grammar, out, err);
    else if (grammar)
        status = hearth_matcher_new(out, grammar, model, NULL, err);
out:
    hearth_grammar_unref(grammar);
    return status;
}
