/* SPDX-License-Identifier: MIT
 *
 * test_protocol_request.c - what holds for the body of every API: JSON, limits, types, names, null,
 * what is ignored and what is refused, and the fields that all generating APIs share.
 */
#include "base/status.h"
#include "protocol_case.h"

static void test_json(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_COMPLETION, "{", "!the body is not valid JSON: line 1, column 2: it ends too early"},
        {API_COMPLETION, "[1]", "!the body must be a JSON object, not an array"},
        {API_COMPLETION, "7", "!the body must be a JSON object"},
        {API_COMPLETION, "{'prompt':'a','prompt':'b'}", "!the body is not valid JSON"},
        {API_COMPLETION, "{'prompt':'a\\u0000b'}",
         "!the body, line 1, column 20: a text has a NUL (\\u0000), which no text here can have"},
        {API_COMPLETION, "{'a\\u0000b':1}", "!the body, line 1, column 11: a name has a NUL"},
        {API_COMPLETION, "{'seed':99999999999999999999}",
         "!the body, line 1, column 28: a number is too large"},
        {API_COMPLETION, "{'prompt':'\xff'}", "!the body is not valid JSON"},
        {API_COMPLETION, "{'prompt':'a'} x", "!the body is not valid JSON"},
        {API_COMPLETION, "", "!prompt: is missing; send a text or tokens"},
        {API_COMPLETION, " \n", "!prompt: is missing"},
        {API_PROPS, "", "props"},
        {API_PROPS, "{'a':1}", "!no property can be changed"},
    };
    CHECK_REQUESTS(cases);
}

static void test_depth(void **state)
{
    (void)state;
    enum { N = 200000 };
    static char deep[N + 64];
    request *r;
    hearth_error err;
    static const request_limits limits = {.n_choices_max = 1};
    memset(deep, '[', N);
    assert_int_equal(request_parse(&r, API_COMPLETION, deep, N, &limits, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "nests deeper than 128"));
    /* Brackets in a text are no depth. */
    int n = snprintf(deep, sizeof deep, "{\"prompt\":\"\\\"");
    memset(deep + n, '[', N);
    memcpy(deep + n + N, "\"}", 3);
    assert_int_equal(request_parse(&r, API_COMPLETION, deep, strlen(deep), &limits, &err),
                     HEARTH_OK);
    request_free(r);
    memset(deep, '1', N);
    assert_int_equal(request_parse(&r, API_COMPLETION, deep, N, &limits, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "a number of more than 1024 characters"));
}

static void test_types(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_COMPLETION, "{'prompt':'a','n_predict':'5'}",
         "!n_predict: must be a whole number, not a text"},
        {API_COMPLETION, "{'prompt':'a','n_predict':1.5}",
         "!n_predict: must be a whole number, not a fraction"},
        {API_COMPLETION, "{'prompt':'a','n_predict':-2}",
         "!n_predict: -2 is out of range; it must be from -1 to 2147483647"},
        {API_COMPLETION, "{'prompt':'a','n_predict':9007199254740993}",
         "!n_predict: 9007199254740992 is out of range"},
        {API_COMPLETION, "{'prompt':'a','n_predict':8.0}", "complete n_predict=8 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','temperature':true}",
         "!temperature: must be a number, not a truth value"},
        {API_COMPLETION, "{'prompt':'a','temperature':-0.5}",
         "!temperature: -0.5 is out of range; it must be from 0 to 1000000"},
        {API_COMPLETION, "{'prompt':'a','temperature':1}", "complete temperature=1 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','top_p':1.5}", "!top_p: 1.5 is out of range"},
        {API_COMPLETION, "{'prompt':'a','stream':1}",
         "!stream: must be true or false, not a number"},
        {API_COMPLETION, "{'prompt':'a','stream':null,'top_k':null,'nonsense':null}",
         "complete prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','session_id':''}",
         "!session_id: has 0 bytes; it must have 1 to 256"},
        {API_COMPLETION, "{'prompt':'a','model':[]}", "!model: must be a text, not an array"},
        {API_COMPLETION, "{'prompt':'a','seed':-1,'top_k':-1}", "complete top_k=0 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','seed':4294967296}", "!seed: 4294967296 is out of range"},
        {API_COMPLETION, "{'prompt':'a','seed':7}", "complete seed=7 prompt=<a>"},
    };
    CHECK_REQUESTS(cases);
}

