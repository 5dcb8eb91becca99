/* SPDX-License-Identifier: MIT
 *
 * test_protocol_responses.c - OpenAI's responses: bodies in, bytes out.
 */
#include "protocol_case.h"

#define SAID_USER "{'role':'user','content':'a'}"

static void test_input(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_RESPONSES, "{'input':'a','max_output_tokens':9}",
         "chat n_predict=9 messages=[" SAID_USER "]"},
        {API_OPENAI_RESPONSES, "{'instructions':'s'}", "!input: is missing"},
        {API_OPENAI_RESPONSES, "{'input':[]}", "!input: is empty"},
        {API_OPENAI_RESPONSES, "{'input':7}", "!input: must be a text or an array of items"},
        {API_OPENAI_RESPONSES,
         "{'instructions':'s','input':[{'role':'developer','content':'t'},{'type':'message','role':"
         "'user','content':[{'type':'input_text','text':'a'}]},{'role':'system','content':'u'}]}",
         "chat messages=[{'role':'system','content':'s\\nt'}," SAID_USER
         ",{'role':'system','content':'u'}]"},
        {API_OPENAI_RESPONSES,
         "{'input':[{'role':'user','content':'a'},{'type':'reasoning','id':'r','summary':[],"
         "'content':[{'type':'reasoning_text','text':'hm'}]},{'type':'message','role':'assistant',"
         "'content':[{'type':'output_text','text':'b','annotations':[]}]},{'type':'function_call',"
         "'call_id':'c1','name':'f','arguments':'{}'},{'type':'function_call','call_id':'c2','name'"
         ":"
         "'g','arguments':'{}'},{'type':'function_call_output','call_id':'c1','output':'x'},"
         "{'type':'function_call_output','call_id':'c2','output':[{'type':'input_text','text':'y'}]"
         "}"
         ",{'type':'reasoning','summary':[{'type':'summary_text','text':'so'}],"
         "'encrypted_content':'e'},{'role':'assistant','content':'z'},{'role':'user','content':"
         "'q'}]}",
         "chat messages=[" SAID_USER ",{'role':'assistant','content':'b','reasoning_content':'hm',"
         "'tool_calls':[{'id':'c1','type':'function','function':{'name':'f','arguments':'{}'}},{"
         "'id':'c2','type':'function','function':{'name':'g','arguments':'{}'}}]},{'role':'tool',"
         "'content':'x','tool_call_id':'c1'},{'role':'tool','content':'y','tool_call_id':'c2'},"
         "{'role':'assistant','content':'z','reasoning_content':'so'},{'role':'user','content':"
         "'q'}] ignored=input[].encrypted_content"},
        {API_OPENAI_RESPONSES,
         "{'input':[{'role':'user','content':[{'type':'input_image','image_url':'x'}]}]}",
         "!input[0].content[0].input_image: image input is not supported"},
        {API_OPENAI_RESPONSES, "{'input':[{'role':'user','content':[{'type':'input_file'}]}]}",
         "!input[0].content[0].input_file: files are not read"},
        {API_OPENAI_RESPONSES, "{'input':[{'type':'item_reference','id':'x'}]}",
         "!input[0].type: answers are not stored"},
        {API_OPENAI_RESPONSES, "{'input':[{'type':'web_search_call'}]}",
         "!input[0].type: 'web_search_call' is not supported; items are"},
        {API_OPENAI_RESPONSES, "{'input':[{'role':'tool','content':'a'}]}",
         "!input[0].role: 'tool' is not one of user|assistant|system|developer"},
        {API_OPENAI_RESPONSES, "{'input':'a','previous_response_id':'r'}",
         "!previous_response_id: \"r\" is not supported; answers are not stored"},
        {API_RESPONSES_COUNT, "{'input':'a'}", "count messages=[" SAID_USER "]"},
    };
    CHECK_REQUESTS(cases);
}

