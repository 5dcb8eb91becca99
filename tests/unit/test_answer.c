/* SPDX-License-Identifier: MIT
 *
 * test_answer.c - conversations answered through answer.h: text, thoughts and their budget, calls
 * under their grammar, schemas, cancelling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <hearth/hearth.h>
#include <jansson.h>

#include "support/test_reference.h"
#include "support/tiny_model.h"

static hearth_model *model;
static hearth_engine *engine;
static hearth_error err;

/* ChatML whose answers begin inside their thoughts. */
static const char thinking[] =
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message.role + '\n' -}}"
    "{%- if message.reasoning_content -%}"
    "{{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' -}}{%- endif -%}"
    "{{- (message.content or '') + '<|im_end|>\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}"
    "{%- if enable_thinking is not defined or enable_thinking -%}{{- '<think>\n' -}}"
    "{%- else -%}{{- '<think>\n\n</think>\n\n' -}}{%- endif -%}{%- endif -%}";

static int open_all(void **state)
{
    (void)state;
    hearth_engine_options o;
    hearth_engine_options_init(&o);
    o.n_ctx = 512;
    o.n_threads = 1;
    if (hearth_model_open(&model, HEARTH_SOURCE_DIR "/models/ember/ember.gguf", NULL, &err) !=
        HEARTH_OK)
        return 1;
    return hearth_engine_open(&engine, model, &o, &err) != HEARTH_OK;
}

static int close_all(void **state)
{
    (void)state;
    hearth_engine_close(engine);
    hearth_model_close(model);
    return 0;
}

typedef struct told {
    char reasoning[4096], content[4096], arguments[4096], name[64];
    hearth_answer_event done;
    char *message;
} told;

static void add(char *to, const hearth_chat_event *e)
{
    size_t n = strlen(to);
    assert_true(n + e->n < 4096);
    memcpy(to + n, e->text, e->n);
    to[n + e->n] = '\0';
}

static void read_part(told *t, const hearth_chat_event *e)
{
    if (e->type == HEARTH_CHAT_REASONING)
        add(t->reasoning, e);
    else if (e->type == HEARTH_CHAT_CONTENT)
        add(t->content, e);
    else if (e->type == HEARTH_CHAT_CALL_ARGUMENTS)
        add(t->arguments, e);
    else if (e->type == HEARTH_CHAT_CALL_BEGIN)
        snprintf(t->name, sizeof t->name, "%s", e->name);
}

