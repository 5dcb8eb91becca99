/* SPDX-License-Identifier: MIT
 *
 * cmd_run.c - hearth run: a prompt continued, or a conversation.
 *
 * The prompt is the argument, --file, or standard input where that is not a terminal; at a terminal
 * without a prompt a conversation begins. Standard output carries the answer and nothing else.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/answer.h"
#include "cli/chat.h"
#include "cli/cli.h"
#include "cli/conversation.h"
#include "library/ember.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/served.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "os/file.h"

typedef struct run_options {
    cli_general general;
    cli_model model;
    cli_sampling sampling;
    hearth_session_options session;
    hearth_generate_options generate;
    const char *file;
    option_list stop;
    const char *grammar, *grammar_file, *schema, *schema_file;
    bool escape;
    bool raw;
    bool no_special;
    bool in_process;
} run_options;

static const option rows[] = {
    OPTION_ROW_I32(
        "--n-predict", run_options, generate.max_tokens, -1, INT32_MAX, "N",
        "write at most N tokens; -1 goes on until the model ends its answer, the context "
        "is full, or as many are written as the model's model.yml says"),
    OPTION_ROW_ALIAS("-n", "--n-predict"),
    OPTION_ROW_ALIAS("--predict", "--n-predict"),
    OPTION_ROW_TEXT("--file", run_options, file, "FILE",
                    "read the prompt from a file; - is standard input. One newline at its end is "
                    "dropped"),
    OPTION_ROW_ALIAS("-f", "--file"),
    OPTION_ROW_FLAG("--escape", run_options, escape,
                    "read \\n, \\t, \\\\, \\\" and \\xHH in the prompt, in stop strings and in DRY "
                    "breakers as what they stand for"),
    OPTION_ROW_ALIAS("-e", "--escape"),
    OPTION_ROW_LIST("--stop", run_options, stop, "TEXT",
                    "end the answer before this text. May be repeated"),
    OPTION_ROW_ALIAS("-r", "--stop"),
    OPTION_ROW_ALIAS("--reverse-prompt", "--stop"),
    OPTION_ROW_FLAG("--ignore-eos", run_options, generate.ignore_eos,
                    "forbid the tokens by which the model ends its answer"),
    OPTION_ROW_TEXT("--grammar", run_options, grammar, "GBNF",
                    "write only what this grammar allows"),
    OPTION_ROW_TEXT("--grammar-file", run_options, grammar_file, "FILE",
                    "the same, read from a file; - is standard input"),
    OPTION_ROW_TEXT("--json-schema", run_options, schema, "SCHEMA",
                    "write only JSON that fits this JSON Schema; {} is any JSON, "
                    "{\"type\":\"object\"} any object"),
    OPTION_ROW_ALIAS("-j", "--json-schema"),
    OPTION_ROW_TEXT("--json-schema-file", run_options, schema_file, "FILE",
                    "the same, read from a file; - is standard input"),
    OPTION_ROW_FLAG("--special", run_options, generate.special, "write control tokens as text"),
    OPTION_ROW_FLAG(
        "--raw", run_options, raw,
        "continue the text as it is: no turns of a chat, whatever the model's template"),
    OPTION_ROW_FLAG("--no-special", run_options, no_special,
                    "as --raw, and add no beginning token and read control tokens as text"),
    OPTION_ROW_FLAG("--in-process", run_options, in_process,
                    "load the model here, though a hearth serve runs that has it"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Prompt and answer", rows, 0},
    {"Sampling", cli_sampling_rows, offsetof(run_options, sampling)},
    {"Session", cli_session_rows, offsetof(run_options, session)},
    {"Model", cli_model_rows, offsetof(run_options, model)},
    {"General", cli_general_rows, offsetof(run_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL",
     "a GGUF file, any part of a split set, or ember, the small model that is built in; "
     "ember if absent",
     false},
    {"PROMPT", "the text to go on from, put after -- if it starts with a dash; - is standard input",
     false},
};

static void init(void *options)
{
    run_options *o = options;
    cli_general_init(&o->general);
    hearth_sampler_options_init(&o->sampling.sampler);
    hearth_session_options_init(&o->session);
    hearth_generate_options_init(&o->generate);
    o->generate.max_tokens = -1;
}

/* ---- the prompt ---- */

