/* SPDX-License-Identifier: MIT
 *
 * jinja_text.c - Python's str() and repr() of values, and the escaping of HTML.
 */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "chat/jinja_number.h"
#include "chat/jinja_run.h"
#include "chat/jinja_unicode.h"

hearth_status jinja_write(jinja_run *r, buf *b, const char *text, size_t n)
{
    return buf_append(b, text, n) ? HEARTH_OK : jinja_out_failed(r, b);
}

static hearth_status write_text(jinja_run *r, buf *b, const char *text)
{
    return jinja_write(r, b, text, strlen(text));
}

/* ---- repr ---- */

static hearth_status repr_char(jinja_run *r, buf *b, uint32_t c, char quote)
{
    char text[12];
    if (c == (uint32_t)quote || c == '\\')
        snprintf(text, sizeof text, "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(text, sizeof text, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (jinja_is_printable(c))
        text[utf8_encode(c, text)] = '\0';
    else
        snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    return write_text(r, b, text);
}

static hearth_status repr_string(jinja_run *r, buf *b, const jinja_string *s)
{
    bool single = s->n > 0 && memchr(s->text, '\'', s->n);
    char quote = single && !memchr(s->text, '"', s->n) ? '"' : '\'';
    uint32_t c;
    TRY(jinja_spend(r, s->n / 16));
    TRY(jinja_write(r, b, &quote, 1));
    for (size_t i = 0; i < s->n;) {
        i += utf8_decode(s->text + i, s->n - i, &c);
        TRY(repr_char(r, b, c, quote));
    }
    return jinja_write(r, b, &quote, 1);
}

static hearth_status repr_items(jinja_run *r, buf *b, const jinja_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            TRY(write_text(r, b, ", "));
        TRY(jinja_write_repr(r, b, list->items[i]));
    }
    return HEARTH_OK;
}

static hearth_status repr_range(jinja_run *r, buf *b, const jinja_list *list)
{
    char text[96];
    int64_t first = list->n ? list->items[0].integer : 0;
    int64_t step = list->n > 1 ? list->items[1].integer - first : 1;
    int64_t stop = list->n ? list->items[list->n - 1].integer + step : 0;
    if (step == 1)
        snprintf(text, sizeof text, "range(%lld, %lld)", (long long)first, (long long)stop);
    else
        snprintf(text, sizeof text, "range(%lld, %lld, %lld)", (long long)first, (long long)stop,
                 (long long)step);
    return write_text(r, b, text);
}

static hearth_status repr_list(jinja_run *r, buf *b, jinja_value v)
{
    static const char *const begins[] = {
        [JINJA_PLAIN] = "[",
        [JINJA_TUPLE] = "(",
        [JINJA_GROUP] = "(",
        [JINJA_KEYS] = "dict_keys([",
        [JINJA_VALUES] = "dict_values([",
        [JINJA_ITEMS] = "dict_items([",
    };
    jinja_flavor flavor = v.list->flavor;
    if (flavor == JINJA_GENERATOR)
        return jinja_fail(r, "a generator has no text; put |list or |join behind it");
    if (flavor == JINJA_RANGE)
        return repr_range(r, b, v.list);
    TRY(write_text(r, b, begins[flavor]));
    TRY(repr_items(r, b, v.list));
    if (flavor == JINJA_PLAIN)
        return write_text(r, b, "]");
    if (flavor >= JINJA_KEYS)
        return write_text(r, b, "])");
    return write_text(r, b, v.list->n == 1 ? ",)" : ")");
}

static hearth_status repr_dict(jinja_run *r, buf *b, const jinja_dict *d)
{
    TRY(write_text(r, b, "{"));
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            TRY(write_text(r, b, ", "));
        TRY(jinja_write_repr(r, b, d->entries[i].key));
        TRY(write_text(r, b, ": "));
        TRY(jinja_write_repr(r, b, d->entries[i].value));
    }
    return write_text(r, b, "}");
}

static hearth_status repr_number(jinja_run *r, buf *b, jinja_value v)
{
    char text[JINJA_FLOAT_MAX];
    size_t n = v.kind == JINJA_FLOAT
                   ? jinja_format_float(v.real, text)
                   : (size_t)snprintf(text, sizeof text, "%lld", (long long)v.integer);
    return jinja_write(r, b, text, n);
}

