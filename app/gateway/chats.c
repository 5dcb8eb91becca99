/* SPDX-License-Identifier: MIT
 *
 * chats.c - handlers of chats, folders and tags: what needs no model.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/answers.h"
#include "gateway/chat_json.h"
#include "gateway/handlers.h"

enum { LIST_MAX = 1000, TOOLS_OFF_MAX = 1000 };

/* ---- lists ---- */

hearth_status serve_chats_list(gateway_call *c, hearth_error *err)
{
    int64_t offset, limit;
    store_chats chats;
    TRY(call_query_number(c, "offset", 0, &offset, err));
    TRY(call_query_number(c, "limit", 50, &limit, err));
    const store_chat_filter filter = {.folder = http_request_query(c->q, "folder"),
                                      .tag = http_request_query(c->q, "tag"),
                                      .model = http_request_query(c->q, "model"),
                                      .title = http_request_query(c->q, "title"),
                                      .pinned = call_query_flag(c, "pinned"),
                                      .deleted = call_query_flag(c, "deleted"),
                                      .offset = (uint64_t)offset,
                                      .limit = limit > 0 && limit < LIST_MAX ? (uint32_t)limit
                                                                             : LIST_MAX};
    TRY(store_chat_list(c->g->store, &filter, &chats, err));
    json_t *all = json_array();
    for (size_t i = 0; i < chats.n; i++)
        json_array_append_new(all, chat_json(c->g, &chats.items[i]));
    bool more = chats.more;
    store_chats_free(&chats);
    return call_json(c, json_pack("{s:o, s:b}", "chats", all, "more", (int)more), err);
}

static hearth_status answer_names(gateway_call *c, const char *key, store_names *names,
                                  hearth_error *err)
{
    json_t *all = json_array();
    for (size_t i = 0; i < names->n; i++)
        json_array_append_new(all, json_pack("{s:s, s:I}", "name", names->items[i].name, "n_chats",
                                             (json_int_t)names->items[i].n_chats));
    store_names_free(names);
    return call_json(c, json_pack("{s:o}", key, all), err);
}

hearth_status serve_folders_list(gateway_call *c, hearth_error *err)
{
    store_names names;
    TRY(store_folder_list(c->g->store, &names, err));
    return answer_names(c, "folders", &names, err);
}

hearth_status serve_tags_list(gateway_call *c, hearth_error *err)
{
    store_names names;
    TRY(store_tag_list(c->g->store, &names, err));
    return answer_names(c, "tags", &names, err);
}

static hearth_status rename_name(gateway_call *c,
                                 hearth_status (*fn)(store *, const char *, const char *,
                                                     uint64_t *, hearth_error *),
                                 hearth_error *err)
{
    const char *from, *to;
    uint64_t n = 0;
    TRY(call_unpack(c, err, "{s:s, s:s}", "from", &from, "to", &to));
    TRY(fn(c->g->store, from, to, &n, err));
    return call_json(c, json_pack("{s:I}", "n_chats", (json_int_t)n), err);
}

hearth_status serve_folders_rename(gateway_call *c, hearth_error *err)
{
    return rename_name(c, store_folder_rename, err);
}

hearth_status serve_tags_rename(gateway_call *c, hearth_error *err)
{
    return rename_name(c, store_tag_rename, err);
}

/* ---- one chat ---- */

/* What the body may say of a chat; NULL where it does not. */
typedef struct chat_fields {
    const char *title, *model, *system, *folder;
    json_t *parameters, *tags, *tools_off;
    int memory, pinned; /* -1: not given */
    json_int_t leaf;
} chat_fields;

static hearth_status check_tools_off(const json_t *list, hearth_error *err)
{
    size_t i;
    json_t *name;
    if (list && (!json_is_array(list) || json_array_size(list) > TOOLS_OFF_MAX))
        FAIL(err, EINVAL, "tools_off", "tools_off: give an array of at most %d texts",
             (int)TOOLS_OFF_MAX);
    json_array_foreach(list, i, name)
    {
        if (!json_is_string(name))
            FAIL(err, EINVAL, "tools_off", "tools_off[%zu]: give a server's id or SERVER__TOOL", i);
    }
    return HEARTH_OK;
}

