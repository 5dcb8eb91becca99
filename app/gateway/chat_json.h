/* SPDX-License-Identifier: MIT
 *
 * chat_json.h - chats and messages of the store as the API tells them (docs/API-HEARTH.md), and
 * what the gateway keeps in their JSON members.
 *
 *   chat.settings   {"parameters": {...}, "memory": bool, "allowed_tools": [name of a call]}
 *   message.meta    {"finish_reason": text, "feedback": text, "sources": [...]}
 */
#ifndef HEARTH_GATEWAY_CHAT_JSON_H
#define HEARTH_GATEWAY_CHAT_JSON_H

#include "gateway/state.h"

/* NULL: out of memory. */
json_t *chat_json(gateway *g, const store_chat *chat);
json_t *chat_message_json(const store_message *message);
json_t *chat_messages_json(const store_messages *list);

/* The object that a JSON text holds; an empty one where it is none. NULL: out of memory. */
json_t *chat_object_of(const char *text);

/* Both read again from the store. */
hearth_status chat_load_json(gateway *g, int64_t chat, json_t **out, hearth_error *err);
hearth_status chat_message_load_json(gateway *g, int64_t message, json_t **out, hearth_error *err);

/* The number that the route's star stands for; ENOTFOUND if it is none. */
hearth_status call_id(gateway_call *c, int64_t *id, hearth_error *err);
/* Answers with the chat as it is now. */
hearth_status call_chat(gateway_call *c, int64_t chat, hearth_error *err);

#endif
