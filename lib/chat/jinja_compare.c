/* SPDX-License-Identifier: MIT
 *
 * jinja_compare.c - equality, order, hashes and membership as Python has them.
 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "chat/jinja_run.h"

/* ---- equality ---- */

static int compare_numbers(jinja_value a, jinja_value b)
{
    if (jinja_is_integral(a) && jinja_is_integral(b)) {
        int64_t x = jinja_integer_of(a), y = jinja_integer_of(b);
        return (x > y) - (x < y);
    }
    double x = jinja_real_of(a), y = jinja_real_of(b);
    return (x > y) - (x < y);
}

static bool is_nan(jinja_value v)
{
    return v.kind == JINJA_FLOAT && isnan(v.real);
}

static hearth_status equal_lists(jinja_run *r, const jinja_list *a, const jinja_list *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++)
        TRY(jinja_equal(r, a->items[i], b->items[i], out));
    return HEARTH_OK;
}

static hearth_status equal_dicts(jinja_run *r, const jinja_dict *a, const jinja_dict *b, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        jinja_value *other;
        TRY(jinja_dict_find(r, b, a->entries[i].key, &other));
        *out = other != NULL;
        if (other)
            TRY(jinja_equal(r, a->entries[i].value, *other, out));
    }
    return HEARTH_OK;
}

static bool comparable_lists(jinja_value a, jinja_value b)
{
    jinja_flavor x = a.list->flavor, y = b.list->flavor;
    if (x == JINJA_GENERATOR || x == JINJA_VALUES)
        return a.list == b.list;
    return x == y || (jinja_is_tuple(a) && jinja_is_tuple(b)) ||
           (jinja_is_view(a) && jinja_is_view(b) && y != JINJA_VALUES);
}

static hearth_status equal_same_kind(jinja_run *r, jinja_value a, jinja_value b, bool *out)
{
    switch ((jinja_kind)a.kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        *out = true;
        return HEARTH_OK;
    case JINJA_STRING:
        TRY(jinja_spend(r, a.string->n / 64));
        *out = jinja_string_equal(a.string, b.string);
        return HEARTH_OK;
    case JINJA_LIST:
        *out = comparable_lists(a, b);
        return *out ? equal_lists(r, a.list, b.list, out) : HEARTH_OK;
    case JINJA_DICT:
        return equal_dicts(r, a.dict, b.dict, out);
    case JINJA_METHOD:
        *out = a.method->builtin == b.method->builtin && a.method->self.kind == b.method->self.kind;
        return *out ? jinja_equal(r, a.method->self, b.method->self, out) : HEARTH_OK;
    default:
        *out = a.dict == b.dict; /* the same object */
        return HEARTH_OK;
    }
}

hearth_status jinja_equal(jinja_run *r, jinja_value a, jinja_value b, bool *out)
{
    TRY(jinja_spend(r, 1));
    if (jinja_is_number(a) && jinja_is_number(b)) {
        *out = !is_nan(a) && !is_nan(b) && compare_numbers(a, b) == 0;
        return HEARTH_OK;
    }
    *out = false;
    if (a.kind != b.kind)
        return HEARTH_OK;
    TRY(jinja_enter(r));
    hearth_status status = equal_same_kind(r, a, b, out);
    jinja_leave(r);
    return status;
}

/* ---- order ---- */

static hearth_status order_lists(jinja_run *r, const jinja_list *a, const jinja_list *b, int *out)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        TRY(jinja_equal(r, a->items[i], b->items[i], &same));
        if (!same)
            return jinja_order(r, a->items[i], b->items[i], out);
    }
    *out = (a->n > b->n) - (a->n < b->n);
    return HEARTH_OK;
}

