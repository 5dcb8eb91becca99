/* SPDX-License-Identifier: MIT
 *
 * test_protocol_openai.c - OpenAI's chat completions and completions: bodies in, bytes out.
 */
#include "protocol_case.h"

#define USER "'messages':[{'role':'user','content':'a'}]"
#define SAID_USER "messages=[{'role':'user','content':'a'}]"
#define TOOL(name) "{'type':'function','function':{'name':'" name "'}}"
#define SAID_TOOL(name)                                                                            \
    "{'type':'function','function':{'name':'" name                                                 \
    "','description':'','parameters':{'type':'object','properties':{}}}}"

static void test_messages(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_CHAT, "{'model':'x'," USER "}", "chat model=x " SAID_USER},
        {API_OPENAI_CHAT, "{}", "!messages: is missing; send at least one message"},
        {API_OPENAI_CHAT, "{'messages':[]}", "!messages: is empty"},
        {API_OPENAI_CHAT, "{'messages':{}}", "!messages: must be an array, not an object"},
        {API_OPENAI_CHAT, "{'messages':['a']}", "!messages[0]: must be an object, not a text"},
        {API_OPENAI_CHAT, "{'messages':[{'content':'a'}]}", "!messages[0].role: is missing"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'user'}]}", "!messages[0].content: is missing"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'user','content':5}]}",
         "!messages[0].content: must be a text or an array of parts, not a number"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'developer','content':[{'type':'text','text':'a'},{'type':'text',"
         "'text':'b'}]},{'role':'user','content':'c','name':'Bo'}]}",
         "chat messages=[{'role':'system','content':'a\\nb'},{'role':'user','content':'c','name':"
         "'Bo'}]"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'user','content':'a'},{'role':'user','content':[{'type':'image_url',"
         "'image_url':{'url':'x'}}]}]}",
         "!messages[1].content[0].image_url: image input is not supported"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'user','content':[{'type':'input_audio','input_audio':{}}]}]}",
         "!messages[0].content[0].input_audio: this model cannot hear"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'user','content':[{'type':'smell'}]}]}",
         "!messages[0].content[0].type: 'smell' is not supported here"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'function','content':'a'}]}",
         "!messages[0].name: is missing"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'assistant','content':null,'function_call':{'name':'f','arguments':"
         "'{}'}},{'role':'function','name':'f','content':'a'},{'role':'assistant','function_call':"
         "{'name':'g'}},{'role':'function','name':'g','content':'b'},{'role':'user','content':"
         "'c'}]}",
         "chat messages=[{'role':'assistant','content':'','tool_calls':[{'id':'call00000','type':"
         "'function','function':{'name':'f','arguments':'{}'}}]},{'role':'tool','content':'a',"
         "'name':'f','tool_call_id':'call00000'},{'role':'assistant','content':'','tool_calls':[{"
         "'id':'call00001','type':'function','function':{'name':'g','arguments':'{}'}}]},{'role':"
         "'tool','content':'b','name':'g','tool_call_id':'call00001'},{'role':'user','content':"
         "'c'}]"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'function','name':'f','content':'a'}]}",
         "chat messages=[{'role':'tool','content':'a','name':'f'}]"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'user','content':'a','function_call':{'name':'f'}}]}",
         "!messages[0].function_call: belongs to messages of the assistant"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'user','content':'a','mood':'b','audio':null,'tool_calls':null}]}",
         "chat " SAID_USER " ignored=messages[].mood"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'assistant','content':null,'refusal':null,'tool_calls':[{'id':'c1',"
         "'type':'function','function':{'name':'f','arguments':'{\\\"x\\\":1}'}}]},{'role':'tool',"
         "'tool_call_id':'c1','content':'ok'}]}",
         "chat messages=[{'role':'assistant','content':'','tool_calls':[{'id':'c1','type':"
         "'function','function':{'name':'f','arguments':'{\\'x\\':1}'}}]},{'role':'tool','content':"
         "'ok','tool_call_id':'c1'}]"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'assistant','tool_calls':[{'function':{'name':'f','arguments':{'x':"
         "[1]}}}],'reasoning_content':'hm'}]}",
         "chat messages=[{'role':'assistant','content':'','reasoning_content':'hm','tool_calls':[{"
         "'type':'function','function':{'name':'f','arguments':'{\\'x\\':[1]}'}}]}]"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'assistant','tool_calls':[{'function':{}}]}]}",
         "!messages[0].tool_calls[0].function.name: is missing"},
        {API_OPENAI_CHAT, "{'messages':[{'role':'user','content':'a','tool_calls':[]}]}",
         "!messages[0].tool_calls: belong to messages of the assistant"},
    };
    CHECK_REQUESTS(cases);
}

