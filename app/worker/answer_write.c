/* SPDX-License-Identifier: MIT
 *
 * answer_write.c - the engine's events as events of the reply: tokens with their probabilities,
 * and in a chat what the text means.
 */
#include <math.h>
#include <string.h>

#include <hearth/answer.h>

#include "base/mem.h"
#include "os/clock.h"
#include "worker/answer_state.h"
#include "worker/slots.h"

reply_usage answer_usage(const choice *x, const hearth_request_event *e)
{
    const reply_usage *before = &x->before;
    reply_usage usage = {.n_prompt = e->n_prompt,
                         .n_cached = e->n_cached,
                         .n_processed = e->n_prompt_done,
                         .n_generated = e->n_generated,
                         .n_drafted = e->n_drafted,
                         .n_draft_accepted = e->n_draft_accepted,
                         .n_shifts = e->n_shifts,
                         .n_discarded = e->n_shifted,
                         .prompt_ms = e->prompt_ms,
                         .generate_ms = e->generate_ms};
    if (before->n_generated == 0) {
        if (x->n_prompt_tokens > e->n_prompt)
            usage.n_unread = x->n_prompt_tokens - e->n_prompt;
        return usage;
    }
    /* The prompt is the first request's; reading it again, out of the cache, is part of writing. */
    usage.n_generated += before->n_generated;
    usage.n_drafted += before->n_drafted;
    usage.n_draft_accepted += before->n_draft_accepted;
    usage.n_shifts += before->n_shifts;
    usage.n_discarded += before->n_discarded;
    usage.generate_ms += before->generate_ms + usage.prompt_ms;
    usage.n_prompt = usage.n_processed = before->n_prompt;
    usage.n_cached = before->n_cached;
    usage.n_unread = before->n_unread;
    usage.prompt_ms = before->prompt_ms;
    return usage;
}

/* Slots are names here, for clients that keep to one. */
static int32_t slot_of(const answer *a)
{
    return a->r->options.id_slot < 0 ? 0 : a->r->options.id_slot;
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
        const char *begin = hearth_chat_format_reasoning_begin(a->format);
        content.text = is_thought || !begin ? begin : hearth_chat_format_reasoning_end(a->format);
        content.n_text = content.text ? strlen(content.text) : 0;
        TRY(reply_write(a->y, &content, out, err));
        x->in_thought = is_thought;
    }
    content.text = e->text;
    content.n_text = e->n_text;
    return is_thought ? reply_write(a->y, &content, out, err) : HEARTH_OK;
}

hearth_status answer_write_parsed(answer *a, choice *x, reply_event *event, buf *out,
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
    reply_event rest = {.choice = i, .usage = answer_usage(x, e)};
    reply_event done = {.type = REPLY_DONE,
                        .choice = i,
                        .usage = answer_usage(x, e),
                        .finish = reason,
                        .stop_word = e->stop_word,
                        .truncated = e->n_shifts > 0 || reason == HEARTH_FINISH_CONTEXT,
                        .prompt = x->prompt,
                        .n_prompt_text = x->n_prompt,
                        .id_slot = slot_of(a)};
    if (reason == HEARTH_FINISH_WORD && !is_asked_for(a, e->stop_word)) {
        done.finish = HEARTH_FINISH_STOP;
        done.stop_word = NULL;
    }
    if (x->parser) {
        TRY(hearth_chat_parser_finish(x->parser, err));
        TRY(answer_write_parsed(a, x, &rest, out, err));
    }
    x->done = true;
    a->n_done++;
    if (e->type == HEARTH_REQUEST_DONE)
        TRY(slots_keep(a->w, done.id_slot, x->request, err));
    metrics_tokens(&a->w->metrics, e->n_prompt + e->n_generated);
    return reply_write(a->y, &done, out, err);
}

