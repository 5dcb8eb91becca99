/* SPDX-License-Identifier: MIT
 *
 * constraint.c - see constraint.h.
 */
#include "worker/constraint.h"

#include <stdlib.h>

#include <hearth/answer.h>

#include "base/status.h"

/* ---- the grammar of a request ---- */

static hearth_status of_request(const request_options *o, hearth_grammar **out, hearth_error *err)
{
    *out = NULL;
    switch (o->constraint) {
    case CONSTRAINT_NONE:
        return HEARTH_OK;
    case CONSTRAINT_GRAMMAR:
        return hearth_grammar_from_gbnf(out, o->grammar, NULL, err);
    case CONSTRAINT_JSON_OBJECT:
        return hearth_grammar_from_schema(out, "{\"type\":\"object\"}", err);
    case CONSTRAINT_JSON_SCHEMA:
        break;
    }
    char *text = json_dumps(o->schema, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return error_no_memory(err, "the JSON schema", 1);
    hearth_status status = hearth_grammar_from_schema(out, text, err);
    free(text);
    return status;
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
