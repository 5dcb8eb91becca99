/* SPDX-License-Identifier: MIT
 *
 * test_grammar_schema.c - JSON Schemas as grammars: texts that fit and texts that do not, and what
 * is refused where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "support/grammar_text.h"

typedef struct schema_case {
    const char *schema;
    const char *good[7], *bad[8];
} schema_case;

#define TREE                                                                                       \
    "{'$defs':{'n':{'type':'object','properties':{'v':{'type':'integer'},'k':{'type':'array',"     \
    "'items':{'$ref':'#/$defs/n'}}},'required':['v']}},'$ref':'#/$defs/n'}"
#define ABC "'properties':{'a':{'const':1},'b':{'const':2},'c':{'const':3}}"

/* ' stands for " in schemas and texts. */
static const schema_case cases[] = {
    {"true", {"1", "[{'a':null}]", "'x'"}, {"", "tru", "{,}"}},
    {"{'type':'object'}", {"{}", "{ 'a': [1, {'b':'c'}],\n 'd':-1.5e3 }"}, {"[]", "{'a'}", "{} "}},
    {"{'type':['string','null']}", {"null", "'\\n\\u00e4'"}, {"1", "'\n'", "'\\ud800'", "'\\x'"}},
    {"{'type':'boolean'}", {"true", "false"}, {"null", "True"}},
    {"{'type':'integer'}", {"0", "-12", "123456789012345"}, {"01", "1.0", "1e3", "+1"}},
    {"{'type':'number'}", {"0.5", "-1e-9", "3"}, {".5", "1.", "00"}},
    {"{'type':'integer','minimum':-5,'maximum':123}",
     {"-5", "0", "99", "100", "123"},
     {"-6", "124", "1000", "-0", "-10"}},
    {"{'type':'integer','exclusiveMinimum':9.5,'exclusiveMaximum':20}",
     {"10", "19"},
     {"9", "20", "1", "100"}},
    {"{'type':'integer','minimum':9007199254740993,'maximum':9007199254740993}",
     {"9007199254740993"},
     {"9007199254740992"}},
    {"{'type':'integer','multipleOf':7,'minimum':-14}",
     {"-14", "-7", "0", "7", "700"},
     {"1", "-21", "71"}},
    {"{'type':'number','minimum':0,'exclusiveMaximum':1}",
     {"0", "0.0", "0.999", "0.00001"},
     {"1", "1.0", "-0.1", "2"}},
    {"{'type':'number','exclusiveMinimum':-2.5,'maximum':3.14}",
     {"-2.49", "-2.4999", "0", "3.14", "3.1", "3.1399"},
     {"-2.5", "-2.50", "3.15", "3.141", "-3"}},
    {"{'type':'string','minLength':1,'maxLength':2}",
     {"'a'", "'ab'", "'\xf0\x9f\x98\x80\\n'", "'\\ud83d\\ude00x'"},
     {"''", "'abc'"}},
    {"{'type':'string','pattern':'^a.*z$','maxLength':4}",
     {"'az'", "'a\\\"\\\\z'"},
     {"'a'", "'abcdz'", "'a\\nz'"}},
    {"{'type':'string','pattern':'b','allOf':[{'pattern':'^a'}]}", {"'ab'"}, {"'b'", "'a'"}},
    {"{'type':'string','format':'date'}",
     {"'2024-02-29'", "'2023-12-31'"},
     {"'2023-02-29'", "'2023-13-01'", "'2023-04-31'"}},
    {"{'type':'string','format':'ipv4'}", {"'127.0.0.1'"}, {"'256.0.0.1'", "'1.2.3'"}},
    {"{'type':'string','format':'uuid'}",
     {"'123e4567-e89b-12d3-a456-426614174000'"},
     {"'123e4567'"}},
    {"{'type':'string','format':'date-time'}",
     {"'2024-01-02T03:04:05Z'", "'2024-01-02T03:04:05.5+01:00'"},
     {"'2024-01-02 03:04:05'"}},
    {"{'type':'string','format':'email'}", {"'a.b@example.org'"}, {"'a@'", "'@b.c'"}},
    {"{'enum':['a',1,null,[1,2.5]]}", {"'a'", "1", "null", "[1,2.5]"}, {"'b'", "[1, 2.5]"}},
    {"{'type':'string','enum':['a',1]}", {"'a'"}, {"1"}},
    {"{'const':{'q':'\\\"\\\\'}}", {"{'q':'\\\"\\\\'}"}, {"{}"}},
    {"{'type':'array','items':{'type':'integer'},'minItems':1,'maxItems':3}",
     {"[1]", "[1,2, 3]", "[\n 1\n]"},
     {"[]", "[1,2,3,4]", "[1,]", "['a']"}},
    {"{'type':'array','maxItems':0}", {"[]", "[ ]"}, {"[1]"}},
    {"{'type':'array','uniqueItems':true,'maxItems':1}", {"[]", "[[1,1]]"}, {"[1,2]"}},
    {"{'type':'array','uniqueItems':true,'items':{'enum':['a',1,1.0,true]},'minItems':1}",
     {"[\"a\"]", "[1, \"a\"]", "[true,1,\"a\"]"},
     {"[]", "[1,1]", "[\"a\",1,\"a\"]", "[1.0,1]"}},
    {"{'type':'array','uniqueItems':true,'items':{'enum':[[1],[1.0],2]},'maxItems':2}",
     {"[]", "[[1],2]", "[2]"},
     {"[[1],[1.0]]", "[2,2]", "[2,[1],3]"}},
    {"{'enum':[[1,1],[1,2]],'uniqueItems':true}", {"[1,2]"}, {"[1,1]"}},
    {"{'type':'array','prefixItems':[{'const':1},{'const':2}],'minItems':1}",
     {"[1]", "[1,2]"},
     {"[]", "[2]", "[1,2,3]"}},
    {"{'type':'array','prefixItems':[{'const':1}],'items':{'const':2},'minItems':2,'maxItems':3}",
     {"[1,2]", "[1,2,2]"},
     {"[1]", "[1,2,2,2]", "[2,2]"}},
    {"{'items':[{'const':1}],'type':'array','additionalItems':{'const':2},'minItems':2}",
     {"[1,2]", "[1,2,2]"},
     {"[1]", "[2,2]", "[1,1]"}},
    {"{'type':'array','items':{'const':2},'additionalItems':false}", {"[2,2]"}, {"[1]"}},
    {"{'type':'object'," ABC ",'required':['b']}",
     {"{'b':2}", "{'a':1,'b':2}", "{'a':1, 'b': 2,'c':3 }"},
     {"{}", "{'a':1}", "{'b':2,'a':1}", "{'b':2,'d':1}", "{'b':2,}", "{,'b':2}"}},
    {"{'type':'object'," ABC ",'additionalProperties':{'const':0}}",
     {"{}", "{'a':1,'x':0}", "{'x':0,'yy':0}", "{'aa':0}", "{'':0}"},
     {"{'a':0}", "{'x':0,'a':1}", "{'x':1}"}},
    {"{'type':'object'," ABC ",'minProperties':2}",
     {"{'a':1,'b':2}", "{'a':1,'c':3}", "{'a':1,'b':2,'c':3}"},
     {"{}", "{'b':2}"}},
    {"{'type':'object'," ABC ",'maxProperties':1,'additionalProperties':{'const':0}}",
     {"{}", "{'b':2}", "{'z':0}"},
     {"{'a':1,'z':0}", "{'a':1,'b':2}", "{'y':0,'z':0}"}},
    {"{'type':'object','required':['z'],'additionalProperties':{'type':'null'}}",
     {"{'z':null}", "{'z':null,'a':null}"},
     {"{}", "{'a':null}"}},
    {"{'type':'object','patternProperties':{'^x':{'const':1},'y$':{'const':2}},"
     "'additionalProperties':{'const':3}}",
     {"{'xa':1}", "{'y':2}", "{'b':3}", "{}"},
     {"{'xa':3}", "{'xy':1}", "{'xy':2}", "{'b':1}"}},
    {"{'type':'object','propertyNames':{'maxLength':2},'additionalProperties':{'const':3}}",
     {"{'ab':3}"},
     {"{'abc':3}"}},
    {"{'anyOf':[{'type':'string'},{'const':1}]}", {"'a'", "1"}, {"2"}},
    {"{'type':'object','properties':{'k':{'const':0}},'required':['k'],'anyOf':[{'required':['a'],"
     "'properties':{'a':{'const':1}}},{'required':['b'],'properties':{'b':{'const':2}}}]}",
     {"{'k':0,'a':1}", "{'k':0,'b':2}"},
     {"{'k':0}", "{'a':1}"}},
    {"{'oneOf':[{'type':'integer','maximum':3},{'type':'integer','minimum':7},{'type':'null'}]}",
     {"3", "7", "null"},
     {"5"}},
    {"{'oneOf':[{'type':'object','properties':{'t':{'const':'a'}},'required':['t']},{'type':"
     "'object','properties':{'t':{'const':'b'}},'required':['t']}]}",
     {"{'t':'a'}", "{'t':'b'}"},
     {"{'t':'c'}"}},
    {"{'allOf':[{'type':'object','properties':{'a':{'minimum':3}}},{'properties':{'a':{'type':"
     "'integer','maximum':5}},'required':['a']}]}",
     {"{'a':3}", "{'a':5}"},
     {"{'a':2}", "{'a':6}", "{}", "{'a':'x'}"}},
    {"{'allOf':[{'type':'object','additionalProperties':false,'properties':{'a':{'const':1}}},"
     "{'properties':{'b':{'const':1}}}]}",
     {"{}", "{'a':1}"},
     {"{'b':1}"}},
    {TREE, {"{'v':1}", "{'v':1,'k':[{'v':2,'k':[]},{'v':3}]}"}, {"{'k':[]}", "{'v':1,'k':[1]}"}},
    {"{'definitions':{'a/b':{'type':'null'}},'$ref':'#/definitions/a~1b'}", {"null"}, {"1"}},
    {"{'type':'integer','minimum':9223372036854775806}",
     {"9223372036854775806", "9223372036854775807"},
     {"9223372036854775805", "1", "-9223372036854775806"}},
    {"{'type':'integer','minimum':9.1e18,'maximum':1e30}",
     {"9100000000000000000", "9223372036854775807"},
     {"9000000000000000000", "9099999999999999999"}},
    {"{'type':'integer','maximum':-9.2e18,'minimum':-1e20}",
     {"-9200000000000000000", "-9223372036854775807"},
     {"-9199999999999999999", "0"}},
    {"{'enum':[9007199254740992,9007199254740993],'minimum':9007199254740993}",
     {"9007199254740993"},
     {"9007199254740992"}},
    {"{'type':'string','nullable':true,'minLength':1}", {"null", "'a'"}, {"''", "1"}},
    {"{'type':'string','nullable':false}", {"'a'"}, {"null"}},
    {"{'type':'string','nullable':true,'enum':['a']}", {"'a'"}, {"null"}},
    {"{'anyOf':[{'$ref':'#/$defs/n'},{'const':1}],'$defs':{'n':{'type':'null'}}}",
     {"null", "1"},
     {"2"}},
    {"{'type':'object','properties':{'a':{'type':'null','xml':{},'externalDocs':{},'example':1,"
     "'examples':[],'deprecated':true,'readOnly':true,'writeOnly':false,'$comment':'c',"
     "'contentEncoding':'base64','contentMediaType':'a/b','$anchor':'q'}},"
     "'discriminator':{'propertyName':'a'},'required':['a']}",
     {"{'a':null}"},
     {"{}", "{'a':1}"}},
    {"{'title':'t','x-own':1,'default':3,'examples':[1],'type':'null'}", {"null"}, {"3"}},
};

