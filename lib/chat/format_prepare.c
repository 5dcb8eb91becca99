/* SPDX-License-Identifier: MIT
 *
 * format_prepare.c - see tools.h: a conversation in OpenAI's form to one that a template can
 * render.
 *
 * Where a template writes no calls, they are written into the content in the style's notation, so
 * that the model reads in its history what it is to write. Where it lists no tools, a system
 * message does.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/status.h"
#include "chat/format.h"
#include "chat/tool_json.h"

static bool put_json(buf *b, const json_t *value)
{
    return json_write(b, value, JSON_ENCODE_ANY);
}

static bool put_object(buf *b, const tool_shape *s, const char *name, const json_t *args)
{
    bool ok;
    json_t *named = json_string(name);
    if (s->kind == TOOL_KIND_KEYED) {
        ok = buf_append_text(b, "{") && put_json(b, named) && buf_append_text(b, ": ") &&
             put_json(b, args) && buf_append_text(b, "}");
    } else {
        const char *name_key = s->name_key[0] != '\0' ? s->name_key : "name";
        const char *args_key = s->args_key[0] != '\0' ? s->args_key : "arguments";
        ok = buf_append_format(b, "{\"%s\": ", name_key) && put_json(b, named) &&
             buf_append_format(b, ", \"%s\": ", args_key) && put_json(b, args) &&
             buf_append_text(b, "}");
    }
    json_decref(named);
    return ok;
}

static bool put_params(buf *b, const tool_shape *s, const json_t *args)
{
    bool ok = true, first = true, xml = s->kind == TOOL_KIND_XML;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)args, key, value)
    {
        bool string = json_is_string(value);
        ok = ok && (xml || first || buf_append_text(b, ", ")) &&
             (!xml || buf_append_text(b, s->key_open)) && buf_append_text(b, key) &&
             buf_append_text(b, !string && s->key_close_other[0] != '\0' ? s->key_close_other
                                                                         : s->key_close);
        if (xml)
            ok = ok &&
                 (string ? buf_append_text(b, json_string_value(value)) : put_json(b, value)) &&
                 buf_append_text(b, s->value_close);
        else if (json_is_boolean(value))
            ok = ok && buf_append_text(b, json_is_true(value) ? "True" : "False");
        else
            ok = ok && put_json(b, value);
        first = false;
    }
    return ok && (xml || buf_append_text(b, s->args_close));
}

static bool put_call(buf *b, const tool_shape *s, size_t i, const char *name, const json_t *args)
{
    if (s->kind <= TOOL_KIND_KEYED)
        return put_object(b, s, name, args);
    return (!s->id_is_name || buf_append_text(b, "functions.")) && buf_append_text(b, name) &&
           (!s->id_is_name || buf_append_format(b, ":%zu", i)) &&
           buf_append_text(b, s->name_close) &&
           (s->kind == TOOL_KIND_NAME_JSON ? put_json(b, args) : put_params(b, s, args));
}

/* Calls as the style writes them. */
static bool put_calls(buf *b, const tool_shape *s, const json_t *calls)
{
    bool list = s->kind == TOOL_KIND_LIST || s->kind == TOOL_KIND_KEYED;
    bool python = s->kind == TOOL_KIND_PAIRS && s->call_open[0] == '\0';
    bool ok = buf_append_text(b, s->section_open) && (!list || buf_append_text(b, "["));
    size_t i;
    json_t *call;
    json_array_foreach(calls, i, call)
    {
        json_t *function = json_object_get(call, "function");
        const char *name = json_string_value(json_object_get(function, "name"));
        ok = ok && (i == 0 || buf_append_text(b, list || python ? ", " : s->call_between)) &&
             (s->bare || buf_append_text(b, s->call_open)) &&
             put_call(b, s, i, name ? name : "", json_object_get(function, "arguments")) &&
             buf_append_text(b, s->call_close);
    }
    return ok && (!list || buf_append_text(b, "]")) && buf_append_text(b, s->section_close);
}

/* ---- arguments ---- */

/* Programs send a call without arguments as nothing, "", or the text of null. */
static bool no_args(const json_t *args)
{
    if (!args || json_is_null(args))
        return true;
    if (!json_is_string(args))
        return false;
    const char *text = json_string_value(args);
    text += strspn(text, " \t\r\n");
    return text[0] == '\0' || strcmp(text, "null") == 0;
}