static void test_options(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_RESPONSES,
         "{'input':'a','tools':[{'type':'function','name':'f','parameters':{'type':'object'},"
         "'strict':true}],'tool_choice':{'type':'function','name':'f'}}",
         "chat messages=[" SAID_USER "] tools=[{'type':'function','function':{'name':'f',"
         "'description':'','parameters':{'type':'object'}}}] choice=named tool=f"},
        {API_OPENAI_RESPONSES, "{'input':'a','tools':[{'type':'web_search'}]}",
         "!tools[0].type: 'web_search' is not supported"},
        {API_OPENAI_RESPONSES,
         "{'input':'a','text':{'format':{'type':'json_schema','name':'n','schema':{'type':'object'}"
         ",'strict':true},'verbosity':'medium'}}",
         "chat schema={'type':'object'} schema_name=n messages=[" SAID_USER "]"},
        {API_OPENAI_RESPONSES, "{'input':'a','text':{'verbosity':'low'}}",
         "!text.verbosity: 'low' is not supported"},
        {API_OPENAI_RESPONSES, "{'input':'a','reasoning':{'effort':'none','summary':'auto'}}",
         "chat thinking=off effort=none messages=[" SAID_USER
         "] kwargs={'enable_thinking':false} ignored=reasoning.summary"},
        {API_OPENAI_RESPONSES,
         "{'input':'a','store':false,'include':['reasoning.encrypted_content'],'prompt_cache_key':"
         "'k','parallel_tool_calls':false,'truncation':'disabled'}",
         "chat messages=[" SAID_USER "] one_call ignored=include[], prompt_cache_key"},
        {API_OPENAI_RESPONSES, "{'input':'a','background':true}", "!background: true is not"},
        {API_OPENAI_RESPONSES, "{'input':'a','top_logprobs':2}", "!top_logprobs: needs include"},
        {API_OPENAI_RESPONSES,
         "{'input':'a','top_logprobs':2,'include':['message.output_text.logprobs']}",
         "chat n_probs=2 messages=[" SAID_USER "]"},
        {API_OPENAI_RESPONSES, "{'input':'a','include':['message.output_text.logprobs']}",
         "chat n_probs=0 messages=[" SAID_USER "]"},
        {API_OPENAI_RESPONSES, "{'input':'a','include':['file_search_call.results']}",
         "!include[0]: 'file_search_call.results' is not there"},
    };
    CHECK_REQUESTS(cases);
}

/* ---- answers ---- */

#define RESPONSE(status, incomplete, output, usage)                                                \
    "{'id':'resp_0123456789abcdefghijklmn0000','object':'response','created_at':1700000000,"       \
    "'status':'" status "','error':null,'incomplete_details':" incomplete ",'output':[" output     \
    "],'usage':" usage ",'instructions':null,'max_output_tokens':null,'model':'m',"                \
    "'parallel_tool_calls':true,'previous_response_id':null,'reasoning':{'effort':null,'summary':" \
    "null},'store':false,'temperature':0.8,'text':{'format':{'type':'text'}},'tool_choice':"       \
    "'auto','tools':[],'top_logprobs':0,'top_p':0.95,'truncation':'disabled','user':null,'"        \
    "metadata':{}}"
#define USAGE                                                                                      \
    "{'input_tokens':10,'input_tokens_details':{'cached_tokens':4},'output_tokens':5,"             \
    "'output_tokens_details':{'reasoning_tokens':0},'total_tokens':15}"
#define TIMINGS                                                                                    \
    "'timings':{'cache_n':4,'prompt_n':6,'prompt_ms':12,'prompt_per_token_ms':2,"                  \
    "'prompt_per_second':500,'predicted_n':5,'predicted_ms':20,'predicted_per_token_ms':4,"        \
    "'predicted_per_second':250}"
#define EVENT(name, number, rest)                                                                  \
    "event: response." name "\ndata: {'type':'response." name "','sequence_number':" number        \
    "," rest "}\n\n"
#define ITEM(prefix, n) "'id':'" prefix "0123456789abcdefghijklmn000" n "'"
#define PLACE(prefix, n) "'item_id':'" prefix "0123456789abcdefghijklmn000" n "','output_index':" n
#define THOUGHT(status, content)                                                                   \
    "{" ITEM("rs_", "0") ",'type':'reasoning','status':'" status                                   \
                         "','summary':[],'content':[" content "]}"
#define MESSAGE(status, content)                                                                   \
    "{" ITEM("msg_", "1") ",'type':'message','status':'" status                                    \
                          "','role':'assistant','content':[" content "]}"
#define CALL(status, arguments)                                                                    \
    "{" ITEM(                                                                                      \
        "fc_",                                                                                     \
        "2") ",'type':'function_call','status':'" status                                           \
             "','call_id':'call_0123456789abcdefghijklmn0002','name':'f','arguments':'" arguments  \
             "'}"
#define TEXT(text) "{'type':'output_text','text':'" text "','annotations':[],'logprobs':[]}"
#define REASON(text) "{'type':'reasoning_text','text':'" text "'}"

