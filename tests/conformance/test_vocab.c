/* SPDX-License-Identifier: MIT
 *
 * test_vocab.c - the tokenizers against the reference set's vocab/: every id of every text, for
 * each vocabulary, and for each pre-tokenizer put on the gpt-2 vocabulary. Then what the tokens
 * stand for: byte-level and byte-fallback vocabularies give the text back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/test_reference.h"
#include "token/tokenizer.h"

typedef struct opened {
    gguf *g;
    tokenizer *t;
} opened;

static bool open_vocab(opened *o, const char *name, const char *pre)
{
    char path[PATH_MAX], override[256];
    const char *const overrides[] = {override};
    gguf_options options = {.overrides = overrides, .n_overrides = pre ? 1 : 0};
    hearth_error err;
    *o = (opened){0};
    snprintf(override, sizeof override, "tokenizer.ggml.pre=str:%s", pre ? pre : "");
    if (!reference_path(path, "vocab/ggml-vocab-%s.gguf", name))
        return false;
    if (gguf_open(&o->g, path, &options, &err) == HEARTH_OK &&
        tokenizer_open(&o->t, o->g, NULL, &err) == HEARTH_OK)
        return true;
    printf("FAILED %s: %s\n", name, err.message);
    return false;
}

static void close_vocab(opened *o)
{
    tokenizer_close(o->t);
    if (o->g)
        gguf_close(o->g);
}

static bool is_same(const int32_t *ids, size_t n, const json_t *expected)
{
    if (n != json_array_size(expected))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (ids[i] != json_integer_value(json_array_get(expected, i)))
            return false;
    }
    return true;
}

/* SPM and BPE keep every byte; the two others normalize. */
static bool gives_back(const tokenizer *t, const int32_t *ids, size_t n, const char *text,
                       size_t n_text)
{
    detokenizer d;
    buf out;
    hearth_error err;
    buf_init(&out, 0);
    detokenizer_init(&d, t, true, true);
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good &= detokenizer_feed(&d, ids[i], &out, &err) == HEARTH_OK;
    good &= detokenizer_finish(&d, &out, &err) == HEARTH_OK;
    good &= out.n == n_text && (n_text == 0 || memcmp(out.data, text, n_text) == 0);
    detokenizer_deinit(&d);
    buf_deinit(&out);
    return good;
}

static int test_texts(const char *label, const tokenizer *t, const json_t *texts,
                      const json_t *expected)
{
    int failures = 0;
    bool keeps = strcmp(tokenizer_kind(t), "spm") == 0 || strcmp(tokenizer_kind(t), "bpe") == 0;
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        size_t n_text = json_string_length(json_array_get(texts, i)), n;
        int32_t *ids;
        hearth_error err;
        if (tokenizer_encode(t, text, n_text, 0, &ids, &n, &err) != HEARTH_OK) {
            printf("FAILED %s, text %zu: %s\n", label, i, err.message);
            failures++;
            continue;
        }
        if (!is_same(ids, n, json_array_get(expected, i))) {
            printf("FAILED %s, text %zu: other ids\n", label, i);
            failures++;
        }
        if (keeps && !gives_back(t, ids, n, text, n_text)) {
            printf("FAILED %s, text %zu: does not come back\n", label, i);
            failures++;
        }
        mem_free(ids);
    }
    return failures;
}

/* expected: {name: [ids of each text]}; `is_pre`: the names are pre-tokenizers. */
static int test_all(const char *file, bool is_pre, const json_t *texts)
{
    char path[PATH_MAX];
    const char *name;
    json_t *ids, *expected;
    int failures = 0;
    if (!reference_path(path, "vocab/%s", file) || (expected = reference_read_json(path)) == NULL)
        return 1;
    json_object_foreach(expected, name, ids)
    {
        opened o;
        bool good = open_vocab(&o, is_pre ? "gpt-2" : name, is_pre ? name : NULL);
        failures += good ? test_texts(name, o.t, texts, ids) : 1;
        close_vocab(&o);
    }
    printf("%s: %zu names, %zu texts, %d failures\n", file, json_object_size(expected),
           json_array_size(texts), failures);
    json_decref(expected);
    return failures;
}

int main(void)
{
    char path[PATH_MAX];
    if (reference_folder() == NULL)
        return TEST_SKIPPED;
    json_t *texts = reference_path(path, "vocab/texts.json") ? reference_read_json(path) : NULL;
    if (texts == NULL)
        return 1;
    int failures = test_all("expected.json", false, texts);
    failures += test_all("expected-pre.json", true, texts);
    json_decref(texts);
    return failures ? 1 : 0;
}
