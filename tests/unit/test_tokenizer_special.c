/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer_special.c - special tokens: which they are, where a text has them, what they end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/vocab_file.h"

/* A byte-level vocabulary; ids from 256 are the test's. */
static void init(vocab_file *v)
{
    vocab_file_init(v, "gpt2", "gpt-2");
    vocab_file_alphabet(v);
}

static void open_or_fail(vocab_file *v)
{
    hearth_error err = {0};
    if (vocab_file_open(v, 0, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
}

/* Special ids as <id>, the rest as its bytes. */
static void check(const vocab_file *v, const char *text, unsigned flags, const char *expected)
{
    int32_t *ids;
    size_t n_ids;
    buf got;
    buf_init(&got, 0);
    assert_int_equal(tokenizer_encode(v->t, text, strlen(text), flags, &ids, &n_ids, NULL),
                     HEARTH_OK);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] >= 256)
            buf_append_format(&got, "<%d>", ids[i]);
        else
            tokenizer_piece(v->t, ids[i], false, &got);
    }
    assert_string_equal(got.n ? got.data : "", expected);
    mem_free(ids);
    buf_deinit(&got);
}

static void test_control_tokens_only_if_asked(void **state)
{
    (void)state;
    vocab_file v;
    init(&v);
    vocab_file_token(&v, "<c>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<u>", 0, TYPE_USER);
    vocab_file_token(&v, "<?>", 0, TYPE_UNKNOWN);
    open_or_fail(&v);
    check(&v, "a<c><u>b<?>", 0, "a<c><257>b<?>");
    check(&v, "a<c><u>b<?>", TOKENIZE_PARSE_SPECIAL, "a<256><257>b<258>");
    check(&v, "<c", TOKENIZE_PARSE_SPECIAL, "<c");
    assert_true(tokenizer_is_control(v.t, 256));
    assert_false(tokenizer_is_control(v.t, 257));
    assert_false(tokenizer_is_control(v.t, -1));
    assert_false(tokenizer_is_control(v.t, 1 << 30));
    vocab_file_deinit(&v);
}

static void test_longer_ones_first(void **state)
{
    (void)state;
    vocab_file v;
    init(&v);
    vocab_file_token(&v, "ab", 0, TYPE_USER);
    vocab_file_token(&v, "bcd", 0, TYPE_USER);
    vocab_file_token(&v, "\n", 0, TYPE_USER);
    vocab_file_token(&v, "\n\n\n", 0, TYPE_USER);
    open_or_fail(&v);
    check(&v, "abcd", 0, "a<257>");
    check(&v, "xabab", 0, "x<256><256>");
    check(&v, "\n\n\n\n\nx", 0, "<259><258><258>x");
    check(&v, "\n", 0, "<258>");
    vocab_file_deinit(&v);
}

static void test_white_space_beside_some_is_swallowed(void **state)
{
    (void)state;
    vocab_file v;
    init(&v);
    vocab_file_text(&v, "general.name", "Phi-3 mini");
    vocab_file_token(&v, "<|user|>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<|endoftext|>", 0, TYPE_CONTROL);
    open_or_fail(&v);
    check(&v, "a <|user|> \n b<|endoftext|> c", TOKENIZE_PARSE_SPECIAL, "a <256>b<257> c");
    check(&v, "<|user|>  <|user|> ", TOKENIZE_PARSE_SPECIAL, "<256><256>");
    vocab_file_deinit(&v);

    vocab_file_init(&v, "gpt2", "jina-v2-code");
    vocab_file_alphabet(&v);
    vocab_file_token(&v, "<mask>", 0, TYPE_CONTROL);
    open_or_fail(&v);
    check(&v, "a  <mask> b", TOKENIZE_PARSE_SPECIAL, "a<256> b");
    check(&v, "  <mask>", TOKENIZE_PARSE_SPECIAL, "<256>");
    vocab_file_deinit(&v);
}

