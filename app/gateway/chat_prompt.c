/* SPDX-License-Identifier: MIT
 *
 * chat_prompt.c - see chat_prompt.h.
 */
#include "gateway/chat_prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/chat_attach.h"
#include "gateway/chat_json.h"
#include "store/search.h"

enum { MEMORY_TOKENS = 1000, MEMORY_PASSAGES = 4, MAX_TEXT = 64 << 20 };

/* ---- what there is ---- */

/* The same model left out so much when it answered last: from there its cache goes on. */
static void begin_as_before(chat_prompt *p, const char *model)
{
    for (size_t i = p->path.n; i-- > 0;) {
        const store_message *m = &p->path.items[i];
        if (m->role != STORE_ASSISTANT || m->usage.n_prompt == 0)
            continue;
        json_t *meta = chat_object_of(m->meta);
        const json_t *context = json_object_get(meta, "context");
        if (strcmp(m->model, model) == 0) {
            p->n_left_out = (size_t)json_integer_value(json_object_get(context, "left_out"));
            p->n_ctx = (uint32_t)json_integer_value(json_object_get(context, "n_ctx"));
        }
        json_decref(meta);
        break;
    }
    if (p->n_left_out > p->path.n)
        p->n_left_out = 0;
}

hearth_status chat_prompt_open(chat_prompt *p, gateway *g, int64_t chat, int64_t last,
                               const char *model, hearth_error *err)
{
    *p = (chat_prompt){.g = g, .sees = chat_model_sees(g, model)};
    TRY(store_chat_get(g->store, chat, &p->chat, err));
    hearth_status status =
        last > 0 ? store_message_path(g->store, chat, last, 0, &p->path, err) : HEARTH_OK;
    if (status != HEARTH_OK) {
        chat_prompt_close(p);
        return status;
    }
    begin_as_before(p, model);
    return HEARTH_OK;
}

void chat_prompt_close(chat_prompt *p)
{
    store_messages_free(&p->path);
    store_chats_free(&p->chat);
    json_decref(p->sources);
    *p = (chat_prompt){0};
}

/* ---- what has no room ---- */

static size_t size_of(const store_message *m)
{
    size_t n = strlen(m->content) + strlen(m->tool_calls) + 16;
    for (size_t i = 0; i < m->n_attachments; i++)
        n += (size_t)m->attachments[i].n_bytes;
    return n;
}

bool chat_prompt_leave_out(chat_prompt *p, double share)
{
    const store_messages *path = &p->path;
    size_t i = p->n_left_out, question = path->n, gone = 0, all = strlen(p->chat.items[0].system);
    while (question > 0 && path->items[question - 1].role != STORE_USER)
        question--;
    for (size_t k = i; k < path->n; k++)
        all += size_of(&path->items[k]);
    /* Whole turns: the first that stays is a question. */
    while (i + 1 < question && ((double)gone < share * (double)all || i == p->n_left_out ||
                                path->items[i].role != STORE_USER))
        gone += size_of(&path->items[i++]);
    bool less = i > p->n_left_out;
    p->n_left_out = i;
    return less;
}

/* ---- messages ---- */

/* An answer that failed before its first word says nothing. */
static bool says_nothing(const store_message *m)
{
    return m->role == STORE_ASSISTANT && *m->content == '\0' && *m->tool_calls == '\0';
}

/* A call of a chat from elsewhere may have code or nothing for its arguments, which templates and
 * engines refuse: it becomes {"input": it}. False: it is no call. */
static bool mend_call(json_t *call)
{
    json_t *function = json_object_get(call, "function");
    json_t *arguments = json_object_get(function, "arguments");
    const char *text = json_string_value(arguments);
    if (!json_is_string(json_object_get(call, "id")) ||
        !json_is_string(json_object_get(function, "name")))
        return false;
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_incref(arguments);
    if (!json_is_object(value)) {
        json_t *input = json_object();
        if (arguments && (text == NULL || *text))
            json_object_set(input, "input", arguments);
        json_decref(value);
        value = input;
        text = NULL;
    }
    if (text == NULL) {
        char *written = json_dumps(value, JSON_COMPACT);
        json_object_set_new(function, "arguments", json_string(written ? written : "{}"));
        free(written); /* jansson's own allocation */
    }
    json_decref(value);
    return true;
}

