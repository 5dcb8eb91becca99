/* SPDX-License-Identifier: MIT
 *
 * answer.h - one answer in the making: the engine's requests of all its choices, and the reply that
 * their events are written to.
 *
 *   answer_new -> answer_add for every choice -> answer_respond
 *
 * answer_respond either blocks until all choices are done, looking after its client meanwhile, or
 * hands the answer to a stream that is pulled for it. An answer owns its request: body, options and
 * prompts stay until the last byte has been sent.
 */
#ifndef HEARTH_WORKER_ANSWER_H
#define HEARTH_WORKER_ANSWER_H

#include "worker/tokens.h"

typedef struct answer answer;

/* Takes c->r, also on failure. */
hearth_status answer_new(answer **out, worker_call *c, hearth_error *err);
/* Frees the request and cancels what still runs. */
void answer_free(answer *a);

/* Of a chat: what the text means, and whether thoughts are unwanted. Takes the format; before the
 * first choice. */
void answer_set_format(answer *a, hearth_chat_format *format, bool no_thoughts);

/* Submits the next choice. The tokens are copied. */
hearth_status answer_add(answer *a, worker_call *c, const token_list *prompt, hearth_error *err);

/* Ends the thoughts of the answer that its client knows as id. False: there is none now. */
bool answer_end_thought(worker *w, const char *id);

/* The options of the answer that has this request of the engine, or NULL. The caller holds w->lock,
 * and may use them while it does. */
const request_options *answer_options_of(const worker *w, uint64_t engine_request);

/* Answers the call. Takes the answer, also on failure. */
hearth_status answer_respond(answer *a, worker_call *c, hearth_error *err);

#endif
