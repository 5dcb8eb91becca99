/* SPDX-License-Identifier: MIT
 *
 * jinja_sequence_filters.c - filters on sequences.
 *
 * What gives a generator in Jinja gives one here: it can be walked once, has no length and no JSON.
 * Its items are made at once, not when they are asked for; only an error can tell the difference.
 */
#include <string.h>

#include "chat/jinja_text.h"

static const jinja_value missing = {.kind = JINJA_MISSING};

/* ---- attributes by name ---- */

static bool parse_index(const char *text, size_t n, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || i > 9)
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return n > 0;
}

/* v.a.b.0 for a path "a.b.0", or v[path] for an integer; v itself where the path is missing. */
static hearth_status follow(jinja_run *r, jinja_value v, jinja_value path, jinja_value fallback,
                            jinja_value *out)
{
    *out = v;
    if (path.kind == JINJA_MISSING || path.kind == JINJA_NONE)
        return HEARTH_OK;
    if (path.kind != JINJA_STRING)
        return jinja_item(r, v, path, out);
    const char *text = path.string->text;
    for (size_t at = 0; at <= path.string->n;) {
        const char *dot = memchr(text + at, '.', path.string->n - at);
        size_t n = dot ? (size_t)(dot - text) - at : path.string->n - at;
        int64_t index;
        jinja_value part = jinja_int(0);
        if (parse_index(text + at, n, &index))
            part = jinja_int(index);
        else
            TRY(jinja_wrap_string(r, text + at, n, &part));
        TRY(jinja_item(r, *out, part, out));
        if (out->kind == JINJA_UNDEFINED && fallback.kind != JINJA_MISSING)
            *out = fallback;
        at += n + 1;
    }
    return HEARTH_OK;
}

/* What sorting compares: strings without their case, unless asked otherwise. */
static hearth_status sort_key(jinja_run *r, jinja_value v, jinja_value path, jinja_value fallback,
                              bool case_sensitive, jinja_value *out)
{
    TRY(follow(r, v, path, fallback, out));
    if (out->kind == JINJA_STRING && !case_sensitive)
        return jinja_change_case(r, *out, JINJA_LOWER, out);
    return HEARTH_OK;
}

/* ---- simple ones ---- */

static hearth_status filter_list(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    jinja_value *items;
    TRY(jinja_iterate(r, c->self, &list));
    TRY(jinja_make_list(r, JINJA_PLAIN, list->n, &items, &c->out));
    memcpy(items, list->items, list->n * sizeof *items);
    return HEARTH_OK;
}

static hearth_status filter_first(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    TRY(jinja_iterate(r, c->self, &list));
    c->out = list->n ? list->items[0] : jinja_undefined(NULL, JINJA_LACK_ELEMENT);
    return HEARTH_OK;
}

static hearth_status filter_last(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    if (jinja_is_flavor(c->self, JINJA_GENERATOR))
        return jinja_fail(r, "a generator has no last item; put |list before |last");
    TRY(jinja_iterate(r, c->self, &list));
    c->out = list->n ? list->items[list->n - 1] : jinja_undefined(NULL, JINJA_LACK_ELEMENT);
    return HEARTH_OK;
}

static hearth_status filter_reverse(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    jinja_value *items;
    if (c->self.kind == JINJA_STRING) {
        const jinja_value parts[3] = {missing, missing, jinja_int(-1)};
        return jinja_slice(r, c->self, parts, &c->out);
    }
    jinja_flavor flavor = jinja_is_flavor(c->self, JINJA_GENERATOR) ? JINJA_PLAIN : JINJA_GENERATOR;
    TRY(jinja_iterate(r, c->self, &list));
    TRY(jinja_make_list(r, flavor, list->n, &items, &c->out));
    for (size_t i = 0; i < list->n; i++)
        items[i] = list->items[list->n - 1 - i];
    return HEARTH_OK;
}

static hearth_status join_into(jinja_run *r, jinja_call *c, const jinja_list *list, buf *b)
{
    for (size_t i = 0; i < list->n; i++) {
        jinja_value v;
        if (i > 0 && c->slots[0].kind != JINJA_MISSING)
            TRY(jinja_write_str(r, b, c->slots[0]));
        TRY(follow(r, list->items[i], c->slots[1], missing, &v));
        TRY(jinja_write_str(r, b, v));
    }
    return HEARTH_OK;
}