static void test_ids_by_key(void **state)
{
    (void)state;
    vocab_file v;
    init(&v);
    for (int i = 0; i < 12; i++) {
        char text[16];
        snprintf(text, sizeof text, "<t%d>", i);
        vocab_file_token(&v, text, 0, TYPE_CONTROL);
    }
    static const char *const keys[] = {"bos",     "eos",       "eot",     "eom",
                                       "unknown", "seperator", "padding", "mask",
                                       "fim_pre", "fim_suf",   "fim_mid"};
    for (uint32_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char key[64];
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", keys[i]);
        vocab_file_u32(&v, key, 256 + i);
    }
    vocab_file_u32(&v, "tokenizer.ggml.fim_pad_token_id", 4000000000u); /* no token: ignored */
    vocab_file_bool(&v, "tokenizer.ggml.add_bos_token", true);
    vocab_file_bool(&v, "tokenizer.ggml.add_eos_token", true);
    open_or_fail(&v);
    const tokenizer_special *s = tokenizer_specials(v.t);
    const int32_t ids[] = {s->bos, s->eos,  s->eot,        s->eom,        s->unk,       s->sep,
                           s->pad, s->mask, s->fim_prefix, s->fim_suffix, s->fim_middle};
    for (int32_t i = 0; i < (int32_t)(sizeof ids / sizeof *ids); i++)
        assert_int_equal(ids[i], 256 + i);
    assert_int_equal(s->fim_pad, -1);
    assert_int_equal(s->cls, -1);
    assert_true(s->add_bos && s->add_eos);
    check(&v, "a", TOKENIZE_ADD_SPECIAL, "<256>a<257>");
    check(&v, "a", 0, "a");
    for (int32_t id = 256; id < 268; id++)
        assert_int_equal(tokenizer_is_eog(v.t, id), id >= 257 && id <= 259);
    assert_false(tokenizer_is_eog(v.t, -1));
    vocab_file_deinit(&v);
}

static void test_ids_by_spelling(void **state)
{
    (void)state;
    vocab_file v;
    init(&v);
    vocab_file_token(&v, "<|endoftext|>", 0, TYPE_CONTROL); /* 256 */
    vocab_file_token(&v, "<|im_end|>", 0, TYPE_NORMAL);     /* becomes a control token */
    vocab_file_token(&v, "<|im_start|>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<|fim_prefix|>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<|fim_suffix|>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<|fim_middle|>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<|repo_name|>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<|file_sep|>", 0, TYPE_CONTROL);
    open_or_fail(&v);
    const tokenizer_special *s = tokenizer_specials(v.t);
    assert_int_equal(s->bos, -1);
    assert_int_equal(s->eos, -1);
    assert_int_equal(s->eot, 257);
    assert_int_equal(s->fim_prefix, 259);
    assert_int_equal(s->fim_suffix, 260);
    assert_int_equal(s->fim_middle, 261);
    assert_int_equal(s->fim_repo, 262);
    assert_int_equal(s->fim_sep, 263);
    assert_true(tokenizer_is_control(v.t, 257));
    assert_true(tokenizer_is_eog(v.t, 256) && tokenizer_is_eog(v.t, 257));
    assert_false(tokenizer_is_eog(v.t, 258) || tokenizer_is_eog(v.t, 259));
    check(&v, "<|im_end|>", 0, "<|im_end|>");
    vocab_file_deinit(&v);
}

/* gpt-oss: <|end|> ends a message, but only <|return|> and <|call|> end an answer. */
static void test_an_end_within_the_answer(void **state)
{
    (void)state;
    static const char *const texts[] = {"<|end|>", "<|return|>", "<|call|>", "<|channel|>"};
    vocab_file v;
    init(&v);
    for (int i = 0; i < 4; i++)
        vocab_file_token(&v, texts[i], 0, TYPE_CONTROL);
    open_or_fail(&v);
    assert_false(tokenizer_is_eog(v.t, 256));
    assert_true(tokenizer_is_eog(v.t, 257) && tokenizer_is_eog(v.t, 258));
    assert_false(tokenizer_is_eog(v.t, 259) || tokenizer_is_control(v.t, 259));
    vocab_file_deinit(&v);
    init(&v);
    vocab_file_token(&v, "<|end|>", 0, TYPE_CONTROL);
    open_or_fail(&v);
    assert_true(tokenizer_is_eog(v.t, 256));
    vocab_file_deinit(&v);
}

/* Asked for a bos that the model does not name: none is added. */
static void test_no_bos_to_add(void **state)
{
    (void)state;
    vocab_file v;
    init(&v);
    vocab_file_bool(&v, "tokenizer.ggml.add_bos_token", true);
    open_or_fail(&v);
    assert_false(tokenizer_specials(v.t)->add_bos);
    check(&v, "a", TOKENIZE_ADD_SPECIAL, "a");
    vocab_file_deinit(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_tokens_only_if_asked),
        cmocka_unit_test(test_longer_ones_first),
        cmocka_unit_test(test_white_space_beside_some_is_swallowed),
        cmocka_unit_test(test_ids_by_key),
        cmocka_unit_test(test_ids_by_spelling),
        cmocka_unit_test(test_an_end_within_the_answer),
        cmocka_unit_test(test_no_bos_to_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
