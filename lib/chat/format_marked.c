/* SPDX-License-Identifier: MIT
 *
 * format_marked.c - values in braces (Gemma's): JSON but for strings, which stand between marks,
 * and keys, which stand alone.
 *
 * First the schema is compiled as JSON, which refuses what no grammar holds to. What is left is
 * written here, or refused too.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"
#include "chat/format_params.h"

enum { DEPTH_MAX = 16, NAME_BYTES = 160 };

typedef struct marked {
    gbnf *g;
    const char *quote;
    const json_t *root;
    hearth_error *err;
} marked;

static hearth_status put_value(const marked *m, const char *name, const json_t *schema, int depth);

static hearth_status refuse(const marked *m, const char *what)
{
    FAIL(m->err, EUNSUPPORTED, "schema",
         "schema, at /: %.60s cannot be enforced in this model's notation of calls", what);
}

/* The first word of a schema that is neither of a list nor an annotation. NULL: none. */
static const char *other_word(const json_t *schema, const char *words)
{
    static const char notes[] = "|title|description|default|examples|deprecated|$defs|definitions|";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
    {
        char word[40];
        snprintf(word, sizeof word, "|%.32s|", key);
        if (!strstr(notes, word) && !strstr(words, word))
            return key;
    }
    return NULL;
}

/* ---- one kind of value each ---- */

static hearth_status put_string(const marked *m, const char *name, const json_t *schema)
{
    char raw[NAME_BYTES + 8];
    bool any = false;
    if (format_is_any_string(schema)) {
        gbnf_put(m->g, "%s ::= quoted\n", name);
        return HEARTH_OK;
    }
    snprintf(raw, sizeof raw, "%s-raw", name);
    TRY(gbnf_raw_strings(m->g, raw, schema, m->root, m->quote, false, &any, m->err));
    if (!any)
        FAIL(m->err, EINVAL, "schema", "schema, at /: no string fits this schema");
    gbnf_put(m->g, "%s ::=", name);
    gbnf_text(m->g, m->quote);
    gbnf_put(m->g, " %s", raw);
    gbnf_text(m->g, m->quote);
    gbnf_put(m->g, "\n");
    return HEARTH_OK;
}

static hearth_status put_array(const marked *m, const char *name, const json_t *schema, int depth)
{
    const json_t *items = json_object_get(schema, "items");
    const json_t *least = json_object_get(schema, "minItems");
    const json_t *most = json_object_get(schema, "maxItems");
    const char *word = other_word(schema, "|type|items|minItems|maxItems|");
    unsigned min = least ? (unsigned)json_number_value(least) : 0;
    unsigned max = most ? (unsigned)json_number_value(most) : 0;
    char item[NAME_BYTES], counts[48];
    if (word)
        return refuse(m, word);
    snprintf(item, sizeof item, "%.120s-i", name);
    if (!most || max > 0)
        TRY(put_value(m, item, items, depth));
    if (most && max == 0) {
        gbnf_put(m->g, "%s ::= \"[]\"\n", name);
        return HEARTH_OK;
    }
    unsigned behind = min > 0 ? min - 1 : 0;
    snprintf(counts, sizeof counts, most ? "{%u,%u}" : "{%u,}", behind, max - 1);
    gbnf_put(m->g, "%s ::= \"[\" ( %s ( \",\" %s )%s )%s \"]\"\n", name, item, item, counts,
             min > 0 ? "" : "?");
    return HEARTH_OK;
}

static bool is_key(const char *key)
{
    return key[0] != '\0' &&
           key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$-")] ==
               '\0';
}

static bool in_list(const json_t *list, const char *key)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), key) == 0)
            return true;
    }
    return false;
}

