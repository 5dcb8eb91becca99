/* SPDX-License-Identifier: MIT
 *
 * schema_check.c - whether a value fits a schema (for enum and const beside other keywords), and
 * whether two alternatives of a oneOf exclude each other.
 *
 * Exclusive is shown, never assumed: by types, constants, texts, ranges, or by a property that both
 * require with schemas that exclude each other, or that one requires and the other never has.
 */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "grammar/schema.h"

static hearth_status fits_flat(schema *s, const json_t *flat, const json_t *value, bool *fits);

hearth_status schema_fits(schema *s, const json_t *source, const json_t *value, bool *fits)
{
    json_t *flat = NULL;
    *fits = false;
    TRY(schema_enter(s));
    /* A flat schema has its types as a number. */
    if (json_is_integer(json_object_get(source, "type")))
        flat = json_incref((json_t *)source);
    hearth_status status = flat ? HEARTH_OK : schema_flatten(s, source, &flat);
    if (status == HEARTH_OK && flat)
        status = fits_flat(s, flat, value, fits);
    json_decref(flat);
    schema_leave(s);
    return status;
}

/* ---- values ---- */

static int type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return TYPE_BOOLEAN;
    case JSON_INTEGER:
        return TYPE_INTEGER;
    case JSON_REAL:
        return json_real_value(value) == floor(json_real_value(value))
                   ? TYPE_INTEGER | TYPE_FRACTION
                   : TYPE_FRACTION;
    case JSON_STRING:
        return TYPE_STRING;
    case JSON_ARRAY:
        return TYPE_ARRAY;
    default:
        return TYPE_OBJECT;
    }
}

static bool in_count(const json_t *flat, const char *min, const char *max, size_t n)
{
    const json_t *low = json_object_get(flat, min), *high = json_object_get(flat, max);
    return (!low || (double)n >= json_number_value(low)) &&
           (!high || (double)n <= json_number_value(high));
}

static hearth_status fits_string(schema *s, const json_t *flat, const json_t *value, bool *fits)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value), length = 0;
    regular *r;
    for (size_t at = 0; at < n; length++) {
        uint32_t c;
        at += utf8_decode(text + at, n - at, &c);
    }
    TRY(schema_strings(s, flat, &r));
    *fits = in_count(flat, "minLength", "maxLength", length) && (!r || regular_matches(r, text, n));
    regular_free(r);
    return HEARTH_OK;
}

static bool fits_number(const json_t *flat, const json_t *value)
{
    double v = json_number_value(value);
    const json_t *bound;
    size_t i;
    if ((bound = json_object_get(flat, "minimum")) && !(schema_compare(value, bound) >= 0))
        return false;
    if ((bound = json_object_get(flat, "maximum")) && !(schema_compare(value, bound) <= 0))
        return false;
    if ((bound = json_object_get(flat, "exclusiveMinimum")) && !(schema_compare(value, bound) > 0))
        return false;
    if ((bound = json_object_get(flat, "exclusiveMaximum")) && !(schema_compare(value, bound) < 0))
        return false;
    json_array_foreach(json_object_get(flat, "multipleOf"), i, bound)
    {
        double m = json_number_value(bound);
        if (!(m >= 1 && m == floor(m)) || fmod(v, m) != 0)
            return false;
    }
    return true;
}

/* 1 and 1.0 are the same number, however deep. */
static bool same_value(const json_t *a, const json_t *b)
{
    bool same = true;
    const char *key;
    json_t *value;
    if (json_is_number(a) && json_is_number(b))
        return schema_compare(a, b) == 0;
    if (json_is_array(a) && json_array_size(a) == json_array_size(b)) {
        for (size_t i = 0; same && i < json_array_size(a); i++)
            same = same_value(json_array_get(a, i), json_array_get(b, i));
        return same;
    }
    if (!json_is_object(a) || json_object_size(a) != json_object_size(b))
        return json_equal(a, b);
    json_object_foreach((json_t *)a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        same = same && other && same_value(value, other);
    }
    return same;
}

bool schema_all_differ(const json_t *list)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (same_value(json_array_get(list, i), json_array_get(list, j)))
                return false;
    return true;
}

