/* SPDX-License-Identifier: MIT
 *
 * jinja_methods.c - which methods values have, the globals of Jinja, and the methods of lists,
 * dicts and Jinja's own objects. Strings have theirs in jinja_string_methods.c and
 * jinja_find_methods.c.
 *
 * Templates of models are rendered in a sandbox: methods that would change a list or dict exist, so
 * that `is defined` is true of them, but calling one is an error.
 */
#include <string.h>

#include "chat/jinja_run.h"
#include "chat/jinja_strftime.h"

/* ---- dicts and lists ---- */

static hearth_status dict_get(jinja_run *r, jinja_call *c)
{
    jinja_value *found;
    TRY(jinja_dict_find(r, c->self.dict, c->slots[0], &found));
    if (found)
        c->out = *found;
    else if (c->slots[1].kind != JINJA_MISSING)
        c->out = c->slots[1];
    return HEARTH_OK;
}

static hearth_status dict_keys(jinja_run *r, jinja_call *c)
{
    return jinja_dict_list(r, c->self.dict, JINJA_KEYS, &c->out);
}

static hearth_status dict_values(jinja_run *r, jinja_call *c)
{
    return jinja_dict_list(r, c->self.dict, JINJA_VALUES, &c->out);
}

static hearth_status dict_items(jinja_run *r, jinja_call *c)
{
    return jinja_dict_list(r, c->self.dict, JINJA_ITEMS, &c->out);
}

/* What never changes needs no copying. */
static hearth_status copy(jinja_run *r, jinja_call *c)
{
    (void)r;
    c->out = c->self;
    return HEARTH_OK;
}

static hearth_status list_count(jinja_run *r, jinja_call *c)
{
    int64_t n = 0;
    for (size_t i = 0; i < c->self.list->n; i++) {
        bool same;
        TRY(jinja_equal(r, c->self.list->items[i], c->slots[0], &same));
        n += same;
    }
    c->out = jinja_int(n);
    return HEARTH_OK;
}

static hearth_status list_index(jinja_run *r, jinja_call *c)
{
    int64_t n = (int64_t)c->self.list->n, start, stop;
    TRY(jinja_want_int(r, c->slots[1], "the start", 0, &start));
    TRY(jinja_want_int(r, c->slots[2], "the end", n, &stop));
    start = start < 0 ? (start < -n ? 0 : start + n) : start;
    stop = stop < 0 ? stop + n : stop > n ? n : stop;
    for (int64_t i = start; i < stop; i++) {
        bool same;
        TRY(jinja_equal(r, c->self.list->items[i], c->slots[0], &same));
        if (same) {
            c->out = jinja_int(i);
            return HEARTH_OK;
        }
    }
    return jinja_fail(r, "the value is not in the list");
}

/* ---- objects of Jinja ---- */

static hearth_status loop_cycle(jinja_run *r, jinja_call *c)
{
    if (c->args->n == 0)
        return jinja_fail(r, "loop.cycle needs values to cycle through");
    c->out = c->args->items[c->self.loop->index % c->args->n];
    return HEARTH_OK;
}

static hearth_status loop_changed(jinja_run *r, jinja_call *c)
{
    jinja_list *last = c->self.loop->last_changed;
    bool same = last && last->n == c->args->n;
    for (size_t i = 0; same && i < last->n; i++)
        TRY(jinja_equal(r, last->items[i], c->args->items[i], &same));
    TRY(jinja_new(r, sizeof *last, &last));
    *last = (jinja_list){.flavor = JINJA_TUPLE, .n = c->args->n, .items = c->args->items};
    c->self.loop->last_changed = last;
    c->out = jinja_bool(!same);
    return HEARTH_OK;
}

static hearth_status cycler_next(jinja_run *r, jinja_call *c)
{
    (void)r;
    jinja_turn *turn = c->self.turn;
    c->out = turn->items->items[turn->next];
    turn->next = (turn->next + 1) % turn->items->n;
    return HEARTH_OK;
}

static hearth_status cycler_reset(jinja_run *r, jinja_call *c)
{
    (void)r;
    c->self.turn->next = 0;
    return HEARTH_OK;
}

/* ---- globals ---- */

