/* SPDX-License-Identifier: MIT
 *
 * session.c - opening, feeding, rewinding and forking a timeline. Saving and loading are in
 * state.c.
 *
 * Invariants
 *   S1  Keys and values of positions 0 .. n_tokens-1 are those of tokens[]; beyond, they are
 * undefined. S2  A feed that fails changes neither n_tokens nor logits nor the pooled embedding.
 */
#include "engine/session.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/options_take.h"
#include "engine/pooling_rank.h"

uint64_t session_bytes(const hparams *h, const hearth_plan *plan)
{
    uint64_t batch_row = 2 * sizeof(uint32_t) + sizeof(kv_sequence *) + sizeof(adapter_mix *);
    return plan->n_ctx * sizeof(int32_t) + plan->n_batch * batch_row +
           (h->causal ? h->n_vocab * sizeof(float) : 0) +
           2 * POOLED_ROWS * h->n_embd * sizeof(float) +
           page_pool_table_bytes(kv_n_pages(plan->n_ctx)) + sequence_bytes(kv_n_pages(plan->n_ctx));
}

static hearth_status check_fit(const hearth_plan *plan, hearth_error *err)
{
    if (plan->n_ctx_max > 0)
        FAIL(
            err, ENOFIT, "n_ctx",
            "a context of %u needs %.1f MiB in all and %.1f MiB are free; the largest that fits is "
            "%u",
            plan->n_ctx, (double)plan->total_bytes / 1048576.0,
            (double)plan->available_bytes / 1048576.0, plan->n_ctx_max);
    FAIL(err, ENOFIT, "n_ctx",
         "%.1f MiB are needed and %.1f MiB are free; close other programs or use a smaller "
         "quantization",
         (double)plan->total_bytes / 1048576.0, (double)plan->available_bytes / 1048576.0);
}

static hearth_status allocate(hearth_session *s, hearth_error *err)
{
    const hparams *h = &s->model->h;
    const hearth_plan *plan = &s->plan;
    forward_options options = plan_forward_options(s->model, &s->options, plan);
    TRY(forward_open(&s->f, &options, err));
    TRY(page_pool_init(&s->cache, forward_kv_layout(s->f), kv_n_pages(plan->n_ctx), err));
    TRY(sequence_init(&s->sequence, s->cache.n_pages, err));
    while (s->sequence.n_pages < s->cache.n_pages)
        sequence_push(&s->sequence, &s->cache, page_pool_take(&s->cache));
    s->tokens = mem_alloc_array(plan->n_ctx, sizeof *s->tokens);
    s->positions = mem_alloc_array(plan->n_batch, sizeof *s->positions);
    s->visible = mem_alloc_array(plan->n_batch, sizeof *s->visible);
    s->mixes = mem_alloc_array(plan->n_batch, sizeof *s->mixes);
    s->sequences = mem_alloc_array(plan->n_batch, sizeof *s->sequences);
    /* The pooled embedding, and its copy while a feed may still fail. */
    float *hidden = mem_calloc(2 * (size_t)POOLED_ROWS * h->n_embd, sizeof(float));
    if (hidden)
        pooled_init(&s->pooled, hidden, h->n_embd);
    if (h->causal)
        s->logits = mem_alloc_array(h->n_vocab, sizeof *s->logits);
    if (!s->tokens || !s->positions || !s->visible || !s->mixes || !s->sequences || !hidden ||
        (h->causal && !s->logits))
        return error_no_memory(err, "a session", session_bytes(h, plan));
    s->has_hidden = true;
    return adapters_mix_own(&s->mix, s->model, NULL, 0, err);
}

