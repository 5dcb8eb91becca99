/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer.c - the four kinds of tokenizer on vocabularies small enough to work out by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/vocab_file.h"
#include "token/tokenizer_impl.h"

#define MARK "\u2581"

static void open_or_fail(vocab_file *v)
{
    hearth_error err = {0};
    if (vocab_file_open(v, 0, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
}

/* Checks that the spellings of the text's tokens, joined by '|', are `expected`. */
static void check_n(const vocab_file *v, const char *text, size_t n, unsigned flags,
                    const char *expected)
{
    int32_t *ids;
    size_t n_ids;
    hearth_error err;
    buf got;
    buf_init(&got, 0);
    assert_int_equal(tokenizer_encode(v->t, text, n, flags, &ids, &n_ids, &err), HEARTH_OK);
    assert_non_null(ids);
    for (size_t i = 0; i < n_ids; i++) {
        gguf_string spelling;
        assert_true(tokenizer_spelling(v->t, ids[i], &spelling));
        buf_append(&got, "|", i > 0);
        buf_append(&got, spelling.data, spelling.n);
    }
    assert_string_equal(got.n ? got.data : "", expected);
    mem_free(ids);
    buf_deinit(&got);
}

static void check(const vocab_file *v, const char *text, const char *expected)
{
    check_n(v, text, strlen(text), 0, expected);
}

static void check_with(const vocab_file *v, const char *text, unsigned flags, const char *expected)
{
    check_n(v, text, strlen(text), flags, expected);
}

static void init_spm(vocab_file *v)
{
    vocab_file_init(v, "llama", NULL);
    vocab_file_token(v, "<unk>", 0, TYPE_UNKNOWN);
    vocab_file_token(v, "<s>", 0, TYPE_CONTROL);
    vocab_file_token(v, "</s>", 0, TYPE_CONTROL);
}

static void test_spm_joins_the_best_score_first(void **state)
{
    (void)state;
    vocab_file v;
    init_spm(&v);
    vocab_file_byte_tokens(&v);
    vocab_file_token(&v, MARK, -10, TYPE_NORMAL);
    vocab_file_token(&v, "a", -11, TYPE_NORMAL);
    vocab_file_token(&v, "b", -12, TYPE_NORMAL);
    vocab_file_token(&v, "c", -13, TYPE_NORMAL);
    vocab_file_token(&v, "ab", -2, TYPE_NORMAL);
    vocab_file_token(&v, "bc", -1, TYPE_NORMAL);
    vocab_file_token(&v, MARK "a", -3, TYPE_NORMAL);
    vocab_file_token(&v, "aa", -4, TYPE_NORMAL);
    open_or_fail(&v);
    assert_string_equal(tokenizer_kind(v.t), "spm");
    assert_string_equal(tokenizer_pre(v.t), "");
    check(&v, "", "");
    check(&v, "abc", MARK "a|bc");
    check(&v, "ab", MARK "|ab");
    check(&v, "aaa", MARK "a|aa"); /* "_a" is better than "aa" */
    check(&v, "b aaa", MARK "|b|" MARK "a|aa");
    check(&v, "c\u00e9", MARK "|c|<0xC3>|<0xA9>");
    check_n(&v, "a\xff\xc3", 3, 0, MARK "a|<0xFF>|<0xC3>");
    check_n(&v, "\0a", 2, 0, MARK "|<0x00>|a");
    check_with(&v, "ab", TOKENIZE_ADD_SPECIAL, "<s>|" MARK "|ab");
    check_with(&v, "", TOKENIZE_ADD_SPECIAL, "<s>");
    vocab_file_deinit(&v);
}

static void test_spm_takes_the_leftmost_of_equals(void **state)
{
    (void)state;
    vocab_file v;
    init_spm(&v);
    vocab_file_token(&v, "a", 0, TYPE_NORMAL);
    vocab_file_token(&v, "aa", -1, TYPE_NORMAL);
    vocab_file_bool(&v, "tokenizer.ggml.add_space_prefix", false);
    open_or_fail(&v);
    check(&v, "aaa", "aa|a");
    check(&v, "aaaa", "aa|aa");
    check(&v, "a?a", "a|<unk>|a"); /* no byte tokens */
    vocab_file_deinit(&v);
}

static void test_spm_puts_a_space_where_a_text_begins(void **state)
{
    (void)state;
    vocab_file v;
    init_spm(&v);
    vocab_file_token(&v, MARK, -1, TYPE_NORMAL);
    vocab_file_token(&v, "a", -1, TYPE_NORMAL);
    open_or_fail(&v);
    check_with(&v, "a</s>a", TOKENIZE_PARSE_SPECIAL, MARK "|a|</s>|" MARK "|a");
    check_with(&v, "</s> a", TOKENIZE_PARSE_SPECIAL, "</s>|" MARK "|" MARK "|a");
    vocab_file_deinit(&v);
}

static void test_bpe_joins_by_rank(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "gpt2", "gpt-2");
    vocab_file_alphabet(&v);
    vocab_file_merge(&v, "b", "c");
    vocab_file_merge(&v, "a", "b");
    vocab_file_merge(&v, "ab", "bc");
    vocab_file_merge(&v, "\u0120", "a"); /* the space */
    open_or_fail(&v);
    assert_string_equal(tokenizer_kind(v.t), "bpe");
    assert_string_equal(tokenizer_pre(v.t), "gpt-2");
    check(&v, "", "");
    check(&v, "abc", "a|bc");
    check(&v, "abbc", "abbc");
    check(&v, "b a", "b|\u0120a");
    check(&v, "a  b", "a|\u0120|\u0120|b");
    check(&v, "it's", "i|t|'|s");
    check(&v, "\u00e9", "\u00c3|\u00a9");
    vocab_file_deinit(&v);
}

static void test_bpe_whole_words_win_where_merges_are_ignored(void **state)
{
    (void)state;
    static const char *const names[] = {"llama-bpe", "qwen2"};
    static const char *const expected[] = {"abc", "ab|c"};
    for (int i = 0; i < 2; i++) {
        vocab_file v;
        vocab_file_init(&v, "gpt2", names[i]);
        vocab_file_alphabet(&v);
        vocab_file_token(&v, "abc", 0, TYPE_NORMAL);
        vocab_file_merge(&v, "a", "b");
        open_or_fail(&v);
        check(&v, "abc", expected[i]);
        vocab_file_deinit(&v);
    }
}

/* "ab" can be made by a merge and is no token: its bytes are written. */
static void test_bpe_merges_of_no_tokens(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "gpt2", "gpt-2");
    vocab_file_alphabet(&v);
    vocab_file_token(&v, "abc", 0, TYPE_NORMAL);
    vocab_file_merge_text(&v, "a b", 3);
    vocab_file_merge_text(&v, "ab c", 4);
    vocab_file_merge_text(&v, "", 0);
    vocab_file_merge_text(&v, "nospace", 7);
    vocab_file_merge_text(&v, "x ", 2);
    open_or_fail(&v);
    check(&v, "ab", "a|b");
    check(&v, "abc", "abc");
    vocab_file_deinit(&v);
}