static hearth_status global_range(jinja_run *r, jinja_call *c)
{
    enum { RANGE_MAX = 100000 }; /* as the sandbox of Jinja has it */
    int64_t bounds[3] = {0, 0, 1};
    jinja_value *items;
    size_t count = 0;
    TRY(jinja_want_int(r, c->slots[0], "range's argument", 0, &bounds[1]));
    if (c->slots[1].kind != JINJA_MISSING) {
        bounds[0] = bounds[1];
        TRY(jinja_want_int(r, c->slots[1], "range's end", 0, &bounds[1]));
    }
    TRY(jinja_want_int(r, c->slots[2], "range's step", 1, &bounds[2]));
    int64_t distance = 0, step = bounds[2];
    if (step == 0 || step == INT64_MIN ||
        __builtin_sub_overflow(bounds[step > 0], bounds[step < 0], &distance))
        return jinja_fail(r, "the bounds of range are out of range");
    if (distance > 0)
        count = (size_t)((distance - 1) / (step > 0 ? step : -step)) + 1;
    if (count > RANGE_MAX)
        return jinja_fail(r, "a range of %zu numbers is too long; %d are the most", count,
                          RANGE_MAX);
    TRY(jinja_make_list(r, JINJA_RANGE, count, &items, &c->out));
    for (size_t i = 0; i < count; i++)
        items[i] = jinja_int(bounds[0] + (int64_t)i * step);
    return HEARTH_OK;
}

static hearth_status add_pairs(jinja_run *r, jinja_dict *d, jinja_value from)
{
    jinja_list *list, *pair;
    if (from.kind == JINJA_DICT) {
        for (size_t i = 0; i < from.dict->n; i++)
            TRY(jinja_dict_set(r, d, from.dict->entries[i].key, from.dict->entries[i].value));
        return HEARTH_OK;
    }
    TRY(jinja_iterate(r, from, &list));
    for (size_t i = 0; i < list->n; i++) {
        TRY(jinja_iterate(r, list->items[i], &pair));
        if (pair->n != 2)
            return jinja_fail(r, "a dict is made of pairs, not of %zu values", pair->n);
        TRY(jinja_dict_set(r, d, pair->items[0], pair->items[1]));
    }
    return HEARTH_OK;
}

static hearth_status global_dict(jinja_run *r, jinja_call *c)
{
    jinja_dict *d;
    TRY(jinja_make_dict(r, &d));
    if (c->args->n > 1)
        return jinja_fail(r, "a dict is made of one mapping and keywords");
    if (c->args->n == 1)
        TRY(add_pairs(r, d, c->args->items[0]));
    for (size_t i = 0; i < c->args->n_keywords; i++)
        TRY(jinja_dict_set(r, d, jinja_of_string(c->args->keywords[i].name),
                           c->args->keywords[i].value));
    c->out = (jinja_value){.kind = JINJA_DICT, .dict = d};
    return HEARTH_OK;
}

static hearth_status global_namespace(jinja_run *r, jinja_call *c)
{
    TRY(global_dict(r, c));
    c->out.kind = JINJA_NAMESPACE;
    return HEARTH_OK;
}

static hearth_status global_cycler(jinja_run *r, jinja_call *c)
{
    jinja_turn *turn;
    if (c->args->n == 0)
        return jinja_fail(r, "cycler needs values to cycle through");
    TRY(jinja_new(r, sizeof *turn, &turn));
    *turn = (jinja_turn){0};
    TRY(jinja_new(r, sizeof *turn->items, &turn->items));
    *turn->items = (jinja_list){.n = c->args->n, .items = c->args->items};
    c->out = (jinja_value){.kind = JINJA_CYCLER, .turn = turn};
    return HEARTH_OK;
}

static hearth_status global_joiner(jinja_run *r, jinja_call *c)
{
    jinja_turn *turn;
    jinja_value sep = c->slots[0];
    if (sep.kind == JINJA_MISSING)
        TRY(jinja_make_text(r, ", ", &sep));
    TRY(jinja_new(r, sizeof *turn, &turn));
    *turn = (jinja_turn){0};
    TRY(jinja_want_string(r, sep, "the separator", &turn->sep));
    c->out = (jinja_value){.kind = JINJA_JOINER, .turn = turn};
    return HEARTH_OK;
}

