/* SPDX-License-Identifier: MIT
 *
 * format_grammar.c - see tools.h: what calls must look like, written as GBNF.
 *
 *     root ::= reasoning? calls
 *     calls ::= section_open call (between call)* section_close
 *     call ::= call_open (tool-0 | tool-1 | ...) call_close
 *     tool-0 ::= "name" and what the kind of the shape puts around the arguments
 *
 * Marks are written with the blanks that the template has, since that is what the model was trained
 * on; the parser is more lenient. A lazy grammar begins at the first mark that only a call has.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/place.h"
#include "base/status.h"
#include "chat/format.h"
#include "chat/format_gbnf.h"
#include "chat/tool_json.h"

enum { RULE_BYTES = 48 };

static size_t trim_end(const char *text)
{
    size_t n = strlen(text);
    while (n > 0 && tool_json_is_blank(text[n - 1]))
        n--;
    return n;
}

static const char *trim_start(const char *text)
{
    while (tool_json_is_blank(*text))
        text++;
    return text;
}

static void put_text(gbnf *g, const char *text)
{
    gbnf_literal(g, text, strlen(text));
}

/* "text" with its quotes, as JSON. */
static void put_quoted(gbnf *g, const char *text)
{
    buf b;
    buf_init(&b, 0);
    bool ok = buf_append_text(&b, "\"") && tool_json_escape(&b, text, strlen(text)) &&
              buf_append_text(&b, "\"");
    if (ok)
        gbnf_literal(g, b.data, b.n);
    g->failed = g->failed || !ok;
    buf_deinit(&b);
}

static const char *key_or(const char *key, const char *usual)
{
    return key[0] != '\0' ? key : usual;
}

/* ---- arguments ---- */

static bool is_boolean(const json_t *schema)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    return type && strcmp(type, "boolean") == 0;
}

/* Whether any string will do: it may be written with Python's single quotes too. */
static bool is_any_string(const json_t *schema)
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
    else if (is_any_string(schema) && s->quote[0] == '\0')
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
    const char *close = s->line_values ? s->value_close : trim_start(s->value_close);
    char mark[128];
    bool any = false, other = false;
    size_t n = trim_end(close);
    snprintf(mark, sizeof mark, "%.*s", (int)n, close);
    if (p->type == TOOL_TYPE_ANY || is_any_string(p->schema)) {
        gbnf_put(g, "%s ::=", name);
        put_text(g, s->key_close);
        gbnf_put(g, " value-0");
        put_text(g, close + n);
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
        put_text(g, s->key_close);
        gbnf_put(g, " %s%s", p->raw, other ? "-close |" : "-close");
    }
    if (other || is_boolean(p->schema))
        put_text(g, other_close(s));
    /* Templates write truth as Python does or as JSON does. */
    if (is_boolean(p->schema))
        gbnf_put(g, " ( \"true\" | \"false\" | \"True\" | \"False\" )");
    else if (other)
        gbnf_put(g, " %s", p->value);
    if (other || is_boolean(p->schema))
        put_text(g, close);
    gbnf_put(g, "\n");
    if (any) {
        gbnf_put(g, "%s-close ::= %s", p->raw, p->raw);
        put_text(g, close);
        gbnf_put(g, "\n");
    }
    return HEARTH_OK;
}

/* A value among PAIRS, as the rule value-T-P; where strings have quotes of their own, only the
 * types of what is within others are followed. */
static hearth_status put_pairs_rule(gbnf *g, const tool_shape *s, const param *p, hearth_error *err)
{
    bool any = false;
    const char *type = json_string_value(json_object_get(p->schema, "type"));
    bool number = type && (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0);
    if (s->quote[0] == '\0')
        return is_boolean(p->schema) ? HEARTH_OK
                                     : gbnf_schema(g, p->value, p->schema, p->root, err);
    if (number)
        return gbnf_schema(g, p->value, p->schema, p->root, err);
    if (p->type == TOOL_TYPE_STRING && !is_any_string(p->schema)) {
        TRY(gbnf_raw_strings(g, p->raw, p->schema, p->root, s->quote, false, &any, err));
        if (!any)
            FAIL(err, EINVAL, "schema", "schema, at /: no string fits this schema");
        gbnf_put(g, "%s ::=", p->value);
        put_text(g, s->quote);
        gbnf_put(g, " %s", p->raw);
        put_text(g, s->quote);
        gbnf_put(g, "\n");
        return HEARTH_OK;
    }
    gbnf_put(g, "%s ::= %s\n", p->value,
             p->type == TOOL_TYPE_STRING ? "quoted"
             : is_boolean(p->schema)     ? "\"true\" | \"false\""
                                         : "loose");
    return HEARTH_OK;
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
        put_text(g, s->key_open);
        put_text(g, key);
        gbnf_put(g, " xml-%zu-%zu%s", t, i++, must ? "" : " )?");
    }
}

