/* SPDX-License-Identifier: MIT
 *
 * tool_literal.c - see tool_literal.h. Recursive descent with bounded depth.
 */
#include "chat/tool_literal.h"

#include <string.h>

#include "base/utf8.h"
#include "chat/tool_json.h"

typedef struct reader {
    const char *text;
    size_t n, at;
    const char *quote;
    size_t n_quote;
    size_t depth;
    bool nomem;
} reader;

static bool read_value(reader *r, buf *out);

static void skip_blanks(reader *r)
{
    while (r->at < r->n && tool_json_is_blank(r->text[r->at]))
        r->at++;
}

static bool put(reader *r, buf *out, const char *text, size_t n)
{
    bool ok = buf_append(out, text, n);
    r->nomem = r->nomem || !ok;
    return ok;
}

static bool put_escaped(reader *r, buf *out, const char *text, size_t n)
{
    bool ok = tool_json_escape(out, text, n);
    r->nomem = r->nomem || !ok;
    return ok;
}

static bool at_quote(const reader *r)
{
    return r->n_quote > 0 && r->n - r->at >= r->n_quote &&
           memcmp(r->text + r->at, r->quote, r->n_quote) == 0;
}

static bool read_marked_string(reader *r, buf *out)
{
    size_t start = r->at += r->n_quote;
    while (r->at < r->n && !at_quote(r))
        r->at++;
    if (r->at >= r->n)
        return false;
    bool ok = put(r, out, "\"", 1) && put_escaped(r, out, r->text + start, r->at - start) &&
              put(r, out, "\"", 1);
    r->at += r->n_quote;
    return ok;
}

/* n hexadecimal digits of a \x, \u or \U escape. */
static bool read_hex(reader *r, int n, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < n; i++, r->at++) {
        char c = r->at < r->n ? r->text[r->at] : '\0';
        bool digit = c >= '0' && c <= '9';
        if (!digit && !((c | 32) >= 'a' && (c | 32) <= 'f'))
            return false;
        *code = *code * 16 + (uint32_t)(digit ? c - '0' : (c | 32) - 'a' + 10);
    }
    return true;
}

static bool read_escape(reader *r, buf *out)
{
    static const char from[] = "nrtbfav0", to[] = "\n\r\t\b\f\a\v\0";
    char c = r->text[r->at++], utf8[4];
    uint32_t code;
    if (c == '\n')
        return true;
    if (c == 'x' || c == 'u' || c == 'U') {
        if (!read_hex(r, c == 'x' ? 2 : c == 'u' ? 4 : 8, &code))
            return false;
        uint32_t low = 0;
        bool pair = code >= 0xD800 && code < 0xDC00 && r->n - r->at >= 6 &&
                    memcmp(r->text + r->at, "\\u", 2) == 0;
        if (pair) {
            r->at += 2;
            if (!read_hex(r, 4, &low))
                return false;
            code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00
                                                 : 0xFFFD;
        }
        return put_escaped(r, out, utf8, utf8_encode(code, utf8));
    }
    const char *known = c == '\0' ? NULL : strchr(from, c);
    if (known)
        return put_escaped(r, out, &to[known - from], 1);
    if (c != '\'' && c != '"' && c != '\\' && c != '/' && !put_escaped(r, out, "\\", 1))
        return false;
    r->at--; /* the character itself, whole */
    size_t length = utf8_valid_prefix(r->text + r->at, r->n - r->at);
    length = length > 0 ? length : 1;
    r->at += length;
    return put_escaped(r, out, r->text + r->at - length, length);
}

static bool read_string(reader *r, buf *out)
{
    char quote = r->text[r->at++];
    if (!put(r, out, "\"", 1))
        return false;
    while (r->at < r->n && r->text[r->at] != quote) {
        size_t start = r->at;
        while (r->at < r->n && r->text[r->at] != quote && r->text[r->at] != '\\')
            r->at++;
        if (!put_escaped(r, out, r->text + start, r->at - start))
            return false;
        if (r->at < r->n && r->text[r->at] == '\\') {
            r->at++;
            if (r->at >= r->n || !read_escape(r, out))
                return false;
        }
    }
    return r->at++ < r->n && put(r, out, "\"", 1);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '$' || c == '+' || (unsigned char)c >= 0x80;
}

static size_t word_length(const reader *r)
{
    size_t n = 0;
    while (r->at + n < r->n && is_word(r->text[r->at + n]))
        n++;
    return n;
}

