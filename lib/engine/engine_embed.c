/* SPDX-License-Identifier: MIT
 *
 * engine_embed.c - embeddings of many texts, through the queue of requests.
 *
 * Each text is a request. As many as there are places are under way at a time, so that passes are
 * full and the queue is not: a call with a thousand texts leaves others their turn.
 */
#include <string.h>

#include "base/mem.h"
#include "base/options_take.h"
#include "engine/engine_state.h"

enum { LOOK_MS = 100 }; /* how often progress is asked while waiting */

typedef struct embed_call {
    hearth_engine *engine;
    const hearth_embed_item *items;
    size_t n;
    const hearth_embed_options *options;
    pooling_kind pooling;
    hearth_request **window; /* text i at i % n_window */
    size_t n_window;
    size_t n_sent, n_done;
} embed_call;

static hearth_status choose_pooling(const hparams *h, hearth_pooling asked, pooling_kind *out,
                                    hearth_error *err)
{
    if (asked < HEARTH_POOLING_MODEL || asked > HEARTH_POOLING_RANK)
        FAIL(err, EINVAL, "pooling", "pooling %d is unknown; -1 to 4 are known", (int)asked);
    *out = asked == HEARTH_POOLING_MODEL ? h->pooling : (pooling_kind)asked;
    if (asked == HEARTH_POOLING_MODEL && *out == POOLING_NONE)
        *out = POOLING_MEAN;
    if (*out == POOLING_RANK && h->n_labels == 0)
        FAIL(err, EUNSUPPORTED, "pooling",
             "pooling 'rank' needs a reranker: this model's file has no classifier (cls.weight, "
             "cls.output.weight); ask for another pooling");
    return HEARTH_OK;
}

static hearth_status check_items(const embed_call *c, hearth_error *err)
{
    uint32_t n_ctx = c->engine->plan.memory.n_ctx;
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i].n_tokens > n_ctx)
            FAIL(err, ECONTEXT, "items",
                 "text %zu has %zu tokens and the context is %u; shorten it or raise n_ctx", i,
                 c->items[i].n_tokens, n_ctx);
        if (c->items[i].out == NULL)
            FAIL(err, EINVAL, "items", "text %zu has no place for its embedding; set out", i);
    }
    return HEARTH_OK;
}

/* EBUSY only if nothing of this call is under way: else there will be room. */
static hearth_status send(embed_call *c, hearth_error *err)
{
    while (c->n_sent < c->n && c->n_sent - c->n_done < c->n_window) {
        hearth_request *r;
        hearth_error busy;
        TRY(request_new_embedding(&r, c->engine->model, &c->items[c->n_sent], c->pooling,
                                  c->options, err));
        hearth_status status = engine_enqueue(c->engine, r, &busy);
        if (status != HEARTH_OK) {
            request_unref(r);
            if (status == HEARTH_EBUSY && c->n_sent > c->n_done)
                return HEARTH_OK;
            if (err)
                *err = busy;
            return status;
        }
        c->window[c->n_sent++ % c->n_window] = r;
    }
    return HEARTH_OK;
}

static hearth_status tell_progress(const embed_call *c, hearth_error *err)
{
    const hearth_progress *p = &c->options->progress;
    if (p->fn && !p->fn(p->user, c->n_done, c->n))
        FAIL(err, ECANCELED, "embed", "canceled");
    return HEARTH_OK;
}

/* Waits for the oldest. */
static hearth_status receive(embed_call *c, hearth_error *err)
{
    hearth_request_event event;
    hearth_request *r = c->window[c->n_done % c->n_window];
    TRY(hearth_request_next(r, c->options->progress.fn ? LOOK_MS : -1, &event, err));
    if (event.type == HEARTH_REQUEST_DONE) {
        hearth_request_free(r);
        c->n_done++;
    }
    return tell_progress(c, err);
}

/* Nothing may write to the outs after the call: what is under way is waited for. */
static void cancel_rest(embed_call *c)
{
    hearth_request_event event;
    for (size_t i = c->n_done; i < c->n_sent; i++)
        hearth_request_cancel(c->window[i % c->n_window]);
    for (size_t i = c->n_done; i < c->n_sent; i++) {
        hearth_request *r = c->window[i % c->n_window];
        while (hearth_request_next(r, -1, &event, NULL) == HEARTH_OK &&
               event.type != HEARTH_REQUEST_DONE)
            continue;
        hearth_request_free(r);
    }
}

hearth_status hearth_engine_embed(hearth_engine *engine, const hearth_embed_item *items, size_t n,
                                  const hearth_embed_options *given, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hearth_embed_options options;
    hearth_embed_options_init(&options);
    TRY(options_take(&options, sizeof options, given, "hearth_embed_options", err));
    if (n > 0 && items == NULL)
        FAIL(err, EINVAL, "items", "items is NULL with n %zu", n);
    embed_call c = {.engine = engine,
                    .items = items,
                    .n = n,
                    .options = &options,
                    .n_window = engine->plan.n_parallel};
    TRY(choose_pooling(&engine->model->h, options.pooling, &c.pooling, err));
    TRY(check_items(&c, err));
    c.window = mem_calloc(c.n_window, sizeof *c.window);
    if (c.window == NULL)
        return error_no_memory(err, "embeddings", c.n_window * sizeof *c.window);
    while (c.n_done < n) {
        TRY_OUT(send(&c, err));
        TRY_OUT(receive(&c, err));
    }
out:
    cancel_rest(&c);
    mem_free(c.window);
    return status;
}