/* PAIRS: the required ones, then any of the others, each in the order of the schema. `after` says
 * whether a comma comes before the first. */
static void put_pair(gbnf *g, const tool_shape *s, const char *key, json_t *schema, size_t t,
                     size_t i)
{
    put_text(g, key);
    put_text(g, s->key_close);
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
            put_text(g, comma);
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
        put_text(g, comma);
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
            put_text(g, comma);
            gbnf_put(g, " option-%zu-%zu )?", t, k);
        }
    }
    gbnf_put(g, " )?\n");
}

/* ---- one tool ---- */

static void put_object(gbnf *g, const tool_shape *s, const char *name, size_t t)
{
    gbnf_put(g, " \"{\" ws");
    if (s->id_key[0] != '\0') {
        put_quoted(g, s->id_key);
        gbnf_put(g, " \": \\\"\" [0-9]+ \"\\\", \"");
    }
    put_quoted(g, key_or(s->name_key, "name"));
    gbnf_put(g, " \":\" ws");
    put_quoted(g, name);
    gbnf_put(g, " \",\" ws");
    put_quoted(g, key_or(s->args_key, "arguments"));
    gbnf_put(g, " \":\" ws args-%zu", t);
    if (s->id_after[0] != '\0') {
        gbnf_put(g, " ( \",\" ws");
        put_quoted(g, s->id_after);
        gbnf_put(g, " \":\" ws \"\\\"\" [a-zA-Z0-9_-]{%s} \"\\\"\" )?",
                 s->short_ids ? "9" : "1,64");
    }
    gbnf_put(g, " ws \"}\"");
}

static void put_named(gbnf *g, const tool_shape *s, const char *name, size_t t)
{
    if (s->id_before[0] != '\0') {
        gbnf_put(g, " [a-zA-Z0-9_-]{1,64}");
        put_text(g, s->id_before);
    }
    if (s->id_is_name) {
        put_text(g, "functions.");
        put_text(g, name);
        gbnf_put(g, " \":\" [0-9]{1,4}");
    } else {
        put_text(g, name);
    }
    if (s->id_open[0] != '\0') {
        put_text(g, s->id_open);
        gbnf_put(g, " [a-zA-Z0-9]{9}");
    }
    put_text(g, s->name_close);
    gbnf_put(g, " args-%zu", t);
}

static void put_harmony(gbnf *g, const char *name, size_t t)
{
    gbnf_put(g, " (\" to=functions.\"");
    put_text(g, name);
    gbnf_put(g, " \"<|channel|>commentary\" | \"<|channel|>commentary to=functions.\"");
    put_text(g, name);
    gbnf_put(g, " ) ( \" <|constrain|>json\" | \" json\" )? \"<|message|>\" args-%zu \"<|call|>\"?",
             t);
}

static hearth_status put_tool(gbnf *g, const tool_shape *s, const tool_entry *tool, size_t t,
                              hearth_error *err)
{
    char args[RULE_BYTES];
    bool json = s->kind != TOOL_KIND_XML && s->kind != TOOL_KIND_PAIRS;
    snprintf(args, sizeof args, "args-%zu", t);
    gbnf_put(g, "tool-%zu ::=", t);
    switch (s->kind) {
    case TOOL_KIND_JSON:
    case TOOL_KIND_LIST:
        put_object(g, s, tool->name, t);
        break;
    case TOOL_KIND_KEYED:
        gbnf_put(g, " \"{\"");
        put_quoted(g, tool->name);
        gbnf_put(g, " \":\" ws args-%zu ws \"}\"", t);
        break;
    case TOOL_KIND_NAME_JSON:
        put_named(g, s, tool->name, t);
        break;
    case TOOL_KIND_HARMONY:
        put_harmony(g, tool->name, t);
        break;
    case TOOL_KIND_XML:
        put_text(g, tool->name);
        put_text(g, s->name_close);
        put_xml_params(g, s, tool, t);
        break;
    case TOOL_KIND_PAIRS:
        put_text(g, tool->name);
        put_text(g, s->name_close);
        put_pairs_params(g, s, tool, t);
        put_text(g, s->args_close);
        break;
    }
    gbnf_put(g, "\n");
    if (s->kind == TOOL_KIND_PAIRS)
        put_option_rules(g, s, tool, t);
    return json ? gbnf_schema(g, args, tool->schema, tool->schema, err)
                : put_value_rules(g, s, tool, t, err);
}

