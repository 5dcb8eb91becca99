/* SPDX-License-Identifier: MIT
 *
 * regex.c - the text of a regular expression to a tree of items.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "grammar/cursor.h"
#include "grammar/regular.h"

typedef struct parser {
    cursor in;
    regex *r;
    int depth;
    hearth_error *err;
} parser;

static hearth_status refuse(const parser *p, hearth_status code, const char *at, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));
static hearth_status refuse(const parser *p, hearth_status code, const char *at, const char *format,
                            ...)
{
    char message[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return error_set(p->err, code, "pattern", "pattern '%.100s', byte %zu: %s", p->in.text,
                     (size_t)(at - p->in.text) + 1, message);
}
#define REFUSE(p, place, ...) return refuse((p), HEARTH_EINVAL, (place), __VA_ARGS__)
#define UNSUPPORTED(p, place, ...) return refuse((p), HEARTH_EUNSUPPORTED, (place), __VA_ARGS__)

static hearth_status no_memory(const parser *p)
{
    return error_no_memory(p->err, "a pattern", (unsigned long long)(p->in.end - p->in.text));
}

static hearth_status add_item(parser *p, regex_item new, uint32_t *index)
{
    *index = (uint32_t)(p->r->items.n / sizeof new);
    return buf_append(&p->r->items, &new, sizeof new) ? HEARTH_OK : no_memory(p);
}

static regex_item *item_at(parser *p, uint32_t index)
{
    return &((regex_item *)(void *)p->r->items.data)[index];
}

static hearth_status add_range(parser *p, uint32_t low, uint32_t high)
{
    code_range r = {low, high};
    return buf_append(&p->r->ranges, &r, sizeof r) ? HEARTH_OK : no_memory(p);
}

/* Turns the ranges from `first` on into what they leave out. */
static hearth_status negate(parser *p, size_t first)
{
    code_range *ranges = (code_range *)(void *)p->r->ranges.data + first;
    size_t n = code_ranges_normalize(ranges, p->r->ranges.n / sizeof *ranges - first);
    code_range *out = mem_alloc_array(n + 2, sizeof *out);
    if (out == NULL)
        return no_memory(p);
    size_t n_out = code_ranges_negate(ranges, n, out);
    p->r->ranges.n = first * sizeof *out;
    bool good = buf_append(&p->r->ranges, out, n_out * sizeof *out);
    mem_free(out);
    return good ? HEARTH_OK : no_memory(p);
}

/* ---- escapes ---- */

