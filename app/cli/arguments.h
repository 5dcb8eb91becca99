/* SPDX-License-Identifier: MIT
 *
 * arguments.h - a copy of the command line, without what others may read of the original.
 *
 * Every user of the machine can read a process's command line, so the values of options that take a
 * secret are written over as soon as they are copied. For the moment before that they were to be
 * seen: a file or the environment is the better place for them.
 */
#ifndef HEARTH_CLI_ARGUMENTS_H
#define HEARTH_CLI_ARGUMENTS_H

#include "base/status.h"

/* *out: argc texts and a NULL, for arguments_free. */
hearth_status arguments_take(int argc, char **argv, char ***out, hearth_error *err);
void arguments_free(char **arguments);

#endif
