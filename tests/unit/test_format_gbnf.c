/* SPDX-License-Identifier: MIT
 *
 * test_format_gbnf.c - pieces that a grammar of an answer is put together of: "anything up to a
 * mark", and one grammar inside another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chat/format_gbnf.h"
#include "support/grammar_text.h"

static hearth_grammar *grammar_of(gbnf *g, const char *root)
{
    hearth_grammar *grammar = NULL;
    hearth_error err = {0};
    assert_false(g->failed);
    if (hearth_grammar_from_gbnf(&grammar, g->rules.data, root, &err) != HEARTH_OK)
        fail_msg("%s in: %s", err.message, g->rules.data);
    return grammar;
}

/* A text is accepted if the mark stands at its end, and nowhere before. */
static void test_until(void **state)
{
    static const struct {
        const char *mark, *text;
        size_t end; /* of the first mark */
    } rows[] = {{"</t>", "a<</t>x", 6},  {"</t>", "</t></t>", 4},
                {"aab", "aaaab", 5},     {"abab", "abaabab", 7},
                {"[/X]", "[[/X[/X]", 8}, {"z", "xyz", 3},
                {"\"\\]", "\"\"\\]", 4}, {"\xC3\xA4-", "\xC3\xA4\xC3\xA4-", 5}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gbnf g;
        gbnf_init(&g);
        gbnf_until(&g, "up", rows[i].mark, strlen(rows[i].mark));
        hearth_grammar *grammar = grammar_of(&g, "up-0");
        for (size_t n = 0; n <= strlen(rows[i].text); n++)
            assert_int_equal(grammar_accepts(grammar, rows[i].text, n), n == rows[i].end);
        hearth_grammar_unref(grammar);
        gbnf_deinit(&g);
    }
}

static void test_embed(void **state)
{
    static const struct {
        const char *gbnf, *wanted;
    } rows[] = {
        {"root ::= \"root\" a-1 | b_2{2,3}", "x ::= \"root\" x-a-1 | x-b_2{2,3}\n"},
        {"r ::= [^a\\]b]+ c \"\\\"d\" # e \"\nf ::= (root-a)?",
         "x-r ::= [^a\\]b]+ x-c \"\\\"d\" # e \"\nx-f ::= (x-root-a)?\n"},
        {"1 ::= <think> !<[12]> s .", "x-1 ::= <think> !<[12]> x-s .\n"},
        {"r ::= \"open \\", "x-r ::= \"open \\\n"},
        {"", "\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gbnf g;
        gbnf_init(&g);
        gbnf_embed(&g, "x", rows[i].gbnf);
        assert_false(g.failed);
        assert_string_equal(g.rules.data, rows[i].wanted);
        gbnf_deinit(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_until),
        cmocka_unit_test(test_embed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
