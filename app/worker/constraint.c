/* SPDX-License-Identifier: MIT
 *
 * constraint.c - see constraint.h.
 */
#include "worker/constraint.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"

enum { TAG_MAX = 64 };

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

/* ---- thoughts in front ---- */

static bool write_char(buf *out, char c)
{
    return buf_append_format(out, "\\x%02X", (unsigned)(unsigned char)c);
}

/* How much of the tag's beginning the text still has after `n` characters of it and then c. */
static size_t next_state(const char *tag, size_t n, char c)
{
    char text[TAG_MAX + 1];
    memcpy(text, tag, n);
    text[n] = c;
    size_t keep = n + 1;
    while (keep > 0 && memcmp(tag, text + n + 1 - keep, keep) != 0)
        keep--;
    return keep;
}

/* The rule for a text that ends in the first n characters of the tag: one alternative for each
 * character that leads to another beginning of the tag, one for all the rest. */
static bool write_state(const char *name, const char *tag, size_t n, buf *out)
{
    bool ok = buf_append_format(out, "%s-%zu ::= ", name, n);
    char seen[TAG_MAX + 1] = "";
    size_t n_seen = 0, n_tag = strlen(tag);
    for (size_t i = 0; i < n_tag && i <= n; i++) {
        char c = tag[i];
        size_t to = memchr(seen, c, n_seen) ? 0 : next_state(tag, n, c);
        if (to == 0)
            continue;
        seen[n_seen++] = c;
        ok = ok && buf_append_text(out, "\"") && write_char(out, c) && buf_append_text(out, "\"");
        if (to < n_tag)
            ok = ok && buf_append_format(out, " %s-%zu", name, to);
        ok = ok && buf_append_text(out, " | ");
    }
    ok = ok && buf_append_text(out, "[^");
    for (size_t i = 0; i < n_seen; i++)
        ok = ok && write_char(out, seen[i]);
    return ok && buf_append_format(out, "] %s-0\n", name);
}

bool constraint_write_until(const char *name, const char *tag, buf *out)
{
    bool ok = buf_append_format(out, "%s ::= %s-0\n", name, name);
    for (size_t n = 0; ok && n < strlen(tag); n++)
        ok = write_state(name, tag, n, out);
    return ok;
}

/* Without the blanks around it. False if that is no tag. */
static bool trim_tag(const char *text, char out[TAG_MAX])
{
    const char *blanks = " \t\r\n";
    text += strspn(text, blanks);
    size_t n = strlen(text);
    while (n > 0 && strchr(blanks, text[n - 1]))
        n--;
    if (n == 0 || n >= TAG_MAX)
        return false;
    memcpy(out, text, n);
    out[n] = '\0';
    return strspn(out, "<>[]/|_-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ") ==
           n;
}

static bool write_literal(buf *out, const char *text)
{
    bool ok = buf_append_text(out, "\"");
    while (ok && *text)
        ok = write_char(out, *text++);
    return ok && buf_append_text(out, "\"");
}

/* Appends rules that let the model think before the rule `root`. *start is the one to begin at. */
static bool write_thoughts(const hearth_chat_format *format, buf *out, const char **start)
{
    const char *begin = hearth_chat_format_reasoning_begin(format);
    const char *end = hearth_chat_format_reasoning_end(format);
    char begin_tag[TAG_MAX], end_tag[TAG_MAX];
    *start = "root";
    if (end == NULL || !trim_tag(end, end_tag))
        return true;
    bool is_open = hearth_chat_format_reasoning_open(format);
    if (!is_open && (begin == NULL || !trim_tag(begin, begin_tag)))
        return true;
    *start = "hearth-answer";
    bool ok = constraint_write_until("hearth-thoughts", end_tag, out) &&
              buf_append_text(out, "hearth-blanks ::= [ \\t\\r\\n]{0,4}\nhearth-answer ::= ");
    if (is_open)
        return ok && buf_append_text(out, "hearth-thoughts hearth-blanks root\n");
    return ok && buf_append_text(out, "(hearth-blanks ") && write_literal(out, begin_tag) &&
           buf_append_text(out, " hearth-thoughts hearth-blanks)? root\n");
}

/* ---- calls or an answer ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* The end of what begins at p and has names in it that are none: a literal, a class, a token, a
 * count, a comment. p itself if nothing of that kind begins there. */
