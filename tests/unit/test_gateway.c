/* SPDX-License-Identifier: MIT
 *
 * test_gateway.c - the pure parts of hearth serve: keys and scopes, the table of routes, what is
 * read of a body, streams that are handed on, chunks of an answer, titles, options.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "gateway/access.h"
#include "gateway/address.h"
#include "gateway/assets.h"
#include "gateway/body.h"
#include "gateway/chunks.h"
#include "gateway/relay.h"
#include "gateway/title.h"
#include "gateway/via.h"
#include "support/test_reference.h"

/* ---- keys ---- */

static char folder[48];

static int make_folder(void **state)
{
    (void)state;
    return test_temporary(folder, sizeof folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    test_remove(folder);
    return 0;
}

static void temporary(char path[64], const char *name)
{
    snprintf(path, 64, "%s/%s", folder, name);
}

static access_scope scope_of(const access_keys *keys, const char *key)
{
    char head[256];
    snprintf(head, sizeof head, "Bearer %s", key);
    assert_int_equal(access_scope_of(keys, head, NULL), access_scope_of(keys, NULL, key));
    return access_scope_of(keys, head, NULL);
}

static void test_keys(void **state)
{
    static const char *const api[] = {"alpha", "beta"};
    access_keys keys = {.api = api, .n_api = 2}, again = {0};
    char path[64], session[ACCESS_SESSION_BYTES], read[ACCESS_KEY_BYTES];
    struct stat info;
    hearth_error err;
    (void)state;
    temporary(path, "key");
    assert_int_equal(access_read_key(path, read, &err), HEARTH_ENOTFOUND);
    assert_int_equal(access_open(&keys, path, &err), HEARTH_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(access_open(&again, path, &err), HEARTH_OK);
    assert_string_equal(again.key, keys.key);
    assert_string_not_equal(again.token, keys.token);
    assert_int_equal(scope_of(&keys, keys.key), SCOPE_MANAGE);
    assert_int_equal(scope_of(&keys, "beta"), SCOPE_INFER);
    assert_int_equal(scope_of(&keys, "bet"), SCOPE_OPEN);
    assert_int_equal(scope_of(&keys, ""), SCOPE_OPEN);
    assert_int_equal(scope_of(&keys, keys.token), SCOPE_OPEN);
    assert_int_equal(access_scope_of(&keys, NULL, NULL), SCOPE_OPEN);
    assert_false(access_begin_session(&keys, "alpha", session));
    assert_true(access_begin_session(&keys, keys.token, session));
    assert_int_equal(scope_of(&keys, session), SCOPE_MANAGE);
    assert_int_equal(scope_of(&again, session), SCOPE_MANAGE); /* after a restart, too */
    for (size_t i = 0; session[i]; i++) {
        session[i] ^= 1;
        assert_int_equal(scope_of(&keys, session), SCOPE_OPEN);
        session[i] ^= 1;
    }
    again.key[5] ^= 1; /* another installation */
    assert_int_equal(scope_of(&again, session), SCOPE_OPEN);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(access_open(&again, path, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "chmod 600"));
}

static void test_key_files(void **state)
{
    char path[64], read[ACCESS_KEY_BYTES], bytes[65];
    access_keys keys = {0};
    hearth_error err;
    (void)state;
    temporary(path, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(access_read_key(path, read, &err), HEARTH_EFORMAT);
    assert_int_equal(access_open(&keys, path, &err), HEARTH_EFORMAT);
    temporary(path, "bytes");
    for (int fill = 1; fill < 256; fill++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(chmod(path, 0600), 0);
        memset(bytes, fill, sizeof bytes);
        assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
        assert_int_equal(fclose(file), 0);
        bool good = fill > ' ' && fill < 0x7f && fill != ',';
        assert_int_equal(access_read_key(path, read, &err), good ? HEARTH_OK : HEARTH_EFORMAT);
    }
}

/* ---- the address file ---- */

static void test_address(void **state)
{
    char path[64];
    int first, second;
    hearth_error err;
    (void)state;
    temporary(path, "serve.json");
    assert_int_equal(address_check(path, &err), HEARTH_ENOTFOUND);
    FILE *stale = fopen(path, "w"); /* names a process that lives, and is no server */
    assert_non_null(stale);
    fprintf(stale, "{\"url\":\"http://127.0.0.1:1\",\"pid\":%ld}\n", (long)getpid());
    assert_int_equal(fclose(stale), 0);
    assert_int_equal(address_check(path, &err), HEARTH_ENOTFOUND);
    assert_int_equal(address_publish(path, "http://127.0.0.1:2", &first, &err), HEARTH_OK);
    assert_int_equal(address_check(path, &err), HEARTH_OK);
    assert_int_equal(address_publish(path, "http://127.0.0.1:3", &second, &err), HEARTH_EBUSY);
    assert_int_equal(second, -1);
    address_withdraw(path, second);
    assert_int_equal(address_check(path, &err), HEARTH_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(address_publish(path, "http://127.0.0.1:3", &second, &err), HEARTH_OK);
    address_withdraw(path, first); /* its file is another one's now */
    assert_int_equal(address_check(path, &err), HEARTH_OK);
    address_withdraw(path, second);
    assert_int_equal(access(path, F_OK), -1);
}

/* Of servers that start in the same moment one has the file, and it is the one that is told so. */
static void test_address_race(void **state)
{
    enum { ROUNDS = 40, SERVERS = 8 };
    char path[64], go;
    pid_t servers[SERVERS];
    (void)state;
    temporary(path, "race.json");
    for (int round = 0; round < ROUNDS; round++) {
        int start[2], done[2], n_held = 0;
        assert_int_equal(pipe(start), 0);
        assert_int_equal(pipe(done), 0);
        for (int i = 0; i < SERVERS; i++) {
            servers[i] = fork();
            assert_int_not_equal(servers[i], -1);
            if (servers[i] > 0)
                continue;
            int fd;
            close(start[1]);
            while (read(start[0], &go, 1) > 0) {
            }
            bool held = address_publish(path, "http://127.0.0.1:2", &fd, NULL) == HEARTH_OK;
            if (write(done[1], held ? "y" : "n", 1) == 1)
                pause(); /* and holds it */
            _exit(0);
        }
        close(start[1]); /* all of them go */
        for (int i = 0; i < SERVERS; i++) {
            assert_int_equal(read(done[0], &go, 1), 1);
            n_held += go == 'y';
        }
        for (int i = 0; i < SERVERS; i++) {
            kill(servers[i], SIGKILL);
            waitpid(servers[i], NULL, 0);
        }
        assert_int_equal(n_held, 1);
        close(start[0]);
        close(done[0]);
        close(done[1]);
    }
}

/* ---- routes ---- */

static void test_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < gateway_n_routes; i++) {
        const gateway_route *r = &gateway_routes[i];
        const char *p = r->path;
        bool open = r->scope == SCOPE_OPEN;
        assert_non_null(r->handler);
        assert_true(strlen(r->summary) > 3);
        /* What changes something is for managers, but for what engines answer and the page's key.
         */
        if (r->methods != HTTP_GET && r->scope != SCOPE_MANAGE)
            assert_true(r->dialect != DIALECT_HEARTH || strcmp(p, "/hearth/session") == 0);
        if (strncmp(p, "/hearth/", 8) == 0 && r->scope != SCOPE_MANAGE)
            assert_true(open && (strcmp(p, "/hearth/version") == 0 ||
                                 strcmp(p, "/hearth/openapi.json") == 0 ||
                                 strcmp(p, "/hearth/session") == 0));
        for (size_t k = 0; k < i; k++)
            assert_false(gateway_routes[k].methods == r->methods &&
                         strcmp(gateway_routes[k].path, p) == 0);
    }
}

/* A row with a star must not stand before one that is meant by a longer path. */
static void test_route_order(void **state)
{
    http_route *rows = mem_calloc(gateway_n_routes, sizeof *rows);
    (void)state;
    for (size_t i = 0; i < gateway_n_routes; i++)
        rows[i] = (http_route){gateway_routes[i].methods, gateway_routes[i].path, NULL, 0,
                               &gateway_routes[i]};
    for (size_t i = 0; i < gateway_n_routes; i++) {
        const char *star = strchr(gateway_routes[i].path, '*');
        char path[128];
        int n = star ? (int)(star - gateway_routes[i].path) : 127;
        snprintf(path, sizeof path, "%.*s%s%s", n, gateway_routes[i].path, star ? "12" : "",
                 star ? star + 1 : "");
        http_match match = route_find(rows, gateway_n_routes, gateway_routes[i].methods, path);
        assert_ptr_equal(match.route, &rows[i]);
    }
    mem_free(rows);
}

/* ---- bodies ---- */

static void test_body(void **state)
{
    static const char *const wrong[] = {
        "[]",    "x",           "{",          "{\"a\"}",     "{\"a\":}",  "{\"a\":1,}",
        "{}{}",  "{\"a\":[1}",  "{\"a\":\"}", "{\"a\":1 2}", "{\"a\" 1}", "{\"a\":\"\\",
        "{1:2}", "{\"a\":{]}}", "null",       "{\"a\":1",    "{,}",       "\"model\""};
    body_view view;
    char name[16];
    buf out;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(body_read(wrong[i], strlen(wrong[i]), &view, NULL), HEARTH_EINVAL);
    static const char body[] = " {\"x\":{\"model\":\"no\"},\"model\": \"a\\/b\" ,\"stream\":true,"
                               "\"m\":[\"}\\\"]\",{}]}\n";
    assert_int_equal(body_read(body, sizeof body - 1, &view, NULL), HEARTH_OK);
    assert_true(view.streams);
    assert_true(body_text(view.model, name, sizeof name));
    assert_string_equal(name, "a/b");
    assert_false(body_text(view.model, name, 3));
    assert_false(body_text(view.session_id, name, sizeof name));
    buf_init(&out, 0);
    assert_true(body_for_engine(&view, "q\"z", NULL, 0, &out));
    assert_string_equal(out.data,
                        "{\"x\":{\"model\":\"no\"},\"model\": \"q\\\"z\" ,\"stream\":true,"
                        "\"m\":[\"}\\\"]\",{}]}");
    buf_clear(&out);
    assert_int_equal(body_read("", 0, &view, NULL), HEARTH_OK);
    assert_true(body_for_engine(&view, "m", NULL, 0, &out));
    assert_string_equal(out.data, "{\"model\":\"m\"}");
    buf_clear(&out);
    assert_int_equal(body_read("{\"n\":1}", 7, &view, NULL), HEARTH_OK);
    assert_true(body_for_engine(&view, "m", NULL, 0, &out));
    assert_string_equal(out.data, "{\"model\":\"m\",\"n\":1}");
    buf_deinit(&out);
    static const char escaped[] = "{\"session\\u005fid\":\"s\",\"m\\u006fdel\":\"a\",\"\\\"\":1}";
    assert_int_equal(body_read(escaped, sizeof escaped - 1, &view, NULL), HEARTH_OK);
    assert_true(body_text(view.session_id, name, sizeof name));
    assert_string_equal(name, "s");
    assert_true(body_text(view.model, name, sizeof name));
    assert_string_equal(name, "a");
    char deep[2 * BODY_DEPTH_MAX + 32] = "{\"a\":";
    memset(deep + 5, '[', BODY_DEPTH_MAX + 1);
    assert_int_equal(body_read(deep, strlen(deep), &view, NULL), HEARTH_EINVAL);
}

/* The limit that a model's file gives stands where the request has none, whatever it calls it. */
static void test_limit(void **state)
{
    static const char *const cases[][2] = {
        {"", "{\"model\":\"m\",\"max_tokens\":9}"},
        {"{\"n\":1}", "{\"model\":\"m\",\"max_tokens\":9,\"n\":1}"},
        {"{\"n\":1,\"model\":0}", "{\"max_tokens\":9,\"n\":1,\"model\":\"m\"}"},
        {"{\"max_tokens\":3,\"model\":0}", "{\"max_tokens\":3,\"model\":\"m\"}"},
        {"{\"model\":0,\"n_predict\":-1}", "{\"model\":\"m\",\"n_predict\":-1}"},
        {"{\"model\":0,\"max_tokens\": null }", "{\"model\":\"m\",\"max_tokens\": 9 }"},
        {"{\"max_completion_tokens\":null,\"model\":0}",
         "{\"max_completion_tokens\":9,\"model\":\"m\"}"},
        {"{\"max_tokens\":null,\"max_completion_tokens\":5}",
         "{\"model\":\"m\",\"max_tokens\":null,\"max_completion_tokens\":5}"},
        {"{\"max_completion\\u005ftokens\":5}",
         "{\"model\":\"m\",\"max_completion\\u005ftokens\":5}"},
        {"{\"x\":{\"max_tokens\":3}}",
         "{\"model\":\"m\",\"max_tokens\":9,\"x\":{\"max_tokens\":3}}"},
    };
    body_view view;
    buf out;
    (void)state;
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&out);
        assert_int_equal(body_read(cases[i][0], strlen(cases[i][0]), &view, NULL), HEARTH_OK);
        assert_true(body_for_engine(&view, "m", "max_tokens", 9, &out));
        assert_string_equal(out.data, cases[i][1]);
    }
    buf_deinit(&out);
}

