/* SPDX-License-Identifier: MIT
 *
 * session_chat.c - see session_chat.h.
 */
#include "gateway/session_chat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/answers.h"
#include "gateway/chat_prompt.h"
#include "gateway/chunks.h"
#include "gateway/title.h"

enum { NAME_MAX_BYTES = 64, WHOLE_MAX = 64 << 20 };

struct session_chat {
    gateway *g;
    answer *place; /* of the chat, so that nothing else is written meanwhile */
    int64_t chat, message;
    char model[LIBRARY_NAME_MAX + 1];
    json_t *fresh; /* the request's own messages */
    char *text;    /* the body with all of them */
    bool streams;
    chunks said;
    buf whole;
};

/* ---- which chat ---- */

static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return n > 0 && n <= NAME_MAX_BYTES && name[n] == '\0';
}

static hearth_status exists(gateway *g, int64_t id, bool *found, hearth_error *err)
{
    store_chats one;
    hearth_status status = store_chat_get(g->store, id, &one, err);
    *found = status == HEARTH_OK && one.items[0].deleted_ms == 0;
    if (status == HEARTH_OK)
        store_chats_free(&one);
    return status == HEARTH_ENOTFOUND ? HEARTH_OK : status;
}

/* The number that a setting keeps for the name; 0: none. */
static hearth_status look_up(gateway *g, const char *key, int64_t *id, hearth_error *err)
{
    buf value;
    hearth_error here = {0};
    buf_init(&value, 64);
    *id = 0;
    hearth_status status = store_setting_get(g->store, key, &value, &here);
    if (status == HEARTH_OK)
        *id = strtoll(value.data, NULL, 10);
    else if (status != HEARTH_ENOTFOUND && err)
        *err = here;
    buf_deinit(&value);
    return status == HEARTH_ENOTFOUND ? HEARTH_OK : status;
}

static hearth_status make_chat(gateway *g, const char *key, const char *model, int64_t *id,
                               hearth_error *err)
{
    char number[24];
    const store_chat chat = {.model = model, .origin = key};
    TRY(store_chat_add(g->store, &chat, id, err));
    snprintf(number, sizeof number, "%" PRId64, *id);
    return store_setting_set(g->store, key, number, err);
}

static hearth_status find_chat(gateway *g, const char *name, const char *model, int64_t *id,
                               hearth_error *err)
{
    char key[NAME_MAX_BYTES + 16];
    char *end;
    bool found = false;
    if (!is_name(name))
        FAIL(err, EINVAL, "session_id",
             "session_id: give the number of a chat, or at most %d letters, digits, '-' and '_'",
             (int)NAME_MAX_BYTES);
    *id = strtoll(name, &end, 10);
    if (*end == '\0' && *id > 0) {
        TRY(exists(g, *id, &found, err));
        if (!found)
            FAIL(err, ENOTFOUND, "session_id", "session_id: there is no chat %s", name);
        return HEARTH_OK;
    }
    snprintf(key, sizeof key, "session:%s", name);
    TRY(look_up(g, key, id, err));
    if (*id > 0)
        TRY(exists(g, *id, &found, err));
    return found ? HEARTH_OK : make_chat(g, key, model, id, err);
}

/* ---- messages ---- */

/* The text of a message's content, which may have parts. */
static hearth_status text_of(const json_t *content, size_t at, buf *out, hearth_error *err)
{
    size_t i;
    json_t *part;
    const char *text = json_string_value(content);
    if (content == NULL || json_is_null(content))
        return HEARTH_OK;
    if (text)
        return buf_append_text(out, text) ? HEARTH_OK : error_no_memory(err, "a message", 0);
    if (!json_is_array(content))
        FAIL(err, EINVAL, "messages", "messages[%zu].content: must be a text", at);
    json_array_foreach(content, i, part)
    {
        text = json_string_value(json_object_get(part, "text"));
        if (text == NULL)
            FAIL(err, EINVAL, "messages",
                 "messages[%zu].content[%zu]: with session_id only text is kept", at, i);
        if ((out->n > 0 && !buf_append_text(out, "\n")) || !buf_append_text(out, text))
            return error_no_memory(err, "a message", 0);
    }
    return HEARTH_OK;
}