static const char *skip_quoted(const char *p)
{
    static const char ends[][2] = {{'"', '"'}, {'[', ']'}, {'<', '>'}, {'{', '}'}, {'#', '\n'}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (*p != ends[i][0])
            continue;
        for (p++; *p && *p != ends[i][1]; p++)
            p += *p == '\\' && i < 2 && p[1] != '\0'; /* literals and classes have escapes */
        return p + (*p != '\0');
    }
    return p;
}

bool constraint_write_prefixed(const char *gbnf, const char *prefix, buf *out)
{
    bool ok = true;
    while (ok && *gbnf) {
        const char *start = gbnf;
        gbnf = skip_quoted(gbnf);
        if (gbnf == start && is_name_char(*gbnf)) {
            ok = buf_append_text(out, prefix);
            while (is_name_char(*gbnf))
                gbnf++;
        } else if (gbnf == start) {
            gbnf++;
        }
        ok = ok && buf_append(out, start, (size_t)(gbnf - start));
    }
    return ok;
}

/* Replaces the grammar of a chat's answer by one of the whole text: thoughts, if the model has any,
 * and then the answer or, if there are tools, calls of them. */
static hearth_status make_whole(hearth_grammar **answer, const hearth_chat_format *format,
                                hearth_error *err)
{
    const char *calls = hearth_chat_format_grammar(format), *start = NULL;
    hearth_grammar *whole = NULL;
    buf text, either;
    buf_init(&text, 0);
    buf_init(&either, 0);
    bool ok = buf_append_text(&text, hearth_grammar_to_gbnf(*answer)) &&
              buf_append_text(&text, "\n") && write_thoughts(format, &text, &start);
    if (ok && calls)
        ok = buf_append_text(&either, calls) && buf_append_text(&either, "\n") &&
             constraint_write_prefixed(text.data, "hearth-or-", &either) &&
             buf_append_format(&either, "\nhearth-either ::= root | hearth-or-%s\n", start);
    hearth_status status = ok ? hearth_grammar_from_gbnf(&whole, calls ? either.data : text.data,
                                                         calls ? "hearth-either" : start, err)
                              : error_no_memory(err, "the grammar", text.n);
    buf_deinit(&text);
    buf_deinit(&either);
    if (status == HEARTH_OK) {
        hearth_grammar_unref(*answer);
        *answer = whole;
    }
    return status;
}

/* ---- control tokens that a format writes its tags with ---- */

/* The token that is the whole of a tag, or -1. */
static hearth_status control_token(const hearth_model *model, const char *tag, int32_t *out,
                                   hearth_error *err)
{
    int32_t *tokens = NULL;
    size_t n = 0;
    TRY(hearth_tokenize(model, tag, strlen(tag), HEARTH_TOKENIZE_PARSE_SPECIAL, &tokens, &n, err));
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
        char trimmed[TAG_MAX];
        const char *tag = i < n    ? hearth_chat_format_tag(format, i)
                          : i == n ? hearth_chat_format_reasoning_begin(format)
                                   : hearth_chat_format_reasoning_end(format);
        int32_t token = -1;
        if (tag && trim_tag(tag, trimmed))
            TRY(control_token(model, trimmed, &token, err));
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

static bool must_call(const request *r)
{
    return r->chat.choice == TOOL_CHOICE_REQUIRED || r->chat.choice == TOOL_CHOICE_NAMED;
}

hearth_status constraint_matcher(const request *r, const hearth_model *model,
                                 const hearth_chat_format *format, hearth_matcher **out,
                                 hearth_error *err)
{
    hearth_matcher_options o;
    hearth_grammar *grammar = NULL;
    matcher_parts parts = {0};
    hearth_status status = HEARTH_OK;
    const char *calls = format ? hearth_chat_format_grammar(format) : NULL;
    *out = NULL;
    hearth_matcher_options_init(&o);
    if (r->options.constraint != CONSTRAINT_NONE && !must_call(r)) {
        TRY_OUT(of_request(&r->options, &grammar, err));
        if (format)
            TRY_OUT(make_whole(&grammar, format, err));
    } else if (calls) {
        TRY_OUT(hearth_grammar_from_gbnf(&grammar, calls, NULL, err));
        TRY_OUT(read_triggers(&parts, format, err));
    }
    if (grammar == NULL)
        goto out;
    if (format)
        TRY_OUT(preserve_tags(&parts, model, format, err));
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
