/* SPDX-License-Identifier: MIT
 *
 * chat.h - a conversation as the model's own chat template writes it.
 *
 * What     Keeps the messages, renders all of them for every turn, and tells what the session has
 *          not read yet: a template may write an earlier turn otherwise than it was generated
 *          (thoughts are left out), so the session goes back to where both part.
 */
#ifndef HEARTH_CLI_CHAT_H
#define HEARTH_CLI_CHAT_H

#include <hearth/session.h>

#include "base/buf.h"

typedef struct cli_chat cli_chat;

/* *out is NULL where the model has no chat template. EFORMAT for a template that cannot be read. */
hearth_status cli_chat_open(cli_chat **out, const hearth_model *model, hearth_error *err);
void cli_chat_close(cli_chat *chat); /* NULL is fine */

/* Adds what the person said. Rewinds the session and appends to *tokens (int32_t) what is to be fed
 * for the model's answer. On failure the message is not kept. */
hearth_status cli_chat_ask(cli_chat *chat, hearth_session *session, const char *text, size_t n_text,
                           buf *tokens, hearth_error *err);
/* Adds the model's answer. */
hearth_status cli_chat_answered(cli_chat *chat, const char *text, size_t n_text, hearth_error *err);
/* Takes back the last message. */
void cli_chat_undo(cli_chat *chat);
void cli_chat_clear(cli_chat *chat);

#endif
