/* SPDX-License-Identifier: MIT
 *
 * chat_prompt.c - the chat of a model: its template, what the template teaches, and prompts made
 * with both.
 */
#include "engine/chat_prompt.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/model.h"

static hearth_status fail_without_template(hearth_error *err)
{
    hearth_error known;
    const char *source;
    hearth_chat_template_named("", &source, &known); /* its message ends in the names */
    const char *names = strchr(known.message, ':');
    FAIL(err, EUNSUPPORTED, "chat_template",
         "the model has no chat template; give one, or the name of a known one%s",
         names ? names : "");
}

/* A name stands for its template. Nothing is guessed for a model without one: written in another
 * format than it was trained with it answers, but badly, and nobody knows why. */
static hearth_status choose_source(const hearth_model *model, const char **source, size_t *n,
                                   hearth_error *err)
{
    char name[32];
    if (*source == NULL) {
        *source = model->info.chat_template;
        if (*source == NULL)
            return fail_without_template(err);
    } else if (*n > 0 && memchr(*source, '{', *n) == NULL) {
        size_t n_name = *n < sizeof name ? *n : sizeof name - 1;
        memcpy(name, *source, n_name);
        name[n_name] = '\0';
        TRY(hearth_chat_template_named(name, source, err));
    } else {
        return HEARTH_OK;
    }
    *n = strlen(*source);
    return HEARTH_OK;
}

hearth_status hearth_chat_new(hearth_chat **out, const hearth_model *model, const char *source,
                              size_t n_source, hearth_error *err)
{
    *out = NULL;
    if (model->t == NULL)
        FAIL(err, EINVAL, "scope", "the model was opened without its tokenizer, or has none");
    TRY(choose_source(model, &source, &n_source, err));
    hearth_chat *chat = mem_calloc(1, sizeof *chat);
    if (chat == NULL)
        return error_no_memory(err, "a chat", sizeof *chat);
    chat->model = model;
    hearth_status status = hearth_chat_template_new(&chat->jinja, source, n_source, err);
    if (status == HEARTH_OK)
        status = hearth_chat_style_learn(&chat->style, chat->jinja, source, n_source, err);
    if (status == HEARTH_OK)
        *out = chat;
    else
        hearth_chat_free(chat);
    return status;
}

void hearth_chat_free(hearth_chat *chat)
{
    if (chat == NULL)
        return;
    hearth_chat_style_free(chat->style);
    hearth_chat_template_free(chat->jinja);
    mem_free(chat);
}

const hearth_chat_template *hearth_chat_get_template(const hearth_chat *chat)
{
    return chat->jinja;
}

const hearth_chat_style *hearth_chat_get_style(const hearth_chat *chat)
{
    return chat->style;
}

/* ---- prompts ---- */

static hearth_status write_json(const json_t *value, const char *what, buf *out, hearth_error *err)
{
    if (!json_write(out, value, JSON_COMPACT | JSON_ENCODE_ANY))
        return error_no_memory(err, what, out->n);
    return HEARTH_OK;
}

/* The variable's value, which is taken, unless the conversation has one. */
static hearth_status set_default(json_t *context, const char *name, json_t *value,
                                 hearth_error *err)
{
    if (json_object_get(context, name)) {
        json_decref(value);
        return HEARTH_OK;
    }
    return json_object_set_new(context, name, value) == 0 ? HEARTH_OK
                                                          : error_no_memory(err, name, 1);
}

/* No tools and an empty list of them are the same: templates ask for the variable alone. */
static hearth_status take_tools(json_t *context, buf *tools, hearth_error *err)
{
    json_t *list = json_object_get(context, "tools");
    if (list && !json_is_null(list) && (!json_is_array(list) || json_array_size(list) > 0))
        return write_json(list, "the tools", tools, err);
    json_object_del(context, "tools");
    return HEARTH_OK;
}

hearth_status chat_prompt_make(chat_prompt *p, const hearth_chat *chat, const char *conversation,
                               size_t n_conversation, bool no_thoughts, hearth_error *err)
{
    json_t *context = NULL;
    char *prepared = NULL;
    hearth_status status = HEARTH_OK;
    buf text;
    *p = (chat_prompt){0};
    buf_init(&p->tools, 0);
    buf_init(&text, 0);
    TRY_OUT(json_read(&context, conversation, n_conversation, JSON_ALLOW_NUL, "conversation", err));
    if (!json_is_object(context))
        FAIL_OUT(err, EINVAL, "conversation",
                 "the conversation is no JSON object; give {\"messages\": [...]}");
    if (!json_is_array(json_object_get(context, "messages")))
        FAIL_OUT(err, EINVAL, "messages", "messages: the conversation has no array of messages");
    TRY_OUT(set_default(context, "add_generation_prompt", json_true(), err));
    if (no_thoughts)
        TRY_OUT(set_default(context, "enable_thinking", json_false(), err));
    p->no_thoughts = json_is_false(json_object_get(context, "enable_thinking"));
    TRY_OUT(take_tools(context, &p->tools, err));
    TRY_OUT(write_json(context, "the conversation", &text, err));
    TRY_OUT(hearth_chat_style_prepare(chat->style, text.data, text.n, &prepared, err));
    status = hearth_chat_tokenize(chat->jinja, chat->model, prepared, strlen(prepared), NULL,
                                  &p->tokens, &p->n_tokens, &p->text, &p->n_text, err);
out:
    json_decref(context);
    hearth_free(prepared);
    buf_deinit(&text);
    if (status != HEARTH_OK)
        chat_prompt_deinit(p);
    return status;
}

void chat_prompt_deinit(chat_prompt *p)
{
    hearth_free(p->tokens);
    hearth_free(p->text);
    buf_deinit(&p->tools);
    p->tokens = NULL;
    p->text = NULL;
}

hearth_status hearth_chat_prompt(const hearth_chat *chat, const char *conversation,
                                 size_t n_conversation, int32_t **tokens, size_t *n_tokens,
                                 char **text, size_t *n_text, hearth_error *err)
{
    chat_prompt p;
    *tokens = NULL;
    *n_tokens = 0;
    if (text)
        *text = NULL;
    TRY(chat_prompt_make(&p, chat, conversation, n_conversation, false, err));
    *tokens = p.tokens;
    *n_tokens = p.n_tokens;
    p.tokens = NULL;
    if (text) {
        *text = p.text;
        *n_text = p.n_text;
        p.text = NULL;
    }
    chat_prompt_deinit(&p);
    return HEARTH_OK;
}
