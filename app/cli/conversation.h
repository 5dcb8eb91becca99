/* SPDX-License-Identifier: MIT
 *
 * conversation.h - hearth run at a terminal: turn after turn over one session.
 */
#ifndef HEARTH_CLI_CONVERSATION_H
#define HEARTH_CLI_CONVERSATION_H

#include "cli/answer.h"

/* Until the person leaves. special: control tokens typed by the person are parsed (raw turns only).
 * verbose: timings after every answer. */
hearth_status conversation_run(const answer_request *request, bool special, bool verbose,
                               hearth_error *err);

#endif
