/* SPDX-License-Identifier: MIT
 *
 * cmd_engine.c - hearth engine: one model behind HTTP, in llama-server's place.
 *
 * The work is done by app/worker; here it meets the command line: flags of llama-server among the
 * command's own, the built-in model, signals and messages.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/terminal.h"
#include "library/ember.h"
#include "worker/worker.h"

typedef struct engine_command {
    cli_general general;
    worker_flags flags;
    hearth_status status; /* of reading the environment */
    hearth_error err;
} engine_command;

/* Launchers look for the readiness line in llama-server's log, which is standard error; a person
 * sees both, and wants it once. Who reads standard output finds the log complete. */
static void tell(const char *line)
{
    if (!terminal_is_tty(stdout) || !terminal_is_tty(stderr))
        fprintf(stderr, "%s\n", line);
    puts(line);
    fflush(stdout);
}

/* All that was written is flushed by whoever wrote it, and a thread may hold a stream's lock. */
static void leave(void)
{
    _exit(0);
}

static void init(void *options)
{
    engine_command *o = options;
    cli_general_init(&o->general);
    const hearth_log log = cli_log(&o->general);
    flags_init(&o->flags);
    o->status = flags_read_environment(&o->flags, environ, &log, &o->err);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    engine_command *o = options;
    size_t next = 0;
    if (o->status != HEARTH_OK) {
        *err = o->err;
        return o->status;
    }
    if (o->flags.model == NULL && next < arguments->n)
        o->flags.model = arguments->items[next++];
    TRY(cli_no_more_arguments(arguments, next, err));
    if (o->general.verbose && o->general.log_level < HEARTH_LOG_INFO)
        o->general.log_level = HEARTH_LOG_INFO;
    worker_host host = {.log = cli_log(&o->general),
                        .interrupted = interrupt_pending,
                        .is_urgent = interrupt_is_urgent,
                        .wait = interrupt_wait,
                        .tell = tell,
                        .abandon = leave};
    model_choice choice = {.file = NULL};
    const option_list given = o->flags.overrides;
    hearth_status status = HEARTH_OK;
    if (o->flags.model)
        TRY_OUT(models_choose(&choice, o->flags.model, &given, err));
    if (o->flags.model)
        o->flags.overrides = choice.overrides;
    if (choice.file) {
        o->flags.model = choice.file;
    } else if (o->flags.model) {
        o->flags.model = EMBER_NAME;
        host.builtin_name = EMBER_NAME;
        host.builtin = ember_bytes(&host.n_builtin);
    }
    status = worker_run(&o->flags, &host, err);
out:
    o->flags.overrides = given;
    model_choice_deinit(&choice);
    return status;
}

static const cli_argument arguments_help[] = {
    {"MODEL", "a GGUF file, any part of a split set, or a name of hearth list; the same as --model",
     false},
};

static const option_group groups[] = {
#define GROUP(name, title) {title, flags_##name##_rows, offsetof(engine_command, flags)},
#include "worker/flags.def"
    {"Sampling", flags_sampler_rows, offsetof(engine_command, flags)},
    {"General", cli_general_rows, offsetof(engine_command, general)},
};

const cli_command cmd_engine = {
    .name = "engine",
    .summary = "serve one model over HTTP, in the place of llama-server",
    .description =
        "Opens one model and answers the HTTP interfaces of llama-server, OpenAI and Anthropic "
        "for it. Takes llama-server's flags and the LLAMA_ARG_* variables of the environment: "
        "those that ask for speed alone, or for other hardware, are accepted and said to have no "
        "effect; those that would change answers are honoured or refused.\nStandard output tells "
        "the address, at once and when the model is loaded. Ctrl-C or SIGTERM lets running "
        "requests end, then ends the engine.",
    .examples = "  hearth engine -m model.gguf --port 8080\n"
                "  hearth engine -m ember --port 0 --api-key secret\n"
                "  hearth engine -m model.gguf --host /run/user/1000/engine.sock\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(engine_command),
    .init = init,
    .run = run,
};
