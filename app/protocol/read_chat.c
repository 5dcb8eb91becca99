/* SPDX-License-Identifier: MIT
 *
 * read_chat.c - OpenAI's chat: messages, tools, and what says how the template is rendered. The
 * helpers in front serve the other chat APIs too, which all end in the same messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "protocol/reader.h"

enum { NAME_BYTES_MAX = 256, ROLE_BYTES_MAX = 64 };

/* ---- building messages ---- */

static hearth_status part_refused(reader *in, const path *at, const char *type)
{
    static const struct {
        const char *word, *why;
    } known[] = {
        {"image", "image input is not supported: this model cannot see; send text alone"},
        {"video", "this model cannot see; send text alone"},
        {"audio", "this model cannot hear; send text alone"},
        {"file", "files are not read; send their text"},
        {"document", "files are not read; send their text"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strstr(type, known[i].word))
            return refuse(in, PATH_KEY(at, type), "%s", known[i].why);
    }
    return refuse(in, PATH_KEY(at, "type"), "'%.64s' is not supported here", type);
}

static hearth_status read_text_part(reader *in, const path *at, const json_t *part,
                                    const char *types, buf *out)
{
    json_t *type, *text;
    const char *name;
    int which;
    hearth_error err;
    TRY(want_object(in, at, part));
    TRY(need(in, at, part, "type", &type));
    TRY(want_name(in, PATH_KEY(at, "type"), type, 1, ROLE_BYTES_MAX, &name));
    reader probe = {.err = &err};
    if (want_choice(&probe, at, type, types, &which) != HEARTH_OK)
        return part_refused(in, at, name);
    const char *key = strcmp(name, "refusal") == 0 ? "refusal" : "text";
    TRY(need(in, at, part, key, &text));
    TRY(want_text(in, PATH_KEY(at, key), text, &name));
    if (get(part, "annotations") && json_array_size(get(part, "annotations")) > 0)
        TRY(ignore(in, PATH_KEY(at, "annotations")));
    TRY(ignore_others(in, at, part, "type|text|refusal|annotations|logprobs"));
    if ((out->n > 0 && !buf_append_text(out, "\n")) ||
        !buf_append(out, name, json_string_length(text)))
        return no_memory(in);
    return HEARTH_OK;
}

hearth_status read_text_parts(reader *in, const path *at, const json_t *content, const char *types,
                              buf *out)
{
    if (json_is_string(content)) {
        if (!buf_append(out, json_string_value(content), json_string_length(content)))
            return no_memory(in);
        return HEARTH_OK;
    }
    if (!json_is_array(content))
        return refuse(in, at, "must be a text or an array of parts, not %s", json_kind(content));
    TRY(want_array(in, at, content, 0, REQUEST_MESSAGES_MAX));
    for (size_t i = 0; i < json_array_size(content); i++)
        TRY(read_text_part(in, PATH_INDEX(at, i), json_array_get(content, i), types, out));
    return HEARTH_OK;
}

hearth_status add_message(reader *in, const char *role, const char *text, size_t n, json_t **out)
{
    if (in->r->chat.messages == NULL)
        in->r->chat.messages = json_array();
    json_t *message = in->r->chat.messages ? json_object() : NULL;
    if (message == NULL || json_array_append_new(in->r->chat.messages, message) != 0)
        return no_memory(in);
    TRY(put(in, message, "role", json_string(role)));
    TRY(put(in, message, "content", json_stringn(text ? text : "", n)));
    if (out)
        *out = message;
    return HEARTH_OK;
}

/* Arguments are text in the chat shape, whatever the API sends. */
static json_t *arguments_text(const json_t *arguments)
{
    if (arguments == NULL)
        return json_string("{}");
    if (json_is_string(arguments))
        return json_string(json_string_value(arguments));
    char *text = json_dumps(arguments, JSON_COMPACT);
    json_t *out = text ? json_string(text) : NULL;
    free(text);
    return out;
}

