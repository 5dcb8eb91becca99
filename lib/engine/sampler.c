/* SPDX-License-Identifier: MIT
 *
 * sampler.c - the sampler handle: logits in, through the chain, one token out.
 *
 *   logits --copy--> candidates --bias--> stages in the chosen order --> draw --> token
 *   logits --copy--> candidates --bias--> temperature --> mirostat ------------> token
 *
 * Random   XTC and the draw have a generator each, both seeded with the seed, as in llama.cpp: what
 *          one draws never moves the other.
 * Memory   12 bytes per token of the vocabulary twice, and what the penalties and DRY keep; all
 *          taken by new.
 */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/sampler_draw.h"
#include "engine/sampler_filters.h"
#include "engine/sampler_options.h"
#include "os/entropy.h"

static const uint32_t draw_a_seed = 4294967295u;

struct hearth_sampler {
    hearth_sampler_options options; /* its pointers are not used after new */
    sampler_chain chain;
    size_t n_vocab;
    uint32_t seed;
    hearth_logit_bias *logit_bias;
    candidates *candidates; /* in its own memory: putting them in order changes no sampler */
    history history;
    penalties penalties;
    dry dry;
    mt19937 draw_numbers;
    mt19937 xtc_numbers;
    mirostat mirostat;
};

/* ---- new, free, reset ---- */

/* More than the context can never have been accepted, so a larger window is the same. */
static size_t window_of(int32_t last_n, uint32_t n_ctx)
{
    return last_n < 0 || (uint32_t)last_n > n_ctx ? n_ctx : (size_t)last_n;
}

static hearth_status open_candidates(hearth_sampler *s, hearth_error *err)
{
    s->candidates = mem_calloc(1, sizeof *s->candidates);
    if (s->candidates) {
        s->candidates->items = mem_alloc_array(s->n_vocab, sizeof *s->candidates->items);
        s->candidates->scratch = mem_alloc_array(s->n_vocab, sizeof *s->candidates->scratch);
    }
    if (s->candidates == NULL || !s->candidates->items || !s->candidates->scratch)
        return error_no_memory(err, "the candidates of a sampler",
                               2 * s->n_vocab * sizeof *s->candidates->items);
    return HEARTH_OK;
}

static hearth_status open_memory_of_text(hearth_sampler *s, const sampler_vocab *vocab,
                                         uint32_t n_ctx, hearth_error *err)
{
    static const char *const default_breakers[] = {"\n", ":", "\"", "*"};
    const hearth_sampler_options *o = &s->options;
    bool filters = o->mirostat == 0;
    s->penalties = (penalties){.repeat = o->repeat_penalty,
                               .frequency = o->frequency_penalty,
                               .presence = o->presence_penalty};
    s->dry = (dry){.multiplier = o->dry_multiplier,
                   .base = o->dry_base,
                   .allowed_length = o->dry_allowed_length};
    if (filters && sampler_chain_has(&s->chain, STAGE_PENALTIES))
        s->penalties.window = window_of(o->repeat_last_n, n_ctx);
    if (filters && sampler_chain_has(&s->chain, STAGE_DRY))
        s->dry.window = window_of(o->dry_penalty_last_n, n_ctx);
    TRY(penalties_open(&s->penalties, s->n_vocab, err));
    if (o->dry_sequence_breakers)
        TRY(dry_open(&s->dry, vocab, o->dry_sequence_breakers, o->n_dry_sequence_breakers, err));
    else
        TRY(dry_open(&s->dry, vocab, default_breakers, 4, err));
    size_t longest = s->penalties.window > s->dry.window ? s->penalties.window : s->dry.window;
    return history_open(&s->history, longest, err);
}

static hearth_status copy_logit_bias(hearth_sampler *s, hearth_error *err)
{
    size_t n = s->options.n_logit_bias;
    s->logit_bias = mem_alloc_array(n, sizeof *s->logit_bias);
    if (s->logit_bias == NULL)
        return error_no_memory(err, "logit_bias", n * sizeof *s->logit_bias);
    if (n)
        memcpy(s->logit_bias, s->options.logit_bias, n * sizeof *s->logit_bias);
    return HEARTH_OK;
}