/* t_max_predict_ms: enough time was spent on writing, and a line was ended. */
static bool is_out_of_time(const answer *a, choice *x, const hearth_request_event *e)
{
    double limit_ms = (double)a->r->options.t_max_predict_ms;
    x->has_line = x->has_line || memchr(e->text ? e->text : "", '\n', e->n_text) != NULL;
    return limit_ms > 0 && x->has_line && e->generate_ms > limit_ms;
}

/* How much of the text stands before a line that is indented by less than n_indent blanks. */
static size_t cut_by_indent(const answer *a, choice *x, const char *text, size_t n)
{
    int32_t least = a->r->options.n_indent;
    for (size_t i = 0; least > 0 && i < n; i++) {
        if (text[i] == '\n') {
            x->in_indent = true;
            x->n_indent = 0;
        } else if (x->in_indent && (text[i] == ' ' || text[i] == '\t')) {
            x->n_indent++;
        } else if (x->in_indent && x->n_indent < least) {
            return i;
        } else {
            x->in_indent = false;
        }
    }
    return n;
}

static hearth_status write_token(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                                 hearth_error *err)
{
    choice *x = &a->choices[i];
    size_t n_text = cut_by_indent(a, x, e->text, e->n_text);
    reply_event event = {.type = n_text > 0 ? REPLY_CONTENT : REPLY_TOKENS,
                         .choice = i,
                         .id_slot = slot_of(a),
                         .text = e->text,
                         .n_text = n_text,
                         .usage = answer_usage(x, e)};
    if (e->token >= 0) {
        measure(a, x, e);
        TRY(read_token(a, e, err));
        event.tokens = a->tokens;
        event.n_tokens = 1;
    }
    if (x->parser) {
        hearth_request_event cut = *e;
        TRY(hearth_chat_cut_end_token(a->w->model, &cut, err));
        TRY(hearth_chat_parser_feed(x->parser, cut.text ? cut.text : "", cut.n_text, err));
        TRY(answer_write_parsed(a, x, &event, out, err));
    } else {
        TRY(reply_write(a->y, &event, out, err));
    }
    if (n_text < e->n_text || is_out_of_time(a, x, e)) {
        hearth_request_cancel(x->request);
        return write_done(a, i, e, HEARTH_FINISH_LIMIT, out, err);
    }
    return e->token >= 0 && !e->ends ? answer_check_thought(a, i, e, out, err) : HEARTH_OK;
}

/* The engine tells the newest progress alone. What was in the cache comes first, and the whole
 * prompt before its first token. */
static hearth_status write_progress(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                                    hearth_error *err)
{
    choice *x = &a->choices[i];
    reply_event event = {
        .type = REPLY_PROGRESS, .choice = i, .id_slot = slot_of(a), .usage = answer_usage(x, e)};
    size_t n_done = event.usage.n_processed;
    if (!a->r->options.return_progress || x->before.n_generated > 0)
        return HEARTH_OK;
    if (!x->progress_begun && n_done > e->n_cached) {
        event.usage.n_processed = e->n_cached;
        event.usage.prompt_ms = 0;
        TRY(reply_write(a->y, &event, out, err));
        event.usage = answer_usage(x, e);
    }
    if (x->progress_begun && n_done <= x->n_progress)
        return HEARTH_OK;
    x->progress_begun = true;
    x->n_progress = n_done;
    return reply_write(a->y, &event, out, err);
}

hearth_status answer_write(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                           hearth_error *err)
{
    switch (e->type) {
    case HEARTH_REQUEST_NONE:
        return HEARTH_OK;
    case HEARTH_REQUEST_PROMPT:
        return write_progress(a, i, e, out, err);
    case HEARTH_REQUEST_TOKEN:
        TRY(write_progress(a, i, e, out, err));
        return write_token(a, i, e, out, err);
    case HEARTH_REQUEST_DONE:
        return write_done(a, i, e, e->reason, out, err);
    }
    return HEARTH_OK;
}
