/* SPDX-License-Identifier: MIT
 *
 * format_params.c - see format_params.h.
 *
 * In tags a string is written as it is, so its schema becomes an automaton over its text and what
 * closes it. Where a value may be a string or something else, no string reads like the other.
 */
#include "chat/format_params.h"

#include <stdio.h>
#include <string.h>

#include "base/place.h"
#include "base/status.h"

static bool is_boolean(const json_t *schema)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    return type && strcmp(type, "boolean") == 0;
}

/* Whether any string will do: it may be written with Python's single quotes too. */
bool format_is_any_string(const json_t *schema)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)schema, key, value)
    {
        static const char words[] = "|type|title|description|default|examples|";
        char word[24];
        snprintf(word, sizeof word, "|%.20s|", key);
        if (strstr(words, word) == NULL)
            return false;
    }
    return tool_schema_type(schema, NULL) == TOOL_TYPE_STRING;
}

static void put_pairs_value(gbnf *g, const tool_shape *s, const json_t *schema, size_t tool,
                            size_t param)
{
    if (is_boolean(schema) && s->quote[0] == '\0')
        gbnf_put(g, " ( \"True\" | \"False\" )");
    else if (format_is_any_string(schema) && s->quote[0] == '\0')
        gbnf_put(g, " ( value-%zu-%zu | \"'\" [^'\\\\\\x00-\\x08\\x0B-\\x1F\\x7F]* \"'\" )", tool,
                 param);
    else
        gbnf_put(g, " value-%zu-%zu", tool, param);
}

static bool is_required(const json_t *schema, const char *key)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(schema, "required"), i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), key) == 0)
            return true;
    }
    return false;
}

/* One parameter of a tool. */
typedef struct param {
    const json_t *schema, *root;
    tool_type type;
    char value[RULE_BYTES], raw[RULE_BYTES]; /* the rules of its values */
} param;

/* The values that are no strings, where strings are written in another way. */
static hearth_status put_other_values(gbnf *g, const param *p, bool *any, hearth_error *err)
{
    json_t *both = json_pack("{s:[O, {s:[s, s, s, s, s]}]}", "allOf", p->schema, "type", "null",
                             "boolean", "number", "array", "object");
    if (!both)
        return error_no_memory(err, "a tool's schema", 1);
    hearth_status status = gbnf_schema(g, p->value, both, p->root, err);
    json_decref(both);
    *any = status == HEARTH_OK;
    return status;
}

static const char *other_close(const tool_shape *s)
{
    return s->key_close_other[0] != '\0' ? s->key_close_other : s->key_close;
}

/* What follows a parameter's name, to the end of its value, as the rule xml-T-P. */
static hearth_status put_xml_rule(gbnf *g, const tool_shape *s, const param *p, const char *name,
                                  hearth_error *err)
{
    const char *close = s->line_values ? s->value_close : gbnf_trim_start(s->value_close);
    char mark[128];
    bool any = false, other = false;
    size_t n = gbnf_trim_end(close);
    snprintf(mark, sizeof mark, "%.*s", (int)n, close);
    if (p->type == TOOL_TYPE_ANY || format_is_any_string(p->schema)) {
        gbnf_put(g, "%s ::=", name);
        gbnf_text(g, s->key_close);
        gbnf_put(g, " value-0");
        gbnf_text(g, close + n);
        gbnf_put(g, "\n");
        return HEARTH_OK;
    }
    if (p->type != TOOL_TYPE_OTHER)
        TRY(gbnf_raw_strings(g, p->raw, p->schema, p->root, mark, p->type == TOOL_TYPE_MIXED, &any,
                             err));
    if (p->type == TOOL_TYPE_MIXED) {
        hearth_error none = {0};
        hearth_status status = put_other_values(g, p, &other, any ? &none : err);
        if (status != HEARTH_OK && (!any || status != HEARTH_EINVAL)) {
            if (any)
                *err = none;
            return status;
        }
    } else if (p->type == TOOL_TYPE_OTHER && !is_boolean(p->schema)) {
        TRY(gbnf_schema(g, p->value, p->schema, p->root, err));
        other = true;
    } else if (p->type == TOOL_TYPE_STRING && !any) {
        FAIL(err, EINVAL, "schema", "schema, at /: no string fits this schema");
    }
    gbnf_put(g, "%s ::=", name);
    if (any) {
        gbnf_text(g, s->key_close);
        gbnf_put(g, " %s%s", p->raw, other ? "-close |" : "-close");
    }
    if (other || is_boolean(p->schema))
        gbnf_text(g, other_close(s));
    /* Templates write truth as Python does or as JSON does. */
    if (is_boolean(p->schema))
        gbnf_put(g, " ( \"true\" | \"false\" | \"True\" | \"False\" )");
    else if (other)
        gbnf_put(g, " %s", p->value);
    if (other || is_boolean(p->schema))
        gbnf_text(g, close);
    gbnf_put(g, "\n");
    if (any) {
        gbnf_put(g, "%s-close ::= %s", p->raw, p->raw);
        gbnf_text(g, close);
        gbnf_put(g, "\n");
    }
    return HEARTH_OK;
}

