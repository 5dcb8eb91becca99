/* SPDX-License-Identifier: MIT
 *
 * tool_list.c - see tool_list.h.
 */
#include "chat/tool_list.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"

static bool is_object_type(const json_t *type)
{
    size_t i;
    json_t *one;
    bool found =
        type == NULL || (json_is_string(type) && strcmp(json_string_value(type), "object") == 0);
    json_array_foreach((json_t *)type, i, one)
    {
        found = found || (json_is_string(one) && strcmp(json_string_value(one), "object") == 0);
    }
    return found;
}

/* Arguments are an object, whether the schema says so or not. */
static hearth_status hold_to_object(json_t *schema, const char *at, hearth_error *err)
{
    char where[80];
    snprintf(where, sizeof where, "%s/type", at);
    if (!is_object_type(json_object_get(schema, "type")))
        FAIL(err, EINVAL, where, "%s: must be object: a tool is called with named arguments",
             where);
    return json_object_set_new(schema, "type", json_string("object")) == 0
               ? HEARTH_OK
               : error_no_memory(err, "a tool's schema", 0);
}

static hearth_status read_tool(tool_entry *entry, json_t *tool, size_t i, hearth_error *err)
{
    const char *type = json_string_value(json_object_get(tool, "type"));
    json_t *function = json_object_get(tool, "function");
    if (!json_is_object(tool) || (type && strcmp(type, "function") != 0))
        FAIL(err, EINVAL, "tools", "tools[%zu].type: only \"function\" can be called", i);
    if (!json_is_object(function))
        FAIL(err, EINVAL, "tools", "tools[%zu].function: must be an object", i);
    char at_name[64], at_schema[64];
    snprintf(at_name, sizeof at_name, "tools[%zu].function.name", i);
    snprintf(at_schema, sizeof at_schema, "tools[%zu].function.parameters", i);
    json_t *name = json_object_get(function, "name"),
           *schema = json_object_get(function, "parameters");
    if (!json_is_string(name) || json_string_length(name) == 0 ||
        json_string_length(name) > TOOL_NAME_BYTES ||
        strlen(json_string_value(name)) != json_string_length(name))
        FAIL(err, EINVAL, at_name, "%s: must be a text of 1 to %d bytes", at_name, TOOL_NAME_BYTES);
    for (const char *c = json_string_value(name); *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || strchr("\"<>[](){},", *c))
            FAIL(err, EINVAL, at_name,
                 "%s: \"%s\" has blanks or brackets, which no notation can hold", at_name,
                 json_string_value(name));
    if (schema && !json_is_null(schema) && !json_is_object(schema))
        FAIL(err, EINVAL, at_schema, "%s: must be an object", at_schema);
    if (json_is_object(schema))
        TRY(hold_to_object(schema, at_schema, err));
    *entry = (tool_entry){.name = json_string_value(name),
                          .schema = json_is_object(schema) ? schema : NULL};
    return HEARTH_OK;
}

hearth_status tool_list_open(tool_list *list, const char *json, size_t n, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *list = (tool_list){0};
    if (json == NULL)
        return HEARTH_OK;
    TRY(json_read(&list->root, json, n, 0, "tools", err));
    size_t n_tools = json_array_size(list->root);
    if (!json_is_array(list->root) || n_tools > TOOL_LIST_MAX)
        FAIL_OUT(err, EINVAL, "tools", "tools: must be an array of at most %d tools",
                 TOOL_LIST_MAX);
    list->tools = mem_calloc(n_tools, sizeof *list->tools);
    if (!list->tools) {
        status = error_no_memory(err, "the tools", n_tools * sizeof *list->tools);
        goto out;
    }
    for (size_t i = 0; i < n_tools; i++) {
        tool_entry entry;
        TRY_OUT(read_tool(&entry, json_array_get(list->root, i), i, err));
        if (tool_list_find(list, entry.name, strlen(entry.name)))
            FAIL_OUT(err, EINVAL, "tools", "tools[%zu].function.name: \"%s\" is there twice", i,
                     entry.name);
        list->tools[list->n++] = entry;
    }
out:
    if (status != HEARTH_OK)
        tool_list_close(list);
    return status;
}

void tool_list_close(tool_list *list)
{
    mem_free(list->tools);
    json_decref(list->root);
    *list = (tool_list){0};
}

const tool_entry *tool_list_find(const tool_list *list, const char *name, size_t n)
{
    for (size_t i = 0; i < list->n; i++)
        if (strlen(list->tools[i].name) == n && memcmp(list->tools[i].name, name, n) == 0)
            return &list->tools[i];
    return NULL;
}

