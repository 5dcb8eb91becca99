/* SPDX-License-Identifier: MIT
 *
 * cli.h - what every command of the hearth program shares: how a command describes itself, the
 * options that several of them take, and how failures become messages and exit codes.
 *
 * A command is one `const cli_command` in a file cmd_NAME.c, listed in main.c. main() fills in the
 * command's defaults, parses the command line into its options struct, runs it, prints the error it
 * returned and maps that to an exit code. So a command never prints an error and never exits.
 *
 * Standard output carries the answer, standard error everything else.
 */
#ifndef HEARTH_CLI_CLI_H
#define HEARTH_CLI_CLI_H

#include <hearth/hearth.h>

#include "base/option.h"

/* ---- exit codes ---- */

/* X(name, code, meaning). Scripts rely on the numbers: append only. */
#define CLI_EXIT_MAP(X)                                                                            \
    X(OK, 0, "done")                                                                               \
    X(FAILURE, 1, "failed: a damaged or unsupported file, input or output, out of memory")         \
    X(USAGE, 2, "the command line is wrong, or a value in it is refused")                          \
    X(NO_FIT, 3, "the model does not fit in free memory")                                          \
    X(CONTEXT, 4, "the text does not fit in the context")                                          \
    X(NOT_FOUND, 5, "a file, a folder or a metadata key is not there")                             \
    X(INTERRUPTED, 130, "stopped by Ctrl-C (143: by SIGTERM, 129: by SIGHUP)")

typedef enum cli_exit {
#define CLI_X(name, code, meaning) CLI_EXIT_##name = code,
    CLI_EXIT_MAP(CLI_X)
#undef CLI_X
} cli_exit;

/* ---- commands ---- */

typedef struct cli_argument {
    const char *name; /* "MODEL" */
    const char *help;
    bool required;
} cli_argument;

typedef struct cli_command {
    const char *name;
    const char *summary;     /* one line of the list of commands */
    const char *description; /* paragraphs of the command's own help */
    const char *examples;    /* lines as they are */
    const cli_argument *arguments;
    size_t n_arguments;
    const option_group *groups;
    size_t n_groups;
    size_t options_size; /* of the options struct; its first member is a cli_general */
    void (*init)(void *options);
    hearth_status (*run)(void *options, const option_list *arguments, hearth_error *err);
} cli_command;

extern const cli_command cmd_backends, cmd_bench, cmd_chats, cmd_completions, cmd_config,
    cmd_doctor, cmd_engine, cmd_eval, cmd_import, cmd_list, cmd_man, cmd_open, cmd_perplexity,
    cmd_plan, cmd_ps, cmd_pull, cmd_quantize, cmd_rm, cmd_run, cmd_serve, cmd_show, cmd_stop,
    cmd_template, cmd_tokenize, cmd_verify;

/* The commands that help lists, in its order. */
const cli_command *const *cli_commands(size_t *n);

/* ---- options that commands share ---- */

typedef struct cli_general {
    bool help;
    bool json;
    bool verbose;
    hearth_log_level log_level;
} cli_general;

typedef struct cli_model {
    const char *path; /* --model; the first argument if absent */
    const char *isa;
    option_list overrides;
    option_list adapters;
    bool ignore_memory_limit;
} cli_model;

typedef struct cli_sampling {
    hearth_sampler_options sampler;
    option_list breakers;
    option_list biases;
    uint64_t given; /* rows of cli_sampling_rows that the command line has */
} cli_sampling;

void cli_general_init(cli_general *general);

/* Rows for the groups of a command; the last element of a group says where the struct lies:
 * {"Model", cli_model_rows, offsetof(my_options, model)}. */
extern const option cli_general_rows[];  /* of cli_general */
extern const option cli_model_rows[];    /* of cli_model */
extern const option cli_session_rows[];  /* of hearth_session_options */
extern const option cli_sampling_rows[]; /* of cli_sampling */

/* Takes the model's path: --model, or else the first argument, which is then stepped over. EINVAL
 * if there is neither. */
hearth_status cli_take_model(const cli_model *model, const option_list *arguments, size_t *next,
                             const char **path, hearth_error *err);

/* EINVAL if arguments are left from `next` on. */
hearth_status cli_no_more_arguments(const option_list *arguments, size_t next, hearth_error *err);

/* Opens the model, whose path may be a name of the library, as the options ask, with a progress bar
 * and the log on standard error. */
hearth_status cli_open_model(hearth_model **out, const char *path, const cli_model *model,
                             const cli_general *general, hearth_model_scope scope, bool read_ahead,
                             hearth_error *err);

/* A sampler from the options, breakers and biases included, over what the model's file recommends;
 * with `note`, that is told. n_ctx as hearth_sampler_new; escapes:
 * the breakers hold \\n and the like. Once per command: the breakers are unescaped where they are.
 */
hearth_status cli_sampler_new(hearth_sampler **out, const hearth_model *model, uint32_t n_ctx,
                              cli_sampling *sampling, bool escapes, bool note, hearth_error *err);

/* ---- reports ---- */

/* A log sink that writes to standard error. */
hearth_log cli_log(const cli_general *general);

/* "hearth: MESSAGE" on standard error; nothing for an empty message. */
void cli_report(const hearth_error *err);
/* Puts the file's name before the message, if it is not in it. */
void cli_name_file(hearth_error *err, const char *path);
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

cli_exit cli_exit_code(hearth_status status);

#endif
