/* SPDX-License-Identifier: MIT
 *
 * cmd_template.c - hearth template: the prompt that a chat template makes of a conversation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/input.h"
#include "cli/output.h"
#include "library/describe.h"

typedef struct template_options {
    cli_general general;
    const char *messages, *tools, *kwargs, *now;
    bool no_generation_prompt;
} template_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--messages", template_options, messages, "JSON|@FILE",
                    "the conversation: an array of messages with role and content"),
    OPTION_ROW_TEXT("--tools", template_options, tools, "JSON|@FILE",
                    "the tools that the model may call: an array"),
    OPTION_ROW_TEXT("--kwargs", template_options, kwargs, "JSON|@FILE",
                    "more variables for the template: an object, as {\"enable_thinking\": false}"),
    OPTION_ROW_FLAG("--no-generation-prompt", template_options, no_generation_prompt,
                    "end after the last message, not where the answer begins"),
    OPTION_ROW_TEXT("--now", template_options, now, "UNIX",
                    "the time that the template is told, in seconds since 1970 and UTC; otherwise "
                    "the clock and its time zone"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Conversation", rows, 0},
    {"General", cli_general_rows, offsetof(template_options, general)},
};
static const cli_argument arguments_help[] = {
    {"FILE", "a GGUF file, ember, or a template in a file that ends in .jinja", true},
};

static void init(void *options)
{
    template_options *o = options;
    cli_general_init(&o->general);
}

/* JSON from the command line or, behind '@', from a file. */
static hearth_status read_json(const char *flag, const char *text, json_t **out, hearth_error *err)
{
    buf b;
    json_error_t error;
    hearth_status status = HEARTH_OK;
    buf_init(&b, 0);
    if (text[0] == '@')
        TRY_OUT(input_read(text + 1, &b, err));
    else if (!buf_append_text(&b, text))
        TRY_OUT(error_no_memory(err, flag, strlen(text)));
    *out = json_loadb(b.data ? b.data : "", b.n, JSON_ALLOW_NUL, &error);
    if (*out == NULL)
        FAIL_OUT(err, EINVAL, flag, "%s: the JSON is wrong at line %d, column %d: %s", flag,
                 error.line, error.column, error.text);
out:
    buf_deinit(&b);
    return status;
}

/* Sets a variable to the JSON that an option gives; nothing if it was left out. */
static hearth_status set_json(json_t *context, const char *name, const char *flag, const char *text,
                              json_type type, hearth_error *err)
{
    json_t *json;
    if (text == NULL)
        return HEARTH_OK;
    TRY(read_json(flag, text, &json, err));
    if (json_typeof(json) != type) {
        json_decref(json);
        FAIL(err, EINVAL, flag, "%s must be %s", flag,
             type == JSON_ARRAY ? "an array" : "an object");
    }
    int failed = name ? json_object_set(context, name, json) : json_object_update(context, json);
    json_decref(json);
    return failed ? error_no_memory(err, flag, strlen(text)) : HEARTH_OK;
}

static hearth_status set_token(json_t *context, const char *name, const hearth_model *model,
                               int32_t token, hearth_error *err)
{
    char *bytes;
    size_t n;
    if (token < 0)
        return HEARTH_OK;
    TRY(hearth_token_piece(model, token, &bytes, &n, err));
    json_t *text = describe_bytes(bytes, n);
    hearth_free(bytes);
    if (json_object_set_new(context, name, text))
        return error_no_memory(err, name, n);
    return HEARTH_OK;
}

/* The template of a model, and its beginning and end tokens as variables. */
static hearth_status from_model(const template_options *o, const char *path, json_t *context,
                                buf *source, hearth_error *err)
{
    hearth_model *model = NULL;
    hearth_special_tokens special;
    const cli_model none = {0};
    hearth_status status = HEARTH_OK;
    TRY_OUT(cli_open_model(&model, path, &none, &o->general, HEARTH_SCOPE_TOKENIZER, false, err));
    const char *text = hearth_model_get_info(model)->chat_template;
    if (text == NULL)
        FAIL_OUT(err, EINVAL, path, "%.200s has no chat template; give one in a .jinja file", path);
    if (!buf_append_text(source, text))
        TRY_OUT(error_no_memory(err, "the chat template", strlen(text)));
    TRY_OUT(hearth_model_special_tokens(model, &special, err));
    TRY_OUT(set_token(context, "bos_token", model, special.bos, err));
    TRY_OUT(set_token(context, "eos_token", model, special.eos, err));
out:
    hearth_model_close(model);
    return status;
}

