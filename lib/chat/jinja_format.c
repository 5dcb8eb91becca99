/* SPDX-License-Identifier: MIT
 *
 * jinja_format.c - Python's two ways of formatting: "%05.1f" % x and "{:>8}".format(x).
 *
 * Both come down to one layout: a value's text, with sign, precision and grouping, put into a
 * width.
 */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "chat/jinja_number.h"
#include "chat/jinja_text.h"

enum { WIDTH_MAX = 10000, PRECISION_MAX = 200 };

typedef struct layout {
    uint32_t fill;  /* a character */
    char align;     /* < > ^ =, or 0 for what the type has */
    char sign;      /* + blank, or 0 */
    char grouping;  /* , _ or 0 */
    bool alternate; /* # */
    int width;
    int precision; /* -1: none */
    char type;     /* of the conversion; 0: none */
} layout;

/* Where formatting stands. */
typedef struct formatter {
    jinja_run *r;
    buf *b;
    const char *at, *end;
    const jinja_args *args;
    size_t next;   /* positional argument */
    bool numbered; /* an argument was named by its number: automatic ones are over */
} formatter;

static hearth_status put(formatter *f, const char *text, size_t n)
{
    return jinja_write(f->r, f->b, text, n);
}

static hearth_status fill_with(formatter *f, uint32_t c, int64_t n)
{
    char text[4];
    size_t length = utf8_encode(c, text);
    for (; n > 0; n--)
        TRY(put(f, text, length));
    return HEARTH_OK;
}

/* prefix: a sign and 0x, which '=' alignment keeps in front of the filling. */
static hearth_status lay_out(formatter *f, const layout *l, const char *prefix, const char *text,
                             size_t n, char align)
{
    int64_t used = (int64_t)(strlen(prefix) + jinja_count_chars(text, n));
    int64_t total = l->width > used ? l->width - used : 0, left = 0;
    if (l->align)
        align = l->align;
    if (align == '>' || align == '^')
        left = align == '>' ? total : total / 2;
    TRY(fill_with(f, l->fill, left));
    TRY(put(f, prefix, strlen(prefix)));
    if (align == '=')
        TRY(fill_with(f, l->fill, total));
    TRY(put(f, text, n));
    return align == '=' ? HEARTH_OK : fill_with(f, l->fill, total - left);
}

/* Puts `mark` between groups of three digits in front of the point. */
static size_t group(char *out, const char *digits, size_t n, char mark)
{
    size_t whole = strspn(digits, "0123456789"), used = 0;
    if (whole > n)
        whole = n;
    for (size_t i = 0; i < n; i++) {
        if (mark && i > 0 && i < whole && (whole - i) % 3 == 0)
            out[used++] = mark;
        out[used++] = digits[i];
    }
    return used;
}

static const char *sign_of(const layout *l, bool negative)
{
    return negative ? "-" : l->sign == '+' ? "+" : l->sign == ' ' ? " " : "";
}