static hearth_status read_fields(gateway_call *c, chat_fields *f, hearth_error *err)
{
    *f = (chat_fields){.memory = -1, .pinned = -1};
    TRY(call_unpack(c, err, "{s?:s, s?:s, s?:s, s?:s, s?:o, s?:o, s?:o, s?:b, s?:b, s?:I}", "title",
                    &f->title, "model", &f->model, "system", &f->system, "folder", &f->folder,
                    "parameters", &f->parameters, "tags", &f->tags, "tools_off", &f->tools_off,
                    "memory", &f->memory, "pinned", &f->pinned, "leaf_id", &f->leaf));
    if (f->tags && !json_is_array(f->tags))
        FAIL(err, EINVAL, "tags", "tags: give an array of texts");
    TRY(check_tools_off(f->tools_off, err));
    return f->parameters ? chat_answer_check_parameters(f->parameters, err) : HEARTH_OK;
}

/* The chat's settings with the body's members in their places. */
static hearth_status merge_settings(const chat_fields *f, const char *before, char **out,
                                    hearth_error *err)
{
    json_t *settings = chat_object_of(before);
    if (f->parameters)
        json_object_set(settings, "parameters", f->parameters);
    if (f->tools_off)
        json_object_set(settings, "tools_off", f->tools_off);
    if (f->memory >= 0)
        json_object_set_new(settings, "memory", json_boolean(f->memory));
    *out = json_dumps(settings, JSON_COMPACT);
    json_decref(settings);
    return *out ? HEARTH_OK : error_no_memory(err, "settings", 0);
}

static hearth_status set_tags(gateway_call *c, int64_t chat, const json_t *tags, hearth_error *err)
{
    const char *names[STORE_MAX_TAGS];
    size_t n = json_array_size(tags);
    if (n > STORE_MAX_TAGS)
        FAIL(err, EINVAL, "tags", "tags: at most %d", (int)STORE_MAX_TAGS);
    for (size_t i = 0; i < n; i++) {
        names[i] = json_string_value(json_array_get(tags, i));
        if (names[i] == NULL)
            FAIL(err, EINVAL, "tags", "tags[%zu]: give a text", i);
    }
    return store_chat_set_tags(c->g->store, chat, names, n, err);
}

hearth_status serve_chats_add(gateway_call *c, hearth_error *err)
{
    chat_fields f;
    char *settings = NULL;
    int64_t id;
    TRY(read_fields(c, &f, err));
    TRY(merge_settings(&f, NULL, &settings, err));
    const store_chat chat = {.title = f.title,
                             .model = f.model,
                             .system = f.system,
                             .folder = f.folder,
                             .settings = settings,
                             .pinned = f.pinned > 0};
    hearth_status status = store_chat_add(c->g->store, &chat, &id, err);
    free(settings);
    TRY(status);
    if (f.tags)
        TRY(set_tags(c, id, f.tags, err));
    return call_chat(c, id, err);
}

/* The messages that the query asks for. */
static hearth_status read_messages(gateway_call *c, int64_t chat, store_messages *out,
                                   hearth_error *err)
{
    int64_t last, limit;
    TRY(call_query_number(c, "last", 0, &last, err));
    TRY(call_query_number(c, "limit", 0, &limit, err));
    uint32_t n = limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
    if (call_query_flag(c, "all"))
        return store_message_all(c->g->store, chat, last, n, out, err);
    return store_message_path(c->g->store, chat, last, n, out, err);
}

hearth_status serve_chats_get(gateway_call *c, hearth_error *err)
{
    int64_t id;
    json_t *chat;
    store_messages messages;
    TRY(call_id(c, &id, err));
    TRY(read_messages(c, id, &messages, err));
    json_t *list = chat_messages_json(&messages);
    bool more = messages.more;
    store_messages_free(&messages);
    hearth_status status = chat_load_json(c->g, id, &chat, err);
    if (status != HEARTH_OK) {
        json_decref(list);
        return status;
    }
    return call_json(
        c, json_pack("{s:o, s:o, s:b}", "chat", chat, "messages", list, "more", (int)more), err);
}

static hearth_status change_settings(gateway_call *c, int64_t id, const chat_fields *f,
                                     char **settings, hearth_error *err)
{
    store_chats before;
    if (f->parameters == NULL && f->tools_off == NULL && f->memory < 0)
        return HEARTH_OK;
    TRY(store_chat_get(c->g->store, id, &before, err));
    hearth_status status = merge_settings(f, before.items[0].settings, settings, err);
    store_chats_free(&before);
    return status;
}

