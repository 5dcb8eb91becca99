/* SPDX-License-Identifier: MIT
 *
 * fuzz_tokenizer.c - any vocabulary with any text: refused with a message, or tokenized to ids of
 * the vocabulary, whose text is valid UTF-8 however it is streamed.
 *
 * Input    byte 0: the model; 1: the pre-tokenizer; 2: which arrays are there (bits); 3: flags of
 *          the metadata (bits); then the tokens, the merges and the normalizer, each a count or
 *          length in one byte and its entries. A token is its type, score and length in one byte
 *          each, and its bytes; a merge its length and bytes. The rest is the text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "support/vocab_file.h"
#include "token/pretokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

typedef struct input {
    const uint8_t *data;
    size_t n;
} input;

static uint8_t take_byte(input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->data++;
}

static const char *take_bytes(input *in, size_t *n)
{
    const char *bytes = (const char *)in->data;
    if (*n > in->n)
        *n = in->n;
    in->data += *n;
    in->n -= *n;
    return *n > 0 ? bytes : "";
}

static void add_tokens(vocab_file *v, input *in)
{
    for (int left = take_byte(in); left > 0 && in->n > 0; left--) {
        int type = take_byte(in) % 8;
        float score = (float)take_byte(in) / 4 - 32;
        size_t n = take_byte(in);
        const char *text = take_bytes(in, &n);
        vocab_file_token_n(v, text, n, score, type);
    }
}

static void add_merges(vocab_file *v, input *in)
{
    for (int left = take_byte(in); left > 0 && in->n > 0; left--) {
        size_t n = take_byte(in);
        const char *text = take_bytes(in, &n);
        vocab_file_merge_text(v, text, n);
    }
}

static void add_normalizer(vocab_file *v, input *in)
{
    size_t n = (size_t)take_byte(in) * 4;
    const char *bytes = take_bytes(in, &n);
    if (n > 0)
        vocab_file_array(v, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, bytes, n, n);
}

static void add_flags(vocab_file *v, unsigned flags)
{
    static const char *const keys[] = {"add_bos_token", "add_eos_token", "add_space_prefix",
                                       "remove_extra_whitespaces", "normalizer.lowercase"};
    static const char *const ids[] = {"bos_token_id", "unknown_token_id", "eos_token_id"};
    char key[64];
    for (size_t i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "tokenizer.ggml.%s", keys[i]);
        if (flags & 1u << i)
            vocab_file_bool(v, key, true);
    }
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "tokenizer.ggml.%s", ids[i]);
        if (flags & 32u << i)
            vocab_file_u32(v, key, i);
    }
    if (flags & 128)
        vocab_file_text(v, "general.name", "phi3");
}

static void check_text(const tokenizer *t, const int32_t *ids, size_t n)
{
    detokenizer d;
    buf out;
    buf_init(&out, 0);
    detokenizer_init(&d, t, true, true);
    for (size_t i = 0; i < n; i++)
        require(detokenizer_feed(&d, ids[i], &out, NULL) == HEARTH_OK);
    require(detokenizer_finish(&d, &out, NULL) == HEARTH_OK);
    require(out.n == 0 || utf8_is_valid(out.data, out.n));
    detokenizer_deinit(&d);
    buf_deinit(&out);
}

static void check_tokens(const tokenizer *t, const char *text, size_t n)
{
    for (unsigned flags = 0; flags < 4; flags++) {
        hearth_error err = {0};
        int32_t *ids;
        size_t n_ids;
        hearth_status status = tokenizer_encode(t, text, n, flags, &ids, &n_ids, &err);
        require(status == HEARTH_OK);
        for (size_t i = 0; i < n_ids; i++)
            require(ids[i] >= 0 && (size_t)ids[i] < tokenizer_n_vocab(t));
        check_text(t, ids, n_ids);
        mem_free(ids);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const models[] = {"llama", "gpt2", "gemma4", "bert", "t5", "gpt2"};
    input in = {data, n};
    hearth_error err = {0};
    vocab_file v;
    const char *model = models[take_byte(&in) % 6];
    const pretokenizer_name *pre = pretokenizer_at(take_byte(&in));
    vocab_file_init(&v, model, pre ? pre->name : NULL);
    unsigned without = take_byte(&in);
    add_flags(&v, take_byte(&in));
    if (without & 16)
        vocab_file_byte_tokens(&v);
    if (without & 32)
        vocab_file_alphabet(&v);
    add_tokens(&v, &in);
    add_merges(&v, &in);
    add_normalizer(&v, &in);
    hearth_status status = vocab_file_open(&v, without, &err);
    if (status == HEARTH_OK)
        check_tokens(v.t, in.n > 0 ? (const char *)in.data : "", in.n);
    else
        require(v.t == NULL && err.code == status && err.message[0] != '\0');
    vocab_file_deinit(&v);
    return 0;
}
