/* SPDX-License-Identifier: MIT
 *
 * tools.c - a question that the model may answer with the help of a tool: its calls are run here,
 * and their results go back, until it answers in words.
 *
 *   example_tools MODEL.gguf "What is 12 times 7?" [TOOL]
 *
 * TOOL ("multiply" or "clock") makes the model call that one first. The conversation is JSON in
 * OpenAI's form; jansson is this program's choice for it. Exit status 0, or 1 with one line on
 * standard error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hearth/hearth.h>
#include <jansson.h>

enum { MAX_ROUNDS = 4, MAX_TOKENS = 200 };

static const char tools[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"multiply\","
    "  \"description\": \"Multiplies two whole numbers\","
    "  \"parameters\": {\"type\": \"object\", \"required\": [\"a\", \"b\"],"
    "    \"additionalProperties\": false, \"properties\": {"
    "      \"a\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 9999},"
    "      \"b\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 9999}}}}},"
    " {\"type\": \"function\", \"function\": {\"name\": \"clock\","
    "  \"description\": \"Tells the time\","
    "  \"parameters\": {\"type\": \"object\", \"properties\": {}, \"additionalProperties\": "
    "false}}}]";

/* What a call gives, as text for the model. */
static void run_tool(const char *name, json_t *arguments, char *out, size_t size)
{
    if (strcmp(name, "multiply") == 0) {
        long long a = json_integer_value(json_object_get(arguments, "a"));
        long long b = json_integer_value(json_object_get(arguments, "b"));
        snprintf(out, size, "%lld", a * b);
    } else if (strcmp(name, "clock") == 0) {
        time_t now = time(NULL);
        strftime(out, size, "%H:%M", localtime(&now));
    } else {
        snprintf(out, size, "there is no such tool");
    }
}

/* Runs the calls of a message and puts their results behind it. */
static void answer_calls(json_t *messages, json_t *message)
{
    json_t *call;
    size_t i;
    json_array_foreach(json_object_get(message, "tool_calls"), i, call)
    {
        json_t *function = json_object_get(call, "function");
        const char *name = json_string_value(json_object_get(function, "name"));
        const char *text = json_string_value(json_object_get(function, "arguments"));
        json_t *arguments = json_loads(text, 0, NULL);
        char result[64];
        char *shown = json_dumps(arguments, JSON_COMPACT);
        run_tool(name, arguments, result, sizeof result);
        printf("[%s%s = %s]\n", name, shown ? shown : "", result);
        free(shown);
        json_array_append_new(messages, json_pack("{s:s, s:O, s:s}", "role", "tool", "tool_call_id",
                                                  json_object_get(call, "id"), "content", result));
        json_decref(arguments);
    }
}

/* One turn of the model: prints its words as they come, and gives its message. */
static hearth_status take_turn(hearth_engine *engine, const hearth_chat *chat, json_t *messages,
                               const char *tool, json_t **message, hearth_error *err)
{
    hearth_chat_options options;
    hearth_request_options request;
    hearth_answer *answer = NULL;
    hearth_answer_event event;
    char *json = NULL;
    json_t *conversation =
        json_pack("{s:O, s:o}", "messages", messages, "tools", json_loads(tools, 0, NULL));
    char *text = json_dumps(conversation, 0);
    *message = NULL;
    hearth_chat_options_init(&options);
    hearth_request_options_init(&request);
    request.max_tokens = MAX_TOKENS;
    options.conversation = text;
    options.n_conversation = strlen(text);
    options.choice = tool ? HEARTH_TOOL_NAMED : HEARTH_TOOL_AUTO;
    options.tool_name = tool;
    options.request = &request;
    hearth_status status = hearth_chat_submit(chat, engine, &options, &answer, err);
    do {
        if (status == HEARTH_OK)
            status = hearth_answer_next(answer, -1, &event, err);
        if (status == HEARTH_OK && event.type == HEARTH_ANSWER_PART &&
            event.part.type == HEARTH_CHAT_CONTENT) {
            fwrite(event.part.text, 1, event.part.n, stdout);
            fflush(stdout);
        }
    } while (status == HEARTH_OK && event.type != HEARTH_ANSWER_DONE);
    if (status == HEARTH_OK)
        status = hearth_answer_message(answer, &json, err);
    if (status == HEARTH_OK)
        *message = json_loads(json, 0, NULL);
    hearth_free(json);
    hearth_answer_free(answer);
    free(text);
    json_decref(conversation);
    return status;
}

static hearth_status converse(hearth_engine *engine, const hearth_chat *chat, const char *question,
                              const char *tool, hearth_error *err)
{
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", question);
    hearth_status status = HEARTH_OK;
    bool calls = true;
    for (int i = 0; i < MAX_ROUNDS && status == HEARTH_OK && calls; i++) {
        json_t *message;
        status = take_turn(engine, chat, messages, i == 0 ? tool : NULL, &message, err);
        calls = json_array_size(json_object_get(message, "tool_calls")) > 0;
        json_array_append(messages, message);
        answer_calls(messages, message);
        json_decref(message);
    }
    putchar('\n');
    json_decref(messages);
    return status;
}

int main(int argc, char **argv)
{
    hearth_error err = {0};
    hearth_model *model = NULL;
    hearth_engine *engine = NULL;
    hearth_chat *chat = NULL;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: %s MODEL.gguf QUESTION [TOOL]\n", argv[0]);
        return 1;
    }
    hearth_status status = hearth_model_open(&model, argv[1], NULL, &err);
    if (status == HEARTH_OK)
        status = hearth_engine_open(&engine, model, NULL, &err);
    if (status == HEARTH_OK)
        status = hearth_chat_new(&chat, model, NULL, 0, &err);
    if (status == HEARTH_OK)
        status = converse(engine, chat, argv[2], argc > 3 ? argv[3] : NULL, &err);
    if (status != HEARTH_OK)
        fprintf(stderr, "%s\n", err.message);
    hearth_chat_free(chat);
    hearth_engine_close(engine);
    hearth_model_close(model);
    return status == HEARTH_OK ? 0 : 1;
}
