/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer_hostile.c - vocabularies that are wrong: refused with a message that names what
 * is, or harmless.
 */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/vocab_file.h"

static void refused(vocab_file *v, unsigned without, hearth_status status, const char *says)
{
    hearth_error err = {0};
    hearth_status got = vocab_file_open(v, without, &err);
    if (got != status || v->t != NULL || strstr(err.message, says) == NULL)
        fail_msg("%d \"%s\", not %d \"%s\"", got, err.message, status, says);
    vocab_file_deinit(v);
}

static void init(vocab_file *v, const char *model)
{
    vocab_file_init(v, model, strcmp(model, "gpt2") == 0 ? "gpt-2" : NULL);
    for (int i = 0; i < 4; i++)
        vocab_file_token_n(v, "abcd", (size_t)i + 1, 0, TYPE_NORMAL);
}

static void test_missing_parts(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, NULL, NULL);
    refused(&v, 0, HEARTH_EFORMAT, "tokenizer.ggml.model");
    init(&v, "llama");
    refused(&v, WITHOUT_TOKENS, HEARTH_EFORMAT, "tokenizer.ggml.tokens");
    vocab_file_init(&v, "llama", NULL);
    refused(&v, 0, HEARTH_EFORMAT, "tokenizer.ggml.tokens"); /* there are none */
    init(&v, "rwkv");
    refused(&v, 0, HEARTH_EUNSUPPORTED, "'rwkv'");
    vocab_file_init(&v, "gpt2", "no-such-rule");
    vocab_file_token(&v, "a", 0, TYPE_NORMAL);
    refused(&v, 0, HEARTH_EUNSUPPORTED, "'no-such-rule'");
    vocab_file_init(&v, "gpt2", "a\nb");
    vocab_file_token(&v, "a", 0, TYPE_NORMAL);
    refused(&v, 0, HEARTH_EUNSUPPORTED, "'a?b'");
}

