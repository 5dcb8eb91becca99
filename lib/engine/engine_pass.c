/* SPDX-License-Identifier: MIT
 *
 * engine_pass.c - one pass through the model, and what it means for everyone in it.
 *
 * Failure  A pass that fails (the model's file shrank under it) ends the requests that were in it,
 *          and what it computed is not used. What fails for one request alone, in choosing its
 *          token or in writing its text, ends that one.
 * A token  is chosen, counted, and told at once; its keys are computed in the next pass. The token
 *          that ends an answer is never fed.
 */
#include "engine/engine_state.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "engine/pooling_rank.h"
#include "engine/sampler.h"
#include "engine/token_probs.h"
#include "os/clock.h"

/* ---- ends ---- */

static void count_times(const hearth_engine *e, hearth_request *r, uint64_t now)
{
    hearth_request_event *c = &r->counts;
    c->n_passes = e->stats.n_passes - r->passes_before;
    if (r->admitted_ns == 0) {
        c->queue_ms = (double)(now - r->submitted_ns) / 1e6;
        return;
    }
    uint64_t first = r->first_ns ? r->first_ns : now;
    c->prompt_ms = (double)(first - r->admitted_ns) / 1e6;
    c->generate_ms = (double)(now - first) / 1e6;
    c->n_prompt_done = r->n_read < r->n_prompt ? r->n_read : r->n_prompt;
}

static void leave(hearth_engine *e, hearth_request *r)
{
    if (r->admitted_ns) {
        engine_cache_release(e, r);
        e->stats.prompt_ns += (uint64_t)(r->counts.prompt_ms * 1e6);
        e->stats.generate_ns += (uint64_t)(r->counts.generate_ms * 1e6);
    }
    scheduler_remove(e, r);
}

void engine_fail(hearth_engine *e, hearth_request *r, hearth_status status,
                 const hearth_error *error)
{
    e->stats.n_failed++;
    count_times(e, r, clock_now_ns());
    request_end(r, status, error);
    leave(e, r);
}

static hearth_status push_rest(hearth_request *r, hearth_error *err)
{
    bool stopped;
    if (r->wants_sum)
        return HEARTH_OK;
    queued_event *slot = request_slot(r, HEARTH_REQUEST_TOKEN);
    TRY(answer_text_finish(&r->text, &slot->text, &stopped, err));
    if (stopped)
        r->reason = HEARTH_FINISH_WORD;
    if (slot->text.n > 0)
        request_push(r);
    return HEARTH_OK;
}

void engine_finish(hearth_engine *e, hearth_request *r, hearth_finish_reason reason)
{
    hearth_error error = {.code = HEARTH_OK};
    r->reason = reason;
    count_times(e, r, clock_now_ns());
    hearth_status status = push_rest(r, &error);
    if (status != HEARTH_OK) {
        engine_fail(e, r, status, &error);
        return;
    }
    queued_event *slot = request_slot(r, HEARTH_REQUEST_DONE);
    slot->event.reason = r->reason;
    slot->event.stop_word = r->reason == HEARTH_FINISH_WORD ? r->text.stop.found : NULL;
    e->stats.n_done++;
    request_push(r);
    request_end(r, HEARTH_OK, NULL);
    leave(e, r);
}

bool engine_end_if_over(hearth_engine *e, hearth_request *r, uint64_t now_ns)
{
    hearth_error error;
    if (atomic_load(&r->canceled)) {
        hearth_status status = error_set(&error, HEARTH_ECANCELED, "request", "canceled");
        engine_fail(e, r, status, &error);
        return true;
    }
    if (r->deadline_ns == 0 || now_ns < r->deadline_ns || !request_has_room(r))
        return false;
    r->counts.timed_out = true;
    engine_finish(e, r, HEARTH_FINISH_LIMIT);
    return true;
}

/* ---- a token ---- */

