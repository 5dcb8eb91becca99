/* SPDX-License-Identifier: MIT
 *
 * test_mcp.c - the client of tool servers, against servers that behave and servers that do not.
 *
 * The server is this program itself, called with the name of a behaviour.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "mcp/mcp.h"
#include "os/clock.h"
#include "os/thread.h"

/* ---- the server ---- */

static const char *how;

static bool behaves(const char *name)
{
    return strcmp(how, name) == 0;
}

static void say(json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    printf("%s\n", text);
    fflush(stdout);
    free(text);
}

static void answer(json_t *id, json_t *result)
{
    say(json_pack("{ss sO so}", "jsonrpc", "2.0", "id", id, "result", result));
}

static json_t *tool_of(const char *name)
{
    return json_pack("{ss ss s{ss}}", "name", name, "description", "does it", "inputSchema", "type",
                     "object");
}

static void list(json_t *id, const json_t *params)
{
    static int n_lists;
    const char *cursor = json_string_value(json_object_get(params, "cursor"));
    if (behaves("pages") && cursor == NULL) {
        answer(id, json_pack("{s[o o] ss}", "tools", tool_of("first"), tool_of("sec.ond"),
                             "nextCursor", "2"));
    } else if (behaves("pages")) {
        answer(id, json_pack("{s[o]}", "tools", tool_of("third")));
    } else {
        bool more = n_lists++ > 0; /* after it said that they changed */
        json_t *tools = json_pack("[o]", tool_of("echo"));
        if (more)
            json_array_append_new(tools, tool_of("another"));
        answer(id, json_pack("{so}", "tools", tools));
    }
}

static void call(json_t *id, const json_t *params)
{
    json_t *arguments = json_object_get(params, "arguments");
    const char *text = json_string_value(json_object_get(arguments, "text"));
    if (behaves("dies")) {
        fprintf(stderr, "first\nI give up\n");
        _exit(3);
    }
    if (behaves("slow"))
        return; /* for ever */
    if (behaves("change"))
        say(json_pack("{ss ss}", "jsonrpc", "2.0", "method", "notifications/tools/list_changed"));
    if (behaves("refuses")) {
        say(json_pack("{ss sO s{si ss}}", "jsonrpc", "2.0", "id", id, "error", "code", -32602,
                      "message", "no such thing"));
        return;
    }
    if (behaves("asks")) /* answers of the client come back as lines, and are passed over */
        say(json_pack("{ss ss ss}", "jsonrpc", "2.0", "id", "q1", "method", "ping"));
    answer(id, json_pack("{s[{ss ss} {ss ss ss}] s{ss} sb}", "content", "type", "text", "text",
                         text ? text : "", "type", "image", "data", "AAEC", "mimeType", "image/png",
                         "structuredContent", "a", "b", "isError", behaves("fails")));
}

static int serve(void)
{
    static char line[1 << 20];
    if (behaves("greets"))
        printf("Welcome!\n{\"half\": \n[1, 2]\n\n");
    while (fgets(line, sizeof line, stdin)) {
        json_t *message = json_loads(line, 0, NULL);
        json_t *id = json_object_get(message, "id"), *params = json_object_get(message, "params");
        const char *method = json_string_value(json_object_get(message, "method"));
        if (behaves("mute") || method == NULL) {
            /* says nothing */
        } else if (strcmp(method, "initialize") == 0) {
            if (behaves("no start")) {
                fprintf(stderr, "the key is missing\n");
                _exit(1);
            }
            answer(id, json_pack("{ss s{s{}} s{ss ss} ss}", "protocolVersion", "2025-06-18",
                                 "capabilities", "tools", "serverInfo", "name", "fake", "version",
                                 getenv("FAKE_VERSION") ? getenv("FAKE_VERSION") : "1",
                                 "instructions", "Be careful."));
        } else if (strcmp(method, "tools/list") == 0) {
            list(id, params);
        } else if (strcmp(method, "tools/call") == 0) {
            call(id, params);
        }
        json_decref(message);
    }
    if (behaves("stays")) /* although its input is closed */
        pause();
    return 0;
}

/* ---- the tests ---- */

static mcp *m;
static hearth_error err;
static char self[4096];

