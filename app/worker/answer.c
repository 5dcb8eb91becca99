/* SPDX-License-Identifier: MIT
 *
 * answer.c - see answer.h.
 */
#include "worker/answer.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "os/clock.h"
#include "worker/constraint.h"
#include "worker/options.h"

enum { ROUND_MS = 10 }; /* how long one of several choices is waited for */

typedef struct choice {
    hearth_request *request;
    hearth_chat_parser *parser; /* of a chat */
    bool in_thought;            /* deepseek-legacy: the tag that opens thoughts was written */
    bool done;
    bool has_line; /* a line break was written */
    uint64_t last_ns;
    char *prompt; /* the native API repeats it */
    size_t n_prompt;
} choice;

struct answer {
    worker *w;
    request *r;
    reply *y;
    hearth_chat_format *format; /* of a chat */
    hearth_matcher *matcher;    /* at the start of every choice, or NULL */
    char id[33];
    reply_info info;
    uint64_t start_ns;
    choice *choices;
    uint32_t n_choices;
    uint32_t n_added;
    uint32_t n_done;
    size_t n_prompt, n_cached; /* of the first choice */
    bool begun;                /* reply_begin was called */
    reply_token *tokens;       /* of the event being written: one, and its candidates */
    reply_candidate *candidates;
    buf pieces; /* their texts */
};

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
    return reply_new(&a->y, a->r, &a->info, err);
}