static hearth_status filter_join(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    buf b;
    TRY(jinja_iterate(r, c->self, &list));
    buf_init(&b, r->max_output);
    hearth_status status = join_into(r, c, list, &b);
    if (status == HEARTH_OK)
        return jinja_take(r, &b, &c->out);
    buf_deinit(&b);
    return status;
}

static hearth_status filter_items(jinja_run *r, jinja_call *c)
{
    if (c->self.kind == JINJA_DICT)
        TRY(jinja_dict_list(r, c->self.dict, JINJA_ITEMS, &c->out));
    else if (c->self.kind == JINJA_UNDEFINED)
        return jinja_built(r, &(jinja_builder){0}, JINJA_GENERATOR, &c->out);
    else
        return jinja_fail(r, "items needs a mapping, not a %s", jinja_type_name(c->self));
    c->out.list->flavor = JINJA_GENERATOR;
    return HEARTH_OK;
}

static hearth_status filter_sum(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    c->out = c->slots[1].kind == JINJA_MISSING ? jinja_int(0) : c->slots[1];
    TRY(jinja_iterate(r, c->self, &list));
    for (size_t i = 0; i < list->n; i++) {
        jinja_value v;
        TRY(follow(r, list->items[i], c->slots[0], missing, &v));
        if (c->out.kind == JINJA_STRING)
            return jinja_fail(r, "strings are joined, not summed");
        TRY(jinja_apply(r, OP_ADD, c->out, v, &c->out));
    }
    return HEARTH_OK;
}

static hearth_status extreme(jinja_run *r, jinja_call *c, int wanted)
{
    jinja_list *list;
    jinja_value best_key = missing, key;
    TRY(jinja_iterate(r, c->self, &list));
    c->out = jinja_undefined(NULL, JINJA_LACK_ELEMENT);
    for (size_t i = 0; i < list->n; i++) {
        int order = wanted;
        TRY(sort_key(r, list->items[i], c->slots[1], missing, jinja_want_flag(c->slots[0], false),
                     &key));
        if (i > 0)
            TRY(jinja_order(r, key, best_key, &order));
        if (wanted > 0 ? order > 0 : order < 0) {
            best_key = key;
            c->out = list->items[i];
        }
    }
    return HEARTH_OK;
}

static hearth_status filter_min(jinja_run *r, jinja_call *c)
{
    return extreme(r, c, -1);
}

static hearth_status filter_max(jinja_run *r, jinja_call *c)
{
    return extreme(r, c, 1);
}

/* ---- sorting ---- */

typedef struct keyed {
    jinja_value key, item;
} keyed;

/* What is equal needs no order: nothing, or a dict, twice. */
static hearth_status order_keys(jinja_run *r, jinja_value a, jinja_value b, int *order)
{
    bool same;
    TRY(jinja_equal(r, a, b, &same));
    *order = 0;
    return same ? HEARTH_OK : jinja_order(r, a, b, order);
}

/* Stable, also in reverse: equal items keep their order. */
static hearth_status merge_sort(jinja_run *r, keyed *list, keyed *space, size_t n, bool reverse)
{
    if (n < 2)
        return HEARTH_OK;
    size_t half = n / 2, i = 0, j = half;
    TRY(merge_sort(r, list, space, half, reverse));
    TRY(merge_sort(r, list + half, space, n - half, reverse));
    for (size_t k = 0; k < n; k++) {
        int order = 0;
        if (i < half && j < n)
            TRY(order_keys(r, list[j].key, list[i].key, &order));
        bool right = i == half || (j < n && (reverse ? order > 0 : order < 0));
        space[k] = right ? list[j++] : list[i++];
    }
    memcpy(list, space, n * sizeof *list);
    return HEARTH_OK;
}

