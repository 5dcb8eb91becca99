/* SPDX-License-Identifier: MIT
 *
 * chat_tools.h - tools in a chat: what a model is offered, asking the user, and calls, whose
 * results become messages of the chat.
 */
#ifndef HEARTH_GATEWAY_CHAT_TOOLS_H
#define HEARTH_GATEWAY_CHAT_TOOLS_H

#include "gateway/chat_answer.h"
#include "gateway/tools.h"

enum {
    CHAT_TOOLS_ROUNDS_MAX = 10,         /* of calls in one answer */
    CHAT_TOOLS_CONSENT_MS = 30 * 60000, /* without a word the call is denied */
};

typedef enum tool_consent {
    CONSENT_NONE, /* not said yet */
    CONSENT_ONCE,
    CONSENT_CHAT,   /* this tool, always in this chat */
    CONSENT_ALWAYS, /* in all chats */
    CONSENT_NEVER   /* not this call */
} tool_consent;
bool tool_consent_find(const char *name, tool_consent *out);

/* Puts the tools into the body of a request. last: the model is to answer in words now. Where
 * there are tools and the model or the request cannot have them, the watchers are told (notice). */
hearth_status chat_tools_offer(answer *a, json_t *body, bool last, hearth_error *err);

/* Makes sure that every call has an id. */
void chat_tools_name_calls(const answer *a, json_t *calls);

/* Runs the calls of the answer's message, which is stored: each result is stored below what came
 * before, and told. *last: the last message that was stored. A call that cannot be made, is denied
 * or stopped has a result that says so. */
hearth_status chat_tools_run(answer *a, const json_t *calls, int64_t *last, hearth_error *err);

/* The user's word on a call that asks. ENOTFOUND: none of that id asks in the chat. */
hearth_status chat_tools_consent(gateway *g, int64_t chat, const char *call, tool_consent consent,
                                 hearth_error *err);

#endif
