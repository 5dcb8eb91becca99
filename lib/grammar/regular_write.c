/* SPDX-License-Identifier: MIT
 *
 * regular_write.c - an automaton as GBNF: a rule for each state, which takes a character and calls
 * the rule of the next state last. And the grammar of a regular expression alone.
 *
 * JSON     Inside a JSON string a character stands for itself, but for the quote, the backslash and
 *          those below U+0020, which have exactly one escape each here.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "grammar/gbnf.h"
#include "grammar/regular.h"

static bool write_char(uint32_t c, buf *out)
{
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == ' ')
        return buf_append_format(out, "%c", (int)c);
    return buf_append_format(out, c < 0x100 ? "\\x%02X" : c < 0x10000 ? "\\u%04X" : "\\U%08X", c);
}

static bool write_range(uint32_t low, uint32_t high, buf *out)
{
    return write_char(low, out) &&
           (low == high || (buf_append_text(out, "-") && write_char(high, out)));
}

/* The part of low..high within from..to. */
static bool write_part(uint32_t low, uint32_t high, uint32_t from, uint32_t to, buf *out)
{
    low = low > from ? low : from;
    high = high < to ? high : to;
    return low > high || write_range(low, high, out);
}

static const char *short_escape(uint32_t c)
{
    switch (c) {
    case '\b':
        return "b";
    case '\f':
        return "f";
    case '\n':
        return "n";
    case '\r':
        return "r";
    case '\t':
        return "t";
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    default:
        return NULL;
    }
}

/* Alternatives, each behind a "|", for the characters of an edge that JSON escapes. */
static bool write_escapes(const uint8_t escaped[128], buf *out)
{
    bool good = true;
    for (uint32_t c = 0; good && c < 128; c++) {
        if (escaped[c] && short_escape(c))
            good = buf_append_format(out, "| \"\\\\%s\" ", short_escape(c));
    }
    for (uint32_t high = 0; high < 2; high++) {
        char digits[64] = "";
        size_t n = 0;
        for (uint32_t c = high * 16; c < high * 16 + 16; c++) {
            const char *digit = &"0123456789abcdef"[c % 16];
            if (!escaped[c] || short_escape(c))
                continue;
            digits[n++] = *digit;
            if (c % 16 > 9)
                digits[n++] = (char)(*digit - 'a' + 'A');
        }
        if (good && n > 0)
            good = buf_append_format(out, "| \"\\\\u00%u\" [%s] ", high, digits);
    }
    return good;
}

/* What takes one of the characters by which state s goes to `to`. */
static bool write_characters(const regular *r, size_t s, uint32_t to, bool json, buf *out)
{
    uint8_t escaped[128] = {0};
    buf plain, escapes;
    buf_init(&plain, 0);
    buf_init(&escapes, 0);
    bool good = true;
    for (uint32_t e = r->first[s]; good && e < r->first[s + 1]; e++) {
        uint32_t low = r->edges[e].low, high = r->edges[e].high;
        if (r->edges[e].to != to)
            continue;
        for (uint32_t c = low; json && c <= high && c < 128; c++)
            escaped[c] = c < 32 || c == '"' || c == '\\';
        good = json ? write_part(low, high, 32, '"' - 1, &plain) &&
                          write_part(low, high, '"' + 1, '\\' - 1, &plain) &&
                          write_part(low, high, '\\' + 1, 0x10ffff, &plain)
                    : write_range(low, high, &plain);
    }
    good = good && write_escapes(escaped, &escapes);
    const char *rest = escapes.n > 0 ? escapes.data : "";
    if (good && plain.n > 0)
        good = buf_append_format(out, escapes.n ? "([%s] %s) " : "[%s] %s", plain.data, rest);
    else if (good)
        good = buf_append_format(out, "(%s) ", rest + 2); /* without the first "|" */
    buf_deinit(&plain);
    buf_deinit(&escapes);
    return good;
}

static bool write_state(const regular *r, const char *name, size_t s, bool json, uint32_t *done,
                        buf *out)
{
    bool good = buf_append_format(out, "%s-%zu ::= ", name, s);
    const char *separator = "";
    for (uint32_t e = r->first[s]; good && e < r->first[s + 1]; e++) {
        uint32_t to = r->edges[e].to;
        if (done[to] == s + 1)
            continue;
        done[to] = (uint32_t)s + 1;
        good = buf_append_text(out, separator) && write_characters(r, s, to, json, out);
        if (good && r->first[to] < r->first[to + 1]) /* else it is an end with nothing behind */
            good = buf_append_format(out, "%s-%u ", name, to);
        separator = "| ";
    }
    if (good && r->accepts[s])
        good = buf_append_format(out, "%s\"\"", separator);
    return good && buf_append_text(out, "\n");
}

hearth_status regular_write(const regular *r, const char *name, bool json, buf *out,
                            hearth_error *err)
{
    uint32_t *done = mem_calloc(r->n_states, sizeof *done);
    bool good = done != NULL;
    for (size_t s = 0; good && s < r->n_states; s++) {
        if (s == 0 || r->first[s] < r->first[s + 1])
            good = write_state(r, name, s, json, done, out);
    }
    mem_free(done);
    return good ? HEARTH_OK : error_no_memory(err, "a grammar", out->n);
}

hearth_status hearth_grammar_from_regex(hearth_grammar **out, const char *pattern,
                                        hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    regular *r = NULL;
    buf text;
    *out = NULL;
    buf_init(&text, GRAMMAR_TEXT_MAX);
    if (pattern == NULL)
        FAIL(err, EINVAL, "pattern", "there is no pattern; give a regular expression");
    TRY_OUT(regular_from_regex(&r, pattern, strlen(pattern), REGULAR_WHOLE, err));
    if (regular_is_empty(r))
        FAIL_OUT(err, EINVAL, "pattern", "no text matches the pattern '%.100s'", pattern);
    if (!buf_append_text(&text, "root ::= text-0\n")) {
        status = error_no_memory(err, "a grammar", 64);
        goto out;
    }
    TRY_OUT(regular_write(r, "text", false, &text, err));
    size_t n = text.n;
    char *gbnf = buf_take(&text, &n);
    status =
        gbnf ? grammar_take_gbnf(out, gbnf, n, "root", err) : error_no_memory(err, "a grammar", n);
out:
    buf_deinit(&text);
    regular_free(r);
    return status;
}
