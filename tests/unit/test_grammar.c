/* SPDX-License-Identifier: MIT
 *
 * test_grammar.c - GBNF: what is read, what is refused and where, and which texts are accepted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "support/grammar_text.h"

static hearth_grammar *parse(const char *text)
{
    hearth_error err = {0};
    hearth_grammar *g = NULL;
    if (hearth_grammar_from_gbnf(&g, text, NULL, &err) != HEARTH_OK)
        fail_msg("%s: %s", text, err.message);
    return g;
}

/* ---- texts ---- */

typedef struct text_case {
    const char *grammar;
    const char *good[8], *bad[8];
} text_case;

static const text_case text_cases[] = {
    {"root ::= \"abc\"", {"abc"}, {"", "ab", "abcd", "abd"}},
    {"root ::= \"a\" | \"b\" |", {"a", "b", ""}, {"ab", "c"}},
    {"root ::= \"\" \"a\"", {"a"}, {"", "aa"}},
    {"root ::= [a-cx]+", {"a", "xcb"}, {"", "d", "ad"}},
    {"root ::= [^a-c\\n]", {"d", "\xc3\xa4", "\xf0\x9f\x98\x80"}, {"a", "\n", "", "dd", "\xc3"}},
    {"root ::= [a\\-z]+", {"a-z"}, {"b"}},
    {"root ::= [a-]+", {"a-"}, {"b"}},
    {"root ::= [\\]\\[]+", {"[]"}, {"\\"}},
    {"root ::= .", {"x", "\n", "\xe2\x82\xac"}, {"", "xx", "\xe2\x82", "\xff"}},
    {"root ::= \"\\x41\\u00e4\\U0001F600\\t\\r\\n\\\\\\\"\"",
     {"A\xc3\xa4\xf0\x9f\x98\x80\t\r\n\\\""},
     {"A"}},
    {"root ::= [\\u3041-\\u309f]*", {"", "\xe3\x81\x82\xe3\x82\x93"}, {"a", "\xe3\x82\xa1"}},
    {"root ::= \"ab\"*", {"", "ab", "abab"}, {"a", "aba", "abb"}},
    {"root ::= \"a\"?", {"", "a"}, {"aa"}},
    {"root ::= \"a\"{3}", {"aaa"}, {"aa", "aaaa"}},
    {"root ::= \"a\"{2,}", {"aa", "aaaaaa"}, {"a", ""}},
    {"root ::= \"a\"{ 1 , 3 }", {"a", "aa", "aaa"}, {"", "aaaa"}},
    {"root ::= \"a\"{0}", {""}, {"a"}},
    {"root ::= (\"a\" | \"b\" \"c\"?){2}", {"aa", "bca", "bcbc"}, {"a", "ac"}},
    {"root ::= (\n  \"a\" # one\n  | \"b\"\n)\n", {"a", "b"}, {"ab"}},
    {"root ::= \"a\" |\n \"b\"\n\n# end", {"a", "b"}, {""}},
    {"# first\nroot ::= x_1 y-2\nx_1 ::= \"x\"\r\ny-2 ::= \"y\"", {"xy"}, {"x"}},
    {"root ::= \"(\" root? \")\"", {"()", "((()))"}, {"(", "())"}},
    {"root ::= e\ne ::= t (\"+\" t)*\nt ::= [0-9]+ | \"(\" e \")\"",
     {"1", "1+(2+33)+4"},
     {"1+", "(1", "+1"}},
    {"root ::= \"a\"** \"b\"+?", {"", "aab", "b"}, {"c"}},
    {"root ::= x x\nx ::= \"a\"* \"b\"?", {"", "ab", "abab", "bb"}, {"bbb"}},
    {"root ::= ([a-z]* [0-9]*)*", {"", "a1b2", "zz"}, {"-"}},
};

