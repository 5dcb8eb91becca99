/* SPDX-License-Identifier: MIT
 *
 * chat.c - see chat.h.
 */
#include "worker/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/entropy.h"
#include "os/file.h"
#include "worker/answer.h"

enum { TEMPLATE_MAX = 4 << 20 };

/* What a model without a template is taken to speak. */
static const char chatml[] =
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}";

/* ---- setup ---- */

static hearth_status read_variables(chat_setup *s, const char *text, hearth_error *err)
{
    json_error_t problem;
    if (text == NULL)
        return HEARTH_OK;
    s->variables = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(s->variables))
        FAIL(err, EINVAL, "--chat-template-kwargs",
             "--chat-template-kwargs must be a JSON object, as {\"enable_thinking\": false}");
    return HEARTH_OK;
}

static hearth_status piece(const hearth_model *model, int32_t token, char **out, hearth_error *err)
{
    size_t n;
    return token >= 0 ? hearth_token_piece(model, token, out, &n, err) : HEARTH_OK;
}

hearth_status chat_setup_init(chat_setup *s, const worker_flags *flags, hearth_error *err)
{
    const char *text = flags->chat_template;
    size_t n;
    if (text && flags->chat_template_file)
        FAIL(err, EINVAL, "--chat-template",
             "--chat-template and --chat-template-file exclude each other");
    if (text && strcmp(text, "chatml") == 0)
        text = chatml;
    if (text && strchr(text, '{') == NULL)
        FAIL(err, EINVAL, "--chat-template",
             "--chat-template: '%.64s' is no template; give its Jinja text, or chatml", text);
    if (flags->chat_template_file)
        TRY(file_read_all(flags->chat_template_file, TEMPLATE_MAX, &s->from_file, &n, err));
    s->source = s->from_file ? s->from_file : text;
    return read_variables(s, flags->template_kwargs, err);
}

hearth_status chat_setup_open(chat_setup *s, const hearth_model *model, const hearth_log *log,
                              hearth_error *err)
{
    hearth_special_tokens special;
    TRY(hearth_model_special_tokens(model, &special, err));
    TRY(piece(model, special.bos, &s->bos, err));
    TRY(piece(model, special.eos, &s->eos, err));
    if (s->source == NULL)
        s->source = hearth_model_get_info(model)->chat_template;
    if (s->source == NULL) {
        log_write(log, HEARTH_LOG_WARNING,
                  "the model has no chat template; chats are written as ChatML");
        s->source = chatml;
    }
    size_t n = strlen(s->source);
    hearth_status status = hearth_chat_template_new(&s->jinja, s->source, n, &s->problem);
    if (status == HEARTH_OK)
        status = hearth_chat_style_learn(&s->style, s->jinja, s->source, n, &s->problem);
    if (status != HEARTH_OK)
        log_write(log, HEARTH_LOG_WARNING, "no chats: %s", s->problem.message);
    return HEARTH_OK;
}

void chat_setup_deinit(chat_setup *s)
{
    hearth_chat_style_free(s->style);
    hearth_chat_template_free(s->jinja);
    json_decref(s->variables);
    hearth_free(s->bos);
    hearth_free(s->eos);
    mem_free(s->from_file);
}

/* ---- the context of a template ---- */

/* Takes value; false: out of memory. */
static bool put(json_t *context, const char *name, json_t *value)
{
    return value && json_object_set_new(context, name, value) == 0;
}

static json_t *make_context(const chat_setup *s, const request *r, bool prompts)
{
    const request_chat *chat = &r->chat;
    json_t *context = json_object();
    bool ok = context != NULL && put(context, "messages", json_incref(chat->messages));
    if (ok && chat->tools && json_array_size(chat->tools) > 0)
        ok = put(context, "tools", json_incref(chat->tools));
    ok = ok && put(context, "add_generation_prompt", json_boolean(prompts));
    ok = ok && put(context, "bos_token", json_string(s->bos ? s->bos : ""));
    ok = ok && put(context, "eos_token", json_string(s->eos ? s->eos : ""));
    if (ok && r->options.thinking != SWITCH_DEFAULT)
        ok = put(context, "enable_thinking", json_boolean(r->options.thinking == SWITCH_ON));
    else if (ok && r->options.reasoning_budget_tokens == 0)
        ok = put(context, "enable_thinking", json_false());
    if (ok && s->variables)
        ok = json_object_update(context, s->variables) == 0;
    if (ok && chat->template_kwargs)
        ok = json_object_update(context, chat->template_kwargs) == 0;
    if (ok)
        return context;
    json_decref(context);
    return NULL;
}

static hearth_status render(const chat_setup *s, const json_t *context, char **text, size_t *n,
                            hearth_error *err)
{
    char *prepared = NULL;
    char *json = json_dumps(context, JSON_COMPACT);
    if (json == NULL)
        return error_no_memory(err, "the conversation", 1);
    hearth_status status = hearth_chat_style_prepare(s->style, json, strlen(json), &prepared, err);
    if (status == HEARTH_OK)
        status =
            hearth_chat_template_render(s->jinja, prepared, strlen(prepared), NULL, text, n, err);
    hearth_free(prepared);
    free(json);
    return status;
}

/* ---- answers that are gone on with ---- */

static const char *final_content(const request *r)
{
    size_t n = json_array_size(r->chat.messages);
    json_t *last = n > 0 ? json_array_get(r->chat.messages, n - 1) : NULL;
    return json_string_value(json_object_get(last, "content"));
}

/* Cuts the prompt behind the last message's text: what the template writes there ends the message.
 * Blanks around the text are the template's to keep or drop. */
