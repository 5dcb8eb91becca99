/* SPDX-License-Identifier: MIT
 *
 * jinja_value.c - see jinja_value.h.
 */
#include "chat/jinja_value.h"

#include <string.h>

bool jinja_string_is(const jinja_string *s, const char *text)
{
    size_t n = strlen(text);
    return s->n == n && memcmp(s->text, text, n) == 0;
}

bool jinja_string_equal(const jinja_string *a, const jinja_string *b)
{
    return a == b || (a->n == b->n && memcmp(a->text, b->text, a->n) == 0);
}

/* The order of UTF-8 bytes is the order of code points. */
int jinja_string_compare(const jinja_string *a, const jinja_string *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int order = memcmp(a->text, b->text, n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

size_t jinja_count_chars(const char *text, size_t n)
{
    size_t n_chars = 0;
    for (size_t i = 0; i < n; i++)
        n_chars += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n_chars;
}

size_t jinja_byte_of(const jinja_string *s, size_t i)
{
    if (s->n == s->n_chars || i >= s->n_chars)
        return i < s->n_chars ? i : s->n;
    size_t at = 0;
    for (size_t seen = 0;; at++) {
        if (((unsigned char)s->text[at] & 0xc0) != 0x80 && seen++ == i)
            return at;
    }
}

static const char *list_name(jinja_flavor flavor)
{
    switch (flavor) {
    case JINJA_PLAIN:
        return "list";
    case JINJA_TUPLE:
    case JINJA_GROUP:
        return "tuple";
    case JINJA_RANGE:
        return "range";
    case JINJA_GENERATOR:
        return "generator";
    case JINJA_KEYS:
        return "dict_keys";
    case JINJA_VALUES:
        return "dict_values";
    case JINJA_ITEMS:
        return "dict_items";
    }
    return "list";
}

const char *jinja_type_name(jinja_value v)
{
    static const char *const names[] = {
        [JINJA_MISSING] = "missing",
        [JINJA_UNDEFINED] = "Undefined",
        [JINJA_NONE] = "NoneType",
        [JINJA_BOOL] = "bool",
        [JINJA_INT] = "int",
        [JINJA_FLOAT] = "float",
        [JINJA_STRING] = "str",
        [JINJA_DICT] = "dict",
        [JINJA_NAMESPACE] = "Namespace",
        [JINJA_FUNCTION] = "function",
        [JINJA_METHOD] = "method",
        [JINJA_MACRO] = "Macro",
        [JINJA_LOOP] = "LoopContext",
        [JINJA_CYCLER] = "Cycler",
        [JINJA_JOINER] = "Joiner",
    };
    return v.kind == JINJA_LIST ? list_name(v.list->flavor) : names[v.kind];
}

bool jinja_is_true(jinja_value v)
{
    switch ((jinja_kind)v.kind) {
    case JINJA_MISSING:
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
        return v.boolean;
    case JINJA_INT:
        return v.integer != 0;
    case JINJA_FLOAT:
        return v.real != 0;
    case JINJA_STRING:
        return v.string->n > 0;
    case JINJA_LIST:
        return v.list->n > 0 || v.list->flavor == JINJA_GENERATOR;
    case JINJA_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}
