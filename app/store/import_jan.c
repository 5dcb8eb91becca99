/* SPDX-License-Identifier: MIT
 *
 * import_jan.c - one thread of Jan.
 *
 * thread.json    {"id", "title", "created", "updated", "assistants": [{"model": {"id"},
 *                "instructions"}], "metadata": {"is_favorite"}}
 * messages.jsonl {"role", "status": ready|pending|error|stopped, "created_at", "completed_at",
 *                "content": [{"type": "text"|"reasoning"|"image_url", "text": {"value"},
 *                "image_url": {"url"}}], "metadata": {"tool_calls": [{"tool": {"id", "function":
 *                {"name", "arguments"}}, "response": {"content": [{"text"}]}}]}}
 * Threads have no branches. Files of older versions ("image", "pdf" and "attachments") are paths of
 * Jan's own, and left out. A last line that was cut is left out, too. Tool calls and their results
 * are kept with the answer that was made of them; here they become the messages that they were.
 */
#include <string.h>

#include "store/import_parts.h"

static bool is(const json_t *value, const char *text)
{
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/* ---- tools ---- */

static hearth_status add_result(import_chat *c, const json_t *call, int64_t created, size_t *parent)
{
    const json_t *tool = json_object_get(call, "tool");
    const json_t *list = json_object_get(json_object_get(call, "response"), "content");
    store_message m = {.role = STORE_TOOL, .created_ms = created};
    buf text;
    buf_init(&text, 0);
    bool good = true;
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        const json_t *part = json_object_get(json_array_get(list, i), "text");
        good = (text.n == 0 || buf_append(&text, "\n", 1)) &&
               buf_append(&text, json_is_string(part) ? json_string_value(part) : "",
                          json_string_length(part));
    }
    json_t *joined = good ? json_stringn(text.n ? text.data : "", text.n) : NULL;
    buf_deinit(&text);
    hearth_status status =
        joined ? import_text(c, "response", joined, &m.content) : import_no_memory(c);
    json_decref(joined);
    TRY(status);
    TRY(import_name(c, "metadata.tool_calls.tool.id", json_object_get(tool, "id"),
                    &m.tool_call_id));
    TRY(import_name(c, "metadata.tool_calls.tool.function.name",
                    json_object_get(json_object_get(tool, "function"), "name"), &m.tool_name));
    return import_add(c, &m, *parent, parent);
}

static hearth_status add_calls(import_chat *c, const json_t *calls, int64_t created, size_t *parent)
{
    store_message m = {.role = STORE_ASSISTANT, .content = "", .created_ms = created};
    if (json_array_size(calls) == 0)
        return HEARTH_OK;
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; good && i < json_array_size(calls); i++) {
        json_t *tool = json_object_get(json_array_get(calls, i), "tool");
        good = tool == NULL || json_array_append(list, tool) == 0;
    }
    hearth_status status = good ? import_json(c, list, &m.tool_calls) : import_no_memory(c);
    json_decref(list);
    TRY(status);
    TRY(import_add(c, &m, *parent, parent));
    for (size_t i = 0; i < json_array_size(calls); i++)
        TRY(add_result(c, json_array_get(calls, i), created, parent));
    return HEARTH_OK;
}

/* ---- messages ---- */

static hearth_status join(import_chat *c, const char *a, const char *b, const char **out)
{
    buf both;
    if (a[0] == '\0' || b[0] == '\0') {
        *out = a[0] ? a : b;
        return HEARTH_OK;
    }
    buf_init(&both, 0);
    bool good =
        buf_append_text(&both, a) && buf_append_text(&both, "\n") && buf_append_text(&both, b);
    hearth_status status = good ? import_copy(c, both.data, both.n, out) : import_no_memory(c);
    buf_deinit(&both);
    return status;
}

