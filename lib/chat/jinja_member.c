/* SPDX-License-Identifier: MIT
 *
 * jinja_member.c - attributes, elements, slices and iteration.
 *
 * x.name looks for a method first and an element second, x['name'] the other way round, as Jinja
 * does: so `parameters.items` is the method of the dict even if it has such a key. What is not
 * there is an undefined value; a look into an undefined value is an error.
 */
#include <string.h>

#include "chat/jinja_run.h"

hearth_status jinja_fail_undefined(jinja_run *r, jinja_value v)
{
    int n = v.string ? (int)(v.string->n < 128 ? v.string->n : 128) : 0;
    const char *name = v.string ? v.string->text : "";
    static const char *const owners[] = {
        [JINJA_NONE] = "None",         [JINJA_BOOL] = "bool object",
        [JINJA_INT] = "int object",    [JINJA_FLOAT] = "float object",
        [JINJA_STRING] = "str object", [JINJA_LIST] = "list object",
        [JINJA_DICT] = "dict object",  [JINJA_NAMESPACE] = "namespace",
        [JINJA_FUNCTION] = "function", [JINJA_METHOD] = "method",
        [JINJA_MACRO] = "macro",       [JINJA_LOOP] = "loop",
        [JINJA_CYCLER] = "cycler",     [JINJA_JOINER] = "joiner",
    };
    const char *owner = v.owner < sizeof owners / sizeof *owners ? owners[v.owner] : NULL;
    switch ((jinja_lack)v.lack) {
    case JINJA_LACK_NAME:
        return jinja_fail(r, "'%.*s' is undefined", n, name);
    case JINJA_LACK_MEMBER:
        if (v.string == NULL)
            return jinja_fail(r, "the %s has no such element", owner ? owner : "value");
        return jinja_fail(r, "the %s has no attribute '%.*s'", owner ? owner : "value", n, name);
    case JINJA_LACK_UNSAFE:
        return jinja_fail(r, "'%.*s' would change a value; templates may not", n, name);
    case JINJA_LACK_ELEMENT:
        return jinja_fail(r, "an empty sequence has no such element");
    case JINJA_LACK_ARGUMENT:
        return jinja_fail(r, "the argument '%.*s' was not given", n, name);
    }
    return jinja_fail(r, "the value is undefined");
}

static jinja_value lacking(jinja_value owner, const jinja_string *name)
{
    jinja_value v = jinja_undefined(name, JINJA_LACK_MEMBER);
    v.owner = owner.kind;
    return v;
}

/* A method, *found; or an undefined value where the sandbox forbids it, also *found. */
static hearth_status method(jinja_run *r, jinja_value v, const jinja_string *name, bool *found,
                            jinja_value *out)
{
    bool forbidden;
    const jinja_builtin *builtin = jinja_find_method(v, name, &forbidden);
    *found = forbidden || builtin;
    if (forbidden)
        *out = jinja_undefined(name, JINJA_LACK_UNSAFE);
    if (builtin) {
        jinja_bound *bound;
        TRY(jinja_new(r, sizeof *bound, &bound));
        *bound = (jinja_bound){builtin, v};
        *out = (jinja_value){.kind = JINJA_METHOD, .method = bound};
    }
    return HEARTH_OK;
}

/* Attributes that are no methods. */
static hearth_status special_attribute(jinja_run *r, jinja_value v, const jinja_string *name,
                                       bool *found, jinja_value *out)
{
    *found = true;
    if (v.kind == JINJA_LOOP) {
        TRY(jinja_loop_attribute(r, v, name, out));
        *found = out->kind != JINJA_MISSING;
        return HEARTH_OK;
    }
    if (jinja_is_flavor(v, JINJA_GROUP) && jinja_string_is(name, "grouper")) {
        *out = v.list->items[0];
        return HEARTH_OK;
    }
    if (jinja_is_flavor(v, JINJA_GROUP) && jinja_string_is(name, "list")) {
        *out = v.list->items[1];
        return HEARTH_OK;
    }
    if (v.kind == JINJA_CYCLER && jinja_string_is(name, "current")) {
        *out = v.turn->items->items[v.turn->next];
        return HEARTH_OK;
    }
    if (v.kind == JINJA_MACRO && jinja_string_is(name, "name") && !v.macro->is_caller) {
        *out = jinja_of_string(r->t->names[v.macro->node->name]);
        return HEARTH_OK;
    }
    if (v.kind == JINJA_NAMESPACE) {
        jinja_value *member;
        TRY(jinja_dict_find(r, v.dict, jinja_of_string(name), &member));
        *found = member != NULL;
        if (member)
            *out = *member;
        return HEARTH_OK;
    }
    *found = false;
    return HEARTH_OK;
}

