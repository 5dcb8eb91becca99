/* SPDX-License-Identifier: MIT
 *
 * answer_thought.c - thoughts that must end: there shall be none, their budget is spent, or the
 * client has had enough.
 *
 * The engine knows nothing of thoughts. So the request is canceled, the text that ends thoughts is
 * put behind what was written, and a new request goes on from there: its prompt is in the cache.
 */
#include <string.h>

#include "worker/answer_state.h"

bool answer_ends_thoughts(const answer *a)
{
    const request_options *o = &a->r->options;
    return a->format && hearth_chat_format_reasoning_end(a->format) &&
           (a->no_thoughts || o->reasoning_budget_tokens >= 0 || o->reasoning_control);
}

/* Into the text that the model goes on from, and to the client. */
static hearth_status put_text(answer *a, choice *x, const char *text, unsigned flags,
                              reply_event *event, buf *out, hearth_error *err)
{
    TRY(hearth_chat_parser_feed(x->parser, text, strlen(text), err));
    TRY(answer_write_parsed(a, x, event, out, err));
    return token_list_add_text(&x->text, a->w->model, text, strlen(text), flags, err);
}

/* message (or NULL) stands at the end of the thoughts. */
static hearth_status end_thought(answer *a, uint32_t i, const hearth_request_event *e,
                                 const char *message, buf *out, hearth_error *err)
{
    choice *x = &a->choices[i];
    const char *end = hearth_chat_format_reasoning_end(a->format);
    reply_event event = {.choice = i, .usage = answer_usage(x, e)};
    int32_t limit = a->r->options.n_predict;
    if (limit >= 0 && event.usage.n_generated >= (size_t)limit)
        return HEARTH_OK; /* the engine ends it anyway */
    x->thought_ended = true;
    x->before = event.usage;
    hearth_request_cancel(x->request);
    hearth_request_free(x->request);
    x->request = NULL;
    if (message)
        TRY(put_text(a, x, message, 0, &event, out, err));
    TRY(put_text(a, x, end, HEARTH_TOKENIZE_PARSE_SPECIAL, &event, out, err));
    return answer_submit(a, i, &x->text, err);
}

hearth_status answer_check_thought(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                                   hearth_error *err)
{
    choice *x = &a->choices[i];
    int32_t budget = a->r->options.reasoning_budget_tokens;
    if (x->thought_ended || x->done || !answer_ends_thoughts(a))
        return HEARTH_OK;
    TRY(token_list_add(&x->text, &e->token, 1, err));
    if (!hearth_chat_parser_in_reasoning(x->parser))
        return HEARTH_OK;
    x->n_thought++;
    bool spent = budget >= 0 && x->n_thought >= (size_t)budget;
    const char *message = spent ? a->w->flags->reasoning_budget_message : NULL;
    if (!spent && !a->no_thoughts && !atomic_load(&a->end_thought))
        return HEARTH_OK;
    return end_thought(a, i, e, message, out, err);
}

hearth_status worker_control(worker_call *c, hearth_error *err)
{
    bool found = answer_end_thought(c->w, c->r->control_id);
    return response_success(found, found ? NULL : "no answer with this id is being written",
                            &c->reply->body, err);
}
