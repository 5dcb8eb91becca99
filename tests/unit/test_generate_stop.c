/* SPDX-License-Identifier: MIT
 *
 * test_generate_stop.c - stop strings over text cut in every possible way, against a search in the
 * whole text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/stop_words.h"

/* What should come out of text: the word that ends first, of those the longest. */
static const char *search(const char *text, const char *const *words, size_t n, size_t *n_out)
{
    const char *found = NULL;
    size_t end = SIZE_MAX;
    *n_out = strlen(text);
    for (size_t i = 0; i < n; i++) {
        const char *at = strstr(text, words[i]);
        size_t length = strlen(words[i]);
        if (at == NULL)
            continue;
        size_t this_end = (size_t)(at - text) + length;
        if (this_end < end || (this_end == end && length > strlen(found))) {
            end = this_end;
            found = words[i];
            *n_out = (size_t)(at - text);
        }
    }
    return found;
}

/* Could the end of text[0..n) begin a word? Then it must not have come out yet. */
static size_t must_hold(const char *text, size_t n, const char *const *words, size_t n_words)
{
    size_t longest = 0;
    for (size_t i = 0; i < n_words; i++)
        for (size_t k = 1; k < strlen(words[i]) && k <= n; k++)
            if (k > longest && memcmp(text + n - k, words[i], k) == 0)
                longest = k;
    return longest;
}

typedef struct stream {
    stop_words stop;
    buf out;
    size_t fed;
    bool stopped;
} stream;

static void open_stream(stream *s, const char *const *words, size_t n)
{
    *s = (stream){0};
    buf_init(&s->out, 0);
    assert_int_equal(stop_words_open(&s->stop, words, n, NULL), HEARTH_OK);
}

static void feed(stream *s, const char *text, size_t n, const char *const *words, size_t n_words)
{
    assert_int_equal(stop_words_feed(&s->stop, text + s->fed, n, &s->out, &s->stopped, NULL),
                     HEARTH_OK);
    s->fed += n;
    if (!s->stopped) /* exactly what may come out is out */
        assert_int_equal(s->out.n, s->fed - must_hold(text, s->fed, words, n_words));
}

static void expect_result(stream *s, const char *text, const char *const *words, size_t n)
{
    size_t n_out;
    const char *found = search(text, words, n, &n_out);
    assert_int_equal(stop_words_finish(&s->stop, &s->out, NULL), HEARTH_OK);
    assert_ptr_equal(s->stop.found, found);
    assert_int_equal(s->stopped, found != NULL);
    assert_int_equal(s->out.n, n_out);
    if (n_out)
        assert_memory_equal(s->out.data, text, n_out);
    stop_words_close(&s->stop);
    buf_deinit(&s->out);
}

/* Whole, byte by byte, and in three pieces cut at every pair of places. */
static void check(const char *text, const char *const *words, size_t n)
{
    size_t length = strlen(text);
    stream s;
    for (size_t a = 0; a <= length; a++)
        for (size_t b = a; b <= length; b++) {
            open_stream(&s, words, n);
            feed(&s, text, a, words, n);
            feed(&s, text, b - a, words, n);
            feed(&s, text, length - b, words, n);
            expect_result(&s, text, words, n);
        }
    open_stream(&s, words, n);
    for (size_t i = 0; i < length; i++)
        feed(&s, text, 1, words, n);
    expect_result(&s, text, words, n);
}