static void test_tools(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_CHAT, "{" USER ",'tools':[]}", "chat " SAID_USER},
        {API_OPENAI_CHAT, "{" USER ",'tools':[" TOOL("f") "]}",
         "chat " SAID_USER " tools=[" SAID_TOOL("f") "]"},
        {API_OPENAI_CHAT,
         "{" USER ",'tools':[{'type':'function','function':{'parameters':{'b':1,'a':2},'name':'f',"
         "'description':'d','strict':true}}]}",
         "chat " SAID_USER " tools=[{'type':'function','function':{'name':'f','description':'d',"
         "'parameters':{'b':1,'a':2}}}]"},
        {API_OPENAI_CHAT, "{" USER ",'tools':[" TOOL("f") "," TOOL("f") "]}",
         "!tools[1].function.name: there is a tool 'f' already"},
        {API_OPENAI_CHAT, "{" USER ",'tools':[{'type':'web_search'}]}",
         "!tools[0].type: 'web_search' is not supported; tools are functions"},
        {API_OPENAI_CHAT, "{" USER ",'tools':[{'type':'function','function':{}}]}",
         "!tools[0].function.name: is missing"},
        {API_OPENAI_CHAT, "{" USER ",'tools':[" TOOL("f") "],'tool_choice':'required'}",
         "chat " SAID_USER " tools=[" SAID_TOOL("f") "] choice=required"},
        {API_OPENAI_CHAT,
         "{" USER
         ",'tools':[" TOOL("f") "],'tool_choice':" TOOL("f") ",'parallel_tool_calls':false}",
         "chat " SAID_USER " tools=[" SAID_TOOL("f") "] choice=named tool=f one_call"},
        {API_OPENAI_CHAT, "{" USER ",'tools':[" TOOL("f") "],'tool_choice':" TOOL("g") "}",
         "!tool_choice.function.name: 'g' is not among the tools"},
        {API_OPENAI_CHAT,
         "{" USER ",'tools':[" TOOL("f") "," TOOL(
             "g") "],'tool_choice':{'type':'allowed_tools',"
                  "'allowed_tools':{'mode':'required','tools':[" TOOL("g") "]}}}",
         "chat " SAID_USER " tools=[" SAID_TOOL("g") "] choice=required"},
        {API_OPENAI_CHAT, "{" USER ",'tool_choice':'required'}",
         "!tool_choice: asks for a call, but there are no tools"},
        {API_OPENAI_CHAT, "{" USER ",'tool_choice':'none'}", "chat " SAID_USER " choice=none"},
        {API_OPENAI_CHAT, "{" USER ",'tool_choice':'maybe'}",
         "!tool_choice: 'maybe' is not one of none|auto|required"},
        {API_OPENAI_CHAT, "{" USER ",'tool_choice':7}", "!tool_choice: must be none, auto"},
        {API_OPENAI_CHAT, "{" USER ",'tools':[" TOOL("f") "],'grammar':'root ::= [a]'}",
         "chat grammar=root ::= [a] " SAID_USER " tools=[" SAID_TOOL("f") "]"},
        {API_OPENAI_CHAT, "{" USER ",'functions':[{'name':'f'}]}", "!functions: "},
    };
    CHECK_REQUESTS(cases);
}

