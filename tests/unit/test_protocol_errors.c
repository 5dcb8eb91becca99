/* SPDX-License-Identifier: MIT
 *
 * test_protocol_errors.c - the envelopes of errors, the JSON writer, and that docs/API-HTTP.md
 * holds the table of fields as request_fields.def has it.
 */
#include <math.h>

#include "protocol/json_write.h"
#include "protocol_case.h"

static void check_failure(protocol_api api, const hearth_error *error, const failure_detail *detail,
                          int http, const char *expect)
{
    buf out;
    buf_init(&out, 0);
    char *want = quoted(expect);
    assert_int_equal(failure_write(api, error, detail, &out), http);
    assert_string_equal(out.data, want);
    free(want);
    buf_deinit(&out);
}

static void test_bad_request(void **state)
{
    (void)state;
    const hearth_error error = {.code = HEARTH_EINVAL, .where = "top_p", .message = "top_p: no"};
    check_failure(API_OPENAI_CHAT, &error, NULL, 400,
                  "{'error':{'code':null,'param':'top_p','message':'top_p: no','type':"
                  "'invalid_request_error'}}");
    check_failure(API_COMPLETION, &error, NULL, 400,
                  "{'error':{'code':400,'message':'top_p: no','type':'invalid_request_error'}}");
    check_failure(
        API_ANTHROPIC, &error, NULL, 400,
        "{'type':'error','error':{'message':'top_p: no','type':'invalid_request_error'}}");
}

static void test_context(void **state)
{
    (void)state;
    const hearth_error error = {.code = HEARTH_ECONTEXT, .message = "too long"};
    const failure_detail detail = {.n_prompt = 100, .n_ctx = 64};
#define TOO_LONG                                                                                   \
    "'message':'this model\x01s maximum context length is 64 tokens; the request (100 tokens) "    \
    "is too large, it exceeds the available context size: send less, or start the engine with a "  \
    "larger "                                                                                      \
    "--ctx-size','type':'exceed_context_size_error',"
#define COUNTS "'n_prompt_tokens':100,'n_ctx':64}}"
    static const struct {
        protocol_api api;
        const char *expect;
    } cases[] = {
        {API_OPENAI_CHAT,
         "{'error':{'code':'context_length_exceeded','param':null," TOO_LONG COUNTS},
        {API_COMPLETION,
         "{'error':{'code':400," TOO_LONG "'reason':'context_length_exceeded'," COUNTS},
    };
    for (size_t i = 0; i < 2; i++) {
        buf out;
        char *want = quoted(cases[i].expect);
        *strchr(want, '\x01') = '\''; /* the only one that is no quote */
        buf_init(&out, 0);
        assert_int_equal(failure_write(cases[i].api, &error, &detail, &out), 400);
        assert_string_equal(out.data, want);
        free(want);
        buf_deinit(&out);
    }
    check_failure(
        API_ANTHROPIC_COUNT, &error, &detail, 400,
        "{'type':'error','error':{'message':'prompt is too long: 100 tokens > 64 maximum',"
        "'type':'invalid_request_error','code':'context_length_exceeded'," COUNTS);
    check_failure(API_COMPLETION, &error, NULL, 400,
                  "{'error':{'code':400,'message':'too long','type':'exceed_context_size_error',"
                  "'reason':'context_length_exceeded'}}");
}

static void test_statuses(void **state)
{
    (void)state;
    static const struct {
        int http;
        const char *openai, *native, *anthropic;
    } cases[] = {
        {401, "'invalid_api_key'", "authentication_error", "authentication_error"},
        {403, "403", "permission_error", "permission_error"},
        {404, "'model_not_found'", "not_found_error", "not_found_error"},
        {405, "405", "invalid_request_error", "invalid_request_error"},
        {413, "413", "invalid_request_error", "request_too_large"},
        {429, "'rate_limit_exceeded'", "rate_limit_error", "rate_limit_error"},
        {500, "500", "server_error", "api_error"},
        {501, "501", "not_supported_error", "invalid_request_error"},
        {503, "503", "unavailable_error", "overloaded_error"},
    };
    const hearth_error error = {.code = HEARTH_EINTERNAL, .where = "model", .message = "no"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const failure_detail detail = {.http = cases[i].http};
        char expect[256];
        snprintf(expect, sizeof expect,
                 "{'error':{'code':%s,'param':null,'message':'no','type':'%s'}}", cases[i].openai,
                 cases[i].native);
        check_failure(API_OPENAI_MODELS, &error, &detail, cases[i].http, expect);
        snprintf(expect, sizeof expect, "{'error':{'code':%d,'message':'no','type':'%s'}}",
                 cases[i].http, cases[i].native);
        check_failure(API_OTHER, &error, &detail, cases[i].http, expect);
        snprintf(expect, sizeof expect, "{'type':'error','error':{'message':'no','type':'%s'}}",
                 cases[i].anthropic);
        check_failure(API_ANTHROPIC, &error, &detail, cases[i].http, expect);
    }
}