hearth_status jinja_order(jinja_run *r, jinja_value a, jinja_value b, int *out)
{
    TRY(jinja_spend(r, 1));
    if (jinja_is_number(a) && jinja_is_number(b)) {
        *out = compare_numbers(a, b);
        return HEARTH_OK;
    }
    if (a.kind == JINJA_STRING && b.kind == JINJA_STRING) {
        TRY(jinja_spend(r, a.string->n / 64));
        *out = jinja_string_compare(a.string, b.string);
        return HEARTH_OK;
    }
    bool lists = jinja_is_flavor(a, JINJA_PLAIN) && jinja_is_flavor(b, JINJA_PLAIN);
    if (lists || (jinja_is_tuple(a) && jinja_is_tuple(b))) {
        TRY(jinja_enter(r));
        hearth_status status = order_lists(r, a.list, b.list, out);
        jinja_leave(r);
        return status;
    }
    if (a.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, a);
    if (b.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, b);
    return jinja_fail(r, "%s and %s have no order", jinja_type_name(a), jinja_type_name(b));
}

/* ---- hashes ---- */

static hearth_status hash_tuple(jinja_run *r, const jinja_list *list, uint64_t *out)
{
    uint64_t hash = HASH_START, item;
    TRY(jinja_enter(r));
    hearth_status status = HEARTH_OK;
    for (size_t i = 0; i < list->n && status == HEARTH_OK; i++) {
        status = jinja_hash(r, list->items[i], &item);
        hash = hash_bytes(hash, &item, sizeof item);
    }
    jinja_leave(r);
    *out = hash;
    return status;
}

/* Equal numbers have equal hashes, whatever their type. */
static uint64_t hash_number(jinja_value v)
{
    int64_t i = 0;
    if (v.kind != JINJA_FLOAT)
        i = jinja_integer_of(v);
    else if (v.real >= -9e18 && v.real <= 9e18 && v.real == floor(v.real))
        i = (int64_t)v.real;
    else
        memcpy(&i, &v.real, sizeof i);
    return hash_bytes(HASH_START, &i, sizeof i);
}

hearth_status jinja_hash(jinja_run *r, jinja_value v, uint64_t *out)
{
    TRY(jinja_spend(r, 1));
    if (v.kind == JINJA_STRING) {
        TRY(jinja_spend(r, v.string->n / 64));
        *out = hash_bytes(HASH_START, v.string->text, v.string->n);
        return HEARTH_OK;
    }
    if (jinja_is_number(v)) {
        *out = hash_number(v);
        return HEARTH_OK;
    }
    if (jinja_is_tuple(v))
        return hash_tuple(r, v.list, out);
    if (v.kind == JINJA_DICT || v.kind == JINJA_LIST)
        return jinja_fail(r, "a %s cannot be the key of a dict", jinja_type_name(v));
    *out = v.kind;
    return HEARTH_OK;
}

/* ---- membership ---- */

static hearth_status in_list(jinja_run *r, jinja_list *list, jinja_value part, bool *out)
{
    *out = false;
    for (size_t i = list->next; i < list->n && !*out; i++) {
        TRY(jinja_equal(r, list->items[i], part, out));
        if (list->flavor == JINJA_GENERATOR)
            list->next = i + 1;
    }
    return HEARTH_OK;
}

hearth_status jinja_contains(jinja_run *r, jinja_value whole, jinja_value part, bool *out)
{
    jinja_value *found;
    jinja_list *list;
    switch ((jinja_kind)whole.kind) {
    case JINJA_STRING:
        if (part.kind == JINJA_UNDEFINED)
            return jinja_fail_undefined(r, part);
        if (part.kind != JINJA_STRING)
            return jinja_fail(r, "'in' a string needs a string on its left, not %s",
                              jinja_type_name(part));
        TRY(jinja_spend(r, whole.string->n / 16));
        *out = part.string->n == 0 ||
               (whole.string->n > 0 && memmem(whole.string->text, whole.string->n,
                                              part.string->text, part.string->n) != NULL);
        return HEARTH_OK;
    case JINJA_DICT:
        TRY(jinja_dict_find(r, whole.dict, part, &found));
        *out = found != NULL;
        return HEARTH_OK;
    case JINJA_LIST:
        return in_list(r, whole.list, part, out);
    default:
        TRY(jinja_iterate(r, whole, &list));
        return in_list(r, list, part, out);
    }
}