hearth_status serve_chats_change(gateway_call *c, hearth_error *err)
{
    int64_t id;
    chat_fields f;
    char *settings = NULL;
    TRY(call_id(c, &id, err));
    TRY(read_fields(c, &f, err));
    TRY(change_settings(c, id, &f, &settings, err));
    const bool pinned = f.pinned > 0;
    const store_chat_change change = {.title = f.title,
                                      .folder = f.folder,
                                      .model = f.model,
                                      .system = f.system,
                                      .settings = settings,
                                      .pinned = f.pinned >= 0 ? &pinned : NULL};
    hearth_status status = store_chat_update(c->g->store, id, &change, err);
    free(settings);
    TRY(status);
    if (f.tags)
        TRY(set_tags(c, id, f.tags, err));
    if (f.leaf > 0)
        TRY(store_chat_select(c->g->store, id, f.leaf, NULL, err));
    return call_chat(c, id, err);
}

hearth_status serve_chats_delete(gateway_call *c, hearth_error *err)
{
    int64_t id;
    TRY(call_id(c, &id, err));
    answers_stop(c->g->answers, id);
    TRY(store_chat_delete(c->g->store, id, err));
    return call_json(c, json_pack("{s:b}", "deleted", 1), err);
}

hearth_status serve_chats_restore(gateway_call *c, hearth_error *err)
{
    int64_t id;
    TRY(call_id(c, &id, err));
    TRY(store_chat_restore(c->g->store, id, err));
    return call_chat(c, id, err);
}

hearth_status serve_chats_purge(gateway_call *c, hearth_error *err)
{
    int days;
    store_purged purged;
    TRY(call_unpack(c, err, "{s:i}", "days", &days));
    if (days < 0)
        FAIL(err, EINVAL, "days", "days: give 0 or more");
    TRY(store_purge(c->g->store, store_now_ms() - (int64_t)days * 86400000, &purged, err));
    return call_json(c,
                     json_pack("{s:I, s:I, s:I}", "chats", (json_int_t)purged.n_chats, "messages",
                               (json_int_t)purged.n_messages, "attachments",
                               (json_int_t)purged.n_attachments),
                     err);
}

hearth_status serve_chats_fork(gateway_call *c, hearth_error *err)
{
    int64_t id, copy;
    json_int_t message;
    const char *title = NULL;
    TRY(call_id(c, &id, err));
    TRY(call_unpack(c, err, "{s:I, s?:s}", "message_id", &message, "title", &title));
    TRY(store_chat_fork(c->g->store, id, message, title, &copy, err));
    return call_chat(c, copy, err);
}

/* ---- one message ---- */

/* The chat of a message, deleted or not. */
static hearth_status chat_of(gateway_call *c, int64_t message, int64_t *chat, char **meta,
                             hearth_error *err)
{
    store_messages one;
    TRY(store_message_get(c->g->store, message, &one, err));
    *chat = one.items[0].chat;
    if (meta)
        *meta = mem_dup(one.items[0].meta, strlen(one.items[0].meta));
    store_messages_free(&one);
    return HEARTH_OK;
}

hearth_status serve_messages_change(gateway_call *c, hearth_error *err)
{
    int64_t id, chat;
    json_t *feedback, *about = NULL;
    char *before = NULL;
    TRY(call_id(c, &id, err));
    TRY(call_read_body(c, true, err));
    TRY(call_unpack(c, err, "{s:o}", "feedback", &feedback));
    const char *word = json_string_value(feedback);
    bool known =
        json_is_null(feedback) || (word && (strcmp(word, "up") == 0 || strcmp(word, "down") == 0));
    if (!known)
        FAIL(err, EINVAL, "feedback", "feedback: give \"up\", \"down\" or null");
    TRY(chat_of(c, id, &chat, &before, err));
    json_t *meta = chat_object_of(before);
    mem_free(before);
    json_object_set(meta, "feedback", feedback);
    char *text = json_dumps(meta, JSON_COMPACT);
    json_decref(meta);
    hearth_status status = text ? store_message_set_meta(c->g->store, id, text, err)
                                : error_no_memory(err, "a message", 0);
    free(text);
    TRY(status);
    TRY(chat_message_load_json(c->g, id, &about, err));
    return call_json(c, about, err);
}

hearth_status serve_messages_delete(gateway_call *c, hearth_error *err)
{
    int64_t id, chat;
    TRY(call_id(c, &id, err));
    TRY(chat_of(c, id, &chat, NULL, err));
    TRY(store_message_delete(c->g->store, id, err));
    return call_chat(c, chat, err);
}

hearth_status serve_messages_restore(gateway_call *c, hearth_error *err)
{
    int64_t id, chat;
    TRY(call_id(c, &id, err));
    TRY(chat_of(c, id, &chat, NULL, err));
    TRY(store_message_restore(c->g->store, id, err));
    return call_chat(c, chat, err);
}
