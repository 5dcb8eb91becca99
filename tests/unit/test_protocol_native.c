/* SPDX-License-Identifier: MIT
 *
 * test_protocol_native.c - llama-server's own endpoints, and the lists that OpenAI shares with
 * them: completion, infill, embeddings, reranking, tokens, slots, adapters, models, properties.
 */
#include <math.h>

#include "protocol_case.h"

static void test_prompts(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_COMPLETION, "{'prompt':''}", "complete prompt=<>"},
        {API_COMPLETION, "{'prompt':[12,34,'a',56,'b']}", "complete prompt=#12,34<a>#56<b>"},
        {API_COMPLETION, "{'prompt':['a',[1,'b']]}", "complete prompt=<a> prompt=#1<b>"},
        {API_COMPLETION, "{'prompt':{'prompt_string':'a'}}", "complete prompt=<a>"},
        {API_COMPLETION,
         "{'prompt':{'content':[{'type':'text','text':'a '},{'type':'text','text':'b'}]}}",
         "complete prompt=<a b>"},
        {API_COMPLETION, "{'prompt':{'content':'a'}}", "!prompt.content: must be an array"},
        {API_COMPLETION, "{'prompt':{'content':[{'type':'image_url','image_url':{}}]}}",
         "!prompt.content[0].type: 'image_url' is not one of text"},
        {API_COMPLETION, "{'prompt':{'prompt_string':'a','multimodal_data':['x']}}",
         "!prompt.multimodal_data: this model cannot see or hear"},
        {API_COMPLETION, "{'prompt':[]}", "!prompt: is empty"},
        {API_COMPLETION, "{'prompt':['a',[]]}", "!prompt[1]: is empty"},
        {API_COMPLETION, "{'prompt':[1,-2]}", "!prompt[1]: -2 is out of range"},
        {API_COMPLETION, "{'prompt':['a',true]}",
         "!prompt[1]: must be a text or a token, not a truth value"},
        {API_COMPLETION, "{'prompt':7}", "!prompt: must be a text or a token, not a number"},
        {API_COMPLETION,
         "{'prompt':'a','n_probs':3,'post_sampling_probs':true,'return_tokens':true}",
         "complete return_tokens=1 post_sampling_probs=1 n_probs=3 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','n_probs':0}", "complete prompt=<a>"},
        {API_COMPLETION,
         "{'prompt':'a','id_slot':2,'cache_prompt':false,'t_max_predict_ms':500,'n_keep':-1}",
         "complete n_keep=-1 t_max_predict_ms=500 cache_prompt=0 id_slot=2 prompt=<a>"},
        {API_COMPLETION, "{'prompt':'a','response_fields':['content','timings/prompt_n']}",
         "complete wants=<content> wants=<timings/prompt_n> prompt=<a>"},
        {API_INFILL,
         "{'input_prefix':'a','input_suffix':[1,2],'prompt':'b','input_extra':[{'filename':'f.c',"
         "'text':'x'},{'text':'y'}],'t_max_prompt_ms':500,'n_indent':4}",
         "infill n_indent=4 prefix=<a> suffix=#1,2 middle=<b> extra=f.c:<x> extra=tmp:<y> "
         "ignored=t_max_prompt_ms"},
        {API_INFILL, "{'input_prefix':'','input_suffix':''}", "infill prefix=<> suffix=<>"},
        {API_INFILL, "{'input_suffix':'a'}", "!input_prefix: is missing"},
        {API_INFILL, "{'input_prefix':'a'}", "!input_suffix: is missing"},
        {API_INFILL, "{'input_prefix':'','input_suffix':'','input_extra':[{'filename':'f'}]}",
         "!input_extra[0].text: is missing"},
    };
    CHECK_REQUESTS(cases);
}