static hearth_status check_messages(const json_t *messages, hearth_error *err)
{
    size_t i;
    json_t *message;
    store_role role;
    if (json_array_size(messages) == 0)
        FAIL(err, EINVAL, "messages", "messages: give an array with at least one message");
    json_array_foreach(messages, i, message)
    {
        const char *name = json_string_value(json_object_get(message, "role"));
        buf text;
        buf_init(&text, WHOLE_MAX);
        hearth_status status = text_of(json_object_get(message, "content"), i, &text, err);
        buf_deinit(&text);
        TRY(status);
        if (name && strcmp(name, "developer") == 0)
            continue;
        if (name == NULL || !store_role_find(name, &role))
            FAIL(err, EINVAL, "messages", "messages[%zu].role: is no role", i);
    }
    return HEARTH_OK;
}

static hearth_status build_body(session_chat *s, json_t *root, hearth_error *err)
{
    store_chats one;
    chat_prompt history;
    json_int_t n = json_integer_value(json_object_get(root, "n"));
    if (n > 1)
        FAIL(err, EINVAL, "n", "n: a session has one answer");
    TRY(store_chat_get(s->g->store, s->chat, &one, err));
    const int64_t leaf = one.items[0].leaf;
    store_chats_free(&one);
    TRY(chat_prompt_open(&history, s->g, s->chat, leaf, s->model, err));
    const char *role = json_string_value(json_object_get(json_array_get(s->fresh, 0), "role"));
    history.goes_on = role && strcmp(role, "tool") == 0;
    history.n_left_out = 0; /* who speaks to an engine's API hears its error, and decides */
    json_t *all = json_array();
    hearth_status status = chat_prompt_messages(&history, all, err);
    chat_prompt_close(&history);
    if (status == HEARTH_OK &&
        (json_array_extend(all, s->fresh) != 0 || json_object_set(root, "messages", all) != 0))
        status = error_no_memory(err, "a prompt", 0);
    json_decref(all);
    if (status == HEARTH_OK && (s->text = json_dumps(root, JSON_COMPACT)) == NULL)
        status = error_no_memory(err, "a prompt", 0);
    return status;
}

static void free_session(session_chat *s)
{
    answers_abandon(s->place);
    json_decref(s->fresh);
    free(s->text);
    chunks_deinit(&s->said);
    buf_deinit(&s->whole);
    mem_free(s);
}

hearth_status session_open(gateway *g, const char *name, const char *model, const body_view *body,
                           session_chat **out, const char **text, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    json_error_t why;
    json_t *root = json_loadb(body->all.at, body->all.n, JSON_REJECT_DUPLICATES, &why);
    session_chat *s = mem_calloc(1, sizeof *s);
    *out = NULL;
    if (s == NULL || root == NULL) {
        mem_free(s);
        json_decref(root);
        FAIL(err, EINVAL, "body", "the body is not JSON: %s", why.text);
    }
    s->g = g;
    snprintf(s->model, sizeof s->model, "%s", model);
    chunks_init(&s->said);
    buf_init(&s->whole, WHOLE_MAX);
    s->fresh = json_incref(json_object_get(root, "messages"));
    TRY_OUT(check_messages(s->fresh, err));
    TRY_OUT(find_chat(g, name, model, &s->chat, err));
    TRY_OUT(answers_open(g, s->chat, &s->place, err));
    TRY_OUT(build_body(s, root, err));
    *out = s;
    *text = s->text;
out:
    json_decref(root);
    if (status != HEARTH_OK)
        free_session(s);
    return status;
}

/* ---- storing ---- */

