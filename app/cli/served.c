/* SPDX-License-Identifier: MIT
 *
 * served.c - see served.h.
 */
#include "cli/served.h"

#include <string.h>

#include "cli/ask.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "gateway/chunks.h"

/* ---- which models ---- */

/* What may stand in a query as it is: names of models have little else. */
static bool is_plain(const char *name)
{
    return name[0] && name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789-_.:/@")] == '\0';
}

static bool can_chat(const json_t *model)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(model, "capabilities"), i, one)
    {
        if (strcmp(json_string_value(one), "chat") == 0)
            return true;
    }
    return false;
}

bool served_has(const char *model)
{
    char path[512];
    json_t *about = NULL;
    if (!is_plain(model) ||
        (size_t)snprintf(path, sizeof path, "/hearth/model?model=%s", model) >= sizeof path ||
        ask_server(path, NULL, ASK_QUICK_MS, &about, NULL) != HEARTH_OK)
        return false;
    bool has = json_is_null(json_object_get(about, "problem")) && can_chat(about);
    json_decref(about);
    return has;
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

static json_t *make_body(const served_request *r)
{
    const hearth_generate_options *g = r->generate;
    json_t *stop = json_array();
    json_t *body = json_pack("{s:s, s:[{s:s, s:s%}], s:b, s:{s:b}, s:b, s:s}", "model", r->model,
                             "messages", "role", "user", "content", r->prompt, r->n_prompt,
                             "stream", true, "stream_options", "include_usage", true,
                             "return_progress", true, "reasoning_format", "none");
    for (size_t i = 0; i < g->n_stop; i++)
        json_array_append_new(stop, json_string(g->stop[i]));
    if (g->n_stop > 0)
        json_object_set(body, "stop", stop);
    if (g->max_tokens >= 0)
        json_object_set_new(body, "max_tokens", json_integer(g->max_tokens));
    if (g->ignore_eos)
        json_object_set_new(body, "ignore_eos", json_true());
    add_sampling(r->sampling, body);
    json_decref(stop);
    return body;
}

/* ---- the answer ---- */

static hearth_status take(const chunk *c, progress_bar *bar, answer *a, hearth_error *err)
{
    size_t n = c->text ? strlen(c->text) : 0;
    switch (c->kind) {
    case CHUNK_PROGRESS:
        progress_update(bar, c->done, c->total);
        return HEARTH_OK;
    case CHUNK_FAILURE:
        FAIL(err, EIO, "server", "%s", c->text);
    case CHUNK_CONTENT:
        terminal_clear_progress();
        if (!buf_append(&a->text, c->text, n))
            return error_no_memory(err, "the answer", a->text.n + n);
        if (terminal_is_tty(stdout))
            terminal_write_safe(stdout, c->text, n);
        else
            fwrite(c->text, 1, n, stdout);
        return output_flush(err);
    default:
        return HEARTH_OK;
    }
}

static hearth_status read_answer(http_call *call, chunks *all, progress_bar *bar, answer *a,
                                 hearth_error *err)
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
            TRY(take(&c, bar, a, err));
            if (c.kind == CHUNK_DONE)
                return HEARTH_OK;
        }
    }
    TRY(http_call_error(call, err));
    FAIL(err, EIO, "server", "the answer ended in its middle");
}

static hearth_finish_reason reason_of(const char *finish)
{
    return strcmp(finish, "length") == 0 ? HEARTH_FINISH_LIMIT : HEARTH_FINISH_STOP;
}

hearth_status served_answer(const served_request *request, answer *a, hearth_error *err)
{
    http_call *call = NULL;
    progress_bar bar;
    chunks all;
    json_t *body = make_body(request);
    if (body == NULL)
        FAIL(err, EINVAL, "PROMPT", "the prompt is no UTF-8 text");
    progress_start(&bar, "waiting for the model");
    hearth_status status = ask_stream("/v1/chat/completions", body, &call, err);
    if (status == HEARTH_OK) {
        chunks_init(&all);
        status = read_answer(call, &all, &bar, a, err);
        if (a->reason == HEARTH_FINISH_NONE)
            a->reason = reason_of(all.finish);
        a->n_prompt = (size_t)all.usage.n_prompt;
        a->n_generated = (size_t)all.usage.n_generated;
        a->prompt_ms = all.usage.prompt_ms;
        a->generate_ms = all.usage.generate_ms;
        chunks_deinit(&all);
    }
    progress_end(&bar);
    http_call_free(call);
    return status;
}