static void test_writer(void **state)
{
    (void)state;
    json_writer w;
    buf out;
    buf_init(&out, 0);
    json_start(&w, &out);
    json_open(&w, NULL, '{');
    json_text(&w, "a\"", "\x01\t\\ \x7f \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x82");
    json_open(&w, "b", '[');
    json_float(&w, NULL, 0.1f);
    json_float(&w, NULL, 16777217.0f);
    json_float(&w, NULL, 1e-30f);
    json_number(&w, NULL, 0.1);
    json_number(&w, NULL, (double)NAN);
    json_whole(&w, NULL, INT64_MIN);
    json_truth(&w, NULL, true);
    json_text(&w, NULL, NULL);
    json_close(&w, ']');
    json_value_of(&w, "c", NULL);
    json_close(&w, '}');
    assert_int_equal(json_done(&w, NULL), HEARTH_OK);
    assert_string_equal(out.data,
                        "{\"a\\\"\":\"\\u0001\\t\\\\ \\u007f \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD "
                        "\xf0\x9f\x98\x80 \xEF\xBF\xBD\xEF\xBF\xBD\",\"b\":[0.1,16777216,1e-30,0.1,"
                        "null,-9223372036854775808,true,null],\"c\":null}");
    buf_deinit(&out);
    buf_init(&out, 8); /* a ceiling stands for a heap that is full */
    json_start(&w, &out);
    json_text(&w, NULL, "more than eight bytes");
    assert_int_equal(json_done(&w, NULL), HEARTH_ENOMEM);
    buf_deinit(&out);
}

/* ---- the documentation ---- */

static const struct group {
    uint32_t apis;
    const char *name;
} groups[] = {
    {APIS_GENERATE, "all that generate"},
    {APIS_MESSAGES, "all chats"},
    {APIS_CHAT, "chat/completions"},
    {APIS_RESPONSES, "responses"},
    {APIS_ANTHROPIC, "messages"},
    {API_OPENAI_COMPLETION, "v1/completions"},
    {API_COMPLETION, "completion"},
    {API_INFILL, "infill"},
    {API_OPENAI_EMBEDDING, "v1/embeddings"},
    {API_EMBEDDING, "embedding"},
    {API_RERANK, "rerank"},
    {API_TOKENIZE, "tokenize"},
    {API_DETOKENIZE, "detokenize"},
    {API_SLOT, "slots"},
    {API_LORA_LOAD, "lora-adapters/load"},
    {API_CONTROL, "control"},
};

static void say_row(buf *b, const char *name, uint32_t apis, const char *what)
{
    buf_append_format(b, "| `%s` |", name);
    const char *comma = " ";
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if ((apis & groups[i].apis) != groups[i].apis)
            continue;
        buf_append_format(b, "%s%s", comma, groups[i].name);
        apis &= ~groups[i].apis;
        comma = ", ";
    }
    assert_int_equal(apis, 0);
    buf_append_text(b, " | ");
    for (; *what; what++)
        buf_append_format(b, *what == '|' ? "\\%c" : "%c", *what);
    buf_append_text(b, " |\n");
}

static void say_number(buf *b, const char *name, uint32_t apis, const char *type, double value,
                       double min, double max, const char *help)
{
    char what[512];
    snprintf(what, sizeof what, "%s, %.10g to %.10g (default %.10g): %s", type, min, max, value,
             help);
    say_row(b, name, apis, what);
}

static void say_other(buf *b, const char *name, uint32_t apis, const char *before, const char *what)
{
    char text[512];
    snprintf(text, sizeof text, "%s%s%s", before, *what ? ": " : "", what);
    say_row(b, name, apis, text);
}

static void say_table(buf *b)
{
    buf_append_text(b, "| field | where | what |\n|---|---|---|\n");
#define SHORT(x) (double)(x)
#define SAY_ROW_F(n, a, v, lo, hi, help) say_number(b, n, a, "number", SHORT(v), lo, hi, help);
#define SAY_ROW_I(n, a, v, lo, hi, help) say_number(b, n, a, "whole number", v, lo, hi, help);
#define SAY_ROW_U(n, a, v, lo, hi, help) say_number(b, n, a, "whole number", v, lo, hi, help);
#define SAY_ROW_B(n, a, v, lo, hi, help)                                                           \
    say_other(b, n, a, (v) ? "true or false (default true)" : "true or false (default false)",     \
              help);
#define SAY_ROW_T(n, a, v, lo, hi, help) say_other(b, n, a, "text", help);
#define FIELD(type, member, value, min, max, apis, help)                                           \
    SAY_ROW_##type(#member, apis, value, min, max, help)
#define ALIAS(name, member, apis) say_other(b, #name, apis, "another name of `" #member "`", "");
#define SPECIAL(name, reader, apis, help) say_row(b, #name, apis, help);
#define REFUSED(name, apis, allowed, why)                                                          \
    say_other(b, #name, apis, *allowed ? "**refused** but for " allowed : "**refused**", why);
#define IGNORED(name, apis, why) say_other(b, #name, apis, "*ignored, and said so*", why);
#include "protocol/request_fields.def"
#define X(type, field, value, min, max, flag, help)                                                \
    SAY_ROW_##type(#field, APIS_GENERATE, value, min, max, help)
#include <hearth/sampler_options.def>
#undef X
}

static void test_documentation(void **state)
{
    (void)state;
    static char text[128 << 10];
    buf table;
    buf_init(&table, 0);
    say_table(&table);
    FILE *f = fopen(HEARTH_SOURCE_DIR "/docs/API-HTTP.md", "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    if (strstr(text, table.data) == NULL) {
        f = fopen(HEARTH_BUILD_DIR "/API-HTTP-fields.md", "w");
        assert_non_null(f);
        fwrite(table.data, 1, table.n, f);
        fclose(f);
        fail_msg("docs/API-HTTP.md is not as request_fields.def; put the table of "
                 "%s/API-HTTP-fields.md there",
                 HEARTH_BUILD_DIR);
    }
    buf_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_request),   cmocka_unit_test(test_context),
        cmocka_unit_test(test_statuses),      cmocka_unit_test(test_writer),
        cmocka_unit_test(test_documentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
