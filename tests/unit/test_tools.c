/* SPDX-License-Identifier: MIT
 *
 * test_tools.c - answers of each notation, as data, fed whole and cut at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include <hearth/grammar.h>

#include "base/buf.h"
#include "base/mem.h"
#include "chat/format.h"
#include "support/grammar_text.h"

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{\"type\":"
    "\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"},"
    "\"metric\":{\"type\":\"boolean\"},\"where\":{\"type\":\"object\"},\"list\":{\"type\":"
    "\"array\"},"
    "\"any\":{}},\"required\":[\"city\"]}}},"
    "{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]";

static const tool_shape empty = {
#define TOOL_SHAPE_FIELD(mark) .mark = "",
    TOOL_SHAPE_MARKS(TOOL_SHAPE_FIELD)
#undef TOOL_SHAPE_FIELD
};

/* One line per event, deltas of one kind joined: "R:text", "C:text", "call 0 name", "A0:text",
 * "end 0", ... */
typedef struct record {
    buf text;
    int last;
    bool id_seen;
} record;

static void note(record *r, const hearth_chat_event *e)
{
    static const char *const names[] = {"R", "C", "call", "A", "end", "cut", "drop"};
    bool joined = (int)e->type == r->last && e->type != HEARTH_CHAT_CALL_BEGIN &&
                  e->type != HEARTH_CHAT_CALL_END && e->type != HEARTH_CHAT_CALL_DROPPED;
    if (!joined)
        buf_append_format(&r->text, "%s%s", r->text.n > 0 ? "|" : "", names[e->type]);
    if (e->type == HEARTH_CHAT_CALL_BEGIN)
        buf_append_format(&r->text, " %u %s", e->index, e->name);
    else if (e->type >= HEARTH_CHAT_CALL_END)
        buf_append_format(&r->text, " %u", e->index);
    else if (!joined)
        buf_append_format(&r->text, ":");
    if (e->type < HEARTH_CHAT_CALL_BEGIN || e->type == HEARTH_CHAT_CALL_ARGUMENTS)
        buf_append(&r->text, e->text, e->n);
    r->last = (int)e->type;
}

static void drain(hearth_chat_parser *parser, record *r)
{
    hearth_chat_event e;
    while (hearth_chat_parser_next(parser, &e))
        note(r, &e);
}

/* The answer in two pieces, or byte by byte if cut is SIZE_MAX. */
static void parse_cut(const hearth_chat_format *format, const char *text, size_t n, size_t cut,
                      record *r)
{
    hearth_chat_parser *parser = NULL;
    assert_int_equal(hearth_chat_parser_new(&parser, format, NULL), HEARTH_OK);
    for (size_t at = 0; at < n;) {
        size_t piece = cut == SIZE_MAX ? 1 : at == 0 && cut > 0 ? cut : n - at;
        piece = piece < n - at ? piece : n - at;
        assert_int_equal(hearth_chat_parser_feed(parser, text + at, piece, NULL), HEARTH_OK);
        drain(parser, r);
        at += piece;
    }
    assert_int_equal(hearth_chat_parser_finish(parser, NULL), HEARTH_OK);
    drain(parser, r);
    hearth_chat_parser_free(parser);
}