void answer_free(answer *a)
{
    if (a == NULL)
        return;
    for (uint32_t i = 0; a->choices && i < a->n_choices; i++) {
        hearth_request_free(a->choices[i].request);
        hearth_chat_parser_free(a->choices[i].parser);
        hearth_free(a->choices[i].prompt);
    }
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

void answer_set_format(answer *a, hearth_chat_format *format)
{
    a->format = format;
}

hearth_status answer_add(answer *a, worker_call *c, const token_list *prompt, hearth_error *err)
{
    choice *x = &a->choices[a->n_added];
    hearth_status status = HEARTH_OK;
    engine_options o;
    c->detail.n_prompt = prompt->n;
    c->detail.n_ctx = hearth_engine_get_plan(a->w->engine)->memory.n_ctx;
    TRY_OUT(engine_options_init(&o, a->w, a->r, prompt, a->format, a->n_added, err));
    if (a->n_added == 0)
        TRY_OUT(constraint_matcher(a->r, a->w->model, a->format, &a->matcher, err));
    o.engine.matcher = a->matcher;
    if (a->format)
        TRY_OUT(hearth_chat_parser_new(&x->parser, a->format, err));
    o.engine.client = c->q->client;
    TRY_OUT(hearth_engine_submit(a->w->engine, &o.engine, &x->request, err));
    if (a->r->api == API_COMPLETION || a->r->api == API_INFILL)
        TRY_OUT(hearth_detokenize(a->w->model, prompt->tokens, prompt->n, true, &x->prompt,
                                  &x->n_prompt, err));
    if (a->n_added++ == 0)
        a->n_prompt = prompt->n;
out:
    engine_options_deinit(&o);
    return status;
}

/* ---- events ---- */

static reply_usage usage_of(const hearth_request_event *e)
{
    return (reply_usage){.n_prompt = e->n_prompt,
                         .n_cached = e->n_cached,
                         .n_processed = e->n_prompt_done,
                         .n_generated = e->n_generated,
                         .prompt_ms = e->prompt_ms,
                         .generate_ms = e->generate_ms};
}

/* Appends a token's bytes to a->pieces; where they begin is *at. */
static hearth_status add_piece(answer *a, int32_t token, size_t *at, size_t *n, hearth_error *err)
{
    char *bytes = NULL;
    TRY(hearth_token_piece(a->w->model, token, &bytes, n, err));
    *at = a->pieces.n;
    bool ok = buf_append(&a->pieces, bytes, *n);
    hearth_free(bytes);
    return ok ? HEARTH_OK : error_no_memory(err, "a token's text", *n);
}

static float told(const answer *a, float logprob)
{
    return a->r->options.post_sampling_probs ? expf(logprob) : logprob;
}

/* The event's token and its candidates into a->tokens[0]. Texts are offsets until all are there. */
static hearth_status read_token(answer *a, const hearth_request_event *e, hearth_error *err)
{
    size_t at[REQUEST_TOP_MAX + 1];
    size_t n_top = e->n_top < REQUEST_TOP_MAX ? e->n_top : REQUEST_TOP_MAX;
    reply_token *t = a->tokens;
    *t = (reply_token){.token = e->token, .logprob = told(a, e->logprob)};
    if (a->r->options.n_probs < 0)
        return HEARTH_OK;
    buf_clear(&a->pieces);
    TRY(add_piece(a, e->token, &at[n_top], &t->n_text, err));
    for (size_t i = 0; i < n_top; i++) {
        reply_candidate *k = &a->candidates[i];
        *k = (reply_candidate){.token = e->top[i].token, .logprob = told(a, e->top[i].logprob)};
        TRY(add_piece(a, k->token, &at[i], &k->n_text, err));
    }
    const char *pieces = a->pieces.data ? a->pieces.data : "";
    t->text = pieces + at[n_top];
    for (size_t i = 0; i < n_top; i++)
        a->candidates[i].text = pieces + at[i];
    t->top = a->candidates;
    t->n_top = n_top;
    return HEARTH_OK;
}

static void measure(answer *a, choice *x, const hearth_request_event *e)
{
    uint64_t now = clock_now_ns();
    if (x->last_ns == 0) {
        histogram_add(&a->w->metrics.first_token, (double)(now - a->start_ns) / 1e6);
        histogram_add(&a->w->metrics.queue, e->queue_ms);
    } else {
        histogram_add(&a->w->metrics.inter_token, (double)(now - x->last_ns) / 1e6);
    }
    x->last_ns = now;
}

/* Where thoughts shall be told twice, they stay in the content with the tags around them. */
static hearth_status write_legacy(answer *a, choice *x, const reply_event *e, buf *out,
                                  hearth_error *err)
{
    bool is_thought = e->type == REPLY_REASONING;
    reply_event content = {.type = REPLY_CONTENT, .choice = e->choice, .usage = e->usage};
    if (a->r->options.reasoning != REASONING_DEEPSEEK_LEGACY)
        return HEARTH_OK;
    if (is_thought != x->in_thought) {
        content.text = is_thought ? hearth_chat_format_reasoning_begin(a->format)
                                  : hearth_chat_format_reasoning_end(a->format);
        content.n_text = content.text ? strlen(content.text) : 0;
        TRY(reply_write(a->y, &content, out, err));
        x->in_thought = is_thought;
    }
    content.text = e->text;
    content.n_text = e->n_text;
    return is_thought ? reply_write(a->y, &content, out, err) : HEARTH_OK;
}

/* Writes what the parser has made of the text. The tokens of `event` go with the first of it. */
static hearth_status write_parsed(answer *a, choice *x, reply_event *event, buf *out,
                                  hearth_error *err)
{
    hearth_chat_event e;
    while (hearth_chat_parser_next(x->parser, &e)) {
        event->text = e.text;
        event->n_text = e.n;
        switch (e.type) {
        case HEARTH_CHAT_REASONING:
            event->type = REPLY_REASONING;
            break;
        case HEARTH_CHAT_CONTENT:
            event->type = REPLY_CONTENT;
            break;
        case HEARTH_CHAT_CALL_BEGIN:
            event->type = REPLY_TOOL;
            event->tool_name = e.name;
            event->tool_id = e.id;
            break;
        case HEARTH_CHAT_CALL_ARGUMENTS:
            event->type = REPLY_ARGUMENTS;
            break;
        case HEARTH_CHAT_CALL_END:
        case HEARTH_CHAT_CALL_CUT:
        case HEARTH_CHAT_CALL_DROPPED:
            continue;
        }
        TRY(write_legacy(a, x, event, out, err));
        TRY(reply_write(a->y, event, out, err));
        event->n_tokens = 0;
    }
    event->type = REPLY_TOKENS;
    event->text = NULL;
    event->n_text = 0;
    return event->n_tokens > 0 ? reply_write(a->y, event, out, err) : HEARTH_OK;
}

/* Whether the client asked to stop there: the format's own texts are the model's end. */
static bool is_asked_for(const answer *a, const char *stop_word)
{
    for (size_t i = 0; stop_word && i < a->r->options.n_stop; i++) {
        if (strcmp(stop_word, a->r->options.stop[i]) == 0)
            return true;
    }
    return false;
}

static hearth_status write_done(answer *a, uint32_t i, const hearth_request_event *e,
                                hearth_finish_reason reason, buf *out, hearth_error *err)
{
    choice *x = &a->choices[i];
    reply_event rest = {.choice = i, .usage = usage_of(e)};
    reply_event done = {.type = REPLY_DONE,
                        .choice = i,
                        .usage = usage_of(e),
                        .finish = reason,
                        .stop_word = e->stop_word,
                        .truncated = e->n_shifted > 0,
                        .prompt = x->prompt,
                        .n_prompt_text = x->n_prompt,
                        .id_slot = a->r->options.id_slot < 0 ? 0 : a->r->options.id_slot};
    if (reason == HEARTH_FINISH_WORD && !is_asked_for(a, e->stop_word)) {
        done.finish = HEARTH_FINISH_STOP;
        done.stop_word = NULL;
    }
    if (x->parser) {
        TRY(hearth_chat_parser_finish(x->parser, err));
        TRY(write_parsed(a, x, &rest, out, err));
    }
    x->done = true;
    a->n_done++;
    metrics_tokens(&a->w->metrics, e->n_prompt + e->n_generated);
    return reply_write(a->y, &done, out, err);
}

/* t_max_predict_ms: enough time was spent on writing, and a line was ended. */
static bool is_out_of_time(const answer *a, choice *x, const hearth_request_event *e)
{
    double limit_ms = (double)a->r->options.t_max_predict_ms;
    x->has_line = x->has_line || memchr(e->text ? e->text : "", '\n', e->n_text) != NULL;
    return limit_ms >= 0 && x->has_line && e->generate_ms > limit_ms;
}

static hearth_status write_token(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                                 hearth_error *err)
{
    choice *x = &a->choices[i];
    reply_event event = {.type = e->n_text > 0 ? REPLY_CONTENT : REPLY_TOKENS,
                         .choice = i,
                         .text = e->text,
                         .n_text = e->n_text,
                         .usage = usage_of(e)};
    if (e->token >= 0) {
        measure(a, x, e);
        TRY(read_token(a, e, err));
        event.tokens = a->tokens;
        event.n_tokens = 1;
    }
    if (x->parser) {
        TRY(hearth_chat_parser_feed(x->parser, e->text ? e->text : "", e->n_text, err));
        TRY(write_parsed(a, x, &event, out, err));
    } else {
        TRY(reply_write(a->y, &event, out, err));
    }
    if (is_out_of_time(a, x, e)) {
        hearth_request_cancel(x->request);
        return write_done(a, i, e, HEARTH_FINISH_LIMIT, out, err);
    }
    return HEARTH_OK;
}

static hearth_status write_event(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                                 hearth_error *err)
{
    const reply_event progress = {.type = REPLY_PROGRESS, .choice = i, .usage = usage_of(e)};
    switch (e->type) {
    case HEARTH_REQUEST_NONE:
        return HEARTH_OK;
    case HEARTH_REQUEST_PROMPT:
        return reply_write(a->y, &progress, out, err);
    case HEARTH_REQUEST_TOKEN:
        return write_token(a, i, e, out, err);
    case HEARTH_REQUEST_DONE:
        return write_done(a, i, e, e->reason, out, err);
    }
    return HEARTH_OK;
}

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
            TRY(write_event(a, i, &e, out, err));
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
    return write_event(a, waited_for, &e, out, err);
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

static hearth_status fail_ending(failure_detail *detail, hearth_error *err)
{
    detail->http = 503;
    FAIL(err, ECANCELED, "server", "the server is ending");
}

static http_pull pull(void *user, int timeout_ms, bool ending, buf *out)
{
    answer *a = user;
    hearth_error err = {0};
    failure_detail detail = {0};
    hearth_status status = begin(a, out, &err);
    if (status == HEARTH_OK && ending)
        status = fail_ending(&detail, &err);
    else if (status == HEARTH_OK && a->n_done < a->n_choices)
        status = step(a, timeout_ms, out, &err);
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
    int32_t ping_s = a->r->options.sse_ping_interval;
    const http_stream stream = {
        .pull = pull,
        .close = close_stream,
        .user = a,
        .ping_ms = 1000u * (ping_s > 0 ? (uint32_t)ping_s : a->w->flags->ping_s),
    };
    http_reply_stream(c->reply, reply_content_type(a->y), &stream);
}

static hearth_status respond_whole(answer *a, worker_call *c, hearth_error *err)
{
    buf *out = &c->reply->body;
    TRY(begin(a, out, err));
    while (a->n_done < a->n_choices) {
        http_life life = http_request_life(c->q);
        if (life == HTTP_GONE)
            FAIL(err, ECANCELED, "client", "the client has gone");
        if (life == HTTP_ENDING)
            return fail_ending(&c->detail, err);
        TRY(step(a, HTTP_PULL_MS, out, err));
    }
    c->reply->content_type = reply_content_type(a->y);
    return reply_end(a->y, out, err);
}

hearth_status answer_respond(answer *a, worker_call *c, hearth_error *err)
{
    if (a->r->options.stream) {
        respond_stream(a, c);
        return HEARTH_OK;
    }
    hearth_status status = respond_whole(a, c, err);
    answer_free(a);
    return status;
}
