/* SPDX-License-Identifier: MIT
 *
 * test_grammar_regex.c - regular expressions as grammars and as automata.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "grammar/regular.h"
#include "support/grammar_text.h"

typedef struct regex_case {
    const char *pattern;
    const char *good[6], *bad[6];
} regex_case;

/* Whole texts. */
static const regex_case whole[] = {
    {"", {""}, {"a"}},
    {"abc", {"abc"}, {"ab", "abcd", ""}},
    {"^abc$", {"abc"}, {"xabc", "abc\n"}},
    {"a|bc|", {"a", "bc", ""}, {"b", "abc"}},
    {"(a|b)*c+?", {"c", "abbacc"}, {"", "ab"}},
    {"a{2}b{1,}c{0,2}", {"aab", "aabbbcc"}, {"ab", "aabccc"}},
    {"a{,2}", {"a{,2}"}, {"aa"}},
    {"x{}", {"x{}"}, {"x"}},
    {"[a-c\\-\\]]+", {"a-]"}, {"d"}},
    {"[^a-c]", {"d", "\xc3\xa4", "\n"}, {"a", "", "dd"}},
    {"[^]", {"a", "\n"}, {""}},
    {"a[]b|c", {"c"}, {"ab"}},
    {".", {"a", "\xf0\x9f\x98\x80"}, {"\n", "\r", "\xe2\x80\xa8"}},
    {"\\d{3}-\\w+\\s\\S", {"123-aZ_9 x", "000-a\xc2\xa0y"}, {"12-a x", "123-- x"}},
    {"\\D\\W", {"a-"}, {"1-", "ab"}},
    {"[\\d.]+", {"1.2"}, {"a"}},
    {"\\x41\\u00e4\\u{1F600}\\ud83d\\ude00\\n\\/\\.\\0", {NULL}, {"A"}},
    {"(?:ab)?(?<year>\\d)", {"ab1", "1"}, {"a1"}},
    {"^(^a|b)$", {"a", "b"}, {"ab"}},
    {"a$|ab", {"a", "ab"}, {"b"}},
    {"a^b|c", {"c"}, {"ab", "a^b"}},
    {"]}", {"]}"}, {""}},
    {"\\cA", {"\x01"}, {"A"}},
    {"[\\b]", {"\b"}, {"b"}},
};

/* As "pattern" of a schema. */
static const regex_case search[] = {
    {"", {"", "abc"}, {NULL}},
    {"b", {"b", "abc"}, {"", "ac"}},
    {"^b", {"b", "bc"}, {"ab"}},
    {"b$", {"b", "ab"}, {"bc", "b\n"}},
    {"^a|b$", {"ax", "xb"}, {"xa", "bx"}},
    {"^(a|b)$", {"a", "b"}, {"ab"}},
    {"^$", {""}, {"a"}},
    {"(^|,)x(,|$)", {"x", "a,x,b", "x,y"}, {"xx", "ax,"}},
};

static regular *make(const char *pattern, regular_mode mode)
{
    hearth_error err = {0};
    regular *r = NULL;
    if (regular_from_regex(&r, pattern, strlen(pattern), mode, &err) != HEARTH_OK)
        fail_msg("%s: %s", pattern, err.message);
    return r;
}

static void check_case(const regex_case *c, regular_mode mode)
{
    regular *r = make(c->pattern, mode);
    for (size_t k = 0; k < 6 && c->good[k]; k++)
        if (!regular_matches(r, c->good[k], strlen(c->good[k])))
            fail_msg("%s refuses '%s'", c->pattern, c->good[k]);
    for (size_t k = 0; k < 6 && c->bad[k]; k++)
        if (regular_matches(r, c->bad[k], strlen(c->bad[k])))
            fail_msg("%s accepts '%s'", c->pattern, c->bad[k]);
    regular_free(r);
}

static void patterns(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        check_case(&whole[i], REGULAR_WHOLE);
    for (size_t i = 0; i < sizeof search / sizeof *search; i++)
        check_case(&search[i], REGULAR_SEARCH);
}

