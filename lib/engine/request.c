/* SPDX-License-Identifier: MIT
 *
 * request.c - see request.h.
 */
#include "engine/request.h"

#include <string.h>

#include "base/mem.h"
#include "base/options_take.h"
#include "engine/engine_state.h"
#include "engine/pooling_rank.h"
#include "os/clock.h"

void hearth_request_options_init(hearth_request_options *options)
{
    *options = (hearth_request_options){.struct_size = sizeof *options, .max_tokens = -1};
}

void hearth_embed_options_init(hearth_embed_options *options)
{
    *options = (hearth_embed_options){
        .struct_size = sizeof *options, .pooling = HEARTH_POOLING_MODEL, .normalize = true};
}

/* ---- new ---- */

static hearth_status check_tokens(const hearth_model *model, const int32_t *tokens, size_t n,
                                  hearth_error *err)
{
    if (n == 0 || tokens == NULL)
        FAIL(err, EINVAL, "tokens", "the prompt is empty; give at least one token");
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= model->h.n_vocab)
            FAIL(err, EINVAL, "tokens", "token %d at index %zu is outside the vocabulary of %u",
                 tokens[i], i, model->h.n_vocab);
    }
    return HEARTH_OK;
}

/* One position must be left to write, if anything is to be written. */
static bool is_too_long(const hearth_request_options *o, uint32_t n_ctx)
{
    return o->n_tokens > n_ctx || (o->n_tokens == n_ctx && o->max_tokens != 0);
}

static hearth_status check_options(const hearth_model *model, uint32_t n_ctx,
                                   const hearth_request_options *o, hearth_error *err)
{
    if (!model->h.causal)
        FAIL(err, EUNSUPPORTED, model->info.architecture,
             "%s is an encoder: it gives embeddings, no text; open a language model",
             model->info.architecture);
    TRY(check_tokens(model, o->tokens, o->n_tokens, err));
    if (o->max_tokens < -1)
        FAIL(err, EINVAL, "max_tokens", "max_tokens is %d; it must be -1 (no limit) or more",
             o->max_tokens);
    if (is_too_long(o, n_ctx) && !o->context_shift)
        FAIL(err, ECONTEXT, "tokens",
             "the prompt has %zu tokens and the context is %u, of which one must be left to write; "
             "shorten it or raise n_ctx",
             o->n_tokens, n_ctx);
    if (o->n_stop && o->stop == NULL)
        FAIL(err, EINVAL, "stop", "stop is NULL with n_stop %zu", o->n_stop);
    if (o->n_probs > MAX_PROBS)
        FAIL(err, EINVAL, "n_probs", "%zu candidates are asked for; %d are the most", o->n_probs,
             MAX_PROBS);
    if (o->context_shift && o->n_keep + 2 >= n_ctx)
        FAIL(err, EINVAL, "n_keep",
             "n_keep is %u of a context of %u; keep less, so that something "
             "can be forgotten",
             o->n_keep, n_ctx);
    if (!(o->max_time_ms >= 0 && o->max_time_ms < 1e12))
        FAIL(err, EINVAL, "max_time_ms", "max_time_ms is %g; it must be 0 (none) or more",
             o->max_time_ms);
    return HEARTH_OK;
}

static hearth_status copy_stop(hearth_request *r, hearth_error *err)
{
    const hearth_request_options *o = &r->options;
    r->stop = mem_calloc(o->n_stop, sizeof *r->stop);
    if (r->stop == NULL)
        return error_no_memory(err, "the stop strings", o->n_stop * sizeof *r->stop);
    for (size_t i = 0; i < o->n_stop; i++) {
        const char *word = o->stop[i];
        r->stop[i] = mem_dup(word ? word : "", word ? strlen(word) : 0);
        if (r->stop[i] == NULL)
            return error_no_memory(err, "the stop strings", word ? strlen(word) : 1);
    }
    return HEARTH_OK;
}

