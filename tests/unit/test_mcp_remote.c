/* SPDX-License-Identifier: MIT
 *
 * test_mcp_remote.c - the client of tool servers at an address, against a server in this process
 * that behaves as a test tells it to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "http/server.h"
#include "mcp/mcp.h"
#include "os/clock.h"
#include "os/thread.h"

/* ---- the server ---- */

typedef enum behaviour {
    GOOD,
    EVENTS,    /* every answer is a stream of events, with a ping and a greeting before */
    BREAKS,    /* a call's stream ends after its first event; the rest comes to who resumes */
    FORGETS,   /* the session, once, before the first call */
    FORGETFUL, /* every session, before each call */
    SILENT,    /* takes calls and says nothing */
    SPEAKS_TEXT,
    REFUSES,    /* 403 with words */
    HUGE,       /* an event without end */
    CUT,        /* a call's answer is half of one */
    REDIRECTS,  /* to another place of the same server */
    NO_TOOLS,   /* the list is no list */
    LISTENED_TO /* has a stream for what it says unasked: the tools changed */
} behaviour;

static struct {
    behaviour how;
    monitor door;
    int n_sessions, n_calls, n_lists, n_pongs, n_canceled, n_ended;
    bool seen_bearer, seen_version, changed;
    char last_event[64];
} fake;

static const char *header(const http_request *q, const char *name)
{
    const char *value = http_request_header(q, name);
    return value ? value : "";
}

static json_t *tools(void)
{
    json_t *list = json_pack("[{ss s{ss}}]", "name", "echo", "inputSchema", "type", "object");
    if (fake.changed)
        json_array_append_new(list, json_pack("{ss}", "name", "another"));
    return list;
}

static json_t *result_of(const char *method, const json_t *params)
{
    const json_t *text = json_object_get(json_object_get(params, "arguments"), "text");
    if (strcmp(method, "initialize") == 0)
        return json_pack("{ss s{} s{ss ss}}", "protocolVersion", "2025-03-26", "capabilities",
                         "serverInfo", "name", "far", "version", "2");
    if (strcmp(method, "tools/list") == 0)
        return fake.how == NO_TOOLS ? json_integer(7) : json_pack("{so}", "tools", tools());
    return json_pack("{s[{ss ss}]}", "content", "type", "text", "text",
                     json_string_value(text) ? json_string_value(text) : "");
}

static void write_event(buf *out, const char *id, json_t *message)
{
    char *text = json_dumps(message, 0);
    if (id)
        buf_append_format(out, "id: %s\n", id);
    buf_append_text(out, "event: message\ndata: ");
    buf_append_text(out, text);
    buf_append_text(out, "\n\n");
    free(text);
    json_decref(message);
}

static json_t *reply_to(json_t *id, json_t *result)
{
    return json_pack("{ss sO so}", "jsonrpc", "2.0", "id", id, "result", result);
}

static json_t *resumed; /* what comes to who resumes */

static void answer_call(json_t *id, json_t *result, http_reply *out)
{
    buf *body = &out->body;
    const bool is_call = json_object_get(result, "content") != NULL;
    if (fake.how == EVENTS || (is_call && (fake.how == BREAKS || fake.how == HUGE)))
        out->content_type = HTTP_EVENT_STREAM;
    if (is_call && fake.how == SPEAKS_TEXT) {
        out->content_type = "text/html";
        buf_append_text(body, "<p>Hello</p>");
        json_decref(result);
    } else if (is_call && fake.how == CUT) {
        buf_append_text(body, "{\"jsonrpc\":\"2.0\",\"id\":");
        json_decref(result);
    } else if (is_call && fake.how == HUGE) {
        buf_append_text(body, "data: ");
        for (int i = 0; i < (MCP_MAX_MESSAGE_BYTES >> 16) + 16; i++) {
            static char block[1 << 16];
            memset(block, 'x', sizeof block);
            buf_append(body, block, sizeof block);
        }
        json_decref(result);
    } else if (is_call && fake.how == BREAKS) {
        json_decref(resumed);
        resumed = reply_to(id, result);
        buf_append_text(body, "id: e1\ndata:\n\n");
    } else if (fake.how == EVENTS) {
        write_event(body, NULL,
                    json_pack("{ss ss si}", "jsonrpc", "2.0", "method", "ping", "id", 9));
        buf_append_text(body, ": hello\n\ndata: not JSON\n\n");
        write_event(body, "e1",
                    json_pack("{ss ss}", "jsonrpc", "2.0", "method", "notifications/message"));
        write_event(body, "e2", reply_to(id, result));
    } else {
        json_t *reply = reply_to(id, result);
        char *text = json_dumps(reply, 0);
        buf_append_text(body, text);
        free(text);
        json_decref(reply);
    }
}

