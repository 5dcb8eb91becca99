/* SPDX-License-Identifier: MIT
 *
 * chat_matcher.c - what an answer in a chat's format must look like, as the matcher that the engine
 * samples under.
 *
 * A grammar holds for the answer proper: where the model thinks before it, the thoughts stand in
 * front, free up to the tag that ends them. Calls of tools have the grammar of the format, which
 * begins where a call does.
 */
#include <string.h>

#include <hearth/answer.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/status.h"

enum { TAG_MAX = 64 };

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

/* Rules of which `name` matches every text up to the first `tag`, and the tag. */
static bool write_until(const char *name, const char *tag, buf *out)
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

/* Replaces *grammar by one that lets the model think first. */
static hearth_status put_thoughts_first(hearth_grammar **grammar, const hearth_chat_format *format,
                                        hearth_error *err)
{
    const char *begin = hearth_chat_format_reasoning_begin(format);
    const char *end = hearth_chat_format_reasoning_end(format);
    char begin_tag[TAG_MAX], end_tag[TAG_MAX];
    hearth_grammar *whole = NULL;
    hearth_status status = HEARTH_OK;
    buf text;
    if (end == NULL || !trim_tag(end, end_tag))
        return HEARTH_OK;
    bool is_open = hearth_chat_format_reasoning_open(format);
    if (!is_open && (begin == NULL || !trim_tag(begin, begin_tag)))
        return HEARTH_OK;
    buf_init(&text, 0);
    bool ok = buf_append_text(&text, hearth_grammar_to_gbnf(*grammar)) &&
              buf_append_text(&text, "\n") && write_until("hearth-thoughts", end_tag, &text) &&
              buf_append_text(&text, "hearth-blanks ::= [ \\t\\r\\n]{0,4}\nhearth-answer ::= ");
    if (ok && is_open)
        ok = buf_append_text(&text, "hearth-thoughts hearth-blanks root\n");
    else
        ok = ok && buf_append_text(&text, "(hearth-blanks ") && write_literal(&text, begin_tag) &&
             buf_append_text(&text, " hearth-thoughts hearth-blanks)? root\n");
    status = ok ? hearth_grammar_from_gbnf(&whole, text.data, "hearth-answer", err)
                : error_no_memory(err, "the grammar", text.n);
    buf_deinit(&text);
    if (status == HEARTH_OK) {
        hearth_grammar_unref(*grammar);
        *grammar = whole;
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
    size_t n_preserved;
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
    const char *calls = hearth_chat_format_grammar(format);
    *out = NULL;
    hearth_matcher_options_init(&o);
    if (calls && given)
        FAIL(err, EINVAL, "tools",
             "tools: an answer cannot be held to tools and to a grammar or schema at once; give "
             "one of them, or let no tool be chosen");
    if (calls)
        TRY_OUT(hearth_grammar_from_gbnf(&grammar, calls, NULL, err));
    else if (given)
        grammar = hearth_grammar_ref(given);
    else
        return HEARTH_OK;
    if (!calls)
        TRY_OUT(put_thoughts_first(&grammar, format, err));
    TRY_OUT(preserve_tags(&parts, model, format, err));
    if (calls) {
        TRY_OUT(read_triggers(&parts, format, err));
        o.triggers = parts.triggers;
        o.n_triggers = hearth_chat_format_n_triggers(format);
    }
    o.preserved = parts.preserved;
    o.n_preserved = parts.n_preserved;
    status = hearth_matcher_new(out, grammar, model, &o, err);
out:
    hearth_grammar_unref(grammar);
    mem_free(parts.triggers);
    mem_free(parts.preserved);
    return status;
}