hearth_status want_arguments(reader *in, const path *at, const json_t *value)
{
    json_error_t error;
    if (json_is_object(value) || (json_is_string(value) && json_string_length(value) == 0))
        return HEARTH_OK;
    if (!json_is_string(value))
        return refuse(in, at, "must be a JSON object as text, not %s", json_kind(value));
    json_t *read =
        json_loadb(json_string_value(value), json_string_length(value), JSON_ALLOW_NUL, &error);
    bool good = json_is_object(read);
    bool no_room = read == NULL && json_out_of_memory(&error);
    json_decref(read);
    if (no_room)
        return no_memory(in);
    return good ? HEARTH_OK
                : refuse(in, at, "must be a JSON object as text, is: %.80s",
                         json_string_value(value));
}

hearth_status add_tool_call(reader *in, const path *at, json_t *message, const char *id,
                            const char *name, const json_t *arguments)
{
    json_t *calls = json_object_get(message, "tool_calls");
    if (calls == NULL) {
        calls = json_array();
        TRY(put(in, message, "tool_calls", calls));
    }
    if (json_array_size(calls) >= REQUEST_TOOLS_MAX)
        return refuse(in, at, "is one call too many; at most %d in one message", REQUEST_TOOLS_MAX);
    return push(in, calls,
                json_pack("{s:s*, s:s, s:{s:s, s:o}}", "id", id, "type", "function", "function",
                          "name", name, "arguments", arguments_text(arguments)));
}

/* ---- messages ---- */

static hearth_status read_call(reader *in, const path *at, const json_t *call, json_t *message)
{
    json_t *function, *name, *arguments;
    const char *text, *id = NULL, *type = "function";
    TRY(want_object(in, at, call));
    if (get(call, "type"))
        TRY(want_name(in, PATH_KEY(at, "type"), get(call, "type"), 1, ROLE_BYTES_MAX, &type));
    if (strcmp(type, "function") != 0)
        return refuse(in, PATH_KEY(at, "type"), "'%.64s' is not supported; tools are functions",
                      type);
    if (get(call, "id"))
        TRY(want_name(in, PATH_KEY(at, "id"), get(call, "id"), 0, NAME_BYTES_MAX, &id));
    TRY(need(in, at, call, "function", &function));
    const path *function_at = PATH_KEY(at, "function");
    TRY(want_object(in, function_at, function));
    TRY(need(in, function_at, function, "name", &name));
    TRY(want_name(in, PATH_KEY(function_at, "name"), name, 1, NAME_BYTES_MAX, &text));
    arguments = get(function, "arguments");
    if (arguments)
        TRY(want_arguments(in, PATH_KEY(function_at, "arguments"), arguments));
    TRY(ignore_others(in, at, call, "type|id|function|index"));
    TRY(ignore_others(in, function_at, function, "name|arguments"));
    return add_tool_call(in, at, message, id, text, arguments);
}

static hearth_status read_calls(reader *in, const path *at, const json_t *calls, json_t *message)
{
    TRY(want_array(in, at, calls, 0, REQUEST_TOOLS_MAX));
    for (size_t i = 0; i < json_array_size(calls); i++)
        TRY(read_call(in, PATH_INDEX(at, i), json_array_get(calls, i), message));
    return HEARTH_OK;
}

/* function_call is what tool_calls were before there could be more than one: the answer is the next
 * message of the role function, which has the function's name and no id. Some templates want an id,
 * of nine letters and digits. */
enum { OLD_CALL_ID_BYTES = 16 };

static void old_call_id(char id[OLD_CALL_ID_BYTES], uint32_t number)
{
    snprintf(id, OLD_CALL_ID_BYTES, "call%05u", (unsigned)number % 100000);
}

static hearth_status read_old_call(reader *in, const path *at, const json_t *call, json_t *message)
{
    json_t *name, *arguments;
    const char *text;
    char id[OLD_CALL_ID_BYTES];
    TRY(want_object(in, at, call));
    TRY(need(in, at, call, "name", &name));
    TRY(want_name(in, PATH_KEY(at, "name"), name, 1, NAME_BYTES_MAX, &text));
    arguments = get(call, "arguments");
    if (arguments)
        TRY(want_arguments(in, PATH_KEY(at, "arguments"), arguments));
    TRY(ignore_others(in, at, call, "name|arguments"));
    old_call_id(id, in->n_old_calls++);
    return add_tool_call(in, at, message, id, text, arguments);
}

