/* SPDX-License-Identifier: MIT
 *
 * chat_prompt.h - a model's chat, and a conversation as its prompt.
 */
#ifndef HEARTH_ENGINE_CHAT_PROMPT_H
#define HEARTH_ENGINE_CHAT_PROMPT_H

#include <hearth/answer.h>

#include "base/buf.h"
#include "base/status.h"

struct hearth_chat {
    const hearth_model *model;
    hearth_chat_template *jinja;
    hearth_chat_style *style;
};

typedef struct chat_prompt {
    int32_t *tokens;
    size_t n_tokens;
    char *text;
    size_t n_text;
    buf tools;        /* the conversation's, as JSON; empty: none */
    bool no_thoughts; /* enable_thinking is false */
} chat_prompt;

/* no_thoughts: enable_thinking is false unless the conversation sets it. Nothing to free on
 * failure. */
hearth_status chat_prompt_make(chat_prompt *p, const hearth_chat *chat, const char *conversation,
                               size_t n_conversation, bool no_thoughts, hearth_error *err);
void chat_prompt_deinit(chat_prompt *p);

#endif