static void open_one(const char *behaviour)
{
    char text[8192];
    snprintf(text, sizeof text,
             "{\"mcpServers\": {\"my server\": {\"command\": \"%s\", \"args\": [\"%s\"], \"env\": "
             "{\"FAKE_VERSION\": \"7\"}}}}",
             self, behaviour);
    if (mcp_open(&m, text, NULL, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
}

static int close_all(void **state)
{
    (void)state;
    mcp_close(m);
    m = NULL;
    return 0;
}

static void rest(void)
{
    const struct timespec moment = {0, 5000000};
    nanosleep(&moment, NULL);
}

/* The server's description, once it is in that state. */
static mcp_servers wait_for_state(mcp_state wanted)
{
    for (uint64_t end = clock_now_ns() + 20000000000u;;) {
        mcp_servers servers;
        assert_int_equal(mcp_list_servers(m, &servers, &err), HEARTH_OK);
        if (servers.items[0].state == wanted)
            return servers;
        if (clock_now_ns() > end)
            fail_msg("it is %s: %s", mcp_state_name(servers.items[0].state),
                     servers.items[0].error);
        mcp_servers_free(&servers);
        rest();
    }
}

static hearth_status call_echo(const char *text, mcp_result *result)
{
    char arguments[200];
    snprintf(arguments, sizeof arguments, "{\"text\": \"%s\"}", text);
    err = (hearth_error){0};
    return mcp_call(m, "my_server__echo", &(mcp_call_options){.arguments = arguments}, result,
                    &err);
}

static void expect_echo(const char *behaviour)
{
    mcp_result result;
    open_one(behaviour);
    if (call_echo("hällo", &result) != HEARTH_OK)
        fail_msg("%s: %s", behaviour, err.message);
    assert_int_equal(result.n_parts, 2);
    assert_int_equal(result.parts[0].kind, MCP_TEXT);
    assert_string_equal(result.parts[0].text, "hällo");
    assert_int_equal(result.parts[1].kind, MCP_IMAGE);
    assert_string_equal(result.parts[1].data, "AAEC");
    assert_string_equal(result.parts[1].type, "image/png");
    assert_string_equal(result.structured, "{\"a\":\"b\"}");
    assert_int_equal(result.is_error, strcmp(behaviour, "fails") == 0);
    mcp_result_free(&result);
    close_all(NULL);
}

static void test_calls(void **state)
{
    (void)state;
    expect_echo("good");
    expect_echo("greets");
    expect_echo("fails");
    expect_echo("asks");
    expect_echo("stays");
}

static void test_describes_itself(void **state)
{
    (void)state;
    open_one("good");
    mcp_servers servers = wait_for_state(MCP_READY);
    assert_int_equal(servers.n, 1);
    assert_string_equal(servers.items[0].name, "my server");
    assert_string_equal(servers.items[0].title, "fake 7");
    assert_string_equal(servers.items[0].instructions, "Be careful.");
    assert_int_equal(servers.items[0].n_tools, 1);
    assert_string_equal(servers.items[0].error, "");
    mcp_servers_free(&servers);
}

static void test_pages_of_tools(void **state)
{
    (void)state;
    mcp_tools tools;
    open_one("pages");
    mcp_servers servers = wait_for_state(MCP_READY);
    mcp_servers_free(&servers);
    assert_int_equal(mcp_list_tools(m, &tools, &err), HEARTH_OK);
    assert_int_equal(tools.n, 3);
    assert_string_equal(tools.items[1].id, "my_server__sec_ond");
    assert_string_equal(tools.items[1].name, "sec.ond");
    assert_string_equal(tools.items[1].server, "my server");
    assert_string_equal(tools.items[2].schema, "{\"type\":\"object\"}");
    mcp_tools_free(&tools);
}

static void test_tools_change(void **state)
{
    (void)state;
    mcp_tools tools;
    mcp_result result;
    open_one("change");
    assert_int_equal(call_echo("x", &result), HEARTH_OK);
    mcp_result_free(&result);
    for (size_t n = 1; n == 1; rest()) {
        assert_int_equal(mcp_list_tools(m, &tools, &err), HEARTH_OK);
        n = tools.n;
        mcp_tools_free(&tools);
    }
    assert_int_equal(mcp_call(m, "my_server__another", &(mcp_call_options){0}, &result, &err),
                     HEARTH_OK);
    mcp_result_free(&result);
}

static void test_a_dead_server_comes_back(void **state)
{
    (void)state;
    mcp_result result;
    open_one("dies");
    assert_int_equal(call_echo("x", &result), HEARTH_EIO);
    assert_non_null(strstr(err.message, "I give up"));
    mcp_servers servers = wait_for_state(MCP_READY);
    assert_int_equal(servers.items[0].n_starts, 2);
    mcp_servers_free(&servers);
}

static void test_one_that_cannot_start(void **state)
{
    (void)state;
    mcp_result result;
    open_one("no start");
    mcp_servers servers = wait_for_state(MCP_FAILED);
    assert_non_null(strstr(servers.items[0].error, "the key is missing"));
    mcp_servers_free(&servers);
    assert_int_equal(
        mcp_call(m, "my_server__echo", &(mcp_call_options){.timeout_ms = 10}, &result, &err),
        HEARTH_EIO);
    close_all(NULL);
    assert_int_equal(mcp_open(&m, "{\"x\": {\"command\": \"/not/there\"}}", NULL, &err), HEARTH_OK);
    servers = wait_for_state(MCP_FAILED);
    assert_non_null(strstr(servers.items[0].error, "/not/there"));
    mcp_servers_free(&servers);
}

static bool stop(void *user)
{
    return --*(int *)user > 0;
}

static void test_time_and_cancel(void **state)
{
    (void)state;
    mcp_result result;
    int patience = 2;
    open_one("slow");
    mcp_servers servers = wait_for_state(MCP_READY);
    mcp_servers_free(&servers);
    assert_int_equal(
        mcp_call(m, "my_server__echo", &(mcp_call_options){.timeout_ms = 50}, &result, &err),
        HEARTH_EIO);
    assert_non_null(strstr(err.message, "within 50 ms"));
    assert_int_equal(mcp_call(m, "my_server__echo",
                              &(mcp_call_options){.go_on = stop, .user = &patience}, &result, &err),
                     HEARTH_ECANCELED);
    servers = wait_for_state(MCP_READY);
    assert_int_equal(servers.items[0].n_starts, 1);
    mcp_servers_free(&servers);
}

static void test_refusals(void **state)
{
    (void)state;
    mcp_result result;
    open_one("refuses");
    assert_int_equal(call_echo("x", &result), HEARTH_EIO);
    assert_non_null(strstr(err.message, "no such thing"));
    assert_int_equal(mcp_call(m, "other__echo", &(mcp_call_options){0}, &result, &err),
                     HEARTH_ENOTFOUND);
    assert_int_equal(
        mcp_call(m, "my_server__echo", &(mcp_call_options){.arguments = "[1]"}, &result, &err),
        HEARTH_EINVAL);
}

static void test_a_mute_server_holds_up_nobody(void **state)
{
    (void)state;
    char text[9000];
    mcp_result result;
    snprintf(text, sizeof text,
             "{\"mute\": {\"command\": \"%s\", \"args\": [\"mute\"]}, \"my server\": {\"command\": "
             "\"%s\", \"args\": [\"good\"]}, \"off\": {\"command\": \"x\", \"disabled\": true}}",
             self, self);
    assert_int_equal(mcp_open(&m, text, NULL, &err), HEARTH_OK);
    assert_int_equal(call_echo("x", &result), HEARTH_OK);
    mcp_result_free(&result);
    assert_int_equal(
        mcp_call(m, "mute__echo", &(mcp_call_options){.timeout_ms = 50}, &result, &err),
        HEARTH_EIO);
    mcp_servers servers = wait_for_state(MCP_STARTING);
    assert_int_equal(servers.items[2].state, MCP_DISABLED);
    mcp_servers_free(&servers);
}

static void call_often(void *arg)
{
    int *n_good = arg;
    for (int i = 0; i < 50; i++) {
        mcp_result result;
        hearth_error error;
        char arguments[40];
        snprintf(arguments, sizeof arguments, "{\"text\": \"%d\"}", i);
        if (mcp_call(m, "my_server__echo", &(mcp_call_options){.arguments = arguments}, &result,
                     &error) == HEARTH_OK)
            *n_good += strtol(result.parts[0].text, NULL, 10) == i;
        mcp_result_free(&result);
    }
}

static void test_many_callers(void **state)
{
    (void)state;
    thread threads[4] = {0};
    int n_good[4] = {0};
    open_one("good");
    for (int i = 0; i < 4; i++)
        assert_int_equal(thread_start(&threads[i], call_often, &n_good[i], "a caller", &err),
                         HEARTH_OK);
    for (int i = 0; i < 4; i++) {
        thread_join(&threads[i]);
        assert_int_equal(n_good[i], 50);
    }
}

static void test_configurations(void **state)
{
    (void)state;
    const char *const cases[][2] = {
        {"[", "the JSON is wrong"},
        {"[]", "must be an object"},
        {"{\"a\": 1}", "mcpServers.a: must be an object"},
        {"{\"a\": {}}", "mcpServers.a.command"},
        {"{\"a\": {\"url\": 1}}", "mcpServers.a.url"},
        {"{\"a\": {\"command\": \"x\", \"args\": [1]}}", "mcpServers.a.args"},
        {"{\"a\": {\"command\": \"x\", \"env\": {\"K\": 1}}}", "mcpServers.a.env"},
        {"{\"a\": {\"command\": \"x\", \"cwd\": 1}}", "mcpServers.a.cwd"},
        {"{\"a\": {\"command\": \"x\", \"comand\": 1}}", "mcpServers.a.comand: there is no"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mcp_open(&m, cases[i][0], NULL, &err), HEARTH_EINVAL);
        if (strstr(err.message, cases[i][1]) == NULL)
            fail_msg("'%s' does not say '%s'", err.message, cases[i][1]);
        assert_null(m);
    }
    assert_int_equal(mcp_open(&m, "{}", NULL, &err), HEARTH_OK);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_all)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls),
        TEST(test_describes_itself),
        TEST(test_pages_of_tools),
        TEST(test_tools_change),
        TEST(test_a_dead_server_comes_back),
        TEST(test_one_that_cannot_start),
        TEST(test_time_and_cancel),
        TEST(test_refusals),
        TEST(test_a_mute_server_holds_up_nobody),
        TEST(test_many_callers),
        TEST(test_configurations),
    };
    if (argc > 1) {
        how = argv[1];
        return serve();
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
