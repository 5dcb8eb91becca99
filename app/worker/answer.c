/* SPDX-License-Identifier: MIT
 *
 * answer.c - see answer.h.
 */
#include "worker/answer.h"

#include <string.h>

#include "base/mem.h"
#include "os/clock.h"
#include "protocol/json_memory.h"
#include "worker/answer_state.h"
#include "worker/constraint.h"
#include "worker/options.h"

enum { ROUND_MS = 10 }; /* how long one of several choices is waited for */

/* ---- the answers in the making ---- */

static void enlist(answer *a)
{
    pthread_mutex_lock(&a->w->lock);
    a->next = a->w->answers;
    a->link = &a->w->answers;
    if (a->next)
        a->next->link = &a->next;
    a->w->answers = a;
    pthread_mutex_unlock(&a->w->lock);
}

static void delist(answer *a)
{
    if (a->link == NULL)
        return;
    pthread_mutex_lock(&a->w->lock);
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    pthread_mutex_unlock(&a->w->lock);
}

bool answer_end_thought(worker *w, const char *id)
{
    bool found = false;
    pthread_mutex_lock(&w->lock);
    for (answer *a = w->answers; a && !found; a = a->next) {
        found = strcmp(reply_id(a->y), id) == 0;
        if (found)
            atomic_store(&a->end_thought, true);
    }
    pthread_mutex_unlock(&w->lock);
    return found;
}

const request_options *answer_options_of(const worker *w, uint64_t engine_request)
{
    for (const answer *a = w->answers; a; a = a->next) {
        for (uint32_t i = 0; i < a->n_choices; i++) {
            if (atomic_load(&a->choices[i].id) == engine_request)
                return &a->r->options;
        }
    }
    return NULL;
}

/* ---- life ---- */

hearth_status answer_new(answer **out, worker_call *c, hearth_error *err)
{
    answer *a = mem_calloc(1, sizeof *a);
    *out = a;
    if (a == NULL)
        return error_no_memory(err, "an answer", sizeof *a);
    a->w = c->w;
    a->r = c->r;
    c->r = NULL;
    a->start_ns = clock_now_ns();
    a->info = worker_reply_info(c->w, a->id);
    a->n_choices = request_n_choices(a->r);
    buf_init(&a->pieces, 0);
    a->choices = mem_calloc(a->n_choices, sizeof *a->choices);
    a->candidates = mem_calloc((size_t)REQUEST_TOP_MAX, sizeof *a->candidates);
    a->tokens = mem_calloc(1, sizeof *a->tokens);
    if (a->choices == NULL || a->tokens == NULL || a->candidates == NULL)
        return error_no_memory(err, "an answer", a->n_choices * sizeof *a->choices);
    TRY(reply_new(&a->y, a->r, &a->info, err));
    enlist(a);
    return HEARTH_OK;
}

void answer_free(answer *a)
{
    if (a == NULL)
        return;
    delist(a);
    for (uint32_t i = 0; a->choices && i < a->n_choices; i++) {
        hearth_request_free(a->choices[i].request);
        hearth_chat_parser_free(a->choices[i].parser);
        hearth_free(a->choices[i].prompt);
        token_list_deinit(&a->choices[i].text);
    }
    adapters_leave(&a->adapters);
    mem_free(a->choices);
    mem_free(a->tokens);
    mem_free(a->candidates);
    buf_deinit(&a->pieces);
    hearth_matcher_free(a->matcher);
    hearth_chat_format_free(a->format);
    reply_free(a->y);
    request_free(a->r);
    mem_free(a);
}

void answer_set_format(answer *a, hearth_chat_format *format, bool no_thoughts)
{
    a->format = format;
    a->no_thoughts = no_thoughts;
}

hearth_status answer_submit(answer *a, uint32_t i, const token_list *prompt, hearth_error *err)
{
    choice *x = &a->choices[i];
    size_t n_before = x->before.n_generated;
    hearth_matcher *matcher = NULL;
    hearth_status status = HEARTH_OK;
    engine_options o;
    TRY_OUT(engine_options_init(&o, a->w, a->r, prompt, a->format, i, err));
    o.engine.client = a->client;
    if (a->adapters.uses == NULL) /* once: an answer that goes on after its thoughts keeps them */
        TRY_OUT(adapters_take(a->w, &a->r->options, &a->adapters, err));
    o.engine.uses = a->adapters.uses;
    o.engine.n_uses = a->adapters.n;
    if (n_before > 0 && o.engine.max_tokens >= 0)
        o.engine.max_tokens -= (int32_t)n_before;
    if (a->matcher)
        TRY_OUT(hearth_matcher_dup(&matcher, a->matcher, err));
    for (size_t k = x->n_prompt_tokens; matcher && n_before > 0 && k < prompt->n; k++)
        TRY_OUT(hearth_matcher_accept(matcher, prompt->tokens[k], err));
    o.engine.matcher = matcher;
    TRY_OUT(hearth_engine_submit(a->w->engine, &o.engine, &x->request, err));
    atomic_store(&x->id, hearth_request_id(x->request));
out:
    hearth_matcher_free(matcher);
    engine_options_deinit(&o);
    return status;
}