static bool knows(const http_request *q, const char *method)
{
    char session[32];
    const bool is_call = strcmp(method, "tools/call") == 0;
    if (is_call && (fake.how == FORGETFUL || (fake.how == FORGETS && fake.n_calls == 1)))
        return false;
    snprintf(session, sizeof session, "s%d", fake.n_sessions);
    return strcmp(method, "initialize") == 0 || strcmp(header(q, "Mcp-Session-Id"), session) == 0;
}

static void take(const http_request *q, json_t *message, http_reply *out)
{
    char session[32];
    json_t *id = json_object_get(message, "id");
    const char *method = json_string_value(json_object_get(message, "method"));
    if (method == NULL || id == NULL) {
        fake.n_pongs += method == NULL && json_integer_value(id) == 9;
        fake.n_canceled += method && strcmp(method, "notifications/cancelled") == 0;
        out->status = 202;
        return;
    }
    fake.n_calls += strcmp(method, "tools/call") == 0;
    fake.n_lists += strcmp(method, "tools/list") == 0;
    if (!knows(q, method)) {
        out->status = fake.how == FORGETS ? 400 : 404;
        return;
    }
    if (strcmp(method, "initialize") == 0) {
        snprintf(session, sizeof session, "s%d", ++fake.n_sessions);
        http_reply_header(out, "Mcp-Session-Id", session);
    } else {
        fake.seen_version |= strcmp(header(q, "MCP-Protocol-Version"), "2025-03-26") == 0;
    }
    answer_call(id, result_of(method, json_object_get(message, "params")), out);
}

static bool is_call(const json_t *message)
{
    const char *method = json_string_value(json_object_get(message, "method"));
    return method && strcmp(method, "tools/call") == 0;
}

static void serve_post(void *app, const http_request *q, http_reply *out)
{
    json_t *message = json_loadb(q->body, q->n_body, 0, NULL);
    (void)app;
    monitor_lock(&fake.door);
    fake.seen_bearer |= strcmp(header(q, "Authorization"), "Bearer sesame") == 0;
    if (fake.how == REDIRECTS && strcmp(q->path, "/mcp") == 0) {
        out->status = 307;
        http_reply_header(out, "Location", "/mcp/");
    } else if (fake.how == REFUSES) {
        out->status = 403;
        buf_append_text(&out->body, "{\"error\":{\"message\":\"not you\"}}");
    } else if (fake.how == SILENT && is_call(message)) {
        monitor_unlock(&fake.door);
        while (http_request_life(q) == HTTP_OPEN)
            nanosleep(&(struct timespec){0, 5000000}, NULL);
        monitor_lock(&fake.door);
    } else {
        take(q, message, out);
    }
    monitor_unlock(&fake.door);
    json_decref(message);
}

