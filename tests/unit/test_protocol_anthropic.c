/* SPDX-License-Identifier: MIT
 *
 * test_protocol_anthropic.c - Anthropic's messages: bodies in, bytes out.
 */
#include "protocol_case.h"

#define USER "'max_tokens':9,'messages':[{'role':'user','content':'a'}]"
#define SAID_USER "{'role':'user','content':'a'}"
#define TOOLS "'tools':[{'name':'f','description':'d','input_schema':{'type':'object'}}]"
#define SAID_TOOLS                                                                                 \
    "tools=[{'type':'function','function':{'name':'f','description':'d','parameters':{'type':"     \
    "'object'}}}]"

static void test_messages(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_ANTHROPIC, "{'model':'x'," USER "}",
         "chat model=x n_predict=9 messages=[" SAID_USER "]"},
        {API_ANTHROPIC, "{'messages':[{'role':'user','content':'a'}]}",
         "chat n_predict=4096 messages=[" SAID_USER "]"},
        {API_ANTHROPIC, "{'max_tokens':0,'messages':[{'role':'user','content':'a'}]}",
         "!max_tokens: 0 is out of range; it must be at least 1"},
        {API_ANTHROPIC, "{'max_tokens':9}", "!messages: is missing"},
        {API_ANTHROPIC, "{" USER ",'system':'s','stop_sequences':['X']}",
         "chat n_predict=9 stop=<X> messages=[{'role':'system','content':'s'}," SAID_USER "]"},
        {API_ANTHROPIC,
         "{" USER ",'system':[{'type':'text','text':'x-anthropic-billing-header: cch=1;'},{'type':"
         "'text','text':'s','cache_control':{'type':'ephemeral'}},{'type':'text','text':'t'}]}",
         "chat n_predict=9 messages=[{'role':'system','content':'s\\nt'}," SAID_USER
         "] ignored=system[].x-anthropic-billing-header, system[].cache_control"},
        {API_ANTHROPIC, "{" USER ",'system':[{'type':'image'}]}",
         "!system[0].type: 'image' is not one of text"},
        {API_ANTHROPIC, "{'messages':[{'role':'system','content':'a'}]}",
         "!messages[0].role: 'system' is not one of user|assistant"},
        {API_ANTHROPIC,
         "{'max_tokens':9,'messages':[{'role':'assistant','content':[{'type':'thinking','thinking':"
         "'hm','signature':'s'},{'type':'text','text':'t'},{'type':'tool_use','id':'u1','name':'f',"
         "'input':{'x':1}}]},{'role':'user','content':[{'type':'tool_result','tool_use_id':'u1',"
         "'content':[{'type':'text','text':'r'}]},{'type':'text','text':'go'}]}]}",
         "chat n_predict=9 messages=[{'role':'assistant','content':'t','reasoning_content':'hm',"
         "'tool_calls':[{'id':'u1','type':'function','function':{'name':'f','arguments':"
         "'{\\'x\\':1}'}}]},{'role':'tool','content':'r','tool_call_id':'u1'},{'role':'user',"
         "'content':'go'}]"},
        {API_ANTHROPIC,
         "{'max_tokens':9,'messages':[{'role':'user','content':[{'type':'tool_result',"
         "'tool_use_id':'u','is_error':true,'content':'bad'}]}]}",
         "chat n_predict=9 messages=[{'role':'tool','content':'bad','tool_call_id':'u'}] "
         "ignored=messages[].content[].is_error"},
        {API_ANTHROPIC,
         "{'messages':[{'role':'user','content':[{'type':'image','source':{'type':'base64'}}]}]}",
         "!messages[0].content[0].image: image input is not supported: this model cannot see; send "
         "text alone"},
        {API_ANTHROPIC, "{'messages':[{'role':'user','content':[{'type':'document'}]}]}",
         "!messages[0].content[0].document: files are not read"},
        {API_ANTHROPIC, "{'messages':[{'role':'user','content':[{'type':'tool_use'}]}]}",
         "!messages[0].content[0].type: 'tool_use' is no block that a message of the user"},
        {API_ANTHROPIC,
         "{'messages':[{'role':'user','content':[{'type':'tool_result','tool_use_id':'u','content':"
         "[{'type':'image'}]}]}]}",
         "!messages[0].content[0].content[0].image: image input is not supported"},
        {API_ANTHROPIC,
         "{'messages':[{'role':'assistant','content':[{'type':'tool_use','id':'u',"
         "'name':'f','input':'x'}]}]}",
         "!messages[0].content[0].input: must be an object, not a text"},
        {API_ANTHROPIC,
         "{'max_tokens':9,'messages':[" SAID_USER ",{'role':'assistant','content':'b'}]}",
         "chat n_predict=9 messages=[" SAID_USER
         ",{'role':'assistant','content':'b'}] no_generation_prompt continue"},
        {API_ANTHROPIC_COUNT, "{'messages':[{'role':'user','content':'a'}]," TOOLS "}",
         "count messages=[" SAID_USER "] " SAID_TOOLS},
    };
    CHECK_REQUESTS(cases);
}

