/* SPDX-License-Identifier: MIT
 *
 * relay.h - handing an engine's stream on to a client, event by event.
 *
 * Only whole events are handed on: an engine that ends in the middle of one leaves nothing half
 * written, and the client gets an error event in the words of its API in place of the rest.
 */
#ifndef HEARTH_GATEWAY_RELAY_H
#define HEARTH_GATEWAY_RELAY_H

#include "gateway/session_chat.h"
#include "gateway/upstream.h"

/* How many bytes of text are whole server-sent events. Pure. */
size_t relay_whole_events(const char *text, size_t n);

/* Appends the last event of a stream that failed. False: out of memory. */
bool relay_write_failure(protocol_api api, const hearth_error *error,
                         const runtime_failure *failure, buf *out);

/* Answers a request to `path` of the model's engine with what the engine answers. Takes session
 * (may be NULL), which keeps what is answered. */
hearth_status relay_answer(gateway_call *c, const char *model, const char *path,
                           const body_view *body, session_chat *session, hearth_error *err);

#endif