/* An error of the tool's schema also says whose it is. */
static hearth_status put_tool_of(gbnf *g, const hearth_chat_format *f, size_t t, hearth_error *err)
{
    hearth_error inner = {0};
    hearth_status status = put_tool(g, f->shape, &f->tools.tools[t], t, &inner);
    if (status == HEARTH_OK)
        return HEARTH_OK;
    char place[RULE_BYTES];
    snprintf(place, sizeof place, "tools[%zu].function.parameters", t);
    return place_error(err, status, place, &inner);
}

/* ---- the whole ---- */

/* `skip` is how much of the very first mark is left out: the blanks before a trigger. */
static void put_calls(gbnf *g, const tool_shape *s, bool parallel)
{
    bool list = s->kind == TOOL_KIND_LIST || s->kind == TOOL_KIND_KEYED;
    const char *section = trim_start(s->section_open);
    const char *open = section[0] == '\0' ? trim_start(s->call_open) : s->call_open;
    bool python = s->kind == TOOL_KIND_PAIRS && s->call_open[0] == '\0';
    gbnf_put(g, "calls ::=");
    put_text(g, section);
    if (list) {
        gbnf_put(g, " \"[\" ws call%s ws \"]\"", parallel ? " ( \",\" ws call )*" : "");
    } else {
        if (s->bare)
            gbnf_put(g, " \"<|python_tag|>\"?");
        else if (!s->recipient)
            put_text(g, open);
        gbnf_put(g, " call");
        if (parallel && s->kind != TOOL_KIND_HARMONY) {
            gbnf_put(g, " (");
            put_text(g, python ? ", " : s->bare ? "; " : s->call_between);
            if (!s->bare)
                put_text(g, s->call_open);
            gbnf_put(g, " call )*");
        }
    }
    gbnf_literal(g, s->section_close, trim_end(s->section_close));
    if (s->content_close[0] != '\0' && s->content_open[0] == '\0') {
        gbnf_put(g, " (");
        put_text(g, s->content_close);
        gbnf_put(g, " )?");
    }
    gbnf_put(g, "\n");
}

static void put_root(gbnf *g, const hearth_chat_format *f, bool lazy)
{
    const tool_shape *s = f->shape;
    size_t n = trim_end(s->think_close);
    bool thinks = f->reasoning_end != NULL && n > 0 && s->kind != TOOL_KIND_HARMONY;
    gbnf_put(g, "root ::=");
    if (!lazy && s->kind == TOOL_KIND_HARMONY) {
        gbnf_put(g, " ( \"<|channel|>analysis<|message|>\" think-0 \"<|start|>assistant\" )?");
    } else if (!lazy && f->reasoning_open && thinks) {
        gbnf_put(g, " think-0");
    } else if (!lazy && thinks && s->think_open[0] != '\0') {
        gbnf_put(g, " ( blanks");
        gbnf_literal(g, trim_start(s->think_open), trim_end(trim_start(s->think_open)));
        gbnf_put(g, " think-0 )?");
    }
    if (!lazy && s->kind != TOOL_KIND_HARMONY)
        gbnf_put(g, " blanks");
    gbnf_put(g, " calls\n");
    if (lazy)
        return;
    if (s->kind == TOOL_KIND_HARMONY)
        gbnf_until(g, "think", "<|end|>", 7);
    else if (thinks)
        gbnf_until(g, "think", trim_start(s->think_close), trim_end(trim_start(s->think_close)));
}

static void put_shared(gbnf *g, const tool_shape *s)
{
    gbnf_put(g, "ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\nblanks ::= [ \\n]{0,4}\n");
    if (s->kind == TOOL_KIND_XML) {
        const char *close = s->line_values ? s->value_close : trim_start(s->value_close);
        gbnf_until(g, "value", close, trim_end(close));
    }
    if (s->kind != TOOL_KIND_PAIRS || s->quote[0] == '\0')
        return;
    gbnf_put(g, "quoted ::=");
    put_text(g, s->quote);
    gbnf_put(g, " quote-0\n");
    gbnf_until(g, "quote", s->quote, strlen(s->quote));
    gbnf_put(g, "loose ::= quoted | \"true\" | \"false\" | \"null\" | loose-number | "
                "\"[\" ( loose ( \",\" loose )* )? \"]\" | "
                "\"{\" ( loose-key \":\" loose ( \",\" loose-key \":\" loose )* )? \"}\"\n"
                "loose-key ::= [a-zA-Z0-9_.$-]+\n"
                "loose-number ::= \"-\"? ( \"0\" | [1-9] [0-9]{0,15} ) ( \".\" [0-9]{1,15} )? "
                "( [eE] [-+]? [0-9]{1,3} )?\n");
}

/* ---- triggers and tags ---- */

