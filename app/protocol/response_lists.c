/* SPDX-License-Identifier: MIT
 *
 * response_lists.c - embeddings, reranking, tokens, and the answers of one or two members.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "protocol/reply_impl.h"

static void write_list_usage(json_writer *w, size_t n_tokens)
{
    json_open(w, "usage", '{');
    json_whole(w, "prompt_tokens", (int64_t)n_tokens);
    json_whole(w, "total_tokens", (int64_t)n_tokens);
    json_close(w, '}');
}

/* ---- embeddings ---- */

static double norm_of(const float *values, size_t n, int mode)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = fabs((double)values[i]);
        if (mode == 0)
            sum = x > sum ? x : sum;
        else
            sum += mode == 1 ? x : x * x;
    }
    return mode == 0 ? sum / 32760 : mode == 1 ? sum : sqrt(sum);
}

size_t embedding_finish(const request *r, float *values, size_t n_embd)
{
    const request_options *o = &r->options;
    size_t n = o->dimensions > 0 && (size_t)o->dimensions < n_embd ? (size_t)o->dimensions : n_embd;
    double norm = o->embd_normalize < 0 ? 1 : norm_of(values, n, o->embd_normalize);
    for (size_t i = 0; i < n; i++)
        values[i] = norm > 0 ? (float)(values[i] / norm) : 0;
    return n;
}

static void write_vector(json_writer *w, const char *key, const float *values, size_t n)
{
    json_open(w, key, '[');
    for (size_t i = 0; i < n; i++)
        json_float(w, NULL, values[i]);
    json_close(w, ']');
}

/* Little-endian floats, as every client of OpenAI's base64 reads them. */
static void write_base64(json_writer *w, const char *key, const float *values, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf text;
    buf_init(&text, 0);
    uint32_t bits = 0;
    size_t n_bytes = n * 4;
    bool good = true;
    for (size_t i = 0; i < n_bytes; i += 3) {
        uint32_t group = 0;
        char four[4];
        for (size_t k = 0; k < 3; k++) {
            size_t at = i + k;
            if (at < n_bytes)
                memcpy(&bits, &values[at / 4], 4);
            group = group << 8 | (at < n_bytes ? bits >> (at % 4 * 8) & 0xff : 0);
        }
        for (size_t k = 0; k < 4; k++)
            four[k] = i + k > n_bytes ? '=' : digits[group >> (18 - 6 * k) & 63];
        good = good && buf_append(&text, four, 4);
    }
    w->failed = w->failed || !good;
    json_bytes(w, key, text.data ? text.data : "", text.n);
    buf_deinit(&text);
}