static void every_cut_gives_the_same(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        const char *words[4];
        size_t n;
    } rows[] = {
        {"no stop here", {"zzz"}, 1},
        {"no stop at all", {0}, 0},
        {"Hello\nUser: hi", {"\nUser:"}, 1},
        {"Hello\nUse", {"\nUser:"}, 1}, /* held back until the end, then given out */
        {"STOP at once", {"STOP"}, 1},
        {"at the endSTOP", {"STOP"}, 1},
        {"aaaaaab", {"aaab"}, 1},
        {"ababababc", {"ababc"}, 1},
        {"abcde", {"bcd", "abcde"}, 2},      /* bcd ends first */
        {"xabcd", {"bcd", "abcd", "cd"}, 3}, /* all end together: the longest */
        {"xabc", {"abcd", "bcx", "c"}, 3},
        {"one two three", {"three", "two", "one"}, 3},
        {"caf\xc3\xa9 \xe2\x80\x9cquoted\xe2\x80\x9d!", {"\xe2\x80\x9d"}, 1},
        {"\xe2\x80\x9c\xe2\x80\x9c\xe2\x80\x9d", {"\xe2\x80\x9c\xe2\x80\x9d", "!"}, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(rows[i].text, rows[i].words, rows[i].n);
}

/* Short texts over two letters have every kind of overlap. */
static void random_overlaps(void **unused)
{
    (void)unused;
    uint64_t state = 3;
    for (int round = 0; round < 400; round++) {
        char text[25], memory[3][6];
        const char *words[3];
        size_t n_words = 0;
        for (int w = 0; w < 4; w++) {
            char *to = w < 3 ? memory[w] : text;
            size_t length = w < 3 ? 1 + (state >> 40) % 5 : 24;
            for (size_t i = 0; i < length; i++) {
                state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                to[i] = state >> 62 ? 'a' : 'b';
            }
            to[length] = '\0';
            bool twice = false;
            for (size_t i = 0; i < n_words; i++)
                twice |= w < 3 && strcmp(words[i], to) == 0;
            if (w < 3 && !twice)
                words[n_words++] = to;
        }
        check(text, words, n_words);
    }
}

static void nothing_follows_a_stop(void **unused)
{
    (void)unused;
    static const char *const words[] = {"##"};
    stream s;
    open_stream(&s, words, 1);
    feed(&s, "ab##cd##ef", 6, words, 1);
    assert_true(s.stopped);
    feed(&s, "ab##cd##ef", 4, words, 1);
    assert_true(s.stopped);
    expect_result(&s, "ab##cd##ef", words, 1);
}

static void bad_words_are_refused(void **unused)
{
    (void)unused;
    static const char *const empty[] = {"ok", ""}, *const null[] = {NULL};
    static const char *const half[] = {"\xe2\x80"};
    stop_words s;
    hearth_error err;
    assert_int_equal(stop_words_open(&s, empty, 2, &err), HEARTH_EINVAL);
    assert_string_equal(err.message, "stop[1] is empty; give a text or leave it out");
    assert_int_equal(stop_words_open(&s, null, 1, &err), HEARTH_EINVAL);
    assert_int_equal(stop_words_open(&s, half, 1, &err), HEARTH_EINVAL);
    assert_string_equal(err.message, "stop[0] is not UTF-8");
    stop_words_close(&s);
}

/* A word and a text in which a plain search would start over at every byte. */
static void long_overlaps_are_linear(void **unused)
{
    (void)unused;
    enum { WORD = 100000, TEXT = 1000000 };
    static char word[WORD + 1], text[TEXT];
    static const char *const words[] = {word};
    stop_words s;
    buf out;
    bool stopped;
    memset(word, 'a', WORD);
    word[WORD - 1] = 'b';
    memset(text, 'a', TEXT);
    buf_init(&out, 0);
    assert_int_equal(stop_words_open(&s, words, 1, NULL), HEARTH_OK);
    assert_int_equal(stop_words_feed(&s, text, TEXT, &out, &stopped, NULL), HEARTH_OK);
    assert_int_equal(out.n, TEXT - (WORD - 1));
    stop_words_close(&s);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same), cmocka_unit_test(random_overlaps),
        cmocka_unit_test(nothing_follows_a_stop),   cmocka_unit_test(bad_words_are_refused),
        cmocka_unit_test(long_overlaps_are_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
