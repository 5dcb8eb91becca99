/* SPDX-License-Identifier: MIT
 *
 * test_http_client.c - the HTTP client against a server that says exactly what a test wants said,
 * wrong things included, and the rules of origins, addresses and proxies as tables.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/client.h"
#include "support/test_reference.h"
#include "http/origin.h"
#include "os/thread.h"

/* ---- a server with a script ---- */

enum { ANSWERS_MAX = 16, HOLD = 1 };

/* Answers requests in turn, whatever they ask; "PORT" in an answer is its port. */
typedef struct scripted {
    int listener, port;
    const char *answers[ANSWERS_MAX];
    int flags[ANSWERS_MAX]; /* HOLD: keep silent after the answer instead of closing */
    size_t n;
    buf requests; /* all that was received */
    thread worker;
    monitor door;
    bool released;
} scripted;

static void answer(scripted *s, int fd, size_t i)
{
    char request[16384], port[16], text[4096];
    size_t n = 0;
    while (n < sizeof request - 1) {
        ssize_t got = read(fd, request + n, sizeof request - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        request[n] = '\0';
        const char *end = strstr(request, "\r\n\r\n"),
                   *length = strstr(request, "Content-Length: ");
        if (end && n >= (size_t)(end + 4 - request) + (length ? strtoul(length + 16, NULL, 10) : 0))
            break;
    }
    monitor_lock(&s->door);
    buf_append(&s->requests, request, n);
    buf_append_text(&s->requests, "\n--\n");
    monitor_unlock(&s->door);
    snprintf(port, sizeof port, "%d", s->port);
    snprintf(text, sizeof text, "%s", s->answers[i]);
    for (char *at; (at = strstr(text, "PORT")) != NULL;) {
        memmove(at + strlen(port), at + 4, strlen(at + 4) + 1);
        memcpy(at, port, strlen(port));
    }
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void serve(void *arg)
{
    scripted *s = arg;
    for (size_t i = 0; i < s->n; i++) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return;
        answer(s, fd, i);
        monitor_lock(&s->door);
        while ((s->flags[i] & HOLD) && !s->released)
            monitor_wait(&s->door, -1);
        monitor_unlock(&s->door);
        close(fd);
    }
}

static void listen_at(scripted *s, const struct sockaddr *at, socklen_t n)
{
    s->listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, at, n), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    buf_init(&s->requests, 0);
    monitor_init(&s->door);
    hearth_error err;
    assert_int_equal(thread_start(&s->worker, serve, s, "a test", &err), HEARTH_OK);
}

static void start(scripted *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(probe, (struct sockaddr *)&at, n), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&at, &n), 0);
    close(probe);
    s->port = ntohs(at.sin_port);
    listen_at(s, (struct sockaddr *)&at, sizeof at);
}

static void stop(scripted *s)
{
    monitor_lock(&s->door);
    s->released = true;
    monitor_wake(&s->door);
    monitor_unlock(&s->door);
    shutdown(s->listener, SHUT_RDWR);
    thread_join(&s->worker);
    close(s->listener);
    buf_deinit(&s->requests);
    monitor_deinit(&s->door);
}

static const char *url_of(const scripted *s, const char *path)
{
    static char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", s->port, path);
    return url;
}

static http_call *new_call(void)
{
    http_call *call;
    hearth_error err;
    assert_int_equal(http_call_new(&call, &err), HEARTH_OK);
    return call;
}

#define SIMPLE "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: 1\r\n\r\nhello"

/* ---- the plain thing ---- */