static hearth_status key(jinja_run *r, jinja_value v, const jinja_string *name, bool *found,
                         jinja_value *out)
{
    jinja_value *value = NULL;
    if (v.kind == JINJA_DICT)
        TRY(jinja_dict_find(r, v.dict, jinja_of_string(name), &value));
    *found = value != NULL;
    if (value)
        *out = *value;
    return HEARTH_OK;
}

hearth_status jinja_attribute(jinja_run *r, jinja_value v, const jinja_string *name,
                              jinja_value *out)
{
    bool found;
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    TRY(special_attribute(r, v, name, &found, out));
    if (!found)
        TRY(method(r, v, name, &found, out));
    if (!found)
        TRY(key(r, v, name, &found, out));
    if (!found)
        *out = lacking(v, name);
    return HEARTH_OK;
}

/* ---- elements ---- */

static hearth_status element(jinja_run *r, jinja_value v, int64_t i, jinja_value *out)
{
    size_t n = v.kind == JINJA_STRING ? v.string->n_chars : v.list->n;
    if (i < 0)
        i += (int64_t)n;
    if (i < 0 || i >= (int64_t)n) {
        *out = lacking(v, NULL);
        return HEARTH_OK;
    }
    if (v.kind == JINJA_LIST) {
        *out = v.list->items[i];
        return HEARTH_OK;
    }
    TRY(jinja_spend(r, v.string->n / 64));
    size_t begin = jinja_byte_of(v.string, (size_t)i), end = begin + 1;
    while (end < v.string->n && ((unsigned char)v.string->text[end] & 0xc0) == 0x80)
        end++;
    return jinja_wrap_string(r, v.string->text + begin, end - begin, out);
}

static bool is_hashable(jinja_value v)
{
    if (jinja_is_tuple(v)) {
        for (size_t i = 0; i < v.list->n; i++) {
            if (v.list->items[i].kind == JINJA_LIST || v.list->items[i].kind == JINJA_DICT)
                return false;
        }
        return true;
    }
    return v.kind != JINJA_LIST && v.kind != JINJA_DICT;
}

static bool has_elements(jinja_value v)
{
    return v.kind == JINJA_STRING ||
           (v.kind == JINJA_LIST && v.list->flavor != JINJA_GENERATOR && !jinja_is_view(v));
}

hearth_status jinja_item(jinja_run *r, jinja_value v, jinja_value index, jinja_value *out)
{
    bool found = false;
    jinja_value *value = NULL;
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (has_elements(v) && jinja_is_integral(index))
        return element(r, v, jinja_integer_of(index), out);
    if (v.kind == JINJA_DICT && is_hashable(index)) {
        TRY(jinja_dict_find(r, v.dict, index, &value));
        found = value != NULL;
        if (value)
            *out = *value;
    }
    if (!found && index.kind == JINJA_STRING) {
        TRY(special_attribute(r, v, index.string, &found, out));
        if (!found)
            TRY(method(r, v, index.string, &found, out));
    }
    if (!found)
        *out = lacking(v, index.kind == JINJA_STRING ? index.string : NULL);
    return HEARTH_OK;
}

/* ---- slices ---- */

static hearth_status slice_bound(jinja_run *r, jinja_value v, int64_t missing, int64_t lowest,
                                 int64_t highest, int64_t n, int64_t *out)
{
    *out = missing;
    if (v.kind == JINJA_MISSING || v.kind == JINJA_NONE)
        return HEARTH_OK;
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (!jinja_is_integral(v))
        return jinja_fail(r, "a slice is bounded by integers, not by %s", jinja_type_name(v));
    int64_t i = jinja_integer_of(v);
    if (i < 0)
        i = i < -n ? lowest : i + n;
    *out = i < lowest ? lowest : i > highest ? highest : i;
    return HEARTH_OK;
}

static hearth_status slice_step(jinja_run *r, jinja_value v, int64_t *out)
{
    int64_t same;
    TRY(slice_bound(r, v, 1, INT64_MIN, INT64_MAX, 0, &same)); /* refuses what is no integer */
    *out = jinja_is_integral(v) ? jinja_integer_of(v) : 1;
    if (*out == 0 || *out == INT64_MIN)
        return jinja_fail(r, "the step of a slice cannot be %lld", (long long)*out);
    return HEARTH_OK;
}