static void test_arrays_of_wrong_length_or_type(void **state)
{
    (void)state;
    static const char *const numbers[] = {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"};
    static const float scores[3] = {0};
    vocab_file v;
    for (int i = 0; i < 2; i++) {
        unsigned without = i == 0 ? WITHOUT_SCORES : WITHOUT_TYPES;
        init(&v, "llama");
        vocab_file_array(&v, numbers[i], i ? GGUF_I32 : GGUF_F32, scores, 12, 3);
        refused(&v, without, HEARTH_EFORMAT, "3 entries for 4 tokens");
        init(&v, "llama");
        vocab_file_text(&v, numbers[i], "none");
        refused(&v, without, HEARTH_EFORMAT, numbers[i]);
        init(&v, "llama");
        vocab_file_array(&v, numbers[i], GGUF_STRING, v.texts.data, v.texts.n, 4);
        refused(&v, without, HEARTH_EFORMAT, numbers[i]);
    }
    init(&v, "llama");
    vocab_file_array(&v, "tokenizer.ggml.tokens", GGUF_F32, scores, 12, 3);
    refused(&v, WITHOUT_TOKENS, HEARTH_EFORMAT, "tokenizer.ggml.tokens");
    init(&v, "gpt2");
    vocab_file_u32(&v, "tokenizer.ggml.merges", 7);
    refused(&v, 0, HEARTH_EFORMAT, "tokenizer.ggml.merges");
    init(&v, "llama");
    vocab_file_text(&v, "tokenizer.ggml.eos_token_id", "two");
    refused(&v, 0, HEARTH_EFORMAT, "tokenizer.ggml.eos_token_id");
    init(&v, "llama");
    vocab_file_text(&v, "tokenizer.ggml.add_bos_token", "yes");
    refused(&v, 0, HEARTH_EFORMAT, "tokenizer.ggml.add_bos_token");
}

static void test_charsmaps(void **state)
{
    (void)state;
    static const uint8_t too_long[8] = {200}, endless[12] = {4, 0, 0, 0, 0, 0, 0, 0, 'x', 'y'};
    static const char key[] = "tokenizer.ggml.precompiled_charsmap";
    vocab_file v;
    init(&v, "t5");
    vocab_file_array(&v, key, GGUF_U8, too_long, 3, 3);
    refused(&v, 0, HEARTH_EFORMAT, key);
    init(&v, "t5");
    vocab_file_array(&v, key, GGUF_U8, too_long, 8, 8);
    refused(&v, 0, HEARTH_EFORMAT, key);
    init(&v, "t5");
    vocab_file_array(&v, key, GGUF_U8, endless, 10, 10);
    refused(&v, 0, HEARTH_EFORMAT, "without end");
    init(&v, "t5");
    vocab_file_array(&v, key, GGUF_F32, endless, 8, 2);
    refused(&v, 0, HEARTH_EFORMAT, key);
}

/* Encodes some texts every way; the ids must be tokens. */
static void use(vocab_file *v, unsigned without)
{
    static const char *const texts[] = {"",         "a",         "abcd abc",
                                        "\xff\xfe", "<0x-1><s>", "\u4e2d\n 12"};
    hearth_error err = {0};
    if (vocab_file_open(v, without, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (unsigned flags = 0; flags < 4; flags++) {
            int32_t *ids;
            size_t n;
            assert_int_equal(
                tokenizer_encode(v->t, texts[i], strlen(texts[i]), flags, &ids, &n, &err),
                HEARTH_OK);
            for (size_t k = 0; k < n; k++)
                assert_true(ids[k] >= 0 && (size_t)ids[k] < tokenizer_n_vocab(v->t));
            mem_free(ids);
        }
    }
    vocab_file_deinit(v);
}

static void test_oddities_are_harmless(void **state)
{
    (void)state;
    static const char *const models[] = {"llama", "gpt2", "gemma4", "bert", "t5"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        vocab_file v;
        init(&v, models[i]); /* too small for the usual special ids */
        use(&v, 0);
        init(&v, models[i]);
        use(&v, WITHOUT_SCORES | WITHOUT_TYPES | WITHOUT_MERGES);
        init(&v, models[i]);
        vocab_file_token(&v, "", 0, TYPE_CONTROL);
        vocab_file_token(&v, "", 0, TYPE_USER);
        vocab_file_token(&v, "a", 0, TYPE_NORMAL); /* a second time */
        vocab_file_token(&v, "<0x-1>", 0, TYPE_BYTE);
        vocab_file_token(&v, "<0x", 0, TYPE_BYTE);
        vocab_file_token(&v, "nan", NAN, TYPE_NORMAL);
        vocab_file_token(&v, "inf", INFINITY, TYPE_NORMAL);
        vocab_file_token(&v, "ab", -INFINITY, 77);
        vocab_file_token(&v, "\xff", 0, TYPE_NORMAL);
        vocab_file_token(&v, " ", 0, TYPE_USER);
        vocab_file_merge_text(&v, " ", 1);
        vocab_file_merge_text(&v, "a b c", 5);
        vocab_file_merge_text(&v, "a ", 2);
        vocab_file_merge_text(&v, " b", 2);
        vocab_file_merge_text(&v, "a b", 3);
        vocab_file_merge_text(&v, "a b", 3);
        vocab_file_u32(&v, "tokenizer.ggml.bos_token_id", UINT32_MAX);
        vocab_file_u32(&v, "tokenizer.ggml.eos_token_id", 4);
        use(&v, 0);
    }
}

/* A trie of the normalizer whose every unit leads somewhere, also out of its bounds. */
static void test_wild_charsmaps_are_harmless(void **state)
{
    (void)state;
    uint32_t random = 12345;
    printf("seed %u\n", random);
    for (int round = 0; round < 50; round++) {
        uint8_t map[4 + 4096 + 4] = {0, 16};
        vocab_file v;
        for (size_t i = 4; i < sizeof map - 4; i++) {
            random = random * 1664525 + 1013904223; /* Numerical Recipes */
            map[i] = (uint8_t)(random >> 24) & (uint8_t)(i % 4 == 3 ? 0x80 : 0xff);
        }
        init(&v, "t5");
        vocab_file_array(&v, "tokenizer.ggml.precompiled_charsmap", GGUF_I8, map, sizeof map,
                         sizeof map);
        use(&v, 0);
    }
}

static void test_text_too_long(void **state)
{
    (void)state;
    vocab_file v;
    hearth_error err = {0};
    int32_t *ids;
    size_t n;
    init(&v, "llama");
    assert_int_equal(vocab_file_open(&v, 0, &err), HEARTH_OK);
    assert_int_equal(tokenizer_encode(v.t, "", ((size_t)1 << 30) + 1, 0, &ids, &n, &err),
                     HEARTH_EINVAL);
    assert_null(ids);
    vocab_file_deinit(&v);
}

enum { CROWD = 300000, SPARE_BYTES = 8 << 20 };

/* The i-th of 16 million texts of three bytes, none of them a space. */
static void three_bytes(uint32_t i, char text[3])
{
    for (int at = 0; at < 3; at++, i /= 128)
        text[at] = (char)(i % 128 + 64);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Opens the collected vocabulary, which must take no more than 4 times its file. */
static void check_memory(vocab_file *v, const char *label)
{
    hearth_error err = {0};
    if (vocab_file_open(v, WITHOUT_SCORES | WITHOUT_TYPES, &err) != HEARTH_OK)
        fail_msg("%s: %s", label, err.message);
    tokenizer_close(v->t);
    gguf_close(v->g);
    v->t = NULL;
    v->g = NULL;
    size_t before = heap_bytes();
    assert_int_equal(gguf_open_memory(&v->g, v->bytes.data, v->bytes.n, NULL, &err), HEARTH_OK);
    assert_int_equal(tokenizer_open(&v->t, v->g, NULL, &err), HEARTH_OK);
    size_t taken = heap_bytes() - before;
    if (taken > SPARE_BYTES + 4 * v->bytes.n)
        fail_msg("%s: %zu bytes taken for a file of %zu", label, taken, v->bytes.n);
    vocab_file_deinit(v);
}

static void test_memory_of_tiny_tokens(void **state)
{
    (void)state;
    static const char *const models[] = {"llama", "gpt2", "bert", "t5"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        vocab_file v;
        char text[3];
        init(&v, models[m]);
        for (uint32_t i = 0; i < CROWD; i++) {
            three_bytes(i, text);
            vocab_file_token_n(&v, text, sizeof text, 0, TYPE_NORMAL);
        }
        check_memory(&v, models[m]);
        init(&v, models[m]);
        for (uint32_t i = 0; i < CROWD; i++)
            vocab_file_token_n(&v, "", 0, 0, TYPE_NORMAL);
        check_memory(&v, models[m]);
    }
}

/* Tokens that share nothing but their first bytes, or all but their last. */
static void test_memory_of_long_tokens(void **state)
{
    (void)state;
    static const char *const models[] = {"bert", "t5"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        vocab_file v;
        char text[200];
        init(&v, models[m]);
        for (uint32_t i = 0; i < 2 * CROWD / 10; i++) {
            memset(text, 'x', sizeof text);
            three_bytes(i / 2, text);
            text[sizeof text - 1] = i % 2 ? 'y' : 'z';
            vocab_file_token_n(&v, text, sizeof text, 0, TYPE_NORMAL);
        }
        check_memory(&v, models[m]);
    }
}

/* Pieces that are no tokens, all different; or the same merge again and again. */
static void test_memory_of_merges(void **state)
{
    (void)state;
    vocab_file v;
    char merge[7];
    init(&v, "gpt2");
    for (uint32_t i = 0; i < CROWD; i++) {
        three_bytes(2 * i, merge);
        merge[3] = ' ';
        three_bytes(2 * i + 1, merge + 4);
        vocab_file_merge_text(&v, merge, sizeof merge);
    }
    check_memory(&v, "different pieces");
    init(&v, "gpt2");
    for (uint32_t i = 0; i < CROWD; i++)
        vocab_file_merge_text(&v, "a b", 3);
    check_memory(&v, "one merge");
    init(&v, "gpt2");
    for (uint32_t i = 0; i < CROWD; i++)
        vocab_file_merge_text(&v, "", 0);
    check_memory(&v, "no merges");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_parts),
        cmocka_unit_test(test_arrays_of_wrong_length_or_type),
        cmocka_unit_test(test_charsmaps),
        cmocka_unit_test(test_oddities_are_harmless),
        cmocka_unit_test(test_wild_charsmaps_are_harmless),
        cmocka_unit_test(test_text_too_long),
        cmocka_unit_test(test_memory_of_tiny_tokens),
        cmocka_unit_test(test_memory_of_long_tokens),
        cmocka_unit_test(test_memory_of_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
