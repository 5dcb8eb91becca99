/* SPDX-License-Identifier: MIT
 *
 * schema_unique.c - arrays whose items all differ.
 *
 * A grammar cannot remember what it has read, but it can count on its rules: of few values there is
 * one rule for every set of those that were written.
 */
#include "grammar/schema.h"

enum { VALUES_MAX = 8 };

static hearth_status refuse(schema *s)
{
    size_t mark = schema_down(s, "uniqueItems");
    hearth_status status = schema_refuse(
        s, HEARTH_EUNSUPPORTED,
        "uniqueItems can be enforced where maxItems is 1, or items is an enum of at most %d values "
        "and there are no prefixItems; leave it out and check it afterwards",
        VALUES_MAX);
    schema_up(s, mark);
    return status;
}

/* The values that an item may have, each once; *list is a new reference. */
static hearth_status take_values(schema *s, const json_t *items, json_t **list)
{
    hearth_status status = HEARTH_OK;
    json_t *flat = NULL, *value;
    size_t i;
    *list = json_array();
    s->failed |= *list == NULL;
    TRY(schema_flatten(s, items, &flat));
    if (flat == NULL)
        return HEARTH_OK;
    const json_t *values = json_object_get(flat, "enum");
    if (!values || json_array_size(values) > 4 * VALUES_MAX) {
        json_decref(flat);
        return refuse(s);
    }
    json_array_foreach(values, i, value)
    {
        bool fits;
        TRY_OUT(schema_fits(s, items, value, &fits));
        if (!fits)
            continue;
        schema_add(s, *list, json_incref(value));
        if (!schema_all_differ(*list))
            json_array_remove(*list, json_array_size(*list) - 1);
    }
    if (json_array_size(*list) > VALUES_MAX)
        status = refuse(s);
out:
    json_decref(flat);
    return status;
}

typedef struct unique {
    const json_t *values;
    uint32_t min, max;
    char names[1 << VALUES_MAX][SCHEMA_NAME];
} unique;

/* Behind the items of a set: one that is not of it, or the end. */
static bool write_set(schema *s, const unique *u, unsigned set, buf *out)
{
    unsigned n = (unsigned)__builtin_popcount(set);
    const char *space = schema_helper(s, HELPER_SPACE), * or = "";
    bool good = true;
    buf text;
    buf_init(&text, 0);
    for (size_t i = 0; good && n < u->max && i < json_array_size(u->values); i++) {
        if (set >> i & 1)
            continue;
        buf_clear(&text);
        good = buf_append_format(out, n > 0 ? "%s\",\" %s " : "%s", or, space) &&
               schema_write_value(json_array_get(u->values, i), &text) &&
               schema_write_literal(text.data, text.n, out) &&
               buf_append_format(out, " %s", u->names[set | 1u << i]);
        or = " | ";
    }
    if (good && n >= u->min)
        good = buf_append_format(out, "%s%s", or, n > 0 ? space : "\"\"");
    buf_deinit(&text);
    return good;
}

hearth_status schema_write_unique(schema *s, const json_t *flat, uint32_t min, uint32_t max,
                                  buf *out, bool *possible)
{
    const json_t *items = json_object_get(flat, "items");
    json_t *values = NULL;
    if (!items || json_object_get(flat, "prefixItems"))
        return refuse(s);
    hearth_status status = take_values(s, items, &values);
    size_t n = json_array_size(values);
    unique u = {.values = values, .min = min, .max = max};
    *possible = n >= min;
    bool good = true;
    buf text;
    buf_init(&text, 0);
    for (unsigned set = 0; status == HEARTH_OK && set < 1u << n; set++)
        schema_new_name(s, u.names[set]);
    for (unsigned set = 0; status == HEARTH_OK && good && *possible && set < 1u << n; set++) {
        buf_clear(&text);
        good = (uint32_t)__builtin_popcount(set) > max ||
               (write_set(s, &u, set, &text) &&
                buf_append_format(&s->rules, "%s ::= %s\n", u.names[set], text.data));
    }
    good = good && buf_append_text(out, u.names[0]);
    buf_deinit(&text);
    json_decref(values);
    return status != HEARTH_OK || good ? status : schema_no_memory(s);
}