static void serve_get(void *app, const http_request *q, http_reply *out)
{
    (void)app;
    monitor_lock(&fake.door);
    snprintf(fake.last_event, sizeof fake.last_event, "%s", header(q, "Last-Event-ID"));
    out->content_type = HTTP_EVENT_STREAM;
    if (fake.how == BREAKS && resumed) {
        write_event(&out->body, "e2", json_incref(resumed));
    } else if (fake.how == LISTENED_TO && !fake.changed) {
        fake.changed = true;
        write_event(
            &out->body, "e7",
            json_pack("{ss ss}", "jsonrpc", "2.0", "method", "notifications/tools/list_changed"));
    } else if (fake.how != LISTENED_TO) {
        out->content_type = HTTP_JSON;
        out->status = 405;
    }
    monitor_unlock(&fake.door);
}

static void serve_delete(void *app, const http_request *q, http_reply *out)
{
    (void)app;
    monitor_lock(&fake.door);
    fake.n_ended += header(q, "Mcp-Session-Id")[0] == 's';
    out->status = 204;
    monitor_unlock(&fake.door);
}

static bool is_ready(void *app)
{
    (void)app;
    return true;
}

static void refuse(void *app, const char *path, int status, const char *message, http_reply *reply)
{
    (void)app;
    (void)path;
    (void)status;
    buf_append_text(&reply->body, message);
}

/* ---- the tests ---- */

static http_server *server;
static mcp *m;
static hearth_error err;

