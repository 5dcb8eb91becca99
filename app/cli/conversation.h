/* SPDX-License-Identifier: MIT
 *
 * conversation.h - hearth run at a terminal: turn after turn over one session.
 */
#ifndef HEARTH_CLI_CONVERSATION_H
#define HEARTH_CLI_CONVERSATION_H

#include "cli/answer.h"
#include "cli/chat.h"

/* Until the person leaves. Turns are messages of the chat; where that is NULL they are plain text,
 * and special says whether control tokens in it are parsed. verbose: timings after every answer. */
hearth_status conversation_run(const answer_request *request, cli_chat *chat, bool special,
                               bool verbose, hearth_error *err);

#endif
