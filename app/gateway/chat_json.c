/* SPDX-License-Identifier: MIT
 *
 * chat_json.c - see chat_json.h.
 */
#include "gateway/chat_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/answers.h"

json_t *chat_object_of(const char *text)
{
    json_t *object = text && *text ? json_loads(text, 0, NULL) : NULL;
    if (json_is_object(object))
        return object;
    json_decref(object);
    return json_object();
}

json_t *chat_json(gateway *g, const store_chat *chat)
{
    json_t *settings = chat_object_of(chat->settings);
    json_t *parameters = json_object_get(settings, "parameters");
    json_t *off = json_object_get(settings, "tools_off");
    json_t *tags = json_array();
    for (size_t i = 0; i < chat->n_tags; i++)
        json_array_append_new(tags, json_string(chat->tags[i]));
    json_t *about = json_pack(
        "{s:I, s:s, s:s, s:s, s:o, s:b, s:o, s:s, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:s, s:b}",
        "id", (json_int_t)chat->id, "title", chat->title, "model", chat->model, "system",
        chat->system, "parameters", parameters ? json_incref(parameters) : json_object(), "memory",
        json_is_true(json_object_get(settings, "memory")), "tools_off",
        off ? json_incref(off) : json_array(), "folder", chat->folder, "tags", tags, "pinned",
        (int)chat->pinned, "leaf_id", (json_int_t)chat->leaf, "n_messages",
        (json_int_t)chat->n_messages, "created_ms", (json_int_t)chat->created_ms, "updated_ms",
        (json_int_t)chat->updated_ms, "deleted_ms", (json_int_t)chat->deleted_ms, "origin",
        chat->origin, "answering", (int)answers_is_running(g->answers, chat->id));
    json_decref(settings);
    return about;
}

static json_t *usage_json(const store_usage *u)
{
    double per_second = u->generate_ms > 0 ? (double)u->n_generated * 1000 / u->generate_ms : 0;
    return json_pack("{s:I, s:I, s:I, s:f, s:f, s:f}", "prompt_tokens", (json_int_t)u->n_prompt,
                     "cached_tokens", (json_int_t)u->n_cached, "completion_tokens",
                     (json_int_t)u->n_generated, "prompt_ms", u->prompt_ms, "generate_ms",
                     u->generate_ms, "tokens_per_second", per_second);
}

static json_t *attachments_json(const store_message *m)
{
    json_t *all = json_array();
    for (size_t i = 0; i < m->n_attachments; i++) {
        const store_attachment *a = &m->attachments[i];
        json_array_append_new(all, json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)a->id,
                                             "name", a->name, "type", a->type, "size_bytes",
                                             (json_int_t)a->n_bytes));
    }
    return all;
}

json_t *chat_message_json(const store_message *m)
{
    json_t *meta = chat_object_of(m->meta);
    json_t *about = json_pack(
        "{s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:O?, s:o, s:o, s:s, s:s, s:o, s:O?}", "id",
        (json_int_t)m->id, "chat_id", (json_int_t)m->chat, "parent_id", (json_int_t)m->parent,
        "role", store_role_name(m->role), "state", store_state_name(m->state), "content",
        m->content, "thinking", m->reasoning, "model", m->model, "error", m->error, "finish_reason",
        json_object_get(meta, "finish_reason"), "usage", usage_json(&m->usage), "tool_calls",
        *m->tool_calls ? json_loads(m->tool_calls, 0, NULL) : json_null(), "tool_call_id",
        m->tool_call_id, "tool_name", m->tool_name, "attachments", attachments_json(m), "feedback",
        json_object_get(meta, "feedback"));
    json_t *more = json_pack(
        "{s:O?, s:O?, s:O?, s:O?, s:I, s:I, s:I, s:I, s:I}", "sources",
        json_object_get(meta, "sources"), "context", json_object_get(meta, "context"), "notices",
        json_object_get(meta, "notices"), "thinking_ms", json_object_get(meta, "thinking_ms"),
        "created_ms", (json_int_t)m->created_ms, "sibling_index", (json_int_t)m->sibling_index,
        "n_siblings", (json_int_t)m->n_siblings, "previous_sibling_id",
        (json_int_t)m->previous_sibling, "next_sibling_id", (json_int_t)m->next_sibling);
    json_decref(meta);
    if (about && json_object_update(about, more) != 0) {
        json_decref(about);
        about = NULL;
    }
    json_decref(more);
    return about;
}

json_t *chat_messages_json(const store_messages *list)
{
    json_t *all = json_array();
    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(all, chat_message_json(&list->items[i]));
    return all;
}

/* ---- read again ---- */

hearth_status chat_load_json(gateway *g, int64_t chat, json_t **out, hearth_error *err)
{
    store_chats one;
    TRY(store_chat_get(g->store, chat, &one, err));
    *out = chat_json(g, &one.items[0]);
    store_chats_free(&one);
    return *out ? HEARTH_OK : error_no_memory(err, "a chat", 0);
}

hearth_status chat_message_load_json(gateway *g, int64_t message, json_t **out, hearth_error *err)
{
    store_messages one;
    TRY(store_message_get(g->store, message, &one, err));
    *out = chat_message_json(&one.items[0]);
    store_messages_free(&one);
    return *out ? HEARTH_OK : error_no_memory(err, "a message", 0);
}

/* ---- for handlers ---- */

hearth_status call_id(gateway_call *c, int64_t *id, hearth_error *err)
{
    char *end = NULL;
    errno = 0;
    *id = strtoll(c->q->rest, &end, 10);
    if (*end != '\0' || end == c->q->rest || errno != 0 || *id <= 0)
        FAIL(err, ENOTFOUND, "id", "'%.40s' is not the number of anything here", c->q->rest);
    return HEARTH_OK;
}

hearth_status call_chat(gateway_call *c, int64_t chat, hearth_error *err)
{
    json_t *about;
    TRY(chat_load_json(c->g, chat, &about, err));
    return call_json(c, about, err);
}
