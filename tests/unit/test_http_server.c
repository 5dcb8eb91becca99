/* SPDX-License-Identifier: MIT
 *
 * test_http_server.c - the server in this process, spoken to over real sockets byte by byte: whole
 * requests, refused ones, broken ones, slow ones, and clients that leave.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/server.h"

/* ---- the application ---- */

typedef struct app {
    atomic_bool ready;
    atomic_int n_served;
    atomic_int n_closed; /* streams */
    atomic_int n_gone;   /* waits that ended because the client left */
    atomic_int n_ending; /* waits that ended because the server ends */
    atomic_int n_waiting;
    atomic_bool released; /* the handler that does not look at its client */
} app;

static bool is_ready(void *user)
{
    return atomic_load(&((app *)user)->ready);
}

static void refuse(void *user, const char *path, int status, const char *message, http_reply *reply)
{
    (void)user;
    buf_append_format(&reply->body, "{\"code\":%d,\"path\":\"%s\",\"message\":\"%s\"}", status,
                      path, message);
}

static void served(void *user, const char *path, int status)
{
    (void)path;
    (void)status;
    atomic_fetch_add(&((app *)user)->n_served, 1);
}

static void health(void *user, const http_request *request, http_reply *reply)
{
    (void)request;
    (void)user;
    buf_append_text(&reply->body, "{\"status\":\"ok\"}");
}

static void echo(void *user, const http_request *request, http_reply *reply)
{
    const char *query = http_request_query(request, "q");
    (void)user;
    assert_true(http_request_life(request) == HTTP_OPEN);
    buf_append_format(&reply->body, "rest=%s q=%s n=%zu body=%.40s", request->rest,
                      query ? query : "-", request->n_body, request->body);
    http_reply_header(reply, "X-Test", "yes");
    assert_false(http_reply_header(reply, "X-Bad", "a\r\nb"));
}

/* Waits until the client or the server ends it. */
static void wait_for_end(void *user, const http_request *request, http_reply *reply)
{
    app *a = user;
    http_life life;
    atomic_fetch_add(&a->n_waiting, 1);
    while ((life = http_request_life(request)) == HTTP_OPEN)
        poll(NULL, 0, 5);
    atomic_fetch_add(life == HTTP_GONE ? &a->n_gone : &a->n_ending, 1);
    buf_append_text(&reply->body, "ended");
}

/* Asks nobody whether it shall go on. */
static void deaf(void *user, const http_request *request, http_reply *reply)
{
    app *a = user;
    (void)request;
    atomic_fetch_add(&a->n_waiting, 1);
    while (!atomic_load(&a->released))
        poll(NULL, 0, 5);
    buf_append_text(&reply->body, "too late");
}

static void slow(void *user, const http_request *request, http_reply *reply)
{
    (void)user;
    (void)request;
    poll(NULL, 0, 1500);
    buf_append_text(&reply->body, "slow but there");
}

typedef struct counting {
    app *app;
    int left;
    bool forever, fails;
} counting;

static http_pull count_down(void *user, int timeout_ms, bool ending, buf *out)
{
    counting *c = user;
    if (ending) {
        buf_append_text(out, "data: ending\n\n");
        return HTTP_PULL_END;
    }
    if (c->left > 0) {
        buf_append_format(out, "data: %d\n\n", c->left--);
        return HTTP_PULL_MORE;
    }
    if (c->fails)
        return HTTP_PULL_FAIL;
    if (!c->forever)
        return HTTP_PULL_END;
    poll(NULL, 0, timeout_ms < 20 ? timeout_ms : 20);
    return HTTP_PULL_MORE;
}

static void count_close(void *user)
{
    counting *c = user;
    atomic_fetch_add(&c->app->n_closed, 1);
    mem_free(c);
}

static void stream(void *user, const http_request *request, http_reply *reply)
{
    counting *c = mem_calloc(1, sizeof *c);
    c->app = user;
    c->left = 3;
    c->forever = strcmp(request->rest, "forever") == 0;
    c->fails = strcmp(request->rest, "fails") == 0;
    http_stream s = {.pull = count_down, .close = count_close, .user = c, .ping_ms = 50};
    http_reply_stream(reply, HTTP_EVENT_STREAM, &s);
}