static void test_template(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_CHAT, "{" USER ",'reasoning_effort':'none'}",
         "chat thinking=off effort=none " SAID_USER " kwargs={'enable_thinking':false}"},
        {API_OPENAI_CHAT, "{" USER ",'reasoning_effort':'high'}",
         "chat thinking=on effort=high " SAID_USER
         " kwargs={'enable_thinking':true,'reasoning_effort':'high'}"},
        {API_OPENAI_CHAT,
         "{" USER ",'chat_template_kwargs':{'enable_thinking':false,'x':[1]},'reasoning_effort':"
         "'low'}",
         "chat thinking=off effort=low " SAID_USER
         " kwargs={'enable_thinking':false,'x':[1],'reasoning_effort':'low'}"},
        {API_OPENAI_CHAT, "{" USER ",'enable_thinking':true}",
         "chat thinking=on " SAID_USER " kwargs={'enable_thinking':true}"},
        {API_OPENAI_CHAT, "{" USER ",'reasoning_effort':'huge'}",
         "!reasoning_effort: 'huge' is not one of none|minimal|low"},
        {API_OPENAI_CHAT, "{" USER ",'reasoning_format':'none','thinking_budget_tokens':64}",
         "chat reasoning_budget_tokens=64 reasoning=0 " SAID_USER},
        {API_OPENAI_CHAT, "{'messages':[{'role':'assistant','content':'a'}]}",
         "chat messages=[{'role':'assistant','content':'a'}] no_generation_prompt continue"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'assistant','content':'a'}],'add_generation_prompt':true}",
         "chat messages=[{'role':'assistant','content':'a'}]"},
        {API_OPENAI_CHAT,
         "{'messages':[{'role':'assistant','content':'a'}],'add_generation_prompt':true,"
         "'continue_final_message':true}",
         "!add_generation_prompt: cannot go with continue_final_message"},
        {API_OPENAI_CHAT, "{" USER ",'continue_final_message':true}",
         "!continue_final_message: the last message is not an answer"},
        {API_OPENAI_CHAT, "{" USER ",'add_generation_prompt':false}",
         "chat " SAID_USER " no_generation_prompt"},
        {API_TEMPLATE, "{" USER "}", "template " SAID_USER},
        {API_CHAT_COUNT, "{" USER "}", "count " SAID_USER},
    };
    CHECK_REQUESTS(cases);
}

static void test_output_fields(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_CHAT, "{" USER ",'logprobs':true,'top_logprobs':3,'n':2}",
         "chat n=2 n_probs=3 " SAID_USER},
        {API_OPENAI_CHAT, "{" USER ",'logprobs':true}", "chat n_probs=0 " SAID_USER},
        {API_OPENAI_CHAT, "{" USER ",'logprobs':false,'top_logprobs':0}", "chat " SAID_USER},
        {API_OPENAI_CHAT, "{" USER ",'top_logprobs':3}", "!top_logprobs: needs logprobs: true"},
        {API_OPENAI_CHAT, "{" USER ",'logprobs':5}", "!logprobs: must be true or false"},
        {API_OPENAI_CHAT, "{" USER ",'n':5}", "!n: 5 answers at once are too many; at most 4"},
        {API_OPENAI_CHAT, "{" USER ",'n':0}", "!n: 0 is out of range"},
        {API_OPENAI_CHAT,
         "{" USER ",'stream':true,'stream_options':{'include_usage':true,'odd':1}}",
         "chat stream=1 include_usage " SAID_USER " ignored=stream_options.odd"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','logprobs':0}", "complete n_probs=0 prompt=<a>"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','logprobs':4,'best_of':1}",
         "complete n_probs=4 prompt=<a>"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','best_of':3}",
         "!best_of: answers are not ranked; ask for n: 3"},
        {API_OPENAI_COMPLETION, "{'prompt':['a','b'],'n':2}", "complete n=2 prompt=<a> prompt=<b>"},
        {API_OPENAI_COMPLETION, "{'prompt':[1,2,3]}", "complete prompt=#1,2,3"},
        {API_OPENAI_COMPLETION, "{'prompt':[[1,2],[3]]}", "complete prompt=#1,2 prompt=#3"},
        {API_OPENAI_COMPLETION, "{'prompt':'a','suffix':'b'}",
         "infill prompt=<a> prefix=<a> suffix=<b>"},
        {API_OPENAI_COMPLETION, "{'prompt':['a','c'],'suffix':'b'}",
         "!suffix: needs one prompt, but there are 2"},
    };
    CHECK_REQUESTS(cases);
}

/* ---- answers ---- */

#define HEAD(id, object)                                                                           \
    "'id':'" id "0123456789abcdefghijklmn0000','object':'" object                                  \
    "','created':1700000000,'model':'m','system_fingerprint':'b1-hearth'"
#define CHUNK_HEAD HEAD("chatcmpl-", "chat.completion.chunk")
#define USAGE                                                                                      \
    "'usage':{'completion_tokens':5,'prompt_tokens':10,'total_tokens':15,'prompt_tokens_details':" \
    "{'cached_tokens':4},'completion_tokens_details':{'reasoning_tokens':0}}"
