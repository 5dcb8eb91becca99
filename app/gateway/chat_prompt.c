/* SPDX-License-Identifier: MIT
 *
 * chat_prompt.c - see chat_prompt.h.
 */
#include "gateway/chat_prompt.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "gateway/chat_json.h"
#include "store/search.h"

enum { MEMORY_TOKENS = 1000, MEMORY_PASSAGES = 4, MAX_TEXT = 64 << 20 };

/* ---- attachments ---- */

static hearth_status data_url(const char *type, const buf *bytes, char **out, hearth_error *err)
{
    size_t n_head = strlen(type) + 16;
    char *url = mem_alloc(n_head + (bytes->n + 2) / 3 * 4 + 1);
    if (url == NULL)
        return error_no_memory(err, "an attachment", bytes->n);
    int at = snprintf(url, n_head, "data:%s;base64,", type);
    EVP_EncodeBlock((unsigned char *)url + at, (const unsigned char *)bytes->data, (int)bytes->n);
    *out = url;
    return HEARTH_OK;
}

static bool is_text(const char *type)
{
    return strncmp(type, "text/", 5) == 0 || strcmp(type, "application/json") == 0 ||
           strcmp(type, "application/xml") == 0;
}

/* Text goes into *text, anything else becomes a part of its own. */
static hearth_status add_bytes(const store_attachment *a, const buf *bytes, buf *text,
                               json_t *parts, hearth_error *err)
{
    char *url = NULL;
    if (is_text(a->type)) {
        bool ok = buf_append_format(text, "%s```%s\n", text->n ? "\n\n" : "", a->name) &&
                  buf_append(text, bytes->data ? bytes->data : "", bytes->n) &&
                  buf_append_text(text, "\n```");
        return ok ? HEARTH_OK : error_no_memory(err, "an attachment", bytes->n);
    }
    if (strncmp(a->type, "image/", 6) != 0)
        FAIL(err, EUNSUPPORTED, "attachments", "%.100s is %.60s, which models are not shown",
             a->name, a->type);
    TRY(data_url(a->type, bytes, &url, err));
    int code = json_array_append_new(
        parts, json_pack("{s:s, s:{s:s}}", "type", "image_url", "image_url", "url", url));
    mem_free(url);
    return code == 0 ? HEARTH_OK : error_no_memory(err, "an attachment", bytes->n);
}

static hearth_status add_attachment(gateway *g, const store_attachment *a, buf *text, json_t *parts,
                                    hearth_error *err)
{
    buf bytes;
    buf_init(&bytes, MAX_TEXT);
    hearth_status status = store_attachment_read(g->store, a->id, NULL, NULL, &bytes, err);
    if (status == HEARTH_OK)
        status = add_bytes(a, &bytes, text, parts, err);
    buf_deinit(&bytes);
    return status;
}

/* ---- messages ---- */

static hearth_status user_content(gateway *g, const store_message *m, json_t **out,
                                  hearth_error *err)
{
    buf text;
    hearth_status status = HEARTH_OK;
    json_t *parts = json_array();
    buf_init(&text, MAX_TEXT);
    if (!buf_append_text(&text, m->content))
        status = error_no_memory(err, "a message", strlen(m->content));
    for (size_t i = 0; i < m->n_attachments && status == HEARTH_OK; i++)
        status = add_attachment(g, &m->attachments[i], &text, parts, err);
    if (status == HEARTH_OK) {
        json_t *whole = json_stringn(text.n ? text.data : "", text.n);
        if (json_array_size(parts) == 0 || whole == NULL) {
            *out = whole;
        } else {
            json_array_insert_new(parts, 0, json_pack("{s:s, s:o}", "type", "text", "text", whole));
            *out = json_incref(parts);
        }
        if (*out == NULL)
            status = error_set(err, HEARTH_EFORMAT, "attachments", "an attachment is not UTF-8");
    }
    json_decref(parts);
    buf_deinit(&text);
    return status;
}

/* An answer that failed before its first word says nothing. */
static bool says_nothing(const store_message *m)
{
    return m->role == STORE_ASSISTANT && *m->content == '\0' && *m->tool_calls == '\0';
}

static hearth_status add_message(gateway *g, const store_message *m, json_t *messages,
                                 hearth_error *err)
{
    json_t *content = NULL;
    if (says_nothing(m))
        return HEARTH_OK;
    if (m->role == STORE_USER)
        TRY(user_content(g, m, &content, err));
    else
        content = json_string(m->content);
    json_t *made = json_pack("{s:s, s:o}", "role", store_role_name(m->role), "content", content);
    if (*m->tool_calls)
        json_object_set_new(made, "tool_calls", json_loads(m->tool_calls, 0, NULL));
    if (*m->tool_call_id)
        json_object_set_new(made, "tool_call_id", json_string(m->tool_call_id));
    if (json_array_append_new(messages, made) != 0)
        return error_no_memory(err, "a prompt", 0);
    return HEARTH_OK;
}

static bool is_answered(const store_messages *path, size_t from, const char *call)
{
    for (size_t i = from; i < path->n && path->items[i].role == STORE_TOOL; i++) {
        if (strcmp(path->items[i].tool_call_id, call) == 0)
            return true;
    }
    return false;
}