/* *found is false where the prompt is to be typed. */
static hearth_status read_prompt(const run_options *o, const option_list *arguments, size_t next,
                                 buf *prompt, bool *found, hearth_error *err)
{
    const char *argument = next < arguments->n ? arguments->items[next++] : NULL;
    const char *file = o->file;
    TRY(cli_no_more_arguments(arguments, next, err));
    if (argument && file)
        FAIL(err, EINVAL, "--file", "the prompt comes from an argument or from --file, not both");
    if (argument && strcmp(argument, "-") == 0)
        file = "-";
    else if (!argument && !file && !terminal_is_tty(stdin))
        file = "-";
    *found = argument || file;
    if (file) {
        TRY(input_read(file, prompt, err));
        if (prompt->n > 0 && prompt->data[prompt->n - 1] == '\n')
            prompt->data[--prompt->n] = '\0';
    } else if (argument && !buf_append_text(prompt, argument)) {
        return error_no_memory(err, "the prompt", strlen(argument));
    }
    if (o->escape && prompt->n > 0)
        input_unescape(prompt->data, &prompt->n);
    return HEARTH_OK;
}

/* ---- the grammar ---- */

static hearth_status make_grammar(const char *text, bool is_schema, hearth_grammar **out,
                                  hearth_error *err)
{
    return is_schema ? hearth_grammar_from_schema(out, text, err)
                     : hearth_grammar_from_gbnf(out, text, NULL, err);
}

static hearth_status read_grammar(const char *path, bool is_schema, hearth_grammar **out,
                                  hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    buf text;
    buf_init(&text, INPUT_MAX);
    TRY_OUT(input_read(path, &text, err));
    if (text.n > 0 && memchr(text.data, '\0', text.n))
        FAIL_OUT(err, EINVAL, path, "%.200s holds a NUL; it is no text", path);
    status = make_grammar(text.n > 0 ? text.data : "", is_schema, out, err);
out:
    buf_deinit(&text);
    return status;
}

/* *matcher is NULL where the answer is free. */
static hearth_status open_matcher(const run_options *o, const hearth_model *model,
                                  hearth_matcher **matcher, hearth_error *err)
{
    const char *sources[] = {o->grammar, o->grammar_file, o->schema, o->schema_file};
    hearth_grammar *grammar = NULL;
    int chosen = -1;
    for (int i = 0; i < 4; i++) {
        if (sources[i] && chosen >= 0)
            FAIL(err, EINVAL, "--grammar",
                 "only one of --grammar, --grammar-file, --json-schema and --json-schema-file may "
                 "be given");
        chosen = sources[i] ? i : chosen;
    }
    if (chosen < 0)
        return HEARTH_OK;
    if (chosen % 2 == 0)
        TRY(make_grammar(sources[chosen], chosen >= 2, &grammar, err));
    else
        TRY(read_grammar(sources[chosen], chosen >= 2, &grammar, err));
    hearth_status status = hearth_matcher_new(matcher, grammar, model, NULL, err);
    hearth_grammar_unref(grammar);
    return status;
}

/* ---- one answer ---- */

static json_t *generated_tokens(const hearth_session *session, const answer *a)
{
    const int32_t *tokens = hearth_session_tokens(session);
    json_t *list = json_array();
    for (size_t i = a->at + a->n_prompt; i < hearth_session_n_tokens(session); i++)
        json_array_append_new(list, json_integer(tokens[i]));
    return list;
}

static hearth_status print_json(const answer_request *request, const answer *a, hearth_error *err)
{
    json_t *usage = json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)a->n_prompt,
                              "completion_tokens", (json_int_t)a->n_generated, "total_tokens",
                              (json_int_t)(a->n_prompt + a->n_generated));
    json_t *timings =
        json_pack("{s:f, s:f}", "prompt_ms", a->prompt_ms, "generate_ms", a->generate_ms);
    return output_json(json_pack("{s:o, s:o, s:s, s:o, s:I, s:o, s:o}", "text",
                                 output_json_text(a->text.data ? a->text.data : "", a->text.n),
                                 "tokens", generated_tokens(request->session, a), "finish_reason",
                                 answer_reason_name(a->reason), "stop_word",
                                 output_json_string(a->stop_word), "seed",
                                 (json_int_t)hearth_sampler_seed(request->sampler), "usage", usage,
                                 "timings", timings),
                       err);
}

