/* SPDX-License-Identifier: MIT
 *
 * cmd_run.c - hearth run: a prompt continued, or a conversation.
 *
 * The prompt is the argument, --file, or standard input where that is not a terminal; at a terminal
 * without a prompt a conversation begins. Standard output carries the answer and nothing else.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

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
#include "library/describe.h"
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

/* The one text that the answer is held to; empty: it is free. */
typedef struct constraint {
    buf text;
    bool is_schema;
    hearth_grammar *grammar;
} constraint;

static hearth_status read_constraint(const run_options *o, constraint *c, hearth_error *err)
{
    const char *sources[] = {o->grammar, o->grammar_file, o->schema, o->schema_file};
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
    const char *source = sources[chosen];
    c->is_schema = chosen >= 2;
    if (chosen % 2 == 1)
        TRY(input_read(source, &c->text, err));
    else if (!buf_append_text(&c->text, source))
        return error_no_memory(err, "a grammar", strlen(source));
    if (c->text.n > 0 && memchr(c->text.data, '\0', c->text.n))
        FAIL(err, EINVAL, source, "%.200s holds a NUL; it is no text", source);
    const char *text = c->text.n > 0 ? c->text.data : "";
    return c->is_schema ? hearth_grammar_from_schema(&c->grammar, text, err)
                        : hearth_grammar_from_gbnf(&c->grammar, text, NULL, err);
}

static void constraint_deinit(constraint *c)
{
    hearth_grammar_unref(c->grammar);
    buf_deinit(&c->text);
}

/* ---- one answer ---- */

/* session NULL: a server answered. */
static json_t *generated_tokens(const hearth_session *session, const answer *a)
{
    if (session == NULL)
        return a->tokens ? json_incref(a->tokens) : json_array();
    const int32_t *tokens = hearth_session_tokens(session);
    json_t *list = json_array();
    for (size_t i = a->at + a->n_prompt; i < hearth_session_n_tokens(session); i++)
        json_array_append_new(list, json_integer(tokens[i]));
    return list;
}

static hearth_status print_json(const hearth_session *session, uint32_t seed, const answer *a,
                                hearth_error *err)
{
    json_t *usage = json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)a->n_prompt,
                              "completion_tokens", (json_int_t)a->n_generated, "total_tokens",
                              (json_int_t)(a->n_prompt + a->n_generated));
    json_t *timings =
        json_pack("{s:f, s:f}", "prompt_ms", a->prompt_ms, "generate_ms", a->generate_ms);
    return output_json(json_pack("{s:o, s:o, s:s, s:o, s:I, s:o, s:o}", "text",
                                 describe_bytes(a->text.data ? a->text.data : "", a->text.n),
                                 "tokens", generated_tokens(session, a), "finish_reason",
                                 answer_reason_name(a->reason), "stop_word",
                                 output_json_string(a->stop_word), "seed", (json_int_t)seed,
                                 "usage", usage, "timings", timings),
                       err);
}

static hearth_status finish(const run_options *o, const hearth_session *session, uint32_t seed,
                            const answer *a, hearth_error *err)
{
    if (o->general.json)
        TRY(print_json(session, seed, a, err));
    else if (terminal_is_tty(stdout))
        putchar('\n'); /* the shell's prompt belongs on a line of its own */
    if (a->reason == HEARTH_FINISH_CONTEXT && session)
        cli_note("the context of %u tokens is full", hearth_session_n_ctx(session));
    else if (a->reason == HEARTH_FINISH_CONTEXT)
        cli_note("the context is full");
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
    status = finish(o, request->session, hearth_sampler_seed(request->sampler), &a, err);
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

/* The first option that no request can carry; NULL: there is none. */
static const char *not_carried(const run_options *o)
{
    hearth_session_options session;
    hearth_session_options_init(&session);
    const struct {
        bool given;
        const char *name;
    } all[] = {
        {o->session.n_ctx != session.n_ctx, "--ctx-size"},
        {o->session.n_batch != session.n_batch, "--batch-size"},
        {o->session.n_threads != session.n_threads, "--threads"},
        {o->session.cache_type_k != session.cache_type_k, "--cache-type-k"},
        {o->session.cache_type_v != session.cache_type_v, "--cache-type-v"},
        {o->model.isa != NULL, "--isa"},
        {o->model.adapters.n > 0, "--lora"},
        {o->model.overrides.n > 0, "--override-kv"},
        {o->model.ignore_memory_limit, "--ignore-memory-limit"},
        {o->sampling.sampler.samplers != NULL, "--samplers"},
        {o->sampling.breakers.n > 0, "--dry-sequence-breaker"},
        {o->sampling.biases.n > 0, "--logit-bias"},
        {o->no_special, "--no-special"},
        {o->generate.special, "--special"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].given)
            return all[i].name;
    }
    return NULL;
}

/* Whether the server that runs is to answer, and how. What it cannot be told of is done here, which
 * is told: it loads a model that is loaded already. */
static bool is_for_server(const run_options *o, const char *model, const buf *prompt, bool *is_chat)
{
    served_model found = o->in_process || file_exists(model) ? SERVED_NONE : served_find(model);
    *is_chat = found == SERVED_CHAT && !o->raw && !o->no_special;
    if (found == SERVED_NONE)
        return false;
    const char *why = not_carried(o);
    if (why == NULL && !served_is_text(prompt->data, prompt->n))
        why = "a prompt that is no text";
    if (why)
        cli_note("the hearth serve that runs cannot be asked for %s: the model is loaded here",
                 why);
    return why == NULL;
}

