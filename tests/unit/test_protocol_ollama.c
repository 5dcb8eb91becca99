/* SPDX-License-Identifier: MIT
 *
 * test_protocol_ollama.c - Ollama's requests become an engine's, and its answers Ollama's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/ollama.h"

typedef struct request_case {
    ollama_kind kind;
    const char *theirs, *path, *ours; /* path NULL: nothing is to be asked */
} request_case;

static void test_requests(void **state)
{
    static const request_case cases[] = {
        {OLLAMA_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"options\":{"
         "\"temperature\":0.5,"
         "\"num_predict\":-2,\"num_ctx\":9,\"stop\":[\"x\"]},\"think\":false,\"format\":\"json\"}",
         "/v1/chat/completions",
         "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"temperature\":0.5,\"max_"
         "tokens\":-1,\"stop\":[\"x\"],"
         "\"response_format\":{\"type\":\"json_object\"},\"chat_template_kwargs\":{\"enable_"
         "thinking\":false},"
         "\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {OLLAMA_CHAT,
         "{\"messages\":[{\"role\":\"user\",\"content\":\"look\",\"images\":[\"iVBORw0\"]},{"
         "\"role\":\"assistant\",\"content\":\"\","
         "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},{\"role\":"
         "\"tool\",\"content\":\"r\",\"tool_name\":\"f\"}],"
         "\"tools\":[{\"type\":\"function\"}],\"format\":{\"type\":\"object\"},\"think\":\"low\"}",
         "/v1/chat/completions",
         "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},{"
         "\"type\":\"image_url\",\"image_url\":{\"url\":"
         "\"data:image/"
         "png;base64,iVBORw0\"}}]},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
         "\"id\":\"call_1\",\"type\":\"function\","
         "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},{\"role\":\"tool\","
         "\"content\":\"r\",\"tool_call_id\":\"call_1\"}],"
         "\"tools\":[{\"type\":\"function\"}],\"response_format\":{\"type\":\"json_schema\",\"json_"
         "schema\":{\"name\":\"format\",\"schema\":"
         "{\"type\":\"object\"}}},\"reasoning_effort\":\"low\",\"stream\":true,\"stream_options\":{"
         "\"include_usage\":true}}"},
        {OLLAMA_CHAT, "{\"model\":\"m\",\"messages\":[]}", NULL, NULL},
        {OLLAMA_GENERATE, "{\"model\":\"m\",\"keep_alive\":0}", NULL, NULL},
        {OLLAMA_GENERATE, "{\"prompt\":\"p\",\"system\":\"s\"}", "/v1/chat/completions",
         "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
         "\"p\"}],\"stream\":true,"
         "\"stream_options\":{\"include_usage\":true}}"},
        {OLLAMA_GENERATE, "{\"prompt\":\"p\",\"raw\":true,\"stream\":false}", "/v1/completions",
         "{\"prompt\":\"p\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
        {OLLAMA_GENERATE, "{\"prompt\":\"p\",\"suffix\":\"q\"}", "/infill",
         "{\"input_prefix\":\"p\",\"input_suffix\":\"q\",\"stream\":true}"},
        {OLLAMA_EMBED, "{\"input\":[\"a\",\"b\"],\"truncate\":true}", "/v1/embeddings",
         "{\"input\":[\"a\",\"b\"]}"},
        {OLLAMA_EMBEDDING, "{\"prompt\":\"a\"}", "/v1/embeddings", "{\"input\":\"a\"}"},
        {OLLAMA_EMBED, "{\"input\":[]}", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ollama_request r;
        hearth_error err = {0};
        json_t *body = json_loads(cases[i].theirs, 0, NULL);
        json_t *ours = cases[i].ours ? json_loads(cases[i].ours, 0, NULL) : NULL;
        assert_non_null(body);
        assert_int_equal(ollama_request_read(&r, cases[i].kind, body, &err), HEARTH_OK);
        if (cases[i].path == NULL) {
            assert_null(r.body);
        } else {
            assert_string_equal(r.path, cases[i].path);
            if (!json_equal(r.body, ours)) {
                char *got = json_dumps(r.body, JSON_COMPACT);
                print_error("case %zu: %s\n", i, got);
                free(got);
                fail();
            }
        }
        ollama_request_deinit(&r);
        json_decref(body);
        json_decref(ours);
    }
}

static void test_refused(void **state)
{
    static const struct {
        ollama_kind kind;
        const char *body, *word;
    } cases[] = {
        {OLLAMA_CHAT,
         "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"options\":{\"colour\":1}}",
         "options.colour"},
        {OLLAMA_CHAT, "{\"messages\":{}}", "messages"},
        {OLLAMA_CHAT, "{\"messages\":[1]}", "messages"},
        {OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":1}]}", "messages"},
        {OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\",\"images\":[1]}]}",
         "images"},
        {OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"format\":\"xml\"}",
         "format"},
        {OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"think\":3}",
         "think"},
        {OLLAMA_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"logprobs\":true}",
         "logprobs"},
        {OLLAMA_GENERATE, "{\"prompt\":\"p\",\"context\":[1]}", "context"},
        {OLLAMA_GENERATE, "{\"prompt\":\"p\",\"template\":\"t\"}", "template"},
        {OLLAMA_GENERATE, "{\"prompt\":1}", "prompt"},
        {OLLAMA_GENERATE, "{\"keep_alive\":\"soon\"}", "keep_alive"},
        {OLLAMA_GENERATE, "{\"keep_alive\":\"5x\"}", "keep_alive"},
        {OLLAMA_GENERATE, "{\"stream\":1}", "stream"},
        {OLLAMA_GENERATE, "{\"model\":1}", "model"},
        {OLLAMA_EMBED, "{\"input\":\"a\",\"dimensions\":4}", "dimensions"},
        {OLLAMA_CHAT, "[]", "body"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ollama_request r;
        hearth_error err = {0};
        json_t *body = json_loads(cases[i].body, 0, NULL);
        assert_int_equal(ollama_request_read(&r, cases[i].kind, body, &err), HEARTH_EINVAL);
        assert_non_null(strstr(err.message, cases[i].word));
        ollama_request_deinit(&r);
        json_decref(body);
    }
}

static void test_keep_alive(void **state)
{
    static const struct {
        const char *body;
        int64_t ms;
    } cases[] = {{"{}", OLLAMA_KEEP_DEFAULT},
                 {"{\"keep_alive\":0}", 0},
                 {"{\"keep_alive\":\"0\"}", 0},
                 {"{\"keep_alive\":-1}", OLLAMA_KEEP_FOREVER},
                 {"{\"keep_alive\":\"-1m\"}", OLLAMA_KEEP_FOREVER},
                 {"{\"keep_alive\":\"1h30m\"}", 5400000},
                 {"{\"keep_alive\":\"1.5s\"}", 1500},
                 {"{\"keep_alive\":\"250ms\"}", 250},
                 {"{\"keep_alive\":90}", 90000}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ollama_request r;
        json_t *body = json_loads(cases[i].body, 0, NULL);
        assert_int_equal(ollama_request_read(&r, OLLAMA_CHAT, body, NULL), HEARTH_OK);
        assert_int_equal(r.keep_ms, cases[i].ms);
        ollama_request_deinit(&r);
        json_decref(body);
    }
}

/* ---- answers ---- */

static const char *const chunks[] = {
    "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}",
    "{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}",
    "{\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}",
    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":"
    "\"f\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}",
    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}"
    "}]}",
    "{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}",
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3},\"timings\":{\"prompt_"
    "ms\":2,\"predicted_ms\":5}}",
};

static void answer(const char *request, buf *out)
{
    ollama_request r;
    ollama_answer *a;
    json_t *body = json_loads(request, 0, NULL);
    assert_int_equal(ollama_request_read(&r, OLLAMA_CHAT, body, NULL), HEARTH_OK);
    assert_int_equal(ollama_answer_new(&a, &r, "m", NULL), HEARTH_OK);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        json_t *chunk = json_loads(chunks[i], 0, NULL);
        assert_int_equal(ollama_answer_chunk(a, chunk, 1000, out, NULL), HEARTH_OK);
        json_decref(chunk);
    }
    assert_int_equal(ollama_answer_end(a, 1764150085123, 9, 2, out, NULL), HEARTH_OK);
    ollama_answer_free(a);
    ollama_request_deinit(&r);
    json_decref(body);
}