static void write_openai_embeddings(json_writer *w, const request *r, const reply_info *info,
                                    const embedding_result *results, size_t n_embd, size_t n_tokens)
{
    json_open(w, NULL, '{');
    json_text(w, "model", info->model);
    json_text(w, "object", "list");
    write_list_usage(w, n_tokens);
    json_open(w, "data", '[');
    for (size_t i = 0; i < r->n_prompts; i++) {
        json_open(w, NULL, '{');
        if (r->base64)
            write_base64(w, "embedding", results[i].values, n_embd);
        else
            write_vector(w, "embedding", results[i].values, n_embd);
        json_whole(w, "index", (int64_t)i);
        json_text(w, "object", "embedding");
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

hearth_status response_embeddings(const request *r, const reply_info *info,
                                  const embedding_result *results, size_t n_embd, size_t n_tokens,
                                  buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    if (r->api == API_OPENAI_EMBEDDING) {
        write_openai_embeddings(&w, r, info, results, n_embd, n_tokens);
        return json_done(&w, err);
    }
    json_open(&w, NULL, '[');
    for (size_t i = 0; i < r->n_prompts; i++) {
        json_open(&w, NULL, '{');
        json_whole(&w, "index", (int64_t)i);
        json_open(&w, "embedding", '[');
        for (size_t k = 0; k < results[i].n_rows; k++)
            write_vector(&w, NULL, results[i].values + k * n_embd, n_embd);
        json_close(&w, ']');
        json_close(&w, '}');
    }
    json_close(&w, ']');
    return json_done(&w, err);
}

/* ---- reranking ---- */

typedef struct ranked {
    float score;
    size_t index;
} ranked;

static int better_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void write_result(json_writer *w, const request_rerank *k, const ranked *result)
{
    json_open(w, NULL, '{');
    json_whole(w, "index", (int64_t)result->index);
    json_float(w, k->tei ? "score" : "relevance_score", result->score);
    if (k->return_documents && k->tei) {
        json_text(w, "text", k->documents[result->index]);
    } else if (k->return_documents) {
        json_open(w, "document", '{');
        json_text(w, "text", k->documents[result->index]);
        json_close(w, '}');
    }
    json_close(w, '}');
}

hearth_status response_rerank(const request *r, const reply_info *info, const float *scores,
                              size_t n_tokens, buf *out, hearth_error *err)
{
    const request_rerank *k = &r->rerank;
    json_writer w;
    ranked *order = mem_alloc_array(k->n_documents, sizeof *order);
    if (order == NULL)
        return error_no_memory(err, "the answer", k->n_documents * sizeof *order);
    for (size_t i = 0; i < k->n_documents; i++)
        order[i] = (ranked){scores[i], i};
    qsort(order, k->n_documents, sizeof *order, better_first);
    json_start(&w, out);
    if (!k->tei) {
        json_open(&w, NULL, '{');
        json_text(&w, "model", info->model);
        json_text(&w, "object", "list");
        write_list_usage(&w, n_tokens);
    }
    json_open(&w, k->tei ? NULL : "results", '[');
    for (size_t i = 0; i < k->top_n; i++)
        write_result(&w, k, &order[i]);
    json_close(&w, ']');
    if (!k->tei)
        json_close(&w, '}');
    mem_free(order);
    return json_done(&w, err);
}

/* ---- tokens ---- */

static void write_piece(json_writer *w, int32_t token, const char *text, size_t n_text)
{
    json_open(w, NULL, '{');
    json_whole(w, "id", token);
    if (utf8_is_valid(text, n_text)) {
        json_bytes(w, "piece", text, n_text);
    } else { /* a part of a character: its bytes */
        json_open(w, "piece", '[');
        for (size_t i = 0; i < n_text; i++)
            json_whole(w, NULL, (unsigned char)text[i]);
        json_close(w, ']');
    }
    json_close(w, '}');
}

hearth_status response_tokenize(const request *r, const int32_t *tokens, size_t n,
                                token_text *text_of, void *user, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_open(&w, "tokens", '[');
    for (size_t i = 0; i < n; i++) {
        const char *text;
        size_t n_text;
        if (!r->options.with_pieces) {
            json_whole(&w, NULL, tokens[i]);
            continue;
        }
        TRY(text_of(user, tokens[i], &text, &n_text, err));
        write_piece(&w, tokens[i], text, n_text);
    }
    json_close(&w, ']');
    json_close(&w, '}');
    return json_done(&w, err);
}

static hearth_status one_text(const char *key, const char *text, size_t n, buf *out,
                              hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_bytes(&w, key, text, n);
    json_close(&w, '}');
    return json_done(&w, err);
}

hearth_status response_detokenize(const char *text, size_t n, buf *out, hearth_error *err)
{
    return one_text("content", text, n, out, err);
}

hearth_status response_template(const char *prompt, size_t n, buf *out, hearth_error *err)
{
    return one_text("prompt", prompt, n, out, err);
}

hearth_status response_health(buf *out, hearth_error *err)
{
    return one_text("status", "ok", 2, out, err);
}

hearth_status response_count(const request *r, size_t n_tokens, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_whole(&w, "input_tokens", (int64_t)n_tokens);
    if (r->api != API_ANTHROPIC_COUNT)
        json_text(&w, "object", "response.input_tokens");
    json_close(&w, '}');
    return json_done(&w, err);
}

hearth_status response_success(bool success, const char *message, buf *out, hearth_error *err)
{
    json_writer w;
    json_start(&w, out);
    json_open(&w, NULL, '{');
    json_truth(&w, "success", success);
    if (message)
        json_text(&w, "message", message);
    json_close(&w, '}');
    return json_done(&w, err);
}