/* NULL: none. */
static json_t *calls_of(const store_message *m)
{
    json_t *calls = *m->tool_calls ? json_loads(m->tool_calls, 0, NULL) : NULL;
    for (size_t i = json_array_size(calls); i-- > 0;) {
        if (!mend_call(json_array_get(calls, i)))
            json_array_remove(calls, i);
    }
    return calls;
}

static hearth_status add_message(chat_prompt *p, const store_message *m, json_t *messages,
                                 hearth_error *err)
{
    json_t *content = NULL;
    if (says_nothing(m))
        return HEARTH_OK;
    if (m->role == STORE_USER)
        TRY(chat_content_of(p->g, m, p->sees, &p->n_hidden, &content, err));
    else
        content = json_string(m->content);
    json_t *made = json_pack("{s:s, s:o}", "role", store_role_name(m->role), "content", content);
    json_t *calls = calls_of(m);
    if (json_array_size(calls) > 0)
        json_object_set(made, "tool_calls", calls);
    json_decref(calls);
    if (*m->tool_call_id)
        json_object_set_new(made, "tool_call_id", json_string(m->tool_call_id));
    if (m->state == STORE_STREAMING && *m->reasoning) /* that is gone on with */
        json_object_set_new(made, "reasoning_content", json_string(m->reasoning));
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
    json_t *calls = calls_of(&path->items[i]), *call;
    size_t k;
    int code = 0;
    json_array_foreach(calls, k, call)
    {
        const char *id = json_string_value(json_object_get(call, "id"));
        if (id && !is_answered(path, i + 1, id))
            code |= json_array_append_new(messages,
                                          json_pack("{s:s, s:s, s:s}", "role", "tool", "content",
                                                    "This call was not made.", "tool_call_id", id));
    }
    json_decref(calls);
    return code == 0 ? HEARTH_OK : error_no_memory(err, "a prompt", 0);
}

/* Whether nothing but results follows message i. */
static bool ends_with_calls_of(const store_messages *path, size_t i)
{
    while (i + 1 < path->n && path->items[i + 1].role == STORE_TOOL)
        i++;
    return i + 1 == path->n;
}

hearth_status chat_prompt_messages(chat_prompt *p, json_t *messages, hearth_error *err)
{
    const char *system = p->chat.items[0].system;
    p->n_hidden = 0;
    if (*system && json_array_append_new(
                       messages, json_pack("{s:s, s:s}", "role", "system", "content", system)) != 0)
        return error_no_memory(err, "a prompt", 0);
    for (size_t i = p->n_left_out; i < p->path.n; i++) {
        TRY(add_message(p, &p->path.items[i], messages, err));
        if (!p->goes_on || !ends_with_calls_of(&p->path, i))
            TRY(add_missing_results(&p->path, i, messages, err));
    }
    return HEARTH_OK;
}

/* ---- memory ---- */

/* The text of the last question, which may have parts. */
static json_t *question_of(json_t *messages, json_t **holder, const char **key)
{
    size_t n = json_array_size(messages);
    const char *role = NULL;
    do {
        *holder = n > 0 ? json_array_get(messages, --n) : NULL;
        role = json_string_value(json_object_get(*holder, "role"));
    } while (role && strcmp(role, "user") != 0);
    json_t *content = json_object_get(*holder, "content");
    if (json_is_array(content))
        *holder = json_array_get(content, 0);
    *key = json_is_array(content) ? "text" : "content";
    return json_object_get(*holder, *key);
}

static json_t *sources_of(const memory_passages *found)
{
    json_t *all = json_array();
    for (size_t i = 0; i < found->n; i++) {
        const memory_passage *m = &found->items[i];
        json_array_append_new(all,
                              json_pack("{s:I, s:I, s:s, s:s, s:s, s:I}", "chat_id",
                                        (json_int_t)m->chat, "message_id", (json_int_t)m->message,
                                        "title", m->title, "role", store_role_name(m->role), "text",
                                        m->text, "created_ms", (json_int_t)m->created_ms));
    }
    return all;
}

