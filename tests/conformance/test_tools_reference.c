/* SPDX-License-Identifier: MIT
 *
 * test_tools_reference.c - every reference template: its notation is learned, and what it writes
 * for calls, content and reasoning is read back as what was asked for, cut at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>

#include <hearth/grammar.h>
#include <hearth/tools.h>

#include "base/buf.h"
#include "base/mem.h"
#include "support/grammar_text.h"

#define TEMPLATES HEARTH_REFERENCE_DIR "/template"

/* Each template's kind of calls; NULL in `calls` where the template writes none. */
static const struct {
    const char *name, *calls;
    bool native, reasons;
} expected[] = {
    {"Apertus-8B-Instruct", "json-keyed", true, true},
    {"Bielik-11B-v3.0-Instruct", "json", true, true},
    {"ByteDance-Seed-OSS", "xml", true, true},
    {"CohereForAI-c4ai-command-r-plus-tool_use", "json-list", true, false},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "json-list", true, true},
    {"GLM-4.7-Flash", "xml", true, true},
    {"GigaChat3-10B-A1.8B", "json", true, false},
    {"HuggingFaceTB-SmolLM3-3B", "json", false, true},
    {"LFM2-8B-A1B", "pythonic", false, false},
    {"MiMo-VL", "json", true, false},
    {"MiniMax-M2", "xml", true, true},
    {"Mistral-Small-3.2-24B-Instruct-2506", "name-json", true, false},
    {"NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "xml", true, true},
    {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "json", true, false},
    {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "json", true, false},
    {"Qwen-Qwen2.5-7B-Instruct", "json", true, false},
    {"Qwen-Qwen3-0.6B", "json", true, true},
    {"Qwen3.5-4B", "xml", true, true},
    {"Reka-Edge", "json", true, true},
    {"deepseek-ai-DeepSeek-R1-Distill-Llama-8B", "name-json", true, true},
    {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "name-json", true, true},
    {"deepseek-ai-DeepSeek-V3.2", "xml", true, true},
    {"deepseek-ai-DeepSeek-V4-Flash-0731", "xml", true, true},
    {"google-gemma-2-2b-it", "json", false, false},
    {"google-gemma-4-31B-it", "braces", true, true},
    {"ibm-granite-granite-3.3-2B-Instruct", "json-list", false, true},
    {"ibm-granite-granite-4.1", "json", true, false},
    {"llama-cpp-deepseek-r1", "name-json", true, true},
    {"meetkai-functionary-medium-v3.1", "name-json", true, false},
    {"meetkai-functionary-medium-v3.2", "name-json", true, false},
    {"meta-llama-Llama-3.2-3B-Instruct", "json", true, false},
    {"meta-llama-Llama-3.3-70B-Instruct", "json", true, false},
    {"mistralai-Ministral-3-14B-Reasoning-2512", "name-json", true, true},
    {"mistralai-Mistral-Nemo-Instruct-2407", "json-list", true, false},
    {"openai-gpt-oss-120b", "harmony", true, true},
    {"openbmb-MiniCPM5-1B", "xml", true, true},
    {"unsloth-Apriel-1.5", "json-list", true, true},
    {"unsloth-mistral-Devstral-Small-2507", "name-json", true, false},
};
enum { N_EXPECTED = sizeof expected / sizeof *expected };

typedef struct loaded {
    hearth_chat_template *template_;
    hearth_chat_style *style;
    json_t *about;
} loaded;

