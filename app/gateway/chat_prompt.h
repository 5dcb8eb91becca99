/* SPDX-License-Identifier: MIT
 *
 * chat_prompt.h - what a model is asked, from what the store holds of a chat.
 *
 * What     The branch that ends at a message, the system prompt before it, and, where the chat's
 *          memory is on, passages of other chats in front of the last question. Where the context
 *          is too small the oldest turns are left out, as many as chat_prompt_leave_out() was
 *          told to: the engine, which counts by the model's own template, says when.
 * Threads  One at a time.
 */
#ifndef HEARTH_GATEWAY_CHAT_PROMPT_H
#define HEARTH_GATEWAY_CHAT_PROMPT_H

#include "gateway/state.h"

typedef struct chat_prompt {
    gateway *g;
    bool sees; /* the model takes pictures */
    store_chats chat;
    store_messages path;
    size_t n_left_out; /* of the path, from its beginning */
    uint32_t n_ctx;    /* for which so many were left out; 0: unknown */
    bool goes_on;      /* results of the last answer's calls follow the path */
    size_t n_hidden;   /* attachments that are only named */
    json_t *sources;   /* passages of other chats: {chat_id, message_id, title, role, text,
                          created_ms}; NULL: not looked for yet. Set: these are taken again */
} chat_prompt;

/* For an answer to message `last` of the chat, or to go on with it. What was left out when the
 * model answered last in this branch is left out again. */
hearth_status chat_prompt_open(chat_prompt *p, gateway *g, int64_t chat, int64_t last,
                               const char *model, hearth_error *err);
void chat_prompt_close(chat_prompt *p);

typedef struct chat_prompt_options {
    json_t *parameters; /* go before those of the chat; NULL: none */
    bool plain;         /* without fields that only Hearth and llama-server know */
    bool goes_on;       /* the last message is an answer that is gone on with */
} chat_prompt_options;
/* The body of a request to /v1/chat/completions; the caller's. */
hearth_status chat_prompt_body(chat_prompt *p, const chat_prompt_options *o, json_t **body,
                               hearth_error *err);

/* Appends the messages of the path, the system prompt first, to an array. */
hearth_status chat_prompt_messages(chat_prompt *p, json_t *messages, hearth_error *err);

/* Leaves out more of the oldest turns: about that share of the text, and at least one turn. False:
 * nothing but the last question is left. */
bool chat_prompt_leave_out(chat_prompt *p, double share);

#endif