/* path: of the key in each item; fallback: the key of an item that has none. */
static hearth_status sort_items(jinja_run *r, const jinja_list *list, jinja_value path,
                                jinja_value fallback, bool case_sensitive, bool reverse,
                                keyed **out)
{
    keyed *space;
    TRY(jinja_new(r, list->n * sizeof **out, out));
    TRY(jinja_new(r, list->n * sizeof *space, &space));
    for (size_t i = 0; i < list->n; i++) {
        (*out)[i].item = list->items[i];
        TRY(sort_key(r, list->items[i], path, fallback, case_sensitive, &(*out)[i].key));
    }
    return merge_sort(r, *out, space, list->n, reverse);
}

/* Several attributes with commas between them: sorted by the last first, for sorting is stable. */
static hearth_status sort_by(jinja_run *r, jinja_list *list, jinja_value paths, bool case_sensitive,
                             bool reverse, jinja_value *out)
{
    keyed *sorted;
    jinja_value *items, path = paths;
    size_t end = paths.kind == JINJA_STRING ? paths.string->n : 0, begin;
    do {
        begin = 0;
        if (paths.kind == JINJA_STRING) {
            const char *text = paths.string->text, *comma = memrchr(text, ',', end);
            begin = comma ? (size_t)(comma - text) + 1 : 0;
            TRY(jinja_wrap_string(r, text + begin, end - begin, &path));
            end = begin ? begin - 1 : 0;
        }
        TRY(sort_items(r, list, path, missing, case_sensitive, reverse, &sorted));
        TRY(jinja_make_list(r, JINJA_PLAIN, list->n, &items, out));
        for (size_t i = 0; i < list->n; i++)
            items[i] = sorted[i].item;
        list = out->list;
    } while (begin > 0);
    return HEARTH_OK;
}

static hearth_status filter_sort(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    TRY(jinja_iterate(r, c->self, &list));
    return sort_by(r, list, c->slots[2], jinja_want_flag(c->slots[1], false),
                   jinja_want_flag(c->slots[0], false), &c->out);
}

static hearth_status filter_dictsort(jinja_run *r, jinja_call *c)
{
    jinja_value pairs;
    const jinja_string *by = NULL;
    if (c->self.kind == JINJA_UNDEFINED)
        return jinja_fail_undefined(r, c->self);
    if (c->self.kind != JINJA_DICT)
        return jinja_fail(r, "dictsort needs a dict, not a %s", jinja_type_name(c->self));
    if (c->slots[1].kind != JINJA_MISSING)
        TRY(jinja_want_string(r, c->slots[1], "by", &by));
    bool value = by && jinja_string_is(by, "value");
    if (by && !value && !jinja_string_is(by, "key"))
        return jinja_fail(r, "dictsort sorts by 'key' or 'value'");
    TRY(jinja_dict_list(r, c->self.dict, JINJA_ITEMS, &pairs));
    return sort_by(r, pairs.list, jinja_int(value), jinja_want_flag(c->slots[0], false),
                   jinja_want_flag(c->slots[2], false), &c->out);
}

static hearth_status filter_unique(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    jinja_builder b = {0};
    jinja_dict *seen;
    TRY(jinja_iterate(r, c->self, &list));
    TRY(jinja_make_dict(r, &seen));
    for (size_t i = 0; i < list->n; i++) {
        jinja_value key, *found;
        TRY(sort_key(r, list->items[i], c->slots[1], missing, jinja_want_flag(c->slots[0], false),
                     &key));
        TRY(jinja_dict_find(r, seen, key, &found));
        if (found)
            continue;
        TRY(jinja_dict_set(r, seen, key, jinja_none()));
        TRY(jinja_build(r, &b, list->items[i]));
    }
    return jinja_built(r, &b, JINJA_GENERATOR, &c->out);
}

