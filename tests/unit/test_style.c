/* SPDX-License-Identifier: MIT
 *
 * test_style.c - what a chat template teaches of the notation of its calls: small templates of each
 * way to write them, what a model would answer, and what that is read as.
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
#include <hearth/tools.h>

#include "support/grammar_text.h"

#define TURNS(calls)                                                                               \
    "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{% for m in messages %}"           \
    "{{ '<|turn|>' ~ m.role ~ '\n' }}{% if m.tool_calls %}" calls "{% else %}{{ m.content }}"      \
    "{% endif %}<|end|>{% endfor %}{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"

static const char tools[] =
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{\"type\":"
    "\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}},"
    "\"required\":[\"city\"]}}},{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]";

/* Rows of objects in a section. */
static const char rows_in_section[] =
    TURNS("<calls>\n{% for c in m.tool_calls %}{{ '{\"name\": \"' ~ c.function.name ~ "
          "'\", \"arguments\": ' ~ c.function.arguments|tojson ~ '}\n' }}{% endfor %}</calls>");
/* The name and a number are the id, which the template makes. */
static const char made_ids[] =
    TURNS("<|section|>{% for c in m.tool_calls %}<|call|>functions.{{ c.function.name }}:"
          "{{ loop.index0 }}<|args|>{{ c.function.arguments|tojson }}<|done|>{% endfor %}"
          "<|section_end|>");
/* The same, but the template fails where there are calls: its source tells. */
static const char hidden_ids[] =
    TURNS("<|tool_calls_section_begin|>{{ raise_exception('no calls') }}");
/* An id before the name. */
static const char first_ids[] =
    TURNS("<|calls|>{% for c in m.tool_calls %}<|call|>{{ c.id }}<|name|>{{ c.function.name }}"
          "<|args|>{{ c.function.arguments|tojson }}<|done|>{% endfor %}<|calls_end|>");
/* Python's calls with its single quotes, in one tag. */
static const char python[] =
    TURNS("<|calls|>[{% for c in m.tool_calls %}{{ c.function.name }}({% for k, v in "
          "c.function.arguments.items() %}{{ k }}={% if v is string %}'{{ v }}'{% else %}{{ v }}"
          "{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}){% if not loop.last %}, "
          "{% endif %}{% endfor %}]<|calls_end|>");

static const struct {
    const char *source, *answer, *calls;
} rows[] = {
    {rows_in_section,
     "<calls>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n"
     "{\"name\": \"now\", \"arguments\": {}}\n</calls>",
     "get_weather{\"city\": \"Oslo\"}now{}"},
    {made_ids,
     "<|section|><|call|>functions.get_weather:0<|args|>{\"city\": \"Oslo\"}<|done|>"
     "<|call|>functions.now:1<|args|>{}<|done|><|section_end|>",
     "get_weather{\"city\": \"Oslo\"}now{}"},
    {hidden_ids,
     "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0<|tool_call_argument_begin|>{}"
     "<|tool_call_end|><|tool_calls_section_end|>",
     "now{}"},
    {first_ids,
     "<|calls|><|call|>x7<|name|>get_weather<|args|>{\"city\": \"Oslo\"}<|done|>"
     "<|call|>x8<|name|>now<|args|>{}<|done|><|calls_end|>",
     "get_weather{\"city\": \"Oslo\"}now{}"},
    {python, "<|calls|>[get_weather(city='Oslo \"x\"', days=3), now()]<|calls_end|>",
     "get_weather{\"city\": \"Oslo \\\"x\\\"\", \"days\": 3}now{}"},
};

static hearth_chat_format *format_with(const char *source, const char *json,
                                       hearth_tool_choice choice, hearth_chat_style **style)
{
    hearth_chat_template *t = NULL;
    hearth_chat_format *format = NULL;
    hearth_chat_format_options options;
    hearth_error err = {0};
    assert_int_equal(hearth_chat_template_new(&t, source, strlen(source), &err), HEARTH_OK);
    assert_int_equal(hearth_chat_style_learn(style, t, source, strlen(source), &err), HEARTH_OK);
    hearth_chat_format_options_init(&options);
    options.tools = json;
    options.n_tools_bytes = strlen(json);
    options.choice = choice;
    if (hearth_chat_format_new(&format, *style, &options, &err) != HEARTH_OK)
        fail_msg("%s", err.message);
    hearth_chat_template_free(t);
    return format;
}

static hearth_chat_format *format_of(const char *source, hearth_tool_choice choice,
                                     hearth_chat_style **style)
{
    return format_with(source, tools, choice, style);
}