static void test_get_and_post(void **state)
{
    scripted s = {.answers = {SIMPLE, "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}"}, .n = 2};
    const char *headers[] = {"X-Mine: yes"};
    hearth_error err;
    buf body;
    (void)state;
    start(&s);
    buf_init(&body, 0);
    http_call *call = new_call();
    http_call_options get = {.url = url_of(&s, "/a?q=1"), .headers = headers, .n_headers = 1};
    assert_int_equal(http_call_fetch(call, &get, 10000, &body, &err), HEARTH_OK);
    assert_string_equal(body.data, "hello");
    assert_int_equal(http_call_status(call), 200);
    assert_string_equal(http_call_header(call, "x-ONE"), "1");
    assert_null(http_call_header(call, "x-two"));
    buf_clear(&body);
    http_call_options post = {
        .url = url_of(&s, "/b"), .body = "{\"x\":1}", .n_body = 7, .bearer = "key"};
    assert_int_equal(http_call_fetch(call, &post, 10000, &body, &err), HEARTH_OK);
    assert_int_equal(http_call_status(call), 404);
    assert_string_equal(body.data, "{}");
    assert_non_null(strstr(s.requests.data, "GET /a?q=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(s.requests.data, "X-Mine: yes\r\n"));
    assert_non_null(strstr(s.requests.data, "POST /b HTTP/1.1\r\n"));
    assert_non_null(strstr(s.requests.data, "Authorization: Bearer key\r\n"));
    assert_non_null(strstr(s.requests.data, "\r\n\r\n{\"x\":1}"));
    assert_null(strstr(s.requests.data, "Expect"));
    assert_null(strstr(s.requests.data, "Content-Type"));
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
}

static void test_unix_socket(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    scripted s = {.answers = {SIMPLE}, .n = 1};
    hearth_error err;
    buf body;
    (void)state;
    char folder[sizeof at.sun_path - sizeof "/socket"];
    assert_true(test_temporary(folder, sizeof folder));
    snprintf(at.sun_path, sizeof at.sun_path, "%s/socket", folder);
    listen_at(&s, (struct sockaddr *)&at, sizeof at);
    buf_init(&body, 0);
    http_call *call = new_call();
    http_call_options o = {.url = "http://localhost/x", .unix_socket = at.sun_path};
    assert_int_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_OK);
    assert_string_equal(body.data, "hello");
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
    test_remove(folder);
}

/* A stream of events: the first piece is there while the connection is silent; a pull then says
 * "not yet"; a cancel from elsewhere ends it at once. */
static void test_stream_and_cancel(void **state)
{
    scripted s = {.answers = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "b\r\ndata: one\n\n\r\n"},
                  .flags = {HOLD},
                  .n = 1};
    hearth_error err;
    buf piece;
    (void)state;
    start(&s);
    buf_init(&piece, 0);
    http_call *call = new_call();
    http_call_options o = {.url = url_of(&s, "/")};
    assert_int_equal(http_call_start(call, &o, &err), HEARTH_OK);
    assert_int_equal(http_call_head(call, 10000), HTTP_PULL_END);
    assert_int_equal(http_call_pull(call, 10000, &piece), HTTP_PULL_MORE);
    assert_string_equal(piece.data, "data: one\n\n");
    buf_clear(&piece);
    assert_int_equal(http_call_pull(call, 1, &piece), HTTP_PULL_MORE);
    assert_int_equal(piece.n, 0);
    http_call_cancel(call);
    assert_int_equal(http_call_pull(call, -1, &piece), HTTP_PULL_FAIL);
    assert_int_equal(http_call_problem(call), HTTP_PROBLEM_CANCELED);
    assert_int_equal(http_call_error(call, &err), HEARTH_ECANCELED);
    assert_int_equal(http_call_start(call, &o, &err), HEARTH_ECANCELED);
    assert_false(http_call_sleep(call, 100000));
    http_call_free(call);
    buf_deinit(&piece);
    stop(&s);
}

/* What is read without libcurl: sizes in either case, extensions and trailers, an end that is the
 * framing's and not the connection's. */
static void test_stream_of_chunks(void **state)
{
    scripted s = {.answers = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "B\r\ndata: one\n\n\r\n"
                              "0b ; a=b\r\ndata: two\n\n\r\n"
                              "b\r\ndata: six\n\n\r\n"
                              "0\r\nX-After: 1\r\n\r\n"},
                  .flags = {HOLD},
                  .n = 1};
    hearth_error err;
    buf body;
    (void)state;
    start(&s);
    buf_init(&body, 0);
    http_call *call = new_call();
    http_call_options o = {.url = url_of(&s, "/"), .is_stream = true};
    assert_int_equal(http_call_fd(call), -1);
    assert_int_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_OK);
    assert_string_equal(body.data, "data: one\n\ndata: two\n\ndata: six\n\n");
    assert_int_equal(http_call_fd(call), -1);
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
}