static hearth_status add_one(session_chat *s, const json_t *message, size_t i, int64_t *parent,
                             hearth_error *err)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    const char *call = json_string_value(json_object_get(message, "tool_call_id"));
    const json_t *calls = json_object_get(message, "tool_calls");
    char *calls_text = json_array_size(calls) > 0 ? json_dumps(calls, JSON_COMPACT) : NULL;
    store_message m = {.chat = s->chat,
                       .parent = *parent,
                       .role = STORE_SYSTEM,
                       .state = STORE_COMPLETE,
                       .tool_calls = calls_text,
                       .tool_call_id = call};
    buf text;
    buf_init(&text, WHOLE_MAX);
    store_role_find(role, &m.role); /* "developer" is a system's */
    hearth_status status = text_of(json_object_get(message, "content"), i, &text, err);
    m.content = text.n > 0 ? text.data : "";
    if (status == HEARTH_OK)
        status = store_message_add(s->g->store, &m, parent, err);
    buf_deinit(&text);
    free(calls_text);
    return status;
}

/* A chat without a title is called by its first words. */
static void name_chat(session_chat *s, const store_chat *chat)
{
    char title[TITLE_BYTES];
    buf text;
    const json_t *last = json_array_get(s->fresh, json_array_size(s->fresh) - 1);
    buf_init(&text, WHOLE_MAX);
    if (*chat->title == '\0' &&
        text_of(json_object_get(last, "content"), 0, &text, NULL) == HEARTH_OK && text.n > 0) {
        title_clean(text.data, title);
        const store_chat_change change = {.title = title};
        store_chat_update(s->g->store, s->chat, &change, NULL);
    }
    buf_deinit(&text);
}

hearth_status session_commit(session_chat *s, bool streams, hearth_error *err)
{
    store_chats one;
    size_t i;
    json_t *message;
    TRY(store_chat_get(s->g->store, s->chat, &one, err));
    int64_t parent = one.items[0].leaf;
    name_chat(s, &one.items[0]);
    store_chats_free(&one);
    s->streams = streams;
    json_array_foreach(s->fresh, i, message) TRY(add_one(s, message, i, &parent, err));
    const store_message begun = {.chat = s->chat,
                                 .parent = parent,
                                 .role = STORE_ASSISTANT,
                                 .state = STORE_STREAMING,
                                 .model = s->model};
    return store_message_add(s->g->store, &begun, &s->message, err);
}

void session_feed(session_chat *s, const char *bytes, size_t n)
{
    chunk c;
    if (!s->streams) {
        buf_append(&s->whole, bytes, n);
        return;
    }
    buf_append(chunks_input(&s->said), bytes, n);
    while (chunks_next(&s->said, &c))
        continue;
}

bool session_is_stopped(const session_chat *s)
{
    return answers_is_stopped(s->place);
}

static void finish(session_chat *s, store_state state, const hearth_error *failure)
{
    json_t *meta = json_pack("{s:s}", "finish_reason", s->said.finish);
    char *meta_text = meta ? json_dumps(meta, JSON_COMPACT) : NULL;
    char *calls = s->said.tool_calls ? json_dumps(s->said.tool_calls, JSON_COMPACT) : NULL;
    hearth_error err;
    const store_end end = {.state = state,
                           .content = s->said.content.n ? s->said.content.data : "",
                           .reasoning = s->said.thinking.n ? s->said.thinking.data : "",
                           .tool_calls = calls,
                           .error = failure ? failure->message : NULL,
                           .meta = meta_text,
                           .usage = s->said.usage};
    if (store_message_finish(s->g->store, s->message, &end, &err) != HEARTH_OK)
        log_write(&s->g->host->log, HEARTH_LOG_ERROR, "an answer could not be stored: %s",
                  err.message);
    json_decref(meta);
    free(meta_text);
    free(calls);
}

void session_close(session_chat *s, bool whole, const hearth_error *failure)
{
    if (s == NULL)
        return;
    if (!s->streams && s->whole.n > 0) {
        json_t *root = json_loadb(s->whole.data, s->whole.n, 0, NULL);
        chunks_read_whole(&s->said, root);
        json_decref(root);
    }
    if (s->message > 0)
        finish(s, failure ? STORE_FAILED : whole ? STORE_COMPLETE : STORE_STOPPED, failure);
    free_session(s);
}