/* name and arguments of every call, one behind the other; "!" before content. */
static void join_calls(const hearth_chat_format *format, const char *answer, char *to, size_t size)
{
    char *whole = NULL;
    size_t i;
    json_t *call;
    assert_int_equal(hearth_chat_parse(format, answer, strlen(answer), &whole, NULL), HEARTH_OK);
    json_t *message = json_loads(whole, 0, NULL);
    const char *content = json_string_value(json_object_get(message, "content"));
    size_t n = (size_t)snprintf(to, size, "%s%s", content ? "!" : "", content ? content : "");
    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        json_t *f = json_object_get(call, "function");
        n += (size_t)snprintf(to + n, size - n, "%s%s",
                              json_string_value(json_object_get(f, "name")),
                              json_string_value(json_object_get(f, "arguments")));
    }
    json_decref(message);
    hearth_free(whole);
}

static void test_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char got[1024];
        hearth_chat_style *style = NULL;
        hearth_grammar *grammar = NULL;
        hearth_error err = {0};
        hearth_chat_format *format = format_of(rows[i].source, HEARTH_TOOL_REQUIRED, &style);
        join_calls(format, rows[i].answer, got, sizeof got);
        if (strcmp(got, rows[i].calls) != 0)
            fail_msg("row %zu (%s): %s", i, hearth_chat_style_calls(style), got);
        const char *text = hearth_chat_format_grammar(format);
        if (hearth_grammar_from_gbnf(&grammar, text, NULL, &err) != HEARTH_OK)
            fail_msg("row %zu: %s in\n%s", i, err.message, text);
        if (!grammar_accepts(grammar, rows[i].answer, strlen(rows[i].answer)))
            fail_msg("row %zu is refused by\n%s", i, text);
        hearth_grammar_unref(grammar);
        hearth_chat_format_free(format);
        hearth_chat_style_free(style);
    }
}

/* Parameters in tags: what a value may be. */
static const char tags[] =
    TURNS("{% for c in m.tool_calls %}<call>\n<f={{ c.function.name }}>\n{% for k, v in "
          "c.function.arguments.items() %}<p={{ k }}>\n{{ v if v is string else v|tojson }}\n</p>\n"
          "{% endfor %}</f>\n</call>{% endfor %}");

typedef struct value_case {
    const char *schema, *good[4], *bad[5];
} value_case;

/* before and behind: what stands around the value of x in a call. */
static void check_values(const char *source, const char *before, const char *behind,
                         const value_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char json[1024], text[512];
        hearth_chat_style *style = NULL;
        hearth_grammar *grammar = NULL;
        hearth_error err = {0};
        snprintf(json, sizeof json,
                 "[{'type':'function','function':{'name':'f','parameters':{'type':'object',"
                 "'properties':{'x':%s},'required':['x'],'$defs':{'S':{'type':'string',"
                 "'maxLength':2}}}}}]",
                 cases[i].schema);
        for (char *c = json; (c = strchr(c, '\'')) != NULL; *c = '"')
            ;
        hearth_chat_format *format = format_with(source, json, HEARTH_TOOL_REQUIRED, &style);
        const char *gbnf = hearth_chat_format_grammar(format);
        if (hearth_grammar_from_gbnf(&grammar, gbnf, NULL, &err) != HEARTH_OK)
            fail_msg("%s: %s in\n%s", cases[i].schema, err.message, gbnf);
        for (size_t k = 0; k < 9; k++) {
            const char *value = k < 4 ? cases[i].good[k] : cases[i].bad[k - 4];
            if (!value)
                continue;
            snprintf(text, sizeof text, "%s%s%s", before, value, behind);
            if (grammar_accepts(grammar, text, strlen(text)) != (k < 4))
                fail_msg("%s: %s, in\n%s", cases[i].schema, value, gbnf);
        }
        hearth_grammar_unref(grammar);
        hearth_chat_format_free(format);
        hearth_chat_style_free(style);
    }
}

static void test_values_in_tags(void **state)
{
    (void)state;
    static const value_case cases[] = {
        {"{'type':'string'}", {"Oslo", "5", "a < b", "two\nlines"}, {"a\n</p>b"}},
        {"{'type':'string','pattern':'^[a-z]+$','maxLength':3}", {"abc"}, {"abcd", "A", ""}},
        {"{'type':'string','minLength':2,'maxLength':20000}", {"ab"}, {"a"}},
        {"{'$ref':'#/$defs/S'}", {"ab", "12"}, {"abc"}},
        {"{'allOf':[{'$ref':'#/$defs/S'}],'title':'T'}", {"12"}, {"abc"}},
        {"{'enum':['a','b c',null,2]}", {"a", "b c", "null", "2"}, {"c", "\"a\"", "3"}},
        {"{'type':['string','null'],'maxLength':3}",
         {"abc", "null", "n"},
         {"abcd", "12", "[]", "true", "\"a\""}},
        {"{'anyOf':[{'type':'string'},{'type':'integer','maximum':9}]}",
         {"words", "7", "nullable"},
         {"10", "1.5", "null", "{}", "False"}},
        {"{'type':'integer','minimum':3}", {"3"}, {"2", "x", ""}},
        {"{}", {"a", "5", "{}"}, {NULL}},
    };
    check_values(tags, "<call>\n<f=f>\n<p=x>\n", "\n</p>\n</f>\n</call>", cases,
                 sizeof cases / sizeof *cases);
}