#define TIMINGS                                                                                    \
    "'timings':{'cache_n':4,'prompt_n':6,'prompt_ms':12,'prompt_per_token_ms':2,"                  \
    "'prompt_per_second':500,'predicted_n':5,'predicted_ms':20,'predicted_per_token_ms':4,"        \
    "'predicted_per_second':250}"
#define DELTA(delta)                                                                               \
    "data: {'choices':[{'index':0,'delta':{" delta "},'finish_reason':null}]," CHUNK_HEAD "}\n\n"
#define LAST(reason)                                                                               \
    "data: {'choices':[{'index':0,'delta':{},'finish_reason':'" reason "'}]," CHUNK_HEAD           \
    "," TIMINGS "}\n\n"

static void test_chat_stream(void **state)
{
    (void)state;
    const reply_event events[] = {
        said(REPLY_REASONING, "hm"),
        said(REPLY_CONTENT, "Hi"),
        said(REPLY_CONTENT, ""),
        said(REPLY_CONTENT, " \"\xff\"\n"),
        done_said(HEARTH_FINISH_STOP, NULL),
    };
    CHECK_PLAY(API_OPENAI_CHAT, "{" USER ",'stream':true}", events,
               DELTA("'role':'assistant','content':null") DELTA("'reasoning_content':'hm'")
                   DELTA("'content':'Hi'") DELTA("'content':' \\'\xEF\xBF\xBD\\'\\n'")
                       LAST("stop") "data: [DONE]\n\n");
}

static void test_chat_tools_stream(void **state)
{
    (void)state;
    const reply_event events[] = {
        tool_said("f"), said(REPLY_ARGUMENTS, "{\"x\""), said(REPLY_ARGUMENTS, ":1}"),
        tool_said("g"), said(REPLY_ARGUMENTS, "{}"),     done_said(HEARTH_FINISH_STOP, NULL),
    };
    CHECK_PLAY(API_OPENAI_CHAT, "{" USER ",'stream':true}", events,
               DELTA("'role':'assistant','content':null")
                   DELTA("'tool_calls':[{'index':0,'id':'call_0123456789abcdefghijklmn0000','type':"
                         "'function','function':{'name':'f','arguments':''}}]")
                       DELTA("'tool_calls':[{'index':0,'function':{'arguments':'{\\'x\\''}}]")
                           DELTA("'tool_calls':[{'index':0,'function':{'arguments':':1}'}}]") DELTA(
                               "'tool_calls':[{'index':1,'id':'call_0123456789abcdefghijklmn0001',"
                               "'type':'function','function':{'name':'g','arguments':''}}]")
                               DELTA("'tool_calls':[{'index':1,'function':{'arguments':'{}'}}]")
                                   LAST("tool_calls") "data: [DONE]\n\n");
}

static void test_chat_usage_stream(void **state)
{
    (void)state;
    const reply_event events[] = {
        {.type = REPLY_PROGRESS, .usage = test_usage},
        said(REPLY_CONTENT, "Hi"),
        done_said(HEARTH_FINISH_LIMIT, NULL),
    };
    CHECK_PLAY(API_OPENAI_CHAT,
               "{" USER ",'stream':true,'return_progress':true,'stream_options':{'include_usage':"
               "true}}",
               events,
               "data: {'choices':[{'index':0,'delta':{'role':'assistant','content':null},"
               "'finish_reason':null}]," CHUNK_HEAD ",'usage':null}\n\n"
               "data: {'choices':[{'index':0,'delta':{},'finish_reason':null}]," CHUNK_HEAD
               ",'usage':null,'prompt_progress':{'total':10,'cache':4,'processed':10,'time_ms':12}"
               "}\n\n"
               "data: {'choices':[{'index':0,'delta':{'content':'Hi'},'finish_reason':null}]"
               "," CHUNK_HEAD ",'usage':null}\n\n"
               "data: {'choices':[{'index':0,'delta':{},'finish_reason':'length'}]," CHUNK_HEAD
               ",'usage':null}\n\n"
               "data: {'choices':[]," CHUNK_HEAD "," USAGE "," TIMINGS "}\n\n"
               "data: [DONE]\n\n");
}

