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

/* ---- setup ---- */

static hearth_status read_variables(chat_setup *s, const worker_flags *flags, hearth_error *err)
{
    const char *effort = flags->reasoning_effort;
    json_error_t problem;
    s->variables = json_loads(flags->template_kwargs ? flags->template_kwargs : "{}",
                              JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(s->variables))
        FAIL(err, EINVAL, "--chat-template-kwargs",
             "--chat-template-kwargs must be a JSON object, as {\"enable_thinking\": false}");
    if (effort && strcmp(effort, "default") != 0 &&
        json_object_set_new(s->variables, "reasoning_effort", json_string(effort)) != 0)
        FAIL(err, EINVAL, "--reasoning-effort", "--reasoning-effort: '%.64s' is no text", effort);
    return HEARTH_OK;
}

static hearth_status piece(const hearth_model *model, int32_t token, char **out, hearth_error *err)
{
    size_t n;
    return token >= 0 ? hearth_token_piece(model, token, out, &n, err) : HEARTH_OK;
}

/* The template of a flag: whoever gives one wants it, and not an engine without chats. */
static hearth_status open_template(chat_setup *s, const char *flag, hearth_error *err)
{
    hearth_error e;
    size_t n = strlen(s->source);
    hearth_status status = hearth_chat_template_new(&s->jinja, s->source, n, &e);
    if (status == HEARTH_OK)
        status = hearth_chat_style_learn(&s->style, s->jinja, s->source, n, &e);
    if (status == HEARTH_OK || status == HEARTH_ENOMEM) {
        *err = e;
        return status;
    }
    FAIL(err, EINVAL, flag, "%s: %s", flag, e.message);
}

hearth_status chat_setup_init(chat_setup *s, const worker_flags *flags, hearth_error *err)
{
    const char *text = flags->chat_template;
    size_t n;
    if (text && flags->chat_template_file)
        FAIL(err, EINVAL, "--chat-template",
             "--chat-template and --chat-template-file exclude each other");
    if (text && strchr(text, '{') == NULL)
        TRY(hearth_chat_template_named(text, &text, err));
    if (flags->chat_template_file)
        TRY(file_read_all(flags->chat_template_file, TEMPLATE_MAX, &s->from_file, &n, err));
    s->source = s->from_file ? s->from_file : text;
    if (s->source)
        TRY(open_template(s, flags->chat_template_file ? "--chat-template-file" : "--chat-template",
                          err));
    return read_variables(s, flags, err);
}

/* Whether the template writes what a system message says. */
static bool writes_system(const chat_setup *s)
{
    static const char talk[] = "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
                               "{\"role\":\"user\",\"content\":\"Hello.\"}],"
                               "\"add_generation_prompt\":true}";
    hearth_error ignored;
    char *text = NULL;
    size_t n;
    bool found = hearth_chat_template_render(s->jinja, talk, sizeof talk - 1, NULL, &text, &n,
                                             &ignored) == HEARTH_OK &&
                 strstr(text, "Be brief.");
    hearth_free(text);
    return found;
}

/* llama-server's chat_template_caps, out of what the style has learned. */
static hearth_status read_caps(chat_setup *s, hearth_error *err)
{
    char *text = NULL;
    TRY(hearth_chat_style_describe(s->style, &text, err));
    json_t *d = json_loads(text, 0, NULL);
#define IS(key) json_is_true(json_object_get(d, key))
    s->caps =
        json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "supports_tools", IS("native_tools"),
                  "supports_tool_calls", IS("native_calls"), "supports_parallel_tool_calls",
                  IS("native_calls") && !IS("one_call"), "supports_object_arguments",
                  !IS("arguments_as_text"), "supports_preserve_reasoning", IS("reasoning"),
                  "supports_system_role", writes_system(s), "supports_string_content", 1,
                  "supports_typed_content", 0);
    s->no_thoughts = !IS("reasoning") && strstr(s->source, "enable_thinking") == NULL &&
                     strstr(s->source, "reasoning_effort") == NULL;
#undef IS
    json_decref(d);
    hearth_free(text);
    return s->caps ? HEARTH_OK : error_no_memory(err, "the chat template", 1);
}

/* What the model's file has. Nothing stands in for a template that it has not: a model that reads
 * another format than it was trained with answers, but badly. */
static void open_own(chat_setup *s, const hearth_model *model)
{
    s->source = hearth_model_get_info(model)->chat_template;
    if (s->source == NULL) {
        hearth_error known;
        const char *none;
        hearth_chat_template_named("", &none, &known); /* its message ends in the names */
        const char *names = strchr(known.message, ':');
        error_set(&s->problem, HEARTH_EFORMAT, "chat_template",
                  "the model has no chat template; start with --chat-template chatml or one of%s",
                  names ? names : "");
        return;
    }
    size_t n = strlen(s->source);
    if (hearth_chat_template_new(&s->jinja, s->source, n, &s->problem) == HEARTH_OK)
        hearth_chat_style_learn(&s->style, s->jinja, s->source, n, &s->problem);
}