static void test_bpe_plain_spellings(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "gemma4", NULL);
    vocab_file_byte_tokens(&v);
    vocab_file_token(&v, "<bos>", 0, TYPE_CONTROL);
    vocab_file_u32(&v, "tokenizer.ggml.bos_token_id", 256);
    vocab_file_bool(&v, "tokenizer.ggml.add_bos_token", false); /* overruled for this model */
    vocab_file_token(&v, MARK, 0, TYPE_NORMAL);
    vocab_file_token(&v, "a", 0, TYPE_NORMAL);
    vocab_file_token(&v, "\n\n", 0, TYPE_NORMAL);
    vocab_file_merge(&v, MARK, "a");
    open_or_fail(&v);
    assert_string_equal(tokenizer_pre(v.t), "gemma4");
    check_with(&v, "a a", TOKENIZE_ADD_SPECIAL, "<bos>|a|" MARK "a");
    check(&v, "a\n\na\n", "a|\n\n|a|<0x0A>");
    check(&v, "\u00e9", "<0xC3>|<0xA9>");
    vocab_file_deinit(&v);
}

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13; /* xorshift64, Marsaglia 2003 */
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Every pre-tokenizer: whatever the bytes, the tokens are exactly the text. */
static void test_bpe_every_pre_tokenizer_keeps_the_text(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "a",      "B",          "it's",   "'RE",          " ",      "  ",    "\n",     "\r\n",
        "\t",     "1",          "12",     "3456",         "~",      "!?",    "\u00e9", "e\u0301",
        "\u4e2d", "\u3042",     "\ud55c", "\u00bd",       "/",      "_",     "\xff",   "\xe2\x82",
        "\u3000", "\U0001f600", "\u200d", "\u0939\u093f", "\u00a0", "\u00c9"};
    uint64_t random = 20260818;
    printf("seed %llu\n", (unsigned long long)random);
    const pretokenizer_name *name;
    for (size_t i = 0; (name = pretokenizer_at(i)) != NULL; i++) {
        vocab_file v;
        vocab_file_init(&v, "gpt2", name->name);
        vocab_file_byte_tokens(&v);
        vocab_file_alphabet(&v);
        vocab_file_merge(&v, "a", "B");
        open_or_fail(&v);
        assert_string_equal(tokenizer_pre(v.t), name->name);
        for (int round = 0; round < 40; round++) {
            buf text, back;
            int32_t *ids;
            size_t n_ids;
            buf_init(&text, 0);
            buf_init(&back, 0);
            for (int k = 0; k < 30; k++)
                buf_append_text(&text,
                                parts[next_random(&random) % (sizeof parts / sizeof *parts)]);
            assert_int_equal(tokenizer_encode(v.t, text.data, text.n, 0, &ids, &n_ids, NULL),
                             HEARTH_OK);
            for (size_t k = 0; k < n_ids; k++)
                assert_true(tokenizer_piece(v.t, ids[k], false, &back));
            /* U+2581 for a space is spelled in bytes here: it is a token of none of these. */
            bool is_marked = (name->flags & PRE_SPACE_MARK) != 0;
            if (!is_marked && (text.n != back.n || memcmp(text.data, back.data, text.n) != 0))
                fail_msg("%s does not keep \"%s\"", name->name, text.data);
            mem_free(ids);
            buf_deinit(&text);
            buf_deinit(&back);
        }
        vocab_file_deinit(&v);
    }
}