static bool read_word(reader *r, buf *out)
{
    static const char *const words[][2] = {{"True", "true"},   {"true", "true"}, {"False", "false"},
                                           {"false", "false"}, {"None", "null"}, {"null", "null"}};
    const char *word = r->text + r->at;
    size_t n = word_length(r);
    r->at += n;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (n == strlen(words[i][0]) && memcmp(word, words[i][0], n) == 0)
            return put(r, out, words[i][1], strlen(words[i][1]));
    bool number = n > 0 && (word[0] == '-' || (word[0] >= '0' && word[0] <= '9'));
    return number && tool_json_copy(out, word, n, &r->nomem);
}

static bool read_key(reader *r, buf *out)
{
    if (at_quote(r))
        return read_marked_string(r, out);
    if (r->at < r->n && (r->text[r->at] == '"' || r->text[r->at] == '\''))
        return read_string(r, out);
    size_t n = word_length(r);
    r->at += n;
    return n > 0 && put(r, out, "\"", 1) && put_escaped(r, out, r->text + r->at - n, n) &&
           put(r, out, "\"", 1);
}

/* The items of a list, tuple or dict, after its opening bracket. */
static bool read_items(reader *r, buf *out, char close)
{
    bool dict = close == '}', first = true;
    for (;; first = false) {
        skip_blanks(r);
        if (r->at < r->n && r->text[r->at] == close) {
            r->at++;
            return put(r, out, dict ? "}" : "]", 1);
        }
        if (!first && !put(r, out, ", ", 2))
            return false;
        if (dict) {
            if (!read_key(r, out))
                return false;
            skip_blanks(r);
            if (r->at >= r->n || r->text[r->at++] != ':' || !put(r, out, ": ", 2))
                return false;
        }
        if (!read_value(r, out))
            return false;
        skip_blanks(r);
        if (r->at < r->n && r->text[r->at] == ',')
            r->at++;
        else if (r->at >= r->n || r->text[r->at] != close)
            return false;
    }
}

static bool read_value(reader *r, buf *out)
{
    skip_blanks(r);
    if (r->at >= r->n)
        return false;
    if (at_quote(r))
        return read_marked_string(r, out);
    char c = r->text[r->at];
    if (c == '"' || c == '\'')
        return read_string(r, out);
    if (c != '{' && c != '[' && c != '(')
        return read_word(r, out);
    if (++r->depth > TOOL_LITERAL_DEPTH)
        return false;
    r->at++;
    bool ok = put(r, out, c == '{' ? "{" : "[", 1) && read_items(r, out,
                                                                 c == '{'   ? '}'
                                                                 : c == '[' ? ']'
                                                                            : ')');
    r->depth--;
    return ok;
}

bool tool_literal_copy(buf *out, const char *text, size_t n, const char *quote, bool *nomem)
{
    reader r = {.text = text, .n = n, .quote = quote, .n_quote = strlen(quote)};
    size_t before = out->n;
    bool ok = read_value(&r, out);
    skip_blanks(&r);
    ok = ok && r.at == n;
    if (!ok && out->n > before) {
        out->n = before;
        out->data[before] = '\0';
    }
    *nomem = *nomem || r.nomem;
    return ok;
}

bool tool_scan_end(tool_scan *s, const char *text, size_t n, const char *quote)
{
    size_t n_quote = strlen(quote);
    for (; s->at < n; s->at++) {
        char c = text[s->at];
        if (s->string != 0 && s->string != 'q') {
            if (s->escape)
                s->escape = false;
            else if (c == '\\')
                s->escape = true;
            else if (c == s->string)
                s->string = 0;
            continue;
        }
        if (n_quote > 0 && c == quote[0]) {
            size_t left = n - s->at, have = left < n_quote ? left : n_quote;
            if (memcmp(text + s->at, quote, have) == 0) {
                if (have < n_quote)
                    return false;
                s->string = s->string == 'q' ? 0 : 'q';
                s->at += n_quote - 1;
                continue;
            }
        }
        if (s->string == 'q')
            continue;
        if (c == '"' || c == '\'') {
            s->string = c;
        } else if (c == '(' || c == '[' || c == '{') {
            s->depth++;
        } else if (c == ')' || c == ']' || c == '}') {
            if (s->depth == 0)
                return true;
            s->depth--;
        } else if (c == ',' && s->depth == 0) {
            return true;
        }
    }
    return false;
}