static hearth_status name_old_answer(reader *in, const path *at, const json_t *from,
                                     json_t *message)
{
    char id[OLD_CALL_ID_BYTES];
    if (get(from, "name") == NULL)
        return refuse(in, PATH_KEY(at, "name"), "is missing");
    if (in->n_old_calls == 0)
        return HEARTH_OK;
    old_call_id(id, in->n_old_calls - 1);
    return put(in, message, "tool_call_id", json_string(id));
}

/* Members that are a text and go into the message as they are. */
static hearth_status copy_text(reader *in, const path *at, const json_t *from, const char *key,
                               json_t *message, const char *as)
{
    const char *text;
    json_t *value = get(from, key);
    if (value == NULL)
        return HEARTH_OK;
    TRY(want_text(in, PATH_KEY(at, key), value, &text));
    return put(in, message, as, json_string(text));
}

static hearth_status read_role(reader *in, const path *at, const json_t *message, const char **role,
                               bool *is_old)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    json_t *value;
    TRY(need(in, at, message, "role", &value));
    TRY(want_name(in, PATH_KEY(at, "role"), value, 1, ROLE_BYTES_MAX, role));
    *is_old = strcmp(*role, "function") == 0;
    if (*is_old)
        *role = "tool";
    if (strcmp(*role, "developer") == 0)
        *role = "system";
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(*role, roles[i]) == 0)
            return HEARTH_OK;
    }
    return refuse(in, PATH_KEY(at, "role"),
                  "'%.64s' is no role; there are system, developer, user, assistant and tool",
                  *role);
}

static hearth_status read_message_extras(reader *in, const path *at, const json_t *from,
                                         bool is_assistant, json_t *message)
{
    json_t *calls = get(from, "tool_calls");
    TRY(copy_text(in, at, from, "name", message, "name"));
    TRY(copy_text(in, at, from, "tool_call_id", message, "tool_call_id"));
    TRY(copy_text(in, at, from, "reasoning", message, "reasoning_content"));
    TRY(copy_text(in, at, from, "reasoning_content", message, "reasoning_content"));
    if (calls && !is_assistant)
        return refuse(in, PATH_KEY(at, "tool_calls"), "belong to messages of the assistant");
    if (calls)
        TRY(read_calls(in, PATH_KEY(at, "tool_calls"), calls, message));
    if (get(from, "function_call") && (calls || !is_assistant))
        return refuse(in, PATH_KEY(at, "function_call"),
                      "belongs to messages of the assistant without tool_calls");
    if (get(from, "function_call"))
        TRY(read_old_call(in, PATH_KEY(at, "function_call"), get(from, "function_call"), message));
    if (get(from, "audio"))
        return refuse(in, PATH_KEY(at, "audio"), "this model cannot hear; send text alone");
    if (json_array_size(get(from, "annotations")) > 0)
        TRY(ignore(in, PATH_KEY(at, "annotations")));
    return ignore_others(in, at, from,
                         "role|content|refusal|name|tool_call_id|reasoning|reasoning_content|"
                         "tool_calls|function_call|annotations");
}

static hearth_status read_message(reader *in, const path *at, const json_t *from)
{
    hearth_status status = HEARTH_OK;
    const char *role;
    bool is_old;
    json_t *message;
    buf text;
    TRY(want_object(in, at, from));
    TRY(read_role(in, at, from, &role, &is_old));
    bool is_assistant = strcmp(role, "assistant") == 0;
    json_t *content = get(from, "content");
    json_t *refusal = content ? NULL : get(from, "refusal");
    if (content == NULL && refusal == NULL &&
        !(is_assistant &&
          (get(from, "function_call") || json_array_size(get(from, "tool_calls")) > 0)))
        return refuse(in, PATH_KEY(at, "content"), "is missing");
    buf_init(&text, 0);
    if (content)
        TRY_OUT(read_text_parts(in, PATH_KEY(at, "content"), content,
                                is_assistant ? "text|refusal" : "text", &text));
    else if (refusal)
        TRY_OUT(read_text_parts(in, PATH_KEY(at, "refusal"), refusal, "refusal", &text));
    TRY_OUT(add_message(in, role, text.data, text.n, &message));
    TRY_OUT(read_message_extras(in, at, from, is_assistant, message));
    if (is_old)
        TRY_OUT(name_old_answer(in, at, from, message));
out:
    buf_deinit(&text);
    return status;
}

