/* SPDX-License-Identifier: MIT
 *
 * embedder.c - see embedder.h.
 */
#include "gateway/embedder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/answers.h"
#include "gateway/upstream.h"
#include "os/thread.h"
#include "store/search.h"

enum {
    MESSAGES_AT_ONCE = 8,
    REST_MS = 2000,
    REST_AFTER_FAILURE_MS = 10000,
    TEXT_MIN = 100,
    ANSWER_MAX = 256 << 20
};

struct embedder {
    gateway *g;
    char model[LIBRARY_NAME_MAX + 1];
    uint32_t n_dimensions;
    thread thread;
    monitor monitor; /* of ending */
    bool ending;
};

static bool is_wanted(void *user)
{
    embedder *e = user;
    monitor_lock(&e->monitor);
    bool wanted = !e->ending;
    monitor_unlock(&e->monitor);
    return wanted;
}

/* ---- asking the model ---- */

/* Texts are cut after max bytes, between characters. */
static char *write_body(const char *const *texts, size_t n, size_t max)
{
    json_t *input = json_array();
    for (size_t i = 0; i < n; i++) {
        size_t length = strnlen(texts[i], max);
        while (length > 0 && ((unsigned char)texts[i][length] & 0xc0) == 0x80)
            length--;
        json_array_append_new(input, json_stringn(texts[i], length));
    }
    json_t *root = json_pack("{s:o, s:s}", "input", input, "encoding_format", "float");
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static hearth_status read_vectors(const embedder *e, const json_t *said, size_t n, float *out,
                                  hearth_error *err)
{
    const json_t *data = json_object_get(said, "data");
    for (size_t i = 0; i < n; i++) {
        const json_t *vector = json_object_get(json_array_get(data, i), "embedding");
        if (json_array_size(vector) != e->n_dimensions)
            FAIL(err, EFORMAT, "embedding-model", "%s gave a vector of %zu numbers instead of %u",
                 e->model, json_array_size(vector), (unsigned)e->n_dimensions);
        for (size_t k = 0; k < e->n_dimensions; k++)
            *out++ = (float)json_number_value(json_array_get(vector, k));
    }
    return HEARTH_OK;
}

static hearth_status ask(embedder *e, const body_view *body, buf *said, hearth_error *err)
{
    upstream up = {0};
    runtime_failure failure = {0};
    const upstream_request asked = {.model = e->model,
                                    .path = "/v1/embeddings",
                                    .body = body,
                                    .keep_ms = RUNTIME_KEEP_DEFAULT,
                                    .is_quiet = true,
                                    .wanted = is_wanted,
                                    .user = e};
    hearth_status status = upstream_ask(&up, e->g, &asked, &failure, err);
    if (status == HEARTH_OK)
        status = upstream_read(&up, &asked, said, &failure, err);
    if (status == HEARTH_OK && upstream_status(&up) != 200)
        status = error_set(err, upstream_status(&up) == 400 ? HEARTH_EINVAL : HEARTH_EIO,
                           "embedding-model", "%s gave no vectors: %.200s", e->model,
                           said->n ? said->data : "");
    upstream_close(&up);
    runtime_failure_deinit(&failure);
    return status;
}

static hearth_status embed_cut(embedder *e, const char *const *texts, size_t n, size_t max,
                               float *out, hearth_error *err)
{
    body_view body;
    buf said;
    char *text = write_body(texts, n, max);
    if (text == NULL)
        return error_no_memory(err, "texts to embed", n);
    buf_init(&said, ANSWER_MAX);
    hearth_status status = body_read(text, strlen(text), &body, err);
    if (status == HEARTH_OK)
        status = ask(e, &body, &said, err);
    if (status == HEARTH_OK) {
        json_t *root = json_loadb(said.data, said.n, 0, NULL);
        status = read_vectors(e, root, n, out, err);
        json_decref(root);
    }
    buf_deinit(&said);
    free(text);
    return status;
}

/* What a passage's tokens are is the model's to know: one that it refuses is asked for by its
 * beginning. */
static hearth_status embed(void *user, const char *const *texts, size_t n, bool query, float *out,
                           hearth_error *err)
{
    embedder *e = user;
    hearth_error why = {0};
    hearth_status status = HEARTH_EINVAL;
    (void)query;
    for (size_t max = SEARCH_PASSAGE_BYTES; status == HEARTH_EINVAL && max >= TEXT_MIN; max /= 2)
        status = embed_cut(e, texts, n, max, out, &why);
    if (status != HEARTH_OK && err)
        *err = why;
    return status;
}

/* ---- working ---- */

/* False: it is to end. */
static bool rest(embedder *e, uint32_t ms)
{
    monitor_lock(&e->monitor);
    if (!e->ending)
        monitor_wait(&e->monitor, (int64_t)ms * 1000000);
    bool goes_on = !e->ending;
    monitor_unlock(&e->monitor);
    return goes_on;
}

static void run(void *user)
{
    embedder *e = user;
    uint32_t pause_ms = 0;
    while (rest(e, pause_ms)) {
        hearth_error err;
        uint64_t n_left = 0;
        pause_ms = REST_MS;
        /* What fails here fails for the search, too, and is told there. */
        search_warm(e->g->store, NULL);
        if (answers_are_running(e->g->answers))
            continue;
        if (search_work(e->g->store, MESSAGES_AT_ONCE, &n_left, &err) != HEARTH_OK) {
            if (is_wanted(e))
                log_write(&e->g->host->log, HEARTH_LOG_WARNING, "search by meaning: %s",
                          err.message);
            pause_ms = REST_AFTER_FAILURE_MS;
        } else if (n_left > 0) {
            pause_ms = 1;
        }
    }
}

hearth_status embedder_start(embedder **out, gateway *g, hearth_error *err)
{
    const char *wanted = g->config->values.options.embedding_model;
    const library_model *model;
    hearth_status status = HEARTH_OK;
    *out = NULL;
    if (wanted == NULL)
        return HEARTH_OK;
    TRY(library_find(g->library, wanted, &model, err));
    embedder *e = mem_calloc(1, sizeof *e);
    if (e == NULL) {
        library_model_unref(model);
        return error_no_memory(err, "the search by meaning", sizeof *e);
    }
    e->g = g;
    e->n_dimensions = model->n_embd;
    snprintf(e->model, sizeof e->model, "%s", model->name);
    monitor_init(&e->monitor);
    if (!(model->capabilities & LIBRARY_CAN_EMBEDDING))
        status = error_set(err, HEARTH_EINVAL, "--embedding-model",
                           "--embedding-model: %s is not a model for embeddings", model->name);
    library_model_unref(model);
    const search_embedder search = {
        .model = e->model, .n_dimensions = e->n_dimensions, .embed = embed, .user = e};
    if (status == HEARTH_OK)
        status = search_set_embedder(g->store, &search, err);
    if (status == HEARTH_OK)
        status = thread_start(&e->thread, run, e, "the search by meaning", err);
    if (status != HEARTH_OK) {
        embedder_stop(e);
        return status;
    }
    *out = e;
    return HEARTH_OK;
}

void embedder_stop(embedder *e)
{
    if (e == NULL)
        return;
    monitor_lock(&e->monitor);
    e->ending = true;
    monitor_wake(&e->monitor);
    monitor_unlock(&e->monitor);
    thread_join(&e->thread);
    search_set_embedder(e->g->store, NULL, NULL);
    monitor_deinit(&e->monitor);
    mem_free(e);
}