hearth_status sampler_open(hearth_sampler **out, const sampler_vocab *vocab, uint32_t n_ctx,
                           const hearth_sampler_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    *out = NULL;
    if (vocab->n == 0 || vocab->n > INT32_MAX)
        FAIL(err, EINVAL, "model", "the model has a vocabulary of %zu tokens; nothing to sample",
             vocab->n);
    hearth_sampler *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err, "a sampler", sizeof *s);
    s->n_vocab = vocab->n;
    TRY_OUT(sampler_options_take(&s->options, &s->chain, options, s->n_vocab, err));
    s->seed = s->options.seed == draw_a_seed ? entropy_u32() : s->options.seed;
    s->mirostat.tau = s->options.mirostat_tau;
    s->mirostat.eta = s->options.mirostat_eta;
    TRY_OUT(open_candidates(s, err));
    TRY_OUT(open_memory_of_text(s, vocab, n_ctx, err));
    TRY_OUT(copy_logit_bias(s, err));
    hearth_sampler_reset(s);
    *out = s;
    s = NULL;
out:
    hearth_sampler_free(s);
    return status;
}

static hearth_status piece_of_model(const void *user, int32_t token, char **bytes, size_t *n_bytes,
                                    hearth_error *err)
{
    return hearth_token_piece(user, token, bytes, n_bytes, err);
}

static hearth_status tokenize_by_model(const void *user, const char *text, size_t n,
                                       int32_t **tokens, size_t *n_tokens, hearth_error *err)
{
    return hearth_tokenize(user, text, n, 0, tokens, n_tokens, err);
}

hearth_status hearth_sampler_new(hearth_sampler **out, const hearth_model *model, uint32_t n_ctx,
                                 const hearth_sampler_options *options, hearth_error *err)
{
    sampler_vocab vocab = {.n = hearth_model_get_info(model)->n_vocab,
                           .user = model,
                           .piece = piece_of_model,
                           .tokenize = tokenize_by_model};
    return sampler_open(out, &vocab, n_ctx, options, err);
}

void hearth_sampler_free(hearth_sampler *sampler)
{
    if (sampler == NULL)
        return;
    if (sampler->candidates) {
        mem_free(sampler->candidates->items);
        mem_free(sampler->candidates->scratch);
    }
    mem_free(sampler->candidates);
    mem_free(sampler->logit_bias);
    history_close(&sampler->history);
    penalties_close(&sampler->penalties);
    dry_close(&sampler->dry);
    mem_free(sampler);
}

void hearth_sampler_reset(hearth_sampler *sampler)
{
    mt19937_seed(&sampler->draw_numbers, sampler->seed);
    mt19937_seed(&sampler->xtc_numbers, sampler->seed);
    mirostat_reset(&sampler->mirostat);
    history_clear(&sampler->history);
    penalties_clear(&sampler->penalties, sampler->n_vocab);
    sampler->candidates->n = 0;
}

uint32_t hearth_sampler_seed(const hearth_sampler *sampler)
{
    return sampler->seed;
}

size_t sampler_n_vocab(const hearth_sampler *sampler)
{
    return sampler->n_vocab;
}

/* ---- sample ---- */

static bool is_masked(const uint64_t *mask, size_t token)
{
    return mask && !(mask[token / 64] >> token % 64 & 1);
}

/* Also makes the invariant of candidates true: no NaN, no +infinity, something allowed. mask: the
 * tokens that may come, or NULL. */
static hearth_status take_logits(hearth_sampler *s, const float *logits, const uint64_t *mask,
                                 hearth_error *err)
{
    candidates *c = s->candidates;
    c->n = 0;
    for (size_t i = 0; i < s->n_vocab; i++) {
        if (!(logits[i] < INFINITY))
            FAIL(err, EFORMAT, "logits",
                 "logit %zu is %g; the model's weights are damaged or overflow", i,
                 (double)logits[i]);
        c->items[i] = (hearth_candidate){.token = (int32_t)i, .logit = logits[i]};
    }
    for (size_t i = 0; i < s->options.n_logit_bias; i++) {
        float *logit = &c->items[s->logit_bias[i].token].logit;
        *logit = finite_logit(*logit + s->logit_bias[i].bias);
    }
    for (size_t i = 0; mask && i < s->n_vocab; i++) {
        if (is_masked(mask, i))
            c->items[i].logit = -INFINITY;
    }
    size_t allowed = 0;
    while (allowed < s->n_vocab && c->items[allowed].logit == -INFINITY)
        allowed++;
    if (allowed == s->n_vocab)
        FAIL(err, EINVAL, "logits",
             "all %zu tokens are forbidden by the logits%s and logit_bias; allow one", s->n_vocab,
             mask ? ", the grammar" : "");
    c->n = s->n_vocab;
    c->sorted = false;
    return HEARTH_OK;
}