static void test_options(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_ANTHROPIC, "{" USER "," TOOLS ",'tool_choice':{'type':'any'}}",
         "chat n_predict=9 messages=[" SAID_USER "] " SAID_TOOLS " choice=required"},
        {API_ANTHROPIC,
         "{" USER "," TOOLS
         ",'tool_choice':{'type':'tool','name':'f','disable_parallel_tool_use':true}}",
         "chat n_predict=9 messages=[" SAID_USER "] " SAID_TOOLS " choice=named tool=f one_call"},
        {API_ANTHROPIC, "{" USER "," TOOLS ",'tool_choice':{'type':'tool','name':'g'}}",
         "!tool_choice.name: 'g' is not among the tools"},
        {API_ANTHROPIC, "{" USER "," TOOLS ",'tool_choice':{'type':'none'}}",
         "chat n_predict=9 messages=[" SAID_USER "] " SAID_TOOLS " choice=none"},
        {API_ANTHROPIC, "{" USER "," TOOLS ",'tool_choice':'auto'}",
         "!tool_choice: must be an object, not a text"},
        {API_ANTHROPIC, "{" USER ",'tools':[{'type':'web_search_20250305','name':'web_search'}]}",
         "!tools[0].type: 'web_search_20250305' is a tool that only its maker runs"},
        {API_ANTHROPIC, "{" USER ",'tools':[{'name':'f'}]}", "!tools[0].input_schema: is missing"},
        {API_ANTHROPIC, "{" USER ",'thinking':{'type':'enabled','budget_tokens':2048}}",
         "chat n_predict=9 reasoning_budget_tokens=2048 thinking=on messages=[" SAID_USER
         "] kwargs={'enable_thinking':true}"},
        {API_ANTHROPIC, "{" USER ",'thinking':{'type':'disabled'}}",
         "chat n_predict=9 thinking=off messages=[" SAID_USER "] kwargs={'enable_thinking':false}"},
        {API_ANTHROPIC, "{" USER ",'thinking':{'type':'enabled','budget_tokens':0}}",
         "!thinking.budget_tokens: 0 is out of range"},
        {API_ANTHROPIC,
         "{" USER ",'output_config':{'effort':'high','format':{'type':'json_schema','schema':{"
         "'type':'object'}}}}",
         "chat n_predict=9 schema={'type':'object'} effort=high messages=[" SAID_USER
         "] kwargs={'reasoning_effort':'high'}"},
        {API_ANTHROPIC, "{" USER ",'metadata':{'user_id':'u'},'top_k':5,'service_tier':'auto'}",
         "chat top_k=5 n_predict=9 messages=[" SAID_USER "] ignored=metadata"},
        {API_ANTHROPIC, "{" USER ",'mcp_servers':[{'url':'x'}]}", "!mcp_servers: "},
    };
    CHECK_REQUESTS(cases);
}

/* ---- answers ---- */

#define EVENT(name, rest) "event: " name "\ndata: {'type':'" name "'" rest "}\n\n"
#define ID "'id':'msg_0123456789abcdefghijklmn0000'"
#define USAGE(out)                                                                                 \
    "'usage':{'input_tokens':6,'cache_creation_input_tokens':0,'cache_read_input_tokens':4,"       \
    "'output_tokens':" out "}"
#define START                                                                                      \
    EVENT("message_start", ",'message':{" ID ",'type':'message','role':'assistant','model':'m',"   \
                           "'content':[],'stop_reason':null,'stop_sequence':null," USAGE("0") "}") \
    EVENT("ping", "")
#define BLOCK(index, block)                                                                        \
    EVENT("content_block_start", ",'index':" index ",'content_block':{" block "}")
#define DELTA(index, delta) EVENT("content_block_delta", ",'index':" index ",'delta':{" delta "}")
#define STOP(index) EVENT("content_block_stop", ",'index':" index)
#define END(reason, sequence)                                                                      \
    EVENT("message_delta",                                                                         \
          ",'delta':{'stop_reason':'" reason "','stop_sequence':" sequence "}," USAGE("5"))        \
    EVENT("message_stop", "")