hearth_status hearth_session_open(hearth_session **out, const hearth_model *model,
                                  const hearth_session_options *given, hearth_error *err)
{
    hearth_session_options options;
    hearth_plan plan;
    *out = NULL;
    hearth_session_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_session_options", err));
    if (model->scope != HEARTH_SCOPE_ALL)
        FAIL(err, EINVAL, "scope", "the model was opened without its weights; open it whole");
    TRY(plan_session(model, &options, 0, &plan, err));
    if (!plan.fits && !options.ignore_memory_limit)
        return check_fit(&plan, err);
    if (plan.n_ctx > model->h.n_ctx_train)
        log_write(&model->log, HEARTH_LOG_WARNING,
                  "the context is %u, but the model was trained with %u: answers may get worse "
                  "beyond that",
                  plan.n_ctx, model->h.n_ctx_train);
    if (options.n_ctx == 0 && plan.n_ctx < model->h.n_ctx_train)
        log_write(&model->log, HEARTH_LOG_WARNING,
                  "the context is %u of the model's %u, to take no more than three quarters of the "
                  "%.1f MiB that are free; ask for more if nothing else needs the memory",
                  plan.n_ctx, model->h.n_ctx_train, (double)plan.available_bytes / 1048576.0);
    hearth_session *s = mem_calloc(1, sizeof *s);
    if (s == NULL)
        return error_no_memory(err, "a session", sizeof *s);
    s->model = model;
    s->options = options;
    s->plan = plan;
    hearth_status status = allocate(s, err);
    if (status != HEARTH_OK) {
        hearth_session_close(s);
        return status;
    }
    *out = s;
    return HEARTH_OK;
}

void hearth_session_close(hearth_session *s)
{
    if (s == NULL)
        return;
    forward_close(s->f);
    sequence_deinit(&s->sequence);
    page_pool_deinit(&s->cache);
    mem_free(s->tokens);
    mem_free(s->positions);
    mem_free(s->visible);
    mem_free(s->mixes);
    adapter_mix_deinit(&s->mix);
    mem_free(s->sequences);
    mem_free(s->pooled.sum);
    mem_free(s->logits);
    mem_free(s);
}

const hearth_model *hearth_session_model(const hearth_session *s)
{
    return s->model;
}

uint32_t hearth_session_n_ctx(const hearth_session *s)
{
    return s->plan.n_ctx;
}

int32_t hearth_session_n_threads(const hearth_session *s)
{
    return s->plan.n_threads;
}

size_t hearth_session_n_tokens(const hearth_session *s)
{
    return s->n_tokens;
}

const int32_t *hearth_session_tokens(const hearth_session *s)
{
    return s->tokens;
}

const float *hearth_session_logits(const hearth_session *s)
{
    return s->has_logits ? s->logits : NULL;
}

void hearth_session_cancel(hearth_session *s)
{
    atomic_store(&s->cancel, true);
}

uint64_t session_fingerprint(const hearth_session *s)
{
    forward_options options = plan_forward_options(s->model, &s->options, &s->plan);
    uint64_t hash = model_cache_fingerprint(s->model, &options);
    return adapter_mix_fingerprint(&s->mix, hash);
}

/* ---- adapters ---- */

static hearth_status check_empty(const hearth_session *s, hearth_error *err)
{
    if (s->n_tokens > 0)
        FAIL(err, EINVAL, "adapters",
             "%zu tokens were read with the adapters as they were; rewind to 0 first", s->n_tokens);
    return HEARTH_OK;
}

/* Takes the mix, also on failure. */
static hearth_status set_mix(hearth_session *s, adapter_mix *mix, hearth_error *err)
{
    uint32_t rank, n_out;
    adapter_mix_measure(mix, &rank, &n_out);
    hearth_status status = HEARTH_OK;
    if (!forward_has_adapter_room(s->f, rank, n_out)) {
        status =
            adapters_check_room(s->plan.n_batch, rank, n_out, s->options.ignore_memory_limit, err);
        if (status == HEARTH_OK)
            status = forward_grow_adapters(s->f, rank, n_out, err);
    }
    if (status != HEARTH_OK) {
        adapter_mix_deinit(mix);
        return status;
    }
    adapter_mix_deinit(&s->mix);
    s->mix = *mix;
    return HEARTH_OK;
}

hearth_status hearth_session_set_adapters(hearth_session *s, const float *scales, size_t n,
                                          hearth_error *err)
{
    static const float none;
    adapter_mix mix;
    TRY(check_empty(s, err));
    if (n > 0 && scales == NULL)
        FAIL(err, EINVAL, "adapters", "scales is NULL with n %zu", n);
    TRY(adapters_mix_own(&mix, s->model, scales ? scales : &none, n, err));
    return set_mix(s, &mix, err);
}

hearth_status hearth_session_use_adapters(hearth_session *s, const hearth_adapter_use *uses,
                                          size_t n, hearth_error *err)
{
    adapter_mix mix;
    TRY(check_empty(s, err));
    TRY(adapters_mix_uses(&mix, s->model, uses, n, err));
    return set_mix(s, &mix, err);
}