static hearth_status slice_string(jinja_run *r, const jinja_string *s, int64_t start, int64_t step,
                                  size_t count, jinja_value *out)
{
    if (step == 1 || count == 0) {
        size_t begin = jinja_byte_of(s, (size_t)start);
        size_t end = jinja_byte_of(s, (size_t)start + count);
        return jinja_wrap_string(r, s->text + (count ? begin : 0), count ? end - begin : 0, out);
    }
    size_t *places, n = 0, used = 0;
    char *text;
    TRY(jinja_new(r, (s->n_chars + 1) * sizeof *places, &places));
    for (size_t i = 0; i < s->n; i++) {
        if (((unsigned char)s->text[i] & 0xc0) != 0x80)
            places[n++] = i;
    }
    places[n] = s->n;
    TRY(jinja_new(r, s->n, &text));
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)(start + (int64_t)i * step);
        memcpy(text + used, s->text + places[at], places[at + 1] - places[at]);
        used += places[at + 1] - places[at];
    }
    return jinja_wrap_string(r, text, used, out);
}

hearth_status jinja_slice(jinja_run *r, jinja_value v, const jinja_value part[3], jinja_value *out)
{
    int64_t start, stop, step = 1;
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, v);
    if (!has_elements(v))
        return jinja_fail(r, "a %s cannot be sliced", jinja_type_name(v));
    int64_t n = (int64_t)(v.kind == JINJA_STRING ? v.string->n_chars : v.list->n);
    TRY(slice_step(r, part[2], &step));
    bool down = step < 0;
    TRY(slice_bound(r, part[0], down ? n - 1 : 0, down ? -1 : 0, down ? n - 1 : n, n, &start));
    TRY(slice_bound(r, part[1], down ? -1 : n, down ? -1 : 0, down ? n - 1 : n, n, &stop));
    size_t count = 0;
    if (!down && start < stop)
        count = (size_t)((stop - start - 1) / step) + 1;
    if (down && start > stop)
        count = (size_t)((start - stop - 1) / -step) + 1;
    if (v.kind == JINJA_STRING)
        return slice_string(r, v.string, start, step, count, out);
    jinja_value *items;
    TRY(jinja_make_list(r, v.list->flavor == JINJA_GROUP ? JINJA_TUPLE : v.list->flavor, count,
                        &items, out));
    for (size_t i = 0; i < count; i++)
        items[i] = v.list->items[start + (int64_t)i * step];
    return HEARTH_OK;
}

/* ---- iteration ---- */

static hearth_status characters(jinja_run *r, const jinja_string *s, jinja_list **out)
{
    jinja_value *items, list;
    TRY(jinja_make_list(r, JINJA_PLAIN, s->n_chars, &items, &list));
    size_t at = 0;
    for (size_t i = 0; i < s->n_chars; i++) {
        size_t end = at + 1;
        while (end < s->n && ((unsigned char)s->text[end] & 0xc0) == 0x80)
            end++;
        TRY(jinja_wrap_string(r, s->text + at, end - at, &items[i]));
        at = end;
    }
    *out = list.list;
    return HEARTH_OK;
}

hearth_status jinja_iterate(jinja_run *r, jinja_value v, jinja_list **out)
{
    jinja_value list, *items;
    switch ((jinja_kind)v.kind) {
    case JINJA_STRING:
        return characters(r, v.string, out);
    case JINJA_DICT:
        TRY(jinja_dict_list(r, v.dict, JINJA_PLAIN, &list));
        break;
    case JINJA_UNDEFINED:
        TRY(jinja_make_list(r, JINJA_PLAIN, 0, &items, &list));
        break;
    case JINJA_LIST:
        list = v;
        if (v.list->flavor == JINJA_GENERATOR) {
            TRY(jinja_make_list(r, JINJA_PLAIN, 0, &items, &list));
            list.list->items = v.list->items + v.list->next;
            list.list->n = v.list->n - v.list->next;
            v.list->next = v.list->n;
        }
        break;
    default:
        return jinja_fail(r, "a %s cannot be iterated over", jinja_type_name(v));
    }
    *out = list.list;
    return HEARTH_OK;
}

hearth_status jinja_length(jinja_run *r, jinja_value v, size_t *out)
{
    if (v.kind == JINJA_STRING)
        *out = v.string->n_chars;
    else if (v.kind == JINJA_LIST && v.list->flavor != JINJA_GENERATOR)
        *out = v.list->n;
    else if (v.kind == JINJA_DICT)
        *out = v.dict->n;
    else if (v.kind == JINJA_UNDEFINED)
        *out = 0;
    else
        return jinja_fail(r, "a %s has no length", jinja_type_name(v));
    return HEARTH_OK;
}
