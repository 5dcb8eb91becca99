/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer_text.c - tokens back to text: pieces, and the detokenizer that gives out whole
 * characters however they are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "support/vocab_file.h"

#define MARK "\u2581"
#define BROKEN "\ufffd"

static void open_or_fail(vocab_file *v)
{
    hearth_error err = {0};
    if (vocab_file_open(v, 0, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
}

/* Feeds the ids one by one; what has come out is valid at every moment. */
static void check_text(const vocab_file *v, const int32_t *ids, size_t n, bool special,
                       bool at_start, const char *expected)
{
    detokenizer d;
    buf out;
    buf_init(&out, 0);
    detokenizer_init(&d, v->t, special, at_start);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(detokenizer_feed(&d, ids[i], &out, NULL), HEARTH_OK);
        assert_true(out.n == 0 || utf8_is_valid(out.data, out.n));
    }
    assert_int_equal(detokenizer_finish(&d, &out, NULL), HEARTH_OK);
    assert_int_equal(d.pending.n, 0);
    assert_string_equal(out.n ? out.data : "", expected);
    detokenizer_deinit(&d);
    buf_deinit(&out);
}

static void check_piece(const vocab_file *v, int32_t id, bool special, const char *expected)
{
    buf out;
    buf_init(&out, 0);
    assert_true(tokenizer_piece(v->t, id, special, &out));
    assert_string_equal(out.n ? out.data : "", expected);
    buf_deinit(&out);
}

/* ids of the bytes of a text: the byte-level alphabet is in the order of the bytes. */
static size_t bytes_of(const char *text, int32_t *ids)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        ids[i] = (unsigned char)text[i];
    return n;
}

static void test_characters_come_whole(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        {"", ""},
        {"abc", "abc"},
        {"\u00e9\u4e2d\U0001f600", "\u00e9\u4e2d\U0001f600"},
        {"\xff", BROKEN},
        {"a\x80z", "a" BROKEN "z"},
        {"\xe4\xb8", BROKEN},      /* one broken character */
        {"\xe4\xb8z", BROKEN "z"}, /* broken off by a letter */
        {"\xf0\x9f\x98\xc3\xa9", BROKEN "\u00e9"},
        {"\xed\xa0\x80", BROKEN BROKEN BROKEN}, /* a surrogate never begins */
        {"\xc0\xaf", BROKEN BROKEN},            /* nor does an overlong form */
        {"\xf4\x90\x80\x80", BROKEN BROKEN BROKEN BROKEN},
    };
    vocab_file v;
    vocab_file_init(&v, "gpt2", "gpt-2");
    vocab_file_alphabet(&v);
    open_or_fail(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t ids[64];
        check_text(&v, ids, bytes_of(rows[i].bytes, ids), false, true, rows[i].text);
    }
    vocab_file_deinit(&v);
}

/* The two tokens of one character: nothing comes out after the first, all of it after the second.
 */
static void test_half_a_character_waits(void **state)
{
    (void)state;
    vocab_file v;
    detokenizer d;
    buf out;
    vocab_file_init(&v, "gpt2", "gpt-2");
    vocab_file_alphabet(&v);
    open_or_fail(&v);
    buf_init(&out, 0);
    detokenizer_init(&d, v.t, false, false);
    static const unsigned char bytes[] = "x\xf0\x9f\x98\x80y\xe4";
    static const size_t n_after[] = {1, 1, 1, 1, 5, 6, 6};
    for (size_t i = 0; i < sizeof n_after / sizeof *n_after; i++) {
        assert_int_equal(detokenizer_feed(&d, bytes[i], &out, NULL), HEARTH_OK);
        assert_int_equal(out.n, n_after[i]);
    }
    assert_int_equal(detokenizer_finish(&d, &out, NULL), HEARTH_OK);
    assert_string_equal(out.data, "x\U0001f600y" BROKEN);
    hearth_error err = {0};
    assert_int_equal(detokenizer_feed(&d, -1, &out, &err), HEARTH_EINVAL);
    assert_int_equal(detokenizer_feed(&d, 256, &out, &err), HEARTH_EINVAL);
    detokenizer_deinit(&d);
    buf_deinit(&out);
    vocab_file_deinit(&v);
}