static void test_lists(void **state)
{
    (void)state;
    static const request_case cases[] = {
        {API_OPENAI_EMBEDDING, "{'input':'a','encoding_format':'base64','dimensions':64}",
         "embed dimensions=64 prompt=<a> base64"},
        {API_OPENAI_EMBEDDING, "{'input':['a','b']}", "embed prompt=<a> prompt=<b>"},
        {API_OPENAI_EMBEDDING, "{'input':[1,2]}", "embed prompt=#1,2"},
        {API_OPENAI_EMBEDDING, "{'input':[[1,2],[3]],'user':'u'}",
         "embed prompt=#1,2 prompt=#3 ignored=user"},
        {API_OPENAI_EMBEDDING, "{}", "!input: is missing"},
        {API_OPENAI_EMBEDDING, "{'input':'a','encoding_format':'int8'}",
         "!encoding_format: 'int8' is not one of float|base64"},
        {API_OPENAI_EMBEDDING, "{'input':'a','dimensions':0}", "!dimensions: 0 is out of range"},
        {API_EMBEDDING, "{'content':'a','embd_normalize':-1}",
         "embed embd_normalize=-1 prompt=<a>"},
        {API_EMBEDDING, "{'content':'a','input':'b'}", "!content: means the same as input"},
        {API_RERANK,
         "{'query':'q','documents':['a',{'text':'b'}],'top_n':1,'return_documents':true}",
         "rerank top_n=1 query=<q> document=<a> document=<b> top=1 with_documents"},
        {API_RERANK, "{'query':'q','texts':['a','b'],'return_text':true}",
         "rerank query=<q> document=<a> document=<b> top=2 tei with_documents"},
        {API_RERANK, "{'query':'q','documents':['a'],'top_n':9}",
         "rerank top_n=9 query=<q> document=<a> top=1"},
        {API_RERANK, "{'query':'q','documents':[]}", "!documents: is empty"},
        {API_RERANK, "{'query':'q'}", "!documents: is missing"},
        {API_RERANK, "{'documents':['a']}", "!query: is missing"},
        {API_RERANK, "{'query':'q','documents':['a',1]}", "!documents[1]: must be a text"},
        {API_TOKENIZE,
         "{'content':'a','add_special':true,'parse_special':false,'with_pieces':true}",
         "tokenize add_special=1 parse_special=0 with_pieces=1 prompt=<a>"},
        {API_TOKENIZE, "{'content':['a',5]}", "tokenize prompt=<a>#5"},
        {API_TOKENIZE, "{}", "!content: is missing"},
        {API_DETOKENIZE, "{'tokens':[1,2]}", "detokenize prompt=#1,2"},
        {API_DETOKENIZE, "{'tokens':[]}", "detokenize prompt=#"},
        {API_DETOKENIZE, "{'tokens':['a']}", "!tokens[0]: must be a whole number, not a text"},
        {API_SLOT, "{'filename':'a b.bin'}", "slot filename=a b.bin"},
        {API_SLOT, "{}", "slot"},
        {API_SLOT, "{'filename':'../x'}", "!filename: must be a plain file name"},
        {API_SLOT, "{'filename':'a/b'}", "!filename: must be a plain file name"},
        {API_SLOT, "{'filename':''}", "!filename: has 0 bytes"},
        {API_LORA, "[{'id':0,'scale':1},{'id':2,'scale':-0.5}]", "lora lora=0:1 lora=2:-0.5"},
        {API_LORA_LOAD, "{'filename':'a.gguf','scale':0.5}", "load filename=a.gguf scale=0.5"},
        {API_LORA_LOAD, "{'filename':'a.gguf'}", "load filename=a.gguf scale=1"},
        {API_LORA_LOAD, "{'scale':1}", "!filename: is missing"},
        {API_LORA_LOAD, "{'filename':'../a.gguf'}", "!filename: must be a plain file name"},
        {API_LORA_LOAD, "{'filename':'a','scale':'1'}", "!scale: must be a number"},
        {API_LORA, "{'id':0}", "!body: must be an array, not an object"},
        {API_CONTROL, "{'id':'x','action':'reasoning_end'}", "control control=x"},
        {API_CONTROL, "{'id':'x','action':'stop'}", "!action: 'stop' is not one of reasoning_end"},
        {API_CONTROL, "{'id':'x'}", "!action: is missing"},
    };
    CHECK_REQUESTS(cases);
}

/* ---- answers ---- */

#define TIMINGS                                                                                    \
    "'timings':{'cache_n':4,'prompt_n':6,'prompt_ms':12,'prompt_per_token_ms':2,"                  \
    "'prompt_per_second':500,'predicted_n':5,'predicted_ms':20,'predicted_per_token_ms':4,"        \
    "'predicted_per_second':250}"
