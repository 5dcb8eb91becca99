/* SPDX-License-Identifier: MIT
 *
 * test_http_secrets.c - the keys and the certificate of a server, as options and files give them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/secrets.h"
#include "support/test_reference.h"

static char folder[64], path[96];

static int make_folder(void **state)
{
    (void)state;
    if (!test_temporary(folder, sizeof folder))
        return -1;
    snprintf(path, sizeof path, "%s/keys", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    test_remove(folder);
    return 0;
}

static void write_keys(const char *text)
{
    assert_true(test_write_file(path, text, strlen(text)));
}

static void test_keys(void **state)
{
    static const char *const given[] = {"alpha"}, *const wanted[] = {"alpha", "b", "c,d", "e"};
    const http_secret_sources from = {.api_keys = given, .n_api_keys = 1, .api_key_file = path};
    http_secrets s;
    hearth_error err = {0};
    (void)state;
    write_keys("# comment\nb\r\n\n\rc,d\re");
    assert_int_equal(http_secrets_read(&s, &from, &err), HEARTH_OK);
    assert_int_equal(s.n_keys, 4);
    for (size_t i = 0; i < s.n_keys; i++)
        assert_string_equal(s.keys[i], wanted[i]);
    assert_null(s.cert);
    http_secrets_deinit(&s);
    assert_int_equal(http_secrets_read(&s, &(http_secret_sources){0}, &err), HEARTH_OK);
    assert_int_equal(s.n_keys, 0);
    http_secrets_deinit(&s);
}

/* A server that was to have keys never starts without one. */
static void test_refused(void **state)
{
    static const char *const empty[] = {"a", ""};
    const http_secret_sources rows[] = {{.api_keys = empty, .n_api_keys = 2},
                                        {.api_key_file = path},
                                        {.ssl_cert_file = path},
                                        {.ssl_key_file = path}};
    static const char *const where[] = {"--api-key", "--api-key-file", "--ssl-cert-file",
                                        "--ssl-cert-file"};
    http_secrets s;
    (void)state;
    write_keys("# nothing else\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hearth_error err = {0};
        assert_int_equal(http_secrets_read(&s, &rows[i], &err), HEARTH_EINVAL);
        assert_string_equal(err.where, where[i]);
        http_secrets_deinit(&s);
    }
    const http_secret_sources missing = {.api_key_file = folder};
    assert_int_not_equal(http_secrets_read(&s, &missing, NULL), HEARTH_OK);
    http_secrets_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
