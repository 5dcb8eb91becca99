/* SPDX-License-Identifier: MIT
 *
 * generate.c - see hearth/generate.h.
 *
 *   READING --prompt read--> WRITING --a reason to finish--> FLUSHING --nothing held--> DONE
 *      each next() reads        each next() writes tokens       text that was held back
 *      one piece                until there is text
 *
 * Session   A token is fed before its text is given out. So at every event the session holds
 * exactly what the caller has seen (and what is held back), its logits are those of the last token,
 * and an empty prompt goes on from there. The token that ends the answer is not fed: it is chosen,
 * counted and left out. Counting  n_generated counts the tokens chosen, the one that ends the
 * answer included. End tokens With ignore_eos their logits are -infinity before anything else looks
 * at them, as a logit bias of -infinity would make them. Failure   A token whose feed failed stays
 * chosen, and the next call feeds it again: an error costs no draw of the random numbers.
 */
#include <hearth/generate.h>

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/options_take.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "engine/stop_words.h"
#include "os/clock.h"

typedef enum phase { READING, WRITING, FLUSHING, DONE } phase;

enum { NO_TOKEN = -1 };

struct hearth_generation {
    hearth_session *session;
    hearth_sampler *sampler;
    const hearth_model *model;
    hearth_generate_options options;
    phase phase;
    int32_t *prompt;
    size_t n_prompt, n_prompt_done;
    size_t n_generated;
    int32_t chosen; /* but not fed yet */
    float *logits;  /* a copy to forbid the end tokens in; only with ignore_eos */
    int32_t *end_tokens;
    size_t n_end_tokens;
    hearth_detokenizer *detokenizer;
    stop_words stop;
    buf text; /* of the event under way */
    hearth_finish_reason reason;
    uint64_t prompt_ns, generate_ns;
};

void hearth_generate_options_init(hearth_generate_options *options)
{
    *options = (hearth_generate_options){.struct_size = sizeof *options, .max_tokens = -1};
}

/* ---- new and free ---- */

static hearth_status take_options(hearth_generation *g, const hearth_generate_options *given,
                                  hearth_error *err)
{
    hearth_generate_options *o = &g->options;
    hearth_generate_options_init(o);
    TRY(options_take(o, sizeof *o, given, "hearth_generate_options", err));
    if (o->max_tokens < -1)
        FAIL(err, EINVAL, "max_tokens", "max_tokens is %d; it must be -1 (no limit) or more",
             o->max_tokens);
    if (o->n_stop && o->stop == NULL)
        FAIL(err, EINVAL, "stop", "stop is NULL with n_stop %zu", o->n_stop);
    return HEARTH_OK;
}

/* Refuses at once what could only fail later. */
static hearth_status check_start(const hearth_generation *g, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(g->model);
    size_t n_ctx = hearth_session_n_ctx(g->session);
    size_t taken = hearth_session_n_tokens(g->session);
    if (!info->causal)
        FAIL(err, EUNSUPPORTED, info->architecture,
             "%s is an encoder: it gives embeddings, no text; open a language model",
             info->architecture);
    if (sampler_n_vocab(g->sampler) != info->n_vocab)
        FAIL(
            err, EMISMATCH, "sampler",
            "the sampler is for a vocabulary of %zu tokens and the model has %u; make one for this "
            "model",
            sampler_n_vocab(g->sampler), info->n_vocab);
    if (g->n_prompt > n_ctx - taken)
        FAIL(err, ECONTEXT, "prompt",
             "the prompt has %zu tokens and %zu of the context's %zu are free: %zu do not fit; "
             "shorten it or raise n_ctx",
             g->n_prompt, n_ctx - taken, n_ctx, g->n_prompt - (n_ctx - taken));
    if (g->n_prompt == 0 && hearth_session_logits(g->session) == NULL)
        FAIL(err, EINVAL, "prompt",
             "the prompt is empty and the session has no logits to go on from; give a prompt");
    return HEARTH_OK;
}

static hearth_status forbid_end_tokens(hearth_generation *g, hearth_error *err)
{
    size_t n_vocab = hearth_model_get_info(g->model)->n_vocab;
    g->logits = mem_alloc_array(n_vocab, sizeof *g->logits);
    g->end_tokens = mem_alloc_array(n_vocab, sizeof *g->end_tokens);
    if (!g->logits || !g->end_tokens)
        return error_no_memory(err, "ignore_eos", n_vocab * 2 * sizeof *g->logits);
    for (size_t i = 0; i < n_vocab; i++)
        if (hearth_token_ends_answer(g->model, (int32_t)i))
            g->end_tokens[g->n_end_tokens++] = (int32_t)i;
    return HEARTH_OK;
}