static hearth_status format_integer(formatter *f, const layout *l, int64_t i)
{
    char digits[72], grouped[100], prefix[8];
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    size_t n = sizeof digits;
    unsigned base = l->type == 'b' ? 2 : l->type == 'o' ? 8 : (l->type | 0x20) == 'x' ? 16 : 10;
    digits[--n] = '\0';
    do {
        digits[--n] = (l->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
        u /= base;
    } while (u > 0);
    for (int i_zero = (int)(sizeof digits - 1 - n); i_zero < l->precision && n > 1; i_zero++)
        digits[--n] = '0';
    snprintf(prefix, sizeof prefix, "%s%s%.1s", sign_of(l, i < 0),
             l->alternate && base != 10 ? "0" : "", l->alternate && base != 10 ? &l->type : "");
    size_t length = group(grouped, digits + n, sizeof digits - 1 - n, l->grouping);
    return lay_out(f, l, prefix, grouped, length, '>');
}

static hearth_status format_real(formatter *f, const layout *l, double d)
{
    char text[640], grouped[900];
    bool negative = d < 0 || (d == 0 && 1 / d < 0);
    double size = negative ? -d : d;
    size_t n;
    char type = l->type == '%' ? 'f' : l->type;
    if (l->type == '%')
        size *= 100;
    if (type == 0 && l->precision < 0)
        n = jinja_format_float(size, text);
    else
        n = jinja_format_real(size, type ? type : 'g', l->precision < 0 ? 6 : l->precision,
                              l->alternate, text, sizeof text - 4);
    if (n == 0)
        return jinja_fail(f->r, "the number is too long for this format");
    if (type == 0 && l->precision >= 0 && !memchr(text, '.', n) && !memchr(text, 'e', n) &&
        text[0] <= '9') {
        text[n++] = '.';
        text[n++] = '0';
    }
    if (l->type == '%')
        text[n++] = '%';
    text[n] = '\0';
    size_t length = group(grouped, text, n, l->grouping);
    return lay_out(f, l, sign_of(l, negative), grouped, length, '>');
}

static hearth_status format_string(formatter *f, const layout *l, const jinja_string *s, char align)
{
    size_t n = s->n;
    if (l->precision >= 0)
        n = jinja_byte_of(s, (size_t)l->precision);
    return lay_out(f, l, "", s->text, n, align);
}

/* repr where asked for, otherwise str. */
static hearth_status text_of(jinja_run *r, jinja_value v, bool repr, jinja_value *out)
{
    buf b;
    if (!repr)
        return jinja_str(r, v, out);
    buf_init(&b, r->max_output);
    hearth_status status = jinja_write_repr(r, &b, v);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}

/* ---- % ---- */

static hearth_status read_number(formatter *f, int max, int *out)
{
    *out = 0;
    for (; f->at < f->end && *f->at >= '0' && *f->at <= '9'; f->at++) {
        *out = *out * 10 + (*f->at - '0');
        if (*out > max)
            return jinja_fail(f->r, "a width or precision over %d is too much", max);
    }
    return HEARTH_OK;
}

/* The next argument of a tuple, or the only one. */
static hearth_status next_argument(formatter *f, jinja_value args, jinja_value *out)
{
    size_t n = jinja_is_tuple(args) ? args.list->n : 1;
    if (f->next >= n)
        return jinja_fail(f->r, "there are not enough arguments for the format");
    *out = jinja_is_tuple(args) ? args.list->items[f->next] : args;
    f->next++;
    return HEARTH_OK;
}

static hearth_status named_argument(formatter *f, jinja_value args, jinja_value *out)
{
    const char *close = memchr(f->at, ')', (size_t)(f->end - f->at));
    jinja_value key, *found;
    if (close == NULL || args.kind != JINJA_DICT)
        return jinja_fail(f->r, close ? "the format needs a mapping" : "the format lacks a ')'");
    TRY(jinja_wrap_string(f->r, f->at, (size_t)(close - f->at), &key));
    TRY(jinja_dict_find(f->r, args.dict, key, &found));
    if (found == NULL)
        return jinja_fail(f->r, "the format's key is not in the mapping");
    *out = *found;
    f->at = close + 1;
    return HEARTH_OK;
}

static hearth_status convert(formatter *f, layout *l, jinja_value v, char type)
{
    jinja_value text;
    l->type = type;
    switch (type) {
    case 's':
    case 'r':
        TRY(text_of(f->r, v, type == 'r', &text));
        l->fill = ' ';
        if (l->align == '=')
            l->align = '>';
        return format_string(f, l, text.string, '>');
    case 'd':
    case 'i':
    case 'u':
        if (v.kind == JINJA_FLOAT && v.real > -9e18 && v.real < 9e18)
            v = jinja_int((int64_t)v.real);
        /* fall through */
    case 'x':
    case 'X':
    case 'o':
        if (!jinja_is_integral(v))
            return jinja_fail(f->r, "%%%c needs a number, not a %s", type, jinja_type_name(v));
        return format_integer(f, l, jinja_integer_of(v));
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        if (!jinja_is_number(v))
            return jinja_fail(f->r, "%%%c needs a number, not a %s", type, jinja_type_name(v));
        return format_real(f, l, jinja_real_of(v));
    default:
        return jinja_fail(f->r, "%%%c is no conversion that is supported", type);
    }
}

static hearth_status percent_one(formatter *f, jinja_value args, bool *used_name)
{
    layout l = {.fill = ' ', .precision = -1};
    jinja_value v = {.kind = JINJA_MISSING};
    if (f->at < f->end && *f->at == '(') {
        f->at++;
        TRY(named_argument(f, args, &v));
        *used_name = true;
    }
    for (; f->at < f->end && *f->at && strchr("-+ #0", *f->at); f->at++) {
        char flag = *f->at;
        if (flag == '-')
            l.align = '<';
        else if (flag == '0' && l.align == 0)
            l.align = '=';
        else if (flag == '#')
            l.alternate = true;
        else if (flag == '+' || (flag == ' ' && l.sign == 0))
            l.sign = flag;
    }
    l.fill = l.align == '=' ? '0' : ' ';
    TRY(read_number(f, WIDTH_MAX, &l.width));
    if (f->at < f->end && *f->at == '.') {
        f->at++;
        TRY(read_number(f, PRECISION_MAX, &l.precision));
    }
    if (f->at == f->end)
        return jinja_fail(f->r, "the format ends after %%");
    char type = *f->at++;
    if (type == '%')
        return put(f, "%", 1);
    if (v.kind == JINJA_MISSING)
        TRY(next_argument(f, args, &v));
    if (l.precision > 50 && type != 's' && type != 'r' && (type | 0x20) != 'f')
        return jinja_fail(f->r, "a precision over 50 is too much");
    return convert(f, &l, v, type);
}

static hearth_status percent_all(formatter *f, jinja_value args)
{
    bool used_name = false;
    while (f->at < f->end) {
        const char *sign = memchr(f->at, '%', (size_t)(f->end - f->at));
        const char *stop = sign ? sign : f->end;
        TRY(put(f, f->at, (size_t)(stop - f->at)));
        f->at = sign ? sign + 1 : stop;
        if (sign)
            TRY(percent_one(f, args, &used_name));
    }
    size_t n = jinja_is_tuple(args) ? args.list->n : 1;
    if (f->next < n && args.kind != JINJA_DICT && !used_name &&
        !(jinja_is_flavor(args, JINJA_PLAIN)))
        return jinja_fail(f->r, "the format has no place for all of its arguments");
    return HEARTH_OK;
}

hearth_status jinja_percent(jinja_run *r, jinja_value text, jinja_value args, jinja_value *out)
{
    buf b;
    buf_init(&b, r->max_output);
    formatter f = {
        .r = r, .b = &b, .at = text.string->text, .end = text.string->text + text.string->n};
    hearth_status status = percent_all(&f, args);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}

/* ---- {} ---- */

/* [[fill]align][sign][#][0][width][grouping][.precision][type] */
static hearth_status read_layout(formatter *f, const jinja_string *spec, layout *l)
{
    formatter s = {.r = f->r, .at = spec->text, .end = spec->text + spec->n};
    uint32_t c = 0;
    size_t n = spec->n ? utf8_decode(s.at, spec->n, &c) : 0;
    *l = (layout){.fill = ' ', .precision = -1};
    if (n > 0 && s.at + n < s.end && s.at[n] && strchr("<>^=", s.at[n])) {
        l->fill = c;
        l->align = s.at[n];
        s.at += n + 1;
    } else if (n > 0 && *s.at && strchr("<>^=", *s.at)) {
        l->align = *s.at++;
    }
    if (s.at < s.end && (*s.at == '+' || *s.at == ' ' || *s.at == '-'))
        l->sign = *s.at++;
    if (s.at < s.end && *s.at == '#') {
        l->alternate = true;
        s.at++;
    }
    if (s.at < s.end && *s.at == '0') {
        s.at++;
        if (l->align == 0) {
            l->fill = '0';
            l->align = '=';
        }
    }
    TRY(read_number(&s, WIDTH_MAX, &l->width));
    if (s.at < s.end && (*s.at == ',' || *s.at == '_'))
        l->grouping = *s.at++;
    if (s.at < s.end && *s.at == '.') {
        s.at++;
        TRY(read_number(&s, PRECISION_MAX, &l->precision));
    }
    if (s.at < s.end)
        l->type = *s.at++;
    if (s.at != s.end)
        return jinja_fail(f->r, "the format '%.*s' is not understood",
                          (int)(spec->n < 64 ? spec->n : 64), spec->text);
    return HEARTH_OK;
}

static hearth_status format_value(formatter *f, jinja_value v, const jinja_string *spec)
{
    layout l;
    jinja_value text;
    TRY(read_layout(f, spec, &l));
    if (v.kind == JINJA_BOOL && l.type)
        v = jinja_int(v.boolean);
    bool real_type = l.type && strchr("eEfFgG%", l.type);
    if ((v.kind == JINJA_INT && real_type) || v.kind == JINJA_FLOAT) {
        if (l.type && !real_type)
            return jinja_fail(f->r, "a float has no format '%c'", l.type);
        return format_real(f, &l, jinja_real_of(v));
    }
    if (v.kind == JINJA_INT && (l.type == 0 || strchr("dboxXn", l.type)) && l.precision < 0)
        return format_integer(f, &l, v.integer);
    if (v.kind != JINJA_STRING && v.kind != JINJA_BOOL && v.kind != JINJA_UNDEFINED && spec->n > 0)
        return jinja_fail(f->r, "a %s takes no such format", jinja_type_name(v));
    if ((l.type && l.type != 's') || l.align == '=')
        return jinja_fail(f->r, "a %s has no format '%c'", jinja_type_name(v),
                          l.type ? l.type : '=');
    TRY(jinja_str(f->r, v, &text));
    return format_string(f, &l, text.string, '<');
}

static size_t name_length(const formatter *f, const char *stops)
{
    size_t n = 0;
    while (f->at + n < f->end && !(f->at[n] && strchr(stops, f->at[n])))
        n++;
    return n;
}

/* The argument that a field names: nothing, a number or a keyword. */
static hearth_status field_root(formatter *f, jinja_value *out)
{
    size_t n = name_length(f, ".[!:}");
    int index = 0;
    bool is_number = n > 0 && *f->at >= '0' && *f->at <= '9';
    jinja_string name = {f->at, n, n};
    if (n == 0 || is_number) {
        if (is_number)
            TRY(read_number(f, WIDTH_MAX, &index));
        if (f->numbered ? n == 0 : is_number && f->next > 0)
            return jinja_fail(f->r, "numbered and unnumbered fields cannot be mixed");
        f->numbered |= is_number;
        size_t i = is_number ? (size_t)index : f->next++;
        if (i >= f->args->n)
            return jinja_fail(f->r, "the format has no argument %zu", i);
        *out = f->args->items[i];
        return HEARTH_OK;
    }
    f->at += n;
    for (size_t i = 0; i < f->args->n_keywords; i++) {
        if (jinja_string_equal(f->args->keywords[i].name, &name)) {
            *out = f->args->keywords[i].value;
            return HEARTH_OK;
        }
    }
    return jinja_fail(f->r, "the format has no argument '%.*s'", (int)(n < 64 ? n : 64), name.text);
}

static hearth_status field_path(formatter *f, jinja_value *v)
{
    while (f->at < f->end && (*f->at == '.' || *f->at == '[')) {
        bool item = *f->at++ == '[';
        size_t n = name_length(f, item ? "]" : ".[!:}");
        jinja_value key;
        int index;
        if (item && n > 0 && strspn(f->at, "0123456789") >= n) {
            TRY(read_number(f, 1000000, &index));
            key = jinja_int(index);
        } else {
            TRY(jinja_wrap_string(f->r, f->at, n, &key));
            f->at += n;
        }
        if (item && f->at < f->end)
            f->at++;
        TRY(item ? jinja_item(f->r, *v, key, v) : jinja_attribute(f->r, *v, key.string, v));
    }
    return HEARTH_OK;
}

static hearth_status field(formatter *f)
{
    jinja_value v;
    TRY(field_root(f, &v));
    TRY(field_path(f, &v));
    if (f->end - f->at >= 2 && *f->at == '!') {
        if (f->at[1] != 'r' && f->at[1] != 's')
            return jinja_fail(f->r, "the conversion '!%c' is not supported", f->at[1]);
        TRY(text_of(f->r, v, f->at[1] == 'r', &v));
        f->at += 2;
    }
    jinja_string spec = {"", 0, 0};
    if (f->at < f->end && *f->at == ':') {
        f->at++;
        size_t n = name_length(f, "{}");
        spec = (jinja_string){f->at, n, jinja_count_chars(f->at, n)};
        f->at += n;
    }
    if (f->at == f->end || *f->at != '}')
        return jinja_fail(f->r, "a field of the format is not closed by '}'");
    f->at++;
    return format_value(f, v, &spec);
}

static hearth_status format_all(formatter *f)
{
    while (f->at < f->end) {
        size_t n = name_length(f, "{}");
        TRY(put(f, f->at, n));
        f->at += n;
        if (f->at == f->end)
            break;
        char c = *f->at++;
        if (f->at < f->end && *f->at == c) {
            f->at++;
            TRY(put(f, &c, 1));
        } else if (c == '}') {
            return jinja_fail(f->r, "a single '}' in the format; write }} for one");
        } else {
            TRY(field(f));
        }
    }
    return HEARTH_OK;
}

hearth_status jinja_format(jinja_run *r, jinja_value text, const jinja_args *args, jinja_value *out)
{
    buf b;
    buf_init(&b, r->max_output);
    formatter f = {.r = r,
                   .b = &b,
                   .at = text.string->text,
                   .end = text.string->text + text.string->n,
                   .args = args};
    hearth_status status = format_all(&f);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}