static void test_names(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_COMPLETION, "{'prompt':'a','max_tokens':3}", "complete n_predict=3 prompt=<a>"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','max_tokens':3,'n_predict':3}",
         "complete n_predict=3 prompt=<a>"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','max_tokens':3,'n_predict':4}",
         "!max_tokens: differs from n_predict, which means the same"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'user','content':'a'}],'max_completion_tokens':0}",
         "chat n_predict=0 messages=[{'role':'user','content':'a'}]"},
        /* A name of another API is nobody's here. */
        {API_COMPLETION, "{'prompt':'a','max_output_tokens':3,'x y\\n':1}",
         "complete prompt=<a> ignored=max_output_tokens, x?y?"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','user':'u','n_cache_reuse':1,'b':{}}",
         "complete prompt=<a> ignored=n_cache_reuse, user, b"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','echo':true}", "!echo: true is not supported; "},
        {API_OPENAI_COMPLETION, "{'prompt':'a','echo':false}", "complete prompt=<a>"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'user','content':'a'}],'store':true}",
         "!store: true is not supported; answers are not stored"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'user','content':'a'}],'store':false,'modalities':['text']}",
         "chat messages=[{'role':'user','content':'a'}]"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'user','content':'a'}],'modalities':['audio']}",
         "!modalities: [\"audio\"] is not supported; answers are text"},
        {API_COMPLETION, "{'prompt':'a','adaptive_target':-1,'adaptive_decay':0.9}",
         "complete prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','adaptive_target':0.5}", "!adaptive_target: 0.5 is not"},
    };
    CHECK_REQUESTS(cases);
}

static void test_many_names(void **state)
{
    (void)state;
    static char body[40000];
    request *r;
    hearth_error err;
    int n = snprintf(body, sizeof body, "{'prompt':'a'");
    for (int i = 0; i < 200; i++)
        n += snprintf(body + n, sizeof body - (size_t)n, ",'unknown_field_%d':1", i);
    snprintf(body + n, sizeof body - (size_t)n, "}");
    assert_int_equal(parse(&r, API_COMPLETION, body, &err), HEARTH_OK);
    assert_true(strlen(r->ignored) <= 512); /* fit for a header */
    request_free(r);
    n = snprintf(body, sizeof body, "{'prompt':'a'");
    for (int i = 0; i < 1100; i++)
        n += snprintf(body + n, sizeof body - (size_t)n, ",'unknown_field_%d':1", i);
    snprintf(body + n, sizeof body - (size_t)n, "}");
    assert_int_equal(parse(&r, API_COMPLETION, body, &err), HEARTH_EINVAL);
}

static void test_sampling(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_COMPLETION,
         "{'prompt':'a','temperature':0.5,'top_k':7,'min_p':0.25,'mirostat':2,'repeat_last_n':-1}",
         "complete top_k=7 min_p=0.25 temperature=0.5 repeat_last_n=-1 mirostat=2 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','samplers':['top_k','nucleus','temp']}",
         "complete samplers=top_k;top_p;temperature prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','samplers':'kpt'}",
         "complete samplers=top_k;top_p;temperature prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','samplers':['top_k','magic']}",
         "!samplers[1]: 'magic' is no sampler"},
        {API_COMPLETION, "{'prompt':'a','samplers':'kz'}", "!samplers: 'z' is no sampler"},
        {API_COMPLETION, "{'prompt':'a','samplers':[1]}",
         "!samplers[0]: must be a text, not a number"},
        {API_COMPLETION, "{'prompt':'a','dry_sequence_breakers':['x','y']}",
         "complete breaker=<x> breaker=<y> prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','logit_bias':[[5,1.5],['Hi',-2],[7,false]]}",
         "complete bias=5:1.5 bias=<Hi>:-2 bias=7:-inf prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','logit_bias':{'5':-100,'Hi':1,'9x':2}}",
         "complete bias=5:-100 bias=<Hi>:1 bias=<9x>:2 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','logit_bias':[[5]]}",
         "!logit_bias[0]: must be an array of a token"},
        {API_COMPLETION, "{'prompt':'a','logit_bias':[[5,true]]}",
         "!logit_bias[0][1]: must be a number, or false"},
        {API_COMPLETION, "{'prompt':'a','logit_bias':[[-5,1]]}", "!logit_bias[0][0]: -5 is out"},
        {API_COMPLETION, "{'prompt':'a','logit_bias':{'Hi':'x'}}", "!logit_bias.Hi: must be"},
        {API_COMPLETION, "{'prompt':'a','stop':'END'}", "complete stop=<END> prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','stop':['A','','B']}",
         "complete stop=<A> stop=<B> prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','stop':['A',3]}", "!stop[1]: must be a text, not a number"},
        {API_COMPLETION, "{'prompt':'a','stop':7}", "!stop: must be an array, not a number"},
        {API_COMPLETION, "{'prompt':'a','lora':[{'id':1,'scale':0.5}]}",
         "complete lora=1:0.5 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','lora':[{'id':1}]}", "!lora[0].scale: is missing"},
    };
    CHECK_REQUESTS(cases);
}

