/* SPDX-License-Identifier: MIT
 *
 * chat.h - conversations: from messages to a prompt, and what the answer's text will mean.
 */
#ifndef HEARTH_WORKER_CHAT_H
#define HEARTH_WORKER_CHAT_H

#include <hearth/tools.h>

#include "protocol/request.h"
#include "worker/flags.h"
#include "worker/token_list.h"

/* The model's template, or the flags'. One that cannot be used is not fatal: everything but chats
 * is still served, and chats are told why. */
typedef struct chat_setup {
    hearth_chat_template *jinja;
    hearth_chat_style *style;
    const char *source; /* the template's text */
    char *from_file;
    json_t *variables; /* --chat-template-kwargs, or NULL */
    char *bos, *eos;
    hearth_error problem; /* code not OK: no chats */
} chat_setup;

/* What the flags say, so that a wrong one is told before the model is opened. */
hearth_status chat_setup_init(chat_setup *s, const worker_flags *flags, hearth_error *err);
/* The rest: the model's own template where the flags gave none. */
hearth_status chat_setup_open(chat_setup *s, const hearth_model *model, const hearth_log *log,
                              hearth_error *err);
void chat_setup_deinit(chat_setup *s);

/* The conversation as the model reads it; *text is the caller's: hearth_free. */
hearth_status chat_render(const chat_setup *s, const request *r, char **text, size_t *n,
                          hearth_error *err);

/* What an answer to the prompt `text` means; *out is the caller's. */
hearth_status chat_format_of(const chat_setup *s, const request *r, const char *text, size_t n,
                             hearth_chat_format **out, hearth_error *err);

/* Appends the tokens of a rendered prompt; what begins a text is added only if the template did not
 * write it. */
hearth_status chat_tokens(const chat_setup *s, const hearth_model *model, const char *text,
                          size_t n, token_list *out, hearth_error *err);

#endif