static void as_json(const char *text, char out[1024])
{
    size_t n = strlen(text);
    assert_true(n < 1024);
    for (size_t i = 0; i <= n; i++)
        out[i] = (char)(text[i] == '\'' ? '"' : text[i]);
}

static hearth_grammar *make(const char *quoted)
{
    char schema[1024];
    hearth_error err = {0};
    hearth_grammar *g = NULL;
    as_json(quoted, schema);
    if (hearth_grammar_from_schema(&g, schema, &err) != HEARTH_OK)
        fail_msg("%s: %s", quoted, err.message);
    return g;
}

static void schemas(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const schema_case *c = &cases[i];
        char text[1024];
        hearth_grammar *g = make(c->schema);
        for (size_t k = 0; k < 7 && c->good[k]; k++) {
            as_json(c->good[k], text);
            if (!grammar_accepts(g, text, strlen(text)))
                fail_msg("%s refuses %s\n%s", c->schema, text, hearth_grammar_to_gbnf(g));
        }
        for (size_t k = 0; k < 8 && c->bad[k]; k++) {
            as_json(c->bad[k], text);
            if (grammar_accepts(g, text, strlen(text)))
                fail_msg("%s accepts %s\n%s", c->schema, text, hearth_grammar_to_gbnf(g));
        }
        hearth_grammar_unref(g);
    }
}