#define SETTINGS                                                                                   \
    "'generation_settings':{'seed':4294967295,'min_keep':0,'top_k':40,'top_p':0.95,'min_p':0.05,"  \
    "'typical_p':1,'top_n_sigma':-1,'xtc_probability':0,'xtc_threshold':0.1,'temperature':0.8,"    \
    "'dynatemp_range':0,'dynatemp_exponent':1,'repeat_last_n':64,'repeat_penalty':1,"              \
    "'presence_penalty':0,'frequency_penalty':0,'dry_multiplier':0,'dry_base':1.75,"               \
    "'dry_allowed_length':2,'dry_penalty_last_n':-1,'mirostat':0,'mirostat_tau':5,"                \
    "'mirostat_eta':0.1,'n_predict':%d,'max_tokens':%d,'n_keep':0,'n_discard':0,"                  \
    "'t_max_predict_ms':-1,'ignore_eos':false,'stream':%s,'n_probs':0,"                            \
    "'post_sampling_probs':false,'timings_per_token':false,'cache_prompt':true,'stop':['END'],"    \
    "'dry_sequence_breakers':['\\n',':','\\'','*'],'samplers':['penalties','dry','top_n_sigma',"   \
    "'top_k','typ_p','top_p','min_p','xtc','temperature'],'logit_bias':[],'grammar':'',"           \
    "'reasoning_format':'auto','reasoning_budget_tokens':-1,'lora':[]}"
#define WHOLE(content, tokens)                                                                     \
    "{'index':0,'content':'" content "','tokens':[" tokens                                         \
    "],'id_slot':1,'stop':true,'model':'m','tokens_predicted':5,'tokens_evaluated':10," SETTINGS   \
    ",'prompt':'a\xEF\xBF\xBD','has_new_line':true,'truncated':false,'stop_type':'word',"          \
    "'stopping_word':'END','tokens_cached':15," TIMINGS "}"

static const reply_token plain = {.token = 7, .text = "H", .n_text = 1};

static void set_events(reply_event *events)
{
    events[0] = said(REPLY_CONTENT, "H\n");
    events[0].tokens = &plain;
    events[0].n_tokens = 1;
    events[1] = done_said(HEARTH_FINISH_WORD, "END");
    events[1].prompt = "a\xff";
    events[1].n_prompt_text = 2;
    for (size_t i = 0; i < 2; i++) {
        events[i].usage = test_usage;
        events[i].id_slot = 1;
    }
}

#define CHECK(body, format, n_predict, stream)                                                     \
    do {                                                                                           \
        reply_event events[2];                                                                     \
        char expect[4096];                                                                         \
        set_events(events);                                                                        \
        snprintf(expect, sizeof expect, format, n_predict, n_predict, stream);                     \
        CHECK_PLAY(API_COMPLETION, body, events, expect);                                          \
    } while (0)

static void test_completion(void **state)
{
    (void)state;
    CHECK("{'prompt':'a','stop':'END','return_tokens':true,'n_predict':9}", WHOLE("H\\n", "7"), 9,
          "false");
    CHECK("{'prompt':'a','stop':'END','n_predict':9}", WHOLE("H\\n", ""), 9, "false");
    CHECK("{'prompt':'a','stop':'END','stream':true}",
          "data: {'index':0,'content':'H\\n','tokens':[7],'stop':false,'id_slot':1,"
          "'tokens_predicted':5,'tokens_evaluated':10}\n\n"
          "data: " WHOLE("", "") "\n\n",
          -1, "true");
    reply_event events[2];
    set_events(events);
    CHECK_PLAY(API_COMPLETION,
               "{'prompt':'a','stop':'END','n_predict':9,'response_fields':['content',"
               "'generation_settings/n_predict','none','timings/none']}",
               events, "{'content':'H\\n','generation_settings/n_predict':9}");
}

static void test_two_prompts(void **state)
{
    (void)state;
    reply_event events[] = {
        said(REPLY_CONTENT, "A"),
        said(REPLY_CONTENT, "B"),
        done_said(HEARTH_FINISH_STOP, NULL),
        done_said(HEARTH_FINISH_STOP, NULL),
    };
    events[1].choice = events[3].choice = 1;
    CHECK_PLAY(API_COMPLETION, "{'prompt':['a','b'],'response_fields':['index','content']}", events,
               "[{'index':0,'content':'A'},{'index':1,'content':'B'}]");
}

static void test_probs(void **state)
{
    (void)state;
    static const reply_candidate top = {6, "x", 1, -INFINITY};
    static const reply_token token = {5, "H", 1, -0.5f, &top, 1};
    reply_event event = said(REPLY_CONTENT, "H");
    event.tokens = &token;
    event.n_tokens = 1;
    reply_event events[] = {event, done_said(HEARTH_FINISH_LIMIT, NULL)};
    CHECK_PLAY(API_COMPLETION,
               "{'prompt':'a','n_probs':1,'response_fields':['completion_probabilities']}", events,
               "{'completion_probabilities':[{'id':5,'token':'H','bytes':[72],'logprob':-0.5,"
               "'top_logprobs':[{'id':6,'token':'x','bytes':[120],'logprob':-9999}]}]}");
    CHECK_PLAY(API_COMPLETION,
               "{'prompt':'a','n_probs':1,'post_sampling_probs':true,'response_fields':["
               "'completion_probabilities']}",
               events,
               "{'completion_probabilities':[{'id':5,'token':'H','bytes':[72],'prob':-0.5,"
               "'top_probs':[{'id':6,'token':'x','bytes':[120],'prob':null}]}]}");
}