/* The probabilities that were asked for: `logits` are the model's own. */
static void tell_probs(const hearth_request *r, const float *logits, size_t n_vocab, int32_t token,
                       queued_event *slot)
{
    hearth_request_event *event = &slot->event;
    if (!r->options.logprobs)
        return;
    if (!r->options.post_sampling_probs) {
        double offset = token_probs_offset(logits, n_vocab);
        event->logprob = (float)((double)logits[token] - offset);
        event->n_top = token_probs_top(logits, n_vocab, r->options.n_probs, offset, slot->top);
        return;
    }
    size_t n;
    const hearth_candidate *kept = hearth_sampler_candidates(r->sampler, &n);
    for (size_t i = 0; i < n; i++) {
        float logprob = (float)fmath_log((double)kept[i].probability);
        if (kept[i].token == token)
            event->logprob = logprob;
        if (event->n_top < r->options.n_probs)
            slot->top[event->n_top++] = (hearth_token_prob){kept[i].token, logprob};
    }
}

static hearth_status choose(hearth_engine *e, hearth_request *r, const float *logits,
                            int32_t *token, hearth_error *err)
{
    if (r->n_end_tokens > 0) {
        memcpy(e->masked, logits, e->model->h.n_vocab * sizeof *logits);
        for (size_t i = 0; i < r->n_end_tokens; i++)
            e->masked[r->end_tokens[i]] = -INFINITY;
        logits = e->masked;
    }
    TRY(hearth_sampler_sample_within(r->sampler, logits, r->matcher, token, err));
    if (r->matcher)
        TRY(hearth_matcher_accept(r->matcher, *token, err));
    return hearth_sampler_accept(r->sampler, *token, err);
}

static hearth_status write_token(hearth_engine *e, hearth_request *r, const float *logits,
                                 hearth_finish_reason *reason, hearth_error *err)
{
    int32_t token;
    bool stopped = false;
    TRY(choose(e, r, logits, &token, err));
    uint64_t now = clock_now_ns();
    r->first_ns = r->first_ns ? r->first_ns : now;
    r->counts.n_generated++;
    e->stats.n_generated_tokens++;
    count_times(e, r, now);
    queued_event *slot = request_slot(r, HEARTH_REQUEST_TOKEN);
    slot->event.token = token;
    slot->event.ends = hearth_token_ends_answer(e->model, token);
    tell_probs(r, logits, e->model->h.n_vocab, token, slot);
    if (!slot->event.ends || r->options.special)
        TRY(answer_text_feed(&r->text, token, &slot->text, &stopped, err));
    bool ends = slot->event.ends || (r->matcher && hearth_matcher_is_done(r->matcher));
    request_push(r);
    if (stopped)
        *reason = HEARTH_FINISH_WORD;
    else if (ends)
        *reason = HEARTH_FINISH_STOP;
    else
        r->tokens[r->n_tokens++] = token;
    return HEARTH_OK;
}

/* Forgets the older half, or n_discard tokens, of what follows the first n_keep. Keys are stored
 * rotated, so what stays is read again at its new positions. */
static void shift_context(hearth_engine *e, hearth_request *r)
{
    size_t keep = r->options.n_keep, rest = r->n_tokens - keep;
    size_t n = r->options.n_discard == 0     ? rest / 2
               : r->options.n_discard < rest ? r->options.n_discard
                                             : rest - 1;
    engine_cache_release(e, r);
    memmove(r->tokens + keep, r->tokens + keep + n, (rest - n) * sizeof *r->tokens);
    r->n_tokens -= n;
    r->n_read = r->n_tokens - 1;
    r->counts.n_shifts++;
    r->counts.n_shifted += n;
}

/* A reason to write no more, or NONE. */
static hearth_finish_reason check_limits(hearth_engine *e, hearth_request *r)
{
    if (r->options.max_tokens >= 0 && r->counts.n_generated >= (size_t)r->options.max_tokens)
        return HEARTH_FINISH_LIMIT;
    if (r->n_tokens < e->plan.memory.n_ctx)
        return HEARTH_FINISH_NONE;
    if (!r->options.context_shift)
        return HEARTH_FINISH_CONTEXT;
    shift_context(e, r);
    return HEARTH_FINISH_NONE;
}

