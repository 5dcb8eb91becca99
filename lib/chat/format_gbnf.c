/* SPDX-License-Identifier: MIT
 *
 * format_gbnf.c - see format_gbnf.h.
 *
 * "Up to a mark" is the automaton of Knuth, Morris and Pratt, one rule per state: how many
 * characters of the mark the text ends with.
 */
#include "chat/format_gbnf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hearth/grammar.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"
#include "base/utf8.h"
#include "chat/tool_json.h"
#include "grammar/schema_raw.h"

enum { MARK_CHARS = 256 };

void gbnf_init(gbnf *g)
{
    *g = (gbnf){0};
    buf_init(&g->rules, 0);
}

void gbnf_deinit(gbnf *g)
{
    buf_deinit(&g->rules);
}

void gbnf_put(gbnf *g, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n >= 0 ? mem_alloc((size_t)n + 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    g->failed = g->failed || !text || !buf_append(&g->rules, text, (size_t)n);
    mem_free(text);
    va_end(again);
    va_end(args);
}

static void put_char(gbnf *g, uint32_t code)
{
    bool plain = (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
                 (code >= 'A' && code <= 'Z') ||
                 (code < 0x80 && code > 0 && strchr(" <>/=_:;,.|(){}!'", (int)code));
    if (plain)
        gbnf_put(g, "%c", (int)code);
    else if (code == '\n')
        gbnf_put(g, "\\n");
    else if (code < 0x100)
        gbnf_put(g, "\\x%02X", (unsigned)code);
    else if (code < 0x10000)
        gbnf_put(g, "\\u%04X", (unsigned)code);
    else
        gbnf_put(g, "\\U%08X", (unsigned)code);
}

void gbnf_literal(gbnf *g, const char *text, size_t n)
{
    if (n == 0)
        return;
    gbnf_put(g, " \"");
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += utf8_decode(text + i, n - i, &code);
        put_char(g, code);
    }
    gbnf_put(g, "\"");
}

void gbnf_text(gbnf *g, const char *text)
{
    gbnf_literal(g, text, strlen(text));
}

size_t gbnf_trim_end(const char *text)
{
    size_t n = strlen(text);
    while (n > 0 && tool_json_is_blank(text[n - 1]))
        n--;
    return n;
}

const char *gbnf_trim_start(const char *text)
{
    while (tool_json_is_blank(*text))
        text++;
    return text;
}

/* ---- up to a mark ---- */

typedef struct mark {
    uint32_t chars[MARK_CHARS];
    size_t border[MARK_CHARS + 1]; /* of the first i characters */
    size_t n;
} mark;

static void read_mark(mark *m, const char *text, size_t n)
{
    m->n = 0;
    for (size_t i = 0; i < n && m->n < MARK_CHARS; m->n++)
        i += utf8_decode(text + i, n - i, &m->chars[m->n]);
    m->border[0] = m->border[1] = 0;
    for (size_t i = 1, b = 0; i < m->n; i++) {
        while (b > 0 && m->chars[i] != m->chars[b])
            b = m->border[b];
        b += m->chars[i] == m->chars[b];
        m->border[i + 1] = b;
    }
}

static size_t next_state(const mark *m, size_t state, uint32_t c)
{
    while (state > 0 && m->chars[state] != c)
        state = m->border[state];
    return m->chars[state] == c ? state + 1 : 0;
}

static bool is_first(const mark *m, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (m->chars[k] == m->chars[i])
            return false;
    return true;
}

void gbnf_until(gbnf *g, const char *name, const char *text, size_t n)
{
    mark m;
    read_mark(&m, text, n);
    for (size_t state = 0; state < m.n; state++) {
        gbnf_put(g, "%s-%zu ::= [^", name, state);
        for (size_t i = 0; i < m.n; i++)
            if (is_first(&m, i) && next_state(&m, state, m.chars[i]) > 0)
                put_char(g, m.chars[i]);
        gbnf_put(g, "] %s-0", name);
        for (size_t i = 0; i < m.n; i++) {
            size_t next = next_state(&m, state, m.chars[i]);
            if (!is_first(&m, i) || next == 0)
                continue;
            gbnf_put(g, " | [");
            put_char(g, m.chars[i]);
            gbnf_put(g, "]");
            if (next < m.n)
                gbnf_put(g, " %s-%zu", name, next);
        }
        gbnf_put(g, "\n");
    }
}

/* ---- a grammar inside another ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* The end of what begins at text[i] and has names in it that are none: a literal, a set, a token, a
 * count, a comment. i itself if nothing of that kind begins there. */
static size_t skip_quoted(const char *text, size_t i)
{
    static const char ends[][2] = {{'"', '"'}, {'[', ']'}, {'<', '>'}, {'{', '}'}, {'#', '\n'}};
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
        if (text[i] != ends[k][0])
            continue;
        for (i++; text[i] != '\0' && text[i] != ends[k][1]; i++)
            i += text[i] == '\\' && k < 2 &&
                 text[i + 1] != '\0'; /* literals and sets have escapes */
        return i + (text[i] != '\0');
    }
    return i;
}

void gbnf_embed(gbnf *g, const char *name, const char *grammar)
{
    bool ok = true;
    for (size_t i = 0, end; ok && grammar[i] != '\0'; i = end) {
        end = skip_quoted(grammar, i);
        if (is_name_char(grammar[i])) {
            while (is_name_char(grammar[end]))
                end++;
            bool root = end - i == 4 && memcmp(grammar + i, "root", 4) == 0;
            ok = buf_append_text(&g->rules, name) && (root || buf_append_text(&g->rules, "-"));
            if (root)
                continue;
        }
        end += end == i;
        ok = ok && buf_append(&g->rules, grammar + i, end - i);
    }
    g->failed = !ok || !buf_append_text(&g->rules, "\n") || g->failed;
}

/* ---- JSON ---- */

/* The schema as text, with what its references may point to. */
static char *schema_text(const json_t *schema, const json_t *root)
{
    static const char *const places[] = {"$defs", "definitions"};
    json_t *copy = schema ? json_dup(schema) : json_pack("{s:s}", "type", "object");
    bool ok = copy != NULL;
    for (size_t i = 0; ok && i < 2; i++) {
        json_t *defined = json_object_get(root, places[i]);
        if (defined && !json_object_get(copy, places[i]))
            ok = json_object_set(copy, places[i], defined) == 0;
    }
    char *text = ok ? json_to_text(copy, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(copy);
    return text;
}

hearth_status gbnf_schema(gbnf *g, const char *name, const json_t *schema, const json_t *root,
                          hearth_error *err)
{
    hearth_grammar *grammar = NULL;
    hearth_status status = HEARTH_OK;
    char *text = schema_text(schema, root);
    if (!text)
        return error_no_memory(err, "a tool's schema", 0);
    TRY_OUT(hearth_grammar_from_schema(&grammar, text, err));
    gbnf_embed(g, name, hearth_grammar_to_gbnf(grammar));
out:
    hearth_grammar_unref(grammar);
    mem_free(text);
    return status;
}

hearth_status gbnf_raw_strings(gbnf *g, const char *name, const json_t *schema, const json_t *root,
                               const char *end, bool plain, bool *any, hearth_error *err)
{
    char *text = schema_text(schema, root);
    if (!text)
        return error_no_memory(err, "a tool's schema", 0);
    const schema_raw raw = {.schema = text, .name = name, .mark = end, .plain = plain};
    hearth_status status = schema_raw_strings(&raw, &g->rules, any, err);
    mem_free(text);
    return status;
}
