/* SPDX-License-Identifier: MIT
 *
 * jinja_string_methods.c - the methods of Python's strings, without those that search (see
 * jinja_find_methods.c). Filters that mean the same share them (jinja_text_filters.c).
 */
#include <string.h>

#include "base/utf8.h"
#include "chat/jinja_run.h"
#include "chat/jinja_text.h"
#include "chat/jinja_unicode.h"

/* ---- stripping ---- */

static bool in_set(const jinja_string *set, uint32_t c)
{
    for (size_t i = 0; i < set->n;) {
        uint32_t member;
        i += utf8_decode(set->text + i, set->n - i, &member);
        if (member == c)
            return true;
    }
    return false;
}

/* set: NULL for white space. ends: 1 the beginning, 2 the end, 3 both. */
static hearth_status strip(jinja_run *r, const jinja_string *s, const jinja_string *set,
                           unsigned ends, jinja_value *out)
{
    size_t begin = 0, end = s->n;
    uint32_t c;
    TRY(jinja_spend(r, (s->n + 1) * ((set ? set->n : 0) + 1) / 64));
    while ((ends & 1) && begin < end) {
        size_t n = utf8_decode(s->text + begin, end - begin, &c);
        if (set ? !in_set(set, c) : !jinja_is_space(c))
            break;
        begin += n;
    }
    while ((ends & 2) && end > begin) {
        size_t n = jinja_last_char(s->text + begin, end - begin, &c);
        if (set ? !in_set(set, c) : !jinja_is_space(c))
            break;
        end -= n;
    }
    return jinja_wrap_string(r, s->text + begin, end - begin, out);
}

hearth_status jinja_strip(jinja_run *r, jinja_value v, jinja_value chars, unsigned ends,
                          jinja_value *out)
{
    const jinja_string *set = NULL;
    bool markup = v.markup;
    if (chars.kind != JINJA_MISSING && chars.kind != JINJA_NONE)
        TRY(jinja_want_string(r, chars, "what is stripped", &set));
    TRY(strip(r, v.string, set, ends, out));
    out->markup = markup;
    return HEARTH_OK;
}

static hearth_status method_strip(jinja_run *r, jinja_call *c)
{
    return jinja_strip(r, c->self, c->slots[0], 3, &c->out);
}

static hearth_status method_lstrip(jinja_run *r, jinja_call *c)
{
    return jinja_strip(r, c->self, c->slots[0], 1, &c->out);
}

static hearth_status method_rstrip(jinja_run *r, jinja_call *c)
{
    return jinja_strip(r, c->self, c->slots[0], 2, &c->out);
}

/* ---- case ---- */

#define CASE_METHOD(name, kind)                                                                    \
    static hearth_status method_##name(jinja_run *r, jinja_call *c)                                \
    {                                                                                              \
        return jinja_change_case(r, c->self, kind, &c->out);                                       \
    }
CASE_METHOD(upper, JINJA_UPPER)
CASE_METHOD(lower, JINJA_LOWER)
CASE_METHOD(swapcase, JINJA_SWAP)
CASE_METHOD(capitalize, JINJA_CAPITALIZE)
CASE_METHOD(title, JINJA_TITLE)
CASE_METHOD(casefold, JINJA_FOLD)
#undef CASE_METHOD

/* ---- padding ---- */

/* side: 0 pads the right, 1 the left, 2 both. */
static hearth_status pad(jinja_run *r, jinja_call *c, int side)
{
    const jinja_string *s = c->self.string, *fill = NULL;
    int64_t width;
    TRY(jinja_want_int(r, c->slots[0], "the width", 0, &width));
    if (c->slots[1].kind != JINJA_MISSING)
        TRY(jinja_want_string(r, c->slots[1], "the fill character", &fill));
    if (fill && fill->n_chars != 1)
        return jinja_fail(r, "the fill character must be one character");
    return jinja_pad(r, s, width, fill, side, &c->out);
}

