/* SPDX-License-Identifier: MIT
 *
 * conversation.h - hearth run at a terminal: turn after turn over one session.
 */
#ifndef HEARTH_CLI_CONVERSATION_H
#define HEARTH_CLI_CONVERSATION_H

#include "cli/answer.h"

/* Until the person leaves. chatml: turns are wrapped (chatml.h); otherwise they are plain text, and
 * special says whether control tokens in it are parsed. verbose: timings after every answer. */
hearth_status conversation_run(const answer_request *request, bool chatml, bool special,
                               bool verbose, hearth_error *err);

#endif