static void grammars_of_patterns_are_the_patterns(void **unused)
{
    (void)unused;
    uint64_t random = 5;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        const regex_case *c = &whole[i];
        hearth_error err = {0};
        hearth_grammar *g = NULL;
        regular *r = make(c->pattern, REGULAR_WHOLE);
        if (hearth_grammar_from_regex(&g, c->pattern, &err) != HEARTH_OK)
            fail_msg("%s: %s", c->pattern, err.message);
        for (size_t k = 0; k < 6 && c->good[k]; k++)
            assert_true(grammar_accepts(g, c->good[k], strlen(c->good[k])));
        for (size_t k = 0; k < 6 && c->bad[k]; k++)
            assert_false(grammar_accepts(g, c->bad[k], strlen(c->bad[k])));
        for (int k = 0; k < 10; k++) {
            buf text;
            buf_init(&text, 0);
            if (grammar_random_text(g, &random, 100, &text) &&
                !regular_matches(r, text.data ? text.data : "", text.n))
                fail_msg("%s gives '%s'", c->pattern, text.data);
            buf_deinit(&text);
        }
        regular_free(r);
        hearth_grammar_unref(g);
    }
}

static void sets_are_cut(void **unused)
{
    (void)unused;
    hearth_error err = {0};
    regular *a = make("[a-f]{1,4}", REGULAR_WHOLE), *b = make("c", REGULAR_SEARCH);
    regular *both, *rest, *none;
    assert_int_equal(regular_combine(&both, a, b, false, &err), HEARTH_OK);
    assert_int_equal(regular_combine(&rest, a, b, true, &err), HEARTH_OK);
    assert_int_equal(regular_combine(&none, both, rest, false, &err), HEARTH_OK);
    assert_true(regular_matches(both, "abcf", 4) && !regular_matches(both, "abdf", 4));
    assert_true(!regular_matches(rest, "abcf", 4) && regular_matches(rest, "abdf", 4));
    assert_false(regular_matches(both, "abcde", 5) || regular_matches(rest, "abdef", 5));
    assert_true(regular_is_empty(none) && !regular_is_empty(both));
    regular_free(a);
    regular_free(b);
    regular_free(both);
    regular_free(rest);
    regular_free(none);
}

/* (a|b)*a(a|b){3} has 16 states at least; equal ones are joined. */
static void automata_are_small(void **unused)
{
    (void)unused;
    regular *r = make("(a|b)*a(a|b){3}", REGULAR_WHOLE);
    assert_int_equal(r->n_states, 16);
    regular_free(r);
    r = make("(abc|xbc|abc)*", REGULAR_WHOLE);
    assert_int_equal(r->n_states, 3);
    regular_free(r);
}

static void mistakes_are_named(void **unused)
{
    (void)unused;
    static const struct {
        const char *pattern;
        hearth_status status;
        const char *part;
    } cases[] = {
        {"(a", HEARTH_EINVAL, "no closing )"},
        {"a)", HEARTH_EINVAL, "byte 2: a ) without"},
        {"[a", HEARTH_EINVAL, "no closing ]"},
        {"*", HEARTH_EINVAL, "nothing before it"},
        {"a**", HEARTH_EINVAL, "nothing before it"},
        {"[b-a]", HEARTH_EINVAL, "backwards"},
        {"a{3,2}", HEARTH_EINVAL, "smaller count"},
        {"\\", HEARTH_EINVAL, "backslash at the end"},
        {"\\q", HEARTH_EINVAL, "unknown escape"},
        {"(?=a)", HEARTH_EUNSUPPORTED, "look-around"},
        {"(?<!a)b", HEARTH_EUNSUPPORTED, "look-around"},
        {"(a)\\1", HEARTH_EUNSUPPORTED, "references back"},
        {"\\bword", HEARTH_EUNSUPPORTED, "word boundary"},
        {"\\p{L}", HEARTH_EUNSUPPORTED, "\\p"},
        {"(?i)a", HEARTH_EUNSUPPORTED, "(? may be"},
        {"a[]", HEARTH_EINVAL, "no text matches"},
        {"(((a{1000}){1000}){1000}){1000}", HEARTH_EINVAL, "needs more than"},
        {"(a|b)*a(a|b){20}", HEARTH_EINVAL, "needs more than"},
        {"\xff", HEARTH_EINVAL, "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hearth_error err = {0};
        hearth_grammar *g = NULL;
        assert_int_equal(hearth_grammar_from_regex(&g, cases[i].pattern, &err), cases[i].status);
        if (!strstr(err.message, cases[i].part))
            fail_msg("%s: %s", cases[i].pattern, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(grammars_of_patterns_are_the_patterns),
        cmocka_unit_test(sets_are_cut),
        cmocka_unit_test(automata_are_small),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