/* A stream that comes from a pipe, as an engine's comes from a socket. "!" at its end: it breaks.
 */
typedef struct piped {
    app *app;
    int fd;
    bool ended, broken;
} piped;

static atomic_int n_taken; /* pieces that the connection's thread did not see */
static int pipe_ends[2];

static bool read_pipe(piped *p, buf *out)
{
    char text[1 << 16];
    struct pollfd ready = {.fd = p->fd, .events = POLLIN};
    if (poll(&ready, 1, 0) <= 0)
        return false;
    ssize_t n = read(p->fd, text, sizeof text);
    p->ended = n <= 0;
    p->broken = n > 0 && text[n - 1] == '!';
    return n > 0 && !p->broken && buf_append(out, text, (size_t)n);
}

static http_pull pipe_pull(void *user, int timeout_ms, bool ending, buf *out)
{
    piped *p = user;
    if (!ending && !p->ended && !p->broken && !read_pipe(p, out))
        poll(NULL, 0, timeout_ms < 5 ? timeout_ms : 5);
    if (ending)
        buf_append_text(out, "ending\n");
    return p->broken ? HTTP_PULL_FAIL : p->ended || ending ? HTTP_PULL_END : HTTP_PULL_MORE;
}

static int pipe_fd(void *user)
{
    const piped *p = user;
    return p->ended || p->broken ? -1 : p->fd;
}

static bool pipe_take(void *user, buf *out)
{
    piped *p = user;
    atomic_fetch_add(&n_taken, read_pipe(p, out));
    return !p->ended && !p->broken;
}

static void pipe_close(void *user)
{
    piped *p = user;
    atomic_fetch_add(&p->app->n_closed, 1);
    close(p->fd);
    mem_free(p);
}

static void from_pipe(void *user, const http_request *request, http_reply *reply)
{
    piped *p = mem_calloc(1, sizeof *p);
    (void)request;
    assert_int_equal(pipe(pipe_ends), 0);
    *p = (piped){.app = user, .fd = pipe_ends[0]};
    assert_int_equal(write(pipe_ends[1], "first\n", 6), 6);
    http_stream s = {.pull = pipe_pull,
                     .fd = pipe_fd,
                     .take = pipe_take,
                     .close = pipe_close,
                     .user = p,
                     .ping_ms = 200};
    http_reply_stream(reply, HTTP_EVENT_STREAM, &s);
}

static const http_route routes[] = {
    {HTTP_GET, "/health", health, HTTP_OPEN_TO_ALL | HTTP_NOT_READY, NULL},
    {HTTP_GET | HTTP_POST, "/echo", echo, 0, NULL},
    {HTTP_GET, "/echo/*", echo, 0, NULL},
    {HTTP_GET, "/wait", wait_for_end, 0, NULL},
    {HTTP_GET, "/slow", slow, 0, NULL},
    {HTTP_GET, "/deaf", deaf, 0, NULL},
    {HTTP_GET, "/stream/*", stream, 0, NULL},
    {HTTP_GET, "/pipe", from_pipe, 0, NULL},
};

/* ---- the server and a client ---- */

static app the_app;
static http_server *server;

static http_options options(void)
{
    http_options o;
    http_options_init(&o);
    o.host = "127.0.0.1";
    o.routes = routes;
    o.n_routes = sizeof routes / sizeof *routes;
    o.app = &the_app;
    o.ready = is_ready;
    o.refuse = refuse;
    o.served = served;
    return o;
}

static void start(const http_options *o)
{
    hearth_error err = {0};
    memset(&the_app, 0, sizeof the_app);
    atomic_store(&n_taken, 0);
    atomic_store(&the_app.ready, true);
    hearth_status status = http_server_start(&server, o, &err);
    if (status != HEARTH_OK)
        print_message("%s\n", err.message);
    assert_int_equal(status, HEARTH_OK);
}

