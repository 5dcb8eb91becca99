/* SPDX-License-Identifier: MIT
 *
 * read_anthropic.c - Anthropic's messages, turned into OpenAI's chat messages.
 *
 * Blocks   Text blocks of a message are joined with newlines. A tool_result becomes a message of
 *          the role tool, in its place; thinking becomes reasoning_content, tool_use a tool call.
 * Billing  Claude Code puts a line "x-anthropic-billing-header: ..." before its system prompt, new
 * in every request, which would keep prompts from being cached: it is left out, and listed.
 */
#include <string.h>

#include "protocol/reader.h"

enum { ID_BYTES_MAX = 256 };

static const char billing_header[] = "x-anthropic-billing-header:";

/* ---- system ---- */

static hearth_status read_system_blocks(reader *in, const path *at, const json_t *blocks, buf *out)
{
    TRY(want_array(in, at, blocks, 0, REQUEST_MESSAGES_MAX));
    for (size_t i = 0; i < json_array_size(blocks); i++) {
        const path *item_at = PATH_INDEX(at, i);
        const json_t *block = json_array_get(blocks, i);
        json_t *type, *text;
        const char *words;
        int which;
        TRY(want_object(in, item_at, block));
        TRY(need(in, item_at, block, "type", &type));
        TRY(want_choice(in, PATH_KEY(item_at, "type"), type, "text", &which));
        TRY(need(in, item_at, block, "text", &text));
        TRY(want_text(in, PATH_KEY(item_at, "text"), text, &words));
        TRY(ignore_others(in, item_at, block, "type|text"));
        if (strncmp(words, billing_header, sizeof billing_header - 1) == 0) {
            TRY(ignore(in, PATH_KEY(item_at, "x-anthropic-billing-header")));
            continue;
        }
        if ((out->n > 0 && !buf_append_text(out, "\n")) ||
            !buf_append(out, words, json_string_length(text)))
            return no_memory(in);
    }
    return HEARTH_OK;
}

/* Row order puts messages before system: the system message goes in front. */
hearth_status read_anthropic_system(reader *in, const path *at, json_t *value)
{
    hearth_status status = HEARTH_OK;
    json_t *messages = in->r->chat.messages;
    json_t *message;
    buf text;
    buf_init(&text, 0);
    if (json_is_string(value)) {
        if (!buf_append_text(&text, json_string_value(value)))
            TRY_OUT(no_memory(in));
    } else {
        TRY_OUT(read_system_blocks(in, at, value, &text));
    }
    if (text.n == 0)
        goto out;
    in->r->chat.messages = NULL;
    status = add_message(in, "system", text.data, text.n, &message);
    if (status == HEARTH_OK && messages && json_array_extend(in->r->chat.messages, messages) != 0)
        status = no_memory(in);
    json_decref(messages);
out:
    buf_deinit(&text);
    return status;
}

/* ---- messages ---- */

/* A message being put together from blocks. */
typedef struct draft {
    const char *role;
    buf text, thoughts;
    json_t *calls; /* a message that holds nothing but calls; NULL: none */
} draft;

static hearth_status flush(reader *in, draft *d)
{
    json_t *message;
    json_t *calls = d->calls ? json_object_get(d->calls, "tool_calls") : NULL;
    if (d->text.n == 0 && d->thoughts.n == 0 && calls == NULL)
        return HEARTH_OK;
    TRY(add_message(in, d->role, d->text.data, d->text.n, &message));
    if (d->thoughts.n > 0)
        TRY(put(in, message, "reasoning_content", json_stringn(d->thoughts.data, d->thoughts.n)));
    if (calls)
        TRY(put(in, message, "tool_calls", json_incref(calls)));
    buf_clear(&d->text);
    buf_clear(&d->thoughts);
    json_decref(d->calls);
    d->calls = NULL;
    return HEARTH_OK;
}

static hearth_status add_line(reader *in, const path *at, const json_t *block, const char *key,
                              buf *out)
{
    json_t *value;
    const char *text;
    TRY(need(in, at, block, key, &value));
    TRY(want_text(in, PATH_KEY(at, key), value, &text));
    if ((out->n > 0 && !buf_append_text(out, "\n")) ||
        !buf_append(out, text, json_string_length(value)))
        return no_memory(in);
    return HEARTH_OK;
}