/* How a text is cut, by name: words between bars. */
static void test_pre_tokenizers_cut(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *words;
    } rows[] = {
        {"gpt-2", "I'm  12 x!!\n", "I|'m| | 12| x|!!|\n"},
        {"gpt-2", "I'M\t\tx", "I|'|M|\t|\t|x"},
        {"llama-bpe", "I'M 1234 x!!\n\n  y", "I|'M| |123|4| x|!!\n\n| | y"},
        {"qwen2", "12 a\n  \nb", "1|2| a|\n  \n|b"},
        {"starcoder", "a12", "a|1|2"},
        {"falcon", "a1234!?b", "a|123|4|!?|b"},
        {"tekken", "HelloWORLDfoo", "Hello|WORLDfoo"},
        {"gpt-4o", "IPhone's 1234", "IPhone's| |123|4"},
        {"deepseek-v3", "\u4e2d\u6587abc+x", "\u4e2d\u6587|abc|+x"},
        {"superbpe", "12345 a b", "12|345| a b"},
        {"tiny_aya", "1234567a", "1|234|567|a"},
        {"afmoe", "12345678", "12|345|678"},
        {"bloom", "a, b c", "a|,| b| c"},
        {"kimi-k2", "\u4e2dx 1234", "\u4e2d|x| |123|4"},
        {"exaone-moe", "ab cd, e", "ab cd|,| e"},
        {"gemma4", "a b\n\nc", "a b|\n\n|c"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pretokenizer p;
        pretokenizer_run run = {0};
        buf got;
        size_t start = 0, n = strlen(rows[i].text);
        const pretokenizer_name *name = pretokenizer_find(rows[i].name, strlen(rows[i].name));
        buf_init(&got, 0);
        assert_non_null(name);
        assert_int_equal(pretokenizer_open(&p, name, NULL), HEARTH_OK);
        assert_int_equal(pretokenizer_split(&p, &run, rows[i].text, n, NULL), HEARTH_OK);
        for (size_t k = 0; k < run.n; k++) {
            buf_append(&got, "|", k > 0);
            buf_append(&got, rows[i].text + start, run.ends[k] - start);
            start = run.ends[k];
        }
        if (strcmp(got.data, rows[i].words) != 0)
            fail_msg("%s cuts \"%s\", not \"%s\"", rows[i].name, got.data, rows[i].words);
        buf_deinit(&got);
        pretokenizer_run_deinit(&run);
        pretokenizer_close(&p);
    }
}