static void texts(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof text_cases / sizeof *text_cases; i++) {
        const text_case *c = &text_cases[i];
        hearth_grammar *g = parse(c->grammar);
        for (size_t k = 0; k < 8 && c->good[k]; k++)
            if (!grammar_accepts(g, c->good[k], strlen(c->good[k])))
                fail_msg("%s refuses '%s'", c->grammar, c->good[k]);
        for (size_t k = 0; k < 8 && c->bad[k]; k++)
            if (grammar_accepts(g, c->bad[k], strlen(c->bad[k])))
                fail_msg("%s accepts '%s'", c->grammar, c->bad[k]);
        hearth_grammar_unref(g);
    }
}

/* Every character, against its definition. */
static void classes_hold_exactly_their_characters(void **unused)
{
    (void)unused;
    hearth_grammar *in = parse("root ::= [\\x05-\\u0091\\u07fe-\\u0801\\ufffe-\\U00010001]");
    hearth_grammar *out = parse("root ::= [^\\x05-\\u0091\\u07fe-\\u0801\\ufffe-\\U00010001]");
    for (uint32_t c = 0; c <= 0x10ffff; c += c < 0x11000 ? 1 : 97) {
        char bytes[4];
        size_t n = utf8_encode(c, bytes);
        bool is =
            (c >= 5 && c <= 0x91) || (c >= 0x7fe && c <= 0x801) || (c >= 0xfffe && c <= 0x10001);
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        if (grammar_accepts(in, bytes, n) != is || grammar_accepts(out, bytes, n) == is)
            fail_msg("U+%04X", c);
    }
    assert_false(grammar_accepts(out, "\xed\xa0\x80", 3)); /* a surrogate */
    hearth_grammar_unref(in);
    hearth_grammar_unref(out);
}

static void another_root_may_be_named(void **unused)
{
    (void)unused;
    hearth_error err = {0};
    hearth_grammar *g = NULL;
    assert_int_equal(hearth_grammar_from_gbnf(&g, "x ::= \"a\"", "x", &err), HEARTH_OK);
    assert_true(grammar_accepts(g, "a", 1));
    assert_string_equal(hearth_grammar_to_gbnf(g), "x ::= \"a\"");
    hearth_grammar_unref(hearth_grammar_ref(g));
    hearth_grammar_unref(g);
}

static void random_texts_are_accepted(void **unused)
{
    (void)unused;
    uint64_t random = 42;
    for (size_t i = 0; i < sizeof text_cases / sizeof *text_cases; i++) {
        hearth_grammar *g = parse(text_cases[i].grammar);
        for (int k = 0; k < 20; k++) {
            buf text;
            buf_init(&text, 0);
            if (grammar_random_text(g, &random, 200, &text))
                assert_true(grammar_accepts(g, text.data ? text.data : "", text.n));
            buf_deinit(&text);
        }
        hearth_grammar_unref(g);
    }
}

/* ---- mistakes ---- */

typedef struct mistake {
    const char *grammar, *where, *part; /* of the message */
} mistake;

static const mistake mistakes[] = {
    {"", "grammar", "no rule 'root'"},
    {"x ::= \"a\"", "grammar", "no rule 'root'"},
    {"root ::= \"a", "grammar:1:10", "no closing \""},
    {"root ::= [a", "grammar:1:10", "no closing ]"},
    {"root ::= (\"a\"", "grammar:1:10", "no closing )"},
    {"root ::= \"a\" )", "grammar:1:14", "')' cannot stand here"},
    {"root = \"a\"", "grammar:1:6", "::= must follow"},
    {"root ::= \"a\"\n  b\n", "grammar:2:4", "::= must follow"},
    {"root ::= \"\xc3\xa4\" x", "grammar:1:14", "rule 'x' is not defined"},
    {"root ::= *", "grammar:1:10", "nothing before it"},
    {"root ::= \"a\"{2,1}", "grammar:1:13", "the smaller count comes first"},
    {"root ::= \"a\"{}", "grammar:1:14", "a number is missing"},
    {"root ::= \"a\"{1", "grammar:1:13", "counts are written"},
    {"root ::= \"a\"{1000000}", "grammar:1:13", "100000 at most"},
    {"root ::= \"a\"{99999999999}", "grammar:1:14", "too large"},
    {"root ::= (((\"a\"{99999}){99999}){99999}){99999}", "grammar", "larger than"},
    {"root ::= \"\\q\"", "grammar:1:11", "unknown escape"},
    {"root ::= \"\\u12\"", "grammar:1:11", "4 hexadecimal digits"},
    {"root ::= \"\\ud800\"", "grammar:1:11", "U+D800 is no character"},
    {"root ::= [b-a]", "grammar:1:11", "goes backwards"},
    {"root ::= []", "grammar:1:10", "is empty"},
    {"root ::= \"\xff\"", "grammar:1:11", "not UTF-8"},
    {"root ::= \"a\"\nroot ::= \"b\"", "grammar:2:1", "defined a second time"},
    {"root ::= root \"a\"", "grammar:1:1", "left recursion"},
    {"root ::= \"x\" a\na ::= b? c\nb ::= \"b\"\nc ::= \"\" a", "grammar:1:14", "left recursion"},
    {"root ::= a*\na ::= \"x\"? root", "grammar:1:1", "left recursion"},
    {"root ::= !\"a\"", "grammar:1:10", "! stands before a token"},
    {"root ::= <[1>", "grammar:1:10", "<[12]>"},
    {"root ::= <x", "grammar:1:10", "no closing >"},
};

