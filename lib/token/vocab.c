/* SPDX-License-Identifier: MIT
 *
 * vocab.c - see vocab.h.
 */
#include "token/vocab.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define KEY_TOKENS "tokenizer.ggml.tokens"
#define KEY_SCORES "tokenizer.ggml.scores"
#define KEY_TYPES "tokenizer.ggml.token_type"

static hearth_status find_array(const gguf *g, const char *key, size_t n_tokens,
                                const gguf_value **out, hearth_error *err)
{
    *out = gguf_find(g, key);
    if (*out == NULL)
        return HEARTH_OK;
    if ((*out)->type != GGUF_ARRAY)
        FAIL(err, EFORMAT, key, "%s is no array; the model file is damaged", key);
    if ((*out)->n < n_tokens)
        FAIL(err, EFORMAT, key, "%s has %zu entries for %zu tokens; the model file is damaged", key,
             (*out)->n, n_tokens);
    return HEARTH_OK;
}

static hearth_status read_scores(vocab *v, const gguf *g, hearth_error *err)
{
    const gguf_value *scores;
    TRY(find_array(g, KEY_SCORES, v->n, &scores, err));
    if (scores == NULL)
        return HEARTH_OK;
    v->scores = mem_alloc_array(v->n, sizeof *v->scores);
    if (v->scores == NULL)
        return error_no_memory(err, KEY_SCORES, v->n * sizeof *v->scores);
    for (size_t i = 0; i < v->n; i++) {
        double score;
        if (!gguf_value_f64(scores, i, &score))
            FAIL(err, EFORMAT, KEY_SCORES, "%s holds no numbers; the model file is damaged",
                 KEY_SCORES);
        if (isnan(score))
            score = 0;
        v->scores[i] = (float)fmax(-FLT_MAX, fmin(FLT_MAX, score));
    }
    return HEARTH_OK;
}

/* GGUF's llama_token_type: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. */
static uint8_t attribute_of_type(int64_t type)
{
    static const uint8_t attributes[] = {
        0,         TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED,
        TOKEN_BYTE};
    return type > 0 && type <= 6 ? attributes[type] : 0;
}

static hearth_status read_types(vocab *v, const gguf *g, hearth_error *err)
{
    const gguf_value *types;
    TRY(find_array(g, KEY_TYPES, v->n, &types, err));
    v->attributes = mem_alloc(v->n);
    if (v->attributes == NULL)
        return error_no_memory(err, KEY_TYPES, v->n);
    for (size_t i = 0; i < v->n; i++) {
        int64_t type = 1;
        if (types && !gguf_value_i64(types, i, &type))
            FAIL(err, EFORMAT, KEY_TYPES, "%s holds no integers; the model file is damaged",
                 KEY_TYPES);
        v->attributes[i] = attribute_of_type(type);
    }
    return HEARTH_OK;
}

static bool is_spelled(const void *owner, int32_t id, const void *key)
{
    const gguf_string *text = &((const vocab *)owner)->texts[id], *other = key;
    return text->n == other->n && memcmp(text->data, other->data, text->n) == 0;
}

static hearth_status index_texts(vocab *v, const hearth_log *log, hearth_error *err)
{
    size_t n_twice = 0;
    int32_t twice = -1;
    if (!id_table_init(&v->ids, v->n))
        return error_no_memory(err, KEY_TOKENS, v->n * 2 * sizeof *v->ids.slots);
    for (size_t i = 0; i < v->n; i++) {
        const gguf_string *text = &v->texts[i];
        if (text->n == 0)
            continue;
        int32_t first = id_table_add(&v->ids, hash_text(v->ids.seed, text->data, text->n),
                                     (int32_t)i, is_spelled, v, text);
        if (first != (int32_t)i && n_twice++ == 0)
            twice = (int32_t)i;
        if (text->n > v->max_text)
            v->max_text = text->n < VOCAB_MATCH_MAX ? text->n : VOCAB_MATCH_MAX;
    }
    if (n_twice > 0)
        log_write(log, HEARTH_LOG_WARNING,
                  "%zu tokens repeat the spelling of another, first token %d; texts become the "
                  "first of each",
                  n_twice, twice);
    return HEARTH_OK;
}

hearth_status vocab_init(vocab *v, const gguf *g, const hearth_log *log, hearth_error *err)
{
    *v = (vocab){0};
    const gguf_value *tokens = gguf_find(g, KEY_TOKENS);
    if (tokens == NULL)
        FAIL(err, EFORMAT, KEY_TOKENS, "%s is missing: the model file has no vocabulary",
             KEY_TOKENS);
    if (tokens->type != GGUF_ARRAY || tokens->element_type != GGUF_STRING)
        FAIL(err, EFORMAT, KEY_TOKENS, "%s is no array of strings; the model file is damaged",
             KEY_TOKENS);
    if (tokens->n == 0 || tokens->n > INT32_MAX)
        FAIL(err, EFORMAT, KEY_TOKENS, "%s has %zu tokens; 1 to %d are possible", KEY_TOKENS,
             tokens->n, INT32_MAX);
    v->texts = tokens->strings;
    v->n = tokens->n;
    TRY(read_scores(v, g, err));
    TRY(read_types(v, g, err));
    return index_texts(v, log, err);
}

void vocab_deinit(vocab *v)
{
    mem_free(v->scores);
    mem_free(v->attributes);
    id_table_deinit(&v->ids);
    *v = (vocab){0};
}

float vocab_score(const vocab *v, int32_t id)
{
    return v->scores ? v->scores[id] : 0;
}

int32_t vocab_find(const vocab *v, const char *text, size_t n)
{
    const gguf_string key = {text, n};
    return id_table_find(&v->ids, hash_text(v->ids.seed, text, n), is_spelled, v, &key);
}

int32_t vocab_find_text(const vocab *v, const char *text)
{
    return vocab_find(v, text, strlen(text));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int vocab_byte(const vocab *v, int32_t id)
{
    const gguf_string *text = &v->texts[id];
    if (text->n != 6 || memcmp(text->data, "<0x", 3) != 0 || text->data[5] != '>')
        return -1;
    int high = hex_digit(text->data[3]), low = hex_digit(text->data[4]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

void vocab_byte_ids(const vocab *v, int32_t ids[256])
{
    static const char hex[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; byte++) {
        const char spelled[6] = {'<', '0', 'x', hex[byte >> 4], hex[byte & 15], '>'};
        const char itself = (char)byte;
        ids[byte] = vocab_find(v, spelled, sizeof spelled);
        if (ids[byte] < 0)
            ids[byte] = vocab_find(v, &itself, 1);
    }
}