/* ECMA-262: WhiteSpace and LineTerminator. */
static const code_range spaces[] = {
    {9, 13},          {32, 32},         {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
    {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
static const code_range digits[] = {{'0', '9'}};
static const code_range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const code_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

static hearth_status add_set(parser *p, const code_range *set, size_t n, bool negated)
{
    size_t first = p->r->ranges.n / sizeof *set;
    if (!buf_append(&p->r->ranges, set, n * sizeof *set))
        return no_memory(p);
    return negated ? negate(p, first) : HEARTH_OK;
}

static hearth_status read_hex(parser *p, const char *start, int n, uint32_t *c)
{
    if (!cursor_take_hex(&p->in, n, c))
        REFUSE(p, start, "this escape needs %d hexadecimal digits", n);
    return HEARTH_OK;
}

/* Behind \u: HHHH, a pair of surrogates, or {H..}. */
static hearth_status read_unicode(parser *p, const char *start, uint32_t *c)
{
    if (cursor_take(&p->in, '{')) {
        *c = 0;
        do {
            int digit = cursor_peek_hex(&p->in);
            if (digit < 0 || *c > 0x10ffff)
                REFUSE(p, start, "this escape is written \\u{1F600}");
            *c = *c << 4 | (uint32_t)digit;
            p->in.at++;
        } while (!cursor_take(&p->in, '}'));
    } else {
        uint32_t low;
        TRY(read_hex(p, start, 4, c));
        if (*c >= 0xd800 && *c <= 0xdbff && p->in.end - p->in.at >= 6 && p->in.at[0] == '\\' &&
            p->in.at[1] == 'u') {
            p->in.at += 2;
            TRY(read_hex(p, start, 4, &low));
            if (low < 0xdc00 || low > 0xdfff)
                REFUSE(p, start, "a surrogate without its other half");
            *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    if (*c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
        REFUSE(p, start, "U+%X is no character", *c);
    return HEARTH_OK;
}

static hearth_status refuse_escape(parser *p, const char *start, int c)
{
    if (c == 'b' || c == 'B')
        UNSUPPORTED(p, start,
                    "\\%c (word boundary) cannot be enforced; spell out what surrounds "
                    "the word",
                    c);
    if ((c >= '1' && c <= '9') || c == 'k')
        UNSUPPORTED(p, start, "references back to a group cannot be enforced");
    if (c == 'p' || c == 'P')
        UNSUPPORTED(p, start, "\\%c{..} is not supported; write the characters as a class", c);
    REFUSE(p, start, "unknown escape \\%c", c > 32 && c < 127 ? c : '?');
}

/* One escape, read up to the backslash. A set is appended to the ranges and *is_set true; else *c
 * is the character. */
static hearth_status read_escape(parser *p, bool in_class, bool *is_set, uint32_t *c)
{
    static const char letters[] = "tnrvf", values[] = "\t\n\r\v\f";
    const char *start = p->in.at++;
    int e = cursor_peek(&p->in);
    *is_set = true;
    if (e < 0)
        REFUSE(p, start, "a backslash at the end");
    p->in.at++;
    switch (e) {
    case 'd':
    case 'D':
        return add_set(p, digits, 1, e == 'D');
    case 'w':
    case 'W':
        return add_set(p, words, 4, e == 'W');
    case 's':
    case 'S':
        return add_set(p, spaces, sizeof spaces / sizeof *spaces, e == 'S');
    default:
        break;
    }
    *is_set = false;
    const char *letter = strchr(letters, e);
    if (letter) {
        *c = (uint32_t)values[letter - letters];
    } else if (e == 'x') {
        return read_hex(p, start, 2, c);
    } else if (e == 'u') {
        return read_unicode(p, start, c);
    } else if (e == '0' && !(cursor_peek(&p->in) >= '0' && cursor_peek(&p->in) <= '9')) {
        *c = 0;
    } else if (e == 'c' &&
               ((cursor_peek(&p->in) | 32) >= 'a' && (cursor_peek(&p->in) | 32) <= 'z')) {
        *c = (uint32_t)*p->in.at++ & 31;
    } else if (e == 'b' && in_class) {
        *c = '\b';
    } else if ((e >= '0' && e <= '9') || ((e | 32) >= 'a' && (e | 32) <= 'z')) {
        return refuse_escape(p, start, e);
    } else {
        p->in.at--;
        size_t n = utf8_valid_prefix(p->in.at, (size_t)(p->in.end - p->in.at));
        if (n == 0)
            REFUSE(p, start, "the bytes here are not UTF-8");
        p->in.at += utf8_decode(p->in.at, n, c);
    }
    return HEARTH_OK;
}

static hearth_status read_plain(parser *p, uint32_t *c)
{
    size_t n = utf8_valid_prefix(p->in.at, (size_t)(p->in.end - p->in.at));
    if (n == 0)
        REFUSE(p, p->in.at, "the bytes here are not UTF-8");
    p->in.at += utf8_decode(p->in.at, n, c);
    return HEARTH_OK;
}

/* ---- items ---- */

static hearth_status close_class(parser *p, size_t first, uint32_t *index)
{
    code_range *ranges = (code_range *)(void *)p->r->ranges.data + first;
    size_t n = p->r->ranges.n / sizeof *ranges - first;
    n = n ? code_ranges_normalize(ranges, n) : 0;
    p->r->ranges.n = (first + n) * sizeof *ranges;
    return add_item(
        p,
        (regex_item){
            .kind = REGEX_CLASS, .a = (uint32_t)first, .b = (uint32_t)n, .before = REGEX_NONE},
        index);
}

static hearth_status read_class_char(parser *p, bool *is_set, uint32_t *c)
{
    *is_set = false;
    return cursor_peek(&p->in) == '\\' ? read_escape(p, true, is_set, c) : read_plain(p, c);
}

static hearth_status read_class(parser *p, uint32_t *index)
{
    const char *start = p->in.at++;
    size_t first = p->r->ranges.n / sizeof(code_range);
    bool negated = cursor_take(&p->in, '^');
    while (!cursor_take(&p->in, ']')) {
        bool is_set, other_is_set;
        uint32_t low, high;
        const char *place = p->in.at;
        if (cursor_peek(&p->in) < 0)
            REFUSE(p, start, "this class has no closing ]");
        TRY(read_class_char(p, &is_set, &low));
        high = low;
        if (cursor_peek(&p->in) == '-' && p->in.at + 1 < p->in.end && p->in.at[1] != ']') {
            p->in.at++;
            TRY(read_class_char(p, &other_is_set, &high));
            if (is_set || other_is_set)
                REFUSE(p, place, "a range needs a character at both ends");
            if (low > high)
                REFUSE(p, place, "the range goes backwards");
        }
        if (!is_set)
            TRY(add_range(p, low, high));
    }
    if (negated)
        TRY(negate(p, first));
    return close_class(p, first, index);
}

static hearth_status read_choice(parser *p, uint32_t *index);

static hearth_status read_group(parser *p, uint32_t *index)
{
    const char *start = p->in.at++;
    if (++p->depth > REGEX_DEPTH_MAX)
        REFUSE(p, start, "more than %d groups within each other", REGEX_DEPTH_MAX);
    if (cursor_take(&p->in, '?')) {
        if (cursor_peek(&p->in) == '=' || cursor_peek(&p->in) == '!' ||
            (cursor_peek(&p->in) == '<' && p->in.at + 1 < p->in.end &&
             (p->in.at[1] == '=' || p->in.at[1] == '!')))
            UNSUPPORTED(p, start, "look-around cannot be enforced; write what is allowed instead");
        if (cursor_take(&p->in, '<')) {
            while (cursor_peek(&p->in) >= 0 && cursor_peek(&p->in) != '>')
                p->in.at++;
            if (!cursor_take(&p->in, '>'))
                REFUSE(p, start, "the name of this group has no closing >");
        } else if (!cursor_take(&p->in, ':')) {
            UNSUPPORTED(p, start, "(? may be followed by : or <name> only");
        }
    }
    TRY(read_choice(p, index));
    p->depth--;
    return cursor_take(&p->in, ')')
               ? HEARTH_OK
               : refuse(p, HEARTH_EINVAL, start, "this group has no closing )");
}

static bool read_count(parser *p, uint32_t *value)
{
    const char *start = p->in.at;
    for (*value = 0; cursor_peek(&p->in) >= '0' && cursor_peek(&p->in) <= '9'; p->in.at++)
        if (*value < 100000000)
            *value = *value * 10 + (uint32_t)(*p->in.at - '0');
    return p->in.at > start;
}

/* {m}, {m,} or {m,n}; anything else is a plain brace, and nothing is read. */
static bool read_counts(parser *p, uint32_t *min, uint32_t *max)
{
    const char *start = p->in.at++;
    bool good = read_count(p, min);
    *max = *min;
    if (good && cursor_take(&p->in, ',') && !read_count(p, max))
        *max = REGEX_NONE;
    if (good && cursor_take(&p->in, '}'))
        return true;
    p->in.at = start;
    return false;
}

static hearth_status read_quantifier(parser *p, uint32_t *index)
{
    regex_item new = {.kind = REGEX_REPEAT, .a = *index, .max = REGEX_NONE, .before = REGEX_NONE};
    const char *start = p->in.at;
    int c = cursor_peek(&p->in);
    if (c == '{' && !read_counts(p, &new.b, &new.max))
        return HEARTH_OK;
    if (c != '*' && c != '+' && c != '?' && c != '{')
        return HEARTH_OK;
    p->in.at += c != '{';
    new.b = c == '+' ? 1 : new.b;
    new.max = c == '?' ? 1 : new.max;
    cursor_take(&p->in, '?'); /* lazy: the same texts */
    if (item_at(p, *index)->kind == REGEX_START || item_at(p, *index)->kind == REGEX_END)
        REFUSE(p, start, "^ and $ cannot be repeated");
    if (new.max < new.b)
        REFUSE(p, start, "the smaller count comes first");
    if (new.b > REGEX_REPEAT_MAX || (new.max != REGEX_NONE &&new.max > REGEX_REPEAT_MAX))
        REFUSE(p, start, "a count may be %d at most", REGEX_REPEAT_MAX);
    TRY(add_item(p, new, index));
    c = cursor_peek(&p->in);
    if (c == '*' || c == '+' || c == '?')
        REFUSE(p, p->in.at, "'%c' has nothing before it to repeat", c);
    return HEARTH_OK;
}

static hearth_status read_item(parser *p, uint32_t *index)
{
    size_t first = p->r->ranges.n / sizeof(code_range);
    bool is_set = false;
    uint32_t c;
    switch (cursor_peek(&p->in)) {
    case '(':
        return read_group(p, index);
    case '[':
        return read_class(p, index);
    case '^':
    case '$':
        return add_item(p,
                        (regex_item){.kind = *p->in.at++ == '^' ? REGEX_START : REGEX_END,
                                     .before = REGEX_NONE},
                        index);
    case '*':
    case '+':
    case '?':
        REFUSE(p, p->in.at, "'%c' has nothing before it to repeat", cursor_peek(&p->in));
    case '.':
        p->in.at++;
        TRY(add_set(p, line_ends, 3, true));
        return close_class(p, first, index);
    case '\\':
        TRY(read_escape(p, false, &is_set, &c));
        break;
    default:
        TRY(read_plain(p, &c));
    }
    if (!is_set)
        TRY(add_range(p, c, c));
    return close_class(p, first, index);
}

static hearth_status read_sequence(parser *p, uint32_t *index)
{
    regex_item sequence = {.kind = REGEX_SEQUENCE, .a = REGEX_NONE, .before = REGEX_NONE};
    while (cursor_peek(&p->in) >= 0 && cursor_peek(&p->in) != '|' && cursor_peek(&p->in) != ')') {
        uint32_t next;
        TRY(read_item(p, &next));
        TRY(read_quantifier(p, &next));
        item_at(p, next)->before = sequence.a;
        sequence.a = next;
    }
    return add_item(p, sequence, index);
}

static hearth_status read_choice(parser *p, uint32_t *index)
{
    regex_item choice = {.kind = REGEX_CHOICE, .a = REGEX_NONE, .before = REGEX_NONE};
    do {
        uint32_t next;
        TRY(read_sequence(p, &next));
        item_at(p, next)->before = choice.a;
        choice.a = next;
    } while (cursor_take(&p->in, '|'));
    return add_item(p, choice, index);
}

hearth_status regex_parse(regex *r, const char *pattern, size_t n, hearth_error *err)
{
    parser p = {.in = {pattern, pattern + n, pattern}, .r = r, .err = err};
    buf_init(&r->items, 0);
    buf_init(&r->ranges, 0);
    if (n > 1 << 20)
        FAIL(err, EINVAL, "pattern", "the pattern has %zu bytes; %d are the most", n, 1 << 20);
    if (!buf_append(&r->ranges, "", 0)) /* from here on there is memory to point into */
        return no_memory(&p);
    TRY(read_choice(&p, &r->root));
    if (p.in.at < p.in.end)
        REFUSE(&p, p.in.at, "a ) without its (");
    return HEARTH_OK;
}

void regex_deinit(regex *r)
{
    buf_deinit(&r->items);
    buf_deinit(&r->ranges);
}