/* ---- streams ---- */

static void test_whole_events(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {{"", 0},
                 {"data: 1", 0},
                 {"data: 1\n", 0},
                 {"data: 1\n\n", 9},
                 {"data: 1\n\ndata: 2\n", 9},
                 {"data: 1\r\n\r\ndata", 11},
                 {"\n", 0},
                 {":\n\n", 3}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(relay_whole_events(cases[i].text, strlen(cases[i].text)), cases[i].n);
}

static void test_stream_failure(void **state)
{
    const hearth_error error = {.code = HEARTH_EIO, .message = "gone"};
    const runtime_failure failure = {.code = RUNTIME_CRASHED};
    buf out;
    (void)state;
    buf_init(&out, 0);
    assert_true(relay_write_failure(API_OPENAI_CHAT, &error, &failure, &out));
    assert_memory_equal(out.data, "data: {\"error\":{", 16);
    assert_memory_equal(out.data + out.n - 2, "\n\n", 2);
    buf_clear(&out);
    assert_true(relay_write_failure(API_ANTHROPIC, &error, &failure, &out));
    assert_memory_equal(out.data, "event: error\ndata: {\"type\":\"error\"", 34);
    buf_deinit(&out);
}

/* The same events however they are cut. */
static void test_chunks(void **state)
{
    static const char stream[] =
        "data: {\"choices\":[],\"prompt_progress\":{\"total\":9,\"processed\":4}}\n\n"
        ": comment\n\n"
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\r\n\r\n"
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\\u00e4\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n"
        "data: "
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{"
        "\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n"
        "data: "
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\"}}"
        "]}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
        "data: "
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2},\"timings\":{"
        "\"prompt_ms\":1.5,\"predicted_ms\":4,\"cache_n\":3}}\n\n"
        "data: [DONE]\n\n";
    (void)state;
    for (size_t step = 1; step < sizeof stream; step += step < 40 ? 1 : 97) {
        chunks c;
        chunk one;
        char kinds[32] = "";
        chunks_init(&c);
        for (size_t at = 0; at < sizeof stream - 1; at += step) {
            size_t n = sizeof stream - 1 - at < step ? sizeof stream - 1 - at : step;
            assert_true(buf_append(chunks_input(&c), stream + at, n));
            while (chunks_next(&c, &one))
                strncat(kinds, &"TCPFD"[one.kind], 1);
        }
        assert_string_equal(kinds, "PTCCD");
        assert_string_equal(c.content.data, "a\xc3\xa4"
                                            "b");
        assert_string_equal(c.thinking.data, "hm");
        assert_string_equal(c.finish, "stop");
        assert_int_equal(c.usage.n_prompt, 9);
        assert_int_equal(c.usage.n_cached, 3);
        json_t *function = json_object_get(json_array_get(c.tool_calls, 0), "function");
        assert_string_equal(json_string_value(json_object_get(function, "arguments")), "{}");
        chunks_deinit(&c);
    }
}

static void test_chunk_failures(void **state)
{
    static const char *const streams[] = {"data: {\"error\":{\"message\":\"no\"}}\n\n",
                                          "data: {\n\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        chunks c;
        chunk one;
        chunks_init(&c);
        buf_append_text(chunks_input(&c), streams[i]);
        assert_true(chunks_next(&c, &one));
        assert_int_equal(one.kind, CHUNK_FAILURE);
        chunks_deinit(&c);
    }
}

/* ---- titles ---- */

static void test_titles(void **state)
{
    static const struct {
        const char *said, *title;
        bool whole;
    } cases[] = {
        {"  \"Baking bread.\"\nSure!", "Baking bread", true},
        {"**Title: x**", "Title: x", true},
        {"", "", false},
        {"...", "", false},
        {"one two three four five six seven eight nine ten eleven twelve thirteen",
         "one two three four five six seven eight nine ten eleven", false},
        {"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82"
         "\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2"
         "\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
         "\xe2\x82\xac",
         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82"
         "\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2"
         "\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
         false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char title[TITLE_BYTES];
        assert_int_equal(title_clean(cases[i].said, title), cases[i].whole);
        assert_string_equal(title, cases[i].title);
    }
}

/* ---- options ---- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_options(void **state)
{
    static char drain[] = "HEARTH_DRAIN=3", keys[] = "HEARTH_API_KEY=a,,b",
                other[] = "HEARTH_PORTS=1";
    static char *const environment[] = {drain, keys, other, NULL};
    char path[64];
    hearth_error err;
    config c;
    gateway_flags flags = {0};
    (void)state;
    temporary(path, "config.json");
    write_text(path,
               "{\"port\":9000,\"drain\":9,\"model-folder\":[\"/a\",\"/b\"],\"api-key\":[\"z\"]}");
    gateway_options_init(&flags.options);
    flags.options.port = 1234;
    for (size_t i = 0; gateway_option_rows[i].name; i++) {
        if (strcmp(gateway_option_rows[i].name, "--port") == 0)
            flags.given = UINT64_C(1) << i;
    }
    assert_int_equal(config_read(&c, path, environment, &flags, &err), HEARTH_OK);
    const gateway_options *o = &c.values.options;
    assert_int_equal(o->port, 1234);
    assert_int_equal(o->drain_s, 3);
    assert_int_equal(o->idle_s, 300);
    assert_int_equal(o->model_folders.n, 2);
    assert_string_equal(o->model_folders.items[1], "/b");
    assert_int_equal(o->api_keys.n, 2);
    assert_string_equal(o->api_keys.items[1], "b");
    assert_false(config_is_default(&c, "port"));
    assert_true(config_is_default(&c, "host"));
    json_t *all = config_describe(&c);
    char *text = json_dumps(all, 0);
    assert_null(strstr(text, "\"b\"")); /* keys are not told */
    free(text);
    json_decref(all);
    json_t *changes = json_pack("{s:i, s:n}", "port", 5, "drain");
    assert_int_equal(config_change(&c, changes, &err), HEARTH_OK);
    json_decref(changes);
    config_deinit(&c);
    assert_int_equal(config_read(&c, path, NULL, NULL, &err), HEARTH_OK);
    assert_int_equal(c.values.options.port, 5);
    assert_int_equal(c.values.options.drain_s, 30);
    config_deinit(&c);
}

static void test_wrong_options(void **state)
{
    static const char *const wrong[][2] = {{"{\"prot\":1}", "port"},
                                           {"{\"port\":70000}", "port"},
                                           {"{\"port\":\"x\"}", "whole number"},
                                           {"{\"model-folder\":\"/a\"}", "array"},
                                           {"{\"model-folder\":[1]}", "array"},
                                           {"{\"own-models-only\":1}", "true or false"},
                                           {"[]", "object"},
                                           {"{\n\n\"a\"", "line 3"}};
    char path[64];
    (void)state;
    temporary(path, "wrong.json");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hearth_error err = {0};
        config c;
        write_text(path, wrong[i][0]);
        assert_int_not_equal(config_read(&c, path, NULL, NULL, &err), HEARTH_OK);
        assert_non_null(strstr(err.message, wrong[i][1]));
        config_deinit(&c);
    }
}