static hearth_status repr_object(jinja_run *r, buf *b, jinja_value v)
{
    char text[96];
    if (v.kind == JINJA_NAMESPACE) {
        TRY(write_text(r, b, "<Namespace "));
        TRY(repr_dict(r, b, v.dict));
        return write_text(r, b, ">");
    }
    if (v.kind == JINJA_LOOP) {
        jinja_value length;
        jinja_string name = {"length", 6, 6};
        TRY(jinja_loop_attribute(r, v, &name, &length));
        snprintf(text, sizeof text, "<LoopContext %zu/%lld>", v.loop->index + 1,
                 (long long)length.integer);
        return write_text(r, b, text);
    }
    if (v.kind == JINJA_MACRO) {
        const jinja_string *name = r->t->names[v.macro->node->name];
        if (v.macro->is_caller)
            return write_text(r, b, "<Macro anonymous>");
        TRY(write_text(r, b, "<Macro '"));
        TRY(jinja_write(r, b, name->text, name->n));
        return write_text(r, b, "'>");
    }
    return jinja_fail(r, "a %s has no text; was a call meant? Put () behind it",
                      jinja_type_name(v));
}

hearth_status jinja_write_repr(jinja_run *r, buf *b, jinja_value v)
{
    hearth_status status;
    TRY(jinja_spend(r, 1));
    switch ((jinja_kind)v.kind) {
    case JINJA_MISSING:
    case JINJA_UNDEFINED:
        return write_text(r, b, "Undefined");
    case JINJA_NONE:
        return write_text(r, b, "None");
    case JINJA_BOOL:
        return write_text(r, b, v.boolean ? "True" : "False");
    case JINJA_INT:
    case JINJA_FLOAT:
        return repr_number(r, b, v);
    case JINJA_STRING:
        if (v.markup)
            TRY(write_text(r, b, "Markup("));
        TRY(repr_string(r, b, v.string));
        return v.markup ? write_text(r, b, ")") : HEARTH_OK;
    case JINJA_LIST:
    case JINJA_DICT:
        TRY(jinja_enter(r));
        status = v.kind == JINJA_LIST ? repr_list(r, b, v) : repr_dict(r, b, v.dict);
        jinja_leave(r);
        return status;
    default:
        TRY(jinja_enter(r));
        status = repr_object(r, b, v);
        jinja_leave(r);
        return status;
    }
}

/* ---- str ---- */

hearth_status jinja_write_str(jinja_run *r, buf *b, jinja_value v)
{
    if (v.kind == JINJA_STRING) {
        TRY(jinja_spend(r, v.string->n / 64));
        return jinja_write(r, b, v.string->text, v.string->n);
    }
    if (v.kind == JINJA_UNDEFINED && v.lack == JINJA_LACK_UNSAFE)
        return jinja_fail_undefined(r, v);
    return v.kind == JINJA_UNDEFINED ? HEARTH_OK : jinja_write_repr(r, b, v);
}

hearth_status jinja_take(jinja_run *r, buf *b, jinja_value *out)
{
    hearth_status status = jinja_make_string(r, b->data ? b->data : "", b->n, out);
    buf_deinit(b);
    return status;
}

hearth_status jinja_str(jinja_run *r, jinja_value v, jinja_value *out)
{
    buf b;
    *out = v;
    if (v.kind == JINJA_STRING)
        return HEARTH_OK;
    buf_init(&b, r->max_output);
    hearth_status status = jinja_write_str(r, &b, v);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, out);
    buf_deinit(&b);
    return status;
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\'':
        return "&#39;";
    case '"':
        return "&#34;";
    default:
        return NULL;
    }
}

static hearth_status escape_into(jinja_run *r, const jinja_string *s, buf *b)
{
    TRY(jinja_spend(r, s->n / 16));
    for (size_t i = 0; i < s->n; i++) {
        const char *text = entity(s->text[i]);
        TRY(text ? write_text(r, b, text) : jinja_write(r, b, s->text + i, 1));
    }
    return HEARTH_OK;
}

hearth_status jinja_escape(jinja_run *r, jinja_value v, jinja_value *out)
{
    buf b;
    TRY(jinja_str(r, v, out));
    if (out->markup)
        return HEARTH_OK;
    buf_init(&b, r->max_output);
    hearth_status status = escape_into(r, out->string, &b);
    if (status == HEARTH_OK)
        status = jinja_take(r, &b, out);
    else
        buf_deinit(&b);
    out->markup = true;
    return status;
}