/* Values in braces, with marks around strings. */
static const char braces[] =
    TURNS("{% for c in m.tool_calls %}<|call>call:{{ c.function.name }}{{ '{' }}{% for k, v in "
          "c.function.arguments.items() %}{{ k }}:{% if v is string %}<|q|>{{ v }}<|q|>{% else %}"
          "{{ v|tojson }}{% endif %}{% if not loop.last %},{% endif %}{% endfor %}{{ '}' }}<call|>"
          "{% endfor %}");

static void test_values_in_braces(void **state)
{
    (void)state;
    static const value_case cases[] = {
        {"{'type':'string','maxLength':3}", {"<|q|>abc<|q|>"}, {"<|q|>abcd<|q|>", "5"}},
        {"{'type':'integer','minimum':3}", {"3"}, {"2", "true", "<|q|>3<|q|>"}},
        {"{'enum':['a',2,null]}", {"<|q|>a<|q|>", "2", "null"}, {"<|q|>b<|q|>", "3"}},
        {"{'type':['string','null']}", {"<|q|>a<|q|>", "null"}, {"1", "{}"}},
        {"{'$ref':'#/$defs/S'}", {"<|q|>ab<|q|>"}, {"<|q|>abc<|q|>"}},
        {"{'anyOf':[{'type':'boolean'},{'$ref':'#/$defs/S'}]}", {"true", "<|q|>a<|q|>"}, {"1"}},
        {"{'type':'array','items':{'type':'integer'},'minItems':1,'maxItems':2}",
         {"[1]", "[1,2]"},
         {"[]", "[1,2,3]", "[true]"}},
        {"{'type':'object','properties':{'a':{'type':'integer'},'b':{'type':'string'},'c':{'type':"
         "'null'}},'required':['b']}",
         {"{b:<|q|>x<|q|>}", "{b:<|q|>x<|q|>,a:1}", "{b:<|q|>x<|q|>,a:1,c:null}"},
         {"{}", "{a:1}", "{b:1}", "{b:<|q|>x<|q|>,}", "{b:<|q|>x<|q|>,d:1}"}},
        {"{'type':'object','properties':{'a':{'type':'integer'},'c':{'type':'null'}}}",
         {"{}", "{a:1}", "{c:null}", "{a:1,c:null}"},
         {"{,a:1}", "{a:1,}", "{c:null,a:1}"}},
        {"{}", {"1", "{a:[<|q|>b<|q|>]}"}, {NULL}},
    };
    check_values(braces, "<|call>call:f{x:", "}<call|>", cases, sizeof cases / sizeof *cases);
}

/* Where the template fails at calls, they are written as the model writes them. */
static void test_history_of_hidden_ids(void **state)
{
    (void)state;
    static const char context[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"?\"},{\"role\":\"assistant\",\"content\":"
        "null,\"tool_calls\":[{\"id\":\"functions.now:0\",\"type\":\"function\",\"function\":"
        "{\"name\":\"now\",\"arguments\":\"{}\"}},{\"id\":\"functions.now:1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"now\",\"arguments\":\" null\"}}]}]}";
    hearth_chat_style *style = NULL;
    char *out = NULL;
    hearth_chat_format_free(format_of(hidden_ids, HEARTH_TOOL_AUTO, &style));
    assert_int_equal(hearth_chat_style_prepare(style, context, strlen(context), &out, NULL),
                     HEARTH_OK);
    assert_non_null(strstr(out, "<|tool_calls_section_begin|><|tool_call_begin|>functions.now:0"
                                "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_call_begin|>"
                                "functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>"));
    hearth_free(out);
    hearth_chat_style_free(style);
}

/* A template that knows no thoughts: a model that thinks all the same can be told to end. */
static void test_thoughts_without_marks(void **state)
{
    (void)state;
    hearth_chat_style *style = NULL;
    hearth_chat_format *format = format_of(rows_in_section, HEARTH_TOOL_AUTO, &style);
    assert_null(hearth_chat_format_reasoning_begin(format));
    assert_string_equal(hearth_chat_format_reasoning_end(format), "</think>");
    hearth_chat_format_free(format);
    hearth_chat_style_free(style);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_values_in_tags),
        cmocka_unit_test(test_values_in_braces),
        cmocka_unit_test(test_history_of_hidden_ids),
        cmocka_unit_test(test_thoughts_without_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