static void test_spm_drops_the_space_it_added(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "llama", NULL);
    vocab_file_token(&v, "<unk>", 0, TYPE_UNKNOWN); /* 0 */
    vocab_file_token(&v, "<s>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "</s>", 0, TYPE_CONTROL);
    int32_t byte = vocab_file_byte_tokens(&v);
    int32_t word = vocab_file_token(&v, MARK "a", 0, TYPE_NORMAL);
    int32_t spaces = vocab_file_token(&v, MARK MARK, 0, TYPE_NORMAL);
    int32_t user = vocab_file_token(&v, "<|x" MARK "|>", 0, TYPE_USER);
    open_or_fail(&v);
    const int32_t words[] = {1, word, word, spaces, byte + 0xc3, byte + 0xa9};
    check_text(&v, words, 6, false, true, "a a  \u00e9");
    check_text(&v, words, 6, false, false, " a a  \u00e9");
    check_text(&v, words, 6, true, true, "<s> a a  \u00e9");
    check_text(&v, &spaces, 1, false, true, " ");
    check_piece(&v, word, false, " a");
    check_piece(&v, 1, false, "");
    check_piece(&v, 1, true, "<s>");
    check_piece(&v, 0, false, "");
    check_piece(&v, byte + 'A', false, "A");
    check_piece(&v, user, false, "<|x" MARK "|>"); /* as it is spelled */
    buf out;
    buf_init(&out, 0);
    assert_false(tokenizer_piece(v.t, -1, true, &out));
    assert_false(tokenizer_piece(v.t, user + 1, true, &out));
    vocab_file_deinit(&v);
}

static void test_wpm_cleans_up(void **state)
{
    (void)state;
    enum { A, LY, COMMA, STOP, APOSTROPHE, S, CLS };
    static const char *const tokens[] = {MARK "a", "ly",     MARK ",", MARK ".",
                                         MARK "'", MARK "s", "[CLS]"};
    static const struct {
        int32_t ids[6];
        size_t n;
        const char *text;
    } rows[] = {
        {{A, LY, A}, 3, "aly a"},
        {{A, COMMA, A, STOP}, 4, "a, a."},
        {{A, APOSTROPHE, S, STOP}, 4, "a's."},
        {{A, APOSTROPHE}, 2, "a '"},
        {{A, APOSTROPHE, LY}, 3, "a 'ly"},
        {{A, APOSTROPHE, STOP}, 3, "a '."},
        {{A, APOSTROPHE, APOSTROPHE, S}, 4, "a'' s"},
        {{CLS, A, CLS}, 3, "a"},
    };
    vocab_file v;
    vocab_file_init(&v, "bert", NULL);
    for (int i = 0; i <= CLS; i++)
        vocab_file_token(&v, tokens[i], 0, i == CLS ? TYPE_CONTROL : TYPE_NORMAL);
    open_or_fail(&v);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_text(&v, rows[i].ids, rows[i].n, false, true, rows[i].text);
    vocab_file_deinit(&v);
}

/* Characters of a spelling that are not of the byte-level alphabet stand for themselves. */
static void test_odd_spellings(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "gpt2", "gpt-2");
    vocab_file_alphabet(&v);
    int32_t foreign = vocab_file_token(&v, "\u4e2d\u0120x", 0, TYPE_NORMAL);
    int32_t broken = vocab_file_token(&v, "a\xff", 0, TYPE_NORMAL);
    int32_t empty = vocab_file_token(&v, "", 0, TYPE_NORMAL);
    int32_t byte = vocab_file_token(&v, "<0x41>", 0, TYPE_BYTE);
    int32_t no_byte = vocab_file_token(&v, "<0x-1>", 0, TYPE_BYTE);
    open_or_fail(&v);
    check_piece(&v, foreign, false, "\u4e2d x");
    check_piece(&v, broken, false, "a\xff");
    check_piece(&v, empty, false, "");
    check_piece(&v, byte, false, "A");
    check_piece(&v, no_byte, false, "<0x-1>");
    vocab_file_deinit(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_come_whole),
        cmocka_unit_test(test_half_a_character_waits),
        cmocka_unit_test(test_spm_drops_the_space_it_added),
        cmocka_unit_test(test_wpm_cleans_up),
        cmocka_unit_test(test_odd_spellings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