/* The descriptor is there while a stream is silent, and no more when it has ended. */
static void test_descriptor_of_a_stream(void **state)
{
    scripted s = {.answers = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"},
                  .flags = {HOLD},
                  .n = 1};
    hearth_error err;
    buf piece;
    (void)state;
    start(&s);
    buf_init(&piece, 0);
    http_call *call = new_call();
    http_call_options o = {.url = url_of(&s, "/"), .is_stream = true};
    assert_int_equal(http_call_start(call, &o, &err), HEARTH_OK);
    assert_int_equal(http_call_pull(call, 10000, &piece), HTTP_PULL_MORE);
    assert_string_equal(piece.data, "one");
    assert_true(http_call_fd(call) >= 0);
    stop(&s); /* closes in the middle of the body */
    http_pull pull;
    while ((pull = http_call_pull(call, 10000, &piece)) == HTTP_PULL_MORE) {
    }
    assert_int_equal(pull, HTTP_PULL_FAIL);
    assert_int_equal(http_call_problem(call), HTTP_PROBLEM_LOST);
    assert_int_equal(http_call_fd(call), -1);
    http_call_free(call);
    buf_deinit(&piece);
}

/* ---- servers that break things ---- */

static void expect_problem(const char *said, int flags, http_call_options o, http_problem problem,
                           const char *message)
{
    scripted s = {.answers = {said}, .flags = {flags}, .n = 1};
    hearth_error err = {0};
    buf body;
    start(&s);
    buf_init(&body, 0);
    http_call *call = new_call();
    o.url = url_of(&s, "/f?secret=1");
    assert_int_not_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_OK);
    assert_int_equal(http_call_problem(call), problem);
    if (strstr(err.message, message) == NULL)
        fail_msg("no '%s' in '%s'", message, err.message);
    assert_null(strstr(err.message, "secret"));
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
}

static void test_broken_servers(void **state)
{
    const http_call_options plain = {0}, quick = {.idle_timeout_ms = 30}, small = {.max_body = 4},
                            stream = {.is_stream = true};
    (void)state;
    expect_problem("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 0, plain,
                   HTTP_PROBLEM_LOST, "/f: ");
    expect_problem("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 0, plain,
                   HTTP_PROBLEM_LOST, "/f: ");
    expect_problem("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 0, stream,
                   HTTP_PROBLEM_LOST, "/f: ");
    expect_problem("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0, stream,
                   HTTP_PROBLEM_LOST, "/f: ");
    expect_problem("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", 0, stream,
                   HTTP_PROBLEM_PROTOCOL, "not framed");
    expect_problem("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "fffffffffffffffff\r\nhello\r\n",
                   0, stream, HTTP_PROBLEM_PROTOCOL, "not framed");
    expect_problem("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", 0, stream,
                   HTTP_PROBLEM_LOST, "/f: ");
    expect_problem("", 0, plain, HTTP_PROBLEM_LOST, "/f: ");
    expect_problem("SSH-2.0-OpenSSH\r\n", 0, plain, HTTP_PROBLEM_PROTOCOL, "/f: ");
    expect_problem("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", HOLD, quick,
                   HTTP_PROBLEM_TIMEOUT, "nothing came");
    expect_problem(SIMPLE, 0, small, HTTP_PROBLEM_LIMIT, "longer than the 4 bytes");
}

static void test_limits_of_the_head(void **state)
{
    char many[4096] = "HTTP/1.1 200 OK\r\n";
    (void)state;
    for (int i = 0; i < 200; i++)
        strcat(many, "A: b\r\n");
    strcat(many, "\r\n");
    expect_problem(many, 0, (http_call_options){0}, HTTP_PROBLEM_PROTOCOL, "head");
}

static void test_nobody_there(void **state)
{
    hearth_error err;
    (void)state;
    scripted s = {.n = 0};
    start(&s);
    stop(&s);
    http_call *call = new_call();
    http_call_options o = {.url = url_of(&s, "/")};
    assert_int_equal(http_call_start(call, &o, &err), HEARTH_OK);
    assert_int_equal(http_call_head(call, 10000), HTTP_PULL_FAIL);
    assert_int_equal(http_call_problem(call), HTTP_PROBLEM_CONNECT);
    http_call_free(call);
}