static void test_chat_whole(void **state)
{
    (void)state;
    const reply_event events[] = {
        said(REPLY_REASONING, "hm"),
        said(REPLY_CONTENT, "H"),
        said(REPLY_CONTENT, "i"),
        done_said(HEARTH_FINISH_WORD, "END"),
    };
    CHECK_PLAY(
        API_OPENAI_CHAT, "{" USER "}", events,
        "{'choices':[{'finish_reason':'stop','stop_reason':'END','index':0,'message':{'role':"
        "'assistant','content':'Hi','reasoning_content':'hm'}}]," HEAD(
            "chatcmpl-", "chat.completion") "," USAGE "," TIMINGS "}");
    const reply_event calls[] = {
        tool_said("f"),
        said(REPLY_ARGUMENTS, "{}"),
        done_said(HEARTH_FINISH_STOP, NULL),
    };
    CHECK_PLAY(API_OPENAI_CHAT, "{" USER "}", calls,
               "{'choices':[{'finish_reason':'tool_calls','index':0,'message':{'role':'assistant',"
               "'content':null,'tool_calls':[{'id':'call_0123456789abcdefghijklmn0000','type':"
               "'function','function':{'name':'f','arguments':'{}'}}]}}]"
               "," HEAD("chatcmpl-", "chat.completion") "," USAGE "," TIMINGS "}");
}

/* Two answers: tokens of the prompt count once, those of the answers both. */
static void test_chat_choices(void **state)
{
    (void)state;
    reply_event events[] = {
        said(REPLY_CONTENT, "A"),
        said(REPLY_CONTENT, "B"),
        done_said(HEARTH_FINISH_STOP, NULL),
        done_said(HEARTH_FINISH_LIMIT, NULL),
    };
    events[1].choice = 1;
    events[3].choice = 1;
    char *got = play(API_OPENAI_CHAT, "{" USER ",'n':2}", events, 4);
    assert_non_null(
        strstr(got, "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"A\""));
    assert_non_null(strstr(got, "{\"finish_reason\":\"length\",\"index\":1,\"message\":{\"role\":"
                                "\"assistant\",\"content\":\"B\""));
    assert_non_null(strstr(got, "\"completion_tokens\":10,\"prompt_tokens\":10"));
    mem_free(got);
}