static void test_stream(void **state)
{
    (void)state;
    const reply_event events[] = {
        said(REPLY_REASONING, "hm"), said(REPLY_CONTENT, "H"),
        said(REPLY_CONTENT, "i"),    tool_said("f"),
        said(REPLY_ARGUMENTS, "{}"), done_said(HEARTH_FINISH_STOP, NULL),
    };
    CHECK_PLAY(
        API_OPENAI_RESPONSES, "{'input':'a','stream':true}", events,
        EVENT("created", "0", "'response':" RESPONSE("in_progress", "null", "", "null"))       //
        EVENT("in_progress", "1", "'response':" RESPONSE("in_progress", "null", "", "null"))   //
        EVENT("output_item.added", "2", "'output_index':0,'item':" THOUGHT("in_progress", "")) //
        EVENT("content_part.added", "3",
              PLACE("rs_", "0") ",'content_index':0,'part':" REASON(""))                        //
        EVENT("reasoning_text.delta", "4", PLACE("rs_", "0") ",'content_index':0,'delta':'hm'") //
        EVENT("reasoning_text.done", "5", PLACE("rs_", "0") ",'content_index':0,'text':'hm'")   //
        EVENT("content_part.done", "6",
              PLACE("rs_", "0") ",'content_index':0,'part':" REASON("hm")) //
        EVENT("output_item.done", "7",
              "'output_index':0,'item':" THOUGHT("completed", REASON("hm")))                   //
        EVENT("output_item.added", "8", "'output_index':1,'item':" MESSAGE("in_progress", "")) //
        EVENT("content_part.added", "9",
              PLACE("msg_", "1") ",'content_index':0,'part':" TEXT("")) //
        EVENT("output_text.delta", "10",
              PLACE("msg_", "1") ",'content_index':0,'delta':'H','logprobs':[]") //
        EVENT("output_text.delta", "11",
              PLACE("msg_", "1") ",'content_index':0,'delta':'i','logprobs':[]") //
        EVENT("output_text.done", "12",
              PLACE("msg_", "1") ",'content_index':0,'text':'Hi','logprobs':[]") //
        EVENT("content_part.done", "13",
              PLACE("msg_", "1") ",'content_index':0,'part':" TEXT("Hi")) //
        EVENT("output_item.done", "14",
              "'output_index':1,'item':" MESSAGE("completed", TEXT("Hi")))                   //
        EVENT("output_item.added", "15", "'output_index':2,'item':" CALL("in_progress", "")) //
        EVENT("function_call_arguments.delta", "16", PLACE("fc_", "2") ",'delta':'{}'")      //
        EVENT("function_call_arguments.done", "17",
              PLACE("fc_", "2") ",'name':'f','arguments':'{}'")                             //
        EVENT("output_item.done", "18", "'output_index':2,'item':" CALL("completed", "{}")) //
        EVENT("completed", "19",
              "'response':" RESPONSE("completed", "null",
                                     THOUGHT("completed", REASON("hm")) "," MESSAGE(
                                         "completed", TEXT("Hi")) "," CALL("completed", "{}"),
                                     USAGE) "," TIMINGS));
}

static void test_whole(void **state)
{
    (void)state;
    const reply_event events[] = {
        said(REPLY_REASONING, "hm"),
        said(REPLY_CONTENT, "Hi"),
        done_said(HEARTH_FINISH_LIMIT, NULL),
    };
    CHECK_PLAY(API_OPENAI_RESPONSES, "{'input':'a'}", events,
               RESPONSE("incomplete", "{'reason':'max_output_tokens'}",
                        THOUGHT("completed", REASON("hm")) "," MESSAGE("incomplete", TEXT("Hi")),
                        USAGE));
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        n++;
    return n;
}

/* llama-server's additions: events while the prompt is read, timings with every delta. */
static void test_progress(void **state)
{
    (void)state;
    reply_event events[] = {{.type = REPLY_PROGRESS, .usage = test_usage},
                            said(REPLY_CONTENT, "Hi"),
                            done_said(HEARTH_FINISH_CONTEXT, NULL)};
    events[1].usage = test_usage;
    char *got = play(API_OPENAI_RESPONSES,
                     "{'input':'a','stream':true,'return_progress':true,'timings_per_token':true}",
                     events, 3);
    char *progress = quoted("'prompt_progress':{'total':10,'cache':4,'processed':10,'time_ms':12}");
    char *timings = quoted("'delta':'Hi','logprobs':[]," TIMINGS);
    assert_non_null(strstr(got, progress));
    assert_non_null(strstr(got, timings));
    assert_non_null(strstr(got, "\"reason\":\"context_length_exceeded\""));
    /* of the item when it is done, of the whole, and of the item in it */
    assert_int_equal(count(got, "\"status\":\"incomplete\""), 3);
    free(progress);
    free(timings);
    mem_free(got);
}