static hearth_status copy_mix(hearth_session *to, const adapter_mix *from, hearth_error *err)
{
    adapter_mix mix;
    TRY(adapter_mix_init(&mix, from->n, err));
    for (size_t i = 0; i < from->n; i++)
        adapter_mix_add(&mix, from->adapters[i], from->scales[i]);
    return set_mix(to, &mix, err);
}

/* ---- feeding ---- */

static hearth_status check_feed(const hearth_session *s, const int32_t *tokens, size_t n,
                                hearth_error *err)
{
    const hparams *h = &s->model->h;
    if (n > 0 && tokens == NULL)
        FAIL(err, EINVAL, "tokens", "tokens is NULL with n %zu; give the tokens", n);
    if (n > s->plan.n_ctx - s->n_tokens)
        FAIL(
            err, ECONTEXT, "tokens",
            "%zu tokens do not fit: the context is %u, %zu are in use, and %zu too many were given",
            n, s->plan.n_ctx, s->n_tokens, n - (s->plan.n_ctx - s->n_tokens));
    if (!h->causal && s->n_tokens > 0)
        FAIL(err, EINVAL, "tokens",
             "an encoder reads its whole text in one feed, and %zu tokens were "
             "already fed; rewind to 0 first",
             s->n_tokens);
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= h->n_vocab)
            FAIL(err, EINVAL, "tokens", "token %d at index %zu is outside the vocabulary of %u",
                 tokens[i], i, h->n_vocab);
    }
    return HEARTH_OK;
}

static hearth_status give_logits(hearth_session *s, size_t n, const hearth_feed_options *o,
                                 hearth_error *err)
{
    size_t stride;
    for (size_t row = 0; row < n; row += FORWARD_LOGITS_ROWS) {
        size_t count = n - row < FORWARD_LOGITS_ROWS ? n - row : FORWARD_LOGITS_ROWS;
        size_t rows[FORWARD_LOGITS_ROWS];
        for (size_t i = 0; i < count; i++)
            rows[i] = row + i;
        const float *logits = forward_logits(s->f, rows, count, &stride);
        for (size_t i = 0; i < count; i++) {
            if (!o->on_logits(o->user, s->positions[row + i], logits + i * stride,
                              s->model->h.n_vocab))
                FAIL(err, ECANCELED, "on_logits", "canceled");
        }
    }
    return HEARTH_OK;
}

/* Reads one piece, at most n_batch tokens, at positions from `first`. */
static hearth_status feed_piece(hearth_session *s, const int32_t *tokens, size_t n, size_t first,
                                const hearth_feed_options *o, hearth_error *err)
{
    batch b = {.n = n,
               .tokens = tokens,
               .positions = s->positions,
               .sequences = s->sequences,
               .n_visible = s->visible,
               .mixes = s->mix.n > 0 ? s->mixes : NULL};
    for (size_t i = 0; i < n; i++) {
        s->mixes[i] = &s->mix;
        s->positions[i] = (uint32_t)(first + i);
        s->sequences[i] = &s->sequence.kv;
        s->visible[i] = (uint32_t)(first + n);
    }
    TRY(forward_run(s->f, &b, &s->cancel, err));
    if (s->has_hidden) {
        size_t stride;
        const float *rows = forward_hidden(s->f, &stride);
        pooled_add(&s->pooled, s->model->kernels->f, rows, stride, n);
    }
    if (s->model->h.causal && o->on_logits && !o->no_logits)
        return give_logits(s, n, o, err);
    return HEARTH_OK;
}

static hearth_status feed_pieces(hearth_session *s, const int32_t *tokens, size_t n,
                                 const hearth_feed_options *o, hearth_error *err)
{
    size_t piece = 0;
    for (size_t done = 0; done < n; done += piece) {
        piece = n - done < s->plan.n_batch ? n - done : s->plan.n_batch;
        TRY(feed_piece(s, tokens + done, piece, s->n_tokens + done, o, err));
        if (o->progress.fn && !o->progress.fn(o->progress.user, done + piece, n))
            FAIL(err, ECANCELED, "feed", "canceled");
    }
    if (model_is_lost(s->model))
        FAIL(err, EIO, s->model->info.path,
             "the model file '%s' became shorter while it was in use; copy it again and reopen it",
             s->model->info.path);
    const adapter *lost = adapter_mix_find_lost(&s->mix);
    if (lost)
        return adapters_fail_lost(lost, err);
    if (s->model->h.causal && !o->no_logits) {
        size_t stride, row = piece - 1;
        const float *last = forward_logits(s->f, &row, 1, &stride);
        memcpy(s->logits, last, s->model->h.n_vocab * sizeof *last);
    }
    return HEARTH_OK;
}

