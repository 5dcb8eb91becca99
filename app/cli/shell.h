/* SPDX-License-Identifier: MIT
 *
 * shell.h - what shells and man are told of the program, from the tables of its commands.
 */
#ifndef HEARTH_CLI_SHELL_H
#define HEARTH_CLI_SHELL_H

#include <stdio.h>

#include "cli/cli.h"

/* Scripts that complete command lines. */
void shell_write_bash(FILE *out, const cli_command *const *commands, size_t n);
void shell_write_zsh(FILE *out, const cli_command *const *commands, size_t n);
void shell_write_fish(FILE *out, const cli_command *const *commands, size_t n);

/* hearth.1 and hearth-COMMAND.1 in a folder that is there. */
hearth_status man_write_pages(const char *folder, const cli_command *const *commands, size_t n,
                              hearth_error *err);

#endif