static void check_with(const tool_shape *shape, const hearth_chat_format_options *options,
                       const char *answer, const char *expected)
{
    hearth_chat_format *format = NULL;
    hearth_error err = {0};
    size_t n = strlen(answer);
    if (format_open(&format, shape, options, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    for (size_t cut = 0; cut <= n + 1; cut++) {
        record r = {.last = -1};
        buf_init(&r.text, 0);
        parse_cut(format, answer, n, cut > n ? SIZE_MAX : cut, &r);
        if (strcmp(r.text.n > 0 ? r.text.data : "", expected) != 0)
            fail_msg("cut at %zu of\n%s\ngot      %s\nexpected %s", cut, answer, r.text.data,
                     expected);
        buf_deinit(&r.text);
    }
    hearth_chat_format_free(format);
}

static hearth_chat_format_options usual(void)
{
    hearth_chat_format_options options;
    hearth_chat_format_options_init(&options);
    options.tools = tools;
    options.n_tools_bytes = sizeof tools - 1;
    return options;
}

static void check(const tool_shape *shape, const char *answer, const char *expected)
{
    hearth_chat_format_options options = usual();
    check_with(shape, &options, answer, expected);
}

static tool_shape hermes(void)
{
    tool_shape s = empty;
    s.kind = TOOL_KIND_JSON;
    s.call_open = "<tool_call>\n";
    s.call_close = "\n</tool_call>";
    s.call_between = "\n";
    s.think_open = "<think>\n";
    s.think_close = "\n</think>\n\n";
    return s;
}

static void test_json_in_tags(void **state)
{
    (void)state;
    tool_shape s = hermes();
    check(&s, "", "");
    check(&s, "Hello, \xC3\xA9 world.\n", "C:Hello, \xC3\xA9 world.\n");
    check(&s,
          "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
          "\"Oslo\"}}\n</tool_call>",
          "call 0 get_weather|A:{\"city\": \"Oslo\"}|end 0");
    check(&s,
          "<think>\nIt is\ncold.\n</think>\n\nLook:\n<tool_call>\n{\"name\": \"now\", "
          "\"arguments\": {}}\n</tool_call>",
          "R:It is\ncold.|C:Look:|call 0 now|A:{}|end 0");
    check(&s,
          "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"\xE6\x9D\xB1\", "
          "\"where\": "
          "{\"a\": [1, {\"b\": "
          "\"}</tool_call>\"}]}}}\n</tool_call>\n<tool_call>{\"name\":\"now\"}</tool_call>\n",
          "call 0 get_weather|A:{\"city\": \"\xE6\x9D\xB1\", \"where\": {\"a\": [1, {\"b\": "
          "\"}</tool_call>\"}]}}|end 0|call 1 now|A:{}|end 1");
    /* arguments first, as text, and other keys */
    check(&s,
          "<tool_call>{\"type\": \"function\", \"arguments\": {\"city\":\"B\"}, \"name\": "
          "\"get_weather\"}</tool_call>",
          "call 0 get_weather|A:{\"city\":\"B\"}|end 0");
    check(&s,
          "<tool_call>{\"name\": \"get_weather\", \"arguments\": \"{\\\"city\\\": "
          "\\\"B\\\"}\"}</tool_call>ok",
          "call 0 get_weather|A:{\"city\": \"B\"}|end 0|C:ok");
    check(&s, "<tool_call>{\"name\": \"now\", \"parameters\": null}", "call 0 now|A:{}|end 0");
    /* cut off in the closing tag */
    check(&s, "<tool_call>{\"name\": \"now\", \"arguments\": {}}\n</tool_c",
          "call 0 now|A:{}|end 0");
    check(&s, "<tool_call>{\"name\": \"now\", \"arguments\": {}}\n</tool_x",
          "call 0 now|A:{}|end 0|C:</tool_x");
    /* and in a second call, before its name */
    check(&s, "<tool_call>{\"name\": \"now\"}</tool_call>\n<tool_call>{\"nam",
          "call 0 now|A:{}|end 0");
}

static void test_json_that_is_no_call(void **state)
{
    (void)state;
    tool_shape s = hermes();
    check(&s, "a <tool_call> b", "C:a <tool_call> b");
    check(&s, "a <tool", "C:a <tool");
    check(&s, "x \n<tool_call>", "C:x \n<tool_call>");
    check(&s, "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call> y",
          "C:<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call> y");
    check(&s, "<tool_call>{\"nam<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>",
          "C:<tool_call>{\"nam|call 0 now|A:{}|end 0");
    /* broken after its name: dropped, and nothing is lost */
    check(&s, "<tool_call>{\"name\":\"now\",\"arguments\":{\"a\":x}}</tool_call>",
          "call 0 now|A:{\"a\":|drop "
          "0|C:<tool_call>{\"name\":\"now\",\"arguments\":{\"a\":x}}</tool_call>");
    /* cut off */
    check(&s, "<tool_call>{\"name\":\"now\",\"arguments\":{\"a\": \"b",
          "call 0 now|A:{\"a\": \"b|cut 0");
    check(&s, "<tool_call>{\"name\":\"now\",\"arguments\":{}", "call 0 now|A:{}|end 0");
}

static void test_choice_and_reasoning(void **state)
{
    (void)state;
    tool_shape s = hermes();
    hearth_chat_format_options o = usual();
    const char *call = "<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>";
    o.choice = HEARTH_TOOL_NONE;
    check_with(&s, &o, call, "C:<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>");
    o = usual();
    o.parallel = false;
    check_with(
        &s, &o,
        "<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"now\"}",
        "call 0 now|A:{}|end 0|C:<tool_call>{\"name\":\"now\"}");
    o = usual();
    o.reasoning = HEARTH_REASONING_NONE;
    check_with(
        &s, &o,
        "<think>\na <tool_call> </think>\n\nb <tool_call>{\"name\":\"now\",\"arguments\":{}}",
        "C:<think>\na <tool_call> </think>\n\nb|call 0 now|A:{}|end 0");
    o = usual();
    o.prompt = "<|im_start|>assistant\n<think>\n";
    o.n_prompt = strlen(o.prompt);
    check_with(&s, &o, "hm <think> x\n</think>\n\n<b>", "R:hm <think> x|C:<b>");
    check_with(&s, &o, " never ends \n", "R:never ends");
    o.prompt = "<|im_start|>assistant\n<think>\n\n</think>\n\n";
    o.n_prompt = strlen(o.prompt);
    check_with(&s, &o, "direct", "C:direct");
    check_with(&s, &o, "</think>\ndirect <think>no</think>", "C:direct <think>no</think>");
}

static void test_bare_json(void **state)
{
    (void)state;
    tool_shape s = empty;
    s.kind = TOOL_KIND_JSON;
    s.bare = true;
    s.args_key = "parameters";
    s.call_open = "<|python_tag|>";
    check(&s, "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Oslo\"}}",
          "call 0 get_weather|A:{\"city\": \"Oslo\"}|end 0");
    check(&s, "<|python_tag|>{\"name\": \"now\", \"parameters\": {}}", "call 0 now|A:{}|end 0");
    check(&s, "{\"name\": \"now\"}; {\"name\": \"now\"}",
          "call 0 now|A:{}|end 0|call 1 now|A:{}|end 1");
    check(&s, "{\"name\": \"Bob\", \"age\": 3}", "C:{\"name\": \"Bob\", \"age\": 3}");
    check(&s, "See {\"name\": \"now\"}", "C:See {\"name\": \"now\"}");
    check(&s, "{\"name\": \"now\"}; ok", "call 0 now|A:{}|end 0|C:; ok");
    s.think_open = "<think>";
    s.think_close = "</think>";
    check(&s, "<think>a</think>\n\n{\"name\": \"now\"x",
          "R:a|call 0 now|drop 0|C:{\"name\": \"now\"x");
}

static void test_lists(void **state)
{
    (void)state;
    tool_shape s = empty;
    s.kind = TOOL_KIND_LIST;
    s.short_ids = true;
    s.section_open = "[TOOL_CALLS]";
    check(&s,
          "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"A\"}, \"id\": "
          "\"abcdefghi\"}, {\"name\": \"now\", \"arguments\": {}}]",
          "call 0 get_weather|A:{\"city\": \"A\"}|end 0|call 1 now|A:{}|end 1");
    check(&s, "Sure.[TOOL_CALLS] [{\"name\": \"now\", \"arguments\": {}}] done",
          "C:Sure.|call 0 now|A:{}|end 0|C:done");
    check(&s, "[TOOL_CALLS][]", "C:[TOOL_CALLS][]");
    s.kind = TOOL_KIND_KEYED;
    s.section_open = "<|tools_prefix|>";
    s.section_close = "<|tools_suffix|>";
    check(
        &s,
        "<|tools_prefix|>[{\"get_weather\": {\"city\": \"Oslo\"}}, {\"now\": {}}]<|tools_suffix|>",
        "call 0 get_weather|A:{\"city\": \"Oslo\"}|end 0|call 1 now|A:{}|end 1");
}

static void test_named_json(void **state)
{
    (void)state;
    tool_shape s = empty;
    s.kind = TOOL_KIND_NAME_JSON;
    s.call_open = "[TOOL_CALLS]";
    s.name_close = "[ARGS]";
    s.id_open = "[CALL_ID]";
    s.short_ids = true;
    check(&s,
          "[TOOL_CALLS]get_weather[CALL_ID]a1b2c3d4e[ARGS]{\"city\": \"A\"}[TOOL_CALLS]now[ARGS]{}",
          "call 0 get_weather|A:{\"city\": \"A\"}|end 0|call 1 now|A:{}|end 1");
    s = empty;
    s.kind = TOOL_KIND_NAME_JSON;
    s.section_open = "<calls>";
    s.call_open = "<call>function<sep>";
    s.name_close = "\n```json\n";
    s.call_close = "\n```</call>";
    s.section_close = "</calls>";
    check(&s,
          "Hi<calls><call>function<sep>get_weather\n```json\n{\"city\": "
          "\"A\"}\n```</call>\n<call>function<sep>now\n```json\n{}\n```</call></calls>",
          "C:Hi|call 0 get_weather|A:{\"city\": \"A\"}|end 0|call 1 now|A:{}|end 1");
    check(&s, "<calls>nothing", "C:<calls>nothing");
    s = empty;
    s.kind = TOOL_KIND_NAME_JSON;
    s.id_is_name = true;
    s.section_open = "<|tool_calls_section_begin|>";
    s.call_open = "<|tool_call_begin|>";
    s.name_close = "<|tool_call_argument_begin|>";
    s.call_close = "<|tool_call_end|>";
    s.section_close = "<|tool_calls_section_end|>";
    check(&s,
          "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_"
          "begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
          "call 0 now|A:{}|end 0");
    s = empty;
    s.kind = TOOL_KIND_NAME_JSON;
    s.recipient = true;
    s.call_open = ">>>";
    s.name_close = "\n";
    hearth_chat_format_options o = usual();
    o.prompt = "assistant\n\n>>>";
    o.n_prompt = strlen(o.prompt);
    check_with(&s, &o, "all\nHello >>> you>>>now\n{}>>>get_weather\n{\"city\":\"B\"}",
               "C:Hello >>> you|call 0 now|A:{}|end 0|call 1 get_weather|A:{\"city\":\"B\"}|end 1");
    check_with(&s, &o, "what\nelse", "C:what\nelse");
}

static void test_xml(void **state)
{
    (void)state;
    tool_shape s = empty;
    s.kind = TOOL_KIND_XML;
    s.line_values = true;
    s.call_open = "<tool_call>\n<function=";
    s.name_close = ">\n";
    s.key_open = "<parameter=";
    s.key_close = ">\n";
    s.value_close = "\n</parameter>\n";
    s.call_close = "</function>\n</tool_call>";
    check(&s,
          "I "
          "look.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nOs\"lo\n<\xC3\xA9>\n</"
          "parameter>\n"
          "<parameter=days>\n3\n</parameter>\n<parameter=metric>\nTrue\n</"
          "parameter>\n<parameter=where>\n"
          "{'k': 'v', \"l\": [1, None]}\n</parameter>\n<parameter=any>\nx "
          "y\n</parameter>\n</function>\n</tool_call>\n"
          "<tool_call>\n<function=now>\n</function>\n</tool_call>",
          "C:I look.|call 0 get_weather|A:{\"city\": \"Os\\\"lo\\n<\xC3\xA9>\", \"days\": 3, "
          "\"metric\": true, "
          "\"where\": {\"k\": \"v\", \"l\": [1, null]}, \"any\": \"x y\"}|end 0|call 1 "
          "now|A:{}|end 1");
    check(&s, "<tool_call>\n<function=get_weather>\n<parameter=city>\nOs",
          "call 0 get_weather|A:{\"city\": \"Os|cut 0");
    check(&s, "<tool_call>\n<function=get_weather>\nwhat",
          "call 0 get_weather|drop 0|C:<tool_call>\n<function=get_weather>\nwhat");
    tool_shape glm = empty;
    glm.kind = TOOL_KIND_XML;
    glm.call_open = "<tool_call>";
    glm.key_open = "<arg_key>";
    glm.key_close = "</arg_key><arg_value>";
    glm.value_close = "</arg_value>";
    glm.call_close = "</tool_call>";
    check(&glm,
          "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</"
          "arg_value>\n<arg_key>days</arg_key><arg_value>2</arg_value></tool_call><tool_call>now</"
          "tool_call>",
          "call 0 get_weather|A:{\"city\": \"Oslo\", \"days\": 2}|end 0|call 1 now|A:{}|end 1");
    tool_shape dsml = empty;
    dsml.kind = TOOL_KIND_XML;
    dsml.section_open = "<calls>\n";
    dsml.call_open = "<invoke name=\"";
    dsml.name_close = "\">\n";
    dsml.key_open = "<parameter name=\"";
    dsml.key_close = "\" string=\"true\">";
    dsml.key_close_other = "\" string=\"false\">";
    dsml.value_close = "</parameter>\n";
    dsml.call_close = "</invoke>\n";
    dsml.section_close = "</calls>";
    dsml.cdata = true;
    check(&dsml,
          "<calls>\n<invoke name=\"get_weather\">\n<parameter name=\"any\" "
          "string=\"true\">3</parameter>\n<parameter name=\"list\" string=\"false\">[1, "
          "2]</parameter>\n</invoke>\n<invoke name=\"get_weather\">\n<parameter name=\"city\" "
          "string=\"true\"><![CDATA[a</parameter>]]></parameter>\n</invoke></calls>",
          "call 0 get_weather|A:{\"any\": \"3\", \"list\": [1, 2]}|end 0|call 1 "
          "get_weather|A:{\"city\": \"a</parameter>\"}|end 1");
}

static void test_pairs(void **state)
{
    (void)state;
    tool_shape s = empty;
    s.kind = TOOL_KIND_PAIRS;
    s.section_open = "<|tool_call_start|>[";
    s.section_close = "]<|tool_call_end|>";
    s.name_close = "(";
    s.key_close = "=";
    s.args_close = ")";
    check(&s,
          "<|tool_call_start|>[get_weather(city=\"O, )slo\", days=3, where={'a': [True, None]}), "
          "now()]<|tool_call_end|>Done.",
          "call 0 get_weather|A:{\"city\": \"O, )slo\", \"days\": 3, \"where\": {\"a\": [true, "
          "null]}}|end 0|call 1 now|A:{}|end 1|C:Done.");
    tool_shape gemma = empty;
    gemma.kind = TOOL_KIND_PAIRS;
    gemma.call_open = "<|tool_call>call:";
    gemma.call_close = "<tool_call|>";
    gemma.name_close = "{";
    gemma.key_close = ":";
    gemma.args_close = "}";
    gemma.quote = "<|\"|>";
    gemma.think_open = "<|channel>thought\n";
    gemma.think_close = "\n<channel|>";
    check(&gemma,
          "<|channel>thought\nhm\n<channel|><|tool_call>call:get_weather{city:<|\"|>Os\"lo, "
          "{<|\"|>,list:[1,2.5],where:{k:<|\"|>v<|\"|>},metric:true}<tool_call|><|tool_call>call:"
          "now{}<tool_call|>",
          "R:hm|call 0 get_weather|A:{\"city\": \"Os\\\"lo, {\", \"list\": [1,2.5], \"where\": "
          "{\"k\": \"v\"}, \"metric\": true}|end 0|call 1 now|A:{}|end 1");
}

static void test_harmony(void **state)
{
    (void)state;
    tool_shape s = empty;
    s.kind = TOOL_KIND_HARMONY;
    check(&s,
          "<|channel|>analysis<|message|>Need it.<|end|><|start|>assistant<|channel|>commentary "
          "to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Oslo\"}<|call|>",
          "R:Need it.|call 0 get_weather|A:{\"city\": \"Oslo\"}|end 0");
    check(&s, " to=functions.now<|channel|>commentary json<|message|>{}", "call 0 now|A:{}|end 0");
    check(&s, "<|channel|>final<|message|>Hi <|x|>.<|return|>", "C:Hi <|x|>.");
    check(&s,
          "<|channel|>commentary<|message|>First.<|end|><|start|>assistant<|channel|>final<|"
          "message|>Then.",
          "C:First.Then.");
    check(&s, "no header", "C:no header");
    check(&s, "<|channel|>analysis", "C:<|channel|>analysis");
    check(&s, "<|channel|>commentary to=rm<|message|>{}<|call|>",
          "C:<|channel|>commentary to=rm<|message|>{}");
}

static void test_wrapped_content(void **state)
{
    (void)state;
    tool_shape s = empty;
    s.kind = TOOL_KIND_LIST;
    s.section_open = "<|START_ACTION|>";
    s.section_close = "<|END_ACTION|>";
    s.name_key = "tool_name";
    s.args_key = "parameters";
    s.think_open = "<|START_THINKING|>";
    s.think_close = "<|END_THINKING|>";
    s.content_open = "<|START_RESPONSE|>";
    s.content_close = "<|END_RESPONSE|>";
    check(&s,
          "<|START_THINKING|>x<|END_THINKING|><|START_ACTION|>[\n    {\"tool_call_id\": \"0\", "
          "\"tool_name\": \"now\", \"parameters\": {}}\n]<|END_ACTION|>",
          "R:x|call 0 now|A:{}|end 0");
    check(&s, "<|START_RESPONSE|>4<|END_RESPONSE|>", "C:4");
}

/* What is passed on is JSON whatever was wrong inside of strings. */
static void test_mended_strings(void **state)
{
    (void)state;
    tool_shape s = hermes();
    check(
        &s,
        "<tool_call>{\"name\":\"now\",\"arguments\":{\"a\":\"x\ny\\d\\ud83d!"
        "\\u00e9\\ud83d\\ude00\xFF\xE6\x9D\"}}",
        "call 0 "
        "now|A:{\"a\":\"x\\ny\\\\d\\ufffd!\\u00e9\\ud83d\\ude00\xEF\xBF\xBD\xEF\xBF\xBD\"}|end 0");
}

static void test_whole_message(void **state)
{
    (void)state;
    tool_shape s = hermes();
    hearth_chat_format_options o = usual();
    hearth_chat_format *format = NULL;
    char *text = NULL;
    const char *answer =
        "<think>a\xFF</think>b<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>";
    assert_int_equal(format_open(&format, &s, &o, NULL), HEARTH_OK);
    assert_int_equal(hearth_chat_parse(format, answer, strlen(answer), &text, NULL), HEARTH_OK);
    json_t *root = json_loads(text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "content")), "b");
    assert_string_equal(json_string_value(json_object_get(root, "reasoning_content")),
                        "a\xEF\xBF\xBD");
    json_t *call = json_array_get(json_object_get(root, "tool_calls"), 0);
    assert_int_equal(strncmp(json_string_value(json_object_get(call, "id")), "call_", 5), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(call, "function"), "arguments")), "{}");
    json_decref(root);
    mem_free(text);
    hearth_chat_format_free(format);
}

