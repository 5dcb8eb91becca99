/* SPDX-License-Identifier: MIT
 *
 * conversation.h - hearth run at a terminal: turn after turn, by a model that is loaded here or by
 * the server that runs.
 */
#ifndef HEARTH_CLI_CONVERSATION_H
#define HEARTH_CLI_CONVERSATION_H

#include "cli/answer.h"
#include "cli/chat.h"
#include "cli/served.h"

/* Who answers, and keeps what was said. */
typedef struct talk {
    void *user;
    void (*greet)(void *user);
    /* What the person said; the answer is written as it comes. After a failure the turn is as if it
     * had not been. */
    hearth_status (*turn)(void *user, const buf *text, answer *a, hearth_error *err);
    bool (*clear)(void *user); /* forgets what was said */
} talk;

/* A session of a model that is loaded here. */
typedef struct session_talk {
    const answer_request *request;
    cli_chat *chat; /* NULL: turns are plain text */
    bool special;   /* control tokens in plain text are parsed */
} session_talk;

talk session_talk_of(session_talk *t);

/* A model of the server. */
typedef struct served_talk {
    served_request request; /* messages or prompt are filled in for each turn */
    bool is_chat;
    json_t *messages;
    buf text; /* where it is no chat: all of it */
} served_talk;

talk served_talk_of(served_talk *t);
void served_talk_deinit(served_talk *t);

/* Until the person leaves. verbose: timings after every answer. */
hearth_status conversation_run(const talk *t, bool verbose, hearth_error *err);

#endif
