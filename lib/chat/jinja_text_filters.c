/* SPDX-License-Identifier: MIT
 *
 * jinja_text_filters.c - filters that give text. What they get is turned into text first, as Jinja
 * does; text that was declared safe stays so.
 */
#include <string.h>

#include "base/utf8.h"
#include "chat/jinja_text.h"
#include "chat/jinja_unicode.h"

#define CASE_FILTER(name, kind)                                                                    \
    static hearth_status filter_##name(jinja_run *r, jinja_call *c)                                \
    {                                                                                              \
        TRY(jinja_str(r, c->self, &c->self));                                                      \
        return jinja_change_case(r, c->self, kind, &c->out);                                       \
    }
CASE_FILTER(upper, JINJA_UPPER)
CASE_FILTER(lower, JINJA_LOWER)
CASE_FILTER(capitalize, JINJA_CAPITALIZE)
CASE_FILTER(title, JINJA_TITLE_WORDS)
#undef CASE_FILTER

static hearth_status filter_trim(jinja_run *r, jinja_call *c)
{
    TRY(jinja_str(r, c->self, &c->self));
    return jinja_strip(r, c->self, c->slots[0], 3, &c->out);
}

static hearth_status filter_string(jinja_run *r, jinja_call *c)
{
    return jinja_str(r, c->self, &c->out);
}

static hearth_status filter_safe(jinja_run *r, jinja_call *c)
{
    TRY(jinja_str(r, c->self, &c->out));
    c->out.markup = true;
    return HEARTH_OK;
}

static hearth_status filter_escape(jinja_run *r, jinja_call *c)
{
    return jinja_escape(r, c->self, &c->out);
}

static hearth_status filter_forceescape(jinja_run *r, jinja_call *c)
{
    TRY(jinja_str(r, c->self, &c->self));
    c->self.markup = false;
    return jinja_escape(r, c->self, &c->out);
}

static hearth_status filter_replace(jinja_run *r, jinja_call *c)
{
    jinja_value text, old, by;
    int64_t count = -1;
    TRY(jinja_str(r, c->self, &text));
    TRY(jinja_str(r, c->slots[0], &old));
    TRY(jinja_str(r, c->slots[1], &by));
    if (c->slots[2].kind != JINJA_NONE)
        TRY(jinja_want_int(r, c->slots[2], "the count", -1, &count));
    return jinja_replace(r, text.string, old.string, by.string, count, &c->out);
}

static hearth_status filter_format(jinja_run *r, jinja_call *c)
{
    jinja_value args, *items;
    TRY(jinja_str(r, c->self, &c->self));
    if (c->args->n > 0 && c->args->n_keywords > 0)
        return jinja_fail(r, "format takes positional or keyword arguments, not both");
    if (c->args->n_keywords > 0) {
        jinja_dict *d;
        TRY(jinja_make_dict(r, &d));
        for (size_t i = 0; i < c->args->n_keywords; i++)
            TRY(jinja_dict_set(r, d, jinja_of_string(c->args->keywords[i].name),
                               c->args->keywords[i].value));
        args = (jinja_value){.kind = JINJA_DICT, .dict = d};
    } else {
        TRY(jinja_make_list(r, JINJA_TUPLE, c->args->n, &items, &args));
        if (c->args->n > 0)
            memcpy(items, c->args->items, c->args->n * sizeof *items);
    }
    return jinja_percent(r, c->self, args, &c->out);
}

static hearth_status filter_center(jinja_run *r, jinja_call *c)
{
    int64_t width;
    TRY(jinja_str(r, c->self, &c->self));
    TRY(jinja_want_int(r, c->slots[0], "the width", 80, &width));
    return jinja_pad(r, c->self.string, width, NULL, 2, &c->out);
}

/* ---- indent ---- */

static hearth_status indent_into(jinja_run *r, const jinja_list *lines, const jinja_string *indent,
                                 bool first, bool blank, buf *b)
{
    for (size_t i = 0; i < lines->n; i++) {
        const jinja_string *line = lines->items[i].string;
        if (i > 0)
            TRY(jinja_write(r, b, "\n", 1));
        if (i == 0 ? first : blank || line->n > 0)
            TRY(jinja_write(r, b, indent->text, indent->n));
        TRY(jinja_write(r, b, line->text, line->n));
    }
    return HEARTH_OK;
}

static hearth_status filter_indent(jinja_run *r, jinja_call *c)
{
    jinja_value text, indent = c->slots[0], lines, newline;
    int64_t width = 4;
    buf b;
    TRY(jinja_str(r, c->self, &text));
    if (indent.kind != JINJA_STRING) {
        TRY(jinja_want_int(r, indent, "the width", 4, &width));
        TRY(jinja_make_text(r, "", &indent));
        TRY(jinja_pad(r, indent.string, width, NULL, 0, &indent));
    }
    TRY(jinja_make_text(r, "\n", &newline));
    bool markup = text.markup;
    TRY(jinja_apply(r, OP_ADD, text, newline, &text)); /* so that splitting keeps the last line */
    TRY(jinja_split_lines(r, text.string, false, &lines));
    buf_init(&b, r->max_output);
    hearth_status status =
        indent_into(r, lines.list, indent.string, jinja_want_flag(c->slots[1], false),
                    jinja_want_flag(c->slots[2], false), &b);
    if (status == HEARTH_OK)
        status = jinja_take(r, &b, &c->out);
    else
        buf_deinit(&b);
    c->out.markup = markup;
    return status;
}

/* ---- cutting and counting ---- */