static void test_what_callers_say(void **state)
{
    (void)state;
    static const char twice[] = "[{\"type\":\"function\",\"function\":{\"name\":\"a\"}},"
                                "{\"type\":\"function\",\"function\":{\"name\":\"a\"}}]";
    static const char blank[] = "[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]";
    static const char *const bad[] = {"{}", "[1]", "[", "[{\"type\":\"web\"}]", blank, twice};
    tool_shape s = hermes();
    hearth_chat_format *format = NULL;
    hearth_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hearth_chat_format_options o = usual();
        o.tools = bad[i];
        o.n_tools_bytes = strlen(bad[i]);
        assert_int_equal(format_open(&format, &s, &o, &err), HEARTH_EINVAL);
        assert_int_equal(strncmp(err.message, "tools", 5), 0);
    }
    hearth_chat_format_options o = usual();
    o.choice = HEARTH_TOOL_NAMED;
    o.tool_name = "nope";
    assert_int_equal(format_open(&format, &s, &o, &err), HEARTH_EINVAL);
    o.tools = NULL;
    o.choice = HEARTH_TOOL_REQUIRED;
    assert_int_equal(format_open(&format, &s, &o, &err), HEARTH_EINVAL);
}

/* Required calls: what may be written and what not; reasoning first where the prompt opened it. */
static void test_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        {"<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", true},
        {"<think>\nhm</think>\n\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": "
         "{\"city\": "
         "\"A\", \"days\": 2}}\n</tool_call>",
         true},
        {"<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"days\": 2}}\n</tool_call>",
         false},
        {"<tool_call>\n{\"name\": \"rm\", \"arguments\": {}}\n</tool_call>", false},
        {"Sure. <tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", false},
        {"", false},
    };
    tool_shape s = hermes();
    hearth_chat_format_options o = usual();
    hearth_chat_format *format = NULL;
    hearth_grammar *grammar = NULL;
    bool is_pattern = true;
    o.choice = HEARTH_TOOL_REQUIRED;
    assert_int_equal(format_open(&format, &s, &o, NULL), HEARTH_OK);
    assert_int_equal(
        hearth_grammar_from_gbnf(&grammar, hearth_chat_format_grammar(format), NULL, NULL),
        HEARTH_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (grammar_accepts(grammar, texts[i].text, strlen(texts[i].text)) != texts[i].good)
            fail_msg("%s", texts[i].text);
    hearth_grammar_unref(grammar);
    hearth_chat_format_free(format);
    o.choice = HEARTH_TOOL_AUTO;
    assert_int_equal(format_open(&format, &s, &o, NULL), HEARTH_OK);
    assert_int_equal(hearth_chat_format_n_triggers(format), 1);
    assert_string_equal(hearth_chat_format_trigger(format, 0, &is_pattern), "<tool_call>");
    assert_false(is_pattern);
    hearth_chat_format_free(format);
    o.tools = "[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":{\"type\":7}}}]";
    o.n_tools_bytes = strlen(o.tools);
    hearth_error err = {0};
    assert_int_not_equal(format_open(&format, &s, &o, &err), HEARTH_OK);
    assert_string_equal(err.where, "tools[0].function.parameters/type");
    o.tools = "[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":{\"properties\":"
              "{\"a\":{\"not\":{}}}}}}]";
    o.n_tools_bytes = strlen(o.tools);
    assert_int_not_equal(format_open(&format, &s, &o, &err), HEARTH_OK);
    assert_string_equal(err.where, "tools[0].function.parameters/properties/a/not");
    assert_int_equal(strncmp(err.message, "tools[0].function.parameters/properties/a/not: ", 47),
                     0);
}

/* Arguments are an object, whatever the schema leaves out. */
static void test_arguments_are_an_object(void **state)
{
    (void)state;
    static const struct {
        const char *parameters; /* NULL: refused */
        const char *good, *bad;
    } rows[] = {
        {"{}", "{\"a\": 1}", "\"a\""},
        {"{\"title\":\"t\"}", "{}", "[]"},
        {"{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]}", "{\"a\": 1}", "null"},
        {"{\"type\":[\"object\",\"null\"]}", "{}", "null"},
        {"null", "{}", "1"},
        {"{\"type\":\"string\"}", NULL, NULL},
        {"{\"type\":[\"string\"]}", NULL, NULL},
    };
    tool_shape s = hermes();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hearth_chat_format_options o = usual();
        hearth_chat_format *format = NULL;
        hearth_grammar *grammar = NULL;
        hearth_error err = {0};
        char list[256], text[256];
        snprintf(list, sizeof list,
                 "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":%s}}]",
                 rows[i].parameters);
        o.tools = list;
        o.n_tools_bytes = strlen(list);
        o.choice = HEARTH_TOOL_REQUIRED;
        hearth_status status = format_open(&format, &s, &o, &err);
        if (rows[i].good == NULL) {
            assert_int_equal(status, HEARTH_EINVAL);
            assert_string_equal(err.where, "tools[0].function.parameters/type");
            continue;
        }
        assert_int_equal(status, HEARTH_OK);
        assert_int_equal(
            hearth_grammar_from_gbnf(&grammar, hearth_chat_format_grammar(format), NULL, NULL),
            HEARTH_OK);
        for (int good = 0; good < 2; good++) {
            snprintf(text, sizeof text,
                     "<tool_call>\n{\"name\": \"f\", \"arguments\": %s}\n</tool_call>",
                     good ? rows[i].good : rows[i].bad);
            if (grammar_accepts(grammar, text, strlen(text)) != good)
                fail_msg("%s: %s", rows[i].parameters, text);
        }
        hearth_grammar_unref(grammar);
        hearth_chat_format_free(format);
    }
}