hearth_status answer_add(answer *a, worker_call *c, const token_list *prompt, hearth_error *err)
{
    choice *x = &a->choices[a->n_added];
    c->detail.n_prompt = prompt->n;
    c->detail.n_ctx = hearth_engine_get_plan(a->w->engine)->memory.n_ctx;
    a->client = c->q->client;
    if (a->n_added == 0) {
        a->n_prompt = prompt->n;
        TRY(constraint_matcher(a->r, a->w->model, a->format, &a->matcher, err));
    }
    x->n_prompt_tokens = prompt->n;
    if (a->format)
        TRY(hearth_chat_parser_new(&x->parser, a->format, err));
    if (answer_ends_thoughts(a))
        TRY(token_list_add(&x->text, prompt->tokens, prompt->n, err));
    if (a->r->api == API_COMPLETION || a->r->api == API_INFILL)
        TRY(hearth_detokenize(a->w->model, prompt->tokens, prompt->n, true, &x->prompt,
                              &x->n_prompt, err));
    return answer_submit(a, a->n_added++, prompt, err);
}

/* ---- events ---- */

/* Writes what came within timeout_ms, from every choice as much as is there. */
static hearth_status step(answer *a, int timeout_ms, buf *out, hearth_error *err)
{
    uint32_t waited_for = a->n_choices;
    size_t before = out->n;
    for (uint32_t i = 0; i < a->n_choices; i++) {
        choice *x = &a->choices[i];
        hearth_request_event e = {.type = HEARTH_REQUEST_NONE};
        while (!x->done) {
            TRY(hearth_request_next(x->request, 0, &e, err));
            if (e.type == HEARTH_REQUEST_NONE)
                break;
            TRY(answer_write(a, i, &e, out, err));
        }
        if (!x->done && waited_for == a->n_choices)
            waited_for = i;
    }
    if (waited_for == a->n_choices || out->n > before)
        return HEARTH_OK;
    hearth_request_event e = {.type = HEARTH_REQUEST_NONE};
    if (a->n_choices > 1 && timeout_ms > ROUND_MS)
        timeout_ms = ROUND_MS;
    TRY(hearth_request_next(a->choices[waited_for].request, timeout_ms, &e, err));
    return answer_write(a, waited_for, &e, out, err);
}

static hearth_status begin(answer *a, buf *out, hearth_error *err)
{
    const reply_usage usage = {.n_prompt = a->n_prompt, .n_cached = a->n_cached};
    if (a->begun)
        return HEARTH_OK;
    a->begun = true;
    return reply_begin(a->y, &usage, out, err);
}

/* ---- responding ---- */

static http_pull pull(void *user, int timeout_ms, bool ending, buf *out)
{
    answer *a = user;
    hearth_error err = {0};
    failure_detail detail = {0};
    json_memory_begin();
    hearth_status status = begin(a, out, &err);
    if (status == HEARTH_OK && ending)
        status = worker_fail_ending(&detail, &err);
    else if (status == HEARTH_OK && a->n_done < a->n_choices)
        status = step(a, timeout_ms, out, &err);
    if (status == HEARTH_OK && json_memory_failed())
        status = error_no_memory(&err, "the answer", out->n);
    if (status == HEARTH_OK && a->n_done < a->n_choices)
        return HTTP_PULL_MORE;
    if (status == HEARTH_OK)
        status = reply_end(a->y, out, &err);
    else if (reply_fail(a->y, &err, &detail, out, NULL) != HEARTH_OK)
        return HTTP_PULL_FAIL;
    return HTTP_PULL_END;
}

static void close_stream(void *user)
{
    answer_free(user);
}

static void respond_stream(answer *a, worker_call *c)
{
    int32_t own_s = a->r->options.sse_ping_interval;
    int32_t ping_s = own_s != 0 ? own_s : a->w->flags->ping_s;
    const http_stream stream = {
        .pull = pull,
        .close = close_stream,
        .user = a,
        .ping_ms = ping_s > 0 ? 1000u * (uint32_t)ping_s : 0,
    };
    http_reply_stream(c->reply, reply_content_type(a->y), &stream);
}

static hearth_status respond_whole(answer *a, worker_call *c, hearth_error *err)
{
    buf *out = &c->reply->body;
    TRY(begin(a, out, err));
    while (a->n_done < a->n_choices) {
        if (http_request_life(c->q) != HTTP_OPEN)
            FAIL(err, ECANCELED, "client", "nobody waits for the answer any more");
        TRY(step(a, HTTP_PULL_MS, out, err));
    }
    c->reply->content_type = reply_content_type(a->y);
    return reply_end(a->y, out, err);
}

hearth_status answer_respond(answer *a, worker_call *c, hearth_error *err)
{
    worker_done_reading(c);
    if (a->r->options.stream) {
        respond_stream(a, c);
        return HEARTH_OK;
    }
    hearth_status status = respond_whole(a, c, err);
    answer_free(a);
    return status;
}
