/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer_growth.c - the work a text takes, counted in steps: words of 100,000 characters
 * and texts of a megabyte cost what their length says, for every kind and every shape of text; and
 * a text on its way can be given up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <hearth/log.h>

#include "base/mem.h"
#include "base/watch.h"
#include "support/vocab_file.h"
#include "token/tokenizer_impl.h"

enum { LONG_WORD = 100000, WORD = 10000, TEXT = 1 << 20, STEPS_PER_BYTE = 40 };

/* Texts that tempt to look ahead or back without end. */
static const char *const shapes[] = {"a",  " ",   "\n", "1",      "A",      "ab",
                                     " a", "\n ", "~",  "\u00e9", "\u4e2d", "\xff",
                                     "'",  "<|",  "a1", "\r\n\t", "\u3000"};

static char *repeat(const char *shape, size_t n)
{
    char *text = mem_alloc(n);
    assert_non_null(text);
    size_t n_shape = strlen(shape);
    for (size_t i = 0; i < n; i++)
        text[i] = shape[i % n_shape];
    return text;
}

static void check_steps(const vocab_file *v, const char *label, const char *text, size_t n)
{
    int32_t *ids;
    size_t n_ids;
    uint64_t n_steps;
    hearth_error err = {0};
    if (tokenizer_encode_counted(v->t, text, n, TOKENIZE_PARSE_SPECIAL, NULL, &ids, &n_ids,
                                 &n_steps, &err) != HEARTH_OK)
        fail_msg("%s: %s", label, err.message);
    if (n_steps > STEPS_PER_BYTE * (uint64_t)n)
        fail_msg("%s: %llu steps for %zu bytes", label, (unsigned long long)n_steps, n);
    mem_free(ids);
}

typedef struct patience {
    int n_asked, n_granted;
} patience;

static bool is_patient(void *user, uint64_t done, uint64_t total)
{
    patience *p = user;
    assert_true(done == 0 && total == 0);
    return ++p->n_asked <= p->n_granted;
}

/* The watch is asked all along the way, and whenever it says no the call is over. */
static void check_watch(const vocab_file *v, const char *label, const char *text, size_t n)
{
    patience p = {.n_granted = 0};
    const hearth_progress watch = {is_patient, &p};
    hearth_status status = HEARTH_ECANCELED;
    int32_t *ids;
    size_t n_ids;
    hearth_error err = {0};
    while (status == HEARTH_ECANCELED) {
        p.n_asked = 0;
        hearth_watch_thread(&watch);
        status = tokenizer_encode(v->t, text, n, 0, &ids, &n_ids, &err);
        assert_true((status == HEARTH_OK) == (p.n_asked <= p.n_granted));
        assert_true(watch_has_ended() == (status != HEARTH_OK));
        p.n_granted = 2 * p.n_granted + 1;
    }
    hearth_watch_thread(NULL);
    assert_false(watch_has_ended());
    if (status != HEARTH_OK || (size_t)p.n_asked * 4 * WATCH_WORK < n)
        fail_msg("%s: asked %d times for %zu bytes; %s", label, p.n_asked, n, err.message);
    mem_free(ids);
}

static void check_shapes(vocab_file *v, const char *label)
{
    hearth_error err = {0};
    if (vocab_file_open(v, 0, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t n = i == 0 ? LONG_WORD : WORD;
        char *text = repeat(shapes[i], n);
        check_steps(v, label, text, n);
        text[n - 1] = 'x'; /* the end is other than it seemed */
        check_steps(v, label, text, n);
        mem_free(text);
    }
    char *text = repeat("The quick brown fox jumps over 13 lazy dogs.\n\n  \u00c9t\u00e9 ", TEXT);
    check_steps(v, label, text, TEXT);
    check_watch(v, label, text, TEXT / 4);
    mem_free(text);
    text = repeat("a", TEXT / 4);
    check_watch(v, label, text, TEXT / 4);
    mem_free(text);
    vocab_file_deinit(v);
}

/* "a", "aa", .. of doubling length, which a long word is joined up to; and runs of all lengths. */
static void add_runs(vocab_file *v)
{
    char run[65];
    for (size_t n = 1; n <= 64; n++) {
        memset(run, 'a', n);
        run[n] = '\0';
        vocab_file_token(v, run, -(float)n, TYPE_NORMAL);
    }
}

static void test_spm(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "llama", NULL);
    vocab_file_token(&v, "<unk>", 0, TYPE_UNKNOWN);
    vocab_file_token(&v, "<s>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "</s>", 0, TYPE_CONTROL);
    vocab_file_byte_tokens(&v);
    vocab_file_token(&v, "\u2581", 0, TYPE_NORMAL);
    vocab_file_token(&v, "\u2581\u2581", 0, TYPE_NORMAL);
    vocab_file_token(&v, "\u2581a", 0, TYPE_NORMAL);
    add_runs(&v);
    check_shapes(&v, "spm");
}

static void test_bpe(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2",      "llama-bpe", "jais-2",   "deepseek-llm",
                                        "tekken",     "kimi-k2",   "superbpe", "tiny_aya",
                                        "exaone-moe", "default",   "viking",   "chameleon"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        vocab_file v;
        char run[64] = "a";
        vocab_file_init(&v, "gpt2", names[i]);
        vocab_file_alphabet(&v);
        for (int n = 1; n <= 16; n *= 2) {
            vocab_file_merge(&v, run, run);
            memset(run, 'a', (size_t)n * 2);
            run[n * 2] = '\0';
        }
        vocab_file_merge(&v, "\u0120", "\u0120");
        check_shapes(&v, names[i]);
    }
}

static void test_wpm(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "bert", NULL);
    vocab_file_token(&v, "[UNK]", 0, TYPE_UNKNOWN);
    vocab_file_token(&v,
                     "\u2581"
                     "a",
                     0, TYPE_NORMAL);
    vocab_file_token(&v, "aa", 0, TYPE_NORMAL);
    vocab_file_token(&v, "1", 0, TYPE_NORMAL);
    check_shapes(&v, "wpm");
}

static void test_ugm(void **state)
{
    (void)state;
    vocab_file v;
    vocab_file_init(&v, "t5", NULL);
    vocab_file_token(&v, "<pad>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "</s>", 0, TYPE_CONTROL);
    vocab_file_token(&v, "<unk>", 0, TYPE_UNKNOWN);
    vocab_file_token(&v, "\u2581", -1, TYPE_NORMAL);
    for (size_t n = 1; n <= 16; n++) /* as many ways to spell each place */
        vocab_file_token_n(&v, "aaaaaaaaaaaaaaaa", n, -(float)n, TYPE_NORMAL);
    check_shapes(&v, "ugm");
}

/* Special tokens that are all prefixes of one another, over a text of nothing else. */
static void test_specials(void **state)
{
    (void)state;
    vocab_file v;
    hearth_error err = {0};
    vocab_file_init(&v, "gpt2", "gpt-2");
    vocab_file_alphabet(&v);
    for (size_t n = 2; n <= 33; n++) {
        char run[34];
        memset(run, 'b', n);
        run[n - 1] = '!';
        vocab_file_token_n(&v, run, n, 0, TYPE_USER);
    }
    assert_int_equal(vocab_file_open(&v, 0, &err), HEARTH_OK);
    char *text = repeat("b", WORD);
    check_steps(&v, "specials", text, WORD);
    mem_free(text);
    vocab_file_deinit(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spm), cmocka_unit_test(test_bpe),      cmocka_unit_test(test_wpm),
        cmocka_unit_test(test_ugm), cmocka_unit_test(test_specials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