static hearth_status finish(const run_options *o, const answer_request *request, const answer *a,
                            hearth_error *err)
{
    if (o->general.json)
        TRY(print_json(request, a, err));
    else if (terminal_is_tty(stdout))
        putchar('\n'); /* the shell's prompt belongs on a line of its own */
    if (a->reason == HEARTH_FINISH_CONTEXT)
        cli_note("the context of %u tokens is full", hearth_session_n_ctx(request->session));
    if (o->general.verbose)
        answer_note_timings(a);
    if (a->reason == HEARTH_FINISH_CANCELED)
        FAIL(err, ECANCELED, "answer", "stopped after %zu tokens", a->n_generated);
    return HEARTH_OK;
}

static hearth_status prompt_tokens(const run_options *o, cli_chat *chat, hearth_session *session,
                                   const buf *prompt, buf *tokens, hearth_error *err)
{
    unsigned flags =
        o->no_special ? 0 : HEARTH_TOKENIZE_ADD_SPECIAL | HEARTH_TOKENIZE_PARSE_SPECIAL;
    if (chat && prompt->n > 0)
        return cli_chat_ask(chat, session, prompt->data, prompt->n, tokens, err);
    TRY(input_append_tokens(hearth_session_model(session), prompt->data, prompt->n, flags, tokens,
                            err));
    if (chat || tokens->n == 0)
        FAIL(err, EINVAL, "PROMPT", "the prompt is empty%s",
             chat ? "; what is the question?" : ", and this model adds no token to begin with");
    return HEARTH_OK;
}

static hearth_status answer_prompt(const run_options *o, cli_chat *chat,
                                   const answer_request *request, const buf *prompt,
                                   hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    answer a = {0};
    buf tokens;
    buf_init(&tokens, 0);
    TRY_OUT(prompt_tokens(o, chat, request->session, prompt, &tokens, err));
    TRY_OUT(answer_run(request, (const int32_t *)(const void *)tokens.data,
                       tokens.n / sizeof(int32_t), &a, err));
    status = finish(o, request, &a, err);
out:
    answer_deinit(&a);
    buf_deinit(&tokens);
    return status;
}

/* ---- the command ---- */

static hearth_status prepare(run_options *o, hearth_error *err)
{
    o->session.ignore_memory_limit = o->model.ignore_memory_limit;
    if (o->escape)
        TRY(input_unescape_list(&o->stop, err));
    for (size_t i = 0; i < o->stop.n; i++) {
        if (o->stop.items[i][0] == '\0')
            FAIL(err, EINVAL, "--stop", "--stop: an empty text would end every answer at once");
    }
    o->generate.stop = o->stop.items;
    o->generate.n_stop = o->stop.n;
    return HEARTH_OK;
}

/* ---- by the server ---- */

/* Whether the question can be put to a server as it is: what it cannot be told of is done here. */
static bool is_for_server(const run_options *o, const char *model)
{
    hearth_session_options session;
    hearth_session_options_init(&session);
    const cli_sampling *s = &o->sampling;
    bool own_session = o->session.n_ctx != session.n_ctx || o->session.n_batch != session.n_batch ||
                       o->session.n_threads != session.n_threads ||
                       o->session.cache_type_k != session.cache_type_k ||
                       o->session.cache_type_v != session.cache_type_v;
    bool own_model = o->model.isa || o->model.adapters.n > 0 || o->model.overrides.n > 0 ||
                     o->model.ignore_memory_limit;
    bool own_text = o->raw || o->no_special || o->generate.special || o->grammar ||
                    o->grammar_file || o->schema || o->schema_file || o->general.json;
    return !o->in_process && !own_session && !own_model && !own_text && !s->sampler.samplers &&
           s->breakers.n == 0 && s->biases.n == 0 && !file_exists(model) && served_has(model);
}

static hearth_status run_served(const run_options *o, const char *model, const buf *prompt,
                                hearth_error *err)
{
    const served_request request = {.model = model,
                                    .prompt = prompt->data ? prompt->data : "",
                                    .n_prompt = prompt->n,
                                    .sampling = &o->sampling,
                                    .generate = &o->generate};
    answer a = {0};
    if (o->general.verbose)
        cli_note("asking the hearth serve that runs");
    hearth_status status = served_answer(&request, &a, err);
    if (status == HEARTH_OK && terminal_is_tty(stdout))
        putchar('\n');
    if (status == HEARTH_OK && a.reason == HEARTH_FINISH_CANCELED)
        status = error_set(err, HEARTH_ECANCELED, "answer", "stopped");
    else if (status == HEARTH_OK && o->general.verbose)
        answer_note_timings(&a);
    answer_deinit(&a);
    return status;
}