static void test_wpm(void **state)
{
    (void)state;
    static const char *const tokens[] = {
        "[PAD]",  "[UNK]",     "[CLS]",       "[SEP]",       MARK "hello", MARK "un", "want", "ed",
        MARK ",", MARK "cafe", MARK "\u4e2d", MARK "\u1112", MARK "h",     MARK "$",  "e"};
    vocab_file v;
    vocab_file_init(&v, "bert", NULL);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        vocab_file_token(&v, tokens[i], 0, i < 4 ? TYPE_CONTROL : TYPE_NORMAL);
    vocab_file_u32(&v, "tokenizer.ggml.unknown_token_id", 1);
    vocab_file_u32(&v, "tokenizer.ggml.cls_token_id", 2);
    vocab_file_u32(&v, "tokenizer.ggml.seperator_token_id", 3);
    open_or_fail(&v);
    assert_string_equal(tokenizer_kind(v.t), "wpm");
    assert_int_equal(tokenizer_specials(v.t)->cls, 2);
    check(&v, "", "");
    check(&v, " \t\n", "");
    check(&v, "Hello,unwanted", MARK "hello|" MARK ",|" MARK "un|want|ed");
    check(&v, "unwantedx hello", "[UNK]|" MARK "hello"); /* all of the word or nothing */
    check(&v, "Caf\u00c9 cafe\u0301", MARK "cafe|" MARK "cafe");
    check(&v, "hello\u200b\x01\u4e2dhello", MARK "hello|" MARK "\u4e2d|" MARK "hello");
    check(&v, "\ud55c", MARK "\u1112"); /* of a syllable only its first letter is kept */
    check(&v, "he\xffllo$", MARK "hello|" MARK "$");
    check_with(&v, "hello", TOKENIZE_ADD_SPECIAL, "[CLS]|" MARK "hello|[SEP]");
    check_with(&v, "[CLS]h[SEP]", TOKENIZE_PARSE_SPECIAL, "[CLS]|" MARK "h|[SEP]");
    vocab_file_deinit(&v);
}

static void test_wpm_that_keeps_case_and_accents(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "bert", NULL);
    vocab_file_token(&v, MARK "Caf\u00e9", 0, TYPE_NORMAL);
    vocab_file_token(&v, "[UNK]", 0, TYPE_UNKNOWN);
    vocab_file_u32(&v, "tokenizer.ggml.unknown_token_id", 1);
    vocab_file_bool(&v, "tokenizer.ggml.normalizer.lowercase", false);
    open_or_fail(&v);
    check(&v, "Caf\u00e9 caf\u00e9", MARK "Caf\u00e9|[UNK]");
    vocab_file_deinit(&v);
}

static void init_ugm(vocab_file *v, bool prefix, bool merge)
{
    vocab_file_init(v, "t5", NULL);
    vocab_file_token(v, "<pad>", 0, TYPE_CONTROL);
    vocab_file_token(v, "</s>", 0, TYPE_CONTROL);
    vocab_file_token(v, "<unk>", 0, TYPE_UNKNOWN);
    vocab_file_token(v, MARK, -3, TYPE_NORMAL);
    vocab_file_token(v, "a", -2, TYPE_NORMAL);
    vocab_file_token(v, "b", -2, TYPE_NORMAL);
    vocab_file_token(v, "ab", -3.5f, TYPE_NORMAL);
    vocab_file_token(v, "aab", -8, TYPE_NORMAL);
    vocab_file_token(v, MARK "a", -4, TYPE_NORMAL);
    vocab_file_token(v, "<x>", -50, TYPE_USER);
    vocab_file_bool(v, "tokenizer.ggml.add_space_prefix", prefix);
    vocab_file_bool(v, "tokenizer.ggml.remove_extra_whitespaces", merge);
}