hearth_status jinja_pad(jinja_run *r, const jinja_string *s, int64_t width,
                        const jinja_string *fill, int side, jinja_value *out)
{
    static const jinja_string blank = {" ", 1, 1};
    if (fill == NULL)
        fill = &blank;
    size_t total = width > (int64_t)s->n_chars ? (size_t)width - s->n_chars : 0;
    size_t left = side == 0 ? 0 : side == 1 ? total : total / 2;
    if (side == 2 && (total & 1) && (width & 1)) /* str.center puts the odd blank there */
        left++;
    if (total > (SIZE_MAX / 8) - s->n)
        return jinja_fail(r, "a width of %lld is too much", (long long)width);
    char *text, *at;
    TRY(jinja_new(r, s->n + total * fill->n, &text));
    at = text;
    for (size_t i = 0; i < left; i++, at += fill->n)
        memcpy(at, fill->text, fill->n);
    memcpy(at, s->text, s->n);
    at += s->n;
    for (size_t i = left; i < total; i++, at += fill->n)
        memcpy(at, fill->text, fill->n);
    return jinja_wrap_string(r, text, (size_t)(at - text), out);
}

static hearth_status method_ljust(jinja_run *r, jinja_call *c)
{
    return pad(r, c, 0);
}

static hearth_status method_rjust(jinja_run *r, jinja_call *c)
{
    return pad(r, c, 1);
}

static hearth_status method_center(jinja_run *r, jinja_call *c)
{
    return pad(r, c, 2);
}

static hearth_status method_zfill(jinja_run *r, jinja_call *c)
{
    const jinja_string *s = c->self.string;
    static const jinja_string zero = {"0", 1, 1};
    int64_t width;
    TRY(jinja_want_int(r, c->slots[0], "the width", 0, &width));
    bool sign = s->n > 0 && (s->text[0] == '-' || s->text[0] == '+');
    jinja_string digits = {s->text + sign, s->n - sign, s->n_chars - sign};
    TRY(jinja_pad(r, &digits, width - sign, &zero, 1, &c->out));
    if (!sign)
        return HEARTH_OK;
    jinja_value first;
    TRY(jinja_wrap_string(r, s->text, 1, &first));
    return jinja_apply(r, OP_ADD, first, c->out, &c->out);
}

/* ---- questions ---- */

/* Whether every character is one that `is` accepts, and there is one. */
static bool all_are(const jinja_string *s, bool (*is)(uint32_t c))
{
    for (size_t i = 0; i < s->n;) {
        uint32_t c;
        i += utf8_decode(s->text + i, s->n - i, &c);
        if (!is(c))
            return false;
    }
    return s->n > 0;
}

bool jinja_text_is_case(const jinja_string *s, bool upper)
{
    bool any = false;
    for (size_t i = 0; i < s->n;) {
        uint32_t c;
        i += utf8_decode(s->text + i, s->n - i, &c);
        if (upper ? jinja_is_lower(c) : jinja_is_upper(c))
            return false;
        if (jinja_is_title(c))
            return false;
        any |= upper ? jinja_is_upper(c) : jinja_is_lower(c);
    }
    return any;
}

static bool is_titled(const jinja_string *s)
{
    bool any = false, after = false;
    for (size_t i = 0; i < s->n;) {
        uint32_t c;
        i += utf8_decode(s->text + i, s->n - i, &c);
        if ((jinja_is_upper(c) || jinja_is_title(c)) ? after : jinja_is_lower(c) && !after)
            return false;
        after = jinja_is_cased(c);
        any |= after;
    }
    return any;
}

static bool is_alnum(uint32_t c)
{
    return jinja_is_alpha(c) || jinja_is_numeric(c);
}

static bool is_identifier(const jinja_string *s)
{
    uint32_t c;
    if (s->n == 0)
        return false;
    utf8_decode(s->text, s->n, &c);
    return jinja_starts_name(c) && all_are(s, jinja_goes_on_name);
}

#define QUESTION(name, answer)                                                                     \
    static hearth_status method_##name(jinja_run *r, jinja_call *c)                                \
    {                                                                                              \
        const jinja_string *s = c->self.string;                                                    \
        c->out = jinja_bool(answer);                                                               \
        return jinja_spend(r, s->n / 16);                                                          \
    }
