/* SPDX-License-Identifier: MIT
 *
 * served.h - an answer by the server that runs, instead of a model loaded a second time.
 */
#ifndef HEARTH_CLI_SERVED_H
#define HEARTH_CLI_SERVED_H

#include "cli/answer.h"
#include "cli/cli.h"

typedef struct served_request {
    const char *model; /* as the person named it */
    const char *prompt;
    size_t n_prompt;
    const cli_sampling *sampling;
    const hearth_generate_options *generate;
} served_request;

/* Whether a server of this user runs and has a chat model of that name. */
bool served_has(const char *model);

/* Asks it, as one turn of a chat, and writes the answer to standard output as it comes. ECANCELED
 * after Ctrl-C, which ends the answer on the server, too. */
hearth_status served_answer(const served_request *request, answer *a, hearth_error *err);

#endif