static void test_constraints(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_COMPLETION, "{'prompt':'a','grammar':'root ::= \\\"x\\\"'}",
         "complete grammar=root ::= 'x' prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','grammar':''}", "complete prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','json_schema':{'type':'object'}}",
         "complete schema={'type':'object'} prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','json_schema':[]}", "!json_schema: must be a JSON Schema"},
        {API_COMPLETION, "{'prompt':'a','json_schema':{},'grammar':'x'}",
         "!json_schema: grammar says already what the answer must look like"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','response_format':{'type':'text'}}",
         "complete prompt=<a>"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','response_format':{'type':'json_object'}}",
         "complete json_object prompt=<a>"},
        {API_OPENAI_COMPLETION,
         "{'prompt':'a','response_format':{'type':'json_object','schema':{'a':1}}}",
         "complete schema={'a':1} prompt=<a>"},
        {API_OPENAI_COMPLETION,
         "{'prompt':'a','response_format':{'type':'json_schema','json_schema':{'name':'n','strict':"
         "true,'schema':{'type':'array'}}}}",
         "complete schema={'type':'array'} schema_name=n prompt=<a>"},
        {API_OPENAI_COMPLETION,
         "{'prompt':'a','response_format':{'type':'json_schema','json_schema':{'name':'n'}}}",
         "!response_format.json_schema.schema: is missing"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','response_format':{'type':'json_schema'}}",
         "!response_format.json_schema: is missing"},
        {API_COMPLETION, "{'prompt':'a','response_format':{'type':'regex','pattern':'a+'}}",
         "complete regex=a+ prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','response_format':{'type':'regex'}}",
         "!response_format.pattern: is missing"},
        {API_COMPLETION, "{'prompt':'a','regex':'a|b'}", "complete regex=a|b prompt=<a>"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','guided_regex':'a'}", "complete regex=a prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','regex':'a','grammar':'b'}",
         "!regex: grammar says already what the answer must look like"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','response_format':{'type':'xml'}}",
         "!response_format.type: 'xml' is not one of text|json_object|json_schema"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','response_format':'json'}",
         "!response_format: must be an object, not a text"},
    };
    CHECK_REQUESTS(cases);
}

/* The error's `where` is the path alone. */
static void test_where(void **state)
{
    (void)state;
    request *r;
    hearth_error err;
    assert_int_equal(parse(&r, API_COMPLETION, "{'prompt':'a','stop':['x',[]]}", &err),
                     HEARTH_EINVAL);
    assert_string_equal(err.where, "stop[1]");
}

