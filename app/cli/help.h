/* SPDX-License-Identifier: MIT
 *
 * help.h - help texts, made from the tables that the program itself works by.
 */
#ifndef HEARTH_CLI_HELP_H
#define HEARTH_CLI_HELP_H

#include "cli/cli.h"

/* To standard output: a command's help, with the defaults that its init() sets. */
hearth_status help_command(const cli_command *command, hearth_error *err);

/* To standard output: the program's help, with the commands and the exit codes. */
void help_program(const cli_command *const *commands, size_t n_commands);
/* "-c, --ctx-size N": the row's aliases, short ones first, its own name and its value. */
void help_option_names(const option_set *set, const option *row, char *out, size_t n_out);

#endif