static hearth_status find_end_tokens(hearth_request *r, const hearth_model *model,
                                     hearth_error *err)
{
    size_t n = 0;
    for (uint32_t i = 0; i < model->h.n_vocab; i++)
        n += hearth_token_ends_answer(model, (int32_t)i);
    r->end_tokens = mem_alloc_array(n, sizeof *r->end_tokens);
    if (r->end_tokens == NULL)
        return error_no_memory(err, "ignore_eos", n * sizeof *r->end_tokens);
    for (uint32_t i = 0; i < model->h.n_vocab; i++)
        if (hearth_token_ends_answer(model, (int32_t)i))
            r->end_tokens[r->n_end_tokens++] = (int32_t)i;
    return HEARTH_OK;
}

/* The prompt without n_cut tokens behind its first n_keep, and room for what may be written. */
static hearth_status copy_tokens(hearth_request *r, const int32_t *tokens, size_t n, size_t n_cut,
                                 size_t room, hearth_error *err)
{
    size_t keep = r->options.n_keep < n - n_cut ? r->options.n_keep : n - n_cut;
    r->tokens = mem_alloc_array(room, sizeof *r->tokens);
    if (r->tokens == NULL)
        return error_no_memory(err, "a request's tokens", room * sizeof *r->tokens);
    n -= n_cut;
    memcpy(r->tokens, tokens, keep * sizeof *tokens);
    memcpy(r->tokens + keep, tokens + keep + n_cut, (n - keep) * sizeof *tokens);
    r->counts.n_shifts = n_cut > 0;
    r->counts.n_shifted = n_cut;
    r->n_prompt = r->n_tokens = n;
    r->room = room;
    r->counts.n_prompt = n;
    return HEARTH_OK;
}

/* What a shift would have forgotten by the end of a prompt that is too long: half of the context
 * behind n_keep at a time. */
static size_t cut_of(const hearth_request_options *o, uint32_t n_ctx)
{
    if (!is_too_long(o, n_ctx))
        return 0;
    size_t half = (n_ctx - o->n_keep) / 2;
    return (o->n_tokens - o->n_keep - half) / half * half;
}

static hearth_status make_events(hearth_request *r, hearth_error *err)
{
    size_t n = r->options.n_probs;
    for (size_t i = 0; i < N_EVENTS; i++) {
        buf_init(&r->events[i].text, 0);
        r->events[i].top = n ? mem_alloc_array(n, sizeof *r->events[i].top) : NULL;
        if (n && r->events[i].top == NULL)
            return error_no_memory(err, "n_probs", n * sizeof *r->events[i].top);
    }
    return HEARTH_OK;
}

static hearth_status make_blank(hearth_request **out, hearth_error *err)
{
    hearth_request *r = mem_calloc(1, sizeof *r);
    if (r == NULL)
        return error_no_memory(err, "a request", sizeof *r);
    atomic_init(&r->references, 1);
    monitor_init(&r->door);
    r->root = r->node = PREFIX_ROOT;
    r->submitted_ns = clock_now_ns();
    *out = r;
    return HEARTH_OK;
}

hearth_status request_new(hearth_request **out, const hearth_model *model, uint32_t n_ctx,
                          const hearth_request_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hearth_request *r;
    TRY(check_options(model, n_ctx, options, err));
    TRY(make_blank(&r, err));
    r->options = *options;
    r->options.logprobs |= options->n_probs > 0;
    if (options->uses)
        TRY_OUT(adapters_mix_uses(&r->mix, model, options->uses, options->n_uses, err));
    else
        TRY_OUT(adapters_mix_own(&r->mix, model, options->adapters, options->n_adapters, err));
    r->client_key = options->client;
    r->caches = !options->no_cache_prompt;
    if (options->max_time_ms > 0)
        r->deadline_ns = r->submitted_ns + (uint64_t)(options->max_time_ms * 1e6);
    size_t room = n_ctx, n_cut = cut_of(options, n_ctx), n = options->n_tokens - n_cut;
    if (options->max_tokens >= 0 && (size_t)options->max_tokens < n_ctx - n)
        room = n + (size_t)options->max_tokens;
    TRY_OUT(copy_tokens(r, options->tokens, options->n_tokens, n_cut, room, err));
    TRY_OUT(make_events(r, err));
    TRY_OUT(copy_stop(r, err));
    TRY_OUT(answer_text_open(&r->text, model, options->special, (const char *const *)r->stop,
                             options->n_stop, err));
    TRY_OUT(hearth_sampler_new(&r->sampler, model, n_ctx, options->sampler, err));
    if (options->matcher)
        TRY_OUT(hearth_matcher_dup(&r->matcher, options->matcher, err));
    if (options->ignore_eos)
        TRY_OUT(find_end_tokens(r, model, err));
    for (size_t i = 0; i < r->n_prompt; i++)
        TRY_OUT(hearth_sampler_accept(r->sampler, r->tokens[i], err));
    *out = r;
    return HEARTH_OK;
out:
    request_unref(r);
    return status;
}