/* Whatever a grammar gives is JSON, and its own GBNF gives the same grammar. */
static void random_texts_are_json(void **unused)
{
    (void)unused;
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hearth_grammar *g = make(cases[i].schema), *again = NULL;
        hearth_error err = {0};
        assert_int_equal(hearth_grammar_from_gbnf(&again, hearth_grammar_to_gbnf(g), NULL, &err),
                         HEARTH_OK);
        for (int k = 0; k < 10; k++) {
            buf text;
            buf_init(&text, 0);
            if (grammar_random_text(g, &random, 1000, &text)) {
                json_error_t where;
                json_t *value =
                    json_loadb(text.data, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
                if (value == NULL)
                    fail_msg("%s gives '%s': %s", cases[i].schema, text.data, where.text);
                json_decref(value);
                assert_true(grammar_accepts(again, text.data, text.n));
            }
            buf_deinit(&text);
        }
        hearth_grammar_unref(g);
        hearth_grammar_unref(again);
    }
}

typedef struct refusal {
    const char *schema, *where, *part;
} refusal;

static const refusal refusals[] = {
    {"", "schema", "no JSON"},
    {"[]", "schema", "a schema is"},
    {"{'type':'object','type':'null'}", "schema", "duplicate"},
    {"false", "/", "no value fits"},
    {"{'not':{}}", "/not", "cannot be enforced"},
    {"{'type':'array','uniqueItems':true}", "/uniqueItems", "can be enforced"},
    {"{'uniqueItems':true,'items':{'enum':[1,2,3,4,5,6,7,8,9]}}", "/uniqueItems", "at most 8"},
    {"{'uniqueItems':true,'prefixItems':[{'enum':[1]}]}", "/uniqueItems", "can be enforced"},
    {"{'type':'array','uniqueItems':true,'items':{'enum':[1,2]},'minItems':3}", "/", "no value"},
    {"{'properties':{'a/b':{'if':{}}}}", "/properties/a~1b/if", "cannot be enforced"},
    {"{'items':{'type':'strin'}}", "/items/type", "type must be"},
    {"{'minLength':'3'}", "/minLength", "whole number"},
    {"{'type':'string','format':'phone'}", "/", "'phone'"},
    {"{'type':'string','pattern':'(?=a)'}", "/", "look-around"},
    {"{'type':'string','minLength':2,'maxLength':1}", "/", "no value fits"},
    {"{'type':'string','maxLength':1000000}", "/", "100000 is the most"},
    {"{'type':'number','multipleOf':0.1}", "/", "multipleOf"},
    {"{'type':'number','minimum':0.12345678901234567}", "/", "digits"},
    {"{'$ref':'other.json'}", "/$ref", "'other.json'"},
    {"{'$ref':'#/$defs/x'}", "/$ref", "leads to no schema"},
    {"{'$ref':'#'}", "/$ref", "refers to itself"},
    {"{'allOf':[{'$ref':'#'}]}", "/allOf/0/$ref", "refers to itself"},
    {"{'$ref':'#/$defs/a','$defs':{'a':{'$ref':'#/$defs/b'},'b':{'$ref':'#/$defs/a'}}}",
     "/$ref/$ref/$ref", "refers to itself"},
    {"{'anyOf':[{'$ref':'#'},{'type':'null'}]}", NULL, ""},
    {"{'type':'integer','minimum':1e20}", "/", "minimum 1e+20 cannot be enforced"},
    {"{'type':'integer','maximum':-1e20}", "/", "maximum -1e+20 cannot be enforced"},
    {"{'type':'integer','exclusiveMinimum':9223372036854775807}", "/", "cannot be enforced"},
    {"{'nullable':'yes'}", "/nullable", "true or false"},
    {"{'properties':{'a-name-of-some-length':{'properties':{'another-name-that-is-long':"
     "{'not':{}}}}}}",
     "/properties/a-name-of-some-length/properties", "cannot be enforced"},
    {"{'type':'object','properties':{'a':{'$ref':'#'}},'required':['a']}", "/", "endless"},
    {"{'type':'object','properties':{'a':false},'required':['a']}", "/", "no value fits"},
    {"{'oneOf':[{'type':'integer'},{'type':'number'}]}", "/", "both schema 0 and schema 1"},
    {"{'oneOf':[{'const':1},{'const':1.0}]}", "/", "both schema 0 and schema 1"},
    {"{'enum':[]}", "/", "no value fits"},
    {"{'anyOf':[]}", "/anyOf", "0 schemas"},
};