static hearth_status recall(chat_prompt *p, const char *question, hearth_error *err)
{
    memory_passages found;
    const memory_query query = {.text = question,
                                .not_chat = p->chat.items[0].id,
                                .budget_tokens = MEMORY_TOKENS,
                                .max_passages = MEMORY_PASSAGES};
    TRY(memory_recall(p->g->store, &query, &found, err));
    p->sources = sources_of(&found);
    memory_passages_free(&found);
    return p->sources ? HEARTH_OK : error_no_memory(err, "a prompt", 0);
}

static const char *text_in(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The user's words stay as they are; the passages stand before them, as what they are. */
static bool write_passages(const json_t *sources, const char *question, buf *text)
{
    size_t i;
    json_t *one;
    bool ok = buf_append_text(text, "What was said in earlier chats, in case it helps:\n");
    json_array_foreach(sources, i, one)
    {
        ok = ok &&
             buf_append_format(text, "\n[%s, %s]\n", text_in(one, "title"), text_in(one, "role")) &&
             buf_append_text(text, text_in(one, "text")) && buf_append_text(text, "\n");
    }
    return ok && buf_append_text(text, "\nThe question:\n") && buf_append_text(text, question);
}

static hearth_status add_memory(chat_prompt *p, json_t *messages, hearth_error *err)
{
    json_t *holder;
    const char *key;
    hearth_status status = HEARTH_OK;
    const json_t *question = question_of(messages, &holder, &key);
    if (json_string_length(question) == 0)
        return HEARTH_OK;
    if (p->sources == NULL)
        TRY(recall(p, json_string_value(question), err));
    if (json_array_size(p->sources) == 0)
        return HEARTH_OK;
    buf text;
    buf_init(&text, MAX_TEXT);
    if (!write_passages(p->sources, json_string_value(question), &text) ||
        json_object_set_new(holder, key, json_stringn(text.data, text.n)) != 0)
        status = error_no_memory(err, "a prompt", text.n);
    buf_deinit(&text);
    return status;
}

/* ---- the body ---- */

static hearth_status fill(chat_prompt *p, const chat_prompt_options *o, json_t *body,
                          hearth_error *err)
{
    const store_chat *chat = &p->chat.items[0];
    json_t *settings = chat_object_of(chat->settings);
    json_t *kept = json_object_get(settings, "parameters");
    json_t *messages = json_array();
    char session[32];
    snprintf(session, sizeof session, "chat-%lld", (long long)chat->id);
    int code = kept ? json_object_update(body, kept) : 0;
    if (o->parameters)
        code |= json_object_update(body, o->parameters);
    code |= json_object_set_new(body, "messages", messages);
    code |= json_object_set_new(body, "stream", json_true());
    code |= json_object_set_new(body, "stream_options", json_pack("{s:b}", "include_usage", 1));
    if (o->goes_on) {
        code |= json_object_set_new(body, "continue_final_message", json_true());
        code |= json_object_set_new(body, "add_generation_prompt", json_false());
    }
    if (!o->plain) {
        code |= json_object_set_new(body, "return_progress", json_true());
        code |= json_object_set_new(body, "timings_per_token", json_true());
        code |= json_object_set_new(body, "session_id", json_string(session));
    }
    bool remembers = json_is_true(json_object_get(settings, "memory"));
    json_decref(settings);
    if (code != 0)
        return error_no_memory(err, "a prompt", 0);
    TRY(chat_prompt_messages(p, messages, err));
    return remembers ? add_memory(p, messages, err) : HEARTH_OK;
}

hearth_status chat_prompt_body(chat_prompt *p, const chat_prompt_options *o, json_t **body,
                               hearth_error *err)
{
    *body = json_object();
    hearth_status status = fill(p, o, *body, err);
    if (status != HEARTH_OK) {
        json_decref(*body);
        *body = NULL;
    }
    return status;
}