hearth_status request_new_embedding(hearth_request **out, const hearth_model *model,
                                    const hearth_embed_item *item, pooling_kind pooling,
                                    const hearth_embed_options *options, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hearth_request *r;
    TRY(check_tokens(model, item->tokens, item->n_tokens, err));
    TRY(make_blank(&r, err));
    if (options->uses)
        TRY_OUT(adapters_mix_uses(&r->mix, model, options->uses, options->n_uses, err));
    else
        TRY_OUT(adapters_mix_own(&r->mix, model, NULL, 0, err));
    r->wants_sum = true;
    r->pooling = pooling;
    r->normalize = options->normalize;
    r->client_key = options->client;
    r->result = item->out;
    TRY_OUT(copy_tokens(r, item->tokens, item->n_tokens, 0, item->n_tokens, err));
    TRY_OUT(make_events(r, err));
    r->hidden = mem_calloc((size_t)POOLED_ROWS * model->h.n_embd, sizeof *r->hidden);
    if (r->hidden == NULL) {
        status = error_no_memory(err, "an embedding",
                                 (size_t)POOLED_ROWS * model->h.n_embd * sizeof *r->hidden);
        goto out;
    }
    pooled_init(&r->pooled, r->hidden, model->h.n_embd);
    if (pooling == POOLING_RANK) {
        r->scratch = mem_alloc_aligned(rank_scratch_bytes(model));
        if (r->scratch == NULL) {
            status = error_no_memory(err, "a score", rank_scratch_bytes(model));
            goto out;
        }
    }
    *out = r;
    return HEARTH_OK;
out:
    request_unref(r);
    return status;
}

void request_ref(hearth_request *r)
{
    atomic_fetch_add(&r->references, 1);
}

void request_unref(hearth_request *r)
{
    if (r == NULL || atomic_fetch_sub(&r->references, 1) != 1)
        return;
    for (size_t i = 0; i < N_EVENTS; i++) {
        buf_deinit(&r->events[i].text);
        mem_free(r->events[i].top);
    }
    for (size_t i = 0; r->stop && i < r->options.n_stop; i++)
        mem_free(r->stop[i]);
    mem_free(r->stop);
    answer_text_close(&r->text);
    hearth_sampler_free(r->sampler);
    hearth_matcher_free(r->matcher);
    adapter_mix_deinit(&r->mix);
    mem_free(r->end_tokens);
    mem_free(r->tokens);
    mem_free(r->hidden);
    mem_free(r->scratch);
    monitor_deinit(&r->door);
    mem_free(r);
}

/* ---- the engine's side ---- */

size_t request_n_free_events(const hearth_request *r)
{
    uint32_t n = atomic_load(&r->n_events) + EVENTS_RESERVED;
    return n < N_EVENTS ? N_EVENTS - n : 0;
}

bool request_has_room(hearth_request *r)
{
    if (atomic_load(&r->n_events) + EVENTS_RESERVED <= N_EVENTS)
        return true;
    atomic_store(&r->stalled, true); /* before the last look: see hearth_request_next */
    if (atomic_load(&r->n_events) + EVENTS_RESERVED > N_EVENTS)
        return false;
    atomic_store(&r->stalled, false);
    return true;
}