hearth_status hearth_session_feed(hearth_session *s, const int32_t *tokens, size_t n,
                                  const hearth_feed_options *given, hearth_error *err)
{
    hearth_feed_options options;
    size_t width = s->model->h.n_embd;
    hearth_feed_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_feed_options", err));
    TRY(check_feed(s, tokens, n, err));
    if (n == 0)
        return HEARTH_OK;
    pooled before = s->pooled;
    memcpy(s->pooled.sum + POOLED_ROWS * width, s->pooled.sum, POOLED_ROWS * width * sizeof(float));
    hearth_status status = feed_pieces(s, tokens, n, &options, err);
    if (status != HEARTH_OK) {
        s->pooled = before;
        memcpy(s->pooled.sum, s->pooled.sum + POOLED_ROWS * width,
               POOLED_ROWS * width * sizeof(float));
        if (status == HEARTH_ECANCELED)
            atomic_store(&s->cancel, false);
        return status;
    }
    memcpy(s->tokens + s->n_tokens, tokens, n * sizeof *tokens);
    s->n_tokens += n;
    s->has_logits = s->model->h.causal && !options.no_logits;
    return HEARTH_OK;
}

/* ---- embeddings ---- */

hearth_status hearth_session_embedding(hearth_session *s, bool normalize, float *out,
                                       hearth_error *err)
{
    const hparams *h = &s->model->h;
    const float_kernels *f = s->model->kernels->f;
    if (!s->has_hidden)
        FAIL(err, EINVAL, "embedding",
             "the session was rewound or loaded, and hidden states are not "
             "kept; feed the text again from the start");
    if (s->pooled.n == 0)
        FAIL(err, EINVAL, "embedding", "nothing was fed yet; feed the text first");
    pooled_result(&s->pooled, f, h->pooling == POOLING_RANK ? rank_token(h) : h->pooling, out);
    if (normalize)
        pooling_normalize(f, out, h->n_embd);
    return HEARTH_OK;
}

/* ---- going back and forking ---- */

hearth_status hearth_session_rewind(hearth_session *s, size_t n, hearth_error *err)
{
    if (n > s->n_tokens)
        FAIL(err, EINVAL, "n", "cannot rewind to %zu tokens; the session has %zu", n, s->n_tokens);
    if (n == s->n_tokens)
        return HEARTH_OK;
    s->n_tokens = n;
    s->has_logits = false;
    s->has_hidden = n == 0;
    s->pooled.n = 0;
    return HEARTH_OK;
}

hearth_status hearth_session_fork(hearth_session **out, const hearth_session *from,
                                  hearth_error *err)
{
    hearth_session_options options = from->options;
    options.n_ctx = from->plan.n_ctx;
    options.n_batch = from->plan.n_batch;
    options.n_threads = from->plan.n_threads;
    TRY(hearth_session_open(out, from->model, &options, err));
    hearth_session *s = *out;
    size_t width = from->model->h.n_embd;
    hearth_status status = copy_mix(s, &from->mix, err);
    if (status != HEARTH_OK) {
        hearth_session_close(s);
        *out = NULL;
        return status;
    }
    for (size_t i = 0; i < kv_n_pages(from->n_tokens); i++)
        memcpy(s->sequence.data[i], from->sequence.data[i], from->cache.page_bytes);
    memcpy(s->tokens, from->tokens, from->n_tokens * sizeof *s->tokens);
    s->n_tokens = from->n_tokens;
    s->has_logits = from->has_logits;
    if (from->has_logits)
        memcpy(s->logits, from->logits, from->model->h.n_vocab * sizeof *s->logits);
    memcpy(s->pooled.sum, from->pooled.sum, POOLED_ROWS * width * sizeof(float));
    s->has_hidden = from->has_hidden;
    s->pooled.n = from->pooled.n;
    return HEARTH_OK;
}