static void test_answers(void **state)
{
    buf out;
    (void)state;
    buf_init(&out, 0);
    answer("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", &out);
    assert_string_equal(
        out.data, "{\"model\":\"m\",\"created_at\":\"1970-01-01T00:00:01.000Z\",\"message\":{"
                  "\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}\n"
                  "{\"model\":\"m\",\"created_at\":\"1970-01-01T00:00:01.000Z\",\"message\":{"
                  "\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n"
                  "{\"model\":\"m\",\"created_at\":\"1970-01-01T00:00:01.000Z\",\"message\":{"
                  "\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":"
                  "{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"done\":false}\n"
                  "{\"model\":\"m\",\"created_at\":\"2025-11-26T09:41:25.123Z\",\"message\":{"
                  "\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\","
                  "\"total_duration\":9,\"load_duration\":2,\"prompt_eval_count\":7,\"prompt_eval_"
                  "duration\":2000000,\"eval_count\":3,\"eval_duration\":5000000}\n");
    buf_clear(&out);
    answer("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":false}", &out);
    assert_int_equal(strchr(out.data, '\n') - out.data, out.n - 1);
    assert_non_null(strstr(out.data, "\"content\":\"Hi\",\"thinking\":\"hm\",\"tool_calls\":[{"));
    buf_deinit(&out);
}

static void test_failure(void **state)
{
    ollama_request r;
    ollama_answer *a;
    hearth_error err;
    buf out;
    json_t *body = json_loads("{\"prompt\":\"p\"}", 0, NULL);
    json_t *chunk = json_loads("{\"error\":{\"message\":\"gone\"}}", 0, NULL);
    (void)state;
    buf_init(&out, 0);
    assert_int_equal(ollama_request_read(&r, OLLAMA_GENERATE, body, NULL), HEARTH_OK);
    assert_int_equal(ollama_answer_new(&a, &r, "m", NULL), HEARTH_OK);
    assert_int_equal(ollama_answer_chunk(a, chunk, 0, &out, &err), HEARTH_EIO);
    assert_string_equal(err.message, "gone");
    assert_true(ollama_write_error("a \"b\"", &out));
    assert_string_equal(out.data, "{\"error\":\"a \\\"b\\\"\"}\n");
    buf_deinit(&out);
    ollama_answer_free(a);
    ollama_request_deinit(&r);
    json_decref(chunk);
    json_decref(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_keep_alive), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
