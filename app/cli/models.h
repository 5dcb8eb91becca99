/* SPDX-License-Identifier: MIT
 *
 * models.h - what the commands over the library share.
 */
#ifndef HEARTH_CLI_MODELS_H
#define HEARTH_CLI_MODELS_H

#include "cli/cli.h"
#include "library/library.h"

/* With the user's stores and the log on standard error. */
hearth_status models_open(library **out, const cli_general *general, hearth_error *err);

/* "chat tools", as terminals are to show it. */
void models_write_capabilities(unsigned capabilities);
/* Text of a file's, on one line, in a column of that width (0: as it comes). */
void models_write_column(const char *text, int width);

#endif