static void check_text(buf *out, const char *expect)
{
    char *want = quoted(expect);
    assert_string_equal(out->data, want);
    free(want);
    buf_clear(out);
}

static void test_embeddings(void **state)
{
    (void)state;
    request *r;
    hearth_error err;
    buf out;
    buf_init(&out, 0);
    float a[] = {3, 4, 12}, b[] = {0, 0, 5};
    const embedding_result results[] = {{a, 1}, {b, 1}};
    assert_int_equal(parse(&r, API_OPENAI_EMBEDDING, "{'input':['x','y'],'dimensions':2}", &err),
                     HEARTH_OK);
    assert_int_equal(embedding_finish(r, a, 3), 2);
    assert_int_equal(embedding_finish(r, b, 3), 2);
    assert_int_equal(response_embeddings(r, &test_info, results, 2, 7, &out, &err), HEARTH_OK);
    check_text(&out, "{'model':'m','object':'list','usage':{'prompt_tokens':7,'total_tokens':7},"
                     "'data':[{'embedding':[0.6,0.8],'index':0,'object':'embedding'},"
                     "{'embedding':[0,0],'index':1,'object':'embedding'}]}");
    request_free(r);

    float c[] = {1, -2, 0.5f};
    const embedding_result one = {c, 1};
    assert_int_equal(
        parse(&r, API_OPENAI_EMBEDDING, "{'input':'x','encoding_format':'base64'}", &err),
        HEARTH_OK);
    assert_int_equal(response_embeddings(r, &test_info, &one, 3, 1, &out, &err), HEARTH_OK);
    /* printf '\0\0\200\77\0\0\0\300\0\0\0\77' | base64 */
    assert_non_null(strstr(out.data, "\"embedding\":\"AACAPwAAAMAAAAA/\""));
    buf_clear(&out);
    assert_int_equal(response_embeddings(r, &test_info, &one, 1, 1, &out, &err), HEARTH_OK);
    assert_non_null(strstr(out.data, "\"embedding\":\"AACAPw==\""));
    buf_clear(&out);
    request_free(r);

    float rows[] = {1, 3, -4, 0};
    const embedding_result two = {rows, 2};
    assert_int_equal(parse(&r, API_EMBEDDING, "{'content':'x','embd_normalize':1}", &err),
                     HEARTH_OK);
    embedding_finish(r, rows, 2);
    embedding_finish(r, rows + 2, 2);
    assert_int_equal(response_embeddings(r, &test_info, &two, 2, 1, &out, &err), HEARTH_OK);
    check_text(&out, "[{'index':0,'embedding':[[0.25,0.75],[-1,0]]}]");
    request_free(r);
    buf_deinit(&out);
}

static void test_rerank(void **state)
{
    (void)state;
    request *r;
    hearth_error err;
    buf out;
    buf_init(&out, 0);
    const float scores[] = {0.5f, 2, 0.5f};
    assert_int_equal(
        parse(&r, API_RERANK, "{'query':'q','documents':['a','b','c'],'top_n':2}", &err),
        HEARTH_OK);
    assert_int_equal(response_rerank(r, &test_info, scores, 9, &out, &err), HEARTH_OK);
    check_text(&out,
               "{'model':'m','object':'list','usage':{'prompt_tokens':9,'total_tokens':9},"
               "'results':[{'index':1,'relevance_score':2},{'index':0,'relevance_score':0.5}]}");
    request_free(r);
    assert_int_equal(
        parse(&r, API_RERANK, "{'query':'q','texts':['a','b','c'],'return_text':true}", &err),
        HEARTH_OK);
    assert_int_equal(response_rerank(r, &test_info, scores, 9, &out, &err), HEARTH_OK);
    check_text(&out, "[{'index':1,'score':2,'text':'b'},{'index':0,'score':0.5,'text':'a'},"
                     "{'index':2,'score':0.5,'text':'c'}]");
    request_free(r);
    buf_deinit(&out);
}