static hearth_status cut_after(const char *content, char *text, size_t *n, hearth_error *err)
{
    const char *blanks = " \t\r\n";
    size_t skip = strspn(content, blanks), n_content = strlen(content);
    while (n_content > skip && strchr(blanks, content[n_content - 1]))
        n_content--;
    n_content -= skip;
    for (size_t at = *n; n_content > 0 && at-- > 0;) {
        if (at + n_content <= *n && memcmp(text + at, content + skip, n_content) == 0) {
            *n = at + n_content;
            text[*n] = '\0';
            return HEARTH_OK;
        }
    }
    FAIL(err, EINVAL, "continue_final_message",
         "continue_final_message: the chat template does not repeat the last message, or it is "
         "empty");
}

hearth_status chat_render(const chat_setup *s, const request *r, char **text, size_t *n,
                          hearth_error *err)
{
    bool goes_on = r->chat.continue_final_message;
    if (s->problem.code != HEARTH_OK) {
        *err = s->problem;
        return err->code;
    }
    json_t *context = make_context(s, r, !goes_on && r->chat.add_generation_prompt);
    if (context == NULL)
        return error_no_memory(err, "the conversation", 1);
    *text = NULL;
    hearth_status status = render(s, context, text, n, err);
    json_decref(context);
    if (status == HEARTH_OK && goes_on) {
        const char *content = final_content(r);
        status = cut_after(content ? content : "", *text, n, err);
    }
    if (status != HEARTH_OK) {
        hearth_free(*text);
        *text = NULL;
    }
    return status;
}

/* ---- the answer's format ---- */

hearth_status chat_format_of(const chat_setup *s, const request *r, const char *text, size_t n,
                             hearth_chat_format **out, hearth_error *err)
{
    static const hearth_tool_choice choices[] = {
        [TOOL_CHOICE_AUTO] = HEARTH_TOOL_AUTO,
        [TOOL_CHOICE_NONE] = HEARTH_TOOL_NONE,
        [TOOL_CHOICE_REQUIRED] = HEARTH_TOOL_REQUIRED,
        [TOOL_CHOICE_NAMED] = HEARTH_TOOL_NAMED,
    };
    hearth_chat_format_options o;
    char *tools = NULL;
    hearth_chat_format_options_init(&o);
    if (r->chat.tools && json_array_size(r->chat.tools) > 0) {
        tools = json_dumps(r->chat.tools, JSON_COMPACT);
        if (tools == NULL)
            return error_no_memory(err, "the tools", 1);
        o.tools = tools;
        o.n_tools_bytes = strlen(tools);
        o.choice = choices[r->chat.choice];
        o.tool_name = r->chat.tool_name;
    }
    o.parallel = r->chat.parallel_tool_calls;
    o.reasoning = r->options.reasoning == REASONING_NONE   ? HEARTH_REASONING_NONE
                  : r->options.reasoning == REASONING_AUTO ? HEARTH_REASONING_AUTO
                                                           : HEARTH_REASONING_SPLIT;
    o.prompt = text;
    o.n_prompt = n;
    o.id_seed = (uint64_t)entropy_u32() << 32 | entropy_u32();
    hearth_status status = hearth_chat_format_new(out, s->style, &o, err);
    free(tools);
    return status;
}

hearth_status chat_tokens(const chat_setup *s, const hearth_model *model, const char *text,
                          size_t n, token_list *out, hearth_error *err)
{
    unsigned flags = HEARTH_TOKENIZE_PARSE_SPECIAL | HEARTH_TOKENIZE_ADD_SPECIAL;
    size_t n_bos = s->bos ? strlen(s->bos) : 0;
    if (n_bos > 0 && n >= n_bos && memcmp(text, s->bos, n_bos) == 0)
        flags = HEARTH_TOKENIZE_PARSE_SPECIAL;
    return token_list_add_text(out, model, text, n, flags, err);
}

/* ---- routes ---- */

hearth_status worker_template(worker_call *c, hearth_error *err)
{
    char *text = NULL;
    size_t n = 0;
    TRY(chat_render(&c->w->chat, c->r, &text, &n, err));
    hearth_status status = response_template(text, n, &c->reply->body, err);
    hearth_free(text);
    return status;
}

hearth_status worker_count(worker_call *c, hearth_error *err)
{
    const chat_setup *s = &c->w->chat;
    token_list list = {0};
    char *text = NULL;
    size_t n = 0;
    hearth_status status = HEARTH_OK;
    TRY_OUT(chat_render(s, c->r, &text, &n, err));
    TRY_OUT(chat_tokens(s, c->w->model, text, n, &list, err));
    status = response_count(c->r, list.n, &c->reply->body, err);
out:
    hearth_free(text);
    token_list_deinit(&list);
    return status;
}

hearth_status worker_chat(worker_call *c, hearth_error *err)
{
    const chat_setup *s = &c->w->chat;
    hearth_chat_format *format = NULL;
    token_list prompt = {0};
    answer *a = NULL;
    char *text = NULL;
    size_t n = 0;
    hearth_status status = HEARTH_OK;
    uint32_t n_choices = request_n_choices(c->r);
    TRY_OUT(chat_render(s, c->r, &text, &n, err));
    TRY_OUT(chat_format_of(s, c->r, text, n, &format, err));
    TRY_OUT(chat_tokens(s, c->w->model, text, n, &prompt, err));
    TRY_OUT(answer_new(&a, c, err));
    answer_set_format(a, format);
    format = NULL;
    for (uint32_t i = 0; i < n_choices; i++)
        TRY_OUT(answer_add(a, c, &prompt, err));
    status = answer_respond(a, c, err);
    a = NULL;
out:
    answer_free(a);
    hearth_chat_format_free(format);
    token_list_deinit(&prompt);
    hearth_free(text);
    return status;
}
