/* SPDX-License-Identifier: MIT
 *
 * chat_prompt.h - what a model is asked, from what the store holds of a chat.
 */
#ifndef HEARTH_GATEWAY_CHAT_PROMPT_H
#define HEARTH_GATEWAY_CHAT_PROMPT_H

#include "gateway/state.h"

/* The body of a request to /v1/chat/completions for an answer to message `last` of the chat.
 * parameters (may be NULL) go before those of the chat. plain: without
 * fields that only Hearth and llama-server know, as a remote engine wants it. *sources: an array of
 * the messages of other chats that were put in front of the question, or NULL. Both are the
 * caller's. EUNSUPPORTED names an attachment that no model can be shown. */
hearth_status chat_prompt_build(gateway *g, int64_t chat, int64_t last, json_t *parameters,
                                bool plain, json_t **body, json_t **sources, hearth_error *err);

/* Appends the messages of the branch that ends at `last`, the system prompt first, to an array. */
hearth_status chat_prompt_messages(gateway *g, const store_chat *chat, int64_t last,
                                   json_t *messages, hearth_error *err);

#endif