static hearth_status text_of_token(void *user, int32_t token, const char **text, size_t *n,
                                   hearth_error *err)
{
    (void)user;
    (void)err;
    *text = token == 1 ? "a" : "\xc3";
    *n = 1;
    return HEARTH_OK;
}

static void test_small_bodies(void **state)
{
    (void)state;
    request *r;
    hearth_error err;
    buf out;
    buf_init(&out, 0);
    const int32_t tokens[] = {1, 2};
    assert_int_equal(parse(&r, API_TOKENIZE, "{'content':'x'}", &err), HEARTH_OK);
    assert_int_equal(response_tokenize(r, tokens, 2, text_of_token, NULL, &out, &err), HEARTH_OK);
    check_text(&out, "{'tokens':[1,2]}");
    request_free(r);
    assert_int_equal(parse(&r, API_TOKENIZE, "{'content':'x','with_pieces':true}", &err),
                     HEARTH_OK);
    assert_int_equal(response_tokenize(r, tokens, 2, text_of_token, NULL, &out, &err), HEARTH_OK);
    check_text(&out, "{'tokens':[{'id':1,'piece':'a'},{'id':2,'piece':[195]}]}");
    request_free(r);
    assert_int_equal(response_detokenize("a\x01", 2, &out, &err), HEARTH_OK);
    check_text(&out, "{'content':'a\\u0001'}");
    assert_int_equal(response_template("p", 1, &out, &err), HEARTH_OK);
    check_text(&out, "{'prompt':'p'}");
    assert_int_equal(response_health(&out, &err), HEARTH_OK);
    check_text(&out, "{'status':'ok'}");
    assert_int_equal(response_success(true, NULL, &out, &err), HEARTH_OK);
    check_text(&out, "{'success':true}");
    const slot_file_result saved = {"save", 0, "f", 12, 345, 1.5};
    assert_int_equal(response_slot_file(&saved, &out, &err), HEARTH_OK);
    check_text(&out,
               "{'id_slot':0,'filename':'f','n_saved':12,'n_written':345,'timings':{'save_ms':"
               "1.5}}");
    const slot_file_result erased = {.action = "erase", .id_slot = 3, .n_tokens = 9};
    assert_int_equal(response_slot_file(&erased, &out, &err), HEARTH_OK);
    check_text(&out, "{'id_slot':3,'n_erased':9}");
    const lora_card lora = {2, "p", 0.5f};
    assert_int_equal(response_loras(&lora, 1, &out, &err), HEARTH_OK);
    check_text(&out, "[{'id':2,'path':'p','scale':0.5,'task_name':'','prompt_prefix':''}]");
    buf_deinit(&out);
}

/* Whole bodies are long: that they are JSON, and where a few members stand. */
static json_t *loaded(const buf *out)
{
    json_t *body = json_loadb(out->data, out->n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(body);
    return body;
}

static void test_server_bodies(void **state)
{
    (void)state;
    hearth_error err;
    request_options options;
    buf out;
    const char *alias = "n";
    request_options_init(&options);
    buf_init(&out, 0);
    const model_card card = {
        .id = "m", .aliases = &alias, .n_aliases = 1, .type = "BPE", .ftype = "Q8_0", .n_ctx = 64};
    assert_int_equal(response_models(&card, 1, &out, &err), HEARTH_OK);
    json_t *body = loaded(&out);
    json_t *first = json_array_get(json_object_get(body, "data"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "id")), "m");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "meta"), "n_ctx")),
                     64);
    json_decref(body);
    buf_clear(&out);
    const props_card props = {.defaults = &options, .n_ctx = 64, .n_slots = 2, .model_alias = "m"};
    assert_int_equal(response_props(&props, &out, &err), HEARTH_OK);
    body = loaded(&out);
    assert_int_equal(json_integer_value(json_object_get(body, "total_slots")), 2);
    json_decref(body);
    buf_clear(&out);
    const slot_card slots[] = {{.id = 0, .n_ctx = 64}, {.id = 1, .options = &options}};
    assert_int_equal(response_slots(slots, 2, &out, &err), HEARTH_OK);
    body = loaded(&out);
    assert_null(json_object_get(json_array_get(body, 0), "params"));
    assert_non_null(json_object_get(json_array_get(body, 1), "next_token"));
    json_decref(body);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts),       cmocka_unit_test(test_lists),
        cmocka_unit_test(test_completion),    cmocka_unit_test(test_two_prompts),
        cmocka_unit_test(test_probs),         cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_rerank),        cmocka_unit_test(test_small_bodies),
        cmocka_unit_test(test_server_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