static hearth_status filter_groupby(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    jinja_builder groups = {0};
    keyed *sorted;
    bool case_sensitive = jinja_want_flag(c->slots[2], false);
    TRY(jinja_iterate(r, c->self, &list));
    TRY(sort_items(r, list, c->slots[0], c->slots[1], case_sensitive, false, &sorted));
    for (size_t i = 0; i < list->n;) {
        jinja_builder members = {0};
        jinja_value group, *pair, key = sorted[i].key;
        bool same = true;
        TRY(jinja_make_list(r, JINJA_GROUP, 2, &pair, &group));
        TRY(follow(r, sorted[i].item, c->slots[0], c->slots[1], &pair[0]));
        while (i < list->n && same) {
            TRY(jinja_build(r, &members, sorted[i++].item));
            if (i < list->n)
                TRY(jinja_equal(r, sorted[i].key, key, &same));
        }
        TRY(jinja_built(r, &members, JINJA_PLAIN, &pair[1]));
        TRY(jinja_build(r, &groups, group));
    }
    return jinja_built(r, &groups, JINJA_PLAIN, &c->out);
}

/* ---- cutting into pieces ---- */

static hearth_status filter_batch(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    jinja_builder rows = {0};
    int64_t width;
    TRY(jinja_want_int(r, c->slots[0], "the batch's size", 0, &width));
    if (width < 1)
        return jinja_fail(r, "a batch of %lld items is none", (long long)width);
    TRY(jinja_iterate(r, c->self, &list));
    for (size_t i = 0; i < list->n; i += (size_t)width) {
        jinja_builder row = {0};
        jinja_value v;
        bool fills = c->slots[1].kind != JINJA_MISSING && c->slots[1].kind != JINJA_NONE;
        for (size_t k = i; k < i + (size_t)width && (k < list->n || fills); k++)
            TRY(jinja_build(r, &row, k < list->n ? list->items[k] : c->slots[1]));
        TRY(jinja_built(r, &row, JINJA_PLAIN, &v));
        TRY(jinja_build(r, &rows, v));
        if ((uint64_t)width >= list->n - i)
            break;
    }
    return jinja_built(r, &rows, JINJA_GENERATOR, &c->out);
}

static hearth_status filter_slice(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    jinja_builder rows = {0};
    int64_t n;
    TRY(jinja_want_int(r, c->slots[0], "the number of slices", 0, &n));
    if (n < 1)
        return jinja_fail(r, "%lld slices are none", (long long)n);
    TRY(jinja_iterate(r, c->self, &list));
    size_t each = list->n / (size_t)n, extra = list->n % (size_t)n, at = 0;
    bool fills = c->slots[1].kind != JINJA_MISSING && c->slots[1].kind != JINJA_NONE;
    for (size_t i = 0; i < (size_t)n; i++) {
        jinja_builder row = {0};
        jinja_value v;
        for (size_t end = at + each + (i < extra); at < end; at++)
            TRY(jinja_build(r, &row, list->items[at]));
        if (fills && i >= extra)
            TRY(jinja_build(r, &row, c->slots[1]));
        TRY(jinja_built(r, &row, JINJA_PLAIN, &v));
        TRY(jinja_build(r, &rows, v));
    }
    return jinja_built(r, &rows, JINJA_GENERATOR, &c->out);
}

/* ---- map and select ---- */

/* What is false has no items here, whatever it is. */
static hearth_status items_of(jinja_run *r, jinja_value v, jinja_list **out)
{
    return jinja_iterate(r, jinja_is_true(v) ? v : jinja_undefined(NULL, JINJA_LACK_NAME), out);
}

static hearth_status map_by_path(jinja_run *r, jinja_call *c, const jinja_list *list,
                                 jinja_builder *b)
{
    jinja_value path = missing, fallback = missing;
    for (size_t i = 0; i < c->args->n_keywords; i++) {
        const jinja_keyword *k = &c->args->keywords[i];
        if (jinja_string_is(k->name, "attribute"))
            path = k->value;
        else if (jinja_string_is(k->name, "default"))
            fallback = k->value;
        else
            return jinja_fail(r, "map takes attribute and default, or a filter's name");
    }
    if (path.kind == JINJA_MISSING)
        return jinja_fail(r, "map needs the name of a filter, or attribute=");
    for (size_t i = 0; i < list->n; i++) {
        jinja_value v;
        TRY(follow(r, list->items[i], path, fallback, &v));
        TRY(jinja_build(r, b, v));
    }
    return HEARTH_OK;
}