/* ---- ways that lead back ---- */

static void test_ways(void **state)
{
    char a[VIA_ID_BYTES], b[VIA_ID_BYTES], first[VIA_LINE_BYTES], second[VIA_LINE_BYTES];
    char full[VIA_LINE_BYTES];
    const size_t n_name = sizeof VIA_HEADER - 1 + 2;
    (void)state;
    assert_int_equal(via_new_id(a, NULL), HEARTH_OK);
    assert_int_equal(via_new_id(b, NULL), HEARTH_OK);
    assert_string_not_equal(a, b);
    assert_false(via_is_loop(a, NULL));
    assert_false(via_is_loop(a, ""));
    const char *from_a = via_line(a, NULL, first) + n_name;
    assert_true(via_is_loop(a, from_a));
    assert_false(via_is_loop(b, from_a));
    const char *from_b = via_line(b, from_a, second) + n_name;
    assert_true(via_is_loop(a, from_b));
    assert_true(via_is_loop(b, from_b));
    /* The list never loses its last server, and ends. */
    memset(full, 'x', sizeof full);
    full[sizeof full - 1] = '\0';
    assert_true(via_is_loop(b, full));
    assert_non_null(strstr(via_line(a, full, first), a));
}

static void test_own_addresses(void **state)
{
    (void)state;
    assert_true(via_is_own_address("http://127.0.0.1:8080/v1", "127.0.0.1", 8080));
    assert_true(via_is_own_address("HTTP://LocalHost:8080", "127.0.0.1", 8080));
    assert_true(via_is_own_address("https://[::1]:8080/v1", "localhost", 8080));
    assert_true(via_is_own_address("http://box.lan:8080/v1", "box.lan", 8080));
    assert_true(via_is_own_address("http://127.0.0.1:8080", "0.0.0.0", 8080));
    assert_true(via_is_own_address("http://localhost/v1", "127.0.0.1", 80));
    assert_true(via_is_own_address("https://localhost", "127.0.0.1", 443));
    assert_false(via_is_own_address("http://127.0.0.1:8081/v1", "127.0.0.1", 8080));
    assert_false(via_is_own_address("http://box.lan:8080/v1", "127.0.0.1", 8080));
    assert_false(via_is_own_address("http://127.0.0.1:8080/v1", "box.lan", 8080));
    assert_false(via_is_own_address("http://localhost/v1", "/run/hearth.sock", 0));
    assert_false(via_is_own_address("localhost:8080", "127.0.0.1", 8080));
    assert_false(via_is_own_address("http://", "127.0.0.1", 80));
}