static void test_what_is_refused_at_once(void **state)
{
    static const char *const urls[] = {
        "",        "hello",         "ftp://h/",    "file:///etc/passwd",
        "http://", "http://u:p@h/", "http://h:x/", "http://a b/"};
    static const char *const lines[] = {"A: b\r\nC: d", "no colon", ": empty"};
    hearth_error err;
    http_call *call = new_call();
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_int_equal(http_call_start(call, &(http_call_options){.url = urls[i]}, &err),
                         HEARTH_EINVAL);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        http_call_options o = {.url = "http://h/", .headers = &lines[i], .n_headers = 1};
        assert_int_equal(http_call_start(call, &o, &err), HEARTH_EINVAL);
    }
    http_call_options bearer = {.url = "http://h/", .bearer = "a\r\nb"};
    assert_int_equal(http_call_start(call, &bearer, &err), HEARTH_EINVAL);
    assert_int_equal(http_call_head(call, 0), HTTP_PULL_FAIL);
    http_call_free(call);
}

/* ---- redirects ---- */

#define MOVED(code, to) "HTTP/1.1 " code " Moved\r\nLocation: " to "\r\nContent-Length: 0\r\n\r\n"

static void test_redirect_within_an_origin(void **state)
{
    scripted s = {.answers = {MOVED("302", "/there?x=1"), SIMPLE}, .n = 2};
    const char *cookie[] = {"Cookie: c"};
    hearth_error err;
    buf body;
    (void)state;
    start(&s);
    buf_init(&body, 0);
    http_call *call = new_call();
    http_call_options o = {.url = url_of(&s, "/"),
                           .bearer = "key",
                           .private_headers = cookie,
                           .n_private_headers = 1,
                           .redirects = HTTP_REDIRECT_SAME_ORIGIN};
    assert_int_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_OK);
    assert_string_equal(body.data, "hello");
    const char *second = strstr(s.requests.data, "GET /there?x=1 ");
    assert_non_null(second);
    assert_non_null(strstr(second, "Bearer key"));
    assert_non_null(strstr(second, "Cookie: c"));
    assert_non_null(strstr(http_call_url(call), "/there?x=1"));
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
}

/* "localhost" is another origin than 127.0.0.1, at the same socket. */
static void test_redirect_to_another_origin(void **state)
{
    scripted s = {.answers = {MOVED("307", "http://localhost:PORT/x"), SIMPLE}, .n = 2};
    const char *cookie[] = {"Cookie: c"}, *plain[] = {"X-Plain: p"};
    hearth_error err;
    buf body;
    (void)state;
    start(&s);
    buf_init(&body, 0);
    http_call *call = new_call();
    http_call_options o = {.url = url_of(&s, "/"),
                           .bearer = "key",
                           .headers = plain,
                           .n_headers = 1,
                           .private_headers = cookie,
                           .n_private_headers = 1,
                           .redirects = HTTP_REDIRECT_FOLLOW};
    assert_int_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_OK);
    assert_string_equal(body.data, "hello");
    const char *second = strstr(s.requests.data, "GET /x ");
    assert_non_null(second);
    assert_null(strstr(second, "Bearer"));
    assert_null(strstr(second, "Cookie"));
    assert_non_null(strstr(second, "X-Plain: p"));
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
}

static void test_redirects_that_are_answers(void **state)
{
    static const http_redirects kinds[] = {HTTP_REDIRECT_NEVER, HTTP_REDIRECT_SAME_ORIGIN};
    hearth_error err;
    (void)state;
    for (int i = 0; i < 2; i++) {
        scripted s = {.answers = {MOVED("302", "http://localhost:PORT/x")}, .n = 1};
        start(&s);
        http_call *call = new_call();
        http_call_options o = {.url = url_of(&s, "/"), .redirects = kinds[i], .method = "HEAD"};
        assert_int_equal(http_call_start(call, &o, &err), HEARTH_OK);
        assert_int_equal(http_call_head(call, 10000), HTTP_PULL_END);
        assert_int_equal(http_call_status(call), 302);
        assert_non_null(strstr(http_call_header(call, "Location"), "localhost"));
        http_call_free(call);
        stop(&s);
    }
}