static told ask(const char *source, const char *conversation, hearth_chat_options *options,
                int32_t max_tokens)
{
    hearth_request_options request;
    hearth_sampler_options sampler;
    hearth_chat *chat = NULL;
    hearth_answer *answer = NULL;
    told t = {0};
    hearth_request_options_init(&request);
    hearth_sampler_options_init(&sampler);
    sampler.temperature = 0;
    request.sampler = &sampler;
    request.max_tokens = max_tokens;
    options->request = &request;
    options->conversation = conversation;
    options->n_conversation = strlen(conversation);
    if (hearth_chat_new(&chat, model, source, source ? strlen(source) : 0, &err) != HEARTH_OK ||
        hearth_chat_submit(chat, engine, options, &answer, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    memset(&sampler, 0xFF, sizeof sampler); /* everything was copied */
    memset(&request, 0xFF, sizeof request);
    do {
        if (hearth_answer_next(answer, -1, &t.done, &err) != HEARTH_OK)
            fail_msg("%s", err.message);
        if (t.done.type == HEARTH_ANSWER_PART)
            read_part(&t, &t.done.part);
    } while (t.done.type != HEARTH_ANSWER_DONE);
    if (hearth_answer_message(answer, &t.message, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    hearth_answer_free(answer);
    hearth_chat_free(chat);
    return t;
}

#define USER(text) "\"messages\": [{\"role\": \"user\", \"content\": \"" text "\"}]"

#define CLOCK                                                                                      \
    "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"clock\", \"parameters\": "    \
    "{\"type\": \"object\", \"properties\": {}, \"additionalProperties\": false}}}]"

static void test_text(void **state)
{
    (void)state;
    hearth_chat_options o;
    hearth_chat_options_init(&o);
    told t = ask(NULL, "{" USER("What is Hearth?") "}", &o, 60);
    json_t *message = json_loads(t.message, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(message, "content")), t.content);
    assert_true(strlen(t.content) > 10);
    assert_int_equal(t.done.n_calls, 0);
    assert_int_not_equal(t.done.request.reason, HEARTH_FINISH_NONE);
    json_decref(message);
    hearth_free(t.message);
}

static void test_a_call_keeps_to_its_schema(void **state)
{
    (void)state;
    hearth_chat_options o;
    hearth_chat_options_init(&o);
    o.choice = HEARTH_TOOL_REQUIRED;
    o.parallel = false;
    told t = ask(
        NULL,
        "{" USER(
            "What is the weather?") ", \"tools\": [{\"type\": \"function\", "
                                    "\"function\": {\"name\": \"get_weather\", \"parameters\": "
                                    "{\"type\": \"object\", "
                                    "\"properties\": {\"city\": {\"enum\": [\"Rome\", \"Oslo\"]}}, "
                                    "\"required\": [\"city\"], \"additionalProperties\": "
                                    "false}}}]}",
        &o, 100);
    json_t *arguments = json_loads(t.arguments, 0, NULL);
    const char *city = json_string_value(json_object_get(arguments, "city"));
    assert_string_equal(t.name, "get_weather");
    assert_non_null(city);
    assert_true(strcmp(city, "Rome") == 0 || strcmp(city, "Oslo") == 0);
    assert_int_equal(t.done.n_calls, 1);
    assert_non_null(strstr(t.message, "\"tool_calls\""));
    json_decref(arguments);
    hearth_free(t.message);
}

/* The grammar ends with the call; of the tokens that may end the answer then, bias picks one that
 * no template mentions. It is written out for the parser, and is no content. */
static void test_an_end_token_is_no_content(void **state)
{
    (void)state;
    hearth_chat_options o;
    hearth_request_options request;
    hearth_sampler_options sampler;
    hearth_chat *chat = NULL;
    hearth_answer *answer = NULL;
    hearth_answer_event e;
    hearth_special_tokens special;
    assert_int_equal(hearth_model_special_tokens(model, &special, &err), HEARTH_OK);
    assert_true(hearth_token_ends_answer(model, special.pad));
    const hearth_logit_bias bias[] = {{special.pad, 1000}};
    hearth_chat_options_init(&o);
    hearth_request_options_init(&request);
    hearth_sampler_options_init(&sampler);
    sampler.logit_bias = bias;
    sampler.n_logit_bias = 1;
    request.sampler = &sampler;
    request.max_tokens = 100;
    o.request = &request;
    o.choice = HEARTH_TOOL_REQUIRED;
    o.conversation = "{" USER("Time?") ", " CLOCK "}";
    o.n_conversation = strlen(o.conversation);
    assert_int_equal(hearth_chat_new(&chat, model, NULL, 0, &err), HEARTH_OK);
    assert_int_equal(hearth_chat_submit(chat, engine, &o, &answer, &err), HEARTH_OK);
    do {
        assert_int_equal(hearth_answer_next(answer, -1, &e, &err), HEARTH_OK);
        assert_false(e.type == HEARTH_ANSWER_PART && e.part.type == HEARTH_CHAT_CONTENT);
    } while (e.type != HEARTH_ANSWER_DONE);
    assert_int_equal(e.n_calls, 1);
    hearth_answer_free(answer);
    hearth_chat_free(chat);
}

static void test_thoughts_end_with_their_budget(void **state)
{
    (void)state;
    hearth_chat_options o;
    hearth_chat_options_init(&o);
    told t = ask(thinking, "{" USER("What is Hearth?") "}", &o, 24);
    hearth_free(t.message);
    assert_true(strlen(t.reasoning) > 20); /* ember never ends them by itself */
    assert_string_equal(t.content, "");
    o.reasoning_budget = 5;
    told cut = ask(thinking, "{" USER("What is Hearth?") "}", &o, 24);
    hearth_free(cut.message);
    assert_true(strlen(cut.reasoning) > 0 && strlen(cut.reasoning) < strlen(t.reasoning));
    assert_memory_equal(cut.reasoning, t.reasoning, strlen(cut.reasoning));
    assert_true(strlen(cut.content) > 0);
    assert_true(cut.done.request.n_generated <= 24);
    assert_int_equal(cut.done.request.n_prompt, t.done.request.n_prompt);
    /* Off by word, although the template opens them all the same. */
    char deaf[sizeof thinking];
    strcpy(deaf, thinking);
    memcpy(strstr(deaf, "enable_thinking is not defined or enable_thinking"), "true or   ", 10);
    o.reasoning_budget = -1;
    told off = ask(deaf, "{" USER("What is Hearth?") ", \"enable_thinking\": false}", &o, 24);
    hearth_free(off.message);
    assert_true(strlen(off.reasoning) < strlen(cut.reasoning));
    assert_true(strlen(off.content) > 0);
    o.reasoning_budget = 0;
    told none = ask(thinking, "{" USER("What is Hearth?") "}", &o, 24);
    hearth_free(none.message);
    assert_string_equal(none.reasoning, "");
    assert_true(strlen(none.content) > 0);
}

static void test_a_schema_holds_behind_the_thoughts(void **state)
{
    (void)state;
    hearth_chat_options o;
    hearth_chat_options_init(&o);
    o.reasoning_budget = 4;
    if (hearth_grammar_from_schema(&o.grammar, "{\"enum\": [\"yes\", \"no\"]}", &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    told t = ask(thinking, "{" USER("Is it warm?") "}", &o, 60);
    hearth_grammar_unref(o.grammar);
    assert_true(strlen(t.reasoning) > 0);
    assert_true(strcmp(t.content, "\"yes\"") == 0 || strcmp(t.content, "\"no\"") == 0);
    hearth_free(t.message);
}

/* Calls or what the grammar says, whatever the model would rather write. */
static void test_tools_beside_a_grammar(void **state)
{
    (void)state;
    hearth_chat_options o;
    hearth_chat_options_init(&o);
    o.parallel = false;
    assert_int_equal(hearth_grammar_from_gbnf(&o.grammar, "root ::= \"calls\"", NULL, &err),
                     HEARTH_OK);
    told t = ask(NULL, "{" USER("Time?") ", " CLOCK "}", &o, 100);
    assert_int_not_equal(t.done.n_calls == 1, strcmp(t.content, "calls") == 0);
    hearth_free(t.message);
    o.choice = HEARTH_TOOL_REQUIRED;
    t = ask(NULL, "{" USER("Time?") ", " CLOCK "}", &o, 100);
    assert_int_equal(t.done.n_calls, 1);
    assert_string_equal(t.content, "");
    hearth_free(t.message);
    o.choice = HEARTH_TOOL_NONE;
    t = ask(NULL, "{" USER("Time?") ", " CLOCK "}", &o, 100);
    assert_string_equal(t.content, "calls");
    hearth_free(t.message);
    hearth_grammar_unref(o.grammar);
}

/* Calls that may begin anywhere cannot be told from what a grammar says. */
static void test_a_lazy_format_takes_no_grammar(void **state)
{
    static const char tools[] = "[{\"type\": \"function\", \"function\": {\"name\": \"clock\"}}]";
    hearth_chat_format_options f;
    hearth_chat_format *format = NULL;
    hearth_grammar *grammar = NULL;
    hearth_matcher *matcher = NULL;
    hearth_chat *chat = NULL;
    (void)state;
    hearth_chat_format_options_init(&f);
    f.tools = tools;
    f.n_tools_bytes = sizeof tools - 1;
    f.choice = HEARTH_TOOL_AUTO;
    assert_int_equal(hearth_chat_new(&chat, model, NULL, 0, &err), HEARTH_OK);
    assert_int_equal(hearth_grammar_from_gbnf(&grammar, "root ::= \"a\"", NULL, &err), HEARTH_OK);
    assert_int_equal(hearth_chat_format_new(&format, hearth_chat_get_style(chat), &f, &err),
                     HEARTH_OK);
    assert_int_equal(hearth_chat_format_matcher(format, model, grammar, &matcher, &err),
                     HEARTH_EINVAL);
    assert_null(matcher);
    assert_int_equal(hearth_chat_format_matcher(format, model, NULL, &matcher, &err), HEARTH_OK);
    assert_non_null(matcher);
    hearth_matcher_free(matcher);
    hearth_grammar_unref(grammar);
    hearth_chat_format_free(format);
    hearth_chat_free(chat);
}

static void test_cancel_from_elsewhere(void **state)
{
    (void)state;
    hearth_chat_options o;
    hearth_request_options request;
    hearth_answer_event e;
    hearth_answer *answer = NULL;
    hearth_chat *chat = NULL;
    hearth_status status;
    hearth_chat_options_init(&o);
    hearth_request_options_init(&request);
    request.ignore_eos = true;
    o.request = &request;
    o.conversation = "{" USER("Go on") "}";
    o.n_conversation = strlen(o.conversation);
    assert_int_equal(hearth_chat_new(&chat, model, NULL, 0, &err), HEARTH_OK);
    assert_int_equal(hearth_chat_submit(chat, engine, &o, &answer, &err), HEARTH_OK);
    hearth_answer_cancel(answer);
    hearth_answer_cancel(answer);
    do
        status = hearth_answer_next(answer, -1, &e, &err);
    while (status == HEARTH_OK && e.type != HEARTH_ANSWER_DONE);
    assert_int_equal(status, HEARTH_ECANCELED);
    hearth_answer_free(answer);
    hearth_answer_free(NULL);
    hearth_chat_free(chat);
    hearth_chat_free(NULL);
}

static void test_wrong_conversations_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"[]", "no JSON object"},
        {"{", "conversation"},
        {"{\"tools\": []}", "no array of messages"},
        {"{\"messages\": [], \"tools\": 3}", "tools"},
    };
    hearth_chat_options o;
    hearth_answer *answer = NULL;
    hearth_chat *chat = NULL;
    hearth_chat_options_init(&o);
    assert_int_equal(hearth_chat_new(&chat, model, NULL, 0, &err), HEARTH_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        o.conversation = rows[i].text;
        o.n_conversation = strlen(rows[i].text);
        assert_int_equal(hearth_chat_submit(chat, engine, &o, &answer, &err), HEARTH_EINVAL);
        assert_null(answer);
        if (strstr(err.message, rows[i].said) == NULL)
            fail_msg("'%s' does not say '%s'", err.message, rows[i].said);
    }
    hearth_chat_free(chat);
    assert_int_equal(hearth_chat_new(&chat, model, "{% if %}", 8, &err), HEARTH_EFORMAT);
    assert_null(chat);
}

/* Nothing stands in for it unasked. */
static void test_a_model_without_a_template(void **state)
{
    (void)state;
    tiny_model_options o;
    hearth_model *plain = NULL;
    hearth_chat *chat = NULL;
    test_folder folder;
    char path[PATH_MAX];
    assert_true(test_folder_make(&folder));
    test_folder_path(&folder, "plain.gguf", path);
    tiny_model_options_init(&o, "llama");
    tiny_model_write(path, &o);
    assert_int_equal(hearth_model_open(&plain, path, NULL, &err), HEARTH_OK);
    test_folder_remove(&folder);
    assert_int_equal(hearth_chat_new(&chat, plain, NULL, 0, &err), HEARTH_EUNSUPPORTED);
    assert_null(chat);
    assert_non_null(strstr(err.message, "no chat template"));
    assert_non_null(strstr(err.message, " chatml "));
    assert_non_null(strstr(err.message, " seed_oss"));
    assert_int_equal(hearth_chat_new(&chat, plain, "chatml", 6, &err), HEARTH_OK);
    hearth_chat_free(chat);
    hearth_model_close(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_a_call_keeps_to_its_schema),
        cmocka_unit_test(test_an_end_token_is_no_content),
        cmocka_unit_test(test_thoughts_end_with_their_budget),
        cmocka_unit_test(test_a_schema_holds_behind_the_thoughts),
        cmocka_unit_test(test_tools_beside_a_grammar),
        cmocka_unit_test(test_a_lazy_format_takes_no_grammar),
        cmocka_unit_test(test_cancel_from_elsewhere),
        cmocka_unit_test(test_wrong_conversations_are_named),
        cmocka_unit_test(test_a_model_without_a_template),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