hearth_status read_messages(reader *in, const path *at, json_t *value)
{
    TRY(want_array(in, at, value, 1, REQUEST_MESSAGES_MAX));
    for (size_t i = 0; i < json_array_size(value); i++)
        TRY(read_message(in, PATH_INDEX(at, i), json_array_get(value, i)));
    return HEARTH_OK;
}

/* ---- tools ---- */

static const json_t *tool_function(const json_t *tools, size_t i)
{
    return json_object_get(json_array_get(tools, i), "function");
}

static const json_t *find_tool(const json_t *tools, const char *name)
{
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = tool_function(tools, i);
        if (strcmp(json_string_value(json_object_get(function, "name")), name) == 0)
            return function;
    }
    return NULL;
}

static json_t *no_parameters(void)
{
    return json_pack("{s:s, s:{}}", "type", "object", "properties");
}

hearth_status want_parameters(reader *in, const path *at, const json_t *value)
{
    TRY(want_object(in, at, value));
    const json_t *type = json_object_get(value, "type"), *one = type;
    size_t i = 0;
    bool fits = type == NULL;
    do {
        if (json_is_array(type))
            one = json_array_get(type, i++);
        fits = fits || (json_is_string(one) && strcmp(json_string_value(one), "object") == 0);
    } while (i < json_array_size(type));
    return fits ? HEARTH_OK
                : refuse(in, PATH_KEY(at, "type"),
                         "must be object: a tool is called with named arguments");
}

hearth_status add_tool(reader *in, const path *at, const json_t *name, const json_t *description,
                       const json_t *parameters)
{
    const char *text, *about = NULL;
    TRY(want_name(in, PATH_KEY(at, "name"), name, 1, NAME_BYTES_MAX, &text));
    if (description)
        TRY(want_text(in, PATH_KEY(at, "description"), description, &about));
    if (find_tool(in->r->chat.tools, text))
        return refuse(in, PATH_KEY(at, "name"), "there is a tool '%.64s' already", text);
    if (in->r->chat.tools == NULL)
        in->r->chat.tools = json_array();
    return push(in, in->r->chat.tools,
                json_pack("{s:s, s:{s:s, s:s, s:o}}", "type", "function", "function", "name", text,
                          "description", about ? about : "", "parameters",
                          parameters ? json_incref((json_t *)parameters) : no_parameters()));
}

static hearth_status read_tool(reader *in, const path *at, const json_t *tool)
{
    json_t *type, *function, *name, *parameters;
    const char *text;
    bool strict;
    TRY(want_object(in, at, tool));
    TRY(need(in, at, tool, "type", &type));
    TRY(want_name(in, PATH_KEY(at, "type"), type, 1, ROLE_BYTES_MAX, &text));
    if (strcmp(text, "function") != 0)
        return refuse(in, PATH_KEY(at, "type"), "'%.64s' is not supported; tools are functions",
                      text);
    TRY(need(in, at, tool, "function", &function));
    const path *function_at = PATH_KEY(at, "function");
    TRY(want_object(in, function_at, function));
    TRY(need(in, function_at, function, "name", &name));
    parameters = get(function, "parameters");
    if (parameters)
        TRY(want_parameters(in, PATH_KEY(function_at, "parameters"), parameters));
    if (get(function, "strict")) /* calls are always held to their schema */
        TRY(want_bool(in, PATH_KEY(function_at, "strict"), get(function, "strict"), &strict));
    TRY(ignore_others(in, at, tool, "type|function"));
    TRY(ignore_others(in, function_at, function, "name|description|parameters|strict"));
    return add_tool(in, function_at, name, get(function, "description"), parameters);
}

hearth_status read_tools(reader *in, const path *at, json_t *value)
{
    TRY(want_array(in, at, value, 0, REQUEST_TOOLS_MAX));
    for (size_t i = 0; i < json_array_size(value); i++)
        TRY(read_tool(in, PATH_INDEX(at, i), json_array_get(value, i)));
    return HEARTH_OK;
}

hearth_status name_tool_choice(reader *in, const path *at, const json_t *name)
{
    request_chat *c = &in->r->chat;
    TRY(want_name(in, at, name, 1, NAME_BYTES_MAX, &c->tool_name));
    if (find_tool(c->tools, c->tool_name) == NULL)
        return refuse(in, at, "'%.64s' is not among the tools", c->tool_name);
    c->choice = TOOL_CHOICE_NAMED;
    return HEARTH_OK;
}