static hearth_status fits_array(schema *s, const json_t *flat, const json_t *value, bool *fits)
{
    size_t i;
    json_t *item;
    *fits = in_count(flat, "minItems", "maxItems", json_array_size(value)) &&
            (!json_object_get(flat, "uniqueItems") || schema_all_differ(value));
    json_array_foreach((json_t *)value, i, item)
    {
        const json_t *own = json_array_get(json_object_get(flat, "prefixItems"), i);
        own = own ? own : json_object_get(flat, "items");
        if (own && *fits)
            TRY(schema_fits(s, own, item, fits));
    }
    return HEARTH_OK;
}

static hearth_status fits_member(schema *s, const json_t *flat, const char *name,
                                 const json_t *value, bool *fits)
{
    const json_t *own = json_object_get(json_object_get(flat, "properties"), name);
    const json_t *rest = json_object_get(flat, "additionalProperties");
    const char *pattern;
    json_t *one;
    bool known = own != NULL;
    *fits = true;
    if (own)
        TRY(schema_fits(s, own, value, fits));
    json_object_foreach(json_object_get(flat, "patternProperties"), pattern, one)
    {
        regular *r;
        TRY(regular_from_regex(&r, pattern, strlen(pattern), REGULAR_SEARCH, s->err));
        bool matches = regular_matches(r, name, strlen(name));
        regular_free(r);
        known = known || matches;
        if (matches && *fits)
            TRY(schema_fits(s, one, value, fits));
    }
    if (!known && rest && *fits)
        TRY(schema_fits(s, rest, value, fits));
    return HEARTH_OK;
}

static hearth_status fits_object(schema *s, const json_t *flat, const json_t *value, bool *fits)
{
    const char *name;
    size_t i;
    json_t *item, *names;
    *fits = in_count(flat, "minProperties", "maxProperties", json_object_size(value));
    json_array_foreach(json_object_get(flat, "required"), i, item)
    {
        *fits = *fits && json_object_get(value, json_string_value(item));
    }
    json_object_foreach((json_t *)value, name, item)
    {
        if (*fits)
            TRY(fits_member(s, flat, name, item, fits));
        json_array_foreach(json_object_get(flat, "propertyNames"), i, names)
        {
            json_t *text = json_string(name);
            hearth_status status = HEARTH_OK;
            if (*fits)
                status = schema_fits(s, names, text, fits);
            json_decref(text);
            TRY(status);
        }
    }
    return HEARTH_OK;
}

static hearth_status fits_groups(schema *s, const json_t *flat, const json_t *value, bool *fits)
{
    size_t i, k;
    json_t *group, *one;
    json_array_foreach(json_object_get(flat, "groups"), i, group)
    {
        size_t n = 0;
        json_array_foreach(json_object_get(group, "of"), k, one)
        {
            bool this;
            TRY(schema_fits(s, one, value, &this));
            n += this;
        }
        *fits = *fits && (json_is_true(json_object_get(group, "one")) ? n == 1 : n > 0);
    }
    return HEARTH_OK;
}

static hearth_status fits_flat(schema *s, const json_t *flat, const json_t *value, bool *fits)
{
    int type = type_of(value);
    size_t i;
    json_t *item;
    *fits = (schema_types(flat) & type) != 0;
    if (*fits && json_object_get(flat, "enum")) {
        *fits = false;
        json_array_foreach(json_object_get(flat, "enum"), i, item)
        {
            *fits = *fits || same_value(item, value);
        }
    }
    if (*fits && type == TYPE_STRING)
        TRY(fits_string(s, flat, value, fits));
    else if (*fits && type & (TYPE_INTEGER | TYPE_FRACTION))
        *fits = fits_number(flat, value);
    else if (*fits && type == TYPE_ARRAY)
        TRY(fits_array(s, flat, value, fits));
    else if (*fits && type == TYPE_OBJECT)
        TRY(fits_object(s, flat, value, fits));
    return *fits ? fits_groups(s, flat, value, fits) : HEARTH_OK;
}

/* ---- two schemas ---- */

/* Whether objects written for a never have the property. */
static bool never_has(const json_t *a, const char *name)
{
    const json_t *rest = json_object_get(a, "additionalProperties");
    bool closed = rest ? json_is_false(rest) : json_object_get(a, "properties") != NULL;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(a, "required"), i, item)
    {
        if (strcmp(json_string_value(item), name) == 0)
            return false;
    }
    return closed && !json_object_get(a, "patternProperties") && !json_object_get(a, "groups") &&
           !json_object_get(json_object_get(a, "properties"), name);
}

