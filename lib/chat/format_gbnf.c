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

#include "base/mem.h"
#include "base/status.h"
#include "base/utf8.h"

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

/* ---- JSON ---- */

hearth_status gbnf_schema(gbnf *g, const char *name, const json_t *schema, hearth_error *err)
{
    (void)schema;
    (void)err;
    gbnf_put(g, "%s ::= any-object\n", name);
    return HEARTH_OK;
}
