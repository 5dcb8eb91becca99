/* SPDX-License-Identifier: MIT
 *
 * chatml.h - turns of a conversation as models with a ChatML template read them:
 *     <|im_start|>user\n TEXT <|im_end|>\n <|im_start|>assistant\n
 * The frame is read with its control tokens and the text is not, so that a person cannot forge a
 * turn.
 */
#ifndef HEARTH_CLI_CHATML_H
#define HEARTH_CLI_CHATML_H

#include <hearth/session.h>

#include "base/buf.h"

/* Whether the model's chat template is ChatML and its vocabulary has the control tokens. */
bool chatml_is_spoken(const hearth_model *model);

/* Appends the tokens (int32_t) of the next turn of this session to *tokens: text is what the person
 * said, and the model's answer comes next. */
hearth_status chatml_turn(const hearth_session *session, const char *text, size_t n_text,
                          buf *tokens, hearth_error *err);

#endif
