/* SPDX-License-Identifier: MIT
 *
 * cmd_completions.c - hearth completions: a script for a shell; hearth man: manual pages for the
 * installation, which is not in the list of commands.
 */
#include <stdio.h>
#include <string.h>

#include "cli/shell.h"

static void init(void *options)
{
    cli_general_init(options);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    static const struct {
        const char *name;
        void (*write)(FILE *out, const cli_command *const *commands, size_t n);
    } shells[] = {{"bash", shell_write_bash}, {"zsh", shell_write_zsh}, {"fish", shell_write_fish}};
    size_t n;
    const cli_command *const *commands = cli_commands(&n);
    (void)options;
    TRY(cli_no_more_arguments(arguments, 1, err));
    for (size_t i = 0; i < OPTION_COUNT(shells); i++) {
        if (arguments->n == 1 && strcmp(arguments->items[0], shells[i].name) == 0) {
            shells[i].write(stdout, commands, n);
            return HEARTH_OK;
        }
    }
    FAIL(err, EINVAL, "SHELL", "for which shell? bash, zsh or fish");
}

static const cli_argument arguments_help[] = {{"SHELL", "bash, zsh or fish", true}};

static const option_group groups[] = {{"General", cli_general_rows, 0}};

const cli_command cmd_completions = {
    .name = "completions",
    .summary = "print a script that completes command lines in a shell",
    .description = "Prints the script on standard output. 'make install' puts it where the shells "
                   "look for it.",
    .examples = "  source <(hearth completions bash)\n"
                "  hearth completions fish > ~/.config/fish/completions/hearth.fish\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(cli_general),
    .init = init,
    .run = run,
};

static hearth_status run_man(void *options, const option_list *arguments, hearth_error *err)
{
    size_t n;
    const cli_command *const *commands = cli_commands(&n);
    (void)options;
    if (arguments->n != 1)
        FAIL(err, EINVAL, "FOLDER", "into which folder?");
    return man_write_pages(arguments->items[0], commands, n, err);
}

const cli_command cmd_man = {
    .name = "man",
    .summary = "write the manual pages into a folder",
    .description = "Writes hearth.1 and a page for every command.",
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(cli_general),
    .init = init,
    .run = run_man,
};
