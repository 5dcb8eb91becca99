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

/* The flags' template, which must be right; or the model's. A model that has none, or one that
 * cannot be used, is not fatal: everything but chats is still served, and chats are told why. */
typedef struct chat_setup {
    hearth_chat_template *jinja;
    hearth_chat_style *style;
    const char *source; /* the template's text; NULL: there is none */
    char *from_file;
    json_t *variables; /* of the flags */
    json_t *caps;      /* what /props tells of the template */
    bool no_thoughts;  /* the template knows none */
    char *bos, *eos;
    hearth_error problem; /* code not OK: no chats */
} chat_setup;

/* What the flags say, so that a wrong one is told before the model is opened. */
hearth_status chat_setup_init(chat_setup *s, const worker_flags *flags, hearth_error *err);
/* The rest: the model's own template where the flags gave none. */
hearth_status chat_setup_open(chat_setup *s, const hearth_model *model, const hearth_log *log,
                              hearth_error *err);
void chat_setup_deinit(chat_setup *s);

/* A conversation as the model reads it. Zeroed is empty. */
typedef struct worker_prompt {
    char *text; /* hearth_free */
    size_t n_text;
    token_list tokens;
    bool no_thoughts; /* the answer is to have none */
} worker_prompt;

hearth_status worker_prompt_init(worker_prompt *p, const chat_setup *s, const hearth_model *model,
                                 const request *r, hearth_error *err);
void worker_prompt_deinit(worker_prompt *p);

/* What an answer to the prompt means; *out is the caller's. */
hearth_status chat_format_of(const chat_setup *s, const request *r, const worker_prompt *p,
                             hearth_chat_format **out, hearth_error *err);

#endif