static hearth_status copy_prompt(hearth_generation *g, const int32_t *prompt, hearth_error *err)
{
    g->prompt = mem_alloc_array(g->n_prompt, sizeof *g->prompt);
    if (g->prompt == NULL)
        return error_no_memory(err, "the prompt", g->n_prompt * sizeof *g->prompt);
    if (g->n_prompt)
        memcpy(g->prompt, prompt, g->n_prompt * sizeof *prompt);
    return HEARTH_OK;
}

hearth_status hearth_generation_new(hearth_generation **out, hearth_session *session,
                                    hearth_sampler *sampler, const int32_t *prompt, size_t n_prompt,
                                    const hearth_generate_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *out = NULL;
    if (prompt == NULL && n_prompt > 0)
        FAIL(err, EINVAL, "prompt", "the prompt is NULL, but %zu tokens are said to be in it",
             n_prompt);
    hearth_generation *g = mem_calloc(1, sizeof *g);
    if (g == NULL)
        return error_no_memory(err, "a generation", sizeof *g);
    g->session = session;
    g->sampler = sampler;
    g->model = hearth_session_model(session);
    g->n_prompt = n_prompt;
    g->chosen = NO_TOKEN;
    g->phase = n_prompt ? READING : WRITING;
    buf_init(&g->text, 0);
    TRY_OUT(take_options(g, options, err));
    TRY_OUT(check_start(g, err));
    TRY_OUT(stop_words_open(&g->stop, g->options.stop, g->options.n_stop, err));
    TRY_OUT(hearth_detokenizer_new(&g->detokenizer, g->model, g->options.special, false, err));
    TRY_OUT(copy_prompt(g, prompt, err));
    if (g->options.ignore_eos)
        TRY_OUT(forbid_end_tokens(g, err));
    *out = g;
    g = NULL;
out:
    hearth_generation_free(g);
    return status;
}

void hearth_generation_free(hearth_generation *g)
{
    if (g == NULL)
        return;
    mem_free(g->prompt);
    mem_free(g->logits);
    mem_free(g->end_tokens);
    hearth_detokenizer_free(g->detokenizer);
    stop_words_close(&g->stop);
    buf_deinit(&g->text);
    mem_free(g);
}

/* ---- events ---- */

static void fill_event(const hearth_generation *g, hearth_event_type type, int32_t token,
                       hearth_event *event)
{
    *event = (hearth_event){.type = type,
                            .text = type == HEARTH_EVENT_TEXT ? g->text.data : "",
                            .n_text = type == HEARTH_EVENT_TEXT ? g->text.n : 0,
                            .token = token,
                            .reason = type == HEARTH_EVENT_DONE ? g->reason : HEARTH_FINISH_NONE,
                            .n_prompt = g->n_prompt,
                            .n_prompt_done = g->n_prompt_done,
                            .n_generated = g->n_generated,
                            .prompt_ms = (double)g->prompt_ns / 1e6,
                            .generate_ms = (double)g->generate_ns / 1e6};
    if (type == HEARTH_EVENT_DONE && g->reason == HEARTH_FINISH_WORD)
        event->stop_word = g->stop.found;
}

static void finish(hearth_generation *g, hearth_finish_reason reason)
{
    g->reason = reason;
    g->phase = FLUSHING;
}

/* ---- reading the prompt ---- */

static hearth_status read_piece(hearth_generation *g, hearth_error *err)
{
    hearth_feed_options feed;
    const int32_t *tokens = g->prompt + g->n_prompt_done;
    size_t left = g->n_prompt - g->n_prompt_done;
    size_t n = left < g->session->plan.n_batch ? left : g->session->plan.n_batch;
    hearth_feed_options_init(&feed);
    feed.no_logits = n < left;
    uint64_t start = clock_now_ns();
    hearth_status status = hearth_session_feed(g->session, tokens, n, &feed, err);
    g->prompt_ns += clock_now_ns() - start;
    TRY(status);
    for (size_t i = 0; i < n; i++)
        TRY(hearth_sampler_accept(g->sampler, tokens[i], err));
    g->n_prompt_done += n;
    if (g->n_prompt_done == g->n_prompt)
        g->phase = WRITING;
    return HEARTH_OK;
}

static hearth_status next_of_prompt(hearth_generation *g, hearth_event *event, hearth_error *err)
{
    hearth_status status = read_piece(g, err);
    if (status == HEARTH_ECANCELED)
        finish(g, HEARTH_FINISH_CANCELED);
    else if (status != HEARTH_OK)
        return status;
    fill_event(g, HEARTH_EVENT_PROMPT, NO_TOKEN, event);
    return HEARTH_OK;
}