/* A text's stream has its pieces elsewhere than a chat's, and tells more of its end. */
static void test_text_chunks(void **state)
{
    static const char stream[] =
        "data: "
        "{\"choices\":[{\"text\":\"a\",\"index\":0,\"tokens\":[7],\"finish_reason\":null}]}\n\n"
        "data: "
        "{\"choices\":[{\"text\":\"b\",\"index\":0,\"tokens\":[8,9],\"finish_reason\":\"stop\","
        "\"stop_reason\":\"END\"}]}\n\n"
        "data: [DONE]\n\n";
    chunks all;
    chunk c;
    (void)state;
    chunks_init(&all);
    assert_true(buf_append_text(chunks_input(&all), stream));
    assert_true(chunks_next(&all, &c) && c.kind == CHUNK_CONTENT);
    assert_string_equal(c.text, "a");
    assert_true(chunks_next(&all, &c) && c.kind == CHUNK_CONTENT);
    assert_string_equal(c.text, "b");
    assert_true(chunks_next(&all, &c) && c.kind == CHUNK_DONE);
    assert_int_equal(json_array_size(all.tokens), 3);
    assert_int_equal(json_integer_value(json_array_get(all.tokens, 2)), 9);
    assert_string_equal(json_string_value(all.stop_reason), "END");
    assert_string_equal(all.finish, "stop");
    chunks_deinit(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_key_files),
        cmocka_unit_test(test_address),       cmocka_unit_test(test_routes),
        cmocka_unit_test(test_route_order),   cmocka_unit_test(test_body),
        cmocka_unit_test(test_limit),         cmocka_unit_test(test_address_race),
        cmocka_unit_test(test_whole_events),  cmocka_unit_test(test_stream_failure),
        cmocka_unit_test(test_chunks),        cmocka_unit_test(test_chunk_failures),
        cmocka_unit_test(test_titles),        cmocka_unit_test(test_options),
        cmocka_unit_test(test_wrong_options), cmocka_unit_test(test_ways),
        cmocka_unit_test(test_own_addresses), cmocka_unit_test(test_text_chunks),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