/* The members in the order of the schema, required ones first. */
static hearth_status put_members(const marked *m, const char *name, const json_t *properties,
                                 const json_t *required, int depth)
{
    const char *key;
    json_t *value;
    size_t i = 0, n_required = 0, n = json_object_size(properties);
    json_object_foreach((json_t *)properties, key, value)
    {
        char member[NAME_BYTES];
        snprintf(member, sizeof member, "%.120s-%zu", name, i++);
        TRY(put_value(m, member, value, depth));
        n_required += in_list(required, key);
    }
    if (n_required < json_array_size(required))
        return refuse(m, "a required member that is not described");
    /* NAME-rK: the optional members from the K-th on, none yet written; NAME-oK: behind another. */
    gbnf_put(m->g, "%s ::= \"{\"", name);
    bool first = true;
    i = 0;
    json_object_foreach((json_t *)properties, key, value)
    {
        size_t at = i++;
        if (!in_list(required, key))
            continue;
        gbnf_put(m->g, first ? "" : " \",\"");
        gbnf_text(m->g, key);
        gbnf_put(m->g, " \":\" %s-%zu", name, at);
        first = false;
    }
    gbnf_put(m->g, " %s-%c0 \"}\"\n", name, first ? 'r' : 'o');
    for (int behind = 0; behind < 2; behind++) {
        i = 0;
        json_object_foreach((json_t *)properties, key, value)
        {
            size_t at = i++;
            gbnf_put(m->g, "%s-%c%zu ::= %s-%c%zu", name, behind ? 'o' : 'r', at, name,
                     behind ? 'o' : 'r', at + 1);
            if (!in_list(required, key)) {
                gbnf_put(m->g, behind ? " | \",\"" : " |");
                gbnf_text(m->g, key);
                gbnf_put(m->g, " \":\" %s-%zu %s-o%zu", name, at, name, at + 1);
            }
            gbnf_put(m->g, "\n");
        }
        gbnf_put(m->g, "%s-%c%zu ::= \"\"\n", name, behind ? 'o' : 'r', n);
    }
    return HEARTH_OK;
}

static hearth_status put_object(const marked *m, const char *name, const json_t *schema, int depth)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *rest = json_object_get(schema, "additionalProperties");
    const char *word = other_word(schema, "|type|properties|required|additionalProperties|"), *key;
    json_t *value;
    if (word)
        return refuse(m, word);
    json_object_foreach((json_t *)properties, key, value)
    {
        if (!is_key(key))
            return refuse(m, "a member's name");
    }
    if (json_object_size(properties) > 0 || json_is_false(rest))
        return put_members(m, name, properties, json_object_get(schema, "required"), depth);
    if (json_is_object(rest) && json_object_size(rest) > 0)
        return refuse(m, "additionalProperties");
    if (json_array_size(json_object_get(schema, "required")) > 0)
        return refuse(m, "a required member that is not described");
    gbnf_put(m->g, "%s ::= loose-object\n", name);
    return HEARTH_OK;
}

/* ---- values that may be of several kinds ---- */

/* A rule for each member of a list; a name of a type stands for the schema with that type. */
static hearth_status put_choice(const marked *m, const char *name, const json_t *schema,
                                const json_t *list, int depth)
{
    char one[NAME_BYTES];
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        json_t *own = json_is_string(item) ? json_copy((json_t *)schema) : json_incref(item);
        if (json_is_string(item) && (!own || json_object_set(own, "type", item) != 0)) {
            json_decref(own);
            return error_no_memory(m->err, "a tool's schema", 1);
        }
        snprintf(one, sizeof one, "%.120s-%zu", name, i);
        hearth_status status = put_value(m, one, own, depth);
        json_decref(own);
        if (status != HEARTH_OK)
            return status;
    }
    gbnf_put(m->g, "%s ::=", name);
    for (i = 0; i < json_array_size(list); i++)
        gbnf_put(m->g, "%s %s-%zu", i > 0 ? " |" : "", name, i);
    gbnf_put(m->g, "\n");
    return HEARTH_OK;
}