/* ---- writing ---- */

static hearth_status choose(hearth_generation *g, hearth_error *err)
{
    const float *logits = hearth_session_logits(g->session);
    if (g->options.ignore_eos && logits) {
        memcpy(g->logits, logits, sampler_n_vocab(g->sampler) * sizeof *logits);
        for (size_t i = 0; i < g->n_end_tokens; i++)
            g->logits[g->end_tokens[i]] = -INFINITY;
        logits = g->logits;
    }
    return hearth_sampler_sample_within(g->sampler, logits, g->options.matcher, &g->chosen, err);
}

/* Chooses a token, unless one is waiting, feeds it and counts it. */
static hearth_status write_token(hearth_generation *g, int32_t *token, bool *ends,
                                 hearth_error *err)
{
    if (g->chosen == NO_TOKEN)
        TRY(choose(g, err));
    *token = g->chosen;
    *ends = hearth_token_ends_answer(g->model, *token);
    if (!*ends)
        TRY(hearth_session_feed(g->session, token, 1, NULL, err));
    g->chosen = NO_TOKEN;
    g->n_generated++;
    if (g->options.matcher)
        TRY(hearth_matcher_accept(g->options.matcher, *token, err));
    return hearth_sampler_accept(g->sampler, *token, err);
}

/* Appends to g->text what the token completes. */
static hearth_status take_text(hearth_generation *g, int32_t token, hearth_error *err)
{
    const char *text;
    size_t n;
    bool stopped;
    TRY(hearth_detokenizer_feed(g->detokenizer, token, &text, &n, err));
    TRY(stop_words_feed(&g->stop, text, n, &g->text, &stopped, err));
    if (stopped)
        finish(g, HEARTH_FINISH_WORD);
    return HEARTH_OK;
}

/* True where nothing more may be written, with the reason set. */
static bool is_at_limit(hearth_generation *g)
{
    if (g->options.max_tokens >= 0 && g->n_generated >= (size_t)g->options.max_tokens)
        finish(g, HEARTH_FINISH_LIMIT);
    else if (hearth_session_n_tokens(g->session) >= hearth_session_n_ctx(g->session))
        finish(g, HEARTH_FINISH_CONTEXT);
    return g->phase != WRITING;
}

/* Writes until there is text or a reason to finish. */
static hearth_status write_text(hearth_generation *g, int32_t *token, hearth_error *err)
{
    while (g->phase == WRITING && g->text.n == 0 && !is_at_limit(g)) {
        bool ends;
        uint64_t start = clock_now_ns();
        hearth_status status = write_token(g, token, &ends, err);
        g->generate_ns += clock_now_ns() - start;
        if (status == HEARTH_ECANCELED) {
            finish(g, HEARTH_FINISH_CANCELED);
            return HEARTH_OK;
        }
        TRY(status);
        if (ends || (g->options.matcher && hearth_matcher_is_done(g->options.matcher)))
            finish(g, HEARTH_FINISH_STOP);
        if (!ends || g->options.special)
            TRY(take_text(g, *token, err));
    }
    return HEARTH_OK;
}

/* What was held back: the start of a stop string that never came, half a character. */
static hearth_status flush(hearth_generation *g, hearth_error *err)
{
    const char *text;
    size_t n;
    bool stopped;
    g->phase = DONE;
    if (g->reason == HEARTH_FINISH_WORD)
        return HEARTH_OK;
    TRY(hearth_detokenizer_finish(g->detokenizer, &text, &n, err));
    TRY(stop_words_feed(&g->stop, text, n, &g->text, &stopped, err));
    if (stopped)
        g->reason = HEARTH_FINISH_WORD;
    return stop_words_finish(&g->stop, &g->text, err);
}

hearth_status hearth_generation_next(hearth_generation *g, hearth_event *event, hearth_error *err)
{
    int32_t token = NO_TOKEN;
    if (g->phase == READING)
        return next_of_prompt(g, event, err);
    buf_clear(&g->text);
    TRY(write_text(g, &token, err));
    if (g->phase == FLUSHING && g->text.n == 0) {
        token = NO_TOKEN;
        TRY(flush(g, err));
    }
    fill_event(g, g->text.n ? HEARTH_EVENT_TEXT : HEARTH_EVENT_DONE, token, event);
    if (event->type == HEARTH_EVENT_DONE)
        event->token = NO_TOKEN;
    return HEARTH_OK;
}