/* Logits NULL: only the limits are looked at. */
static void answer(hearth_engine *e, hearth_request *r, const float *logits)
{
    hearth_finish_reason reason = HEARTH_FINISH_NONE;
    hearth_error error = {.code = HEARTH_OK};
    hearth_status status = logits ? write_token(e, r, logits, &reason, &error) : HEARTH_OK;
    if (status != HEARTH_OK) {
        engine_fail(e, r, status, &error);
        return;
    }
    if (reason == HEARTH_FINISH_NONE)
        reason = check_limits(e, r);
    if (reason != HEARTH_FINISH_NONE)
        engine_finish(e, r, reason);
}

/* ---- embeddings ---- */

static void add_hidden(hearth_engine *e, const pass_part *part)
{
    size_t stride, width = e->model->h.n_embd;
    hearth_request *r = part->request;
    const float_kernels *f = e->model->kernels->f;
    const float *rows = forward_hidden(e->f, &stride) + part->first * stride;
    if (r->pooling != POOLING_NONE) {
        pooled_add(&r->pooled, f, rows, stride, part->n);
    } else {
        for (size_t i = 0; i < part->n; i++) {
            float *out = r->result + (r->pooled.n + i) * width;
            memcpy(out, rows + i * stride, width * sizeof *out);
            if (r->normalize)
                pooling_normalize(f, out, width);
        }
        r->pooled.n += part->n;
    }
    if (request_n_pending(r) > 0)
        return;
    if (r->pooling == POOLING_RANK) {
        rank_scores(e->model, pooled_row(&r->pooled, rank_token(&e->model->h)), r->scratch,
                    r->result);
    } else if (r->pooling != POOLING_NONE) {
        pooled_result(&r->pooled, f, r->pooling, r->result);
        if (r->normalize)
            pooling_normalize(f, r->result, width);
    }
    engine_finish(e, r, HEARTH_FINISH_STOP);
}

/* ---- passes ---- */

static void fail_all(hearth_engine *e, hearth_status status, const hearth_error *error)
{
    for (size_t i = 0; i < e->pass.n_parts; i++)
        engine_fail(e, e->pass.parts[i].request, status, error);
}

/* Keys are there: positions move on, pages are shared, progress is told. */
static void commit(hearth_engine *e)
{
    for (size_t i = 0; i < e->pass.n_parts; i++) {
        pass_part *part = &e->pass.parts[i];
        hearth_request *r = part->request;
        size_t before = r->n_read, n = part->n - part->n_drafted;
        engine_cache_commit(e, r, n);
        scheduler_count(e, r, n);
        if (r->n_tokens == r->n_prompt && r->n_read > before)
            e->stats.n_prompt_tokens += r->n_read - before;
        if (r->options.prompt_progress && r->n_tokens == r->n_prompt) {
            count_times(e, r, clock_now_ns());
            request_push_progress(r);
        }
    }
}

/* Tokens are chosen one after the other as long as each is the one that was guessed, which then has
 * its keys already. */
static void answer_drafted(hearth_engine *e, const pass_part *part)
{
    hearth_request *r = part->request;
    const int32_t *fed = e->pass.tokens + part->first;
    size_t rows[FORWARD_LOGITS_ROWS], n_right = 0, stride;
    uint32_t place = r->place;
    for (size_t i = 0; i < part->n; i++)
        rows[i] = part->first + i;
    const float *logits = forward_logits(e->f, rows, part->n, &stride);
    r->counts.n_drafted += part->n_drafted;
    e->stats.n_drafted_tokens += part->n_drafted;
    for (;; n_right++) {
        size_t n_tokens = r->n_tokens;
        answer(e, r, logits + n_right * stride);
        if (e->running[place] != r || r->n_tokens != n_tokens + 1)
            return; /* it has ended, or its text was shifted */
        if (n_right == part->n_drafted || r->tokens[n_tokens] != fed[n_right + 1])
            break;
        r->counts.n_draft_accepted++;
        e->stats.n_draft_accepted_tokens++;
        e->stats.n_draft_accepted_at[n_right]++;
        engine_cache_commit(e, r, 1);
        scheduler_count(e, r, 1);
    }
    engine_guesses_checked(e, r, part->n_drafted, n_right);
}