/* A question in the place of a model is a natural mistake. */
static hearth_status check_path(const char *path, hearth_error *err)
{
    if (strchr(path, ' ') && !file_exists(path))
        FAIL(err, ENOTFOUND, "MODEL",
             "there is no model file '%.120s'; to ask the built-in model: hearth run ember TEXT",
             path);
    return HEARTH_OK;
}

static hearth_status check_model(const hearth_model *model, hearth_error *err)
{
    const hearth_model_info *info = hearth_model_get_info(model);
    if (!info->causal)
        FAIL(err, EINVAL, "MODEL",
             "%s is an encoder and writes no text; hearth eval --embedding gives its vectors",
             info->architecture);
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    run_options *o = options;
    hearth_status status = HEARTH_OK;
    hearth_model *model = NULL;
    answer_request request = {.silent = o->general.json};
    cli_chat *chat = NULL;
    const char *path;
    size_t next;
    bool found = false;
    buf prompt;
    buf_init(&prompt, INPUT_MAX);
    if (o->model.path == NULL && arguments->n == 0)
        o->model.path = EMBER_NAME;
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &path, err));
    TRY_OUT(check_path(path, err));
    TRY_OUT(prepare(o, err));
    TRY_OUT(read_prompt(o, arguments, next, &prompt, &found, err));
    if (!found && o->general.json)
        FAIL_OUT(err, EINVAL, "--json", "--json needs a prompt; a conversation is not JSON");
    if (found && prompt.n > 0 && is_for_server(o, path)) {
        status = run_served(o, path, &prompt, err);
        goto out;
    }
    TRY_OUT(cli_open_model(&model, path, &o->model, &o->general, HEARTH_SCOPE_ALL, true, err));
    TRY_OUT(check_model(model, err));
    if (!o->raw && !o->no_special)
        TRY_OUT(cli_chat_open(&chat, model, err));
    TRY_OUT(hearth_session_open(&request.session, model, &o->session, err));
    TRY_OUT(cli_sampler_new(&request.sampler, model, hearth_session_n_ctx(request.session),
                            &o->sampling, o->escape, o->general.verbose, err));
    TRY_OUT(open_matcher(o, model, &o->generate.matcher, err));
    if (o->generate.matcher && !found)
        FAIL_OUT(err, EINVAL, "--grammar", "a grammar needs a prompt; a conversation is free");
    if (o->generate.max_tokens < 0)
        o->generate.max_tokens = models_limit(path);
    request.generate = o->generate;
    status = found ? answer_prompt(o, chat, &request, &prompt, err)
                   : conversation_run(&request, chat, !o->no_special, o->general.verbose, err);
out:
    cli_chat_close(chat);
    hearth_matcher_free(o->generate.matcher);
    o->generate.matcher = NULL;
    hearth_sampler_free(request.sampler);
    hearth_session_close(request.session);
    hearth_model_close(model);
    buf_deinit(&prompt);
    return status;
}

const cli_command cmd_run = {
    .name = "run",
    .summary = "continue a prompt, or hold a conversation",
    .description =
        "Writes what the model makes of a prompt. The prompt is the argument, --file, or standard "
        "input where that is not a terminal. At a terminal and without a prompt a conversation "
        "begins, with line editing and history. Ctrl-C stops the answer.\nA model with a chat "
        "template is asked, as in a chat; any other one, and every one with --raw, goes on from "
        "the text.\nStandard output is the answer and nothing else.\nA question to a chat model "
        "that "
        "the running hearth serve has is answered there, and nothing is loaded twice; with options "
        "that a request cannot carry (grammars, the session's and the model's, --json, --raw) or "
        "--in-process it is answered here.",
    .examples = "  hearth run ember \"What is Hearth?\"\n"
                "  hearth run model.gguf \"Once upon a time\" -n 100\n"
                "  hearth run model.gguf --temp 0 < prompt.txt > answer.txt\n"
                "  hearth run model.gguf \"Name a color.\" --json --seed 7\n"
                "  hearth run model.gguf\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(run_options),
    .init = init,
    .run = run,
};
