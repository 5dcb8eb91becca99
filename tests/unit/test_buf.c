/* SPDX-License-Identifier: MIT
 *
 * test_buf.c - the growable buffer: contents, ceiling, ownership, and no change after a failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

static void test_append(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 0);
    assert_null(b.data);
    assert_true(buf_append_text(&b, "one"));
    assert_true(buf_append(&b, "\0two", 4));
    assert_true(buf_append_format(&b, "%s %d", "three", 3));
    assert_int_equal(b.n, 14);
    assert_memory_equal(b.data, "one\0twothree 3", 15);
    buf_clear(&b);
    assert_int_equal(b.n, 0);
    assert_string_equal(b.data, "");
    buf_deinit(&b);
    assert_null(b.data);
    buf_deinit(&b);
}

static void test_grows(void **state)
{
    (void)state;
    enum { N = 10000 };
    buf b;
    buf_init(&b, 0);
    size_t n_moves = 0, capacity = 0;
    for (int i = 0; i < N; i++) {
        char byte = (char)i;
        assert_true(buf_append(&b, &byte, 1));
        n_moves += b.capacity != capacity;
        capacity = b.capacity;
        assert_int_equal(b.data[b.n], '\0');
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(b.data[i], (char)i);
    assert_true(n_moves < 16);
    assert_false(buf_append(&b, b.data, SIZE_MAX - 5));
    assert_int_equal(b.n, N);
    buf_deinit(&b);
}

static void test_ceiling(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 5);
    assert_true(buf_append_text(&b, "abcd"));
    assert_false(buf_append_text(&b, "ef"));
    assert_false(buf_append_format(&b, "%d", 12));
    assert_string_equal(b.data, "abcd");
    assert_true(buf_append_text(&b, "e"));
    assert_true(buf_append(&b, NULL, 0));
    assert_false(buf_append_text(&b, "f"));
    buf_remove_front(&b, 2);
    assert_string_equal(b.data, "cde");
    assert_true(buf_append_text(&b, "fg"));
    assert_string_equal(b.data, "cdefg");
    buf_remove_front(&b, 5);
    assert_string_equal(b.data, "");
    buf_remove_front(&b, 0);
    buf_deinit(&b);
    assert_int_equal(b.max, 5);
}

static void test_take(void **state)
{
    (void)state;
    buf b;
    size_t n = 99;
    buf_init(&b, 0);
    char *text = buf_take(&b, &n);
    assert_string_equal(text, "");
    assert_int_equal(n, 0);
    mem_free(text);
    assert_true(buf_append_text(&b, "mine"));
    text = buf_take(&b, NULL);
    assert_string_equal(text, "mine");
    assert_null(b.data);
    assert_int_equal(b.n, 0);
    mem_free(text);
    assert_true(buf_append_text(&b, "again"));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