static hearth_status read_texts(import_chat *c, const json_t *content, store_message *m)
{
    if (json_is_string(content)) /* as files that were edited by hand have it */
        return import_text(c, "content", content, &m->content);
    if (content && !json_is_array(content) && !json_is_null(content))
        return import_wrong(c, "content", "must be an array");
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        const json_t *text = json_object_get(part, "text");
        const char *value;
        TRY(import_text(c, "content.text",
                        json_is_object(text) ? json_object_get(text, "value") : text, &value));
        if (is(json_object_get(part, "type"), "reasoning"))
            TRY(join(c, m->reasoning, value, &m->reasoning));
        else
            TRY(join(c, m->content, value, &m->content));
    }
    return HEARTH_OK;
}

static hearth_status add_images(import_chat *c, const json_t *content)
{
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        const json_t *url = json_object_get(json_object_get(part, "image_url"), "url");
        const char *text;
        if (is(json_object_get(part, "type"), "image") || is(json_object_get(part, "type"), "pdf"))
            c->n_left_out++;
        if (!is(json_object_get(part, "type"), "image_url"))
            continue;
        TRY(import_text(c, "content.image_url.url", url, &text));
        TRY(import_attach_url(c, "image", text));
    }
    return HEARTH_OK;
}

static store_state state_of(const json_t *status)
{
    if (is(status, "error"))
        return STORE_FAILED;
    return is(status, "stopped") || is(status, "pending") ? STORE_STOPPED : STORE_COMPLETE;
}

static hearth_status add_message(import_chat *c, const json_t *message, size_t *parent)
{
    const json_t *role = json_object_get(message, "role");
    const json_t *content = json_object_get(message, "content");
    const json_t *metadata = json_object_get(message, "metadata");
    store_message m = {.content = "",
                       .reasoning = "",
                       .state = state_of(json_object_get(message, "status")),
                       .created_ms = import_time(json_object_get(message, "created_at"))};
    if (!json_is_string(role))
        return import_wrong(c, "role", "must be a text");
    if (!store_role_find(json_string_value(role), &m.role)) {
        c->n_left_out++;
        return HEARTH_OK;
    }
    c->n_left_out += json_array_size(json_object_get(message, "attachments"));
    TRY(add_calls(c, json_object_get(metadata, "tool_calls"), m.created_ms, parent));
    TRY(read_texts(c, content, &m));
    if (m.role == STORE_ASSISTANT && m.reasoning[0] == '\0')
        TRY(import_split_thought(c, &m.content, &m.reasoning));
    if (json_is_string(json_object_get(metadata, "error")))
        TRY(import_text(c, "metadata.error", json_object_get(metadata, "error"), &m.error));
    TRY(import_name(c, "tool_call_id", json_object_get(message, "tool_call_id"), &m.tool_call_id));
    TRY(import_add(c, &m, *parent, parent));
    return add_images(c, content);
}

hearth_status import_read_jan(import_chat *c, const json_t *thread, json_stream *messages)
{
    const json_t *assistant = json_array_get(json_object_get(thread, "assistants"), 0);
    json_t *message;
    if (!json_is_object(thread))
        return import_wrong(c, "thread.json", "must be an object");
    TRY(import_name(c, "title", json_object_get(thread, "title"), &c->chat.title));
    TRY(import_name(c, "assistants.model.id",
                    json_object_get(json_object_get(assistant, "model"), "id"), &c->chat.model));
    TRY(import_text(c, "assistants.instructions", json_object_get(assistant, "instructions"),
                    &c->chat.system));
    TRY(import_origin(c, "jan", json_object_get(thread, "id")));
    c->chat.created_ms = import_time(json_object_get(thread, "created"));
    c->chat.updated_ms = import_time(json_object_get(thread, "updated"));
    c->chat.pinned =
        json_is_true(json_object_get(json_object_get(thread, "metadata"), "is_favorite"));
    for (;;) {
        hearth_status status = json_stream_next(messages, &message, c->err);
        if (status == HEARTH_EFORMAT && messages->ended && c->n_messages > 0) {
            c->n_left_out++;
            return HEARTH_OK;
        }
        TRY(status);
        if (message == NULL)
            return HEARTH_OK;
        status = add_message(c, message, &c->leaf);
        json_decref(message);
        TRY(status);
    }
}