/* Whether a refuses, whoever writes it, an object that has the property. */
static bool forbids(const json_t *a, const char *name)
{
    return json_is_false(json_object_get(a, "additionalProperties")) && never_has(a, name);
}

/* Whether what is written for a lacks something that b requires, and so does not fit b. */
static bool lacks(const json_t *a, const json_t *b)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(b, "required"), i, name)
    {
        if (never_has(a, json_string_value(name)))
            return true;
    }
    return false;
}

/* Whether what is written for a has something that b forbids. */
static bool has_forbidden(const json_t *a, const json_t *b)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(a, "required"), i, name)
    {
        if (forbids(b, json_string_value(name)))
            return true;
    }
    return false;
}

static bool requires(const json_t *flat, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(flat, "required"), i, item)
    {
        if (strcmp(json_string_value(item), name) == 0)
            return true;
    }
    return false;
}

static hearth_status exclusive_sources(schema *s, const json_t *a, const json_t *b, bool *exclusive)
{
    json_t *x = NULL, *y = NULL;
    hearth_status status = schema_flatten(s, a, &x);
    if (status == HEARTH_OK)
        status = schema_flatten(s, b, &y);
    *exclusive = !x || !y;
    if (status == HEARTH_OK && x && y)
        status = schema_exclusive(s, x, y, exclusive);
    json_decref(x);
    json_decref(y);
    return status;
}

static hearth_status exclusive_objects(schema *s, const json_t *a, const json_t *b, bool *exclusive)
{
    const json_t *its = json_object_get(b, "properties");
    const char *name;
    json_t *value;
    *exclusive = (lacks(a, b) || has_forbidden(a, b)) && (lacks(b, a) || has_forbidden(b, a));
    json_object_foreach(json_object_get(a, "properties"), name, value)
    {
        const json_t *other = json_object_get(its, name);
        if (!*exclusive && other && requires(a, name) && requires(b, name))
            TRY(exclusive_sources(s, value, other, exclusive));
    }
    return HEARTH_OK;
}

static hearth_status exclusive_strings(schema *s, const json_t *a, const json_t *b, bool *exclusive)
{
    regular *x = NULL, *y = NULL, *both = NULL;
    hearth_status status = schema_strings(s, a, &x);
    if (status == HEARTH_OK)
        status = schema_strings(s, b, &y);
    *exclusive = false;
    if (status == HEARTH_OK && x && y)
        status = regular_combine(&both, x, y, false, s->err);
    if (both)
        *exclusive = regular_is_empty(both);
    regular_free(x);
    regular_free(y);
    regular_free(both);
    return status;
}

/* No constant of a fits b. */
static hearth_status exclusive_values(schema *s, const json_t *a, const json_t *b, bool *exclusive)
{
    size_t i;
    json_t *value;
    *exclusive = true;
    json_array_foreach(json_object_get(a, "enum"), i, value)
    {
        bool fits;
        TRY(schema_fits(s, b, value, &fits));
        *exclusive = *exclusive && !fits;
    }
    return HEARTH_OK;
}

hearth_status schema_exclusive(schema *s, const json_t *a, const json_t *b, bool *exclusive)
{
    int shared = schema_types(a) & schema_types(b);
    hearth_status status = HEARTH_OK;
    *exclusive = true;
    if (shared == 0)
        return HEARTH_OK;
    TRY(schema_enter(s));
    if (json_object_get(a, "enum") || json_object_get(b, "enum")) {
        bool first = json_object_get(a, "enum") != NULL;
        status = exclusive_values(s, first ? a : b, first ? b : a, exclusive);
        schema_leave(s);
        return status;
    }
    if (shared & (TYPE_NULL | TYPE_BOOLEAN | TYPE_ARRAY))
        *exclusive = false;
    if (shared & (TYPE_INTEGER | TYPE_FRACTION))
        *exclusive = *exclusive && !schema_numbers_meet(a, b);
    if (*exclusive && shared & TYPE_STRING)
        status = exclusive_strings(s, a, b, exclusive);
    if (status == HEARTH_OK && *exclusive && shared & TYPE_OBJECT)
        status = exclusive_objects(s, a, b, exclusive);
    schema_leave(s);
    return status;
}