static bool add_trigger(hearth_chat_format *f, bool is_pattern, const char *text, size_t n)
{
    char *copy = mem_dup(text, n);
    f->triggers[f->n_triggers].text = copy;
    f->triggers[f->n_triggers].is_pattern = is_pattern;
    f->n_triggers += copy != NULL;
    return copy != NULL;
}

/* (?:name1|name2), each with what PCRE2 would read as syntax escaped. */
static bool put_names(buf *b, const tool_list *tools)
{
    bool ok = buf_append_text(b, "(?:");
    for (size_t i = 0; ok && i < tools->n; i++) {
        ok = i == 0 || buf_append_text(b, "|");
        for (const char *c = tools->tools[i].name; ok && *c != '\0'; c++)
            ok = (strchr("\\^$.|?*+-#&~", *c) == NULL || buf_append_text(b, "\\")) &&
                 buf_append(b, c, 1);
    }
    return ok && buf_append_text(b, ")");
}

static bool add_pattern(hearth_chat_format *f, const char *before, const char *after)
{
    buf b;
    buf_init(&b, 0);
    bool ok = buf_append_text(&b, before) && put_names(&b, &f->tools) &&
              buf_append_text(&b, after) && add_trigger(f, true, b.data, b.n);
    buf_deinit(&b);
    return ok;
}

static bool add_triggers(hearth_chat_format *f)
{
    const tool_shape *s = f->shape;
    bool ok = true;
    if (s->kind == TOOL_KIND_HARMONY)
        return add_pattern(f, "(?:\\A|<\\|start\\|>assistant)( to=functions\\.", "<)") &&
               add_pattern(f, "(<\\|channel\\|>commentary to=functions\\.", "[ <])");
    if (s->recipient)
        return add_pattern(f, "(?:\\A|>>>)(", "\\n)");
    if (s->bare)
        ok = add_pattern(f, "\\A\\s*(\\{\"name\":\\s*\"", "\")");
    const char *atom, *mark = s->section_open[0] != '\0' ? s->section_open : s->call_open;
    size_t n = tool_mark_atom(mark, &atom);
    return ok && (n == 0 || add_trigger(f, false, atom, n));
}

static bool add_tag(hearth_chat_format *f, const char *text, size_t n)
{
    if (n < 3 || (text[0] != '<' && text[0] != '[') || f->n_tags == FORMAT_TAGS)
        return true;
    for (size_t i = 0; i < f->n_tags; i++)
        if (strlen(f->tags[i]) == n && memcmp(f->tags[i], text, n) == 0)
            return true;
    char *copy = mem_dup(text, n);
    f->tags[f->n_tags] = copy;
    f->n_tags += copy != NULL;
    return copy != NULL;
}

static bool add_tags(hearth_chat_format *f)
{
    static const char harmony[] =
        "<|start|> <|channel|> <|message|> <|constrain|> <|end|> <|call|>";
    const char *marks[] = {
#define TOOL_SHAPE_FIELD(mark) f->shape->mark,
        TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
                    f->shape->kind == TOOL_KIND_HARMONY
            ? harmony
            : ""};
    bool ok = true;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *atom, *rest = marks[i];
        for (size_t n; ok && (n = tool_mark_atom(rest, &atom)) > 0; rest = atom + n)
            ok = add_tag(f, atom, n);
    }
    return ok;
}

hearth_status format_make_grammar(hearth_chat_format *f, hearth_tool_choice choice,
                                  const char *tool_name, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    const tool_shape *s = f->shape;
    bool lazy = choice == HEARTH_TOOL_AUTO;
    gbnf g;
    if (!add_tags(f))
        return error_no_memory(err, "a chat format", 0);
    if (!f->active)
        return HEARTH_OK;
    gbnf_init(&g);
    put_root(&g, f, lazy);
    put_calls(&g, s, f->parallel);
    gbnf_put(&g, "call ::= (");
    for (size_t i = 0, n = 0; i < f->tools.n; i++)
        if (choice != HEARTH_TOOL_NAMED || strcmp(f->tools.tools[i].name, tool_name) == 0)
            gbnf_put(&g, "%s tool-%zu", n++ > 0 ? " |" : "", i);
    gbnf_put(&g, " )");
    put_text(&g, s->call_close);
    gbnf_put(&g, "\n");
    for (size_t i = 0; i < f->tools.n; i++)
        if (choice != HEARTH_TOOL_NAMED || strcmp(f->tools.tools[i].name, tool_name) == 0)
            TRY_OUT(put_tool_of(&g, f, i, err));
    put_shared(&g, s);
    f->grammar = g.failed ? NULL : buf_take(&g.rules, &(size_t){0});
    if (!f->grammar || (lazy && !add_triggers(f)))
        status = error_no_memory(err, "the grammar of the calls", g.rules.n);
out:
    gbnf_deinit(&g);
    return status;
}