static int start_default(void **state)
{
    http_options o = options();
    (void)state;
    start(&o);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_server_free(server);
    server = NULL;
    return 0;
}

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Everything up to the end of the connection, or to `until`. */
static char heard[1 << 16];
static const char *hear(int fd, const char *until)
{
    size_t n = 0;
    heard[0] = '\0';
    while (n < sizeof heard - 1 && !(until && strstr(heard, until))) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1); /* a server that hangs, not a slow one */
        ssize_t got = recv(fd, heard + n, sizeof heard - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        heard[n] = '\0';
    }
    return heard;
}

/* One request on a connection of its own, told to close. */
static const char *ask(const char *method, const char *path, const char *headers, const char *body)
{
    char text[4096];
    int fd = dial();
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\n%sConnection: close\r\n", method, path, headers);
    say(fd, text);
    if (body) {
        snprintf(text, sizeof text, "Content-Length: %zu\r\n\r\n", strlen(body));
        say(fd, text);
        say(fd, body);
    } else {
        say(fd, "\r\n");
    }
    hear(fd, NULL);
    close(fd);
    return heard;
}

#define HOST "Host: localhost\r\n"
#define CLOSE "Connection: close\r\n"
#define PAGE "Origin: http://localhost:3000\r\n"

static void expect(const char *wanted)
{
    if (!strstr(heard, wanted))
        fail_msg("no '%s' in: %s", wanted, heard);
}

static void expect_not(const char *unwanted)
{
    if (strstr(heard, unwanted))
        fail_msg("'%s' in: %s", unwanted, heard);
}

static void expect_status(int status)
{
    char text[32];
    snprintf(text, sizeof text, "HTTP/1.1 %d ", status);
    if (strncmp(heard, text, strlen(text)) != 0)
        fail_msg("not %d: %s", status, heard);
}

/* For what another thread is about to do. */
static void await(atomic_int *value, int wanted)
{
    for (int i = 0; i < 2000 && atomic_load(value) < wanted; i++)
        poll(NULL, 0, 10);
    assert_int_equal(atomic_load(value), wanted);
}

static void converse(const char *text)
{
    int fd = dial();
    say(fd, text);
    hear(fd, NULL);
    close(fd);
}

/* ---- requests ---- */

static void test_answers(void **state)
{
    (void)state;
    ask("GET", "/health", HOST, NULL);
    expect_status(200);
    expect("Content-Type: application/json; charset=utf-8\r\n");
    expect("\r\n\r\n{\"status\":\"ok\"}");
    ask("HEAD", "/health", HOST, NULL);
    expect_status(200);
    expect("Content-Length: 15\r\n");
    assert_string_equal(strstr(heard, "\r\n\r\n"), "\r\n\r\n");
    ask("GET", "/echo/a%20b%2Fc%00d%zz?q=1%262", HOST, NULL);
    expect("rest=a b/c%00d%zz q=1&2 n=0 body=");
    expect("X-Test: yes\r\n");
    expect_not("X-Bad");
    ask("POST", "/echo", HOST "Content-Type: application/json\r\n", "{\"a\":1}");
    expect("n=7 body={\"a\":1}");
    int fd = dial();
    say(fd, "GET /health HTTP/1.1\r\n" HOST "\r\n");
    expect_status((hear(fd, "\"ok\"}"), 200));
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    hear(fd, "n=5 body=abcde");
    close(fd);
    await(&the_app.n_served, 6);
}

