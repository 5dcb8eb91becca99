/* SPDX-License-Identifier: MIT
 *
 * read_responses.c - the input items of OpenAI's responses, turned into chat messages.
 *
 * Items    Reasoning and function calls belong to the assistant's message that they stand beside:
 *          they are gathered until another item comes. Texts of the role system (or developer) in
 *          front, with the instructions before them, become one system message, since many
 *          templates take only one.
 */
#include <string.h>

#include "protocol/reader.h"

enum { ID_BYTES_MAX = 256 };

/* The assistant's message being gathered; NULL: none. Borrowed from the messages. */
typedef struct gathering {
    json_t *message;
    bool has_text;
} gathering;

static hearth_status gather(reader *in, gathering *g)
{
    if (g->message)
        return HEARTH_OK;
    g->has_text = false;
    return add_message(in, "assistant", "", 0, &g->message);
}

static hearth_status add_thought(reader *in, json_t *message, const buf *text)
{
    hearth_status status = HEARTH_OK;
    const char *before = json_string_value(json_object_get(message, "reasoning_content"));
    buf all;
    if (text->n == 0)
        return HEARTH_OK;
    buf_init(&all, 0);
    if ((before && !buf_append_format(&all, "%s\n", before)) ||
        !buf_append(&all, text->data, text->n))
        status = no_memory(in);
    else
        status = put(in, message, "reasoning_content", json_stringn(all.data, all.n));
    buf_deinit(&all);
    return status;
}

static hearth_status read_reasoning_item(reader *in, const path *at, const json_t *item,
                                         gathering *g)
{
    hearth_status status = HEARTH_OK;
    json_t *content = get(item, "content"), *summary = get(item, "summary");
    buf text;
    buf_init(&text, 0);
    if (content)
        TRY_OUT(
            read_text_parts(in, PATH_KEY(at, "content"), content, "reasoning_text|text", &text));
    else if (summary)
        TRY_OUT(read_text_parts(in, PATH_KEY(at, "summary"), summary, "summary_text", &text));
    if (get(item, "encrypted_content"))
        TRY_OUT(ignore(in, PATH_KEY(at, "encrypted_content")));
    TRY_OUT(ignore_others(in, at, item, "type|id|status|content|summary|encrypted_content"));
    TRY_OUT(gather(in, g));
    TRY_OUT(add_thought(in, g->message, &text));
out:
    buf_deinit(&text);
    return status;
}

static hearth_status read_call_item(reader *in, const path *at, const json_t *item, gathering *g)
{
    json_t *id, *name, *arguments;
    const char *id_text, *name_text;
    TRY(need(in, at, item, "call_id", &id));
    TRY(want_name(in, PATH_KEY(at, "call_id"), id, 1, ID_BYTES_MAX, &id_text));
    TRY(need(in, at, item, "name", &name));
    TRY(want_name(in, PATH_KEY(at, "name"), name, 1, ID_BYTES_MAX, &name_text));
    TRY(need(in, at, item, "arguments", &arguments));
    if (!json_is_string(arguments))
        return refuse(in, PATH_KEY(at, "arguments"), "must be JSON as text, not %s",
                      json_kind(arguments));
    TRY(want_arguments(in, PATH_KEY(at, "arguments"), arguments));
    TRY(ignore_others(in, at, item, "type|id|status|call_id|name|arguments"));
    TRY(gather(in, g));
    return add_tool_call(in, at, g->message, id_text, name_text, arguments);
}

static hearth_status read_output_item(reader *in, const path *at, const json_t *item)
{
    hearth_status status = HEARTH_OK;
    json_t *id, *output, *message;
    const char *id_text;
    buf text;
    TRY(need(in, at, item, "call_id", &id));
    TRY(want_name(in, PATH_KEY(at, "call_id"), id, 1, ID_BYTES_MAX, &id_text));
    TRY(need(in, at, item, "output", &output));
    TRY(ignore_others(in, at, item, "type|id|status|call_id|output"));
    buf_init(&text, 0);
    TRY_OUT(
        read_text_parts(in, PATH_KEY(at, "output"), output, "input_text|output_text|text", &text));
    TRY_OUT(add_message(in, "tool", text.data, text.n, &message));
    TRY_OUT(put(in, message, "tool_call_id", json_string(id_text)));
out:
    buf_deinit(&text);
    return status;
}

static bool is_system(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role && strcmp(role, "system") == 0;
}

/* A system text goes to the one in front while nothing else has come. */
static hearth_status add_system(reader *in, const char *text, size_t n)
{
    hearth_status status = HEARTH_OK;
    json_t *messages = in->r->chat.messages;
    json_t *first = json_array_get(messages, 0);
    if (json_array_size(messages) != 1 || !is_system(first))
        return add_message(in, "system", text, n, NULL);
    buf all;
    buf_init(&all, 0);
    if (!buf_append_format(&all, "%s\n", json_string_value(json_object_get(first, "content"))) ||
        !buf_append(&all, text, n))
        status = no_memory(in);
    else
        status = put(in, first, "content", json_stringn(all.data, all.n));
    buf_deinit(&all);
    return status;
}

