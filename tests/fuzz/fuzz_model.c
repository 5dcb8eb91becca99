/* SPDX-License-Identifier: MIT
 *
 * fuzz_model.c - any bytes as a model: refused with a message, or opened, shown, planned and run.
 *
 * Input    A GGUF file. Its last byte also chooses the instruction set and the types of the cache.
 * Checks   What is refused has a status and one line that tells why. Feeding follows the rules of
 *          session.h, a full context included, and whatever is finite does not depend on how the
 *          tokens were cut, nor on having been saved and loaded. Damaged weights may well give no
 *          number; then nothing but the status is asked for.
 * Bounds   Sessions over models that would take more than SESSION_MAX_BYTES are planned only.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hearth/hearth.h>

#include "base/utf8.h"
#include "engine/model.h"

enum { N_CTX = 16, N_BATCH = 5, N_TEXT = 9, SESSION_MAX_BYTES = 256 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool succeeded(hearth_status status, const hearth_error *err)
{
    require(status == HEARTH_OK ||
            (err->code == status && err->message[0] != '\0' && strchr(err->message, '\n') == NULL));
    require(status != HEARTH_EINTERNAL);
    return status == HEARTH_OK;
}

/* ---- what a model says of itself ---- */

static void require_text(const char *text)
{
    require(utf8_is_valid(text, strlen(text)));
}

static void show_metadata(const hearth_model *model)
{
    hearth_error err;
    for (size_t i = 0; i < hearth_model_n_metadata(model); i++) {
        char *key, *type, *value, *whole;
        bool cut;
        require(hearth_model_metadata_at(model, i, i % 80, &key, &type, &value, &cut, &err) ==
                HEARTH_OK);
        require(strlen(value) <= i % 80);
        require_text(key);
        require_text(value);
        if (succeeded(hearth_model_metadata(model, key, &whole, &err), &err))
            hearth_free(whole);
        hearth_free(key);
        hearth_free(type);
        hearth_free(value);
    }
}

static void show_tensors(const hearth_model *model)
{
    hearth_error err;
    hearth_tensor_info tensor;
    uint64_t n_bytes = 0;
    for (size_t i = 0; i < hearth_model_n_tensors(model); i++) {
        require(hearth_model_tensor_at(model, i, &tensor, &err) == HEARTH_OK);
        require_text(tensor.name);
        n_bytes += tensor.n_bytes;
    }
    require(n_bytes <= hearth_model_get_info(model)->file_bytes);
}

/* A plan names the context it is for, and the sum of its parts. */
static bool plan(const hearth_model *model, hearth_session_options *o, uint32_t n_ctx,
                 hearth_plan *p)
{
    hearth_error err;
    o->n_ctx = n_ctx;
    if (!succeeded(hearth_model_plan(model, o, p, &err), &err))
        return false;
    require(p->n_ctx > 0 && (n_ctx == 0 || p->n_ctx == n_ctx));
    require(p->n_batch > 0 && p->n_batch <= p->n_ctx);
    require(p->total_bytes ==
            p->weight_bytes + p->cache_bytes + p->compute_bytes + p->overhead_bytes);
    require(p->fits == (p->total_bytes <= p->available_bytes));
    require(!p->fits || p->n_ctx_max >= p->n_ctx);
    return true;
}

static void describe(const hearth_model *model)
{
    static const uint32_t contexts[] = {0, 1, 64, 4097, 1u << 28, UINT32_MAX};
    const hearth_model_info *info = hearth_model_get_info(model);
    hearth_session_options o;
    hearth_plan p;
    require_text(info->architecture);
    require_text(info->name);
    require_text(info->chat_template ? info->chat_template : "");
    hearth_session_options_init(&o);
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)
        plan(model, &o, contexts[i], &p);
    show_metadata(model);
    show_tensors(model);
}

/* ---- text ---- */

/* A file without a tokenizer runs on tokens alone. */
static bool has_text(const hearth_model *model)
{
    return hearth_model_get_info(model)->tokenizer[0] != '\0';
}

/* Some tokens of the vocabulary: those of a text, and the first ones where there are too few. */
static void make_tokens(const hearth_model *model, int32_t tokens[N_TEXT])
{
    static const char text[] = "Hello <s> a b, 12\n";
    hearth_error err;
    int32_t *ids;
    size_t n_ids = 0, n_text;
    uint32_t n_vocab = hearth_model_get_info(model)->n_vocab;
    char *written;
    for (size_t i = 0; i < N_TEXT; i++)
        tokens[i] = (int32_t)(i * 7 % n_vocab);
    hearth_status status = hearth_tokenize(model, text, sizeof text - 1, 3, &ids, &n_ids, &err);
    require(status == (has_text(model) ? HEARTH_OK : HEARTH_EUNSUPPORTED));
    if (status != HEARTH_OK)
        return;
    int32_t *pair;
    if (succeeded(hearth_tokenize_pair(model, text, 5, text, sizeof text - 1, &pair, &n_text, &err),
                  &err)) {
        for (size_t i = 0; i < n_text; i++)
            require(pair[i] >= 0 && (uint32_t)pair[i] < n_vocab);
        hearth_free(pair);
    }
    require(hearth_detokenize(model, ids, n_ids, true, &written, &n_text, &err) == HEARTH_OK);
    for (size_t i = 0; i < N_TEXT; i++) {
        tokens[i] = i < n_ids ? ids[i] : tokens[i];
        require(tokens[i] >= 0 && (uint32_t)tokens[i] < n_vocab);
    }
    for (uint32_t i = 0; i < n_vocab; i++) { /* whatever the model may choose can be written */
        char *piece;
        require(hearth_token_piece(model, (int32_t)i, &piece, &n_text, &err) == HEARTH_OK);
        hearth_free(piece);
    }
    hearth_free(written);
    hearth_free(ids);
}

