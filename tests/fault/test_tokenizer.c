/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer.c - every allocation of opening a tokenizer, encoding and decoding fails once: the
 * answer is ENOMEM or as good as without the fault, and nothing is left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault/fault.h"
#include "support/vocab_file.h"

#define MARK "\u2581"

static void build(vocab_file *v, const char *model)
{
    hearth_error err = {0};
    vocab_file_init(v, model, strcmp(model, "gpt2") == 0 ? "deepseek-llm" : NULL);
    vocab_file_token(v, "<unk>", 0, TYPE_UNKNOWN);
    vocab_file_token(v, "<s>", 0, TYPE_CONTROL);
    vocab_file_token(v, "</s>", 0, TYPE_CONTROL);
    vocab_file_byte_tokens(v);
    vocab_file_alphabet(v);
    vocab_file_token(v, MARK, 0, TYPE_NORMAL);
    vocab_file_token(v, MARK "a", 0, TYPE_NORMAL);
    for (int i = 0; i < 40; i++) { /* merges of no tokens take memory of their own */
        char merge[16];
        snprintf(merge, sizeof merge, "z%d q", i);
        vocab_file_merge_text(v, merge, strlen(merge));
    }
    vocab_file_u32(v, "tokenizer.ggml.unknown_token_id", 0);
    if (vocab_file_open(v, 0, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    tokenizer_close(v->t);
    v->t = NULL;
}

/* Opens, encodes and decodes; *text is what came of it, if the result is OK. */
static hearth_status round_trip(const gguf *g, buf *text)
{
    static const char input[] =
        "ab cz1 d<s>\u00e9 12345 ab cz1 d<s>\u00e9 \xff ab cz1 d\u4e2d\u6587!!";
    tokenizer *t;
    int32_t *ids = NULL;
    size_t n = 0;
    detokenizer d;
    hearth_status status = tokenizer_open(&t, g, NULL, NULL);
    if (status != HEARTH_OK)
        return status;
    status = tokenizer_encode(t, input, sizeof input - 1, 3, &ids, &n, NULL);
    detokenizer_init(&d, t, true, true);
    for (size_t i = 0; status == HEARTH_OK && i < n; i++)
        status = detokenizer_feed(&d, ids[i], text, NULL);
    if (status == HEARTH_OK)
        status = detokenizer_finish(&d, text, NULL);
    detokenizer_deinit(&d);
    mem_free(ids);
    tokenizer_close(t);
    return status;
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    static const char *const models[] = {"llama", "gpt2", "gemma4", "bert", "t5"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        vocab_file v;
        buf right;
        bool fired = true;
        buf_init(&right, 0);
        build(&v, models[i]);
        fault_arm(0, false);
        assert_int_equal(round_trip(v.g, &right), HEARTH_OK);
        long n = 1, n_alive = fault_n_alive();
        for (; fired; n++) {
            buf text;
            buf_init(&text, 0);
            fault_arm(n, false);
            hearth_status status = round_trip(v.g, &text);
            fired = fault_fired();
            fault_arm(0, false);
            if (status == HEARTH_OK)
                assert_string_equal(text.data, right.data);
            else
                assert_int_equal(status, HEARTH_ENOMEM);
            buf_deinit(&text);
            assert_int_equal(fault_n_alive(), n_alive);
        }
        printf("%s: %ld allocations\n", models[i], n - 2);
        assert_true(n > 10);
        buf_deinit(&right);
        vocab_file_deinit(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