static void refusals_name_their_place(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        char schema[1024];
        hearth_error err = {0};
        hearth_grammar *g = NULL;
        as_json(refusals[i].schema, schema);
        assert_int_not_equal(hearth_grammar_from_schema(&g, schema, &err), HEARTH_OK);
        assert_null(g);
        if ((refusals[i].where && strcmp(err.where, refusals[i].where) != 0) ||
            !strstr(err.message, refusals[i].part))
            fail_msg("%s: %s: %s", refusals[i].schema, err.where, err.message);
    }
}

/* What is said of depth is what holds. */
static void a_hundred_schemas_may_nest(void **unused)
{
    (void)unused;
    for (int depth = 100; depth <= 101; depth++) {
        hearth_error err = {0};
        hearth_grammar *g = NULL;
        buf text;
        buf_init(&text, 0);
        for (int i = 1; i < depth; i++)
            buf_append_text(&text, "{\"type\":\"array\",\"items\":");
        buf_append_text(&text, "{\"type\":\"integer\"}");
        for (int i = 1; i < depth; i++)
            buf_append_text(&text, "}");
        hearth_status status = hearth_grammar_from_schema(&g, text.data, &err);
        if (status != (depth == 100 ? HEARTH_OK : HEARTH_EINVAL))
            fail_msg("%d schemas: %s", depth, err.message);
        hearth_grammar_unref(g);
        buf_deinit(&text);
    }
}

