/* SPDX-License-Identifier: MIT
 *
 * schema_flat.c - a schema as it is written to one flat list of what must hold; see schema.h.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/place.h"
#include "grammar/schema.h"

/* ---- places and errors ---- */

size_t schema_down(schema *s, const char *key)
{
    size_t mark = s->path.n;
    bool good = buf_append(&s->path, "/", 1);
    for (; good && *key; key++) {
        if (*key == '~' || *key == '/')
            good = buf_append_text(&s->path, *key == '~' ? "~0" : "~1");
        else
            good = buf_append(&s->path, key, 1);
    }
    s->failed = s->failed || !good;
    return mark;
}

size_t schema_down_index(schema *s, const char *key, size_t index)
{
    size_t mark = schema_down(s, key);
    s->failed = !buf_append_format(&s->path, "/%zu", index) || s->failed;
    return mark;
}

void schema_up(schema *s, size_t mark)
{
    if (s->path.data && mark <= s->path.n) {
        s->path.n = mark;
        s->path.data[mark] = '\0';
    }
}

hearth_status schema_refuse(schema *s, hearth_status code, const char *format, ...)
{
    char message[300], path[PLACE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    place_cut(path, s->path.n ? s->path.data : "/");
    if (path[0] == '\0')
        snprintf(path, sizeof path, "/");
    return error_set(s->err, code, path, "schema, at %s: %s", path, message);
}

hearth_status schema_no_memory(schema *s)
{
    return error_no_memory(s->err, "a schema", s->rules.n);
}

hearth_status schema_enter(schema *s)
{
    if (s->failed)
        return schema_no_memory(s);
    if (++s->work > SCHEMA_WORK_MAX)
        return schema_refuse(s, HEARTH_EINVAL,
                             "the schema takes more than %d steps; make it simpler",
                             SCHEMA_WORK_MAX);
    if (++s->depth > SCHEMA_DEPTH_MAX)
        return schema_refuse(s, HEARTH_EINVAL,
                             "more than %d schemas within each other; make it flatter",
                             SCHEMA_DEPTH_MAX);
    return HEARTH_OK;
}

void schema_leave(schema *s)
{
    s->depth--;
}

void schema_put(schema *s, json_t *object, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(object, key, value) != 0)
        s->failed = true;
}

void schema_add(schema *s, json_t *array, json_t *value)
{
    if (value == NULL || json_array_append_new(array, value) != 0)
        s->failed = true;
}

int schema_types(const json_t *flat)
{
    return (int)json_integer_value(json_object_get(flat, "type"));
}

json_t *schema_both(schema *s, const json_t *a, const json_t *b)
{
    if (a == NULL || b == NULL)
        return json_incref((json_t *)(a ? a : b));
    json_t *list = json_array(), *both = json_object();
    schema_add(s, list, json_incref((json_t *)a));
    schema_add(s, list, json_incref((json_t *)b));
    schema_put(s, both, "allOf", list);
    return both;
}

/* ---- keywords ---- */

static const char *const annotations[] = {"title",
                                          "description",
                                          "default",
                                          "examples",
                                          "example",
                                          "$schema",
                                          "$id",
                                          "id",
                                          "$comment",
                                          "$vocabulary",
                                          "$defs",
                                          "definitions",
                                          "$anchor",
                                          "deprecated",
                                          "readOnly",
                                          "writeOnly",
                                          "contentMediaType",
                                          "contentSchema",
                                          "discriminator",
                                          "xml",
                                          "contentEncoding",
                                          "externalDocs"};

