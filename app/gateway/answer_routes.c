/* SPDX-License-Identifier: MIT
 *
 * answer_routes.c - handlers of what makes a model write: new messages, other answers, edits.
 */
#include <string.h>

#include "gateway/answers.h"
#include "gateway/chat_attach.h"
#include "gateway/chat_json.h"
#include "gateway/handlers.h"
#include "gateway/title.h"

/* ---- which model ---- */

/* The request's, else the chat's, else the default; a chat without one keeps it. */
static hearth_status choose_model(gateway_call *c, int64_t chat, const char *wanted,
                                  char out[LIBRARY_NAME_MAX + 1], hearth_error *err)
{
    store_chats one;
    TRY(store_chat_get(c->g->store, chat, &one, err));
    const char *own = one.items[0].model;
    const bool has_none = *own == '\0';
    hearth_status status = gateway_model_name(c->g, wanted && *wanted ? wanted : own, out, err);
    store_chats_free(&one);
    if (status == HEARTH_ENOTFOUND)
        c->failure.code = RUNTIME_NOT_FOUND;
    if (status != HEARTH_OK || !has_none)
        return status;
    const store_chat_change change = {.model = out};
    return store_chat_update(c->g->store, chat, &change, err);
}

/* ---- new messages ---- */

static hearth_status read_attachments(const json_t *list, store_attachment *out, size_t *n,
                                      hearth_error *err)
{
    *n = json_array_size(list);
    if (list && !json_is_array(list))
        FAIL(err, EINVAL, "attachments", "attachments: give an array of numbers");
    if (*n > STORE_MAX_ATTACHMENTS)
        FAIL(err, EINVAL, "attachments", "attachments: at most %d", (int)STORE_MAX_ATTACHMENTS);
    for (size_t i = 0; i < *n; i++) {
        out[i] = (store_attachment){.id = json_integer_value(json_array_get(list, i))};
        if (out[i].id <= 0)
            FAIL(err, EINVAL, "attachments", "attachments[%zu]: give a number above 0", i);
    }
    return HEARTH_OK;
}

static hearth_status leaf_of(gateway *g, int64_t chat, int64_t *leaf, hearth_error *err)
{
    store_chats one;
    TRY(store_chat_get(g->store, chat, &one, err));
    *leaf = one.items[0].leaf;
    store_chats_free(&one);
    return HEARTH_OK;
}

static hearth_status answer_message(gateway_call *c, int64_t id, hearth_error *err)
{
    json_t *message;
    TRY(chat_message_load_json(c->g, id, &message, err));
    return call_json(c, json_pack("{s:o}", "message", message), err);
}

/* Where a field was not given. */
static const json_int_t not_given = INT64_MIN;

typedef struct ask_fields {
    const char *content, *model;
    json_t *attachments, *parameters;
    json_int_t parent, message;
    int answer;
} ask_fields;

static hearth_status check_fields(const ask_fields *f, hearth_error *err)
{
    if (f->content && *f->content == '\0' && json_array_size(f->attachments) == 0)
        FAIL(err, EINVAL, "content", "content: there is nothing to answer");
    return f->parameters ? chat_answer_check_parameters(f->parameters, err) : HEARTH_OK;
}

/* With the chat's place taken: stores the message, and lets it be answered. */
static hearth_status post(gateway_call *c, answer *a, int64_t chat, const ask_fields *f,
                          const store_message *message, hearth_error *err)
{
    char model[LIBRARY_NAME_MAX + 1];
    int64_t id;
    hearth_status status = choose_model(c, chat, f->model, model, err);
    if (status == HEARTH_OK)
        status =
            chat_attachments_check(c->g, message->attachments, message->n_attachments, model, err);
    if (status == HEARTH_OK)
        status = store_message_add(c->g->store, message, &id, err);
    if (status != HEARTH_OK) {
        answers_abandon(a);
        return status;
    }
    const answer_options options = {
        .parent = id, .model = model, .parameters = f->parameters, .user = id};
    return answers_begin(c, a, &options, err);
}