/* A value among PAIRS, as the rule value-T-P. */
static hearth_status put_pairs_rule(gbnf *g, const tool_shape *s, const param *p, hearth_error *err)
{
    if (s->quote[0] != '\0')
        return format_put_marked(g, s->quote, p->value, p->schema, p->root, err);
    return is_boolean(p->schema) ? HEARTH_OK : gbnf_schema(g, p->value, p->schema, p->root, err);
}

/* The rules of a tool's parameters. */
static hearth_status put_value_rules(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t,
                                     hearth_error *err)
{
    json_t *properties = json_object_get(tool->schema, "properties"), *schema;
    const char *key;
    size_t i = 0;
    json_object_foreach(properties, key, schema)
    {
        char name[RULE_BYTES], place[PLACE_BYTES];
        hearth_error inner = {0};
        param p = {
            .schema = schema, .root = tool->schema, .type = tool_schema_type(schema, tool->schema)};
        snprintf(p.value, sizeof p.value, "value-%zu-%zu", t, i);
        snprintf(p.raw, sizeof p.raw, "raw-%zu-%zu", t, i);
        snprintf(name, sizeof name, "xml-%zu-%zu", t, i++);
        hearth_status status = s->kind == TOOL_KIND_XML ? put_xml_rule(g, s, &p, name, &inner)
                                                        : put_pairs_rule(g, s, &p, &inner);
        snprintf(place, sizeof place, "/properties/%s", key);
        if (status != HEARTH_OK)
            return place_error(err, status, place, &inner);
    }
    return HEARTH_OK;
}

/* XML: each parameter once at most, in the order of the schema. */
static void put_xml_params(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t)
{
    json_t *properties = json_object_get(tool->schema, "properties"), *schema;
    const char *key;
    size_t i = 0;
    json_object_foreach(properties, key, schema)
    {
        bool must = is_required(tool->schema, key);
        gbnf_put(g, must ? "" : " (");
        gbnf_text(g, s->key_open);
        gbnf_text(g, key);
        gbnf_put(g, " xml-%zu-%zu%s", t, i++, must ? "" : " )?");
    }
}

/* PAIRS: the required ones, then any of the others, each in the order of the schema. `after` says
 * whether a comma comes before the first. */
static void put_pair(gbnf *g, const tool_shape *s, const char *key, json_t *schema, size_t t,
                     size_t i)
{
    gbnf_text(g, key);
    gbnf_text(g, s->key_close);
    put_pairs_value(g, s, schema, t, i);
}

static void put_pairs_params(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t)
{
    json_t *properties = json_object_get(tool->schema, "properties"), *schema;
    const char *comma = s->quote[0] != '\0' ? "," : ", ", *key;
    size_t i = 0, n_required = 0, n_optional = 0;
    json_object_foreach(properties, key, schema)
    {
        size_t at = i++;
        if (!is_required(tool->schema, key)) {
            n_optional++;
            continue;
        }
        if (n_required++ > 0)
            gbnf_text(g, comma);
        put_pair(g, s, key, schema, t, at);
    }
    if (n_optional > 0)
        gbnf_put(g, " options-%zu%s", t, n_required > 0 ? "" : "-first");
}

/* options-T: (", " key value)? for each; options-T-first: the same without the first comma. */
static void put_option_rules(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t)
{
    json_t *properties = json_object_get(tool->schema, "properties"), *schema;
    const char *comma = s->quote[0] != '\0' ? "," : ", ", *key;
    size_t i = 0, n = 0, n_required = 0;
    json_object_foreach(properties, key, schema)
    {
        size_t at = i++;
        if (is_required(tool->schema, key)) {
            n_required++;
            continue;
        }
        gbnf_put(g, "option-%zu-%zu ::=", t, n++);
        put_pair(g, s, key, schema, t, at);
        gbnf_put(g, "\n");
    }
    if (n == 0)
        return;
    gbnf_put(g, "options-%zu ::=", t);
    for (i = 0; i < n; i++) {
        gbnf_put(g, " (");
        gbnf_text(g, comma);
        gbnf_put(g, " option-%zu-%zu )?", t, i);
    }
    gbnf_put(g, "\n");
    if (n_required > 0)
        return;
    gbnf_put(g, "options-%zu-first ::= (", t);
    for (i = 0; i < n; i++) {
        gbnf_put(g, "%s option-%zu-%zu", i > 0 ? " |" : "", t, i);
        for (size_t k = i + 1; k < n; k++) {
            gbnf_put(g, " (");
            gbnf_text(g, comma);
            gbnf_put(g, " option-%zu-%zu )?", t, k);
        }
    }
    gbnf_put(g, " )?\n");
}

/* ---- the whole ---- */

void format_put_params(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t)
{
    if (s->kind == TOOL_KIND_XML)
        put_xml_params(g, s, tool, t);
    else
        put_pairs_params(g, s, tool, t);
}

hearth_status format_put_param_rules(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t,
                                     hearth_error *err)
{
    if (s->kind == TOOL_KIND_PAIRS)
        put_option_rules(g, s, tool, t);
    return put_value_rules(g, s, tool, t, err);
}