static hearth_status set_args(json_t *function, bool text, const char *at, hearth_error *err)
{
    json_t *args = json_object_get(function, "arguments"), *other = NULL;
    bool is_text = json_is_string(args);
    if (no_args(args)) {
        other = text ? json_string("{}") : json_object();
    } else if (is_text == text) {
        return HEARTH_OK;
    } else if (is_text) {
        if (json_read(&other, json_string_value(args), json_string_length(args), JSON_ALLOW_NUL,
                      "arguments", NULL) == HEARTH_ENOMEM)
            return error_no_memory(err, "a call's arguments", json_string_length(args));
        if (!json_is_object(other)) {
            json_decref(other);
            FAIL(err, EINVAL, at, "%s: must be a JSON object as text, is: %.80s", at,
                 json_string_value(args));
        }
    } else {
        buf b;
        buf_init(&b, 0);
        if (put_json(&b, args))
            other = json_stringn(b.data, b.n);
        buf_deinit(&b);
    }
    return json_object_set_new(function, "arguments", other) == 0
               ? HEARTH_OK
               : error_no_memory(err, "a call's arguments", 0);
}

/* Copies so far down as is changed: the caller's values may be shared. */
static hearth_status prepare_calls(const hearth_chat_style *style, json_t *message, size_t number,
                                   hearth_error *err)
{
    json_t *calls = json_object_get(message, "tool_calls"), *call;
    json_t *content = json_object_get(message, "content");
    bool none = !content || json_is_null(content) ||
                (json_is_string(content) && json_string_length(content) == 0);
    bool native = style->native_calls && (none || !style->calls_alone), ok = true;
    size_t i;
    json_array_foreach(calls, i, call)
    {
        json_t *function = json_object_get(call, "function");
        char at[128];
        snprintf(at, sizeof at, "messages[%zu].tool_calls[%zu].function.arguments", number, i);
        if (!json_is_object(function) || !json_is_string(json_object_get(function, "name")))
            FAIL(err, EINVAL, "messages", "messages[%zu].tool_calls[%zu].function: needs a name",
                 number, i);
        TRY(set_args(function, native && style->args_text, at, err));
    }
    if (native) {
        if (none)
            ok = json_object_set_new(message, "content",
                                     style->null_empty ? json_null() : json_string("")) == 0;
        return ok ? HEARTH_OK : error_no_memory(err, "a message", 0);
    }
    buf b;
    buf_init(&b, 0);
    if (json_is_string(content))
        ok = buf_append(&b, json_string_value(content), json_string_length(content));
    ok = ok && (none || buf_append_text(&b, "\n")) && put_calls(&b, &style->shape, calls) &&
         json_object_set_new(message, "content", json_stringn(b.data, b.n)) == 0;
    json_object_del(message, "tool_calls");
    buf_deinit(&b);
    return ok ? HEARTH_OK : error_no_memory(err, "a message", 0);
}

static hearth_status prepare_result(json_t *message, hearth_error *err)
{
    buf b;
    json_t *content = json_object_get(message, "content");
    buf_init(&b, 0);
    bool ok = buf_append_text(&b, "<tool_response>\n") &&
              (json_is_string(content)
                   ? buf_append(&b, json_string_value(content), json_string_length(content))
                   : !content || put_json(&b, content)) &&
              buf_append_text(&b, "\n</tool_response>") &&
              json_object_set_new(message, "content", json_stringn(b.data, b.n)) == 0 &&
              json_object_set_new(message, "role", json_string("user")) == 0;
    buf_deinit(&b);
    return ok ? HEARTH_OK : error_no_memory(err, "a tool's result", 0);
}

/* ---- tools ---- */

/* What a schema may leave out, and templates read nevertheless. */
static bool complete_parameters(const hearth_chat_style *style, json_t *function)
{
    json_t *given = json_object_get(function, "parameters"), *property;
    json_t *whole = json_pack("{s:s, s:{}}", "type", "object", "properties");
    const char *key;
    bool ok = whole && (!json_is_object(given) || json_object_update(whole, given) == 0) &&
              json_object_set(function, "parameters", whole) == 0;
    json_object_foreach(json_object_get(whole, "properties"), key, property)
    {
        if (style->describe && json_is_object(property) &&
            !json_object_get(property, "description"))
            ok = ok && json_object_set_new(property, "description", json_string("")) == 0;
    }
    json_decref(whole);
    return ok;
}