hearth_status serve_answers_post(gateway_call *c, hearth_error *err)
{
    int64_t chat, leaf;
    answer *a;
    ask_fields f = {.answer = 1, .parent = not_given};
    store_attachment attachments[STORE_MAX_ATTACHMENTS];
    TRY(call_id(c, &chat, err));
    TRY(call_unpack(c, err, "{s:s, s?:o, s?:s, s?:o, s?:I, s?:b}", "content", &f.content,
                    "attachments", &f.attachments, "model", &f.model, "parameters", &f.parameters,
                    "parent_id", &f.parent, "answer", &f.answer));
    TRY(check_fields(&f, err));
    store_message message = {.chat = chat,
                             .role = STORE_USER,
                             .state = STORE_COMPLETE,
                             .content = f.content,
                             .attachments = attachments};
    TRY(read_attachments(f.attachments, attachments, &message.n_attachments, err));
    TRY(leaf_of(c->g, chat, &leaf, err));
    message.parent = f.parent != not_given ? f.parent : leaf;
    TRY(answers_open(c->g, chat, &a, err));
    if (f.answer)
        return post(c, a, chat, &f, &message, err);
    int64_t id;
    hearth_status status = store_message_add(c->g->store, &message, &id, err);
    answers_abandon(a);
    return status == HEARTH_OK ? answer_message(c, id, err) : status;
}

/* ---- other answers ---- */

static hearth_status get_message(gateway_call *c, int64_t chat, int64_t id, store_messages *out,
                                 hearth_error *err)
{
    if (id == 0)
        TRY(leaf_of(c->g, chat, &id, err));
    if (id == 0)
        FAIL(err, EINVAL, "message_id", "there is no message in this chat yet");
    TRY(store_message_get(c->g->store, id, out, err));
    if (out->items[0].chat == chat)
        return HEARTH_OK;
    store_messages_free(out);
    FAIL(err, ENOTFOUND, "message_id", "message %lld is not of this chat", (long long)id);
}

hearth_status serve_answers_regenerate(gateway_call *c, hearth_error *err)
{
    int64_t chat;
    char model[LIBRARY_NAME_MAX + 1];
    ask_fields f = {0};
    store_messages one;
    answer *a;
    TRY(call_id(c, &chat, err));
    TRY(call_unpack(c, err, "{s?:I, s?:s, s?:o}", "message_id", &f.message, "model", &f.model,
                    "parameters", &f.parameters));
    TRY(check_fields(&f, err));
    TRY(get_message(c, chat, f.message, &one, err));
    bool is_answer = one.items[0].role == STORE_ASSISTANT;
    const int64_t parent = is_answer ? one.items[0].parent : one.items[0].id;
    store_messages_free(&one);
    TRY(choose_model(c, chat, f.model, model, err));
    TRY(answers_open(c->g, chat, &a, err));
    const answer_options options = {.parent = parent, .model = model, .parameters = f.parameters};
    return answers_begin(c, a, &options, err);
}

/* An answer that was stopped, failed or had no room is gone on with, by the model that wrote it. */
static hearth_status expect_unfinished(const store_message *m, hearth_error *err)
{
    json_t *meta = chat_object_of(m->meta);
    const char *finish = json_string_value(json_object_get(meta, "finish_reason"));
    bool whole = m->state == STORE_COMPLETE && !(finish && strcmp(finish, "length") == 0);
    json_decref(meta);
    if (m->role != STORE_ASSISTANT || *m->content == '\0')
        FAIL(err, EMISMATCH, "message_id",
             "message %lld has no words of the model to go on from; ask for another answer",
             (long long)m->id);
    if (whole)
        FAIL(err, EMISMATCH, "message_id", "message %lld is whole; ask on, or for another answer",
             (long long)m->id);
    return HEARTH_OK;
}