queued_event *request_slot(hearth_request *r, hearth_request_event_type type)
{
    queued_event *slot = &r->events[r->next_event];
    slot->event = r->counts;
    slot->event.type = type;
    slot->event.token = -1;
    buf_clear(&slot->text);
    return slot;
}

/* The text's memory may have moved while the slot was filled. */
static void tie(queued_event *slot)
{
    slot->event.text = slot->text.n ? slot->text.data : "";
    slot->event.n_text = slot->text.n;
    slot->event.top = slot->top;
}

void request_push(hearth_request *r)
{
    monitor_lock(&r->door);
    tie(&r->events[r->next_event]);
    r->next_event = (r->next_event + 1) % N_EVENTS;
    atomic_fetch_add(&r->n_events, 1);
    monitor_wake(&r->door);
    monitor_unlock(&r->door);
}

void request_push_progress(hearth_request *r)
{
    monitor_lock(&r->door);
    uint32_t n = atomic_load(&r->n_events);
    uint32_t newest = (r->next_event + N_EVENTS - 1) % N_EVENTS;
    bool replaces =
        n > (r->holds_event ? 1u : 0u) && r->events[newest].event.type == HEARTH_REQUEST_PROMPT;
    if (replaces)
        r->next_event = newest;
    tie(request_slot(r, HEARTH_REQUEST_PROMPT));
    r->next_event = (r->next_event + 1) % N_EVENTS;
    if (!replaces)
        atomic_fetch_add(&r->n_events, 1);
    monitor_wake(&r->door);
    monitor_unlock(&r->door);
}

void request_end(hearth_request *r, hearth_status status, const hearth_error *error)
{
    monitor_lock(&r->door);
    r->engine = NULL;
    r->status = status;
    if (status != HEARTH_OK)
        r->error = *error;
    monitor_wake(&r->door);
    monitor_unlock(&r->door);
    adapter_mix_deinit(&r->mix);
}

/* ---- the consumer's side ---- */

static bool is_done_event(const hearth_request *r)
{
    return r->events[r->first_event].event.type == HEARTH_REQUEST_DONE;
}

/* Locked. Gives back the slot that the last call gave out; DONE stays for ever. */
static void give_back(hearth_request *r)
{
    if (!r->holds_event || is_done_event(r))
        return;
    r->holds_event = false;
    r->first_event = (r->first_event + 1) % N_EVENTS;
    atomic_fetch_sub(&r->n_events, 1);
    if (r->engine && atomic_exchange(&r->stalled, false))
        engine_wake(r->engine);
}

static void wait_for_event(hearth_request *r, int timeout_ms)
{
    uint64_t until = clock_now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;
    while (atomic_load(&r->n_events) == 0 && r->engine != NULL) {
        uint64_t now = timeout_ms < 0 ? 0 : clock_now_ns();
        if (timeout_ms >= 0 && now >= until)
            return;
        monitor_wait(&r->door, timeout_ms < 0 ? -1 : (int64_t)(until - now));
    }
}

hearth_status hearth_request_next(hearth_request *r, int timeout_ms, hearth_request_event *event,
                                  hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    monitor_lock(&r->door);
    give_back(r);
    wait_for_event(r, timeout_ms);
    if (atomic_load(&r->n_events) > 0) {
        *event = r->events[r->first_event].event;
        r->holds_event = true;
    } else if (r->engine == NULL) {
        status = r->status;
        if (err)
            *err = r->error;
    } else {
        *event = (hearth_request_event){.type = HEARTH_REQUEST_NONE, .text = "", .token = -1};
    }
    monitor_unlock(&r->door);
    return status;
}

void hearth_request_cancel(hearth_request *r)
{
    monitor_lock(&r->door);
    atomic_store(&r->canceled, true);
    if (r->engine)
        engine_interrupt(r->engine);
    monitor_unlock(&r->door);
}

void hearth_request_free(hearth_request *r)
{
    if (r == NULL)
        return;
    hearth_request_cancel(r);
    request_unref(r);
}

uint64_t hearth_request_id(const hearth_request *r)
{
    return r->id;
}