static hearth_status read_tool_use(reader *in, const path *at, const json_t *block, draft *d)
{
    json_t *id, *name, *input;
    const char *id_text, *name_text;
    TRY(need(in, at, block, "id", &id));
    TRY(want_name(in, PATH_KEY(at, "id"), id, 1, ID_BYTES_MAX, &id_text));
    TRY(need(in, at, block, "name", &name));
    TRY(want_name(in, PATH_KEY(at, "name"), name, 1, ID_BYTES_MAX, &name_text));
    TRY(need(in, at, block, "input", &input));
    TRY(want_object(in, PATH_KEY(at, "input"), input));
    TRY(ignore_others(in, at, block, "type|id|name|input"));
    if (d->calls == NULL)
        d->calls = json_object();
    if (d->calls == NULL)
        return no_memory(in);
    return add_tool_call(in, at, d->calls, id_text, name_text, input);
}

static hearth_status read_tool_result(reader *in, const path *at, const json_t *block)
{
    hearth_status status = HEARTH_OK;
    json_t *id, *message, *content = get(block, "content");
    const char *id_text;
    buf text;
    TRY(need(in, at, block, "tool_use_id", &id));
    TRY(want_name(in, PATH_KEY(at, "tool_use_id"), id, 1, ID_BYTES_MAX, &id_text));
    buf_init(&text, 0);
    if (content)
        TRY_OUT(read_text_parts(in, PATH_KEY(at, "content"), content, "text", &text));
    if (json_is_true(get(block, "is_error"))) /* the content says so itself */
        TRY_OUT(ignore(in, PATH_KEY(at, "is_error")));
    TRY_OUT(ignore_others(in, at, block, "type|tool_use_id|content|is_error"));
    TRY_OUT(add_message(in, "tool", text.data, text.n, &message));
    TRY_OUT(put(in, message, "tool_call_id", json_string(id_text)));
out:
    buf_deinit(&text);
    return status;
}

static hearth_status read_block(reader *in, const path *at, const json_t *block, draft *d)
{
    json_t *type;
    const char *name;
    bool is_assistant = strcmp(d->role, "assistant") == 0;
    TRY(want_object(in, at, block));
    TRY(need(in, at, block, "type", &type));
    TRY(want_name(in, PATH_KEY(at, "type"), type, 1, 64, &name));
    if (strcmp(name, "text") == 0) {
        TRY(ignore_others(in, at, block, "type|text"));
        return add_line(in, at, block, "text", &d->text);
    }
    if (is_assistant && strcmp(name, "thinking") == 0) {
        TRY(ignore_others(in, at, block, "type|thinking|signature"));
        return add_line(in, at, block, "thinking", &d->thoughts);
    }
    if (is_assistant && strcmp(name, "redacted_thinking") == 0)
        return ignore(in, PATH_KEY(at, "redacted_thinking"));
    if (is_assistant && strcmp(name, "tool_use") == 0)
        return read_tool_use(in, at, block, d);
    if (!is_assistant && strcmp(name, "tool_result") == 0) {
        TRY(flush(in, d));
        return read_tool_result(in, at, block);
    }
    if (strcmp(name, "image") == 0)
        return refuse(in, PATH_KEY(at, "image"),
                      "image input is not supported: this model cannot see; send text alone");
    if (strcmp(name, "document") == 0)
        return refuse(in, PATH_KEY(at, "document"), "files are not read; send their text");
    return refuse(in, PATH_KEY(at, "type"), "'%.64s' is no block that a message of the %s may have",
                  name, d->role);
}

static hearth_status read_anthropic_message(reader *in, const path *at, const json_t *from)
{
    hearth_status status = HEARTH_OK;
    json_t *role, *content;
    int which;
    TRY(want_object(in, at, from));
    TRY(need(in, at, from, "role", &role));
    TRY(want_choice(in, PATH_KEY(at, "role"), role, "user|assistant", &which));
    TRY(need(in, at, from, "content", &content));
    TRY(ignore_others(in, at, from, "role|content"));
    if (json_is_string(content))
        return add_message(in, json_string_value(role), json_string_value(content),
                           json_string_length(content), NULL);
    const path *content_at = PATH_KEY(at, "content");
    TRY(want_array(in, content_at, content, 0, REQUEST_MESSAGES_MAX));
    draft d = {.role = json_string_value(role)};
    for (size_t i = 0; i < json_array_size(content); i++)
        TRY_OUT(read_block(in, PATH_INDEX(content_at, i), json_array_get(content, i), &d));
    TRY_OUT(flush(in, &d));
out:
    buf_deinit(&d.text);
    buf_deinit(&d.thoughts);
    json_decref(d.calls);
    return status;
}

