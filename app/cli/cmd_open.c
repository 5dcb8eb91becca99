/* SPDX-License-Identifier: MIT
 *
 * cmd_open.c - hearth open: the page of the running server, with the token that lets it in.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/output.h"

typedef struct open_options {
    cli_general general;
    bool print;
} open_options;

static const option rows[] = {
    OPTION_ROW_FLAG("--print", open_options, print, "only print the address"),
    OPTION_ROW_END,
};

static void init(void *options)
{
    open_options *o = options;
    cli_general_init(&o->general);
}

/* False: there is no browser to be opened. */
static bool open_browser(const char *address)
{
    char program[] = "xdg-open";
    char *const argv[] = {program, (char *)(uintptr_t)address, NULL};
    pid_t child;
    int status;
    if (getenv("DISPLAY") == NULL && getenv("WAYLAND_DISPLAY") == NULL)
        return false;
    return posix_spawnp(&child, program, NULL, NULL, argv, environ) == 0 &&
           waitpid(child, &status, 0) == child && status == 0;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    const open_options *o = options;
    json_t *answer = NULL;
    const char *url, *token;
    char address[512];
    TRY(cli_no_more_arguments(arguments, 0, err));
    TRY(ask_server("/hearth/token", NULL, ASK_QUICK_MS, &answer, err));
    hearth_status status = HEARTH_OK;
    if (json_unpack(answer, "{s:s, s:s}", "url", &url, "token", &token) != 0)
        FAIL_OUT(err, EFORMAT, "server", "the server's answer cannot be read");
    snprintf(address, sizeof address, "%s/#token=%s", url, token);
    if (o->general.json)
        status = output_json(json_pack("{s:s}", "address", address), err);
    else if (o->print || !open_browser(address))
        printf("%s\n", address);
out:
    json_decref(answer);
    return status;
}

static const option_group groups[] = {
    {"Page", rows, 0},
    {"General", cli_general_rows, offsetof(open_options, general)},
};

const cli_command cmd_open = {
    .name = "open",
    .summary = "open the page of the running server in the browser",
    .description = "Asks the running 'hearth serve' of this user for the address of its page, with "
                   "the token that lets a browser in, and opens it. Without a desktop the address "
                   "is printed.",
    .examples = "  hearth open\n"
                "  hearth open --print\n",
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(open_options),
    .init = init,
    .run = run,
};
