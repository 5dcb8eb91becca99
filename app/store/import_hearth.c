/* SPDX-License-Identifier: MIT
 *
 * import_hearth.c - one chat of export_json: the chat of chat_to_json with "format": "hearth-chat",
 * "version": 1 and "messages", each as message_to_json makes it, with the bytes of attachments in
 * "data" as base64.
 */
#include <stdio.h>
#include <string.h>

#include "store/base64.h"
#include "store/import_parts.h"

/* ---- values ---- */

static hearth_status want_kind(import_chat *c, const char *at, const json_t *value, json_type type,
                               const char *kind)
{
    if (value && !json_is_null(value) && json_typeof(value) != type)
        return import_wrong(c, at, "must be %s", kind);
    return HEARTH_OK;
}

static hearth_status read_json(import_chat *c, const char *at, const json_t *value, json_type type,
                               const char **out)
{
    *out = "";
    TRY(want_kind(c, at, value, type, type == JSON_ARRAY ? "an array" : "an object"));
    bool empty = value == NULL || json_is_null(value) ||
                 (type == JSON_OBJECT && json_object_size(value) == 0);
    return empty ? HEARTH_OK : import_json(c, value, out);
}

static int64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? value : 0;
}

static double duration(const json_t *object, const char *key)
{
    double value = json_number_value(json_object_get(object, key));
    return value > 0 && value < 1e15 ? value : 0;
}

/* ---- attachments ---- */

static hearth_status add_file(import_chat *c, const json_t *file)
{
    const json_t *data = json_object_get(file, "data");
    import_file kept = {0};
    if (!json_is_string(data))
        return import_wrong(c, "messages.attachments.data", "must be a text");
    TRY(import_name(c, "messages.attachments.name", json_object_get(file, "name"), &kept.name));
    TRY(import_name(c, "messages.attachments.type", json_object_get(file, "type"), &kept.type));
    size_t n = json_string_length(data);
    void *bytes = arena_array(&c->memory, base64_decoded_max(n), 1);
    if (bytes == NULL)
        return import_no_memory(c);
    if (!base64_decode(json_string_value(data), n, bytes, &kept.n_bytes))
        return import_wrong(c, "messages.attachments.data", "is not base64");
    kept.bytes = bytes;
    return import_attach(c, &kept);
}

/* ---- messages ---- */

static hearth_status read_texts(import_chat *c, const json_t *message, store_message *m)
{
    TRY(import_text(c, "messages.content", json_object_get(message, "content"), &m->content));
    TRY(import_text(c, "messages.reasoning", json_object_get(message, "reasoning"), &m->reasoning));
    TRY(import_text(c, "messages.error", json_object_get(message, "error"), &m->error));
    TRY(import_name(c, "messages.tool_call_id", json_object_get(message, "tool_call_id"),
                    &m->tool_call_id));
    TRY(import_name(c, "messages.tool_name", json_object_get(message, "tool_name"), &m->tool_name));
    TRY(import_name(c, "messages.model", json_object_get(message, "model"), &m->model));
    TRY(read_json(c, "messages.tool_calls", json_object_get(message, "tool_calls"), JSON_ARRAY,
                  &m->tool_calls));
    return read_json(c, "messages.meta", json_object_get(message, "meta"), JSON_OBJECT, &m->meta);
}

static hearth_status read_message(import_chat *c, const json_t *message, store_message *m)
{
    const json_t *role = json_object_get(message, "role");
    const json_t *state = json_object_get(message, "state");
    const json_t *usage = json_object_get(message, "usage");
    if (!json_is_string(role) || !store_role_find(json_string_value(role), &m->role))
        return import_wrong(c, "messages.role", "must be system, user, assistant or tool");
    if (state && (!json_is_string(state) || !store_state_find(json_string_value(state), &m->state)))
        return import_wrong(c, "messages.state", "must be complete, stopped or failed");
    if (m->state == STORE_STREAMING) /* it was exported while it was written */
        m->state = STORE_STOPPED;
    m->usage = (store_usage){.n_prompt = number(usage, "n_prompt"),
                             .n_cached = number(usage, "n_cached"),
                             .n_generated = number(usage, "n_generated"),
                             .prompt_ms = duration(usage, "prompt_ms"),
                             .generate_ms = duration(usage, "generate_ms")};
    m->created_ms = number(message, "created_ms");
    return read_texts(c, message, m);
}