static hearth_status complete_tools(const hearth_chat_style *style, json_t *tools,
                                    hearth_error *err)
{
    size_t i;
    json_t *tool;
    json_array_foreach(tools, i, tool)
    {
        json_t *function = json_object_get(tool, "function");
        if (json_is_object(function) && !complete_parameters(style, function))
            return error_no_memory(err, "a tool", 0);
    }
    return HEARTH_OK;
}

static bool put_instructions(buf *b, const hearth_chat_style *style, const json_t *tools)
{
    json_t *example = json_pack("[{s:{s:s, s:{s:s}}}]", "function", "name", "NAME", "arguments",
                                "PARAMETER", "VALUE");
    bool ok = example && buf_append_text(b, "You can call tools. Each line is one tool:\n");
    size_t i;
    json_t *tool;
    json_array_foreach(tools, i, tool)
    {
        json_t *function = json_object_get(tool, "function");
        ok = ok && put_json(b, function ? function : tool) && buf_append_text(b, "\n");
    }
    ok = ok &&
         buf_append_text(b, "To call one, write exactly this, with its name and your "
                            "arguments, and then wait for the result:\n") &&
         put_calls(b, &style->shape, example) &&
         buf_append_text(b, "\nIf no tool is needed, answer as usual.");
    json_decref(example);
    return ok;
}

static hearth_status prepare_tools(const hearth_chat_style *style, json_t *root, hearth_error *err)
{
    json_t *messages = json_object_get(root, "messages"), *first = json_array_get(messages, 0);
    const char *role = json_string_value(json_object_get(first, "role"));
    const char *wanted = style->no_system ? "user" : "system";
    json_t *content = json_object_get(first, "content");
    /* In front of what the first message says if it is the one, else in a message of its own. */
    bool join = role && strcmp(role, wanted) == 0 && json_is_string(content), ok;
    buf b;
    buf_init(&b, 0);
    ok = put_instructions(&b, style, json_object_get(root, "tools"));
    if (join)
        ok = ok && buf_append_text(&b, "\n\n") &&
             buf_append(&b, json_string_value(content), json_string_length(content)) &&
             json_object_set_new(first, "content", json_stringn(b.data, b.n)) == 0;
    else
        ok = ok && json_array_insert_new(messages, 0,
                                         json_pack("{s:s, s:o}", "role", wanted, "content",
                                                   json_stringn(b.data, b.n))) == 0;
    json_object_del(root, "tools");
    buf_deinit(&b);
    return ok ? HEARTH_OK : error_no_memory(err, "the tools' description", 0);
}

static hearth_status prepare(const hearth_chat_style *style, json_t *root, hearth_error *err)
{
    json_t *messages = json_object_get(root, "messages"), *message;
    size_t i;
    if (!json_is_array(messages))
        FAIL(err, EINVAL, "messages", "messages: must be an array");
    json_array_foreach(messages, i, message)
    {
        const char *role = json_string_value(json_object_get(message, "role"));
        if (!json_is_object(message) || !role)
            FAIL(err, EINVAL, "messages", "messages[%zu].role: must be a text", i);
        if (json_array_size(json_object_get(message, "tool_calls")) > 0)
            TRY(prepare_calls(style, message, i, err));
        if (strcmp(role, "tool") == 0 && !style->native_results)
            TRY(prepare_result(message, err));
    }
    TRY(complete_tools(style, json_object_get(root, "tools"), err));
    if (!style->native_tools && json_array_size(json_object_get(root, "tools")) > 0)
        TRY(prepare_tools(style, root, err));
    return HEARTH_OK;
}

hearth_status hearth_chat_style_prepare(const hearth_chat_style *style, const char *context,
                                        size_t n_context, char **out, hearth_error *err)
{
    buf b;
    json_t *root;
    *out = NULL;
    TRY(json_read(&root, context, n_context, JSON_ALLOW_NUL, "context", err));
    if (!json_is_object(root)) {
        json_decref(root);
        FAIL(err, EINVAL, "context", "the context is JSON, but no object");
    }
    hearth_status status = prepare(style, root, err);
    buf_init(&b, 0);
    *out = status == HEARTH_OK && put_json(&b, root) ? buf_take(&b, &(size_t){0}) : NULL;
    if (status == HEARTH_OK && !*out)
        status = error_no_memory(err, "a context", n_context);
    buf_deinit(&b);
    json_decref(root);
    return status;
}
