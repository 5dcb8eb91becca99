/* SPDX-License-Identifier: MIT
 *
 * chat_matcher.c - what an answer in a chat's format must look like, as the matcher that the engine
 * samples under.
 *
 * A grammar holds for the answer proper: where the model thinks before it, the thoughts stand in
 * front, free up to the tag that ends them. Calls of tools have the grammar of the format, which
 * begins where a call does. With both, the answer is one or the other from its first byte:
 *
 *     hearth-answer ::= root | hearth-thoughts-0 hearth-blanks hearth-given
 *
 * where `root` is the calls', with the thoughts that they have in front, and `hearth-given` the
 * caller's.
 */
#include <string.h>

#include <hearth/answer.h>

#include "base/mem.h"
#include "base/status.h"
#include "chat/format_gbnf.h"

/* ---- the grammar of a whole answer ---- */

/* Without the blanks around it: *n bytes, perhaps none. */
static const char *trim_tag(const char *text, size_t *n)
{
    const char *blanks = " \t\r\n";
    *n = 0;
    if (text == NULL)
        return "";
    text += strspn(text, blanks);
    *n = strlen(text);
    while (*n > 0 && strchr(blanks, text[*n - 1]))
        --*n;
    return text;
}

/* What stands before the answer proper in the rule of the answer, and the rules that needs. */
static void put_thoughts(gbnf *g, const hearth_chat_format *format, const char *calls)
{
    size_t n_begin, n_end;
    const char *begin = trim_tag(hearth_chat_format_reasoning_begin(format), &n_begin);
    const char *end = trim_tag(hearth_chat_format_reasoning_end(format), &n_end);
    bool is_open = hearth_chat_format_reasoning_open(format);
    bool thinks = n_end > 0 && (is_open || n_begin > 0);
    if (thinks) {
        gbnf_put(g, "hearth-blanks ::= [ \\t\\r\\n]{0,4}\n");
        gbnf_until(g, "hearth-thoughts", end, n_end);
    }
    gbnf_put(g, "hearth-answer ::=%s", calls ? " root |" : "");
    if (thinks && is_open) {
        gbnf_put(g, " hearth-thoughts-0 hearth-blanks");
    } else if (thinks) {
        gbnf_put(g, " (hearth-blanks");
        gbnf_literal(g, begin, n_begin);
        gbnf_put(g, " hearth-thoughts-0 hearth-blanks)?");
    }
}

static hearth_status make_grammar(hearth_grammar **out, const hearth_chat_format *format,
                                  hearth_grammar *given, hearth_error *err)
{
    const char *calls = hearth_chat_format_grammar(format);
    if (given == NULL)
        return calls ? hearth_grammar_from_gbnf(out, calls, NULL, err) : HEARTH_OK;
    gbnf g;
    gbnf_init(&g);
    gbnf_put(&g, "%s\n", calls ? calls : "");
    gbnf_embed(&g, "hearth-given", hearth_grammar_to_gbnf(given));
    put_thoughts(&g, format, calls);
    gbnf_put(&g, " hearth-given\n");
    hearth_status status = g.failed
                               ? error_no_memory(err, "the grammar", g.rules.n)
                               : hearth_grammar_from_gbnf(out, g.rules.data, "hearth-answer", err);
    gbnf_deinit(&g);
    return status;
}

/* ---- control tokens that a format writes its tags with ---- */

/* The token that is the whole of a tag, or -1. */
static hearth_status control_token(const hearth_model *model, const char *tag, size_t n_tag,
                                   int32_t *out, hearth_error *err)
{
    int32_t *tokens = NULL;
    size_t n = 0;
    TRY(hearth_tokenize(model, tag, n_tag, HEARTH_TOKENIZE_PARSE_SPECIAL, &tokens, &n, err));
    *out = n == 1 && hearth_token_is_control(model, tokens[0]) ? tokens[0] : -1;
    hearth_free(tokens);
    return HEARTH_OK;
}

typedef struct matcher_parts {
    hearth_trigger *triggers;
    int32_t *preserved;
    size_t n_triggers, n_preserved;
} matcher_parts;

static hearth_status preserve_tags(matcher_parts *p, const hearth_model *model,
                                   const hearth_chat_format *format, hearth_error *err)
{
    size_t n = hearth_chat_format_n_tags(format);
    p->preserved = mem_calloc(n + 2, sizeof *p->preserved);
    if (p->preserved == NULL)
        return error_no_memory(err, "the tags", n * sizeof *p->preserved);
    for (size_t i = 0; i < n + 2; i++) {
        const char *tag = i < n    ? hearth_chat_format_tag(format, i)
                          : i == n ? hearth_chat_format_reasoning_begin(format)
                                   : hearth_chat_format_reasoning_end(format);
        size_t n_tag;
        int32_t token = -1;
        tag = trim_tag(tag, &n_tag);
        if (n_tag > 0)
            TRY(control_token(model, tag, n_tag, &token, err));
        if (token >= 0)
            p->preserved[p->n_preserved++] = token;
    }
    return HEARTH_OK;
}

static hearth_status read_triggers(matcher_parts *p, const hearth_chat_format *format,
                                   hearth_error *err)
{
    size_t n = hearth_chat_format_n_triggers(format);
    p->triggers = mem_calloc(n, sizeof *p->triggers);
    if (p->triggers == NULL)
        return error_no_memory(err, "the triggers", n * sizeof *p->triggers);
    for (size_t i = 0; i < n; i++) {
        bool is_pattern = false;
        const char *text = hearth_chat_format_trigger(format, i, &is_pattern);
        p->triggers[i] =
            (hearth_trigger){is_pattern ? HEARTH_TRIGGER_PATTERN : HEARTH_TRIGGER_WORD, text, 0};
    }
    p->n_triggers = n;
    return HEARTH_OK;
}

/* ---- together ---- */

hearth_status hearth_chat_format_matcher(const hearth_chat_format *format,
                                         const hearth_model *model, hearth_grammar *given,
                                         hearth_matcher **out, hearth_error *err)
{
    hearth_matcher_options o;
    hearth_grammar *grammar = NULL;
    matcher_parts parts = {0};
    hearth_status status = HEARTH_OK;
    *out = NULL;
    hearth_matcher_options_init(&o);
    if (given && hearth_chat_format_n_triggers(format) > 0)
        FAIL(err, EINVAL, "choice",
             "a format whose calls may begin anywhere has no place for another grammar; make it "
             "with HEARTH_TOOL_REQUIRED: the answer is a call or what the grammar says then");
    TRY_OUT(make_grammar(&grammar, format, given, err));
    if (grammar == NULL)
        goto out;
    TRY_OUT(preserve_tags(&parts, model, format, err));
    TRY_OUT(read_triggers(&parts, format, err));
    o.triggers = parts.triggers;
    o.n_triggers = parts.n_triggers;
    o.preserved = parts.preserved;
    o.n_preserved = parts.n_preserved;
    status = hearth_matcher_new(out, grammar, model, &o, err);
out:
    hearth_grammar_unref(grammar);
    mem_free(parts.triggers);
    mem_free(parts.preserved);
    return status;
}