/* Each text has those of its own tokens: with the delta, and all at its end. Thoughts, calls and
 * the token that ends the answer have none. */
static void test_logprobs(void **state)
{
    (void)state;
    const reply_candidate top = {.token = 9, .text = "o", .n_text = 1, .logprob = -2};
    const reply_token letter = {
        .token = 7, .text = "e", .n_text = 1, .logprob = -0.5f, .top = &top, .n_top = 1};
    reply_event events[] = {
        said(REPLY_REASONING, "e"), said(REPLY_TOKENS, NULL), said(REPLY_CONTENT, "ee"),
        said(REPLY_CONTENT, "e"),   said(REPLY_TOKENS, NULL), done_said(HEARTH_FINISH_STOP, NULL),
    };
    for (size_t i = 0; i < 5; i++) {
        events[i].tokens = &letter;
        events[i].n_tokens = 1;
    }
#define ONE                                                                                        \
    "{\"token\":\"e\",\"bytes\":[101],\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\"o\","        \
    "\"bytes\":[111],\"logprob\":-2}]}"
    static const char *const bodies[] = {
        "{'input':'a','include':['message.output_text.logprobs'],'top_logprobs':1}",
        "{'input':'a','include':['message.output_text.logprobs'],'top_logprobs':1,'stream':true}",
    };
    for (size_t i = 0; i < 2; i++) {
        char *got = play(API_OPENAI_RESPONSES, bodies[i], events, 6);
        /* The whole: in the response; in a stream also in the text, its part and its item. */
        assert_int_equal(count(got, "\"logprobs\":[" ONE "," ONE "," ONE "]"), i == 0 ? 1 : 4);
        assert_int_equal(count(got, "\"delta\":\"ee\",\"logprobs\":[" ONE "," ONE "]"), i);
        assert_int_equal(count(got, "\"delta\":\"e\",\"logprobs\":[" ONE "]"), i);
        assert_int_equal(count(got, ONE), i == 0 ? 3 : 15);
        assert_non_null(strstr(got, "\"top_logprobs\":1,"));
        mem_free(got);
    }
}

/* What was asked is said again. */
static void test_echo(void **state)
{
    (void)state;
    const reply_event events[] = {done_said(HEARTH_FINISH_STOP, NULL)};
    char *got = play(API_OPENAI_RESPONSES,
                     "{'input':'a','instructions':'s','reasoning':{'effort':'low'},'metadata':{'k':"
                     "'v'},'temperature':0.25}",
                     events, 1);
    assert_non_null(strstr(got, "\"instructions\":\"s\""));
    assert_non_null(strstr(got, "\"reasoning\":{\"effort\":\"low\"}"));
    assert_non_null(strstr(got, "\"metadata\":{\"k\":\"v\"}"));
    assert_non_null(strstr(got, "\"temperature\":0.25"));
    mem_free(got);
}

static void test_failure(void **state)
{
    (void)state;
    request *r;
    reply *y;
    hearth_error err;
    const hearth_error broken = {.code = HEARTH_EIO, .message = "no more"};
    buf out;
    buf_init(&out, 0);
    assert_int_equal(parse(&r, API_OPENAI_RESPONSES, "{'input':'a','stream':true}", &err),
                     HEARTH_OK);
    assert_int_equal(reply_new(&y, r, &test_info, &err), HEARTH_OK);
    assert_int_equal(reply_fail(y, &broken, NULL, &out, &err), HEARTH_OK);
    assert_non_null(strstr(out.data, "event: response.failed\n"));
    assert_non_null(strstr(out.data, "\"status\":\"failed\",\"error\":{\"code\":\"server_error\","
                                     "\"message\":\"no more\"}"));
    reply_free(y);
    request_free(r);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_stream),   cmocka_unit_test(test_whole),
        cmocka_unit_test(test_logprobs), cmocka_unit_test(test_progress),
        cmocka_unit_test(test_echo),     cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
