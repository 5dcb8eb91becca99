/* SPDX-License-Identifier: MIT
 *
 * test_http_guard.c - hosts, origins and keys, each as a table; and the table of routes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/guard.h"
#include "http/route.h"

static void test_loopback(void **state)
{
    static const char *const yes[] = {"localhost", "LOCALHOST",       "a.localhost",
                                      "127.0.0.1", "127.9.9.9",       "[::1]",
                                      "::1",       "0:0:0:0:0:0:0:1", "[::ffff:127.0.0.1]"};
    static const char *const no[] = {
        "",           ".localhost", "localhost.evil", "127.0.0.1.nip.io", "128.0.0.1",
        "0.0.0.0",    "[::2]",      "[::1",           "127.0.0",          "2130706433",
        "0x7f.0.0.1", "127.0.0.1 ", "notlocalhost"};
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(guard_is_loopback(yes[i], strlen(yes[i])));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(guard_is_loopback(no[i], strlen(no[i])));
}

static void test_hosts(void **state)
{
    static const char *const allowed[] = {"box.lan"};
    static const char *const keys[] = {"k"};
    const guard local = {.bound = "127.0.0.1", .hosts = allowed, .n_hosts = 1};
    const guard open = {.bound = "0.0.0.0"};
    static const char *const star[] = {"*"};
    const guard any = {.bound = "127.0.0.1", .hosts = star, .n_hosts = 1};
    const guard named = {.bound = "box"};
    const guard unix_socket = {.bound = NULL};
    const guard keyed = {.bound = "127.0.0.1", .keys = keys, .n_keys = 1};
    static const struct {
        const char *host;
        bool local, open;
    } rows[] = {
        {NULL, true, true},
        {"", false, false},
        {"localhost", true, true},
        {"localhost:8080", true, true},
        {"127.0.0.1:1", true, true},
        {"[::1]:8080", true, true},
        {"[::1", false, false},
        {"localhost:80a", false, false},
        {"localhost:80:80", false, false},
        {":80", false, false},
        {"evil.com", false, false},
        {"evil.com:8080", false, false},
        {"evil.local", false, false},
        {"evil.internal", false, false},
        {"1.2.3.4.nip.io", false, false},
        {"127.0.0.1.nip.io:8080", false, false},
        {"localhost.evil.com", false, false},
        {"box.lan", true, false},
        {"BOX.lan:8080", true, false},
        {"192.168.1.5:8080", false, true},
        {"[2001:db8::1]:8080", false, true},
        {"localhost@evil.com", false, false},
        {"evil.com#localhost", false, false},
        {"localhost evil", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(guard_allows_host(&local, rows[i].host), rows[i].local);
        assert_int_equal(guard_allows_host(&open, rows[i].host), rows[i].open);
        assert_true(guard_allows_host(&keyed, rows[i].host));
        assert_true(guard_allows_host(&unix_socket, rows[i].host));
    }
    assert_true(guard_allows_host(&any, "evil.com:1"));
    assert_false(guard_allows_host(&any, "evil com:1:2"));
    assert_true(guard_allows_host(&named, "box:8080"));
    assert_false(guard_allows_host(&named, "box.evil"));
}

static void test_origins(void **state)
{
    static const char *const allowed[] = {"https://app.example", "http://10.0.0.1:3000"};
    static const char *const all[] = {"*"};
    const guard g = {.bound = "127.0.0.1", .origins = allowed, .n_origins = 2};
    const guard open = {.bound = "127.0.0.1", .origins = all, .n_origins = 1};
    static const struct {
        const char *origin, *host;
        bool allowed;
    } rows[] = {
        {NULL, "localhost", true},
        {"", "localhost", false},
        {"null", "localhost", false},
        {"file://", "localhost", false},
        {"http://localhost", "localhost:8080", true},
        {"http://localhost:3000", "127.0.0.1:8080", true},
        {"https://127.0.0.1:3000", NULL, true},
        {"http://[::1]:9", "localhost", true},
        {"http://evil.example", "localhost", false},
        {"http://evil.example", NULL, false},
        {"http://localhost.evil.example", "localhost", false},
        {"http://localhost@evil.example", "localhost", false},
        {"http://localhost:80/path", "localhost", false},
        {"https://app.example", "localhost", true},
        {"HTTPS://APP.example", "localhost", true},
        {"http://app.example", "localhost", false},
        {"https://app.example.evil", "localhost", false},
        {"http://10.0.0.1:3000", "localhost", true},
        {"http://10.0.0.1:3001", "localhost", false},
        {"http://192.168.1.5:8080", "192.168.1.5:8080", true}, /* the server's own page */
        {"chrome-extension://localhost", "localhost", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(guard_allows_origin(&g, rows[i].origin, rows[i].host), rows[i].allowed);
        assert_true(guard_allows_origin(&open, rows[i].origin, rows[i].host));
    }
}