static void test_stream(void **state)
{
    (void)state;
    const reply_event events[] = {
        said(REPLY_REASONING, "hm"), said(REPLY_CONTENT, "H"),
        said(REPLY_CONTENT, "i"),    tool_said("f"),
        said(REPLY_ARGUMENTS, "{}"), done_said(HEARTH_FINISH_STOP, NULL),
    };
    CHECK_PLAY(API_ANTHROPIC, "{" USER ",'stream':true}", events,
               START BLOCK("0", "'type':'thinking','thinking':'','signature':''")        //
               DELTA("0", "'type':'thinking_delta','thinking':'hm'")                     //
               DELTA("0", "'type':'signature_delta','signature':''") STOP("0")           //
               BLOCK("1", "'type':'text','text':''")                                     //
               DELTA("1", "'type':'text_delta','text':'H'")                              //
               DELTA("1", "'type':'text_delta','text':'i'") STOP("1")                    //
               BLOCK("2", "'type':'tool_use','id':'toolu_0123456789abcdefghijklmn0002'," //
                          "'name':'f','input':{}")                                       //
               DELTA("2", "'type':'input_json_delta','partial_json':'{}'") STOP("2")     //
               END("tool_use", "null"));
}

static void test_stop_reasons(void **state)
{
    (void)state;
    static const struct {
        hearth_finish_reason finish;
        const char *word, *expect;
    } cases[] = {
        {HEARTH_FINISH_STOP, NULL, START END("end_turn", "null")},
        {HEARTH_FINISH_LIMIT, NULL, START END("max_tokens", "null")},
        {HEARTH_FINISH_WORD, "X", START END("stop_sequence", "'X'")},
        {HEARTH_FINISH_CONTEXT, NULL, START END("model_context_window_exceeded", "null")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const reply_event events[] = {done_said(cases[i].finish, cases[i].word)};
        CHECK_PLAY(API_ANTHROPIC, "{" USER ",'stream':true}", events, cases[i].expect);
    }
}

static void test_whole(void **state)
{
    (void)state;
    const reply_event events[] = {
        said(REPLY_REASONING, "hm"),
        said(REPLY_CONTENT, "Hi"),
        tool_said("f"),
        said(REPLY_ARGUMENTS, "{\"x\": [1"),
        said(REPLY_ARGUMENTS, "]}"),
        tool_said("g"),
        tool_said("h"),
        said(REPLY_ARGUMENTS, "{\"x"),
        done_said(HEARTH_FINISH_LIMIT, NULL),
    };
#define TOOL(number, name, input)                                                                  \
    "{'type':'tool_use','id':'toolu_0123456789abcdefghijklmn000" number "','name':'" name          \
    "','input':" input "}"
    CHECK_PLAY(API_ANTHROPIC, "{" USER "}", events,
               "{" ID ",'type':'message','role':'assistant','model':'m','content':[{'type':"
               "'thinking','thinking':'hm','signature':''},{'type':'text','text':'Hi'}"
               "," TOOL("2", "f", "{'x':[1]}") "," TOOL("3", "g", "{}") "," TOOL(
                   "4", "h", "{'_unfinished':'{\\'x'}") "],'stop_reason':'max_tokens',"
                                                        "'stop_sequence':null," USAGE("5") "}");
}

static void test_ping_and_failure(void **state)
{
    (void)state;
    request *r;
    reply *y;
    hearth_error err;
    buf out;
    buf_init(&out, 0);
    assert_int_equal(parse(&r, API_ANTHROPIC, "{" USER ",'stream':true}", &err), HEARTH_OK);
    assert_int_equal(reply_new(&y, r, &test_info, &err), HEARTH_OK);
    assert_string_equal(reply_content_type(y), "text/event-stream");
    assert_int_equal(reply_ping(y, &out, &err), HEARTH_OK);
    assert_string_equal(out.data, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    buf_clear(&out);
    const hearth_error broken = {.code = HEARTH_EIO, .message = "no more"};
    assert_int_equal(reply_fail(y, &broken, NULL, &out, &err), HEARTH_OK);
    char *want = quoted("event: error\ndata: {'type':'error','error':{'message':'no more','type':"
                        "'api_error'}}\n\n");
    assert_string_equal(out.data, want);
    free(want);
    reply_free(y);
    request_free(r);
    buf_clear(&out);
    assert_int_equal(
        parse(&r, API_ANTHROPIC_COUNT, "{'messages':[{'role':'user','content':'a'}]}", &err),
        HEARTH_OK);
    assert_int_equal(response_count(r, 7, &out, &err), HEARTH_OK);
    assert_string_equal(out.data, "{\"input_tokens\":7}");
    request_free(r);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_options),
        cmocka_unit_test(test_stream),   cmocka_unit_test(test_stop_reasons),
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_ping_and_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