static hearth_status add_text(reader *in, const char *role, const buf *text, gathering *g)
{
    const char *bytes = text->data ? text->data : "";
    if (strcmp(role, "assistant") != 0) {
        g->message = NULL;
        return strcmp(role, "system") == 0 ? add_system(in, bytes, text->n)
                                           : add_message(in, role, bytes, text->n, NULL);
    }
    if (g->has_text || (g->message && json_object_get(g->message, "tool_calls")))
        g->message = NULL;
    TRY(gather(in, g));
    g->has_text = true;
    return put(in, g->message, "content", json_stringn(bytes, text->n));
}

static hearth_status read_message_item(reader *in, const path *at, const json_t *item, gathering *g)
{
    static const char *const roles[] = {"user", "assistant", "system", "system"};
    hearth_status status = HEARTH_OK;
    json_t *role, *content;
    int which;
    buf text;
    TRY(need(in, at, item, "role", &role));
    TRY(want_choice(in, PATH_KEY(at, "role"), role, "user|assistant|system|developer", &which));
    TRY(need(in, at, item, "content", &content));
    TRY(ignore_others(in, at, item, "type|id|status|role|content|phase"));
    buf_init(&text, 0);
    TRY_OUT(read_text_parts(
        in, PATH_KEY(at, "content"), content,
        which == 1 ? "output_text|refusal|text|input_text" : "input_text|text|output_text", &text));
    TRY_OUT(add_text(in, roles[which], &text, g));
out:
    buf_deinit(&text);
    return status;
}

static hearth_status read_item(reader *in, const path *at, const json_t *item, gathering *g)
{
    const char *type = "message";
    TRY(want_object(in, at, item));
    if (get(item, "type"))
        TRY(want_name(in, PATH_KEY(at, "type"), get(item, "type"), 1, 64, &type));
    if (strcmp(type, "message") == 0)
        return read_message_item(in, at, item, g);
    if (strcmp(type, "reasoning") == 0) {
        /* Thoughts come before what they led to. */
        if (g->has_text || (g->message && json_object_get(g->message, "tool_calls")))
            g->message = NULL;
        return read_reasoning_item(in, at, item, g);
    }
    if (strcmp(type, "function_call") == 0)
        return read_call_item(in, at, item, g);
    if (strcmp(type, "function_call_output") == 0) {
        g->message = NULL;
        return read_output_item(in, at, item);
    }
    if (strcmp(type, "item_reference") == 0)
        return refuse(in, PATH_KEY(at, "type"),
                      "answers are not stored; send the item itself instead of an item_reference");
    return refuse(in, PATH_KEY(at, "type"),
                  "'%.64s' is not supported; items are message, reasoning, function_call and "
                  "function_call_output",
                  type);
}

hearth_status read_responses_instructions(reader *in, const path *at, json_t *value)
{
    const char *text;
    TRY(want_text(in, at, value, &text));
    return text[0] == '\0' ? HEARTH_OK
                           : add_message(in, "system", text, json_string_length(value), NULL);
}

hearth_status read_responses_input(reader *in, const path *at, json_t *value)
{
    gathering g = {0};
    in->has_input = true;
    if (json_is_string(value))
        return add_message(in, "user", json_string_value(value), json_string_length(value), NULL);
    if (!json_is_array(value))
        return refuse(in, at, "must be a text or an array of items, not %s", json_kind(value));
    TRY(want_array(in, at, value, 1, REQUEST_MESSAGES_MAX));
    for (size_t i = 0; i < json_array_size(value); i++)
        TRY(read_item(in, PATH_INDEX(at, i), json_array_get(value, i), &g));
    return HEARTH_OK;
}

/* ---- tools, reasoning ---- */

hearth_status read_responses_tools(reader *in, const path *at, json_t *value)
{
    TRY(want_array(in, at, value, 0, REQUEST_TOOLS_MAX));
    for (size_t i = 0; i < json_array_size(value); i++) {
        const path *item_at = PATH_INDEX(at, i);
        const json_t *tool = json_array_get(value, i);
        json_t *type, *name;
        const char *text;
        TRY(want_object(in, item_at, tool));
        TRY(need(in, item_at, tool, "type", &type));
        TRY(want_name(in, PATH_KEY(item_at, "type"), type, 1, 64, &text));
        if (strcmp(text, "function") != 0)
            return refuse(in, PATH_KEY(item_at, "type"),
                          "'%.64s' is not supported; tools are functions: switch it off in the "
                          "client",
                          text);
        TRY(need(in, item_at, tool, "name", &name));
        if (get(tool, "parameters"))
            TRY(want_parameters(in, PATH_KEY(item_at, "parameters"), get(tool, "parameters")));
        TRY(ignore_others(in, item_at, tool, "type|name|description|parameters|strict"));
        TRY(add_tool(in, item_at, name, get(tool, "description"), get(tool, "parameters")));
    }
    return HEARTH_OK;
}

hearth_status read_responses_reasoning(reader *in, const path *at, json_t *value)
{
    TRY(want_object(in, at, value));
    TRY(ignore_others(in, at, value, "effort"));
    json_t *effort = get(value, "effort");
    return effort ? read_effort(in, PATH_KEY(at, "effort"), effort) : HEARTH_OK;
}
