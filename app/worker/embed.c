/* SPDX-License-Identifier: MIT
 *
 * embed.c - vectors of texts (/embedding, /v1/embeddings), and scores of documents (/rerank).
 */
#include <string.h>

#include "base/checked.h"
#include "base/mem.h"
#include "worker/adapters.h"
#include "worker/tokens.h"

static const struct {
    const char *name;
    hearth_pooling pooling;
} poolings[] = {{"none", HEARTH_POOLING_NONE},
                {"mean", HEARTH_POOLING_MEAN},
                {"cls", HEARTH_POOLING_CLS},
                {"last", HEARTH_POOLING_LAST},
                {"rank", HEARTH_POOLING_RANK}};

static hearth_pooling pooling_named(const char *name)
{
    for (size_t i = 0; name && i < sizeof poolings / sizeof *poolings; i++) {
        if (strcmp(name, poolings[i].name) == 0)
            return poolings[i].pooling;
    }
    return HEARTH_POOLING_MODEL;
}

/* The flag's pooling, or else the model's. */
static hearth_pooling pooling_of(const worker *w)
{
    if (w->flags->reranking)
        return HEARTH_POOLING_RANK;
    if (w->flags->pooling == NULL && strcmp(w->info->pooling, "rank") == 0)
        return HEARTH_POOLING_RANK;
    return pooling_named(w->flags->pooling);
}

/* ---- texts, and memory for what comes of them ---- */

typedef struct texts {
    hearth_embed_item *items;
    token_list *lists;
    float *values;
    size_t n;
    size_t n_tokens;
} texts;

static hearth_status texts_init(texts *t, size_t n, hearth_error *err)
{
    *t = (texts){.n = n};
    t->items = mem_calloc(n, sizeof *t->items);
    t->lists = mem_calloc(n, sizeof *t->lists);
    if (t->items == NULL || t->lists == NULL)
        return error_no_memory(err, "the texts", n * sizeof *t->lists);
    return HEARTH_OK;
}

static void texts_deinit(texts *t)
{
    for (size_t i = 0; t->lists && i < t->n; i++)
        token_list_deinit(&t->lists[i]);
    mem_free(t->items);
    mem_free(t->lists);
    mem_free(t->values);
}

static bool go_on(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return http_request_life(user) == HTTP_OPEN;
}

/* Floats of one text. A model without a classifier is refused by the engine. */
static uint64_t result_width(const worker *w, const token_list *text, hearth_pooling pooling)
{
    if (pooling == HEARTH_POOLING_RANK)
        return w->info->n_labels;
    return (uint64_t)w->info->n_embd * (pooling == HEARTH_POOLING_NONE ? text->n : 1);
}

/* Fills t->values: a vector for every text or token, or the scores of every text. */
static hearth_status compute(worker_call *c, texts *t, hearth_pooling pooling, hearth_error *err)
{
    const worker *w = c->w;
    hearth_embed_options o;
    uint64_t n_values = 0, n_bytes = 0;
    size_t bytes = 0;
    t->n_tokens = 0;
    c->detail.n_ctx = hearth_engine_get_plan(w->engine)->memory.n_ctx;
    for (size_t i = 0; i < t->n; i++) {
        if (c->detail.n_prompt <= c->detail.n_ctx) /* the first that is too long is told of */
            c->detail.n_prompt = t->lists[i].n;
        t->n_tokens += t->lists[i].n;
        n_values += result_width(w, &t->lists[i], pooling);
    }
    if (checked_mul(n_values, sizeof(float), &n_bytes) && checked_size(n_bytes, &bytes))
        t->values = mem_calloc(1, bytes + 1);
    if (t->values == NULL)
        return error_no_memory(err, "the embeddings", n_bytes);
    float *out = t->values;
    for (size_t i = 0; i < t->n; i++) {
        t->items[i] = (hearth_embed_item){t->lists[i].tokens, t->lists[i].n, out};
        out += result_width(w, &t->lists[i], pooling);
    }
    hearth_embed_options_init(&o);
    o.pooling = pooling;
    o.normalize = false;
    o.client = c->q->client;
    o.progress = (hearth_progress){go_on, (void *)(uintptr_t)c->q};
    adapter_choice choice;
    TRY(adapters_take(c->w, NULL, &choice, err));
    o.uses = choice.uses;
    o.n_uses = choice.n;
    worker_done_reading(c);
    hearth_status status = hearth_engine_embed(w->engine, t->items, t->n, &o, err);
    adapters_leave(&choice);
    return status;
}

/* ---- embeddings ---- */