/* Models refuse a call without a result: one that was never made, or whose server was killed. */
static hearth_status add_missing_results(const store_messages *path, size_t i, json_t *messages,
                                         hearth_error *err)
{
    const char *text = path->items[i].tool_calls;
    json_t *calls = *text ? json_loads(text, 0, NULL) : NULL, *call;
    size_t k;
    int code = 0;
    json_array_foreach(calls, k, call)
    {
        const char *id = json_string_value(json_object_get(call, "id"));
        if (id && !is_answered(path, i + 1, id))
            code |= json_array_append_new(
                messages, json_pack("{s:s, s:s, s:s}", "role", "tool", "content",
                                    "This call was not made.", "tool_call_id", id));
    }
    json_decref(calls);
    return code == 0 ? HEARTH_OK : error_no_memory(err, "a prompt", 0);
}

hearth_status chat_prompt_messages(gateway *g, const store_chat *chat, int64_t last,
                                   json_t *messages, hearth_error *err)
{
    store_messages path = {0};
    hearth_status status = HEARTH_OK;
    if (*chat->system && json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "system",
                                                                   "content", chat->system)) != 0)
        return error_no_memory(err, "a prompt", 0);
    if (last > 0)
        TRY(store_message_path(g->store, chat->id, last, 0, &path, err));
    for (size_t i = 0; i < path.n && status == HEARTH_OK; i++) {
        status = add_message(g, &path.items[i], messages, err);
        if (status == HEARTH_OK)
            status = add_missing_results(&path, i, messages, err);
    }
    store_messages_free(&path);
    return status;
}

/* ---- memory ---- */

/* The text of the last message, which may have parts. */
static json_t *question_of(json_t *messages, json_t **holder, const char **key)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    json_t *content = json_object_get(last, "content");
    *holder = json_is_array(content) ? json_array_get(content, 0) : last;
    *key = json_is_array(content) ? "text" : "content";
    return json_object_get(*holder, *key);
}

static bool write_passages(const memory_passages *found, const char *question, buf *text,
                           json_t *sources)
{
    bool ok = buf_append_text(text, "What was said in earlier chats, in case it helps:\n");
    for (size_t i = 0; i < found->n && ok; i++) {
        const memory_passage *p = &found->items[i];
        ok = buf_append_format(text, "\n[%s, %s]\n", p->title, store_role_name(p->role)) &&
             buf_append_text(text, p->text) && buf_append_text(text, "\n");
        json_array_append_new(sources,
                              json_pack("{s:I, s:I, s:s}", "chat_id", (json_int_t)p->chat,
                                        "message_id", (json_int_t)p->message, "title", p->title));
    }
    return ok && buf_append_text(text, "\nThe question:\n") && buf_append_text(text, question);
}

/* Passages of other chats go in front of the question. */
static hearth_status add_memory(gateway *g, int64_t chat, json_t *messages, json_t **sources,
                                hearth_error *err)
{
    json_t *holder;
    const char *key;
    memory_passages found;
    const json_t *question = question_of(messages, &holder, &key);
    if (json_string_length(question) == 0)
        return HEARTH_OK;
    const memory_query query = {.text = json_string_value(question),
                                .not_chat = chat,
                                .budget_tokens = MEMORY_TOKENS,
                                .max_passages = MEMORY_PASSAGES};
    TRY(memory_recall(g->store, &query, &found, err));
    hearth_status status = HEARTH_OK;
    if (found.n > 0) {
        buf text;
        buf_init(&text, MAX_TEXT);
        *sources = json_array();
        if (!write_passages(&found, query.text, &text, *sources) ||
            json_object_set_new(holder, key, json_stringn(text.data, text.n)) != 0)
            status = error_no_memory(err, "a prompt", text.n);
        buf_deinit(&text);
    }
    memory_passages_free(&found);
    return status;
}

/* ---- the body ---- */

static hearth_status build(gateway *g, const store_chat *chat, int64_t last, json_t *parameters,
                           bool plain, json_t *body, json_t **sources, hearth_error *err)
{
    json_t *settings = chat_object_of(chat->settings);
    json_t *kept = json_object_get(settings, "parameters");
    json_t *messages = json_array();
    char session[32];
    snprintf(session, sizeof session, "chat-%lld", (long long)chat->id);
    int code = kept ? json_object_update(body, kept) : 0;
    if (parameters)
        code |= json_object_update(body, parameters);
    code |= json_object_set_new(body, "messages", messages);
    code |= json_object_set_new(body, "stream", json_true());
    code |= json_object_set_new(body, "stream_options", json_pack("{s:b}", "include_usage", 1));
    if (!plain) {
        code |= json_object_set_new(body, "return_progress", json_true());
        code |= json_object_set_new(body, "session_id", json_string(session));
    }
    bool remembers = json_is_true(json_object_get(settings, "memory"));
    json_decref(settings);
    if (code != 0)
        return error_no_memory(err, "a prompt", 0);
    TRY(chat_prompt_messages(g, chat, last, messages, err));
    return remembers ? add_memory(g, chat->id, messages, sources, err) : HEARTH_OK;
}

hearth_status chat_prompt_build(gateway *g, int64_t chat, int64_t last, json_t *parameters,
                                bool plain, json_t **body, json_t **sources, hearth_error *err)
{
    store_chats one;
    *body = NULL;
    *sources = NULL;
    TRY(store_chat_get(g->store, chat, &one, err));
    *body = json_object();
    hearth_status status = build(g, &one.items[0], last, parameters, plain, *body, sources, err);
    store_chats_free(&one);
    if (status != HEARTH_OK) {
        json_decref(*body);
        json_decref(*sources);
        *body = *sources = NULL;
    }
    return status;
}