/* numbers: of the messages so far, by the id that the file gives them. */
static hearth_status find_number(import_chat *c, const json_t *numbers, const json_t *id,
                                 const char *at, size_t *out)
{
    char key[32];
    *out = 0;
    if (id == NULL || json_is_null(id))
        return HEARTH_OK;
    if (!json_is_integer(id))
        return import_wrong(c, at, "must be a whole number");
    snprintf(key, sizeof key, "%lld", (long long)json_integer_value(id));
    const json_t *number = json_object_get(numbers, key);
    if (number == NULL)
        return import_wrong(c, at, "there is no message %s before it", key);
    *out = (size_t)json_integer_value(number);
    return HEARTH_OK;
}

static hearth_status note_number(import_chat *c, json_t *numbers, const json_t *id, size_t n)
{
    char key[32];
    if (!json_is_integer(id))
        return import_wrong(c, "messages.id", "must be a whole number");
    snprintf(key, sizeof key, "%lld", (long long)json_integer_value(id));
    if (json_object_get(numbers, key))
        return import_wrong(c, "messages.id", "%s is there twice", key);
    return json_object_set_new(numbers, key, json_integer((json_int_t)n)) == 0
               ? HEARTH_OK
               : import_no_memory(c);
}

static hearth_status add_message(import_chat *c, json_t *numbers, const json_t *message)
{
    const json_t *files = json_object_get(message, "attachments");
    store_message m = {0};
    size_t parent, n;
    if (!json_is_object(message))
        return import_wrong(c, "messages", "must hold objects");
    TRY(read_message(c, message, &m));
    TRY(find_number(c, numbers, json_object_get(message, "parent"), "messages.parent", &parent));
    TRY(want_kind(c, "messages.attachments", files, JSON_ARRAY, "an array"));
    TRY(import_add(c, &m, parent, &n));
    TRY(note_number(c, numbers, json_object_get(message, "id"), n));
    for (size_t i = 0; i < json_array_size(files); i++)
        TRY(add_file(c, json_array_get(files, i)));
    return HEARTH_OK;
}

static hearth_status add_messages(import_chat *c, const json_t *chat)
{
    const json_t *list = json_object_get(chat, "messages");
    const json_t *leaf = json_object_get(chat, "leaf");
    if (!json_is_array(list))
        return import_wrong(c, "messages", "must be an array");
    json_t *numbers = json_object();
    hearth_status status = numbers ? HEARTH_OK : import_no_memory(c);
    for (size_t i = 0; status == HEARTH_OK && i < json_array_size(list); i++)
        status = add_message(c, numbers, json_array_get(list, i));
    if (status == HEARTH_OK && json_integer_value(leaf) != 0)
        status = find_number(c, numbers, leaf, "leaf", &c->leaf);
    json_decref(numbers);
    return status;
}

/* ---- chats ---- */

static hearth_status read_tags(import_chat *c, const json_t *tags)
{
    TRY(want_kind(c, "tags", tags, JSON_ARRAY, "an array"));
    size_t n = json_array_size(tags);
    const char **list = arena_array(&c->memory, n, sizeof *list);
    if (list == NULL)
        return import_no_memory(c);
    for (size_t i = 0; i < n; i++)
        TRY(import_name(c, "tags", json_array_get(tags, i), &list[i]));
    c->chat.tags = list;
    c->chat.n_tags = n;
    return HEARTH_OK;
}

hearth_status import_read_hearth(import_chat *c, const json_t *chat)
{
    json_int_t version = json_integer_value(json_object_get(chat, "version"));
    if (version != 1)
        return import_wrong(c, "version", "%lld; this Hearth reads version 1", (long long)version);
    TRY(import_name(c, "title", json_object_get(chat, "title"), &c->chat.title));
    TRY(import_name(c, "folder", json_object_get(chat, "folder"), &c->chat.folder));
    TRY(import_name(c, "model", json_object_get(chat, "model"), &c->chat.model));
    TRY(import_name(c, "origin", json_object_get(chat, "origin"), &c->chat.origin));
    TRY(import_text(c, "system", json_object_get(chat, "system"), &c->chat.system));
    TRY(read_json(c, "settings", json_object_get(chat, "settings"), JSON_OBJECT,
                  &c->chat.settings));
    TRY(read_tags(c, json_object_get(chat, "tags")));
    c->chat.pinned = json_is_true(json_object_get(chat, "pinned"));
    c->chat.created_ms = number(chat, "created_ms");
    c->chat.updated_ms = number(chat, "updated_ms");
    return add_messages(c, chat);
}