/* Those whose last token went through get logits, as many at a time as one product takes. */
static void answer_all(hearth_engine *e)
{
    const pass_part *parts[FORWARD_LOGITS_ROWS];
    size_t rows[FORWARD_LOGITS_ROWS], n = 0, stride;
    for (size_t i = 0; i < e->pass.n_parts; i++) {
        const pass_part *part = &e->pass.parts[i];
        if (part->request->wants_sum) {
            add_hidden(e, part);
            part = NULL;
        } else if (part->n_drafted > 0) {
            answer_drafted(e, part);
            part = NULL;
        } else if (request_n_pending(part->request) > 0) {
            part = NULL;
        } else if (part->request->options.max_tokens == 0) {
            answer(e, part->request, NULL);
            part = NULL;
        }
        if (part) {
            parts[n] = part;
            rows[n++] = part->first + part->n - 1;
        }
        if (n == 0 || (n < FORWARD_LOGITS_ROWS && i + 1 < e->pass.n_parts))
            continue;
        const float *logits = forward_logits(e->f, rows, n, &stride);
        for (size_t j = 0; j < n; j++)
            answer(e, parts[j]->request, logits + j * stride);
        n = 0;
    }
}

static bool has_adapters(const pass *p)
{
    for (size_t i = 0; i < p->n_parts; i++)
        if (p->parts[i].request->mix.n > 0)
            return true;
    return false;
}

/* Those whose adapters are lost end, and are in the pass no more. The rows of the others are right:
 * a row depends on itself alone. */
static void fail_lost(hearth_engine *e)
{
    pass *p = &e->pass;
    size_t n = 0;
    for (size_t i = 0; i < p->n_parts; i++) {
        hearth_error error;
        const adapter *lost = adapter_mix_find_lost(&p->parts[i].request->mix);
        if (lost)
            engine_fail(e, p->parts[i].request, adapters_fail_lost(lost, &error), &error);
        else
            p->parts[n++] = p->parts[i];
    }
    p->n_parts = n;
}

void engine_run_pass(hearth_engine *e)
{
    hearth_error error;
    pass *p = &e->pass;
    batch b = {.n = p->n,
               .tokens = p->tokens,
               .positions = p->positions,
               .sequences = p->sequences,
               .n_visible = p->visible,
               .mixes = has_adapters(p) ? p->mixes : NULL};
    uint64_t start = clock_now_ns();
    hearth_status status =
        forward_run(e->f, &b, p->may_be_cut ? &e->interrupted : &e->closing, &error);
    e->stats.busy_ns += clock_now_ns() - start;
    if (status == HEARTH_ECANCELED) {
        scheduler_note_cut(e);
        return;
    }
    if (e->n_wary > 0)
        e->n_wary--;
    e->stats.n_passes++;
    e->stats.n_pass_tokens += p->n;
    e->stats.n_pass_requests += p->n_parts;
    for (size_t i = 0; i < p->n_parts; i++)
        e->stats.n_drafts += p->parts[i].n_drafted > 0;
    if (status == HEARTH_OK && model_is_lost(e->model))
        status = error_set(&error, HEARTH_EIO, e->model->info.path,
                           "the model file '%s' became shorter while it was in use; copy it again "
                           "and reopen it",
                           e->model->info.path);
    if (status != HEARTH_OK) {
        fail_all(e, status, &error);
        return;
    }
    fail_lost(e);
    commit(e);
    answer_all(e);
}
