/* SPDX-License-Identifier: MIT
 *
 * test_draft.c - guesses from the text so far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/draft.h"

static void test_what_followed_last_time(void **state)
{
    (void)state;
    static const int32_t text[] = {1, 2, 3, 9, 9, 1, 2, 3, 7, 8, 1, 2, 3};
    int32_t out[DRAFT_MOST];
    draft d = {0};
    size_t n = draft_guess(&d, text, 13, 1, DRAFT_MOST, out);
    assert_int_equal(n, 3);
    assert_memory_equal(out, text + 8, 3 * sizeof *out); /* the newest occurrence */
    assert_int_equal(draft_guess(&d, text, 13, 1, 2, out), 2);
    assert_int_equal(draft_guess(&d, text, 13, 5, 6, out), 5);
    assert_int_equal(draft_guess(&d, text, 9, 1, DRAFT_MOST, out), 0); /* 2 3 7 is new */
    for (size_t short_n = 0; short_n <= 3; short_n++)
        assert_int_equal(draft_guess(&d, text, short_n, 1, DRAFT_MOST, out), 0);
}

static void test_a_circle_goes_on(void **state)
{
    (void)state;
    static const int32_t text[] = {1, 2, 3, 1, 2, 3}, round[] = {1, 2, 3, 1, 2, 3, 1};
    int32_t out[DRAFT_MOST];
    draft d = {.length = DRAFT_MOST};
    assert_int_equal(draft_guess(&d, text, 6, 1, DRAFT_MOST, out), DRAFT_MOST);
    assert_memory_equal(out, round, sizeof round);
}

static void test_length_follows_luck(void **state)
{
    (void)state;
    static const int32_t text[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3};
    int32_t out[DRAFT_MOST];
    draft d = {0};
    assert_int_equal(draft_guess(&d, text, 14, 1, DRAFT_MOST, out), 3);
    draft_learn(&d, 3, 3);
    assert_int_equal(draft_guess(&d, text, 14, 1, DRAFT_MOST, out), 5);
    for (int i = 0; i < 9; i++)
        draft_learn(&d, 5, 5);
    assert_int_equal(draft_guess(&d, text, 14, 1, DRAFT_MOST, out), DRAFT_MOST);
    draft_learn(&d, 7, 1);
    assert_int_equal(draft_guess(&d, text, 14, 1, DRAFT_MOST, out), 2);
    draft_learn(&d, 2, 0); /* a rest, and then one */
    size_t rest = 0;
    while (draft_guess(&d, text, 14, 1, DRAFT_MOST, out) == 0)
        rest++;
    assert_int_equal(rest, 16);
    assert_int_equal(draft_guess(&d, text, 14, 1, DRAFT_MOST, out), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_followed_last_time),
        cmocka_unit_test(test_a_circle_goes_on),
        cmocka_unit_test(test_length_follows_luck),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
