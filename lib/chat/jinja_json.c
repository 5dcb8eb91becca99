/* SPDX-License-Identifier: MIT
 *
 * jinja_json.c - values as Python's json.dumps writes them, which is what models were shown.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "chat/jinja_number.h"
#include "chat/jinja_run.h"

typedef struct writer {
    jinja_run *r;
    buf *b;
    const jinja_json_style *style;
    size_t level;
} writer;

static hearth_status write_value(writer *w, jinja_value v);

static hearth_status put(writer *w, const char *text)
{
    return jinja_write(w->r, w->b, text, strlen(text));
}

static hearth_status put_code(writer *w, uint32_t c)
{
    char text[16];
    if (c >= 0x10000)
        snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                 0xdc00 + ((c - 0x10000) & 0x3ff));
    else
        snprintf(text, sizeof text, "\\u%04x", c);
    return put(w, text);
}

static hearth_status put_special(writer *w, uint32_t c)
{
    static const char names[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
    const char *found = c ? strchr(names, (int)c) : NULL;
    if (c > 0x7e || found == NULL)
        return put_code(w, c);
    const char text[2] = {'\\', letters[found - names]};
    return jinja_write(w->r, w->b, text, 2);
}

static hearth_status write_string(writer *w, const jinja_string *s)
{
    TRY(jinja_spend(w->r, s->n / 16));
    TRY(put(w, "\""));
    size_t begin = 0;
    for (size_t i = 0; i < s->n;) {
        uint32_t c;
        size_t n = utf8_decode(s->text + i, s->n - i, &c);
        if (c < 0x20 || c == '"' || c == '\\' || (w->style->ascii && c > 0x7e)) {
            TRY(jinja_write(w->r, w->b, s->text + begin, i - begin));
            TRY(c == 0x7f ? put(w, "\x7f") : put_special(w, c));
            begin = i + n;
        }
        i += n;
    }
    TRY(jinja_write(w->r, w->b, s->text + begin, s->n - begin));
    return put(w, "\"");
}

static hearth_status write_float(writer *w, double d)
{
    char text[JINJA_FLOAT_MAX];
    if (isnan(d))
        return put(w, "NaN");
    if (isinf(d))
        return put(w, d > 0 ? "Infinity" : "-Infinity");
    return jinja_write(w->r, w->b, text, jinja_format_float(d, text));
}

static hearth_status write_integer(writer *w, int64_t i)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)i);
    return put(w, text);
}

static hearth_status break_line(writer *w)
{
    const jinja_string *indent = w->style->indent;
    if (indent == NULL)
        return HEARTH_OK;
    TRY(put(w, "\n"));
    for (size_t i = 0; i < w->level; i++)
        TRY(jinja_write(w->r, w->b, indent->text, indent->n));
    return HEARTH_OK;
}

static hearth_status between(writer *w)
{
    const jinja_string *text = w->style->between;
    if (text)
        TRY(jinja_write(w->r, w->b, text->text, text->n));
    else
        TRY(put(w, w->style->indent ? "," : ", "));
    return break_line(w);
}

static hearth_status write_list(writer *w, const jinja_list *list)
{
    if (list->n == 0)
        return put(w, "[]");
    TRY(put(w, "["));
    w->level++;
    TRY(break_line(w));
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            TRY(between(w));
        TRY(write_value(w, list->items[i]));
    }
    w->level--;
    TRY(break_line(w));
    return put(w, "]");
}

static hearth_status write_key(writer *w, jinja_value key)
{
    if (key.kind == JINJA_STRING)
        return write_string(w, key.string);
    if (!jinja_is_number(key) && key.kind != JINJA_NONE)
        return jinja_fail(w->r, "a %s cannot be a key of JSON", jinja_type_name(key));
    TRY(put(w, "\""));
    TRY(write_value(w, key));
    return put(w, "\"");
}

/* The order of keys sorted as strings; insertion sort would be slow, so merge halves. */
static hearth_status sort_entries(jinja_run *r, const jinja_entry **list, const jinja_entry **space,
                                  size_t n)
{
    if (n < 2)
        return HEARTH_OK;
    size_t half = n / 2, i = 0, j = half;
    TRY(sort_entries(r, list, space, half));
    TRY(sort_entries(r, list + half, space, n - half));
    for (size_t k = 0; k < n; k++) {
        int order = -1;
        if (i < half && j < n)
            TRY(jinja_order(r, list[i]->key, list[j]->key, &order));
        space[k] = j == n || (i < half && order <= 0) ? list[i++] : list[j++];
    }
    memcpy(list, space, n * sizeof *list);
    return HEARTH_OK;
}

static hearth_status write_dict(writer *w, const jinja_dict *d)
{
    const jinja_entry **order = NULL, **space;
    if (d->n == 0)
        return put(w, "{}");
    if (w->style->sort) {
        TRY(jinja_new(w->r, d->n * sizeof *order, &order));
        TRY(jinja_new(w->r, d->n * sizeof *space, &space));
        for (size_t i = 0; i < d->n; i++)
            order[i] = &d->entries[i];
        TRY(sort_entries(w->r, order, space, d->n));
    }
    TRY(put(w, "{"));
    w->level++;
    TRY(break_line(w));
    for (size_t i = 0; i < d->n; i++) {
        const jinja_entry *entry = order ? order[i] : &d->entries[i];
        const jinja_string *colon = w->style->after_key;
        if (i > 0)
            TRY(between(w));
        TRY(write_key(w, entry->key));
        TRY(colon ? jinja_write(w->r, w->b, colon->text, colon->n) : put(w, ": "));
        TRY(write_value(w, entry->value));
    }
    w->level--;
    TRY(break_line(w));
    return put(w, "}");
}

static hearth_status write_value(writer *w, jinja_value v)
{
    hearth_status status;
    TRY(jinja_spend(w->r, 1));
    switch ((jinja_kind)v.kind) {
    case JINJA_NONE:
        return put(w, "null");
    case JINJA_BOOL:
        return put(w, v.boolean ? "true" : "false");
    case JINJA_INT:
        return write_integer(w, v.integer);
    case JINJA_FLOAT:
        return write_float(w, v.real);
    case JINJA_STRING:
        return write_string(w, v.string);
    case JINJA_LIST:
    case JINJA_DICT:
        if (v.kind == JINJA_LIST && !jinja_is_flavor(v, JINJA_PLAIN) && !jinja_is_tuple(v))
            break;
        TRY(jinja_enter(w->r));
        status = v.kind == JINJA_LIST ? write_list(w, v.list) : write_dict(w, v.dict);
        jinja_leave(w->r);
        return status;
    case JINJA_UNDEFINED:
        return jinja_fail_undefined(w->r, v);
    default:
        break;
    }
    return jinja_fail(w->r, "a %s cannot be written as JSON", jinja_type_name(v));
}

hearth_status jinja_write_json(jinja_run *r, buf *b, jinja_value v, const jinja_json_style *style)
{
    writer w = {.r = r, .b = b, .style = style};
    return write_value(&w, v);
}