static void test_redirects_that_are_refused(void **state)
{
    const http_call_options follow = {.redirects = HTTP_REDIRECT_FOLLOW};
    const http_call_options with_body = {
        .redirects = HTTP_REDIRECT_FOLLOW, .body = "secret words", .n_body = 12};
    (void)state;
    expect_problem(MOVED("302", "file:///etc/passwd"), 0, follow, HTTP_PROBLEM_REFUSED,
                   "not a web address");
    expect_problem(MOVED("302", "http://u:p@localhost/"), 0, follow, HTTP_PROBLEM_REFUSED,
                   "not a web address");
    expect_problem(MOVED("308", "http://localhost:PORT/"), 0, with_body, HTTP_PROBLEM_REFUSED,
                   "the request's body");
}

static void test_redirects_without_end(void **state)
{
    scripted s = {.n = HTTP_REDIRECTS_MAX + 1};
    hearth_error err;
    buf body;
    (void)state;
    for (size_t i = 0; i < s.n; i++)
        s.answers[i] = MOVED("301", "/again");
    start(&s);
    buf_init(&body, 0);
    http_call *call = new_call();
    http_call_options o = {.url = url_of(&s, "/"), .redirects = HTTP_REDIRECT_FOLLOW};
    assert_int_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "more than 8 redirects"));
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
}

/* A POST that is answered by 303 becomes a GET without its body. */
static void test_see_other(void **state)
{
    scripted s = {.answers = {MOVED("303", "/there"), SIMPLE}, .n = 2};
    hearth_error err;
    buf body;
    (void)state;
    start(&s);
    buf_init(&body, 0);
    http_call *call = new_call();
    http_call_options o = {
        .url = url_of(&s, "/"), .body = "words", .n_body = 5, .redirects = HTTP_REDIRECT_FOLLOW};
    assert_int_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_OK);
    assert_null(strstr(strstr(s.requests.data, "GET /there"), "words"));
    http_call_free(call);
    buf_deinit(&body);
    stop(&s);
}

/* ---- addresses and proxies ---- */

/* The test's server stands for a proxy, behind which is the public world. */
static void test_public_does_not_lead_to_private(void **state)
{
    static const char *const inside[] = {"http://10.0.0.1/", "http://169.254.169.254/latest",
                                         "http://[::1]:80/", "http://0x7f.1/", "http://localhost/"};
    hearth_error err;
    char to[256], proxy[64];
    buf body;
    (void)state;
    buf_init(&body, 0);
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        snprintf(to, sizeof to, MOVED("302", "%s"), inside[i]);
        scripted s = {.answers = {to}, .n = 1};
        start(&s);
        snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", s.port);
        setenv("http_proxy", proxy, 1);
        http_call *call = new_call();
        http_call_options o = {.url = "http://hub.example/m", .redirects = HTTP_REDIRECT_FOLLOW};
        assert_int_equal(http_call_fetch(call, &o, 10000, &body, &err), HEARTH_EINVAL);
        assert_int_equal(http_call_problem(call), HTTP_PROBLEM_REFUSED);
        assert_non_null(strstr(s.requests.data, "GET http://hub.example/m "));
        unsetenv("http_proxy");
        http_call_free(call);
        stop(&s);
    }
    buf_deinit(&body);
}

static void test_public_only(void **state)
{
    const http_call_options o = {.public_only = true};
    scripted s = {.n = 0};
    hearth_error err;
    (void)state;
    start(&s);
    http_call *call = new_call();
    http_call_options direct = o;
    direct.url = url_of(&s, "/");
    assert_int_equal(http_call_start(call, &direct, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "not a public address"));
    http_call_free(call);
    stop(&s);
}

