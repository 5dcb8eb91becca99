/* SPDX-License-Identifier: MIT
 *
 * test_runtime_process.c - programs that are asked something: what they say, and that they are
 * waited for no longer than wanted. A limit that does not hold makes these tests hang.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "runtime/process.h"

enum { FOR_EVER_MS = 3600 * 1000 };

static hearth_status ask(const char *script, const process_limits *limits, buf *out, int *status,
                         hearth_error *err)
{
    word_list argv = {0}, environment = {0};
    word_list_add(&argv, "/bin/sh");
    word_list_add(&argv, "-c");
    word_list_add(&argv, script);
    word_list_add_environment(&environment, "NOTHING_");
    hearth_status result = process_capture(&argv, &environment, limits, out, status, err);
    word_list_deinit(&argv);
    word_list_deinit(&environment);
    return result;
}

static void test_answers(void **state)
{
    const process_limits limits = {FOR_EVER_MS, 8, NULL};
    hearth_error err;
    int status = 0;
    buf out;
    (void)state;
    buf_init(&out, 0);
    assert_int_equal(ask("echo one; exit 3", &limits, &out, &status, &err), HEARTH_OK);
    assert_string_equal(out.data, "one\n");
    assert_int_equal(WEXITSTATUS(status), 3);
    buf_clear(&out);
    assert_int_equal(ask("echo longer than eight", &limits, &out, &status, &err), HEARTH_OK);
    assert_string_equal(out.data, "longer t");
    buf_deinit(&out);
}

static bool three_times(void *user, uint64_t done, uint64_t total)
{
    int *n = user;
    assert_int_equal(done + total, 0);
    return ++*n < 3;
}

/* Also a child that holds the pipes open and is not the one that was started. */
static void test_is_not_waited_for(void **state)
{
    int n = 0, status = 0;
    const hearth_progress watch = {three_times, &n};
    const process_limits watched = {FOR_EVER_MS, 100, &watch}, timed = {1, 100, NULL};
    hearth_error err;
    buf out;
    (void)state;
    buf_init(&out, 0);
    assert_int_equal(ask("sleep 3600 & sleep 3600", &watched, &out, &status, &err),
                     HEARTH_ECANCELED);
    assert_int_equal(n, 3);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(ask("sleep 3600", &timed, &out, &status, &err), HEARTH_EIO);
    assert_non_null(strstr(err.message, "within 1 ms"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
