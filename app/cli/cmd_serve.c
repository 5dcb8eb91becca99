/* SPDX-License-Identifier: MIT
 *
 * cmd_serve.c - hearth serve: the page, the chats and all models behind one port.
 *
 * The work is done by app/gateway; here it meets the command line: options, signals, messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/interrupt.h"
#include "gateway/gateway.h"

typedef struct serve_options {
    cli_general general;
    gateway_flags flags;
    const char *config_path;
} serve_options;

static const option config_rows[] = {
    OPTION_ROW_TEXT("--config", serve_options, config_path, "FILE",
                    "the configuration file ($XDG_CONFIG_HOME/hearth/config.json): one JSON object "
                    "whose keys are these options without their dashes"),
    OPTION_ROW_END,
};

/* A service's messages are kept where others may read them, and the page's address opens the door:
 * there 'hearth open' is asked for it. */
static void tell(const char *url, const char *page)
{
    printf("listening on %s\n", url);
    printf("open %s\n", getenv("NOTIFY_SOCKET") ? "it with: hearth open" : page);
    fflush(stdout);
}

static void init(void *options)
{
    serve_options *o = options;
    cli_general_init(&o->general);
    gateway_options_init(&o->flags.options);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    serve_options *o = options;
    config all = {0};
    TRY(cli_no_more_arguments(arguments, 0, err));
    if (o->general.verbose && o->general.log_level < HEARTH_LOG_INFO)
        o->general.log_level = HEARTH_LOG_INFO;
    hearth_status status = config_read(&all, o->config_path, environ, &o->flags, err);
    if (status == HEARTH_OK) {
        const gateway_host host = {.log = cli_log(&o->general),
                                   .port_may_move = config_is_default(&all, "port"),
                                   .interrupted = interrupt_pending,
                                   .is_urgent = interrupt_is_urgent,
                                   .wait = interrupt_wait,
                                   .tell = tell};
        status = gateway_run(&all, &host, err);
    }
    config_deinit(&all);
    return status;
}

static const option_group groups[] = {
    {"Server", gateway_option_rows, offsetof(serve_options, flags)},
    {"Configuration", config_rows, 0},
    {"General", cli_general_rows, offsetof(serve_options, general)},
};

const cli_command cmd_serve = {
    .name = "serve",
    .summary = "serve the page, the chats and all models on one port",
    .description =
        "Answers the HTTP interfaces of OpenAI, Anthropic, llama-server and Ollama for every "
        "model of this machine, and shows a page to chat with them. A model is loaded when it is "
        "first asked for, in a process of its own, and leaves when it is idle or its memory is "
        "needed.\nStandard output tells the address, and the one to open in a browser. Every "
        "option may also stand in the configuration file, or in the environment as "
        "HEARTH_PORT=8080; 'hearth config' tells which values hold and why. Ctrl-C or SIGTERM lets "
        "running answers end.",
    .examples = "  hearth serve\n"
                "  hearth serve --port 0 --model-folder /data/models\n"
                "  hearth serve --host 0.0.0.0 --api-key-file keys.txt\n",
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(serve_options),
    .init = init,
    .run = run,
};
