/* SPDX-License-Identifier: MIT
 *
 * op_text.c - prompts, tokens and files: tokenize, detokenize, saveState, loadState.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define V(j, name) (&(j)->p.values[PARAM_##name])

static unsigned flags_of(const job *j)
{
    return (V(j, addSpecial)->number != 0 ? HEARTH_TOKENIZE_ADD_SPECIAL : 0u) |
           (V(j, parseSpecial)->number != 0 ? HEARTH_TOKENIZE_PARSE_SPECIAL : 0u);
}

hearth_status job_prompt(job *j, const int32_t **tokens, size_t *n, hearth_error *err)
{
    const param_value *text = V(j, input), *given = V(j, tokens);
    if (text->given == given->given)
        return fail(err, HEARTH_EINVAL, "input", "%s: give either input or tokens", j->op->name);
    if (given->given) {
        *tokens = given->tokens;
        *n = given->n;
        return HEARTH_OK;
    }
    hearth_status status =
        hearth_tokenize(j->c->model, text->text, text->n, flags_of(j), &j->tokens, n, err);
    *tokens = j->tokens;
    return status;
}

/* {variables..., "messages": ..., "tools": ...}: of two members with one name the last holds. */
char *job_conversation(const job *j)
{
    const param_value *variables = V(j, templateVariables), *tools = V(j, tools);
    const char *inner = "", *messages = V(j, messages)->text;
    size_t n_inner = 0;
    if (variables->given && variables->n > 2 && variables->text[0] == '{') {
        inner = variables->text + 1;
        n_inner = variables->n - 2;
    }
    size_t n = n_inner + strlen(messages) + tools->n + 64;
    char *text = malloc(n);
    if (text)
        snprintf(text, n, "{%.*s%s\"messages\":%s%s%s}", (int)n_inner, inner, n_inner ? "," : "",
                 messages, tools->given ? ",\"tools\":" : "", tools->given ? tools->text : "");
    return text;
}

/* ---- tokenize, detokenize ---- */

hearth_status work_tokenize(job *j, hearth_error *err)
{
    const param_value *text = V(j, input);
    if (!text->given)
        return fail(err, HEARTH_EINVAL, "input", "tokenize: give a text");
    return hearth_tokenize(j->c->model, text->text, text->n, flags_of(j), &j->tokens, &j->n_tokens,
                           err);
}

static void free_hearth(napi_env env, void *data, void *hint)
{
    (void)env;
    (void)hint;
    hearth_free(data);
}

napi_value give_tokens(napi_env env, job *j)
{
    napi_value buffer = value_buffer(env, j->tokens, j->n_tokens * sizeof *j->tokens, free_hearth);
    j->tokens = NULL;
    return value_array(env, napi_int32_array, buffer, 0, j->n_tokens);
}

hearth_status work_detokenize(job *j, hearth_error *err)
{
    const param_value *tokens = V(j, tokens);
    if (!tokens->given)
        return fail(err, HEARTH_EINVAL, "tokens", "detokenize: give tokens");
    return hearth_detokenize(j->c->model, tokens->tokens, tokens->n, V(j, special)->number != 0,
                             &j->text, &j->n_text, err);
}

napi_value give_text(napi_env env, job *j)
{
    return value_text(env, j->text, j->n_text);
}

/* ---- state files ---- */

/* Reads a prompt, so that the prefix cache has it. *out is the caller's. */
static hearth_status read_prompt(job *j, hearth_text **out, hearth_error *err)
{
    hearth_request_options o;
    hearth_request *request = NULL;
    hearth_request_event e = {.type = HEARTH_REQUEST_NONE};
    char *conversation = NULL;
    hearth_status status;
    hearth_request_options_init(&o);
    o.max_tokens = 0;
    if (!V(j, messages)->given)
        status = job_prompt(j, &o.tokens, &o.n_tokens, err);
    else if (j->c->chat == NULL)
        status = fail(err, j->c->chat_problem.code, "messages", "%s", j->c->chat_problem.message);
    else if ((conversation = job_conversation(j)) == NULL)
        status = fail(err, HEARTH_ENOMEM, "messages", "saveState: out of memory");
    else
        status = hearth_chat_prompt(j->c->chat, conversation, strlen(conversation), &j->tokens,
                                    &o.n_tokens, NULL, NULL, err);
    if (conversation)
        o.tokens = j->tokens;
    if (status == HEARTH_OK)
        status = hearth_engine_submit(j->c->engine, &o, &request, err);
    if (status == HEARTH_OK) {
        pthread_mutex_lock(&j->lock);
        j->request = request;
        if (atomic_load(&j->canceled))
            hearth_request_cancel(request);
        pthread_mutex_unlock(&j->lock);
        while (status == HEARTH_OK && e.type != HEARTH_REQUEST_DONE)
            status = hearth_request_next(request, -1, &e, err);
        pthread_mutex_lock(&j->lock);
        j->request = NULL;
        pthread_mutex_unlock(&j->lock);
    }
    if (status == HEARTH_OK)
        status = hearth_request_text(request, out, err);
    hearth_request_free(request);
    free(conversation);
    return status;
}

hearth_status work_save(job *j, hearth_error *err)
{
    hearth_text *text = NULL;
    hearth_status status = HEARTH_OK;
    if (!V(j, path)->given)
        return fail(err, HEARTH_EINVAL, "path", "saveState: give the path of the file");
    if (V(j, input)->given || V(j, tokens)->given || V(j, messages)->given) {
        status = read_prompt(j, &text, err);
    } else {
        pthread_mutex_lock(&j->c->lock);
        text = j->c->last ? hearth_text_ref(j->c->last) : NULL;
        pthread_mutex_unlock(&j->c->lock);
        if (text == NULL)
            status = fail(err, HEARTH_EINVAL, "input",
                          "saveState: nothing was written yet; generate first, or give input or "
                          "messages");
    }
    if (status == HEARTH_OK)
        status = hearth_engine_save(j->c->engine, text, V(j, path)->text, &j->counts, err);
    hearth_text_free(text);
    return status;
}

hearth_status work_load(job *j, hearth_error *err)
{
    hearth_text *text = NULL;
    if (!V(j, path)->given)
        return fail(err, HEARTH_EINVAL, "path", "loadState: give the path of the file");
    hearth_status status =
        hearth_engine_load(j->c->engine, V(j, path)->text, &text, &j->counts, err);
    if (status != HEARTH_OK)
        return status;
    pthread_mutex_lock(&j->c->lock);
    hearth_text *old = j->c->last;
    j->c->last = text;
    pthread_mutex_unlock(&j->c->lock);
    hearth_text_free(old);
    return HEARTH_OK;
}

napi_value give_counts(napi_env env, job *j)
{
    napi_value to = value_object(env);
    set_number(env, to, "tokens", (double)j->counts.n_tokens);
    set_number(env, to, "bytes", (double)j->counts.n_bytes);
    return to;
}

napi_value give_nothing(napi_env env, job *j)
{
    napi_value value = NULL;
    (void)j;
    napi_get_undefined(env, &value);
    return value;
}