/* ---- running ---- */

static bool is_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return false;
    }
    return true;
}

/* Two sessions that were fed the same. */
static void require_same(hearth_session *a, hearth_session *b)
{
    const float *x = hearth_session_logits(a), *y = hearth_session_logits(b);
    size_t n = hearth_model_get_info(hearth_session_model(a))->n_vocab;
    require(hearth_session_n_tokens(a) == hearth_session_n_tokens(b));
    require((x == NULL) == (y == NULL));
    if (x && is_finite(x, n) && is_finite(y, n))
        require(memcmp(x, y, n * sizeof *x) == 0);
}

static void embed(hearth_session *s)
{
    hearth_error err;
    uint32_t width = hearth_model_get_info(hearth_session_model(s))->n_embd;
    float *x = malloc(width * sizeof *x);
    require(x != NULL);
    require(hearth_session_embedding(s, true, x, &err) == HEARTH_OK);
    free(x);
}

/* Writes until the context is full, the answer is over or the weights give no number. */
static void generate(hearth_session *s)
{
    hearth_error err;
    hearth_sampler *sampler;
    hearth_generation *g;
    hearth_sampler_options o;
    hearth_sampler_options_init(&o);
    o.seed = 7;
    o.dry_multiplier = 0.5f;
    hearth_event event = {.type = HEARTH_EVENT_PROMPT};
    if (!succeeded(hearth_sampler_new(&sampler, hearth_session_model(s), N_CTX, &o, &err), &err))
        return;
    hearth_status status = hearth_generation_new(&g, s, sampler, NULL, 0, NULL, &err);
    require(status == (has_text(hearth_session_model(s)) ? HEARTH_OK : HEARTH_EUNSUPPORTED));
    for (int i = 0; status == HEARTH_OK && i < 3 * N_CTX && event.type != HEARTH_EVENT_DONE; i++) {
        if (!succeeded(hearth_generation_next(g, &event, &err), &err))
            break;
        require(i + 1 < 3 * N_CTX || event.type == HEARTH_EVENT_DONE);
    }
    hearth_generation_free(g);
    hearth_sampler_free(sampler);
}

static void save_and_load(hearth_session *s)
{
    hearth_error err;
    hearth_session *fork;
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/hearth-fuzz-%ld.state", (long)getpid());
    if (!succeeded(hearth_session_fork(&fork, s, &err), &err))
        return;
    require_same(s, fork);
    require(hearth_session_rewind(fork, 0, &err) == HEARTH_OK);
    if (succeeded(hearth_session_save(s, path, &err), &err)) {
        require(hearth_session_load(fork, path, &err) == HEARTH_OK);
        require_same(s, fork);
        unlink(path);
    }
    hearth_session_close(fork);
}

static bool open_small(hearth_session **s, const hearth_model *model, unsigned choice,
                       uint32_t n_batch)
{
    hearth_error err;
    hearth_plan p;
    hearth_session_options o;
    hearth_session_options_init(&o);
    o.n_batch = n_batch;
    o.n_threads = 1;
    o.cache_type_k = (hearth_cache_type)(choice % 3);
    o.cache_type_v = (hearth_cache_type)(choice / 3 % 3);
    if (!plan(model, &o, N_CTX, &p) || p.cache_bytes + p.compute_bytes > SESSION_MAX_BYTES)
        return false;
    return succeeded(hearth_session_open(s, model, &o, &err), &err);
}

static void run(const hearth_model *model, const int32_t tokens[N_TEXT], unsigned choice)
{
    hearth_error err;
    hearth_session *s, *piecewise;
    if (!open_small(&s, model, choice, N_BATCH))
        return;
    require(hearth_session_feed(s, tokens, N_TEXT, NULL, &err) == HEARTH_OK);
    embed(s);
    if (hearth_model_get_info(model)->causal && open_small(&piecewise, model, choice, 1)) {
        require(hearth_session_feed(piecewise, tokens, 2, NULL, &err) == HEARTH_OK);
        require(hearth_session_feed(piecewise, tokens + 2, N_TEXT - 2, NULL, &err) == HEARTH_OK);
        require_same(s, piecewise);
        hearth_session_close(piecewise);
        save_and_load(s);
        generate(s);
    }
    require(hearth_session_feed(s, tokens, N_TEXT, NULL, &err) != HEARTH_OK ||
            hearth_session_n_tokens(s) <= N_CTX);
    require(hearth_session_rewind(s, 0, &err) == HEARTH_OK);
    hearth_session_close(s);
}

static void open_once(const uint8_t *data, size_t n, hearth_model_scope scope)
{
    unsigned choice = n > 0 ? data[n - 1] : 0;
    hearth_error err = {.code = HEARTH_OK};
    hearth_model *model;
    hearth_model_options o;
    hearth_model_options_init(&o);
    o.scope = scope;
    o.isa = choice / 9 % 2 ? "scalar" : NULL;
    bool opened = succeeded(hearth_model_open_memory(&model, data, n, &o, &err), &err);
    require(opened == (model != NULL));
    if (!opened)
        return;
    describe(model);
    int32_t tokens[N_TEXT];
    if (scope != HEARTH_SCOPE_METADATA)
        make_tokens(model, tokens);
    if (scope == HEARTH_SCOPE_ALL)
        run(model, tokens, choice);
    hearth_model_close(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    open_once(data, n, HEARTH_SCOPE_METADATA);
    open_once(data, n, HEARTH_SCOPE_TOKENIZER);
    open_once(data, n, HEARTH_SCOPE_ALL);
    return 0;
}