static void mistakes_are_named_with_their_place(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        hearth_error err = {0};
        hearth_grammar *g = NULL;
        assert_int_equal(hearth_grammar_from_gbnf(&g, mistakes[i].grammar, NULL, &err),
                         HEARTH_EINVAL);
        assert_null(g);
        if (strcmp(err.where, mistakes[i].where) != 0 || !strstr(err.message, mistakes[i].part))
            fail_msg("%s: %s: %s", mistakes[i].grammar, err.where, err.message);
    }
}

static void deep_groups_are_refused(void **unused)
{
    (void)unused;
    hearth_error err = {0};
    hearth_grammar *g = NULL;
    buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "root ::= ");
    for (int i = 0; i < 60000; i++)
        buf_append_text(&text, "(");
    assert_int_equal(hearth_grammar_from_gbnf(&g, text.data, NULL, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "200 groups"));
    buf_clear(&text);
    buf_append_text(&text, "root ::= \"a\"");
    for (int i = 0; i < 60000; i++)
        buf_append_text(&text, "*");
    assert_int_equal(hearth_grammar_from_gbnf(&g, text.data, NULL, &err), HEARTH_EINVAL);
    buf_deinit(&text);
}

/* A chain of rules is not recursion, however long. */
static void long_chains_of_rules_are_fine(void **unused)
{
    (void)unused;
    enum { N = 20000 };
    buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "root ::= r0\n");
    for (int i = 0; i < N; i++)
        buf_append_format(&text, "r%d ::= r%d\n", i, i + 1);
    buf_append_format(&text, "r%d ::= \"a\"\n", N);
    hearth_grammar *g = parse(text.data);
    assert_true(grammar_accepts(g, "a", 1));
    hearth_grammar_unref(g);
    buf_deinit(&text);
}

/* 2 to the 30 ways to be in the middle of this: an error, soon. */
static void too_much_ambiguity_is_an_error(void **unused)
{
    (void)unused;
    hearth_error err = {0};
    automaton a;
    state_id state;
    buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "root ::= r0\n");
    for (int i = 0; i < 30; i++)
        buf_append_format(&text, "r%d ::= r%d \"x\" | r%d \"y\"\n", i, i + 1, i + 1);
    buf_append_text(&text, "r30 ::= \"a\"\n");
    hearth_grammar *g = parse(text.data);
    assert_int_equal(automaton_open(&a, g, &err), HEARTH_OK);
    assert_int_equal(automaton_start(&a, &state, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "too many ways"));
    automaton_close(&a);
    hearth_grammar_unref(g);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(classes_hold_exactly_their_characters),
        cmocka_unit_test(another_root_may_be_named),
        cmocka_unit_test(random_texts_are_accepted),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(deep_groups_are_refused),
        cmocka_unit_test(long_chains_of_rules_are_fine),
        cmocka_unit_test(too_much_ambiguity_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
