/* SPDX-License-Identifier: MIT
 *
 * test_named_templates.c - the chat formats that have names: one conversation, as each format's
 * publication writes it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <hearth/hearth.h>

static const char context[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},"
    "{\"role\":\"user\",\"content\":\"Hello\"},"
    "{\"role\":\"assistant\",\"content\":\" Hi there \"},"
    "{\"role\":\"user\",\"content\":\"Who?\"}],"
    "\"add_generation_prompt\":true,\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}";

static const struct {
    const char *name, *want;
} cases[] = {
    {"chatml", "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
               "<|im_start|>assistant\n Hi there <|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n"
               "<|im_start|>assistant\n"},
    {"llama2", "[INST] Be kind.\nHello [/INST] Hi there </s>[INST] Who? [/INST]"},
    {"llama2-sys", "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST] Hi there </s>"
                   "[INST] Who? [/INST]"},
    {"llama2-sys-bos", "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST] Hi there </s>"
                       "<s>[INST] Who? [/INST]"},
    {"llama2-sys-strip", "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHello [/INST]Hi there</s>"
                         "[INST] Who? [/INST]"},
    {"mistral-v1", " [INST] Be kind.\n\nHello [/INST]  Hi there </s> [INST] Who? [/INST]"},
    {"mistral-v3", "[INST] Be kind.\n\nHello[/INST] Hi there</s>[INST] Who?[/INST]"},
    {"mistral-v3-tekken", "[INST]Be kind.\n\nHello[/INST] Hi there </s>[INST]Who?[/INST]"},
    {"mistral-v7", "[SYSTEM_PROMPT] Be kind.[/SYSTEM_PROMPT][INST] Hello[/INST]  Hi there </s>"
                   "[INST] Who?[/INST]"},
    {"mistral-v7-tekken", "[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]Hello[/INST] Hi there </s>"
                          "[INST]Who?[/INST]"},
    {"phi3", "<|system|>\nBe kind.<|end|>\n<|user|>\nHello<|end|>\n"
             "<|assistant|>\n Hi there <|end|>\n<|user|>\nWho?<|end|>\n<|assistant|>\n"},
    {"phi4", "<|im_start|>system<|im_sep|>Be kind.<|im_end|><|im_start|>user<|im_sep|>Hello"
             "<|im_end|><|im_start|>assistant<|im_sep|> Hi there <|im_end|><|im_start|>user"
             "<|im_sep|>Who?<|im_end|><|im_start|>assistant<|im_sep|>"},
    {"falcon3", "<|system|>\nBe kind.\n<|user|>\nHello\n<|assistant|>\n Hi there \n<|user|>\n"
                "Who?\n<|assistant|>\n"},
    {"zephyr", "<|system|>\nBe kind.</s>\n<|user|>\nHello</s>\n<|assistant|>\n Hi there </s>\n"
               "<|user|>\nWho?</s>\n<|assistant|>\n"},
    {"monarch", "<s>system\nBe kind.</s>\n<s>user\nHello</s>\n<s>assistant\n Hi there </s>\n"
                "<s>user\nWho?</s>\n<s>assistant\n"},
    {"gemma", "<start_of_turn>user\nBe kind.\n\nHello<end_of_turn>\n<start_of_turn>model\n"
              "Hi there<end_of_turn>\n<start_of_turn>user\nWho?<end_of_turn>\n"
              "<start_of_turn>model\n"},
    {"orion", "Human: Be kind.\n\nHello\n\nAssistant: </s> Hi there </s>Human: Who?\n\n"
              "Assistant: </s>"},
    {"openchat", "Be kind.<|end_of_turn|>GPT4 Correct User: Hello<|end_of_turn|>"
                 "GPT4 Correct Assistant:  Hi there <|end_of_turn|>"
                 "GPT4 Correct User: Who?<|end_of_turn|>GPT4 Correct Assistant:"},
    {"vicuna", "Be kind.\n\nUSER: Hello\nASSISTANT:  Hi there </s>\nUSER: Who?\nASSISTANT:"},
    {"vicuna-orca",
     "SYSTEM: Be kind.\nUSER: Hello\nASSISTANT:  Hi there </s>\nUSER: Who?\nASSISTANT:"},
    {"deepseek", "Be kind.### Instruction:\nHello\n### Response:\n Hi there \n<|EOT|>\n"
                 "### Instruction:\nWho?\n### Response:\n"},
    {"deepseek2", "Be kind.\n\nUser: Hello\n\nAssistant:  Hi there <｜end▁of▁sentence｜>"
                  "User: Who?\n\nAssistant:"},
    {"deepseek3", "Be kind.<｜User｜>Hello<｜Assistant｜> Hi there <｜end▁of▁sentence｜>"
                  "<｜User｜>Who?<｜Assistant｜>"},
    {"command-r", "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>Be kind.<|END_OF_TURN_TOKEN|>"
                  "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Hello<|END_OF_TURN_TOKEN|>"
                  "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Hi there<|END_OF_TURN_TOKEN|>"
                  "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>Who?<|END_OF_TURN_TOKEN|>"
                  "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"},
    {"llama3", "<|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
               "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
               "<|start_header_id|>assistant<|end_header_id|>\n\nHi there<|eot_id|>"
               "<|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|>"
               "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"llama4", "<|header_start|>system<|header_end|>\n\nBe kind.<|eot|>"
               "<|header_start|>user<|header_end|>\n\nHello<|eot|>"
               "<|header_start|>assistant<|header_end|>\n\nHi there<|eot|>"
               "<|header_start|>user<|header_end|>\n\nWho?<|eot|>"
               "<|header_start|>assistant<|header_end|>\n\n"},
    {"chatglm3", "[gMASK]sop<|system|>\n Be kind.<|user|>\n Hello<|assistant|>\n  Hi there "
                 "<|user|>\n Who?<|assistant|>"},
    {"chatglm4", "[gMASK]<sop><|system|>\nBe kind.<|user|>\nHello<|assistant|>\n Hi there "
                 "<|user|>\nWho?<|assistant|>\n"},
    {"glmedge", "<|system|>\nBe kind.<|user|>\nHello<|assistant|>\n Hi there <|user|>\nWho?"
                "<|assistant|>"},
    {"minicpm", "Be kind.<用户>Hello<AI>Hi there<用户>Who?<AI>"},
    {"exaone3", "[|system|]Be kind.[|endofturn|]\n[|user|]Hello\n[|assistant|]Hi there"
                "[|endofturn|]\n[|user|]Who?\n[|assistant|]"},
    {"exaone4", "[|system|]Be kind.[|endofturn|]\n[|user|]Hello\n[|assistant|]Hi there"
                "[|endofturn|]\n[|user|]Who?\n[|assistant|]"},
    {"rwkv-world", "System: Be kind.\n\nUser: Hello\n\nAssistant: Hi there\n\nUser: Who?\n\n"
                   "Assistant:"},
    {"granite", "<|start_of_role|>system<|end_of_role|>Be kind.<|end_of_text|>\n"
                "<|start_of_role|>user<|end_of_role|>Hello<|end_of_text|>\n"
                "<|start_of_role|>assistant<|end_of_role|> Hi there <|end_of_text|>\n"
                "<|start_of_role|>user<|end_of_role|>Who?<|end_of_text|>\n"
                "<|start_of_role|>assistant<|end_of_role|>"},
    {"gigachat", "<s>Be kind.<|message_sep|>user<|role_sep|>Hello<|message_sep|>"
                 "available functions<|role_sep|>[]<|message_sep|>"
                 "assistant<|role_sep|> Hi there <|message_sep|>user<|role_sep|>Who?<|message_sep|>"
                 "available functions<|role_sep|>[]<|message_sep|>assistant<|role_sep|>"},
    {"megrez", "<|role_start|>system<|role_end|>Be kind.<|turn_end|><|role_start|>user<|role_end|>"
               "Hello<|turn_end|><|role_start|>assistant<|role_end|> Hi there <|turn_end|>"
               "<|role_start|>user<|role_end|>Who?<|turn_end|><|role_start|>assistant<|role_end|>"},
    {"bailing", "<role>SYSTEM</role>Be kind.<role>HUMAN</role>Hello<role>ASSISTANT</role> Hi there "
                "<role>HUMAN</role>Who?<role>ASSISTANT</role>"},
    {"smolvlm", "<|im_start|>Be kind.\n\nUser: Hello<end_of_utterance>\nAssistant:  Hi there "
                "<end_of_utterance>\nUser: Who?<end_of_utterance>\nAssistant:"},
    {"hunyuan-moe", "<|startoftext|>Be kind.<|extra_4|><|startoftext|>Hello<|extra_0|> Hi there "
                    "<|eos|><|startoftext|>Who?<|extra_0|>"},
    {"hunyuan-dense",
     "<｜hy_begin▁of▁sentence｜>Be kind.<｜hy_place▁holder▁no▁3｜><｜hy_User｜>Hello"
     "<｜hy_Assistant｜> Hi there <｜hy_place▁holder▁no▁2｜><｜hy_User｜>Who?<｜hy_Assistant｜>"},
    {"kimi-k2", "<|im_system|>system<|im_middle|>Be kind.<|im_end|><|im_user|>user<|im_middle|>"
                "Hello<|im_end|><|im_assistant|>assistant<|im_middle|> Hi there <|im_end|>"
                "<|im_user|>user<|im_middle|>Who?<|im_end|><|im_assistant|>assistant<|im_middle|>"},
    {"gpt-oss", "<|start|>system<|message|>Be kind.<|end|><|start|>user<|message|>Hello<|end|>"
                "<|start|>assistant<|channel|>final<|message|> Hi there <|end|>"
                "<|start|>user<|message|>Who?<|end|><|start|>assistant"},
    {"seed_oss", "<seed:bos>system\nBe kind.<seed:eos><seed:bos>user\nHello<seed:eos>"
                 "<seed:bos>assistant\nHi there<seed:eos><seed:bos>user\nWho?<seed:eos>"
                 "<seed:bos>assistant\n"},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static hearth_error err;

/* The caller's; NULL where the format refuses. */
static char *render(const char *name, const char *json)
{
    const char *source;
    hearth_chat_template *t = NULL;
    char *text = NULL;
    size_t n;
    if (hearth_chat_template_named(name, &source, &err) != HEARTH_OK ||
        hearth_chat_template_new(&t, source, strlen(source), &err) != HEARTH_OK)
        fail_msg("%s: %s", name, err.message);
    if (hearth_chat_template_render(t, json, strlen(json), NULL, &text, &n, &err) != HEARTH_OK)
        text = NULL;
    hearth_chat_template_free(t);
    return text;
}