static hearth_status filter_truncate(jinja_run *r, jinja_call *c)
{
    jinja_value text, end = c->slots[2];
    int64_t length, leeway;
    TRY(jinja_str(r, c->self, &text));
    TRY(jinja_want_int(r, c->slots[0], "the length", 255, &length));
    TRY(jinja_want_int(r, c->slots[3], "the leeway", 5, &leeway));
    if (end.kind == JINJA_MISSING)
        TRY(jinja_make_text(r, "...", &end));
    TRY(jinja_str(r, end, &end));
    int64_t n = (int64_t)text.string->n_chars, n_end = (int64_t)end.string->n_chars;
    if (length < n_end || leeway < 0)
        return jinja_fail(r, "the length must be at least that of the end, the leeway 0 or more");
    c->out = text;
    if (n - length <= leeway)
        return HEARTH_OK;
    size_t cut = jinja_byte_of(text.string, (size_t)(length - n_end));
    if (!jinja_want_flag(c->slots[1], false)) {
        const char *blank = memrchr(text.string->text, ' ', cut);
        cut = blank ? (size_t)(blank - text.string->text) : cut;
    }
    TRY(jinja_wrap_string(r, text.string->text, cut, &text));
    return jinja_apply(r, OP_ADD, text, end, &c->out);
}

static hearth_status filter_wordcount(jinja_run *r, jinja_call *c)
{
    jinja_value text;
    int64_t n = 0;
    bool inside = false;
    TRY(jinja_str(r, c->self, &text));
    TRY(jinja_spend(r, text.string->n / 16));
    for (size_t i = 0; i < text.string->n;) {
        uint32_t ch;
        i += utf8_decode(text.string->text + i, text.string->n - i, &ch);
        bool is_word = jinja_goes_on_name(ch);
        n += is_word && !inside;
        inside = is_word;
    }
    c->out = jinja_int(n);
    return HEARTH_OK;
}

static hearth_status urlencode_into(jinja_run *r, const jinja_string *s, buf *b)
{
    for (size_t i = 0; i < s->n; i++) {
        unsigned char c = (unsigned char)s->text[i];
        bool plain = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        plain |= (c >= '0' && c <= '9') || (c && strchr("_.-~/", c));
        if (!(plain ? buf_append(b, &c, 1) : buf_append_format(b, "%%%02X", c)))
            return jinja_out_failed(r, b);
    }
    return HEARTH_OK;
}

static hearth_status filter_urlencode(jinja_run *r, jinja_call *c)
{
    jinja_value text;
    buf b;
    if (c->self.kind == JINJA_DICT || c->self.kind == JINJA_LIST)
        return jinja_fail(r, "urlencode takes text, not a %s", jinja_type_name(c->self));
    TRY(jinja_str(r, c->self, &text));
    buf_init(&b, r->max_output);
    hearth_status status = urlencode_into(r, text.string, &b);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, &c->out);
    buf_deinit(&b);
    return status;
}

/* ---- JSON ---- */

static hearth_status separators(jinja_run *r, jinja_value v, jinja_json_style *style)
{
    if (v.kind == JINJA_MISSING || v.kind == JINJA_NONE)
        return HEARTH_OK;
    if (v.kind != JINJA_LIST || v.list->n != 2)
        return jinja_fail(r, "separators are two strings");
    TRY(jinja_want_string(r, v.list->items[0], "a separator", &style->between));
    return jinja_want_string(r, v.list->items[1], "a separator", &style->after_key);
}

/* The arguments are those of Hugging Face's filter, which are json.dumps'. */
static hearth_status filter_tojson(jinja_run *r, jinja_call *c)
{
    jinja_json_style style = {.ascii = jinja_want_flag(c->slots[0], false),
                              .sort = jinja_want_flag(c->slots[3], false)};
    jinja_value indent = c->slots[1];
    buf b;
    TRY(separators(r, c->slots[2], &style));
    if (indent.kind != JINJA_MISSING && indent.kind != JINJA_NONE) {
        int64_t width;
        if (indent.kind != JINJA_STRING) {
            TRY(jinja_want_int(r, indent, "the indent", 0, &width));
            TRY(jinja_make_text(r, "", &indent));
            TRY(jinja_pad(r, indent.string, width, NULL, 0, &indent));
        }
        style.indent = indent.string;
    }
    buf_init(&b, r->max_output);
    hearth_status status = jinja_write_json(r, &b, c->self, &style);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, &c->out);
    buf_deinit(&b);
    return status;
}

const jinja_builtin jinja_text_filters[] = {
    {"trim", filter_trim, "chars", 0},
    {"upper", filter_upper, "", 0},
    {"lower", filter_lower, "", 0},
    {"capitalize", filter_capitalize, "", 0},
    {"title", filter_title, "", 0},
    {"string", filter_string, "", 0},
    {"safe", filter_safe, "", 0},
    {"e", filter_escape, "", 0},
    {"escape", filter_escape, "", 0},
    {"forceescape", filter_forceescape, "", 0},
    {"replace", filter_replace, "old|new|count", 2},
    {"format", filter_format, NULL, 0},
    {"center", filter_center, "width", 0},
    {"indent", filter_indent, "width|first|blank", 0},
    {"truncate", filter_truncate, "length|killwords|end|leeway", 0},
    {"wordcount", filter_wordcount, "", 0},
    {"urlencode", filter_urlencode, "", 0},
    {"tojson", filter_tojson, "ensure_ascii|indent|separators|sort_keys", 0},
};
const size_t jinja_n_text_filters = sizeof jinja_text_filters / sizeof *jinja_text_filters;