static void apply_stage(hearth_sampler *s, sampler_stage stage)
{
    const hearth_sampler_options *o = &s->options;
    candidates *c = s->candidates;
    size_t min_keep = (size_t)o->min_keep;
    switch (stage) {
    case STAGE_PENALTIES:
        penalties_apply(&s->penalties, c);
        break;
    case STAGE_DRY:
        dry_apply(&s->dry, &s->history, c);
        break;
    case STAGE_TOP_N_SIGMA:
        filter_top_n_sigma(c, o->top_n_sigma);
        break;
    case STAGE_TOP_K:
        filter_top_k(c, o->top_k);
        break;
    case STAGE_TYPICAL:
        filter_typical(c, o->typical_p, min_keep);
        break;
    case STAGE_TOP_P:
        filter_top_p(c, o->top_p, min_keep);
        break;
    case STAGE_MIN_P:
        filter_min_p(c, o->min_p, min_keep);
        break;
    case STAGE_XTC:
        filter_xtc(c, o->xtc_probability, o->xtc_threshold, min_keep, &s->xtc_numbers);
        break;
    case STAGE_TEMPERATURE:
        filter_dynamic_temperature(c, o->temperature, o->dynatemp_range, o->dynatemp_exponent);
        break;
    case N_STAGES:
        break;
    }
}

/* Temperature 0 is a promise, whatever the chain: the likeliest of what the filters left. */
static bool is_greedy(const hearth_sampler *s)
{
    return s->options.temperature <= 0;
}

static size_t choose(hearth_sampler *s)
{
    candidates *c = s->candidates;
    if (s->options.mirostat != 0) {
        filter_temperature(c, s->options.temperature);
        return s->options.mirostat == 1
                   ? draw_mirostat(c, &s->mirostat, s->n_vocab, &s->draw_numbers)
                   : draw_mirostat_v2(c, &s->mirostat, &s->draw_numbers);
    }
    for (size_t i = 0; i < s->chain.n; i++)
        apply_stage(s, s->chain.stages[i]);
    return is_greedy(s) ? draw_greedy(c) : draw(c, &s->draw_numbers);
}

hearth_status hearth_sampler_sample(hearth_sampler *sampler, const float *logits, int32_t *token,
                                    hearth_error *err)
{
    if (logits == NULL)
        FAIL(err, EINVAL, "logits", "there are no logits to sample from; feed a token first");
    TRY(take_logits(sampler, logits, NULL, err));
    *token = sampler->candidates->items[choose(sampler)].token;
    return HEARTH_OK;
}

/* One round is all a grammar needs; one that waits for its trigger learns of the tokens that it
 * must refuse one by one. */
hearth_status hearth_sampler_sample_within(hearth_sampler *sampler, const float *logits,
                                           hearth_matcher *matcher, int32_t *token,
                                           hearth_error *err)
{
    enum { ROUNDS_MAX = 64 };
    bool allowed = matcher == NULL;
    const uint64_t *mask;
    TRY(hearth_sampler_sample(sampler, logits, token, err));
    if (matcher)
        TRY(hearth_matcher_allows(matcher, *token, &allowed, err));
    for (int i = 0; !allowed && i < ROUNDS_MAX; i++) {
        TRY(hearth_matcher_mask(matcher, &mask, err));
        TRY(take_logits(sampler, logits, mask, err));
        *token = sampler->candidates->items[choose(sampler)].token;
        TRY(hearth_matcher_allows(matcher, *token, &allowed, err));
    }
    if (!allowed)
        FAIL(err, EINVAL, "grammar",
             "%d tokens that start the grammar do not fit it; change its "
             "triggers",
             ROUNDS_MAX);
    return HEARTH_OK;
}

hearth_status hearth_sampler_accept(hearth_sampler *sampler, int32_t token, hearth_error *err)
{
    if (token < 0 || (size_t)token >= sampler->n_vocab)
        FAIL(err, EINVAL, "token", "token %d is outside the vocabulary of %zu", token,
             sampler->n_vocab);
    penalties_accept(&sampler->penalties, &sampler->history, token);
    history_push(&sampler->history, token);
    return HEARTH_OK;
}

const hearth_candidate *hearth_sampler_candidates(const hearth_sampler *sampler, size_t *n)
{
    candidates_sort(sampler->candidates);
    *n = sampler->candidates->n;
    return sampler->candidates->items;
}
