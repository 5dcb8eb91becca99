/* SPDX-License-Identifier: MIT
 *
 * op_embed.c - numbers instead of text: embed, rerank, logits. They lie in one block, which becomes
 * the buffer of typed arrays without being copied.
 */
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define V(j, name) (&(j)->p.values[PARAM_##name])

static hearth_status no_memory(const job *j, hearth_error *err)
{
    return fail(err, HEARTH_ENOMEM, j->op->name, "%s: out of memory", j->op->name);
}

static void free_plain(napi_env env, void *data, void *hint)
{
    (void)env;
    (void)hint;
    free(data);
}

/* ---- embed, rerank ---- */

typedef struct items {
    hearth_embed_item *items;
    int32_t **tokens;
    size_t n;
} items;

static hearth_status items_init(items *t, const job *j, size_t n, hearth_error *err)
{
    t->n = n;
    t->items = calloc(n + 1, sizeof *t->items);
    t->tokens = calloc(n + 1, sizeof *t->tokens);
    return t->items && t->tokens ? HEARTH_OK : no_memory(j, err);
}

static void items_deinit(items *t)
{
    for (size_t i = 0; t->tokens && i < t->n; i++)
        hearth_free(t->tokens[i]);
    free(t->items);
    free(t->tokens);
}

/* Values of each text into j->widths, and room for all of them. */
static hearth_status make_room(job *j, items *t, hearth_pooling pooling, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(j->c->model);
    size_t n = 0;
    j->n_items = t->n;
    j->widths = calloc(t->n + 1, sizeof *j->widths);
    if (j->widths == NULL)
        return no_memory(j, err);
    for (size_t i = 0; i < t->n; i++) {
        size_t rows = pooling == HEARTH_POOLING_NONE ? t->items[i].n_tokens : 1;
        j->widths[i] = rows * (pooling == HEARTH_POOLING_RANK ? info->n_labels : info->n_embd);
        n += j->widths[i];
        j->usage.n_prompt += t->items[i].n_tokens;
    }
    j->n_values = n;
    j->values = calloc(n + 1, sizeof *j->values);
    if (j->values == NULL)
        return no_memory(j, err);
    float *at = j->values;
    for (size_t i = 0; i < t->n; i++) {
        t->items[i].out = at;
        at += j->widths[i];
    }
    return HEARTH_OK;
}

static hearth_status compute(job *j, items *t, hearth_pooling pooling, bool normalize,
                             hearth_error *err)
{
    hearth_embed_options o;
    hearth_embed_options_init(&o);
    o.pooling = pooling;
    o.normalize = normalize;
    o.progress = (hearth_progress){job_progress, j};
    adapter_uses adapters = {0};
    hearth_status status = make_room(j, t, pooling, err);
    if (status == HEARTH_OK)
        status = job_take_adapters(j, &adapters, err);
    o.uses = adapters.uses;
    o.n_uses = adapters.n;
    if (status == HEARTH_OK)
        status = hearth_engine_embed(j->c->engine, t->items, t->n, &o, err);
    adapter_uses_leave(&adapters);
    return status;
}

hearth_status work_embed(job *j, hearth_error *err)
{
    const param_value *texts = V(j, texts);
    items t = {0};
    int pooling;
    if (texts->n == 0)
        return fail(err, HEARTH_EINVAL, "texts", "embed: give a text or several");
    hearth_status status = param_choice(&j->p, PARAM_pooling, "none|mean|cls|last",
                                        HEARTH_POOLING_MODEL, &pooling, err);
    if (status == HEARTH_OK && pooling == HEARTH_POOLING_MODEL &&
        strcmp(hearth_model_get_info(j->c->model)->pooling, "rank") == 0)
        status = fail(err, HEARTH_EINVAL, "pooling",
                      "embed: the model is a reranker; call rerank, or name a pooling");
    if (status == HEARTH_OK)
        status = items_init(&t, j, texts->n, err);
    for (size_t i = 0; status == HEARTH_OK && i < t.n; i++) {
        status =
            hearth_tokenize(j->c->model, texts->texts[i], strlen(texts->texts[i]),
                            HEARTH_TOKENIZE_ADD_SPECIAL, &t.tokens[i], &t.items[i].n_tokens, err);
        t.items[i].tokens = t.tokens[i];
    }
    if (status == HEARTH_OK)
        status = compute(j, &t, (hearth_pooling)pooling, V(j, normalize)->number != 0, err);
    items_deinit(&t);
    return status;
}

static napi_value usage_value(napi_env env, const job *j)
{
    napi_value to = value_object(env);
    set_number(env, to, "promptTokens", (double)j->usage.n_prompt);
    set_number(env, to, "totalTokens", (double)j->usage.n_prompt);
    return to;
}

napi_value give_embeddings(napi_env env, job *j)
{
    napi_value to = value_object(env), list;
    napi_value buffer = value_buffer(env, j->values, j->n_values * sizeof *j->values, free_plain);
    size_t at = 0;
    j->values = NULL;
    if (buffer == NULL || napi_create_array_with_length(env, j->n_items, &list) != napi_ok)
        return NULL;
    for (size_t i = 0; i < j->n_items; i++) {
        napi_set_element(
            env, list, (uint32_t)i,
            value_array(env, napi_float32_array, buffer, at * sizeof(float), j->widths[i]));
        at += j->widths[i];
    }
    set_value(env, to, "embeddings", list);
    set_value(env, to, "usage", usage_value(env, j));
    return to;
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

hearth_status work_rerank(job *j, hearth_error *err)
{
    const param_value *query = V(j, query), *documents = V(j, documents);
    items t = {0};
    if (!query->given || documents->n == 0)
        return fail(err, HEARTH_EINVAL, query->given ? "documents" : "query",
                    "rerank: give a query and documents");
    hearth_status status = items_init(&t, j, documents->n, err);
    for (size_t i = 0; status == HEARTH_OK && i < t.n; i++) {
        status = hearth_tokenize_pair(j->c->model, query->text, query->n, documents->texts[i],
                                      strlen(documents->texts[i]), &t.tokens[i],
                                      &t.items[i].n_tokens, err);
        t.items[i].tokens = t.tokens[i];
    }
    if (status == HEARTH_OK)
        status = compute(j, &t, HEARTH_POOLING_RANK, false, err);
    j->label = ranking_label(hearth_model_get_info(j->c->model));
    items_deinit(&t);
    return status;
}

typedef struct place {
    size_t index;
    float score;
} place;

static int better_first(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

napi_value give_ranking(napi_env env, job *j)
{
    napi_value to = value_object(env), list;
    size_t top = (size_t)V(j, topN)->number, n = top > 0 && top < j->n_items ? top : j->n_items;
    place *places = calloc(j->n_items, sizeof *places);
    if (places == NULL || napi_create_array_with_length(env, n, &list) != napi_ok) {
        free(places);
        return NULL;
    }
    for (size_t i = 0, at = 0; i < j->n_items; at += j->widths[i++])
        places[i] = (place){i, j->values[at + j->label]};
    qsort(places, j->n_items, sizeof *places, better_first);
    for (size_t i = 0; i < n; i++) {
        napi_value item = value_object(env);
        set_number(env, item, "index", (double)places[i].index);
        set_number(env, item, "score", (double)places[i].score);
        set_text(env, item, "document", V(j, documents)->texts[places[i].index]);
        napi_set_element(env, list, (uint32_t)i, item);
    }
    free(places);
    set_value(env, to, "results", list);
    set_value(env, to, "usage", usage_value(env, j));
    return to;
}

/* ---- logits ---- */

typedef struct rows {
    float *at;
} rows;

static bool take_row(void *user, size_t position, const float *logits, size_t n_vocab)
{
    rows *r = user;
    (void)position;
    memcpy(r->at, logits, n_vocab * sizeof *logits);
    r->at += n_vocab;
    return true;
}

static void publish_session(job *j, hearth_session *session)
{
    pthread_mutex_lock(&j->lock);
    j->session = session;
    if (session && atomic_load(&j->canceled))
        hearth_session_cancel(session);
    pthread_mutex_unlock(&j->lock);
}

static hearth_status read_logits(job *j, hearth_session *session, const int32_t *tokens, size_t n,
                                 hearth_error *err)
{
    hearth_feed_options feed;
    bool all = V(j, all)->number != 0;
    size_t n_vocab = hearth_model_get_info(j->c->model)->n_vocab, n_rows = all ? n : 1;
    if (n_vocab > 0 && n_rows > SIZE_MAX / 8 / n_vocab)
        return no_memory(j, err);
    j->n_values = n_rows * n_vocab;
    j->values = malloc(j->n_values * sizeof *j->values + 1);
    if (j->values == NULL)
        return no_memory(j, err);
    rows r = {j->values};
    hearth_feed_options_init(&feed);
    feed.on_logits = all ? take_row : NULL;
    feed.user = &r;
    feed.progress = (hearth_progress){job_progress, j};
    hearth_status status = hearth_session_feed(session, tokens, n, &feed, err);
    const float *last = hearth_session_logits(session);
    if (status == HEARTH_OK && !all && last == NULL)
        return fail(err, HEARTH_EUNSUPPORTED, "model",
                    "logits: the model is an encoder, which has none");
    if (status == HEARTH_OK && !all)
        memcpy(j->values, last, n_vocab * sizeof *last);
    return status;
}

hearth_status work_logits(job *j, hearth_error *err)
{
    hearth_session_options o;
    hearth_session *session = NULL;
    adapter_uses adapters = {0};
    const int32_t *tokens = NULL;
    size_t n = 0;
    hearth_status status = job_prompt(j, &tokens, &n, err);
    if (status == HEARTH_OK && n == 0)
        status = fail(err, HEARTH_EINVAL, "input", "logits: the input has no token");
    hearth_session_options_init(&o);
    o.n_ctx = (uint32_t)(n < UINT32_MAX ? n : UINT32_MAX);
    o.n_threads = hearth_engine_get_plan(j->c->engine)->memory.n_threads;
    if (status == HEARTH_OK)
        status = hearth_session_open(&session, j->c->model, &o, err);
    if (status == HEARTH_OK)
        status = job_take_adapters(j, &adapters, err);
    if (status == HEARTH_OK)
        status = hearth_session_use_adapters(session, adapters.uses, adapters.n, err);
    if (status == HEARTH_OK) {
        publish_session(j, session);
        status = read_logits(j, session, tokens, n, err);
        publish_session(j, NULL);
    }
    hearth_session_close(session);
    adapter_uses_leave(&adapters);
    return status;
}

napi_value give_logits(napi_env env, job *j)
{
    napi_value buffer = value_buffer(env, j->values, j->n_values * sizeof *j->values, free_plain);
    j->values = NULL;
    return value_array(env, napi_float32_array, buffer, 0, j->n_values);
}