static char *read_file(const char *name, size_t *n)
{
    char path[512];
    snprintf(path, sizeof path, TEMPLATES "/%s.jinja", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = malloc(1 << 20);
    *n = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

static void load(loaded *l, const char *name)
{
    size_t n = 0;
    char *source = read_file(name, &n), *about = NULL;
    hearth_error err = {0};
    assert_non_null(source);
    if (hearth_chat_template_new(&l->template_, source, n, &err) != HEARTH_OK ||
        hearth_chat_style_learn(&l->style, l->template_, source, n, &err) != HEARTH_OK ||
        hearth_chat_style_describe(l->style, &about, &err) != HEARTH_OK)
        fail_msg("%s: %s", name, err.message);
    l->about = json_loads(about, 0, NULL);
    mem_free(about);
    free(source);
}

static void unload(loaded *l)
{
    json_decref(l->about);
    hearth_chat_style_free(l->style);
    hearth_chat_template_free(l->template_);
}

static void test_styles(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        loaded l;
        load(&l, expected[i].name);
        if (strcmp(hearth_chat_style_calls(l.style), expected[i].calls) != 0 ||
            hearth_chat_style_native_calls(l.style) != expected[i].native ||
            json_is_true(json_object_get(l.about, "reasoning")) != expected[i].reasons)
            fail_msg("%s: learned as %s, %s, %s", expected[i].name,
                     hearth_chat_style_calls(l.style),
                     hearth_chat_style_native_calls(l.style) ? "native" : "not native",
                     json_is_true(json_object_get(l.about, "reasoning")) ? "reasons"
                                                                         : "does not reason");
        unload(&l);
    }
}

/* ---- there and back ---- */

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"The "
    "weather.\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"city\":{\"type\":\"string\",\"description\":\"Where.\"},"
    "\"days\":{\"type\":\"integer\",\"description\":\"How many.\"}},\"required\":[\"city\"]}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"send\",\"description\":\"Sends a letter.\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{"
    "\"text\":{\"type\":\"string\",\"description\":\"What.\"},"
    "\"urgent\":{\"type\":\"boolean\",\"description\":\"Whether.\"}},\"required\":[\"text\"]}}}]";

static const char call_1[] =
    "{\"id\":\"abcdefgh1\",\"type\":\"function\",\"function\":{\"name\":"
    "\"get_weather\",\"arguments\":{\"city\":\"Troms\xC3\xB8 \\\"x\\\"\",\"days\":3}}}";
static const char call_2[] =
    "{\"id\":\"abcdefgh2\",\"type\":\"function\",\"function\":{\"name\":\"send\","
    "\"arguments\":{\"text\":\"Two lines:\\n{<b>, 1}\",\"urgent\":true}}}";

static char *render(const loaded *l, json_t *context, size_t *n)
{
    hearth_error err = {0};
    char *json = json_dumps(context, 0), *prepared = NULL, *text = NULL;
    assert_non_null(json);
    if (hearth_chat_style_prepare(l->style, json, strlen(json), &prepared, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    if (hearth_chat_template_render(l->template_, prepared, strlen(prepared), NULL, &text, n,
                                    &err) != HEARTH_OK)
        text = NULL;
    mem_free(prepared);
    free(json);
    return text;
}

/* A conversation that ends in this answer, or in the generation prompt. */
static json_t *conversation(json_t *answer)
{
    json_t *root =
        json_pack("{s:[{s:s, s:s}], s:o, s:b, s:s, s:s}", "messages", "role", "user", "content",
                  "QUESTION", "tools", json_loads(tools, 0, NULL), "add_generation_prompt",
                  answer == NULL, "bos_token", "<s>", "eos_token", "</s>");
    if (answer)
        json_array_append(json_object_get(root, "messages"), answer);
    return root;
}

static const char *skip_mark(const char *text, const char *mark)
{
    const char *blank = text;
    while (*blank == '\n' || *blank == ' ')
        blank++;
    return mark && strncmp(blank, mark, strlen(mark)) == 0 ? blank + strlen(mark) : text;
}

/* The tag of a mark, without the blanks around. */
static char *tag_of(const loaded *l, const char *key, char *to)
{
    const char *mark = json_string_value(json_object_get(l->about, key));
    if (!mark)
        return NULL;
    while (*mark == '\n')
        mark++;
    snprintf(to, 64, "%s", mark);
    to[strcspn(to, "\n")] = '\0';
    return to;
}

/* What a model would have written: the render of the answer behind that of the prompt, without
 * reasoning that is empty, up to what ends its turn. */
static char *answer_text(const loaded *l, json_t *answer, char **prompt, size_t *n_prompt)
{
    json_t *asked = conversation(NULL), *answered = conversation(answer);
    char open[64], close[64];
    size_t n_text = 0, n = 0;
    char *text = render(l, answered, &n_text);
    *prompt = render(l, asked, n_prompt);
    json_decref(asked);
    json_decref(answered);
    if (!text || !*prompt) {
        mem_free(text);
        return NULL;
    }
    while (n < n_text && n < *n_prompt && text[n] == (*prompt)[n])
        n++;
    while (n > 0 && n < *n_prompt && text[n - 1] != '>' && text[n - 1] != ']' &&
           text[n - 1] != '\n')
        n--; /* not inside of a tag */
    const char *rest = text + n, *last = strrchr(*prompt, '<');
    if (n < *n_prompt && last)
        rest = skip_mark(rest, last);
    rest = skip_mark(rest, tag_of(l, "think_open", open));
    const char *thought = skip_mark(rest, tag_of(l, "think_close", close));
    rest = thought == rest ? rest : thought + strspn(thought, "\n");
    /* Command-R+'s template writes the next turn right behind a call. */
    const char *ends[] = {"</s>", "<|START_OF_TURN_TOKEN|>",
                          json_string_value(json_object_get(l->about, "stop")),
                          json_string_value(json_object_get(l->about, "stop_of_calls"))};
    size_t n_rest = strlen(rest);
    for (size_t i = 0; i < 4; i++) {
        const char *hit = ends[i] ? strstr(rest, ends[i]) : NULL;
        if (hit && (size_t)(hit - rest) < n_rest)
            n_rest = (size_t)(hit - rest);
    }
    char *copy = mem_dup(rest, n_rest);
    mem_free(text);
    return copy;
}

/* Joins a parser's events into a message in OpenAI's form, without ids. */
typedef struct joined {
    char content[4096], reasoning[4096], calls[4096];
} joined;

static void take(hearth_chat_parser *parser, joined *j)
{
    hearth_chat_event e;
    while (hearth_chat_parser_next(parser, &e)) {
        char *to = e.type == HEARTH_CHAT_REASONING ? j->reasoning
                   : e.type == HEARTH_CHAT_CONTENT ? j->content
                                                   : j->calls;
        size_t n = strlen(to);
        if (e.type == HEARTH_CHAT_CALL_BEGIN)
            snprintf(to + n, 4096 - n, "%u %s ", e.index, e.name);
        else if (e.type == HEARTH_CHAT_CALL_END)
            snprintf(to + n, 4096 - n, ";");
        else if (e.type > HEARTH_CHAT_CALL_END)
            snprintf(to + n, 4096 - n, "(%d)", e.type);
        else
            snprintf(to + n, 4096 - n, "%.*s", (int)e.n, e.text);
    }
}

static void parse(const hearth_chat_format *format, const char *text, size_t cut, joined *j)
{
    hearth_chat_parser *parser = NULL;
    size_t n = strlen(text);
    memset(j, 0, sizeof *j);
    assert_int_equal(hearth_chat_parser_new(&parser, format, NULL), HEARTH_OK);
    assert_int_equal(hearth_chat_parser_feed(parser, text, cut, NULL), HEARTH_OK);
    take(parser, j);
    assert_int_equal(hearth_chat_parser_feed(parser, text + cut, n - cut, NULL), HEARTH_OK);
    take(parser, j);
    assert_int_equal(hearth_chat_parser_finish(parser, NULL), HEARTH_OK);
    take(parser, j);
    hearth_chat_parser_free(parser);
}

/* The calls of a message and their arguments as values must be those of the answer. */
static void compare_calls(const char *name, const char *text, json_t *message, json_t *answer)
{
    json_t *got = json_object_get(message, "tool_calls"),
           *want = json_object_get(answer, "tool_calls");
    char *dump = json_dumps(message, 0);
    if (json_array_size(got) != json_array_size(want))
        fail_msg("%s: %zu calls for %zu, of\n%s\n%s", name, json_array_size(got),
                 json_array_size(want), text, dump);
    for (size_t i = 0; i < json_array_size(want); i++) {
        json_t *g = json_object_get(json_array_get(got, i), "function");
        json_t *w = json_object_get(json_array_get(want, i), "function");
        json_t *args = json_loads(json_string_value(json_object_get(g, "arguments")), 0, NULL);
        if (!json_equal(json_object_get(g, "name"), json_object_get(w, "name")) ||
            !json_equal(args, json_object_get(w, "arguments")))
            fail_msg("%s: call %zu is another, of\n%s\n%s", name, i, text, dump);
        json_decref(args);
    }
    free(dump);
}

/* Equal but for blanks at the ends, which are the template's. */
static bool same_text(const char *a, const char *b)
{
    a += strspn(a, " \n");
    size_t n = strlen(a);
    while (n > 0 && strchr(" \n", a[n - 1]) != NULL)
        n--;
    return n == strlen(b) && memcmp(a, b, n) == 0;
}

static hearth_grammar *compile(const char *name, const hearth_chat_format *format)
{
    hearth_grammar *grammar = NULL;
    hearth_error err = {0};
    const char *text = hearth_chat_format_grammar(format);
    assert_non_null(text);
    if (hearth_grammar_from_gbnf(&grammar, text, NULL, &err) != HEARTH_OK)
        fail_msg("%s: %s, in\n%s", name, err.message, text);
    return grammar;
}

/* The grammar of required calls lets through what the template writes. */
static void check_accepted(const loaded *l, const char *name, const char *text,
                           const hearth_chat_format_options *options)
{
    hearth_chat_format_options required = *options;
    hearth_chat_format *format = NULL;
    required.choice = HEARTH_TOOL_REQUIRED;
    assert_int_equal(hearth_chat_format_new(&format, l->style, &required, NULL), HEARTH_OK);
    hearth_grammar *grammar = compile(name, format);
    size_t n = strlen(text);
    while (n > 0 && strchr(" \n", text[n - 1]) != NULL)
        n--;
    /* DeepSeek-R1's template closes the section behind a second call only. */
    const char *close = json_string_value(json_object_get(l->about, "section_close"));
    buf closed;
    buf_init(&closed, 0);
    buf_append(&closed, text, n);
    buf_append_text(&closed, close ? close : "");
    if (!grammar_accepts(grammar, text, n) && !grammar_accepts(grammar, closed.data, closed.n))
        fail_msg("%s: the grammar refuses\n%s\n%s", name, text, hearth_chat_format_grammar(format));
    buf_deinit(&closed);
    hearth_grammar_unref(grammar);
    hearth_chat_format_free(format);
}

/* One answer through the template and back. False: the template refuses it. */
static bool there_and_back(const loaded *l, const char *name, json_t *answer, bool keeps_content)
{
    char *prompt = NULL, *text, *whole = NULL;
    size_t n_prompt = 0;
    hearth_chat_format_options options;
    hearth_chat_format *format = NULL;
    hearth_error err = {0};
    text = answer_text(l, answer, &prompt, &n_prompt);
    if (!text) {
        mem_free(prompt);
        return false;
    }
    hearth_chat_format_options_init(&options);
    options.tools = tools;
    options.n_tools_bytes = sizeof tools - 1;
    options.prompt = prompt;
    options.n_prompt = n_prompt;
    if (hearth_chat_format_new(&format, l->style, &options, &err) != HEARTH_OK)
        fail_msg("%s: %s", name, err.message);
    const char *end = hearth_chat_format_reasoning_end(format);
    bool reasons = hearth_chat_format_reasoning_open(format);
    if (reasons) { /* the prompt opened it, so a model would reason first */
        size_t n = strlen(text) + strlen(end) + sizeof "REASONED";
        char *both = malloc(n);
        snprintf(both, n, "REASONED%s%s", end, text);
        mem_free(text);
        text = mem_dup(both, n - 1);
        free(both);
    }
    assert_int_equal(hearth_chat_parse(format, text, strlen(text), &whole, &err), HEARTH_OK);
    json_t *message = json_loads(whole, 0, NULL);
    compare_calls(name, text, message, answer);
    const char *content = json_string_value(json_object_get(message, "content"));
    const char *wanted = json_string_value(json_object_get(answer, "content"));
    if (!same_text(content ? content : "", wanted) &&
        (keeps_content || (content && content[0] != '\0')))
        fail_msg("%s: content is another, of\n%s\n%s", name, text, whole);
    const char *reasoning = json_string_value(json_object_get(message, "reasoning_content"));
    if (reasons && (!reasoning || strcmp(reasoning, "REASONED") != 0))
        fail_msg("%s: reasoning is another, of\n%s\n%s", name, text, whole);
    joined first, other;
    parse(format, text, 0, &first);
    for (size_t cut = 1; cut <= strlen(text); cut++) {
        parse(format, text, cut, &other);
        if (memcmp(&first, &other, sizeof first) != 0)
            fail_msg("%s: cut at %zu gives another answer, of\n%s", name, cut, text);
    }
    if (json_array_size(json_object_get(answer, "tool_calls")) > 0 && wanted[0] == '\0')
        check_accepted(l, name, text, &options);
    json_decref(message);
    mem_free(whole);
    mem_free(text);
    mem_free(prompt);
    hearth_chat_format_free(format);
    return true;
}

static json_t *make_answer(const char *content, int n_calls)
{
    json_t *answer = json_pack("{s:s, s:s}", "role", "assistant", "content", content);
    json_t *calls = json_array();
    for (int i = 0; i < n_calls; i++)
        json_array_append_new(calls, json_loads(i == 0 ? call_1 : call_2, 0, NULL));
    if (n_calls > 0)
        json_object_set(answer, "tool_calls", calls);
    json_decref(calls);
    return answer;
}

static void test_there_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        int n_calls;
    } answers[] = {
        {"Plain text, with <b>tags</b> and {braces}.", 0}, {"", 1}, {"", 2}, {"I look.", 1}};
    for (size_t i = 0; i < N_EXPECTED; i++) {
        loaded l;
        int n = 0;
        load(&l, expected[i].name);
        bool one = json_is_true(json_object_get(l.about, "one_call"));
        for (size_t k = 0; k < sizeof answers / sizeof *answers; k++) {
            if (answers[k].n_calls > 1 && one)
                continue;
            json_t *answer = make_answer(answers[k].content, answers[k].n_calls);
            n += there_and_back(&l, expected[i].name, answer, answers[k].n_calls == 0);
            json_decref(answer);
        }
        if (n < 2)
            fail_msg("%s: wrote only %d of the answers", expected[i].name, n);
        unload(&l);
    }
}

/* ---- the grammar ---- */

static hearth_chat_format *make_format(const loaded *l, const char *name, hearth_tool_choice choice)
{
    json_t *asked = conversation(NULL);
    hearth_chat_format_options options;
    hearth_chat_format *format = NULL;
    hearth_error err = {0};
    size_t n = 0;
    char *prompt = render(l, asked, &n);
    json_decref(asked);
    assert_non_null(prompt);
    hearth_chat_format_options_init(&options);
    options.tools = tools;
    options.n_tools_bytes = sizeof tools - 1;
    options.prompt = prompt;
    options.n_prompt = n;
    options.choice = choice;
    options.tool_name = "send";
    if (hearth_chat_format_new(&format, l->style, &options, &err) != HEARTH_OK)
        fail_msg("%s: %s", name, err.message);
    mem_free(prompt);
    return format;
}

/* Whatever the grammar lets through is read as calls of the tools, and as nothing else. */
static void check_random(const char *name, const hearth_chat_format *format, bool named)
{
    hearth_grammar *grammar = compile(name, format);
    uint64_t random = 42;
    int n_texts = 0;
    for (int i = 0; i < 40; i++) {
        buf text;
        char *whole = NULL;
        buf_init(&text, 0);
        if (grammar_random_text(grammar, &random, 3000, &text)) {
            n_texts++;
            assert_int_equal(hearth_chat_parse(format, text.data, text.n, &whole, NULL), HEARTH_OK);
            json_t *message = json_loads(whole, 0, NULL), *call;
            json_t *calls = json_object_get(message, "tool_calls");
            size_t k;
            if (json_array_size(calls) == 0 || json_is_string(json_object_get(message, "content")))
                fail_msg("%s: the grammar lets through\n%s\nread as\n%s", name, text.data, whole);
            json_array_foreach(calls, k, call)
            {
                json_t *function = json_object_get(call, "function");
                const char *called = json_string_value(json_object_get(function, "name"));
                json_t *args = json_loads(json_string_value(json_object_get(function, "arguments")),
                                          JSON_ALLOW_NUL, NULL);
                json_t *must = json_object_get(args, strcmp(called, "send") == 0 ? "text" : "city");
                if (!json_is_string(must) || (named && strcmp(called, "send") != 0))
                    fail_msg("%s: the grammar lets through\n%s\nread as\n%s", name, text.data,
                             whole);
                json_decref(args);
            }
            json_decref(message);
            mem_free(whole);
        }
        buf_deinit(&text);
    }
    /* Chance alone does not find the end of free text. */
    bool free_text = strstr(hearth_chat_format_grammar(format), "-0 ::= [^") != NULL;
    if (n_texts < 5 && !free_text)
        fail_msg("%s: the grammar gave only %d texts", name, n_texts);
    hearth_grammar_unref(grammar);
}

static void test_grammars(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_EXPECTED; i++) {
        loaded l;
        load(&l, expected[i].name);
        hearth_chat_format *format = make_format(&l, expected[i].name, HEARTH_TOOL_REQUIRED);
        assert_int_equal(hearth_chat_format_n_triggers(format), 0);
        check_random(expected[i].name, format, false);
        hearth_chat_format_free(format);
        format = make_format(&l, expected[i].name, HEARTH_TOOL_NAMED);
        check_random(expected[i].name, format, true);
        hearth_chat_format_free(format);
        format = make_format(&l, expected[i].name, HEARTH_TOOL_AUTO);
        assert_true(hearth_chat_format_n_triggers(format) > 0);
        hearth_grammar_unref(compile(expected[i].name, format));
        hearth_chat_format_free(format);
        unload(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_styles),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_grammars),
    };
    DIR *dir = opendir(TEMPLATES);
    if (!dir) {
        fprintf(stderr, "skipped: %s is absent\n", TEMPLATES);
        return 77;
    }
    closedir(dir);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