static void start(behaviour how)
{
    static const http_route routes[] = {
        {HTTP_POST, "/mcp", serve_post, HTTP_OPEN_TO_ALL, NULL},
        {HTTP_POST, "/mcp/", serve_post, HTTP_OPEN_TO_ALL, NULL},
        {HTTP_GET, "/mcp", serve_get, HTTP_OPEN_TO_ALL, NULL},
        {HTTP_DELETE, "/mcp", serve_delete, HTTP_OPEN_TO_ALL, NULL},
    };
    char text[600];
    http_options options;
    http_options_init(&options);
    options.host = "127.0.0.1";
    options.routes = routes;
    options.n_routes = sizeof routes / sizeof *routes;
    options.ready = is_ready;
    options.refuse = refuse;
    memset(&fake, 0, sizeof fake);
    fake.how = how;
    monitor_init(&fake.door);
    assert_int_equal(http_server_start(&server, &options, &err), HEARTH_OK);
    snprintf(text, sizeof text,
             "{\"far\": {\"type\": \"http\", \"url\": \"%s/mcp\", \"headers\": "
             "{\"Authorization\": \"Bearer sesame\"}}}",
             http_server_url(server));
    if (mcp_open(&m, text, NULL, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
}

static int stop(void **state)
{
    (void)state;
    mcp_close(m);
    m = NULL;
    http_server_free(server);
    server = NULL;
    json_decref(resumed);
    resumed = NULL;
    monitor_deinit(&fake.door);
    return 0;
}

static void rest(void)
{
    nanosleep(&(struct timespec){0, 5000000}, NULL);
}

static mcp_servers wait_for_state(mcp_state wanted)
{
    for (uint64_t end = clock_now_ns() + 20000000000u;; rest()) {
        mcp_servers servers;
        assert_int_equal(mcp_list_servers(m, &servers, &err), HEARTH_OK);
        if (servers.items[0].state == wanted)
            return servers;
        if (clock_now_ns() > end)
            fail_msg("it is %s: %s", mcp_state_name(servers.items[0].state),
                     servers.items[0].error);
        mcp_servers_free(&servers);
    }
}

static void wait_for(const int *number, int wanted)
{
    for (uint64_t end = clock_now_ns() + 20000000000u;; rest()) {
        monitor_lock(&fake.door);
        int n = *number;
        monitor_unlock(&fake.door);
        if (n >= wanted)
            return;
        if (clock_now_ns() > end)
            fail_msg("it stays at %d", n);
    }
}

static hearth_status call_echo(mcp_result *result)
{
    err = (hearth_error){0};
    return mcp_call(m, "far__echo", &(mcp_call_options){.arguments = "{\"text\": \"hällo\"}"},
                    result, &err);
}

static void expect_echo(void)
{
    mcp_result result;
    if (call_echo(&result) != HEARTH_OK)
        fail_msg("%s", err.message);
    assert_int_equal(result.n_parts, 1);
    assert_string_equal(result.parts[0].text, "hällo");
    mcp_result_free(&result);
}

static void expect_failure(const char *words)
{
    mcp_result result;
    assert_int_equal(call_echo(&result), HEARTH_EIO);
    if (strstr(err.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void test_calls(void **state)
{
    (void)state;
    start(GOOD);
    expect_echo();
    expect_echo();
    mcp_servers servers = wait_for_state(MCP_READY);
    assert_string_equal(servers.items[0].title, "far 2");
    assert_int_equal(servers.items[0].n_starts, 1);
    mcp_servers_free(&servers);
    mcp_close(m);
    m = NULL;
    assert_true(fake.seen_bearer);
    assert_true(fake.seen_version);
    assert_int_equal(fake.n_sessions, 1);
    assert_int_equal(fake.n_ended, 1);
}

static void test_answers_as_events(void **state)
{
    (void)state;
    start(EVENTS);
    expect_echo();
    wait_for(&fake.n_pongs, 1);
}

static void test_a_broken_stream_is_resumed(void **state)
{
    (void)state;
    start(BREAKS);
    expect_echo();
    assert_string_equal(fake.last_event, "e1");
    assert_int_equal(fake.n_calls, 1);
}

static void test_a_lost_session(void **state)
{
    (void)state;
    start(FORGETS);
    expect_echo();
    assert_int_equal(fake.n_sessions, 2);
    assert_int_equal(fake.n_calls, 2);
    stop(NULL);
    start(FORGETFUL);
    expect_failure("404");
    assert_int_equal(fake.n_calls, 2); /* not for ever */
}

static bool go_on(void *user)
{
    return --*(int *)user > 0;
}

static void test_time_and_cancel(void **state)
{
    (void)state;
    mcp_result result;
    int patience = 2;
    start(SILENT);
    mcp_servers servers = wait_for_state(MCP_READY);
    mcp_servers_free(&servers);
    assert_int_equal(mcp_call(m, "far__echo", &(mcp_call_options){.timeout_ms = 50}, &result, &err),
                     HEARTH_EIO);
    assert_non_null(strstr(err.message, "in time"));
    wait_for(&fake.n_canceled, 1);
    assert_int_equal(mcp_call(m, "far__echo",
                              &(mcp_call_options){.go_on = go_on, .user = &patience}, &result,
                              &err),
                     HEARTH_ECANCELED);
    wait_for(&fake.n_canceled, 2);
    servers = wait_for_state(MCP_READY);
    assert_int_equal(servers.items[0].n_starts, 1);
    mcp_servers_free(&servers);
}

static void test_misbehaviour(void **state)
{
    (void)state;
    start(SPEAKS_TEXT);
    expect_failure("neither JSON nor events");
    stop(NULL);
    start(CUT);
    expect_failure("before the result");
    stop(NULL);
    start(HUGE);
    mcp_result result;
    assert_int_equal(call_echo(&result), HEARTH_EIO);
}

static void test_one_that_cannot_start(void **state)
{
    (void)state;
    start(REFUSES);
    mcp_servers servers = wait_for_state(MCP_FAILED);
    assert_non_null(strstr(servers.items[0].error, "403: not you"));
    mcp_servers_free(&servers);
    expect_failure("does not run");
    stop(NULL);
    start(NO_TOOLS);
    servers = wait_for_state(MCP_FAILED);
    mcp_servers_free(&servers);
    stop(NULL);
    start(GOOD);
    mcp_close(m);
    assert_int_equal(mcp_open(&m, "{\"x\": {\"url\": \"http://127.0.0.1:1/mcp\"}}", NULL, &err),
                     HEARTH_OK);
    servers = wait_for_state(MCP_FAILED);
    assert_non_null(strstr(servers.items[0].error, "127.0.0.1"));
    mcp_servers_free(&servers);
}

static void test_a_server_that_goes_away(void **state)
{
    (void)state;
    mcp_result result;
    start(GOOD);
    expect_echo();
    http_server_free(server);
    server = NULL;
    assert_int_equal(call_echo(&result), HEARTH_EIO);
    mcp_servers servers = wait_for_state(MCP_FAILED);
    mcp_servers_free(&servers);
}

static void test_redirect(void **state)
{
    (void)state;
    start(REDIRECTS);
    expect_echo();
    assert_true(fake.seen_bearer);
}

static void test_tools_change(void **state)
{
    (void)state;
    mcp_tools list;
    start(LISTENED_TO);
    for (size_t n = 0; n < 2; rest()) {
        assert_int_equal(mcp_list_tools(m, &list, &err), HEARTH_OK);
        n = list.n;
        mcp_tools_free(&list);
    }
    wait_for(&fake.n_lists, 2);
}

static void call_often(void *arg)
{
    int *n_good = arg;
    for (int i = 0; i < 20; i++) {
        mcp_result result;
        hearth_error error;
        char arguments[40], wanted[12];
        snprintf(wanted, sizeof wanted, "%d", i);
        snprintf(arguments, sizeof arguments, "{\"text\": \"%d\"}", i);
        if (mcp_call(m, "far__echo", &(mcp_call_options){.arguments = arguments}, &result,
                     &error) == HEARTH_OK)
            *n_good += strcmp(result.parts[0].text, wanted) == 0;
        mcp_result_free(&result);
    }
}

static void test_many_callers(void **state)
{
    (void)state;
    thread threads[4] = {0};
    int n_good[4] = {0};
    start(FORGETS);
    mcp_servers servers = wait_for_state(MCP_READY);
    mcp_servers_free(&servers);
    for (int i = 0; i < 4; i++)
        assert_int_equal(thread_start(&threads[i], call_often, &n_good[i], "a caller", &err),
                         HEARTH_OK);
    for (int i = 0; i < 4; i++) {
        thread_join(&threads[i]);
        assert_int_equal(n_good[i], 20);
    }
}

static void test_configurations(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"{\"a\": {\"url\": \"ftp://x\"}}", "mcpServers.a.url"},
        {"{\"a\": {\"url\": \"http://x\", \"command\": \"x\"}}", "mcpServers.a.url"},
        {"{\"a\": {\"url\": \"http://x\", \"headers\": {\"A\": 1}}}", "mcpServers.a.headers"},
        {"{\"a\": {\"url\": \"http://x\", \"headers\": {\"A\": \"b\\r\\nc\"}}}", "of one line"},
        {"{\"a\": {\"url\": \"http://x\", \"headers\": {\"A:\": \"b\"}}}", "of one line"},
        {"{\"a\": {\"url\": \"http://x\", \"type\": \"sse\"}}", "mcpServers.a.type"},
        {"{\"a\": {\"command\": \"x\", \"type\": \"http\"}}", "mcpServers.a.type"},
        {"{\"a\": {\"command\": \"x\", \"timeout\": 0}}", "mcpServers.a.timeout"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mcp_open(&m, cases[i][0], NULL, &err), HEARTH_EINVAL);
        if (strstr(err.message, cases[i][1]) == NULL)
            fail_msg("'%s' does not say '%s'", err.message, cases[i][1]);
        assert_null(m);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls),
        TEST(test_answers_as_events),
        TEST(test_a_broken_stream_is_resumed),
        TEST(test_a_lost_session),
        TEST(test_time_and_cancel),
        TEST(test_misbehaviour),
        TEST(test_one_that_cannot_start),
        TEST(test_a_server_that_goes_away),
        TEST(test_redirect),
        TEST(test_tools_change),
        TEST(test_many_callers),
        cmocka_unit_test(test_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