/* The name in {type: function, function: {name}}, or in {type: function, name}. */
static hearth_status chosen_name(reader *in, const path *at, const json_t *choice, json_t **name)
{
    json_t *type, *function = get(choice, "function");
    int which;
    TRY(want_object(in, at, choice));
    TRY(need(in, at, choice, "type", &type));
    TRY(want_choice(in, PATH_KEY(at, "type"), type, "function", &which));
    if (function)
        TRY(want_object(in, PATH_KEY(at, "function"), function));
    return need(in, function ? PATH_KEY(at, "function") : at, function ? function : choice, "name",
                name);
}

/* Only the tools that are named may be called: the others are as if they were not sent. */
static hearth_status allow_tools(reader *in, const path *at, const json_t *allowed)
{
    request_chat *c = &in->r->chat;
    json_t *mode, *list;
    int which;
    TRY(want_object(in, at, allowed));
    TRY(need(in, at, allowed, "mode", &mode));
    TRY(want_choice(in, PATH_KEY(at, "mode"), mode, "auto|required", &which));
    TRY(need(in, at, allowed, "tools", &list));
    TRY(want_array(in, PATH_KEY(at, "tools"), list, 1, REQUEST_TOOLS_MAX));
    json_t *kept = json_array();
    size_t *numbers = arena_array(in->mem, json_array_size(list), sizeof *numbers);
    if (kept == NULL || numbers == NULL) {
        json_decref(kept);
        return no_memory(in);
    }
    json_t *all = c->tools;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const path *item_at = PATH_INDEX(PATH_KEY(at, "tools"), i);
        json_t *name;
        hearth_status status = chosen_name(in, item_at, json_array_get(list, i), &name);
        const json_t *found = NULL;
        if (status == HEARTH_OK) {
            found = json_is_string(name) ? find_tool(all, json_string_value(name)) : NULL;
            if (found == NULL)
                status = refuse(in, item_at, "is not among the tools");
        }
        for (size_t k = 0; found && k < json_array_size(all); k++) {
            if (tool_function(all, k) != found)
                continue;
            numbers[json_array_size(kept)] = k;
            if (json_array_append(kept, json_array_get(all, k)) != 0)
                status = no_memory(in);
        }
        if (status != HEARTH_OK) {
            json_decref(kept);
            return status;
        }
    }
    json_decref(all);
    c->tools = kept;
    c->tool_numbers = numbers;
    c->choice = which == 1 ? TOOL_CHOICE_REQUIRED : TOOL_CHOICE_AUTO;
    return HEARTH_OK;
}

static hearth_status read_choice(reader *in, const path *at, json_t *value, bool inner)
{
    static const tool_choice words[] = {TOOL_CHOICE_NONE, TOOL_CHOICE_AUTO, TOOL_CHOICE_REQUIRED};
    int which;
    json_t *name;
    if (json_is_string(value)) {
        TRY(want_choice(in, at, value, "none|auto|required", &which));
        in->r->chat.choice = words[which];
        return HEARTH_OK;
    }
    if (!json_is_object(value))
        return refuse(in, at, "must be none, auto, required or an object, not %s",
                      json_kind(value));
    json_t *type = get(value, "type");
    if (json_is_string(type) && strcmp(json_string_value(type), "allowed_tools") == 0) {
        json_t *allowed = get(value, "allowed_tools");
        if (inner && allowed == NULL)
            return refuse(in, PATH_KEY(at, "allowed_tools"), "is missing");
        return inner ? allow_tools(in, PATH_KEY(at, "allowed_tools"), allowed)
                     : allow_tools(in, at, value);
    }
    TRY(chosen_name(in, at, value, &name));
    return name_tool_choice(in, PATH_KEY(inner ? PATH_KEY(at, "function") : at, "name"), name);
}

hearth_status read_tool_choice(reader *in, const path *at, json_t *value)
{
    return read_choice(in, at, value, true);
}

hearth_status read_responses_tool_choice(reader *in, const path *at, json_t *value)
{
    return read_choice(in, at, value, false);
}

hearth_status read_parallel_tool_calls(reader *in, const path *at, json_t *value)
{
    return want_bool(in, at, value, &in->r->chat.parallel_tool_calls);
}