static hearth_status global_raise_exception(jinja_run *r, jinja_call *c)
{
    jinja_value text;
    TRY(jinja_str(r, c->slots[0], &text));
    return jinja_fail(r, "%.*s", (int)(text.string->n < 320 ? text.string->n : 320),
                      text.string->text);
}

static hearth_status global_strftime_now(jinja_run *r, jinja_call *c)
{
    const jinja_string *format;
    TRY(jinja_want_string(r, c->slots[0], "the format", &format));
    return jinja_strftime(r, format, &c->out);
}

const jinja_builtin *jinja_find_global(uint32_t name)
{
    static const jinja_builtin globals[] = {
        {"range", global_range, "start|stop|step", 1},
        {"dict", global_dict, NULL, 0},
        {"namespace", global_namespace, NULL, 0},
        {"cycler", global_cycler, NULL, 0},
        {"joiner", global_joiner, "sep", 0},
        {"raise_exception", global_raise_exception, "message", 1},
        {"strftime_now", global_strftime_now, "format", 1},
    };
    _Static_assert(NAME_KNOWN - NAME_RANGE == sizeof globals / sizeof *globals,
                   "the globals are in the order of their names");
    return name >= NAME_RANGE && name < NAME_KNOWN ? &globals[name - NAME_RANGE] : NULL;
}

/* ---- tables ---- */

const jinja_builtin *jinja_find_in(const jinja_builtin *rows, size_t n, const jinja_string *name)
{
    for (size_t i = 0; i < n; i++) {
        if (jinja_string_is(name, rows[i].name))
            return &rows[i];
    }
    return NULL;
}

static bool is_forbidden(jinja_value v, const jinja_string *name)
{
    static const char *const of_list[] = {"append", "clear",   "extend", "insert",
                                          "pop",    "reverse", "sort",   "remove"};
    static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
    bool is_dict = v.kind == JINJA_DICT;
    size_t n = is_dict ? sizeof of_dict / sizeof *of_dict : sizeof of_list / sizeof *of_list;
    for (size_t i = 0; i < n; i++) {
        if (jinja_string_is(name, is_dict ? of_dict[i] : of_list[i]))
            return true;
    }
    return false;
}

#define FIND_IN(rows, name) jinja_find_in(rows, sizeof(rows) / sizeof *(rows), name)

const jinja_builtin *jinja_find_method(jinja_value v, const jinja_string *name, bool *forbidden)
{
    static const jinja_builtin of_dict[] = {
        {"get", dict_get, "key|default", 1},
        {"keys", dict_keys, "", 0},
        {"values", dict_values, "", 0},
        {"items", dict_items, "", 0},
        {"copy", copy, "", 0},
    };
    static const jinja_builtin of_list[] = {
        {"count", list_count, "value", 1},
        {"index", list_index, "value|start|stop", 1},
        {"copy", copy, "", 0},
    };
    static const jinja_builtin of_loop[] = {
        {"cycle", loop_cycle, NULL, 0},
        {"changed", loop_changed, NULL, 0},
    };
    static const jinja_builtin of_cycler[] = {
        {"next", cycler_next, "", 0},
        {"reset", cycler_reset, "", 0},
    };
    const jinja_builtin *found;
    *forbidden = (v.kind == JINJA_DICT || jinja_is_flavor(v, JINJA_PLAIN)) && is_forbidden(v, name);
    if (*forbidden)
        return NULL;
    switch ((jinja_kind)v.kind) {
    case JINJA_STRING:
        found = jinja_find_in(jinja_string_methods, jinja_n_string_methods, name);
        return found ? found : jinja_find_in(jinja_find_methods, jinja_n_find_methods, name);
    case JINJA_DICT:
        return FIND_IN(of_dict, name);
    case JINJA_LIST:
        if (jinja_is_flavor(v, JINJA_PLAIN))
            return FIND_IN(of_list, name);
        return jinja_is_tuple(v) || jinja_is_flavor(v, JINJA_RANGE)
                   ? jinja_find_in(of_list, 2, name)
                   : NULL;
    case JINJA_LOOP:
        return FIND_IN(of_loop, name);
    case JINJA_CYCLER:
        return FIND_IN(of_cycler, name);
    default:
        return NULL;
    }
}