static void test_ugm_takes_the_likeliest_way(void **state)
{
    (void)state;
    vocab_file v;
    init_ugm(&v, true, true);
    open_or_fail(&v);
    assert_string_equal(tokenizer_kind(v.t), "ugm");
    check(&v, "", "");
    check(&v, "  ", "");
    check(&v, "ab", MARK "a|b");   /* -6 against -6.5 */
    check(&v, "aab", MARK "a|ab"); /* -7.5 against -8 and -11 */
    check(&v, "a  b", MARK "a|" MARK "|b");
    check(&v, "zz\u4e2da", MARK "|<unk>|a"); /* one for the three */
    check(&v, "a<x>a", MARK "a|<x>|" MARK "a");
    check_with(&v, "a", TOKENIZE_ADD_SPECIAL, MARK "a|</s>");
    vocab_file_deinit(&v);
}

static void test_ugm_spaces(void **state)
{
    (void)state;
    static const char *const expected[] = {"a|" MARK "|" MARK "a|" MARK, "a|" MARK "a",
                                           MARK "a|" MARK "|" MARK "a|" MARK, MARK "a|" MARK "a"};
    for (int i = 0; i < 4; i++) {
        vocab_file v;
        init_ugm(&v, i >= 2, i % 2);
        open_or_fail(&v);
        /* Merging puts a space before every word, the first too. */
        check(&v, "a  a ", i == 1 ? MARK "a|" MARK "a" : expected[i]);
        vocab_file_deinit(&v);
    }
}

/* A double array of one mapping, "A" to "ab": see charsmap.h. The root's children are at 256 ^
 * their label, those of 'A' at 512 ^ theirs. */
static void test_ugm_normalizes(void **state)
{
    (void)state;
    static uint32_t units[1024];
    static uint8_t map[4 + sizeof units + 3];
    uint32_t n_trie = sizeof units, child = 256 ^ 'A';
    units[0] = 256u << 10;
    units[child] = 'A' | (child ^ 512) << 10 | 1 << 8;
    units[512] = 1u << 31 | 0;
    memcpy(map, &n_trie, 4);
    memcpy(map + 4, units, sizeof units);
    memcpy(map + 4 + sizeof units, "ab", 3);
    vocab_file v;
    init_ugm(&v, true, true);
    vocab_file_array(&v, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, map, sizeof map,
                     sizeof map);
    open_or_fail(&v);
    check(&v, "A", MARK "a|b");
    check(&v, "aA", MARK "a|ab");
    check(&v, "B", MARK "|<unk>");
    vocab_file_deinit(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spm_joins_the_best_score_first),
        cmocka_unit_test(test_spm_takes_the_leftmost_of_equals),
        cmocka_unit_test(test_spm_puts_a_space_where_a_text_begins),
        cmocka_unit_test(test_bpe_joins_by_rank),
        cmocka_unit_test(test_bpe_whole_words_win_where_merges_are_ignored),
        cmocka_unit_test(test_bpe_merges_of_no_tokens),
        cmocka_unit_test(test_bpe_plain_spellings),
        cmocka_unit_test(test_bpe_every_pre_tokenizer_keeps_the_text),
        cmocka_unit_test(test_pre_tokenizers_cut),
        cmocka_unit_test(test_wpm),
        cmocka_unit_test(test_wpm_that_keeps_case_and_accents),
        cmocka_unit_test(test_ugm_takes_the_likeliest_way),
        cmocka_unit_test(test_ugm_spaces),
        cmocka_unit_test(test_ugm_normalizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
