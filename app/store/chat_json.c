/* SPDX-License-Identifier: MIT
 *
 * chat_json.c - chats and messages as JSON objects (transfer.h).
 */
#include <string.h>

#include "store/transfer.h"

static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool set_text(json_t *object, const char *key, const char *text)
{
    return set(object, key, json_string(text));
}

static bool set_number(json_t *object, const char *key, int64_t value)
{
    return set(object, key, json_integer(value));
}

/* JSON that was checked when it was stored; what is no JSON after all is given as text. */
static json_t *parsed(const char *text)
{
    json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
    return json ? json : json_string(text);
}

static json_t *tags_of(const store_chat *c)
{
    json_t *tags = json_array();
    for (size_t i = 0; tags && i < c->n_tags; i++) {
        if (json_array_append_new(tags, json_string(c->tags[i])) != 0) {
            json_decref(tags);
            return NULL;
        }
    }
    return tags;
}

json_t *chat_to_json(const store_chat *c)
{
    json_t *o = json_object();
    bool good = set_number(o, "id", c->id) && set_text(o, "title", c->title) &&
                set_text(o, "folder", c->folder) && set_text(o, "model", c->model) &&
                set_text(o, "system", c->system) &&
                set(o, "settings", c->settings[0] ? parsed(c->settings) : json_object()) &&
                set_text(o, "origin", c->origin) && set(o, "tags", tags_of(c)) &&
                set(o, "pinned", json_boolean(c->pinned)) && set_number(o, "leaf", c->leaf) &&
                set_number(o, "n_messages", (int64_t)c->n_messages) &&
                set_number(o, "created_ms", c->created_ms) &&
                set_number(o, "updated_ms", c->updated_ms) &&
                (c->deleted_ms == 0 || set_number(o, "deleted_ms", c->deleted_ms));
    if (good)
        return o;
    json_decref(o);
    return NULL;
}

static bool set_unless_empty(json_t *o, const char *key, const char *text)
{
    return text[0] == '\0' || set_text(o, key, text);
}

static json_t *usage_of(const store_usage *u)
{
    return json_pack("{sI sI sI sf sf}", "n_prompt", (json_int_t)u->n_prompt, "n_cached",
                     (json_int_t)u->n_cached, "n_generated", (json_int_t)u->n_generated,
                     "prompt_ms", u->prompt_ms, "generate_ms", u->generate_ms);
}

static json_t *attachments_of(const store_message *m)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < m->n_attachments; i++) {
        const store_attachment *f = &m->attachments[i];
        json_t *one = json_pack("{sI ss ss sI}", "id", (json_int_t)f->id, "name", f->name, "type",
                                f->type, "n_bytes", (json_int_t)f->n_bytes);
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *siblings_of(const store_message *m)
{
    return json_pack("{sI sI sI sI}", "index", (json_int_t)m->sibling_index, "n",
                     (json_int_t)m->n_siblings, "previous", (json_int_t)m->previous_sibling, "next",
                     (json_int_t)m->next_sibling);
}

json_t *message_to_json(const store_message *m)
{
    const store_usage *u = &m->usage;
    bool used =
        u->n_prompt || u->n_cached || u->n_generated || u->prompt_ms != 0 || u->generate_ms != 0;
    json_t *o = json_object();
    bool good = set_number(o, "id", m->id) &&
                set(o, "parent", m->parent ? json_integer(m->parent) : json_null()) &&
                set_text(o, "role", store_role_name(m->role)) &&
                set_text(o, "state", store_state_name(m->state)) &&
                set_text(o, "content", m->content) && set_number(o, "created_ms", m->created_ms) &&
                set_unless_empty(o, "reasoning", m->reasoning) &&
                (m->tool_calls[0] == '\0' || set(o, "tool_calls", parsed(m->tool_calls))) &&
                set_unless_empty(o, "tool_call_id", m->tool_call_id) &&
                set_unless_empty(o, "tool_name", m->tool_name) &&
                set_unless_empty(o, "model", m->model) && set_unless_empty(o, "error", m->error) &&
                (m->meta[0] == '\0' || set(o, "meta", parsed(m->meta))) &&
                (!used || set(o, "usage", usage_of(u))) &&
                (m->n_attachments == 0 || set(o, "attachments", attachments_of(m))) &&
                (m->deleted_ms == 0 || set_number(o, "deleted_ms", m->deleted_ms)) &&
                (m->n_siblings < 2 || set(o, "siblings", siblings_of(m)));
    if (good)
        return o;
    json_decref(o);
    return NULL;
}