hearth_status serve_answers_continue(gateway_call *c, hearth_error *err)
{
    int64_t chat;
    char model[LIBRARY_NAME_MAX + 1];
    ask_fields f = {0};
    store_messages one;
    answer *a = NULL;
    TRY(call_id(c, &chat, err));
    TRY(call_unpack(c, err, "{s?:I, s?:s, s?:o}", "message_id", &f.message, "model", &f.model,
                    "parameters", &f.parameters));
    TRY(check_fields(&f, err));
    TRY(get_message(c, chat, f.message, &one, err));
    const store_message *m = &one.items[0];
    const answer_options options = {
        .parent = m->parent, .model = model, .parameters = f.parameters, .goes_on = m->id};
    hearth_status status = answers_open(c->g, chat, &a, err);
    if (status == HEARTH_OK)
        status = expect_unfinished(m, err);
    if (status == HEARTH_OK)
        status = choose_model(c, chat, f.model && *f.model ? f.model : m->model, model, err);
    store_messages_free(&one);
    if (status == HEARTH_OK)
        return answers_begin(c, a, &options, err);
    answers_abandon(a);
    return status;
}

/* ---- edits ---- */

static hearth_status edit_answer(gateway_call *c, answer *a, const store_message *before,
                                 const char *content, hearth_error *err)
{
    int64_t id;
    const store_message message = {.chat = before->chat,
                                   .parent = before->parent,
                                   .role = before->role,
                                   .state = STORE_COMPLETE,
                                   .content = content,
                                   .model = before->model};
    hearth_status status = store_message_add(c->g->store, &message, &id, err);
    answers_abandon(a);
    return status == HEARTH_OK ? answer_message(c, id, err) : status;
}

hearth_status serve_answers_edit(gateway_call *c, hearth_error *err)
{
    int64_t chat;
    ask_fields f = {0};
    store_messages one;
    answer *a;
    TRY(call_id(c, &chat, err));
    TRY(call_unpack(c, err, "{s:I, s:s, s?:s, s?:o}", "message_id", &f.message, "content",
                    &f.content, "model", &f.model, "parameters", &f.parameters));
    TRY(check_fields(&f, err));
    TRY(get_message(c, chat, f.message, &one, err));
    const store_message *before = &one.items[0];
    hearth_status status = answers_open(c->g, chat, &a, err);
    if (status == HEARTH_OK && before->role == STORE_USER) {
        const store_message message = {.chat = chat,
                                       .parent = before->parent,
                                       .role = STORE_USER,
                                       .state = STORE_COMPLETE,
                                       .content = f.content,
                                       .attachments = before->attachments,
                                       .n_attachments = before->n_attachments};
        status = post(c, a, chat, &f, &message, err);
    } else if (status == HEARTH_OK) {
        status = edit_answer(c, a, before, f.content, err);
    }
    store_messages_free(&one);
    return status;
}

/* ---- what runs ---- */

hearth_status serve_answers_end(gateway_call *c, hearth_error *err)
{
    int64_t chat;
    TRY(call_id(c, &chat, err));
    bool stopped = answers_stop(c->g->answers, chat);
    return call_json(c, json_pack("{s:b}", "stopped", (int)stopped), err);
}

hearth_status serve_answers_stream(gateway_call *c, hearth_error *err)
{
    int64_t chat;
    TRY(call_id(c, &chat, err));
    return answers_watch(c, chat, err);
}

hearth_status serve_answers_title(gateway_call *c, hearth_error *err)
{
    int64_t chat;
    const char *wanted = NULL;
    char model[LIBRARY_NAME_MAX + 1], title[TITLE_BYTES];
    TRY(call_id(c, &chat, err));
    TRY(call_unpack(c, err, "{s?:s}", "model", &wanted));
    TRY(choose_model(c, chat, wanted, model, err));
    TRY(title_make(c->g, chat, model, call_is_wanted, (void *)(uintptr_t)c->q, title, &c->failure,
                   err));
    return call_json(c, json_pack("{s:s}", "title", title), err);
}