/* Those with a schema's own rules; the second is the type that the value must have. */
static const struct {
    const char *name;
    enum { NUMBER, COUNT, TEXT, SCHEMA, SCHEMAS, NAMED, STRINGS, TRUTH, ANY } value;
} keywords[] = {{"minimum", NUMBER},
                {"maximum", NUMBER},
                {"exclusiveMinimum", NUMBER},
                {"exclusiveMaximum", NUMBER},
                {"multipleOf", NUMBER},
                {"minLength", COUNT},
                {"maxLength", COUNT},
                {"minItems", COUNT},
                {"maxItems", COUNT},
                {"minProperties", COUNT},
                {"maxProperties", COUNT},
                {"pattern", TEXT},
                {"format", TEXT},
                {"items", SCHEMA},
                {"additionalProperties", SCHEMA},
                {"propertyNames", SCHEMA},
                {"prefixItems", SCHEMAS},
                {"properties", NAMED},
                {"patternProperties", NAMED},
                {"required", STRINGS},
                {"type", ANY},
                {"enum", ANY},
                {"const", ANY},
                {"anyOf", SCHEMAS},
                {"oneOf", SCHEMAS},
                {"allOf", SCHEMAS},
                {"$ref", TEXT},
                {"uniqueItems", TRUTH},
                {"nullable", TRUTH}};

static bool is_annotation(const char *key)
{
    for (size_t i = 0; i < sizeof annotations / sizeof *annotations; i++) {
        if (strcmp(annotations[i], key) == 0)
            return true;
    }
    return strncmp(key, "x-", 2) == 0;
}

static bool is_schema(const json_t *value)
{
    return json_is_object(value) || json_is_boolean(value);
}

static bool all_are(const json_t *list, bool (*is)(const json_t *))
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        if (!is(item))
            return false;
    }
    return json_is_array(list);
}

static bool is_text(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

static bool is_named(const json_t *value)
{
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)value, key, item)
    {
        if (!is_schema(item))
            return false;
    }
    return json_is_object(value);
}

static hearth_status check_keyword(schema *s, const char *key, const json_t *value)
{
    static const char *const wanted[] = {"a number",
                                         "a whole number, not negative",
                                         "a text without NUL",
                                         "a schema (an object, true or false)",
                                         "an array of schemas",
                                         "an object of schemas",
                                         "an array of texts without NUL",
                                         "true or false",
                                         ""};
    size_t i = 0, n = sizeof keywords / sizeof *keywords;
    if (is_annotation(key))
        return HEARTH_OK;
    while (i < n && strcmp(keywords[i].name, key) != 0)
        i++;
    if (i == n)
        return schema_refuse(s, HEARTH_EUNSUPPORTED,
                             "'%.60s' cannot be enforced; leave it out and "
                             "check it afterwards",
                             key);
    double number = json_number_value(value);
    bool good = true;
    switch (keywords[i].value) {
    case NUMBER:
        good = json_is_number(value);
        break;
    case COUNT:
        good = json_is_number(value) && number >= 0 && number <= 1e9 && number == (uint32_t)number;
        break;
    case TEXT:
        good = is_text(value);
        break;
    case SCHEMA:
        good = is_schema(value);
        break;
    case SCHEMAS:
        good = all_are(value, is_schema);
        break;
    case NAMED:
        good = is_named(value);
        break;
    case STRINGS:
        good = all_are(value, is_text);
        break;
    case TRUTH:
        good = json_is_boolean(value);
        break;
    case ANY:
        break;
    }
    return good ? HEARTH_OK
                : schema_refuse(s, HEARTH_EINVAL, "%s must be %s", key, wanted[keywords[i].value]);
}

/* ---- $ref ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* The next part of a pointer in a URI fragment, decoded into out. */
static const char *next_part(const char *at, buf *out, bool *good)
{
    buf_clear(out);
    *good = buf_append(out, "", 0);
    for (at++; *at && *at != '/' && *good; at++) {
        char c = *at;
        if (c == '%' && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0) {
            c = (char)(hex_value(at[1]) << 4 | hex_value(at[2]));
            at += 2;
        }
        if (c == '~' && (at[1] == '0' || at[1] == '1'))
            c = *++at == '0' ? '~' : '/';
        *good = buf_append(out, &c, 1);
    }
    return at;
}