static void test_keys(void **state)
{
    static const char *const keys[] = {"first", "second", "firsts"};
    const guard none = {0};
    const guard g = {.keys = keys, .n_keys = 3};
    static const struct {
        const char *authorization, *api_key;
        size_t index; /* 3: refused */
    } rows[] = {
        {NULL, NULL, 3},
        {"Bearer first", NULL, 0},
        {"bearer second", NULL, 1},
        {"Bearer  firsts", NULL, 2},
        {NULL, "second", 1},
        {"Basic abc", "first", 0},
        {"Bearer wrong", "first", 3},
        {"Bearer ", NULL, 3},
        {"Bearer firs", NULL, 3},
        {"Bearer firstfirst", NULL, 3},
        {"first", NULL, 3},
        {NULL, "", 3},
        {NULL, "first ", 3},
        {NULL, "FIRST", 3},
    };
    size_t index;
    (void)state;
    assert_true(guard_allows_key(&none, NULL, NULL, &index));
    assert_int_equal(index, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool allowed = guard_allows_key(&g, rows[i].authorization, rows[i].api_key, &index);
        assert_int_equal(allowed, rows[i].index < 3);
        assert_int_equal(index, rows[i].index);
    }
}

/* ---- routes ---- */

static void nothing(void *app, const http_request *request, http_reply *reply)
{
    (void)app;
    (void)request;
    (void)reply;
}

static const http_route routes[] = {
    {HTTP_GET, "/health", nothing, 0, NULL},
    {HTTP_POST, "/v1/models/*", nothing, 0, NULL},
    {HTTP_GET, "/v1/models/*", nothing, 0, NULL},
    {HTTP_GET, "/v1/models/special", nothing, 0, NULL},
    {HTTP_POST, "/slots/*/save", nothing, 0, NULL},
    {HTTP_GET | HTTP_DELETE, "/both", nothing, 0, NULL},
};

static void expect_route(http_method method, const char *path, int row, const char *rest)
{
    http_match m = route_find(routes, sizeof routes / sizeof *routes, method, path);
    assert_ptr_equal(m.route, row < 0 ? NULL : &routes[row]);
    if (row >= 0) {
        assert_int_equal(m.n_rest, strlen(rest));
        assert_memory_equal(m.rest, rest, m.n_rest);
    }
}

static void test_routes(void **state)
{
    char allow[HTTP_ALLOW_BYTES];
    (void)state;
    expect_route(HTTP_GET, "/health", 0, "");
    expect_route(HTTP_POST, "/health", -1, "");
    expect_route(HTTP_GET, "/health/", -1, "");
    expect_route(HTTP_GET, "//health", -1, "");
    expect_route(HTTP_GET, "", -1, "");
    expect_route(HTTP_GET, "/v1/models/org/name", 2, "org/name");
    expect_route(HTTP_POST, "/v1/models/x", 1, "x");
    expect_route(HTTP_GET, "/v1/models/special", 3, "");
    expect_route(HTTP_POST, "/v1/models/special", 1, "special");
    expect_route(HTTP_GET, "/v1/models/", -1, "");
    expect_route(HTTP_POST, "/slots/3/save", 4, "3");
    expect_route(HTTP_POST, "/slots/3/4/save", -1, "");
    expect_route(HTTP_POST, "/slots//save", -1, "");
    http_match m = route_find(routes, sizeof routes / sizeof *routes, HTTP_PUT, "/both");
    assert_null(m.route);
    route_allow(m.methods, allow);
    assert_string_equal(allow, "GET, HEAD, DELETE, OPTIONS");
    route_allow(~0u, allow);
    assert_string_equal(allow, "GET, HEAD, POST, DELETE, PUT, OPTIONS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loopback), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_origins),  cmocka_unit_test(test_keys),
        cmocka_unit_test(test_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
