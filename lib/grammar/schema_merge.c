/* SPDX-License-Identifier: MIT
 *
 * schema_merge.c - two flat schemas as one, of which both hold; see schema.h.
 */
#include <math.h>
#include <string.h>

#include "grammar/schema.h"

static int compare_with_real(json_int_t x, double y)
{
    if (!(y >= -0x1p63 && y < 0x1p63))
        return y > 0 ? -1 : 1;
    json_int_t whole = (json_int_t)floor(y);
    return x != whole ? (x > whole) - (x < whole) : -(y > floor(y));
}

int schema_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);
        return (x > y) - (x < y);
    }
    if (json_is_integer(a))
        return compare_with_real(json_integer_value(a), json_real_value(b));
    if (json_is_integer(b))
        return -compare_with_real(json_integer_value(b), json_real_value(a));
    double x = json_real_value(a), y = json_real_value(b);
    return (x > y) - (x < y);
}

/* Keeps the stricter of two bounds. */
static void merge_bound(schema *s, json_t *flat, const char *key, const json_t *b, int stricter)
{
    const json_t *a = json_object_get(flat, key);
    if (a == NULL || schema_compare(b, a) * stricter > 0)
        schema_put(s, flat, key, json_incref((json_t *)b));
}

static void merge_list(schema *s, json_t *flat, const char *key, const json_t *b, bool once)
{
    json_t *list = json_array();
    const json_t *both[2] = {json_object_get(flat, key), b};
    for (int k = 0; k < 2; k++) {
        size_t i, j;
        json_t *item, *other;
        json_array_foreach((json_t *)both[k], i, item)
        {
            bool there = false;
            json_array_foreach(list, j, other)
            {
                there = there || (once && json_equal(item, other));
            }
            if (!there)
                schema_add(s, list, json_incref(item));
        }
    }
    schema_put(s, flat, key, list);
}

void schema_merge_enum(schema *s, json_t *flat, const json_t *b)
{
    const json_t *a = json_object_get(flat, "enum");
    json_t *list = json_array(), *item, *other;
    size_t i, j;
    if (a == NULL) {
        json_decref(list);
        schema_put(s, flat, "enum", json_incref((json_t *)b));
        return;
    }
    json_array_foreach((json_t *)a, i, item)
    {
        bool there = false;
        json_array_foreach((json_t *)b, j, other)
        {
            there = there || json_equal(item, other);
        }
        if (there)
            schema_add(s, list, json_incref(item));
    }
    schema_put(s, flat, "enum", list);
}

/* Names that only `other` declares must also fit what `closed` says of additional properties. */
static void bind_additional(schema *s, json_t *merged, const json_t *closed, const json_t *other)
{
    const json_t *rest = json_object_get(closed, "additionalProperties");
    const char *key;
    json_t *value;
    if (rest == NULL)
        return;
    json_object_foreach(json_object_get(other, "properties"), key, value)
    {
        if (!json_object_get(json_object_get(closed, "properties"), key))
            schema_put(s, merged, key, schema_both(s, value, rest));
    }
}

