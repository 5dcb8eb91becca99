/* SPDX-License-Identifier: MIT
 *
 * models.h - what the commands over the library share.
 */
#ifndef HEARTH_CLI_MODELS_H
#define HEARTH_CLI_MODELS_H

#include "cli/cli.h"
#include "library/library.h"
#include "library/peek.h"

/* What MODEL means on a command line: a file, and how its model.yml wants it to answer. */
typedef struct model_choice {
    char *file;            /* NULL: the built-in model */
    option_list overrides; /* the command line's, and the library's for other keys */
    library_override texts[LIBRARY_OVERRIDES_MAX];
} model_choice;

/* overrides: "KEY=TYPE:VALUE" of the command line. deinit also after a failure. */
hearth_status models_choose(model_choice *out, const char *model, const option_list *overrides,
                            hearth_error *err);
void model_choice_deinit(model_choice *choice);
/* The most tokens of an answer that its model.yml names; -1: none. */
int32_t models_limit(const char *model);

/* If *model means one that is elsewhere (peek.h): its headers are fetched, *model becomes the path
 * that they are at until peek_close, and how much was read is told. Else *out is NULL. */
hearth_status models_peek(peek **out, const char **model, const cli_general *general,
                          hearth_error *err);

/* With the user's stores and the log on standard error. */
hearth_status models_open(library **out, const cli_general *general, hearth_error *err);

/* "chat tools", as terminals are to show it. */
void models_write_capabilities(unsigned capabilities);
/* Text of a file's, on one line, in a column of that width (0: as it comes). */
void models_write_column(const char *text, int width);

#endif