hearth_status chat_setup_open(chat_setup *s, const hearth_model *model, const hearth_log *log,
                              hearth_error *err)
{
    hearth_special_tokens special;
    TRY(hearth_model_special_tokens(model, &special, err));
    TRY(piece(model, special.bos, &s->bos, err));
    TRY(piece(model, special.eos, &s->eos, err));
    if (s->source == NULL)
        open_own(s, model);
    if (s->problem.code == HEARTH_OK)
        return read_caps(s, err);
    if (hearth_model_get_info(model)->causal)
        log_write(log, HEARTH_LOG_WARNING, "no chats: %s", s->problem.message);
    return HEARTH_OK;
}

void chat_setup_deinit(chat_setup *s)
{
    hearth_chat_style_free(s->style);
    hearth_chat_template_free(s->jinja);
    json_decref(s->variables);
    json_decref(s->caps);
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
    if (ok)
        ok = json_object_update(context, s->variables) == 0;
    if (ok && chat->template_kwargs)
        ok = json_object_update(context, chat->template_kwargs) == 0;
    if (ok)
        return context;
    json_decref(context);
    return NULL;
}

static hearth_status render(worker_prompt *p, const chat_setup *s, const hearth_model *model,
                            const json_t *context, hearth_error *err)
{
    char *prepared = NULL;
    int32_t *tokens = NULL;
    size_t n = 0;
    char *json = json_dumps(context, JSON_COMPACT);
    if (json == NULL)
        return error_no_memory(err, "the conversation", 1);
    hearth_status status = hearth_chat_style_prepare(s->style, json, strlen(json), &prepared, err);
    if (status == HEARTH_OK)
        status = hearth_chat_tokenize(s->jinja, model, prepared, strlen(prepared), NULL, &tokens,
                                      &n, &p->text, &p->n_text, err);
    if (status == HEARTH_OK)
        status = token_list_add(&p->tokens, tokens, n, err);
    hearth_free(tokens);
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

/* Where the last message's text ends in the prompt; 0 if it is not there. Blanks around it are the
 * template's to keep or drop. */
static size_t end_of(const worker_prompt *p, const char *content)
{
    const char *blanks = " \t\r\n";
    size_t skip = strspn(content, blanks), n = strlen(content);
    while (n > skip && strchr(blanks, content[n - 1]))
        n--;
    n -= skip;
    for (size_t at = p->n_text; n > 0 && at-- > 0;) {
        if (at + n <= p->n_text && memcmp(p->text + at, content + skip, n) == 0)
            return at + n;
    }
    return 0;
}

/* Takes off what the template writes behind the last message. A token that reaches across the cut
 * is taken off whole, and its part of the message is tokenized again. */
static hearth_status cut_at(worker_prompt *p, const hearth_model *model, size_t end,
                            hearth_error *err)
{
    size_t n_cut = p->n_text - end, n_taken = 0;
    while (n_taken < n_cut && p->tokens.n > 0) {
        char *bytes = NULL;
        size_t n = 0;
        TRY(hearth_token_piece(model, p->tokens.tokens[--p->tokens.n], &bytes, &n, err));
        hearth_free(bytes);
        n_taken += n;
    }
    size_t n_again = n_taken > n_cut ? n_taken - n_cut : 0;
    p->n_text = end;
    p->text[end] = '\0';
    if (n_again == 0 || n_again > end)
        return HEARTH_OK;
    return token_list_add_text(&p->tokens, model, p->text + end - n_again, n_again, 0, err);
}

static hearth_status go_on_with_last(worker_prompt *p, const hearth_model *model, const request *r,
                                     hearth_error *err)
{
    const char *content = final_content(r);
    size_t end = content ? end_of(p, content) : 0;
    if (end == 0)
        FAIL(err, EINVAL, "continue_final_message",
             "continue_final_message: the chat template does not repeat the last message, or it is "
             "empty");
    return cut_at(p, model, end, err);
}

/* Where the prompt opens thoughts although there shall be none: not every template asks. What the
 * model opens by itself is ended when it comes (answer_thought.c). */
static hearth_status close_thoughts(worker_prompt *p, const chat_setup *s,
                                    const hearth_model *model, hearth_error *err)
{
    hearth_chat_format_options o;
    hearth_chat_format *format = NULL;
    hearth_status status = HEARTH_OK;
    hearth_chat_format_options_init(&o);
    o.prompt = p->text;
    o.n_prompt = p->n_text;
    TRY(hearth_chat_format_new(&format, s->style, &o, err));
    const char *end = hearth_chat_format_reasoning_end(format);
    if (!hearth_chat_format_reasoning_open(format) || end == NULL)
        goto out;
    size_t n = strlen(end);
    char *text = mem_realloc_array(p->text, p->n_text + n + 1, 1);
    if (text == NULL) {
        status = error_no_memory(err, "the prompt", p->n_text + n);
        goto out;
    }
    memcpy(text + p->n_text, end, n + 1);
    p->text = text;
    p->n_text += n;
    status = token_list_add_text(&p->tokens, model, end, n, HEARTH_TOKENIZE_PARSE_SPECIAL, err);
out:
    hearth_chat_format_free(format);
    return status;
}

hearth_status worker_prompt_init(worker_prompt *p, const chat_setup *s, const hearth_model *model,
                                 const request *r, hearth_error *err)
{
    bool goes_on = r->chat.continue_final_message;
    *p = (worker_prompt){0};
    if (s->problem.code != HEARTH_OK) {
        *err = s->problem;
        return err->code;
    }
    json_t *context = make_context(s, r, !goes_on && r->chat.add_generation_prompt);
    if (context == NULL)
        return error_no_memory(err, "the conversation", 1);
    p->no_thoughts = json_is_false(json_object_get(context, "enable_thinking"));
    hearth_status status = render(p, s, model, context, err);
    json_decref(context);
    if (status == HEARTH_OK && goes_on)
        return go_on_with_last(p, model, r, err);
    if (status == HEARTH_OK && p->no_thoughts && r->chat.add_generation_prompt)
        return close_thoughts(p, s, model, err);
    return status;
}

void worker_prompt_deinit(worker_prompt *p)
{
    hearth_free(p->text);
    token_list_deinit(&p->tokens);
}

/* ---- the answer's format ---- */

hearth_status chat_format_of(const chat_setup *s, const request *r, const worker_prompt *p,
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
        /* The grammar of the calls becomes a part of the answer's, which holds from its start. */
        if (o.choice == HEARTH_TOOL_AUTO && r->options.constraint != CONSTRAINT_NONE)
            o.choice = HEARTH_TOOL_REQUIRED;
        o.tool_name = r->chat.tool_name;
    }
    o.parallel = r->chat.parallel_tool_calls;
    o.reasoning = r->options.reasoning == REASONING_NONE   ? HEARTH_REASONING_NONE
                  : r->options.reasoning == REASONING_AUTO ? HEARTH_REASONING_AUTO
                                                           : HEARTH_REASONING_SPLIT;
    o.prompt = p->text;
    o.n_prompt = p->n_text;
    o.id_seed = (uint64_t)entropy_u32() << 32 | entropy_u32();
    hearth_status status = hearth_chat_format_new(out, s->style, &o, err);
    free(tools);
    return status == HEARTH_OK ? status : request_own_error(r, err);
}