/* What one context becomes under a style that is learned of a template. */
static char *prepared(const char *source, const char *context)
{
    hearth_chat_template *t = NULL;
    hearth_chat_style *style = NULL;
    hearth_error err = {0};
    char *out = NULL;
    assert_int_equal(hearth_chat_template_new(&t, source, strlen(source), &err), HEARTH_OK);
    assert_int_equal(hearth_chat_style_learn(&style, t, source, strlen(source), &err), HEARTH_OK);
    if (hearth_chat_style_prepare(style, context, strlen(context), &out, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    hearth_chat_style_free(style);
    hearth_chat_template_free(t);
    return out;
}

/* Templates read type and properties without asking, and some a parameter's description. */
static void test_schemas_are_completed(void **state)
{
    (void)state;
    static const char plain[] =
        "{% for t in tools %}{{ t.function.name }}{% endfor %}"
        "{% for m in messages %}{{ m.role + ': ' + m.content }}{% endfor %}";
    static const char wants[] =
        "{% for t in tools %}{{ t.function.name }}{% for k, p in "
        "t.function.parameters.properties.items() %}{{ k + ': ' + p.description }}{% endfor %}"
        "{% endfor %}{% for m in messages %}{{ m.role + ': ' + m.content }}{% endfor %}";
    static const struct {
        const char *source, *function, *expect;
    } rows[] = {
        {plain, "\"name\":\"f\"", "\"parameters\": {\"type\": \"object\", \"properties\": {}}"},
        {plain, "\"name\":\"f\",\"parameters\":{\"title\":\"t\"}",
         "\"parameters\": {\"type\": \"object\", \"properties\": {}, \"title\": \"t\"}"},
        {plain, "\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":\"null\"}}}",
         "\"properties\": {\"a\": {\"type\": \"null\"}}"},
        {wants, "\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":\"null\"}}}",
         "\"properties\": {\"a\": {\"type\": \"null\", \"description\": \"\"}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char context[512];
        snprintf(context, sizeof context,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"tools\":[{\"type\":"
                 "\"function\",\"function\":{%s}}]}",
                 rows[i].function);
        char *out = prepared(rows[i].source, context);
        if (strstr(out, rows[i].expect) == NULL)
            fail_msg("%s: %s", rows[i].function, out);
        hearth_free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_in_tags),
        cmocka_unit_test(test_json_that_is_no_call),
        cmocka_unit_test(test_choice_and_reasoning),
        cmocka_unit_test(test_bare_json),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_named_json),
        cmocka_unit_test(test_xml),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_harmony),
        cmocka_unit_test(test_wrapped_content),
        cmocka_unit_test(test_mended_strings),
        cmocka_unit_test(test_whole_message),
        cmocka_unit_test(test_what_callers_say),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_arguments_are_an_object),
        cmocka_unit_test(test_schemas_are_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