static hearth_status read_now(const char *text, hearth_chat_render_options *options,
                              hearth_error *err)
{
    char *end;
    if (text == NULL) {
        struct tm local;
        time_t now = time(NULL);
        options->now = now;
        if (localtime_r(&now, &local))
            options->utc_offset_s = (int32_t)local.tm_gmtoff;
        return HEARTH_OK;
    }
    options->now = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || options->now < 0)
        FAIL(err, EINVAL, "--now", "--now '%.64s' is no number of seconds since 1970", text);
    return HEARTH_OK;
}

static hearth_status print_render(const template_options *o, const buf *source, json_t *context,
                                  hearth_error *err)
{
    hearth_chat_template *t = NULL;
    hearth_chat_render_options options;
    char *json = NULL, *text = NULL;
    size_t n = 0;
    hearth_status status = HEARTH_OK;
    hearth_chat_render_options_init(&options);
    TRY_OUT(read_now(o->now, &options, err));
    json = json_dumps(context, 0);
    if (json == NULL)
        TRY_OUT(error_no_memory(err, "the conversation", 0));
    TRY_OUT(hearth_chat_template_new(&t, source->data ? source->data : "", source->n, err));
    TRY_OUT(hearth_chat_template_render(t, json, strlen(json), &options, &text, &n, err));
    if (o->general.json)
        TRY_OUT(output_json(json_pack("{s:o}", "prompt", describe_bytes(text, n)), err));
    else
        fwrite(text, 1, n, stdout);
out:
    hearth_free(text);
    hearth_chat_template_free(t);
    free(json);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    const template_options *o = options;
    hearth_status status = HEARTH_OK;
    if (arguments->n == 0)
        FAIL(err, EINVAL, "FILE", "which template? Give a GGUF file, ember or a .jinja file");
    TRY(cli_no_more_arguments(arguments, 1, err));
    if (o->messages == NULL)
        FAIL(err, EINVAL, "--messages", "--messages is missing: the conversation as JSON");
    const char *path = arguments->items[0];
    buf source;
    buf_init(&source, 0);
    json_t *context = json_object();
    if (context == NULL || json_object_set_new(context, "add_generation_prompt",
                                               json_boolean(!o->no_generation_prompt)))
        TRY_OUT(error_no_memory(err, "the conversation", 0));
    if (ends_with(path, ".jinja"))
        TRY_OUT(input_read(path, &source, err));
    else
        TRY_OUT(from_model(o, path, context, &source, err));
    TRY_OUT(set_json(context, "messages", "--messages", o->messages, JSON_ARRAY, err));
    TRY_OUT(set_json(context, "tools", "--tools", o->tools, JSON_ARRAY, err));
    TRY_OUT(set_json(context, NULL, "--kwargs", o->kwargs, JSON_OBJECT, err));
    TRY_OUT(print_render(o, &source, context, err));
out:
    json_decref(context);
    buf_deinit(&source);
    return status;
}

const cli_command cmd_template = {
    .name = "template",
    .summary = "print the prompt that a chat template makes",
    .description = "Renders a conversation with the chat template of a model, or of a file, and "
                   "prints the prompt as the model would get it, not a byte more. A template in a "
                   "file is told bos_token and eos_token by --kwargs alone.",
    .examples =
        "  hearth template model.gguf --messages '[{\"role\":\"user\",\"content\":\"Hi\"}]'\n"
        "  hearth template chat.jinja --messages @chat.json --tools @tools.json\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(template_options),
    .init = init,
    .run = run,
};