QUESTION(isspace, all_are(s, jinja_is_space))
QUESTION(isalpha, all_are(s, jinja_is_alpha))
QUESTION(isalnum, all_are(s, is_alnum))
QUESTION(isdecimal, all_are(s, jinja_is_decimal))
QUESTION(isdigit, all_are(s, jinja_is_digit))
QUESTION(isnumeric, all_are(s, jinja_is_numeric))
QUESTION(isprintable, s->n == 0 || all_are(s, jinja_is_printable))
QUESTION(isascii, s->n == s->n_chars)
QUESTION(isupper, jinja_text_is_case(s, true))
QUESTION(islower, jinja_text_is_case(s, false))
QUESTION(istitle, is_titled(s))
QUESTION(isidentifier, is_identifier(s))
#undef QUESTION

/* ---- joining and formatting ---- */

static hearth_status method_join(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    buf b;
    hearth_status status = HEARTH_OK;
    TRY(jinja_iterate(r, c->slots[0], &list));
    buf_init(&b, r->max_output);
    for (size_t i = 0; i < list->n && status == HEARTH_OK; i++) {
        const jinja_string *s;
        status = jinja_want_string(r, list->items[i], "what is joined", &s);
        if (status == HEARTH_OK && i > 0)
            status = jinja_write_str(r, &b, c->self);
        if (status == HEARTH_OK)
            status = jinja_write_str(r, &b, list->items[i]);
    }
    if (status == HEARTH_OK)
        return jinja_take(r, &b, &c->out);
    buf_deinit(&b);
    return status;
}

static hearth_status method_format(jinja_run *r, jinja_call *c)
{
    return jinja_format(r, c->self, c->args, &c->out);
}

/* The parts behind each line's number of columns: tabs go on to the next multiple of the size. */
static hearth_status expand_tabs(jinja_run *r, const jinja_string *s, int64_t size, buf *b)
{
    int64_t column = 0;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->text[i];
        if (c == '\t') {
            for (int64_t n = size > 0 ? size - column % size : 0; n > 0; n--, column++)
                TRY(jinja_write(r, b, " ", 1));
            continue;
        }
        TRY(jinja_write(r, b, &c, 1));
        column = c == '\n' || c == '\r' ? 0 : column + (((unsigned char)c & 0xc0) != 0x80);
    }
    return HEARTH_OK;
}

static hearth_status method_expandtabs(jinja_run *r, jinja_call *c)
{
    buf b;
    int64_t size;
    TRY(jinja_want_int(r, c->slots[0], "the size of tabs", 8, &size));
    buf_init(&b, r->max_output);
    hearth_status status = expand_tabs(r, c->self.string, size, &b);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, &c->out);
    buf_deinit(&b);
    return status;
}

const jinja_builtin jinja_string_methods[] = {
    {"strip", method_strip, "chars", 0},
    {"lstrip", method_lstrip, "chars", 0},
    {"rstrip", method_rstrip, "chars", 0},
    {"upper", method_upper, "", 0},
    {"lower", method_lower, "", 0},
    {"casefold", method_casefold, "", 0},
    {"swapcase", method_swapcase, "", 0},
    {"capitalize", method_capitalize, "", 0},
    {"title", method_title, "", 0},
    {"ljust", method_ljust, "width|fillchar", 1},
    {"rjust", method_rjust, "width|fillchar", 1},
    {"center", method_center, "width|fillchar", 1},
    {"zfill", method_zfill, "width", 1},
    {"isspace", method_isspace, "", 0},
    {"isalpha", method_isalpha, "", 0},
    {"isalnum", method_isalnum, "", 0},
    {"isdecimal", method_isdecimal, "", 0},
    {"isdigit", method_isdigit, "", 0},
    {"isnumeric", method_isnumeric, "", 0},
    {"isprintable", method_isprintable, "", 0},
    {"isascii", method_isascii, "", 0},
    {"isupper", method_isupper, "", 0},
    {"islower", method_islower, "", 0},
    {"istitle", method_istitle, "", 0},
    {"isidentifier", method_isidentifier, "", 0},
    {"join", method_join, "iterable", 1},
    {"format", method_format, NULL, 0},
    {"expandtabs", method_expandtabs, "tabsize", 0},
};
const size_t jinja_n_string_methods = sizeof jinja_string_methods / sizeof *jinja_string_methods;