static hearth_status filter_map(jinja_run *r, jinja_call *c)
{
    jinja_list *list;
    jinja_builder b = {0};
    TRY(items_of(r, c->self, &list));
    if (c->args->n == 0) {
        TRY(map_by_path(r, c, list, &b));
        return jinja_built(r, &b, JINJA_GENERATOR, &c->out);
    }
    const jinja_string *name;
    TRY(jinja_want_string(r, c->args->items[0], "the filter's name", &name));
    const jinja_builtin *filter = jinja_find_filter(name);
    if (filter == NULL && list->n > 0)
        return jinja_fail(r, "there is no filter named '%.*s'", (int)(name->n < 64 ? name->n : 64),
                          name->text);
    jinja_args args = *c->args;
    args.items++;
    args.n--;
    for (size_t i = 0; i < list->n; i++) {
        jinja_value v;
        TRY(jinja_call_builtin(r, filter, list->items[i], &args, &v));
        TRY(jinja_build(r, &b, v));
    }
    return jinja_built(r, &b, JINJA_GENERATOR, &c->out);
}

/* by_path: the first argument says which attribute is tested. Without a test, truth is. */
static hearth_status choose(jinja_run *r, jinja_call *c, bool by_path, bool wanted)
{
    jinja_list *list;
    jinja_builder b = {0};
    jinja_args args = *c->args;
    jinja_value path = missing;
    const jinja_builtin *test = NULL;
    if (by_path && args.n == 0)
        return jinja_fail(r, "the attribute's name is missing");
    if (by_path) {
        path = *args.items++;
        args.n--;
    }
    if (args.n > 0) {
        const jinja_string *name;
        TRY(jinja_want_string(r, args.items[0], "the test's name", &name));
        test = jinja_find_test(name);
        if (test == NULL)
            return jinja_fail(r, "there is no test named '%.*s'",
                              (int)(name->n < 64 ? name->n : 64), name->text);
        args.items++;
        args.n--;
    }
    TRY(items_of(r, c->self, &list));
    for (size_t i = 0; i < list->n; i++) {
        jinja_value v;
        TRY(follow(r, list->items[i], path, missing, &v));
        if (test)
            TRY(jinja_call_builtin(r, test, v, &args, &v));
        if (jinja_is_true(v) == wanted)
            TRY(jinja_build(r, &b, list->items[i]));
    }
    return jinja_built(r, &b, JINJA_GENERATOR, &c->out);
}

static hearth_status filter_select(jinja_run *r, jinja_call *c)
{
    return choose(r, c, false, true);
}

static hearth_status filter_reject(jinja_run *r, jinja_call *c)
{
    return choose(r, c, false, false);
}

static hearth_status filter_selectattr(jinja_run *r, jinja_call *c)
{
    return choose(r, c, true, true);
}

static hearth_status filter_rejectattr(jinja_run *r, jinja_call *c)
{
    return choose(r, c, true, false);
}

const jinja_builtin jinja_sequence_filters[] = {
    {"list", filter_list, "", 0},
    {"first", filter_first, "", 0},
    {"last", filter_last, "", 0},
    {"reverse", filter_reverse, "", 0},
    {"join", filter_join, "d|attribute", 0},
    {"items", filter_items, "", 0},
    {"sum", filter_sum, "attribute|start", 0},
    {"min", filter_min, "case_sensitive|attribute", 0},
    {"max", filter_max, "case_sensitive|attribute", 0},
    {"sort", filter_sort, "reverse|case_sensitive|attribute", 0},
    {"dictsort", filter_dictsort, "case_sensitive|by|reverse", 0},
    {"unique", filter_unique, "case_sensitive|attribute", 0},
    {"groupby", filter_groupby, "attribute|default|case_sensitive", 1},
    {"batch", filter_batch, "linecount|fill_with", 1},
    {"slice", filter_slice, "slices|fill_with", 1},
    {"map", filter_map, NULL, 0},
    {"select", filter_select, NULL, 0},
    {"reject", filter_reject, NULL, 0},
    {"selectattr", filter_selectattr, NULL, 0},
    {"rejectattr", filter_rejectattr, NULL, 0},
};
const size_t jinja_n_sequence_filters =
    sizeof jinja_sequence_filters / sizeof *jinja_sequence_filters;