static void test_formats(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        char *text = render(cases[i].name, context);
        if (text == NULL || strcmp(text, cases[i].want) != 0)
            fail_msg("%s\n got  %s\n want %s", cases[i].name, text ? text : err.message,
                     cases[i].want);
        hearth_free(text);
    }
}

/* Beside yandex, which has no system turn, every name is above. */
static void test_every_name_is_tested(void **state)
{
    (void)state;
    size_t n = 0;
    for (const char *name; (name = hearth_chat_template_name(n)) != NULL; n++) {
        bool found = strcmp(name, "yandex") == 0;
        for (size_t i = 0; i < N_CASES; i++)
            found |= strcmp(cases[i].name, name) == 0;
        if (!found)
            fail_msg("%s has no case", name);
    }
    assert_int_equal(n, N_CASES + 1);
    char *text = render("yandex", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"},"
                                  "{\"role\":\"assistant\",\"content\":\"Hi\"}],"
                                  "\"add_generation_prompt\":true,\"bos_token\":\"<s>\"}");
    assert_string_equal(text, "<s> Пользователь: Hello\n\n Ассистент: Hi\n\n Ассистент:[SEP]");
    hearth_free(text);
    assert_null(render("yandex", context));
    assert_non_null(strstr(err.message, "no turn for the role system"));
}

