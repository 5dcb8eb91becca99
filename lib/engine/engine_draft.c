/* SPDX-License-Identifier: MIT
 *
 * engine_draft.c - tokens that may come next, for everyone who writes: from the text so far
 * (draft.h), and where that tells nothing from a draft model (draft_model.h).
 *
 * They go behind a request's text, where the next tokens will stand, and through the pass with it.
 * The draft model reads what the model has read in the pass before: a prompt is not held up by it
 * before its first token, and those who write wait for no more of it than for the prompt itself.
 */
#include "engine/engine_state.h"

#include "os/clock.h"

/* Up to COLUMNS tokens in all a pass costs little more than with one. */
enum { COLUMNS = 8 };

_Static_assert((int)COLUMNS <= (int)FORWARD_LOGITS_ROWS, "guesses are checked with one product");
_Static_assert((int)DRAFT_MOST <= (int)HEARTH_GUESSES_MOST, "right guesses are counted by place");

/* Guesses that each writer may add. */
static size_t draft_share(const hearth_engine *e)
{
    size_t n = 0;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++)
        n += e->running[i] && request_is_writing(e->running[i]);
    if (n > COLUMNS || e->plan.memory.n_batch < COLUMNS)
        return 0;
    return n > 0 ? COLUMNS / n - 1 : COLUMNS;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* As many as would be told at once and fit in the text, before the token that follows them. */
static size_t most_guesses(const hearth_engine *e, const hearth_request *r, size_t share)
{
    size_t most = min_size(min_size(share, DRAFT_MOST), e->options.draft_max);
    most = min_size(most, request_n_free_events(r));
    most = min_size(most, r->room - r->n_tokens - 1);
    return most < e->options.draft_min ? 0 : most;
}

/* From the text so far; else a task for the draft model, unless that rests. */
static void guess(hearth_engine *e, hearth_request *r, size_t share, size_t *n_tasks)
{
    size_t most = most_guesses(e, r, share);
    size_t least = e->options.draft_min ? e->options.draft_min : 1;
    if (most == 0 || !request_has_room(r))
        return;
    if (!e->options.no_drafts)
        r->n_guessed =
            draft_guess(&r->draft, r->tokens, r->n_tokens, least, most, r->tokens + r->n_tokens);
    if (r->n_guessed > 0 || e->draft == NULL)
        return;
    size_t wanted = draft_model_wanted(e->draft, r, least, most);
    if (wanted > 0)
        e->tasks[(*n_tasks)++] = (draft_task){r, r->n_tokens, wanted};
}

/* Tokens that the draft model may read now. */
static size_t reading_budget(const hearth_engine *e)
{
    size_t n = e->n_running + e->waiting.n > 1 ? e->pass.n : e->plan.memory.n_batch;
    return n > e->n_fair ? n : min_size(e->n_fair, e->plan.memory.n_batch);
}

void engine_guess(hearth_engine *e)
{
    size_t share = draft_share(e), n_tasks = 0;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++) {
        hearth_request *r = e->running[i];
        if (r == NULL)
            continue;
        r->n_guessed = 0;
        r->by_model = false;
        if (share == 0 || r->paused || r->wants_sum)
            continue;
        if (request_is_writing(r))
            guess(e, r, share, &n_tasks);
        else if (e->draft && r->options.max_tokens != 0)
            e->tasks[n_tasks++] = (draft_task){r, r->n_past, 0};
    }
    if (n_tasks == 0)
        return;
    uint64_t start = clock_now_ns();
    draft_model_run(e->draft, e->tasks, n_tasks, reading_budget(e), &e->closing);
    e->stats.busy_ns += clock_now_ns() - start;
    for (size_t i = 0; i < n_tasks; i++) {
        hearth_request *r = e->tasks[i].request;
        r->by_model = true;
        if (r->n_guessed < e->options.draft_min)
            r->n_guessed = 0;
    }
}

void engine_guesses_checked(hearth_engine *e, hearth_request *r, size_t n, size_t n_right)
{
    if (r->by_model)
        draft_model_learn(e->draft, r, n, n_right);
    else
        draft_learn(&r->draft, n, n_right);
}
