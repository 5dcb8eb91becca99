/* SPDX-License-Identifier: MIT
 *
 * session_chat.h - /v1/chat/completions with "session_id": the server keeps the turns.
 *
 *     session_open    finds the chat, or makes one; puts its turns in front of the request's own
 *     session_commit  the engine has begun to answer: the request's messages are stored, and an
 *                     answer that is STREAMING
 *     session_feed    bytes of the answer, as they go to the client
 *     session_close   stores how it ended
 *
 * A session's name is the number of a chat, or any other name; that chat's origin is
 * "session:NAME". Messages are text. One request at a time in a chat.
 */
#ifndef HEARTH_GATEWAY_SESSION_CHAT_H
#define HEARTH_GATEWAY_SESSION_CHAT_H

#include "gateway/body.h"
#include "gateway/state.h"

typedef struct session_chat session_chat;

/* *text: the body to send instead, which the session owns. EINVAL names the field; EMISMATCH: an
 * answer is being written in the chat. */
hearth_status session_open(gateway *g, const char *name, const char *model, const body_view *body,
                           session_chat **out, const char **text, hearth_error *err);
/* streams: what comes are events; else one JSON object. */
hearth_status session_commit(session_chat *s, bool streams, hearth_error *err);
void session_feed(session_chat *s, const char *bytes, size_t n);
/* Whether the user stopped the answer. */
bool session_is_stopped(const session_chat *s);
/* failure NULL: it came to its end, or the client left before. NULL is fine. */
void session_close(session_chat *s, bool whole, const hearth_error *failure);

#endif