static void test_special_addresses(void **state)
{
    static const char *const special[] = {"127.0.0.1",
                                          "10.1.2.3",
                                          "172.16.0.1",
                                          "172.31.255.255",
                                          "192.168.1.1",
                                          "169.254.1.1",
                                          "100.64.0.1",
                                          "0.0.0.0",
                                          "224.0.0.1",
                                          "255.255.255.255",
                                          "192.0.2.1",
                                          "198.18.0.1",
                                          "::1",
                                          "::",
                                          "fe80::1%eth0",
                                          "fc00::1",
                                          "ff02::1",
                                          "::ffff:10.0.0.1",
                                          "64:ff9b::a00:1",
                                          "2002:a00:1::",
                                          "2001:db8::1",
                                          "localhost",
                                          "a.localhost"};
    static const char *const common[] = {
        "8.8.8.8",        "172.32.0.1",     "100.128.0.1", "198.20.0.1",    "2606:4700::1",
        "2002:808:808::", "::ffff:8.8.8.8", "example.com", "10.example.com"};
    (void)state;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (!origin_host_is_special(special[i]))
            fail_msg("%s", special[i]);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (origin_host_is_special(common[i]))
            fail_msg("%s", common[i]);
}

static void test_origins(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"http://h/a", "http://H:80/b?c", true},     {"https://h/", "https://h:443", true},
        {"http://h/", "https://h/", false},          {"http://h:1/", "http://h:2/", false},
        {"http://h/", "http://h.evil/", false},      {"http://h./", "http://h/", true},
        {"http://[::1]/", "http://[0:0::1]/", true}, {"http://0x7f.1/", "http://127.0.0.1/", true},
    };
    hearth_error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        origin a, b;
        assert_int_equal(origin_parse(&a, rows[i].a, &err), HEARTH_OK);
        assert_int_equal(origin_parse(&b, rows[i].b, &err), HEARTH_OK);
        if (origin_same(&a, &b) != rows[i].same)
            fail_msg("%s %s", rows[i].a, rows[i].b);
    }
}

static void test_proxies(void **state)
{
    static const struct {
        const char *list, *host;
        bool excepted;
    } rows[] = {
        {"*", "a.b", true},
        {"b.c", "a.b.c", true},
        {".b.c", "a.b.c", true},
        {"*.b.c", "a.b.c", true},
        {"b.c", "ab.c", false},
        {"x, b.c ,y", "b.c", true},
        {"10.0.0.1", "10.0.0.1", true},
        {"", "b.c", false},
        {"[fe80::1]", "fe80::1", true},
    };
    origin to = {.tls = true, .host = "hub.example", .port = 443};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(origin_is_excepted(rows[i].list, rows[i].host), rows[i].excepted);
    setenv("HTTPS_PROXY", "http://p:1", 1);
    assert_string_equal(origin_proxy(&to), "http://p:1");
    setenv("no_proxy", "example", 1);
    assert_null(origin_proxy(&to));
    unsetenv("no_proxy");
    snprintf(to.host, sizeof to.host, "127.0.0.1");
    assert_null(origin_proxy(&to));
    unsetenv("HTTPS_PROXY");
    setenv("HTTP_PROXY", "http://p:1", 1);
    to = (origin){.host = "hub.example", .port = 80};
    assert_null(origin_proxy(&to));
    unsetenv("HTTP_PROXY");
}

int main(void)
{
    static const char *const unset[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_and_post),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_stream_and_cancel),
        cmocka_unit_test(test_stream_of_chunks),
        cmocka_unit_test(test_descriptor_of_a_stream),
        cmocka_unit_test(test_broken_servers),
        cmocka_unit_test(test_limits_of_the_head),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_what_is_refused_at_once),
        cmocka_unit_test(test_redirect_within_an_origin),
        cmocka_unit_test(test_redirect_to_another_origin),
        cmocka_unit_test(test_redirects_that_are_answers),
        cmocka_unit_test(test_redirects_that_are_refused),
        cmocka_unit_test(test_redirects_without_end),
        cmocka_unit_test(test_see_other),
        cmocka_unit_test(test_public_does_not_lead_to_private),
        cmocka_unit_test(test_public_only),
        cmocka_unit_test(test_special_addresses),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_proxies),
    };
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++)
        unsetenv(unset[i]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