/* Tools and thoughts are looked for in every template; that these have none must be found out. */
static void test_styles(void **state)
{
    (void)state;
    const char *source, *name;
    for (size_t i = 0; (name = hearth_chat_template_name(i)) != NULL; i++) {
        hearth_chat_template *t;
        hearth_chat_style *style;
        assert_int_equal(hearth_chat_template_named(name, &source, &err), HEARTH_OK);
        assert_int_equal(hearth_chat_template_new(&t, source, strlen(source), &err), HEARTH_OK);
        if (hearth_chat_style_learn(&style, t, source, strlen(source), &err) != HEARTH_OK)
            fail_msg("%s: %s", name, err.message);
        hearth_chat_style_free(style);
        hearth_chat_template_free(t);
    }
}

static void test_roles_without_a_turn_are_refused(void **state)
{
    (void)state;
    assert_null(render("vicuna", "{\"messages\":[{\"role\":\"tool\",\"content\":\"4\"}]}"));
    assert_non_null(strstr(err.message, "no turn for the role tool"));
    char *text = render("exaone4", "{\"messages\":[{\"role\":\"tool\",\"content\":\"4\"}]}");
    assert_string_equal(text, "[|tool|]4[|endofturn|]\n");
    hearth_free(text);
}

/* A conversation may end without asking for an answer, and a message may have no text. */
static void test_ends(void **state)
{
    (void)state;
    static const char talk[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"a'b\\\\n\"},"
                               "{\"role\":\"assistant\",\"content\":null}]}";
    char *text = render("chatml", talk);
    assert_string_equal(text, "<|im_start|>user\na'b\\n<|im_end|>\n"
                              "<|im_start|>assistant\n<|im_end|>\n");
    hearth_free(text);
}

static void test_unknown_names(void **state)
{
    (void)state;
    const char *source;
    assert_int_equal(hearth_chat_template_named("llama9", &source, &err), HEARTH_EINVAL);
    assert_null(source);
    assert_non_null(strstr(err.message, "'llama9'"));
    assert_non_null(strstr(err.message, " chatml llama2 -sys -sys-bos"));
    const char *last = NULL;
    for (size_t i = 0; hearth_chat_template_name(i); i++)
        last = hearth_chat_template_name(i);
    size_t n = strlen(err.message), n_last = strlen(last);
    assert_true(n < sizeof err.message - 20); /* a longer name fits too */
    assert_string_equal(err.message + n - n_last, last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_every_name_is_tested),
        cmocka_unit_test(test_roles_without_a_turn_are_refused),
        cmocka_unit_test(test_styles),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_unknown_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