hearth_status read_anthropic_messages(reader *in, const path *at, json_t *value)
{
    TRY(want_array(in, at, value, 1, REQUEST_MESSAGES_MAX));
    for (size_t i = 0; i < json_array_size(value); i++)
        TRY(read_anthropic_message(in, PATH_INDEX(at, i), json_array_get(value, i)));
    return HEARTH_OK;
}

/* ---- tools, thinking, format ---- */

hearth_status read_anthropic_tools(reader *in, const path *at, json_t *value)
{
    TRY(want_array(in, at, value, 0, REQUEST_TOOLS_MAX));
    for (size_t i = 0; i < json_array_size(value); i++) {
        const path *item_at = PATH_INDEX(at, i);
        const json_t *tool = json_array_get(value, i);
        json_t *name, *schema;
        const char *type = "custom";
        TRY(want_object(in, item_at, tool));
        if (get(tool, "type"))
            TRY(want_text(in, PATH_KEY(item_at, "type"), get(tool, "type"), &type));
        if (strcmp(type, "custom") != 0)
            return refuse(in, PATH_KEY(item_at, "type"),
                          "'%.64s' is a tool that only its maker runs; send tools with an "
                          "input_schema",
                          type);
        TRY(need(in, item_at, tool, "name", &name));
        TRY(need(in, item_at, tool, "input_schema", &schema));
        TRY(want_parameters(in, PATH_KEY(item_at, "input_schema"), schema));
        TRY(ignore_others(in, item_at, tool, "type|name|description|input_schema|strict"));
        TRY(add_tool(in, item_at, name, get(tool, "description"), schema));
    }
    return HEARTH_OK;
}

hearth_status read_anthropic_tool_choice(reader *in, const path *at, json_t *value)
{
    static const tool_choice choices[] = {TOOL_CHOICE_AUTO, TOOL_CHOICE_REQUIRED, TOOL_CHOICE_NONE};
    request_chat *c = &in->r->chat;
    json_t *type, *name, *flag;
    bool only_one = false;
    int which;
    TRY(want_object(in, at, value));
    TRY(need(in, at, value, "type", &type));
    TRY(want_choice(in, PATH_KEY(at, "type"), type, "auto|any|none|tool", &which));
    TRY(ignore_others(in, at, value, "type|name|disable_parallel_tool_use"));
    flag = get(value, "disable_parallel_tool_use");
    if (flag)
        TRY(want_bool(in, PATH_KEY(at, "disable_parallel_tool_use"), flag, &only_one));
    c->parallel_tool_calls = !only_one;
    if (which < 3) {
        c->choice = choices[which];
        return HEARTH_OK;
    }
    TRY(need(in, at, value, "name", &name));
    return name_tool_choice(in, PATH_KEY(at, "name"), name);
}

hearth_status read_anthropic_thinking(reader *in, const path *at, json_t *value)
{
    json_t *type, *budget;
    int64_t n;
    int which;
    TRY(want_object(in, at, value));
    TRY(need(in, at, value, "type", &type));
    TRY(want_choice(in, PATH_KEY(at, "type"), type, "disabled|enabled|adaptive", &which));
    TRY(ignore_others(in, at, value, "type|budget_tokens"));
    budget = get(value, "budget_tokens");
    if (budget)
        TRY(want_int(in, PATH_KEY(at, "budget_tokens"), budget, 1, INT32_MAX, &n));
    if (which != 0 && in->limits->no_thoughts)
        return ignore(in, at);
    in->thinking_by_effort = which == 0 ? SWITCH_OFF : SWITCH_ON;
    if (budget && which == 1)
        in->r->options.reasoning_budget_tokens = (int32_t)n;
    return HEARTH_OK;
}

hearth_status read_anthropic_format(reader *in, const path *at, json_t *value)
{
    return read_format(in, at, value);
}

hearth_status read_anthropic_output(reader *in, const path *at, json_t *value)
{
    json_t *effort = get(value, "effort"), *format = get(value, "format");
    request_switch thinking = in->thinking_by_effort;
    TRY(want_object(in, at, value));
    TRY(ignore_others(in, at, value, "effort|format"));
    if (effort) {
        TRY(read_effort(in, PATH_KEY(at, "effort"), effort));
        in->thinking_by_effort = thinking; /* which is thinking's to say here */
    }
    return format ? read_format(in, PATH_KEY(at, "format"), format) : HEARTH_OK;
}