/* Strings and scalars only; those that are not of the type are left out. */
static hearth_status put_enum(const marked *m, const char *name, const json_t *schema,
                              const json_t *values)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    const char *word = other_word(schema, "|type|enum|const|");
    size_t i, n = 0;
    json_t *value;
    if (word || (type && tool_schema_type(schema, m->root) != TOOL_TYPE_OTHER))
        return word ? refuse(m, word) : put_string(m, name, schema);
    gbnf_put(m->g, "%s ::=", name);
    json_array_foreach((json_t *)values, i, value)
    {
        bool number = json_is_number(value);
        bool fits = !type || (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
                    (strcmp(type, "null") == 0 && json_is_null(value)) ||
                    (strcmp(type, "number") == 0 && number) ||
                    (strcmp(type, "integer") == 0 && json_is_integer(value));
        if (json_is_object(value) || json_is_array(value))
            return refuse(m, "enum of objects or arrays");
        if (!fits)
            continue;
        gbnf_put(m->g, n++ > 0 ? " |" : "");
        if (json_is_string(value)) {
            gbnf_text(m->g, m->quote);
            gbnf_literal(m->g, json_string_value(value), json_string_length(value));
            gbnf_text(m->g, m->quote);
            continue;
        }
        char *text = json_to_text(value, JSON_ENCODE_ANY);
        if (!text)
            return error_no_memory(m->err, "a value", 1);
        gbnf_text(m->g, text);
        mem_free(text);
    }
    gbnf_put(m->g, "\n");
    return n > 0 ? HEARTH_OK : refuse(m, "an enum that nothing of fits");
}

static hearth_status put_words(const marked *m, const char *name, const json_t *schema, int depth)
{
    json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum");
    const json_t *constant = json_object_get(schema, "const");
    const char *kind = json_string_value(type);
    if (json_array_size(type) > 0)
        return put_choice(m, name, schema, type, depth);
    if (constant || values) {
        json_t *list = constant ? json_pack("[O]", constant) : json_incref(values);
        hearth_status status =
            list ? put_enum(m, name, schema, list) : error_no_memory(m->err, "a value", 1);
        json_decref(list);
        return status;
    }
    if (!kind)
        return refuse(m, "a schema without a type");
    if (strcmp(kind, "string") == 0)
        return put_string(m, name, schema);
    if (strcmp(kind, "array") == 0)
        return put_array(m, name, schema, depth);
    if (strcmp(kind, "object") == 0)
        return put_object(m, name, schema, depth);
    return gbnf_schema(m->g, name, schema, m->root, m->err);
}

static hearth_status put_value(const marked *m, const char *name, const json_t *schema, int depth)
{
    static const char *const groups[] = {"anyOf", "oneOf", "allOf"};
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (depth > DEPTH_MAX || strlen(name) > 120)
        return refuse(m, "a schema that is nested so deep, or refers to itself,");
    if (ref) {
        const char *word = other_word(schema, "|$ref|");
        const json_t *other = tool_schema_follow(m->root, ref);
        return word || !other ? refuse(m, word ? word : ref) : put_value(m, name, other, depth + 1);
    }
    if (!schema || json_is_true(schema) || (json_is_object(schema) && !other_word(schema, ""))) {
        gbnf_put(m->g, "%s ::= loose\n", name);
        return HEARTH_OK;
    }
    for (int k = 0; k < 3; k++) {
        const json_t *list = json_object_get(schema, groups[k]);
        char alone[16];
        snprintf(alone, sizeof alone, "|%s|", groups[k]);
        if (!list)
            continue;
        if (other_word(schema, alone) || (k == 2 && json_array_size(list) != 1))
            return refuse(m, groups[k]);
        return put_choice(m, name, schema, list, depth + 1);
    }
    return json_is_object(schema) ? put_words(m, name, schema, depth + 1) : refuse(m, "false");
}

hearth_status format_put_marked(gbnf *g, const char *quote, const char *name, const json_t *schema,
                                const json_t *root, hearth_error *err)
{
    const marked m = {.g = g, .quote = quote, .root = root, .err = err};
    gbnf json;
    gbnf_init(&json);
    hearth_status status = gbnf_schema(&json, name, schema, root, err);
    gbnf_deinit(&json);
    return status == HEARTH_OK ? put_value(&m, name, schema, 0) : status;
}