static hearth_status write_embeddings(worker_call *c, texts *t, hearth_pooling pooling,
                                      hearth_error *err)
{
    char id[33];
    const reply_info info = worker_reply_info(c->w, id);
    size_t n_embd = c->w->info->n_embd, n_kept = n_embd;
    embedding_result *results = mem_calloc(t->n, sizeof *results);
    if (results == NULL)
        return error_no_memory(err, "the embeddings", t->n * sizeof *results);
    float *to = t->values;
    if (pooling == HEARTH_POOLING_NONE && json_object_get(c->r->body, "embd_normalize") == NULL)
        c->r->options.embd_normalize = -1; /* tokens' vectors are as they are, unless it is asked */
    for (size_t i = 0; i < t->n; i++) {
        results[i] = (embedding_result){to, pooling == HEARTH_POOLING_NONE ? t->lists[i].n : 1};
        /* Rows that were cut move up to each other; they only ever move to the front. */
        for (size_t row = 0; row < results[i].n_rows; row++) {
            float *from = t->items[i].out + row * n_embd;
            n_kept = embedding_finish(c->r, from, n_embd);
            memmove(to, from, n_kept * sizeof *to);
            to += n_kept;
        }
    }
    hearth_status status =
        response_embeddings(c->r, &info, results, n_kept, t->n_tokens, &c->reply->body, err);
    mem_free(results);
    return status;
}

hearth_status worker_embed(worker_call *c, hearth_error *err)
{
    const unsigned flags = HEARTH_TOKENIZE_ADD_SPECIAL | HEARTH_TOKENIZE_PARSE_SPECIAL;
    const request *r = c->r;
    hearth_pooling pooling = pooling_of(c->w);
    hearth_status status = HEARTH_OK;
    texts t = {0};
    if (pooling == HEARTH_POOLING_RANK)
        FAIL(err, EINVAL, "pooling",
             "this engine gives scores of documents, no vectors (pooling rank): ask /rerank, or "
             "start it with --pooling mean, cls or last");
    if (pooling == HEARTH_POOLING_NONE && r->api == API_OPENAI_EMBEDDING)
        FAIL(err, EINVAL, "pooling",
             "this engine gives a vector for every token (--pooling none); /embedding tells them");
    if (r->options.dimensions > 0 && (uint32_t)r->options.dimensions > c->w->info->n_embd)
        FAIL(err, EINVAL, "dimensions", "dimensions: %d is more than the %u that this model has",
             (int)r->options.dimensions, (unsigned)c->w->info->n_embd);
    TRY_OUT(texts_init(&t, r->n_prompts, err));
    for (size_t i = 0; i < t.n; i++) {
        TRY_OUT(token_list_add_prompt(&t.lists[i], c->w, &r->prompts[i], flags, err));
        TRY_OUT(token_list_want_some(&t.lists[i], &r->prompts[i], err));
    }
    TRY_OUT(compute(c, &t, pooling, err));
    status = write_embeddings(c, &t, pooling, err);
out:
    texts_deinit(&t);
    return status;
}

/* ---- documents ---- */

static hearth_status add_pair(token_list *list, const worker *w, const char *query,
                              const char *document, hearth_error *err)
{
    int32_t *tokens;
    size_t n;
    TRY(hearth_tokenize_pair(w->model, query, strlen(query), document, strlen(document), &tokens,
                             &n, err));
    hearth_status status = token_list_add(list, tokens, n, err);
    hearth_free(tokens);
    return status;
}

/* Which of a text's scores ranks it: that of "yes" where the model answers a question. */
static size_t ranking_label(const hearth_model_info *info)
{
    for (size_t i = 0; info->labels && i < info->n_labels; i++) {
        if (strcmp(info->labels[i], "yes") == 0)
            return i;
    }
    return 0;
}

hearth_status worker_rerank(worker_call *c, hearth_error *err)
{
    const request_rerank *r = &c->r->rerank;
    char id[33];
    const reply_info info = worker_reply_info(c->w, id);
    hearth_status status = HEARTH_OK;
    float *scores = NULL;
    texts t = {0};
    if (pooling_of(c->w) != HEARTH_POOLING_RANK)
        FAIL(err, EUNSUPPORTED, "rerank",
             "this engine does not rank documents: start it with --reranking and a model that has "
             "a classifier");
    TRY_OUT(texts_init(&t, r->n_documents, err));
    scores = mem_calloc(t.n, sizeof *scores);
    if (scores == NULL) {
        status = error_no_memory(err, "the scores", t.n * sizeof *scores);
        goto out;
    }
    for (size_t i = 0; i < t.n; i++)
        TRY_OUT(add_pair(&t.lists[i], c->w, r->query, r->documents[i], err));
    TRY_OUT(compute(c, &t, HEARTH_POOLING_RANK, err));
    for (size_t i = 0; i < t.n; i++)
        scores[i] = t.items[i].out[ranking_label(c->w->info)];
    status = response_rerank(c->r, &info, scores, t.n_tokens, &c->reply->body, err);
out:
    mem_free(scores);
    texts_deinit(&t);
    return status;
}
