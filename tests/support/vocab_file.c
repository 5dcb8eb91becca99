/* SPDX-License-Identifier: MIT
 *
 * vocab_file.c - see vocab_file.h.
 */
#include "support/vocab_file.h"

#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/utf8.h"
#include "support/gguf_bytes.h"
#include "token/byte_level.h"

void vocab_file_init(vocab_file *v, const char *model, const char *pre)
{
    *v = (vocab_file){0};
    if (model)
        vocab_file_text(v, "tokenizer.ggml.model", model);
    if (pre)
        vocab_file_text(v, "tokenizer.ggml.pre", pre);
}

void vocab_file_deinit(vocab_file *v)
{
    tokenizer_close(v->t);
    if (v->g)
        gguf_close(v->g);
    buf_deinit(&v->values);
    buf_deinit(&v->texts);
    buf_deinit(&v->scores);
    buf_deinit(&v->types);
    buf_deinit(&v->merges);
    buf_deinit(&v->bytes);
}

void vocab_file_text(vocab_file *v, const char *key, const char *value)
{
    put_key_text(&v->values, key, value);
    v->n_values++;
}

void vocab_file_u32(vocab_file *v, const char *key, uint32_t value)
{
    put_key_u32(&v->values, key, value);
    v->n_values++;
}

void vocab_file_bool(vocab_file *v, const char *key, bool value)
{
    put_key(&v->values, key, GGUF_BOOL);
    put_u8(&v->values, value);
    v->n_values++;
}

void vocab_file_array(vocab_file *v, const char *key, gguf_type type, const void *data,
                      size_t n_bytes, uint64_t n)
{
    put_key(&v->values, key, GGUF_ARRAY);
    put_u32(&v->values, type);
    put_u64(&v->values, n);
    buf_append(&v->values, data, n_bytes);
    v->n_values++;
}

int32_t vocab_file_token_n(vocab_file *v, const char *text, size_t n, float score, int type)
{
    put_u64(&v->texts, n);
    buf_append(&v->texts, text, n);
    put_u32(&v->scores, float_to_bits(score));
    put_u32(&v->types, (uint32_t)type);
    return (int32_t)v->n_tokens++;
}

int32_t vocab_file_token(vocab_file *v, const char *text, float score, int type)
{
    return vocab_file_token_n(v, text, strlen(text), score, type);
}

int32_t vocab_file_byte_tokens(vocab_file *v)
{
    int32_t first = (int32_t)v->n_tokens;
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
        vocab_file_token(v, text, 0, TYPE_BYTE);
    }
    return first;
}

int32_t vocab_file_alphabet(vocab_file *v)
{
    int32_t first = (int32_t)v->n_tokens;
    for (int byte = 0; byte < 256; byte++) {
        char text[4];
        size_t n = utf8_encode(byte_level_encode((unsigned char)byte), text);
        vocab_file_token_n(v, text, n, 0, TYPE_NORMAL);
    }
    return first;
}

int32_t vocab_file_merge(vocab_file *v, const char *left, const char *right)
{
    char merge[512], joined[512];
    snprintf(merge, sizeof merge, "%s %s", left, right);
    snprintf(joined, sizeof joined, "%s%s", left, right);
    vocab_file_merge_text(v, merge, strlen(merge));
    return vocab_file_token(v, joined, 0, TYPE_NORMAL);
}

void vocab_file_merge_text(vocab_file *v, const char *text, size_t n)
{
    put_u64(&v->merges, n);
    buf_append(&v->merges, text, n);
    v->n_merges++;
}

hearth_status vocab_file_open(vocab_file *v, unsigned without, hearth_error *err)
{
    if (!(without & WITHOUT_TOKENS))
        vocab_file_array(v, "tokenizer.ggml.tokens", GGUF_STRING, v->texts.data, v->texts.n,
                         v->n_tokens);
    if (!(without & WITHOUT_SCORES))
        vocab_file_array(v, "tokenizer.ggml.scores", GGUF_F32, v->scores.data, v->scores.n,
                         v->n_tokens);
    if (!(without & WITHOUT_TYPES))
        vocab_file_array(v, "tokenizer.ggml.token_type", GGUF_I32, v->types.data, v->types.n,
                         v->n_tokens);
    if (v->n_merges > 0 && !(without & WITHOUT_MERGES))
        vocab_file_array(v, "tokenizer.ggml.merges", GGUF_STRING, v->merges.data, v->merges.n,
                         v->n_merges);
    put_header(&v->bytes, 3, 0, v->n_values);
    buf_append(&v->bytes, v->values.data, v->values.n);
    hearth_status status = gguf_open_memory(&v->g, v->bytes.data, v->bytes.n, NULL, err);
    return status ? status : tokenizer_open(&v->t, v->g, NULL, err);
}