static hearth_status find_reference(schema *s, const char *reference, const json_t **target)
{
    const json_t *at = s->root;
    const char *part = reference + 1;
    bool good = true;
    buf key;
    buf_init(&key, 0);
    if (reference[0] != '#' || (reference[1] != '\0' && reference[1] != '/'))
        return schema_refuse(s, HEARTH_EUNSUPPORTED,
                             "$ref '%.80s' does not lead into this document "
                             "by a pointer; only \"#\" and \"#/..\" are followed",
                             reference);
    while (*part && at && good) {
        part = next_part(part, &key, &good);
        if (json_is_array(at)) {
            char *end;
            unsigned long i = strtoul(key.data, &end, 10);
            at = *end || key.n == 0 ? NULL : json_array_get(at, i);
        } else {
            at = good ? json_object_get(at, key.data) : NULL;
        }
    }
    buf_deinit(&key);
    if (!good)
        return schema_no_memory(s);
    if (!is_schema(at))
        return schema_refuse(s, HEARTH_EINVAL, "$ref '%.80s' leads to no schema of this document",
                             reference);
    *target = at;
    return HEARTH_OK;
}

/* ---- one schema as it is written ---- */

static int type_bits(const json_t *name)
{
    static const struct {
        const char *name;
        int bits;
    } types[] = {{"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
                 {"integer", TYPE_INTEGER}, {"number", TYPE_INTEGER | TYPE_FRACTION},
                 {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
                 {"object", TYPE_OBJECT}};
    for (size_t i = 0; json_is_string(name) && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, json_string_value(name)) == 0)
            return types[i].bits;
    }
    return 0;
}

static hearth_status take_type(schema *s, json_t *flat, const json_t *value)
{
    int bits = type_bits(value);
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)value, i, item)
    {
        int one = type_bits(item);
        bits = one ? bits | one : 0;
        if (!one)
            break;
    }
    if (bits == 0)
        return schema_refuse(s, HEARTH_EINVAL,
                             "type must be null, boolean, integer, number, "
                             "string, array or object, or an array of these");
    schema_put(s, flat, "type", json_integer(bits));
    return HEARTH_OK;
}

static void put_list(schema *s, json_t *flat, const char *key, const json_t *value)
{
    json_t *list = json_array();
    schema_add(s, list, json_incref((json_t *)value));
    schema_put(s, flat, key, list);
}

static hearth_status take_group(schema *s, json_t *groups, const char *key, const json_t *value)
{
    if (json_array_size(value) == 0 || json_array_size(value) > SCHEMA_CHOICES_MAX)
        return schema_refuse(s, HEARTH_EINVAL, "%s has %zu schemas; there may be 1 to %d", key,
                             json_array_size(value), SCHEMA_CHOICES_MAX);
    json_t *group = json_object();
    schema_put(s, group, "of", json_incref((json_t *)value));
    schema_put(s, group, "one", json_boolean(strcmp(key, "oneOf") == 0));
    schema_put(s, group, "at", json_stringn(s->path.n ? s->path.data : "", s->path.n));
    schema_add(s, groups, group);
    return HEARTH_OK;
}

static hearth_status take_keyword(schema *s, json_t *flat, json_t *groups, const char *key,
                                  const json_t *value)
{
    TRY(check_keyword(s, key, value));
    if (is_annotation(key) || strcmp(key, "$ref") == 0 || strcmp(key, "allOf") == 0 ||
        strcmp(key, "nullable") == 0)
        return HEARTH_OK;
    if (strcmp(key, "type") == 0)
        return take_type(s, flat, value);
    if (strcmp(key, "anyOf") == 0 || strcmp(key, "oneOf") == 0)
        return take_group(s, groups, key, value);
    if (strcmp(key, "uniqueItems") == 0 && json_is_false(value))
        return HEARTH_OK;
    if (strcmp(key, "enum") == 0 &&
        (!json_is_array(value) || json_array_size(value) > SCHEMA_CHOICES_MAX))
        return schema_refuse(s, HEARTH_EINVAL, "enum must be an array of at most %d values",
                             SCHEMA_CHOICES_MAX);
    bool listed = strcmp(key, "pattern") == 0 || strcmp(key, "format") == 0 ||
                  strcmp(key, "multipleOf") == 0 || strcmp(key, "propertyNames") == 0;
    if (listed)
        put_list(s, flat, key, value);
    else if (strcmp(key, "const") != 0)
        schema_put(s, flat, key, json_incref((json_t *)value));
    return HEARTH_OK;
}

