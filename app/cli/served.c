/* SPDX-License-Identifier: MIT
 *
 * served.c - see served.h.
 */
#include "cli/served.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/ask.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "gateway/chunks.h"

/* ---- which models ---- */

/* What may stand in a query as it is: names of models have little else. */
static bool is_plain(const char *name)
{
    return name[0] && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789-_.:/@")] == '\0';
}

static bool can(const json_t *model, const char *what)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(model, "capabilities"), i, one)
    {
        if (strcmp(json_string_value(one), what) == 0)
            return true;
    }
    return false;
}

served_model served_find(const char *model)
{
    char path[512];
    json_t *about = NULL;
    if (!is_plain(model) ||
        (size_t)snprintf(path, sizeof path, "/hearth/model?model=%s", model) >= sizeof path ||
        ask_server(path, NULL, ASK_QUICK_MS, &about, NULL) != HEARTH_OK)
        return SERVED_NONE;
    served_model found = SERVED_NONE;
    if (json_is_null(json_object_get(about, "problem")) && can(about, "completion"))
        found = can(about, "chat") ? SERVED_CHAT : SERVED_TEXT;
    json_decref(about);
    return found;
}

bool served_is_text(const char *text, size_t n)
{
    return n == 0 || (utf8_is_valid(text, n) && memchr(text, '\0', n) == NULL);
}

/* ---- the question ---- */

/* Only what the person gave: for the rest the server has the same defaults. */
static void add_sampling(const cli_sampling *sampling, json_t *body)
{
    uint64_t row = 1;
    const hearth_sampler_options *s = &sampling->sampler;
#define JSON_F(value) json_real((double)(value))
#define JSON_I(value) json_integer((json_int_t)(value))
#define JSON_U(value) json_integer((json_int_t)(value))
#define X(type, field, value, min, max, flag, help)                                                \
    if (sampling->given & row)                                                                     \
        json_object_set_new(body, #field, JSON_##type(s->field));                                  \
    row <<= 1;
#include <hearth/sampler_options.def>
#undef X
}

static bool add_grammar(const served_request *r, json_t *body)
{
    if (r->grammar == NULL)
        return true;
    json_t *value =
        r->is_schema ? json_loads(r->grammar, JSON_DECODE_ANY, NULL) : json_string(r->grammar);
    return json_object_set_new(body, r->is_schema ? "json_schema" : "grammar", value) == 0;
}

static void add_limits(const hearth_generate_options *g, json_t *body)
{
    json_t *stop = json_array();
    for (size_t i = 0; i < g->n_stop; i++)
        json_array_append_new(stop, json_string(g->stop[i]));
    if (g->n_stop > 0)
        json_object_set(body, "stop", stop);
    if (g->max_tokens >= 0)
        json_object_set_new(body, "max_tokens", json_integer(g->max_tokens));
    if (g->ignore_eos)
        json_object_set_new(body, "ignore_eos", json_true());
    json_decref(stop);
}

static json_t *make_body(const served_request *r)
{
    json_t *body = json_pack("{s:s, s:b, s:{s:b}, s:b}", "model", r->model, "stream", true,
                             "stream_options", "include_usage", true, "return_progress", true);
    if (body && r->messages) {
        json_object_set(body, "messages", r->messages);
        json_object_set_new(body, "reasoning_format", json_string("none"));
    } else if (body) {
        json_object_set_new(body, "prompt", json_stringn(r->prompt ? r->prompt : "", r->n_prompt));
    }
    if (body && r->wants_tokens)
        json_object_set_new(body, "return_tokens", json_true());
    add_limits(r->generate, body);
    add_sampling(r->sampling, body);
    if (add_grammar(r, body))
        return body;
    json_decref(body);
    return NULL;
}

/* ---- the answer ---- */

static hearth_status take(const served_request *r, const chunk *c, progress_bar *bar, answer *a,
                          hearth_error *err)
{
    switch (c->kind) {
    case CHUNK_PROGRESS:
        progress_update(bar, c->done, c->total);
        return HEARTH_OK;
    case CHUNK_FAILURE:
        FAIL(err, EIO, "server", "%s", c->text);
    case CHUNK_CONTENT:
        return answer_take(a, c->text, strlen(c->text), r->silent, err);
    default:
        return HEARTH_OK;
    }
}

static hearth_status read_answer(const served_request *r, http_call *call, chunks *all,
                                 progress_bar *bar, answer *a, hearth_error *err)
{
    chunk c;
    http_pull pull = HTTP_PULL_MORE;
    while (pull == HTTP_PULL_MORE) {
        if (interrupt_pending()) {
            a->reason = HEARTH_FINISH_CANCELED;
            return HEARTH_OK;
        }
        pull = http_call_pull(call, HTTP_PULL_MS, chunks_input(all));
        while (chunks_next(all, &c)) {
            TRY(take(r, &c, bar, a, err));
            if (c.kind == CHUNK_DONE)
                return HEARTH_OK;
        }
    }
    TRY(http_call_error(call, err));
    FAIL(err, EIO, "server", "the answer ended in its middle");
}

/* The protocol has one word for a limit and a full context, and one for the model's end and a text
 * that was to end it; stop_reason tells them apart. */
static hearth_finish_reason reason_of(const chunks *all)
{
    const char *why = json_string_value(all->stop_reason);
    if (strcmp(all->finish, "length") == 0)
        return why && strcmp(why, "context") == 0 ? HEARTH_FINISH_CONTEXT : HEARTH_FINISH_LIMIT;
    return why ? HEARTH_FINISH_WORD : HEARTH_FINISH_STOP;
}

static void take_end(const chunks *all, answer *a)
{
    if (a->reason == HEARTH_FINISH_NONE)
        a->reason = reason_of(all);
    if (a->reason == HEARTH_FINISH_WORD) {
        a->told_word = json_incref(all->stop_reason);
        a->stop_word = json_string_value(a->told_word);
    }
    a->tokens = json_incref(all->tokens);
    /* The one by which the model ended is no part of the answer. */
    if (a->reason == HEARTH_FINISH_STOP && json_array_size(a->tokens) > 0)
        json_array_remove(a->tokens, json_array_size(a->tokens) - 1);
    a->n_prompt = (size_t)all->usage.n_prompt;
    a->n_generated = (size_t)all->usage.n_generated;
    a->prompt_ms = all->usage.prompt_ms;
    a->generate_ms = all->usage.generate_ms;
}

hearth_status served_answer(const served_request *request, answer *a, hearth_error *err)
{
    http_call *call = NULL;
    progress_bar bar;
    chunks all;
    json_t *body = make_body(request);
    answer_deinit(a);
    *a = (answer){0};
    if (body == NULL)
        FAIL(err, EINVAL, "server",
             "the question cannot be written as a request; --in-process "
             "needs none");
    progress_start(&bar, "waiting for the model");
    hearth_status status = ask_stream(
        request->messages ? "/v1/chat/completions" : "/v1/completions", body, &call, err);
    if (status == HEARTH_OK) {
        chunks_init(&all);
        status = read_answer(request, call, &all, &bar, a, err);
        take_end(&all, a);
        chunks_deinit(&all);
    }
    progress_end(&bar);
    http_call_free(call);
    return status;
}