/* ---- routes ---- */

hearth_status worker_template(worker_call *c, hearth_error *err)
{
    worker_prompt prompt;
    hearth_status status = worker_prompt_init(&prompt, &c->w->chat, c->w->model, c->r, err);
    if (status == HEARTH_OK)
        status = response_template(prompt.text, prompt.n_text, &c->reply->body, err);
    worker_prompt_deinit(&prompt);
    return status;
}

hearth_status worker_count(worker_call *c, hearth_error *err)
{
    worker_prompt prompt;
    hearth_status status = worker_prompt_init(&prompt, &c->w->chat, c->w->model, c->r, err);
    if (status == HEARTH_OK)
        status = response_count(c->r, prompt.tokens.n, &c->reply->body, err);
    worker_prompt_deinit(&prompt);
    return status;
}

hearth_status worker_chat(worker_call *c, hearth_error *err)
{
    const chat_setup *s = &c->w->chat;
    hearth_chat_format *format = NULL;
    worker_prompt prompt;
    answer *a = NULL;
    uint32_t n_choices = request_n_choices(c->r);
    hearth_status status = worker_prompt_init(&prompt, s, c->w->model, c->r, err);
    if (status != HEARTH_OK)
        goto out;
    if (prompt.tokens.n == 0)
        FAIL_OUT(err, EINVAL, "messages",
                 "messages: the chat template makes an empty prompt of them; send some text");
    TRY_OUT(chat_format_of(s, c->r, &prompt, &format, err));
    TRY_OUT(answer_new(&a, c, err));
    answer_set_format(a, format, prompt.no_thoughts);
    format = NULL;
    for (uint32_t i = 0; i < n_choices; i++)
        TRY_OUT(answer_add(a, c, &prompt.tokens, err));
    status = answer_respond(a, c, err);
    a = NULL;
out:
    answer_free(a);
    hearth_chat_format_free(format);
    worker_prompt_deinit(&prompt);
    return status;
}