/* Depth, and alternatives of alternatives. */
static void hostile_schemas_end_soon(void **unused)
{
    (void)unused;
    hearth_error err = {0};
    hearth_grammar *g = NULL;
    buf text;
    buf_init(&text, 0);
    for (int i = 0; i < 1500; i++)
        buf_append_text(&text, "{\"items\":");
    buf_append_text(&text, "{}");
    for (int i = 0; i < 1500; i++)
        buf_append_text(&text, "}");
    assert_int_equal(hearth_grammar_from_schema(&g, text.data, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "100 schemas"));
    buf_clear(&text);
    buf_append_text(&text, "{\"allOf\":[");
    for (int i = 0; i < 40; i++)
        buf_append_format(&text,
                          "%s{\"anyOf\":[{\"required\":[\"a%d\"]},{\"required\":[\"b%d\"]}]}",
                          i ? "," : "", i, i);
    buf_append_text(&text, "]}");
    assert_int_equal(hearth_grammar_from_schema(&g, text.data, &err), HEARTH_EINVAL);
    assert_null(g);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas),
        cmocka_unit_test(random_texts_are_json),
        cmocka_unit_test(refusals_name_their_place),
        cmocka_unit_test(a_hundred_schemas_may_nest),
        cmocka_unit_test(hostile_schemas_end_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