static hearth_status merge_properties(schema *s, json_t *flat, const json_t *b)
{
    static const char *const parts[] = {"properties", "patternProperties"};
    if ((json_object_get(flat, "patternProperties") &&
         json_object_get(b, "additionalProperties")) ||
        (json_object_get(b, "patternProperties") && json_object_get(flat, "additionalProperties")))
        return schema_refuse(
            s, HEARTH_EUNSUPPORTED,
            "patternProperties and additionalProperties come from two schemas that "
            "hold at once; write them into one");
    json_t *merged[2];
    for (int k = 0; k < 2; k++) {
        const char *key;
        json_t *value;
        const json_t *mine = json_object_get(flat, parts[k]), *its = json_object_get(b, parts[k]);
        merged[k] = json_object();
        json_object_foreach((json_t *)mine, key, value)
        {
            schema_put(s, merged[k], key, schema_both(s, value, json_object_get(its, key)));
        }
        json_object_foreach((json_t *)its, key, value)
        {
            if (!json_object_get(mine, key))
                schema_put(s, merged[k], key, json_incref(value));
        }
    }
    bind_additional(s, merged[0], flat, b);
    bind_additional(s, merged[0], b, flat);
    for (int k = 0; k < 2; k++) {
        if (json_object_size(merged[k]) > 0)
            schema_put(s, flat, parts[k], merged[k]);
        else
            json_decref(merged[k]);
    }
    const json_t *rest = json_object_get(b, "additionalProperties");
    if (rest)
        schema_put(s, flat, "additionalProperties",
                   schema_both(s, json_object_get(flat, "additionalProperties"), rest));
    return HEARTH_OK;
}

/* Item i of an array: from prefixItems, or else items; NULL if nothing is said. */
static const json_t *item_schema(const json_t *flat, size_t i)
{
    const json_t *prefix = json_array_get(json_object_get(flat, "prefixItems"), i);
    return prefix ? prefix : json_object_get(flat, "items");
}

static void merge_items(schema *s, json_t *flat, const json_t *b)
{
    size_t n = json_array_size(json_object_get(flat, "prefixItems"));
    size_t n_b = json_array_size(json_object_get(b, "prefixItems"));
    json_t *prefix = json_array();
    for (size_t i = 0; i < (n > n_b ? n : n_b); i++) {
        const json_t *x = item_schema(flat, i), *y = item_schema(b, i);
        schema_add(s, prefix, x || y ? schema_both(s, x, y) : json_true());
    }
    if (json_array_size(prefix) > 0)
        schema_put(s, flat, "prefixItems", json_incref(prefix));
    json_decref(prefix);
    const json_t *items = json_object_get(b, "items");
    if (items)
        schema_put(s, flat, "items", schema_both(s, json_object_get(flat, "items"), items));
}

/* a becomes a and b. Both are flat. */
static hearth_status merge_flat(schema *s, json_t *a, const json_t *b)
{
    static const char *const lows[] = {"minimum", "exclusiveMinimum", "minLength", "minItems",
                                       "minProperties"};
    static const char *const highs[] = {"maximum", "exclusiveMaximum", "maxLength", "maxItems",
                                        "maxProperties"};
    static const char *const lists[] = {"pattern",       "format", "multipleOf",
                                        "propertyNames", "groups", "required"};
    schema_put(s, a, "type", json_integer(schema_types(a) & schema_types(b)));
    for (size_t i = 0; i < 5; i++) {
        const json_t *low = json_object_get(b, lows[i]), *high = json_object_get(b, highs[i]);
        if (low)
            merge_bound(s, a, lows[i], low, 1);
        if (high)
            merge_bound(s, a, highs[i], high, -1);
    }
    for (size_t i = 0; i < 6; i++) {
        const json_t *list = json_object_get(b, lists[i]);
        if (list)
            merge_list(s, a, lists[i], list, true);
    }
    if (json_object_get(b, "uniqueItems"))
        schema_put(s, a, "uniqueItems", json_true());
    if (json_object_get(b, "enum"))
        schema_merge_enum(s, a, json_object_get(b, "enum"));
    merge_items(s, a, b);
    return merge_properties(s, a, b);
}

hearth_status schema_merge(schema *s, json_t *a, const json_t *b, json_t **flat)
{
    hearth_status status = HEARTH_OK;
    json_t *other = NULL;
    *flat = NULL;
    if (a == NULL)
        return HEARTH_OK;
    TRY_OUT(schema_flatten(s, b, &other));
    if (other)
        TRY_OUT(merge_flat(s, a, other));
    if (other && schema_types(a) != 0)
        *flat = json_incref(a);
out:
    json_decref(other);
    json_decref(a);
    return status;
}