/* Tuples as they were written before 2020: the names they have today. NULL: says nothing. */
static const char *name_today(const json_t *source, const char *key)
{
    bool is_tuple = json_is_array(json_object_get(source, "items")) &&
                    json_object_get(source, "prefixItems") == NULL;
    if (strcmp(key, "additionalItems") == 0)
        return is_tuple ? "items" : NULL;
    return is_tuple && strcmp(key, "items") == 0 ? "prefixItems" : key;
}

/* The schema's own keywords, without $ref and allOf. */
static hearth_status take_own(schema *s, const json_t *source, json_t *flat)
{
    const char *key;
    json_t *value;
    json_t *groups = json_array();
    hearth_status status = HEARTH_OK;
    schema_put(s, flat, "type", json_integer(TYPE_ALL));
    json_object_foreach((json_t *)source, key, value)
    {
        const char *name = name_today(source, key);
        size_t mark = schema_down(s, key);
        if (name)
            TRY_OUT(take_keyword(s, flat, groups, name, value));
        schema_up(s, mark);
    }
    /* OpenAPI 3.0: one more type for those that are named; an enum still has to list null. */
    if (json_is_true(json_object_get(source, "nullable")) && json_object_get(source, "type"))
        schema_put(s, flat, "type", json_integer(schema_types(flat) | TYPE_NULL));
    if (json_array_size(groups) > 0)
        schema_put(s, flat, "groups", json_incref(groups));
out:
    json_decref(groups);
    return status;
}

static hearth_status flatten_object(schema *s, const json_t *source, json_t **flat)
{
    hearth_status status = HEARTH_OK;
    json_t *own = json_object(), *item;
    const json_t *target = NULL, *value = json_object_get(source, "const");
    size_t i;
    TRY_OUT(take_own(s, source, own));
    if (value) {
        json_t *list = json_array();
        schema_add(s, list, json_incref((json_t *)value));
        schema_merge_enum(s, own, list);
        json_decref(list);
    }
    if (json_object_get(source, "$ref")) {
        size_t mark = schema_down(s, "$ref");
        TRY_OUT(find_reference(s, json_string_value(json_object_get(source, "$ref")), &target));
        json_t *mine = own;
        own = NULL;
        TRY_OUT(schema_merge(s, mine, target, &own));
        schema_up(s, mark);
    }
    json_array_foreach(json_object_get(source, "allOf"), i, item)
    {
        size_t mark = schema_down_index(s, "allOf", i);
        json_t *mine = own;
        own = NULL;
        TRY_OUT(schema_merge(s, mine, item, &own));
        schema_up(s, mark);
    }
    *flat = own;
    own = NULL;
out:
    json_decref(own);
    return status;
}

hearth_status schema_flatten(schema *s, const json_t *source, json_t **flat)
{
    *flat = NULL;
    if (json_is_false(source))
        return HEARTH_OK;
    if (json_is_true(source)) {
        *flat = json_object();
        schema_put(s, *flat, "type", json_integer(TYPE_ALL));
        return HEARTH_OK;
    }
    for (const schema_chain *c = s->chain; c; c = c->up) {
        if (c->source == source)
            return schema_refuse(s, HEARTH_EINVAL,
                                 "the schema refers to itself, with nothing in between");
    }
    TRY(schema_enter(s));
    schema_chain here = {.source = source, .up = s->chain};
    s->chain = &here;
    hearth_status status = flatten_object(s, source, flat);
    s->chain = here.up;
    schema_leave(s);
    return status;
}