static hearth_status ask_once(const run_options *o, served_request *request, bool is_chat,
                              const buf *prompt, hearth_error *err)
{
    answer a = {0};
    if (prompt->n == 0 && is_chat)
        FAIL(err, EINVAL, "PROMPT", "the prompt is empty; what is the question?");
    request->prompt = prompt->data;
    request->n_prompt = prompt->n;
    if (is_chat)
        request->messages =
            json_pack("[{s:s, s:s%}]", "role", "user", "content", prompt->data, prompt->n);
    if (is_chat && request->messages == NULL)
        return error_no_memory(err, "a question", prompt->n);
    if (o->general.verbose)
        cli_note("asking the hearth serve that runs");
    hearth_status status = served_answer(request, &a, err);
    if (status == HEARTH_OK)
        status = finish(o, NULL, request->sampling->sampler.seed, &a, err);
    json_decref(request->messages);
    answer_deinit(&a);
    return status;
}

/* So that the one that is told is the one in use. */
static void draw_seed(cli_sampling *sampling)
{
    const uint64_t seed_row = 1; /* the first of the table */
    uint32_t *seed = &sampling->sampler.seed;
    while (*seed == UINT32_MAX && getrandom(seed, sizeof *seed, 0) == sizeof *seed)
        continue;
    sampling->given |= seed_row;
}

/* prompt NULL: it is a conversation. */
static hearth_status run_served(const run_options *o, const char *model, bool is_chat,
                                const buf *prompt, const constraint *c, hearth_error *err)
{
    cli_sampling sampling = o->sampling;
    served_request request = {.model = model,
                              .grammar = c->grammar ? c->text.data : NULL,
                              .is_schema = c->is_schema,
                              .sampling = &sampling,
                              .generate = &o->generate,
                              .silent = o->general.json,
                              .wants_tokens = o->general.json};
    if (prompt) {
        if (o->general.json)
            draw_seed(&sampling);
        return ask_once(o, &request, is_chat, prompt, err);
    }
    served_talk t = {.request = request, .is_chat = is_chat};
    buf_init(&t.text, 0);
    const talk all = served_talk_of(&t);
    hearth_status status = conversation_run(&all, o->general.verbose, err);
    served_talk_deinit(&t);
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

/* prompt NULL: it is a conversation. */
static hearth_status run_here(run_options *o, const char *path, const buf *prompt,
                              const constraint *c, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hearth_model *model = NULL;
    answer_request request = {.silent = o->general.json};
    cli_chat *chat = NULL;
    TRY_OUT(cli_open_model(&model, path, &o->model, &o->general, HEARTH_SCOPE_ALL, true, err));
    TRY_OUT(check_model(model, err));
    if (!o->raw && !o->no_special)
        TRY_OUT(cli_chat_open(&chat, model, err));
    TRY_OUT(hearth_session_open(&request.session, model, &o->session, err));
    TRY_OUT(cli_sampler_new(&request.sampler, model, hearth_session_n_ctx(request.session),
                            &o->sampling, o->escape, o->general.verbose, err));
    if (c->grammar)
        TRY_OUT(hearth_matcher_new(&o->generate.matcher, c->grammar, model, NULL, err));
    if (o->generate.max_tokens < 0)
        o->generate.max_tokens = models_limit(path);
    request.generate = o->generate;
    if (prompt) {
        status = answer_prompt(o, chat, &request, prompt, err);
    } else {
        session_talk t = {.request = &request, .chat = chat, .special = !o->no_special};
        const talk all = session_talk_of(&t);
        status = conversation_run(&all, o->general.verbose, err);
    }
out:
    cli_chat_close(chat);
    hearth_matcher_free(o->generate.matcher);
    o->generate.matcher = NULL;
    hearth_sampler_free(request.sampler);
    hearth_session_close(request.session);
    hearth_model_close(model);
    return status;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    run_options *o = options;
    hearth_status status = HEARTH_OK;
    constraint c = {.is_schema = false};
    const char *path;
    size_t next;
    bool found = false, is_chat;
    buf prompt;
    buf_init(&prompt, INPUT_MAX);
    buf_init(&c.text, INPUT_MAX);
    if (o->model.path == NULL && arguments->n == 0)
        o->model.path = EMBER_NAME;
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &path, err));
    TRY_OUT(check_path(path, err));
    TRY_OUT(prepare(o, err));
    TRY_OUT(read_prompt(o, arguments, next, &prompt, &found, err));
    if (!found && o->general.json)
        FAIL_OUT(err, EINVAL, "--json", "--json needs a prompt; a conversation is not JSON");
    TRY_OUT(read_constraint(o, &c, err));
    if (c.grammar && !found)
        FAIL_OUT(err, EINVAL, "--grammar", "a grammar needs a prompt; a conversation is free");
    const buf *asked = found ? &prompt : NULL;
    status = is_for_server(o, path, &prompt, &is_chat)
                 ? run_served(o, path, is_chat, asked, &c, err)
                 : run_here(o, path, asked, &c, err);
out:
    constraint_deinit(&c);
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
        "the text.\nStandard output is the answer and nothing else.\nA model that the running "
        "hearth "
        "serve has is asked there, in conversations, too, and nothing is loaded twice; with "
        "options "
        "that a request cannot carry (the session's and the model's, --samplers, --logit-bias, "
        "--special, --json of a chat) or --in-process it is loaded here.",
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
