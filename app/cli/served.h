/* SPDX-License-Identifier: MIT
 *
 * served.h - an answer by the server that runs, instead of a model loaded a second time.
 */
#ifndef HEARTH_CLI_SERVED_H
#define HEARTH_CLI_SERVED_H

#include "cli/answer.h"
#include "cli/cli.h"

typedef enum served_model {
    SERVED_NONE, /* no server of this user runs, or it has no such model */
    SERVED_TEXT, /* one that goes on from a text */
    SERVED_CHAT  /* one that can be asked, too */
} served_model;

typedef struct served_request {
    const char *model; /* as the person named it */
    json_t *messages;  /* of a chat; NULL: prompt is gone on from */
    const char *prompt;
    size_t n_prompt;
    const char *grammar; /* NULL: the answer is free */
    bool is_schema;      /* the grammar is a JSON Schema */
    const cli_sampling *sampling;
    const hearth_generate_options *generate;
    bool silent;       /* keep the text, write none */
    bool wants_tokens; /* keep those of the answer */
} served_request;

served_model served_find(const char *model);

/* Whether a request can carry that text: UTF-8 without a NUL. */
bool served_is_text(const char *text, size_t n);

/* Asks, and writes the answer to standard output as it comes. Overwrites *a. After Ctrl-C the
 * answer ends on the server, too: OK and canceled, or ECANCELED if nothing had begun. */
hearth_status served_answer(const served_request *request, answer *a, hearth_error *err);

#endif