/* One word of OpenAI's for two ends; the field beside it tells them apart. */
static void test_chat_ends(void **state)
{
    static const struct {
        hearth_finish_reason finish;
        const char *wanted;
    } rows[] = {{HEARTH_FINISH_LIMIT, "\"finish_reason\":\"length\",\"index\":0"},
                {HEARTH_FINISH_CONTEXT,
                 "\"finish_reason\":\"length\",\"stop_reason\":\"context\",\"index\":0"},
                {HEARTH_FINISH_STOP, "\"finish_reason\":\"stop\",\"index\":0"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const reply_event events[] = {said(REPLY_CONTENT, "A"), done_said(rows[i].finish, NULL)};
        char *got = play(API_OPENAI_CHAT, "{" USER "}", events, 2);
        assert_non_null(strstr(got, rows[i].wanted));
        mem_free(got);
    }
}

static const reply_candidate tops[] = {{5, "H", 1, -0.5f}, {6, "\xc3", 1, -1.5f}};
static const reply_token probed = {5, "H", 1, -0.5f, tops, 2};

#define PROBS                                                                                      \
    "{'token':'H','bytes':[72],'logprob':-0.5,'top_logprobs':[{'token':'H','bytes':[72],"          \
    "'logprob':-0.5},{'token':'\xEF\xBF\xBD','bytes':[195],'logprob':-1.5}]}"

/* Two tokens, and then the text of both. */
static void say_held_back(reply_event events[3])
{
    events[0] = (reply_event){.type = REPLY_TOKENS, .tokens = &probed, .n_tokens = 1};
    events[1] = said(REPLY_CONTENT, "HH");
    events[1].tokens = &probed;
    events[1].n_tokens = 1;
    events[2] = done_said(HEARTH_FINISH_STOP, NULL);
}

/* Tokens whose text is held back come with the text that they led to. */
static void test_chat_probs(void **state)
{
    (void)state;
    reply_event events[3];
    say_held_back(events);
    CHECK_PLAY(API_OPENAI_CHAT, "{" USER ",'stream':true,'logprobs':true,'top_logprobs':2}", events,
               DELTA("'role':'assistant','content':null") //
               "data: {'choices':[{'index':0,'delta':{'content':'HH'},'logprobs':{'content':[" PROBS
               "," PROBS "]},'finish_reason':null}]," CHUNK_HEAD "}\n\n" LAST("stop") //
               "data: [DONE]\n\n");
}

/* So do their ids, if they are asked for. */
static void test_chat_tokens(void **state)
{
    (void)state;
    reply_event events[3];
    say_held_back(events);
    CHECK_PLAY(API_OPENAI_CHAT, "{" USER ",'stream':true,'return_tokens':true}", events,
               DELTA("'role':'assistant','content':null") //
               "data: {'choices':[{'index':0,'delta':{'content':'HH'},'tokens':[5,5],"
               "'finish_reason':null}]," CHUNK_HEAD "}\n\n" LAST("stop") //
               "data: [DONE]\n\n");
    char *got = play(API_OPENAI_CHAT, "{" USER ",'return_tokens':true}", events, 3);
    assert_non_null(strstr(got, "\"tokens\":[5,5]"));
    mem_free(got);
    got = play(API_OPENAI_CHAT, "{" USER "}", events, 3);
    assert_null(strstr(got, "\"tokens\""));
    mem_free(got);
}

static void test_completion(void **state)
{
    (void)state;
    reply_event events[] = {
        said(REPLY_CONTENT, "H"),
        said(REPLY_CONTENT, "H"),
        done_said(HEARTH_FINISH_LIMIT, NULL),
    };
    events[0].tokens = events[1].tokens = &probed;
    events[0].n_tokens = events[1].n_tokens = 1;
#define COLUMNS "'tokens':['H','H'],'token_logprobs':[-0.5,-0.5],'top_logprobs':[" TOPS "," TOPS "]"
#define TOPS "{'H':-0.5,'\xEF\xBF\xBD':-1.5}"
#define NATIVE_PROBS                                                                               \
    "{'id':5,'token':'H','bytes':[72],'logprob':-0.5,'top_logprobs':[{'id':5,'token':'H',"         \
    "'bytes':[72],'logprob':-0.5},{'id':6,'token':'\xEF\xBF\xBD','bytes':[195],'logprob':-1.5}]}"
#define TEXT_USAGE                                                                                 \
    "'usage':{'completion_tokens':5,'prompt_tokens':10,'total_tokens':15,'prompt_tokens_details':" \
    "{'cached_tokens':4}}"
    CHECK_PLAY(API_OPENAI_COMPLETION, "{'prompt':'a','logprobs':2}", events,
               "{'choices':[{'text':'HH','index':0,'logprobs':{" COLUMNS
               ",'text_offset':[0,1],'content':[" NATIVE_PROBS "," NATIVE_PROBS
               "]},'finish_reason':'length'}]," HEAD("cmpl-", "text_completion") "," TEXT_USAGE
                                                                                 "," TIMINGS "}");
    CHECK_PLAY(
        API_OPENAI_COMPLETION, "{'prompt':'a','stream':true}", events,
        "data: {'choices':[{'text':'H','index':0,'logprobs':null,'finish_reason':null}]"
        "," HEAD(
            "cmpl-",
            "text_completion") "}\n\n"
                               "data: "
                               "{'choices':[{'text':'H','index':0,'logprobs':null,'finish_reason':"
                               "null}]"
                               "," HEAD(
                                   "cmpl-",
                                   "text_completion") "}\n\n"
                                                      "data: "
                                                      "{'choices':[{'text':'','index':0,'logprobs':"
                                                      "null,'finish_reason':'length'}]"
                                                      "," HEAD(
                                                          "cmpl-",
                                                          "text_completion") "," TEXT_USAGE
                                                                             "," TIMINGS "}\n\n"
                                                                             "data: [DONE]\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),          cmocka_unit_test(test_tools),
        cmocka_unit_test(test_template),          cmocka_unit_test(test_output_fields),
        cmocka_unit_test(test_chat_stream),       cmocka_unit_test(test_chat_tools_stream),
        cmocka_unit_test(test_chat_usage_stream), cmocka_unit_test(test_chat_whole),
        cmocka_unit_test(test_chat_choices),      cmocka_unit_test(test_chat_probs),
        cmocka_unit_test(test_chat_ends),         cmocka_unit_test(test_chat_tokens),
        cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