/* What is found later is told by the field that it came in, too. */
static void test_places(void **state)
{
    (void)state;
    static const struct {
        protocol_api api;
        const char *body, *at;
    } constraints[] = {
        {API_COMPLETION, "{'prompt':'a','json_schema':{}}", "json_schema"},
        {API_COMPLETION, "{'prompt':'a','grammar':'x'}", "grammar"},
        {API_COMPLETION, "{'prompt':'a','response_format':{'type':'regex','pattern':'a'}}",
         "response_format.pattern"},
        {API_COMPLETION, "{'prompt':'a','response_format':{'type':'json_object','schema':{}}}",
         "response_format.schema"},
        {API_OPENAI_RESPONSES,
         "{'input':'a','text':{'format':{'type':'json_schema','name':'n','schema':{}}}}",
         "text.format.schema"},
    };
    request *r;
    hearth_error err;
    for (size_t i = 0; i < sizeof constraints / sizeof *constraints; i++) {
        assert_int_equal(parse(&r, constraints[i].api, constraints[i].body, &err), HEARTH_OK);
        assert_string_equal(r->options.constraint_at, constraints[i].at);
        request_free(r);
    }
    assert_int_equal(parse(&r, API_COMPLETION, "{'prompt':['a',[5],['b',6,7]]}", &err), HEARTH_OK);
    assert_string_equal(r->prompts[0].at, "prompt[0]");
    assert_string_equal(r->prompts[2].at, "prompt[2]");
    assert_int_equal(r->prompts[2].parts[1].first, 1);
    request_free(r);
    assert_int_equal(parse(&r, API_DETOKENIZE, "{'tokens':[1]}", &err), HEARTH_OK);
    assert_string_equal(r->prompts[0].at, "tokens");
    request_free(r);
}

/* An error of a tool, as each API has it. */
static void test_tool_places(void **state)
{
    (void)state;
    static const struct {
        protocol_api api;
        const char *body, *from, *where, *message;
    } rows[] = {
        {API_ANTHROPIC,
         "{'messages':[{'role':'user','content':'a'}],'tools':[{'name':'f','input_schema':{}}]}",
         "tools[0].function.parameters/not", "tools[0].input_schema/not",
         "tools[0].input_schema/not: no"},
        {API_OPENAI_RESPONSES, "{'input':'a','tools':[{'type':'function','name':'f'}]}",
         "tools[0].function.name", "tools[0].name", "tools[0].name: no"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'user','content':'a'}],'tools':[{'type':'function','function':{'"
         "name'"
         ":'f'}},{'type':'function','function':{'name':'g'}}],'tool_choice':{'type':'allowed_tools'"
         ","
         "'allowed_tools':{'mode':'auto','tools':[{'type':'function','function':{'name':'g'}}]}}}",
         "tools[0].function.parameters", "tools[1].function.parameters",
         "tools[1].function.parameters: no"},
        {API_OPENAI_RESPONSES, "{'input':'a'}", "tools[0].function.name", "tools[0].function.name",
         "tools[0].function.name: no"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        request *r;
        hearth_error err;
        assert_int_equal(parse(&r, rows[i].api, rows[i].body, &err), HEARTH_OK);
        error_set(&err, HEARTH_EUNSUPPORTED, rows[i].from, "%s: no", rows[i].from);
        assert_int_equal(request_own_error(r, &err), HEARTH_EINVAL);
        assert_string_equal(err.where, rows[i].where);
        assert_string_equal(err.message, rows[i].message);
        request_free(r);
    }
}

/* A server's limit holds for who asks for more or for no end, and is what the answer tells. */
static void test_predict_limit(void **state)
{
    static const struct {
        const char *body;
        int32_t limit, wanted;
    } rows[] = {{"{\"prompt\":\"a\",\"n_predict\":100}", 64, 64},
                {"{\"prompt\":\"a\",\"n_predict\":-1}", 64, 64},
                {"{\"prompt\":\"a\"}", 64, 64},
                {"{\"prompt\":\"a\",\"n_predict\":0}", 64, 0},
                {"{\"prompt\":\"a\",\"n_predict\":5}", 64, 5},
                {"{\"prompt\":\"a\",\"n_predict\":100}", 0, 100}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const request_limits limits = {.n_choices_max = 1, .n_predict_max = rows[i].limit};
        hearth_error err = {0};
        request *r;
        assert_int_equal(
            request_parse(&r, API_COMPLETION, rows[i].body, strlen(rows[i].body), &limits, &err),
            HEARTH_OK);
        assert_int_equal(r->options.n_predict, rows[i].wanted);
        request_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_types),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_many_names),  cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_constraints), cmocka_unit_test(test_predict_limit),
        cmocka_unit_test(test_where),       cmocka_unit_test(test_places),
        cmocka_unit_test(test_tool_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