/* ---- types ---- */

enum { TYPE_DEPTH_MAX = 16 };

/* What can be a string, and what not. */
static tool_type type_of(bool string, bool other)
{
    return string && other ? TOOL_TYPE_MIXED : string ? TOOL_TYPE_STRING : TOOL_TYPE_OTHER;
}

static tool_type type_of_names(const json_t *type)
{
    bool string = false, other = false;
    size_t i;
    json_t *item;
    json_array_foreach(type, i, item)
    {
        bool is = json_is_string(item) && strcmp(json_string_value(item), "string") == 0;
        string = string || is;
        other = other || !is;
    }
    return type_of(string, other);
}

static tool_type type_of_values(const json_t *values)
{
    bool string = false, other = false;
    size_t i;
    json_t *item;
    json_array_foreach(values, i, item)
    {
        string = string || json_is_string(item);
        other = other || !json_is_string(item);
    }
    return type_of(string, other);
}

/* What the words beside each other say; ANY: nothing. */
static tool_type type_of_words(const json_t *schema)
{
    json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum");
    json_t *constant = json_object_get(schema, "const");
    if (json_is_string(type))
        return type_of(strcmp(json_string_value(type), "string") == 0,
                       strcmp(json_string_value(type), "string") != 0);
    if (json_array_size(type) > 0)
        return type_of_names(type);
    if (json_array_size(values) > 0)
        return type_of_values(values);
    return constant ? type_of(json_is_string(constant), !json_is_string(constant)) : TOOL_TYPE_ANY;
}

const json_t *tool_schema_follow(const json_t *root, const char *ref)
{
    char key[TOOL_NAME_BYTES];
    if (*ref++ != '#')
        return NULL;
    while (root && *ref == '/') {
        size_t n = 0;
        for (ref++; *ref != '\0' && *ref != '/' && n < sizeof key - 1; ref++) {
            bool escaped = *ref == '~' && (ref[1] == '0' || ref[1] == '1');
            key[n++] = escaped ? "~/"[*++ref - '0'] : *ref;
        }
        key[n] = '\0';
        root = json_object_get(root, key);
    }
    return *ref == '\0' ? root : NULL;
}

static bool is_annotation(const char *key)
{
    static const char words[] = "|title|description|default|examples|deprecated|";
    char word[32];
    snprintf(word, sizeof word, "|%.24s|", key);
    return strstr(words, word) != NULL;
}

/* Words that say something beside $ref, anyOf, oneOf and allOf. */
static size_t n_own_words(const json_t *schema)
{
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
    {
        n += !is_annotation(key) && key[0] != '$' && strcmp(key, "anyOf") != 0 &&
             strcmp(key, "oneOf") != 0 && strcmp(key, "allOf") != 0;
    }
    return n;
}

static tool_type type_at(const json_t *schema, const json_t *root, int depth)
{
    static const char *const groups[] = {"anyOf", "oneOf", "allOf"};
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    tool_type own = type_of_words(schema);
    bool string = false, other = false;
    size_t n = 0, n_words = n_own_words(schema), i;
    json_t *item;
    if (!json_is_object(schema) || depth > TYPE_DEPTH_MAX)
        return TOOL_TYPE_ANY;
    for (int k = 0; k < 3; k++) {
        json_array_foreach(json_object_get(schema, groups[k]), i, item)
        {
            tool_type type = type_at(item, root, depth + 1);
            string = string || type != TOOL_TYPE_OTHER;
            other = other || type != TOOL_TYPE_STRING;
            n++;
        }
    }
    if (own == TOOL_TYPE_OTHER || (n == 0 && !ref && own != TOOL_TYPE_ANY))
        return own;
    if (n == 0 && ref && n_words == 0)
        return type_at(tool_schema_follow(root, ref), root, depth + 1);
    if (n == 0 && !ref)
        return n_words > 0 ? TOOL_TYPE_MIXED : TOOL_TYPE_ANY;
    /* Only one string can be written as it is. */
    return n > 0 && !ref && !string         ? TOOL_TYPE_OTHER
           : n == 1 && !ref && n_words == 0 ? type_of(string, other)
                                            : TOOL_TYPE_MIXED;
}

tool_type tool_schema_type(const json_t *schema, const json_t *root)
{
    return type_at(schema, root, 0);
}

tool_type tool_entry_type(const tool_entry *tool, const char *key, size_t n)
{
    json_t *properties = json_object_get(tool->schema, "properties");
    return tool_schema_type(json_object_getn(properties, key, n), tool->schema);
}