static void test_refusals(void **state)
{
    (void)state;
    ask("GET", "/nothing", HOST, NULL);
    expect_status(404);
    expect("\"path\":\"/nothing\"");
    ask("POST", "/health", HOST, "{}");
    expect_status(405);
    expect("Allow: GET, HEAD, OPTIONS\r\n");
    ask("PATCH", "/echo", HOST, NULL);
    expect_status(405);
    expect("Allow: GET, HEAD, POST, OPTIONS\r\n");
    ask("POST", "/echo", HOST PAGE "Content-Type: text/plain\r\n", "{}");
    expect_status(415);
    ask("POST", "/echo", HOST PAGE "Content-Type: application/jsonx\r\n", "{}");
    expect_status(415);
    ask("POST", "/echo", HOST "Origin: null\r\nContent-Type: text/plain\r\n", "{}");
    assert_null(strstr(heard, " 200 "));
    ask("POST", "/echo", HOST PAGE "Content-Type: application/problem+json; charset=utf-8\r\n",
        "{}");
    expect_status(200);
    ask("POST", "/echo", HOST "Content-Type: application/x-www-form-urlencoded\r\n", "{}");
    expect_status(200);
    ask("POST", "/echo", HOST "Content-Encoding: gzip\r\n", "{}");
    expect_status(415);
    ask("GET", "/health", "Host: evil.example\r\n", NULL);
    expect_status(403);
    expect("evil.example");
    ask("GET", "http://localhost/health", HOST, NULL);
    expect_status(200);
    ask("GET", "HTTP://localhost", HOST, NULL);
    expect_status(404);
    expect("\"path\":\"/\"");
    ask("GET", "http://evil.example/health", HOST, NULL); /* it stands for the header */
    expect_status(403);
    expect("evil.example");
    ask("GET", "/health", HOST "Host: localhost\r\n", NULL);
    expect_status(400);
    ask("POST", "/echo", HOST "Content-Length: 2\r\n", "{}");
    assert_null(strstr(heard, " 200 "));
    ask("POST", "/echo", HOST "Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
    assert_null(strstr(heard, " 200 "));
    /* Heads that another server may read differently; what follows is no second request. */
    static const char *const heads[] = {
        "Content-Length : 18\r\n",          "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",  "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: \vchunked\r\n", "X: a\rContent-Length: 18\r\n",
        "X: a\r\n Content-Length: 18\r\n",  "X(): a\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char text[256];
        snprintf(text, sizeof text, "POST /echo HTTP/1.1\r\n%s%s\r\nGET /health HTTP/1.1\r\n%s\r\n",
                 HOST, heads[i], HOST);
        converse(text);
        expect_status(400);
        expect("Connection: close\r\n");
        expect_not(" 200 ");
    }
    atomic_store(&the_app.ready, false);
    ask("GET", "/echo", HOST, NULL);
    expect_status(503);
    expect("Loading model");
    expect("Retry-After: 1\r\n");
    ask("GET", "/health", HOST, NULL);
    expect_status(200);
}

static void test_cors(void **state)
{
    (void)state;
    ask("POST", "/echo", HOST "Origin: http://evil.example\r\n", "{}");
    expect_status(403);
    expect_not("Access-Control-Allow");
    ask("GET", "/echo", HOST "Origin: http://evil.example\r\n", NULL);
    expect_status(200);
    expect_not("Access-Control-Allow");
    expect("Vary: Origin\r\n");
    ask("OPTIONS", "/echo", HOST "Origin: http://evil.example\r\n", NULL);
    expect_status(403);
    ask("POST", "/echo", HOST "Origin: http://localhost:3000\r\n", "{}");
    expect_status(200);
    expect("Access-Control-Allow-Origin: http://localhost:3000\r\n");
    ask("OPTIONS", "/echo",
        HOST "Origin: http://localhost:3000\r\nAccess-Control-Request-Headers: authorization\r\n",
        NULL);
    expect_status(200);
    expect("Access-Control-Allow-Headers: authorization\r\n");
    expect("Access-Control-Allow-Methods: GET, POST, DELETE, PUT, OPTIONS\r\n");
    expect("Content-Length: 0\r\n");
    ask("OPTIONS", "/nothing", HOST, NULL);
    expect_status(404);
}

static void test_keys(void **state)
{
    static const char *const keys[] = {"sesame"};
    http_options o = options();
    (void)state;
    o.guard.keys = keys;
    o.guard.n_keys = 1;
    start(&o);
    ask("GET", "/echo", HOST, NULL);
    expect_status(401);
    expect("WWW-Authenticate: Bearer\r\n");
    ask("GET", "/health", HOST, NULL);
    expect_status(200);
    ask("OPTIONS", "/echo", HOST, NULL);
    expect_status(200);
    ask("GET", "/echo", HOST "Authorization: Bearer wrong\r\n", NULL);
    expect_status(401);
    ask("GET", "/echo", HOST "Authorization: Bearer sesame\r\n", NULL);
    expect_status(200);
    ask("GET", "/echo", HOST "X-Api-Key: sesame\r\n", NULL);
    expect_status(200);
    ask("GET", "/echo", "Host: any.example\r\nX-Api-Key: sesame\r\n", NULL);
    expect_status(200);
}

static void test_prefix(void **state)
{
    http_options o = options();
    (void)state;
    o.prefix = "/api";
    start(&o);
    ask("GET", "/api/health", HOST, NULL);
    expect_status(200);
    ask("GET", "/health", HOST, NULL);
    expect_status(404);
}

/* ---- limits ---- */

static void test_large_bodies(void **state)
{
    http_options o = options();
    (void)state;
    o.max_body_bytes = 100;
    o.max_bodies_bytes = 150;
    start(&o);
    char body[201];
    memset(body, 'x', 200);
    body[200] = '\0';
    ask("POST", "/echo", HOST, body);
    expect_status(413);
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    body[60] = '\0';
    for (int i = 0; i < 3; i++)
        (say(fd, "3c\r\n"), say(fd, body), say(fd, "\r\n"));
    say(fd, "0\r\n\r\n");
    expect_status((hear(fd, "message"), 413));
    close(fd);
    /* A promise of far too much is answered before it is kept. */
    converse("POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 99999999999\r\n\r\n");
    expect_status(413);
    /* Ninety bytes held leave sixty to all others. At times the other one comes first. */
    bool told = false;
    body[60] = 'x';
    body[90] = '\0';
    for (int i = 0; i < 1000 && !told; i++) {
        fd = dial();
        say(fd, "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 100\r\n\r\n");
        say(fd, body);
        ask("POST", "/echo", HOST, body);
        told = strstr(heard, " 503 ") != NULL;
        say(fd, "0123456789");
        hear(fd, NULL);
        if (told)
            expect_status(200);
        close(fd);
    }
    assert_true(told);
    ask("POST", "/echo", HOST, body);
    expect_status(200);
}

static void test_large_head(void **state)
{
    char head[4096];
    http_options o = options();
    (void)state;
    o.max_head_bytes = 2048;
    start(&o);
    snprintf(head, sizeof head, "GET /health HTTP/1.1\r\n" HOST "X-Long: %03980d\r\n\r\n", 1);
    converse(head);
    expect_status(431);
    ask("GET", "/health", HOST, NULL);
    expect_status(200);
}

/* What libmicrohttpd itself refuses is JSON all the same, with one head. */
static void test_malformed(void **state)
{
    static const char *const cases[] = {
        "GET /echo HTTP/1.1\r\n\r\n", "GET /echo?a=b HTTP/1.1\r\n" HOST "nonsense\r\n\r\n",
        "GET /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}??0\r\n\r\n"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        converse(cases[i]);
        expect_status(400);
        assert_null(strstr(heard + 1, "HTTP/1.1 400"));
        expect("\"path\":\"/echo\"");
        await(&the_app.n_served, i + 1);
    }
}

/* Clients that send nothing, half a head, half a body: all are ended. */
static void test_late_clients(void **state)
{
    http_options o = options();
    (void)state;
    o.head_ms = 300;
    o.body_ms = 300;
    o.stall_ms = 1000;
    start(&o);
    int silent = dial(), half = dial(), body = dial(), trickle = dial();
    say(half, "GET /health HTTP/1.1\r\nHost: loc");
    say(body, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
    say(trickle, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n");
    for (int i = 0; i < 90 && send(trickle, "x", 1, MSG_NOSIGNAL) == 1; i++)
        poll(NULL, 0, 20);
    int all[] = {silent, half, body, trickle};
    for (int i = 0; i < 4; i++) {
        hear(all[i], NULL);
        expect_status(408);
        expect("{\"error\":{\"code\":408,");
        close(all[i]);
    }
    int idle = dial(); /* between two requests nothing is asked, and nothing said */
    say(idle, "GET /health HTTP/1.1\r\n" HOST "\r\n");
    hear(idle, NULL);
    expect_status(200);
    expect_not("408");
    close(idle);
}

/* A handler that takes longer than a stalled client may is not one. */
static void test_slow_handler(void **state)
{
    http_options o = options();
    (void)state;
    o.stall_ms = 1000;
    start(&o);
    ask("GET", "/slow", HOST, NULL);
    expect_status(200);
    expect("slow but there");
}

/* ---- streams ---- */

static void test_stream(void **state)
{
    (void)state;
    ask("GET", "/stream/3", HOST, NULL);
    expect_status(200);
    expect("Content-Type: text/event-stream\r\n");
    expect("Transfer-Encoding: chunked\r\n");
    expect("X-Accel-Buffering: no\r\n");
    expect("data: 3\n\n");
    expect("data: 1\n\n\r\n0\r\n\r\n");
    await(&the_app.n_closed, 1);
    /* One that breaks has no last chunk. */
    ask("GET", "/stream/fails", HOST, NULL);
    expect("data: 1\n\n");
    expect_not("\r\n0\r\n");
    await(&the_app.n_closed, 2);
    ask("HEAD", "/stream/3", HOST, NULL);
    expect_status(200);
    await(&the_app.n_closed, 3);
}

static void test_pings(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET /stream/forever HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "3\r\n:\n\n\r\n");
    expect("data: 1\n\n");
    close(fd); /* and leave: the stream is closed although it has nothing to send */
    await(&the_app.n_closed, 1);
    await(&the_app.n_served, 1);
}

static void test_client_leaves(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    await(&the_app.n_waiting, 1);
    close(fd);
    await(&the_app.n_gone, 1);
    await(&the_app.n_served, 1);
}

/* ---- ending ---- */

static void *stop_server(void *drain_ms)
{
    assert_true(http_server_stop(server, *(uint32_t *)drain_ms, NULL));
    return NULL;
}

static void test_ending(void **state)
{
    uint32_t drain_ms = 100;
    pthread_t thread;
    (void)state;
    int waiting = dial(), streaming = dial(), idle = dial();
    say(waiting, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    say(streaming, "GET /stream/forever HTTP/1.1\r\n" HOST "\r\n");
    say(idle, "GET /health HTTP/1.1\r\n" HOST "\r\n");
    hear(idle, "\"ok\"}");
    hear(streaming, "data: 1\n\n");
    await(&the_app.n_waiting, 1);
    await(&the_app.n_served, 1);
    assert_int_equal(http_server_n_active(server), 2);
    assert_int_equal(pthread_create(&thread, NULL, stop_server, &drain_ms), 0);
    hear(streaming, NULL);
    expect("data: ending\n\n");
    expect("\r\n0\r\n\r\n");
    hear(waiting, NULL);
    expect_status(200);
    expect("ended");
    expect("Connection: close\r\n");
    hear(idle, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&the_app.n_ending), 1);
    close(waiting);
    close(streaming);
    close(idle);
}

/* One that does not end is told of, and harms nothing: the server is all there until it has. */
static void test_ending_with_deaf_handler(void **state)
{
    http_options o = options();
    (void)state;
    o.ending_ms = 30;
    start(&o);
    int fd = dial();
    say(fd, "GET /deaf HTTP/1.1\r\n" HOST "\r\n");
    await(&the_app.n_waiting, 1);
    assert_false(http_server_stop(server, 0, NULL));
    assert_int_equal(http_server_n_active(server), 1);
    assert_false(http_server_stop(server, 0, NULL));
    atomic_store(&the_app.released, true);
    await(&the_app.n_served, 1);
    assert_true(http_server_stop(server, 20000, NULL));
    hear(fd, NULL); /* its connection was shut */
    assert_string_equal(heard, "");
    close(fd);
}

/* Clients that hold their places and say nothing, or not enough, are in nobody's way. */
static void test_silent_clients(void **state)
{
    enum { PLACES = 8, SILENT = 50 };
    http_options o = options();
    int fds[SILENT], busy;
    (void)state;
    o.max_connections = PLACES;
    o.silent_ms = 0;
    start(&o);
    busy = dial();
    say(busy, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    await(&the_app.n_waiting, 1);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = dial();
        say(fds[i], i % 2 ? "GET /hea" : "GET /health HTTP/1.1\r\nX: ");
    }
    ask("GET", "/health", HOST, NULL);
    expect_status(200);
    assert_int_equal(http_server_n_active(server), 1); /* who is served stays */
    for (int i = 0; i < PLACES; i++) { /* all who are here in the end are served, or told */
        fds[i] = (close(fds[i]), dial());
        say(fds[i], "GET /wait HTTP/1.1\r\n" HOST "\r\n");
        await(&the_app.n_waiting, i + 1 < PLACES ? i + 2 : PLACES);
    }
    hear(fds[PLACES - 1], "in use; try again");
    expect_status(503);
    expect("Connection: close\r\n");
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    close(busy);
}

/* ---- sockets ---- */

static void test_unix_socket(void **state)
{
    char path[64];
    hearth_error err = {0};
    http_options o = options();
    http_server *second;
    (void)state;
    snprintf(path, sizeof path, "/tmp/hearth-test-%d.sock", (int)getpid());
    o.host = path;
    start(&o);
    assert_int_equal(http_server_start(&second, &o, &err), HEARTH_EIO);
    assert_non_null(strstr(err.message, "in use"));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    say(fd, "GET /health HTTP/1.1\r\nHost: whatever\r\n\r\n");
    expect_status((hear(fd, "\"ok\"}"), 200));
    close(fd);
    http_server_free(server);
    server = NULL;
    assert_int_equal(access(path, F_OK), -1);
    /* What a killed server leaves behind is replaced. */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    start(&o);
}

static void test_bad_places(void **state)
{
    hearth_error err = {0};
    http_options o = options();
    http_server *second;
    (void)state;
    start(&o);
    o.port = http_server_port(server);
    assert_int_equal(http_server_start(&second, &o, &err), HEARTH_EIO);
    assert_non_null(strstr(err.message, "--port 0"));
    o.port = 0;
    o.host = "no such host";
    assert_int_equal(http_server_start(&second, &o, &err), HEARTH_EINVAL);
    o.host = "127.0.0.1";
    o.cert = o.key = "not PEM";
    assert_int_equal(http_server_start(&second, &o, &err), HEARTH_EIO);
    assert_non_null(strstr(err.message, "PEM"));
}

static int admit(void *user, const http_request *request, char *message, size_t n_message)
{
    (void)user;
    snprintf(message, n_message, "not %s", request->path);
    return http_request_header(request, "X-Pass") ? 0 : 418;
}

/* What the application says of senders counts before the body is read; other paths are one
 * handler's, but for what is no GET. */
static void test_admission(void **state)
{
    static const http_route page = {HTTP_GET, "/", echo, HTTP_OPEN_TO_ALL, NULL};
    http_options o = options();
    (void)state;
    o.admit = admit;
    o.fallback = &page;
    start(&o);
    ask("GET", "/health", HOST, NULL);
    expect_status(200); /* open to all */
    ask("POST", "/echo", HOST, "{}");
    expect_status(418);
    expect("not /echo");
    ask("POST", "/echo", HOST "X-Pass: 1\r\n", "{}");
    expect_status(200);
    ask("GET", "/any/where", HOST, NULL);
    expect_status(200);
    ask("POST", "/any/where", HOST "X-Pass: 1\r\n", "{}");
    expect_status(404);
}

/* ---- the pump ---- */

static int open_pipe(const char *version)
{
    char text[128];
    int fd = dial();
    snprintf(text, sizeof text, "GET /pipe HTTP/%s\r\n" HOST "Connection: close\r\n\r\n", version);
    say(fd, text);
    hear(fd, "first\n");
    return fd;
}

static void feed(const char *text)
{
    assert_int_equal(write(pipe_ends[1], text, strlen(text)), strlen(text));
}

/* Pieces that the pump hands on are chunks like the others; the end is the connection's. */
static void test_pump(void **state)
{
    (void)state;
    int fd = open_pipe("1.1");
    feed("second\n");
    hear(fd, "\r\n");
    expect("7\r\nsecond\n\r\n");
    feed("a third one, longer\n");
    hear(fd, "longer\n\r\n");
    expect("14\r\na third one, longer\n\r\n");
    await(&n_taken, 2);
    hear(fd, ":\n\n"); /* a ping, of the connection's thread */
    feed("after\n");
    hear(fd, "after\n\r\n");
    close(pipe_ends[1]);
    hear(fd, NULL);
    assert_string_equal(heard, "0\r\n\r\n");
    close(fd);
    await(&the_app.n_closed, 1);
    fd = open_pipe("1.0"); /* which knows no chunks */
    feed("second\n");
    hear(fd, "second\n");
    expect_not("\r\n");
    close(pipe_ends[1]);
    hear(fd, NULL);
    close(fd);
    await(&the_app.n_closed, 2);
}

/* A source that breaks leaves no end that a client could take for whole. */
static void test_pump_source_breaks(void **state)
{
    (void)state;
    int fd = open_pipe("1.1");
    feed("whole\n");
    hear(fd, "whole\n\r\n");
    feed("half!");
    hear(fd, NULL);
    expect_not("0\r\n\r\n");
    expect_not("half");
    close(fd);
    close(pipe_ends[1]);
    await(&the_app.n_closed, 1);
}

/* A client that reads nothing for a while gets it all afterwards. */
static void test_pump_slow_client(void **state)
{
    enum { LINE = 4096, LINES = 4000 };
    static char line[LINE + 1];
    (void)state;
    int fd = open_pipe("1.1");
    memset(line, 'x', LINE);
    size_t n_written = 0, n_heard = 0;
    struct pollfd source = {.fd = pipe_ends[1], .events = POLLOUT};
    while (n_written < LINES && poll(&source, 1, 300) > 0) { /* until nothing moves any more */
        feed(line);
        n_written++;
    }
    assert_in_range(n_written, 100, LINES - 1);
    close(pipe_ends[1]);
    for (ssize_t n; (n = recv(fd, heard, sizeof heard, 0)) > 0;) {
        for (ssize_t i = 0; i < n; i++)
            n_heard += heard[i] == 'x';
    }
    assert_int_equal(n_heard, n_written * LINE);
    close(fd);
    await(&the_app.n_closed, 1);
}

static void test_pump_client_leaves(void **state)
{
    (void)state;
    int fd = open_pipe("1.1");
    close(fd);
    await(&the_app.n_closed, 1); /* though the source says nothing */
    close(pipe_ends[1]);
    fd = open_pipe("1.1");
    http_server_stop(server, 0, NULL);
    hear(fd, NULL);
    expect("ending\n");
    expect("0\r\n\r\n");
    close(fd);
    close(pipe_ends[1]);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start_default, stop)
#define ALONE(test) cmocka_unit_test_teardown(test, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_answers),
        WITH_SERVER(test_refusals),
        WITH_SERVER(test_cors),
        ALONE(test_keys),
        ALONE(test_prefix),
        ALONE(test_large_bodies),
        ALONE(test_large_head),
        WITH_SERVER(test_malformed),
        ALONE(test_late_clients),
        ALONE(test_slow_handler),
        WITH_SERVER(test_stream),
        WITH_SERVER(test_pings),
        WITH_SERVER(test_client_leaves),
        WITH_SERVER(test_ending),
        ALONE(test_ending_with_deaf_handler),
        ALONE(test_silent_clients),
        ALONE(test_unix_socket),
        ALONE(test_bad_places),
        ALONE(test_admission),
        WITH_SERVER(test_pump),
        WITH_SERVER(test_pump_source_breaks),
        WITH_SERVER(test_pump_slow_client),
        WITH_SERVER(test_pump_client_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
