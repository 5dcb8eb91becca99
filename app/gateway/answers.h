/* SPDX-License-Identifier: MIT
 *
 * answers.h - answers that are being written into chats.
 *
 * What     An answer is a message of the store in the state STREAMING, and a thread that asks the
 *          model for it. Nobody has to watch: it goes on when the browser leaves, and is stored as
 *          it grows. Whoever watches reads its events from the beginning.
 *
 *     opened ─> stored (STREAMING) ─> loading ─> reading ─> writing ─> COMPLETE, STOPPED, FAILED
 *
 *          The chat's place is free again as soon as the message is stored. A chat without a title
 *          gets one after that, unless the next answer begins first: then at the end of that one.
 *
 * Threads  Thread-safe; an answer that is open belongs to who opened it until it begins.
 */
#ifndef HEARTH_GATEWAY_ANSWERS_H
#define HEARTH_GATEWAY_ANSWERS_H

#include "gateway/state.h"

enum { ANSWERS_MAX = 64 }; /* at once */

typedef struct answer answer;

hearth_status answers_new(answers **out, hearth_error *err);
/* Stops all; those that were being written are stored as STOPPED. NULL is fine. */
void answers_free(answers *all);

/* Waits for all to end, at most so long. hurry (may be NULL): polled, true ends the waiting. */
void answers_drain(answers *all, uint32_t ms, bool (*hurry)(void));

/* Takes the chat's place for an answer, so that no other one begins. EMISMATCH (409) if one is
 * being written, EBUSY if too many are. */
hearth_status answers_open(gateway *g, int64_t chat, answer **out, hearth_error *err);
/* Gives it back; NULL is fine. */
void answers_abandon(answer *a);

typedef struct answer_options {
    int64_t parent;     /* the message that is answered */
    const char *model;  /* a model's id */
    json_t *parameters; /* of the request, before those of the chat; NULL: none */
    int64_t goes_on; /* an answer of the store that is written on, with its parent as parent; 0: a
                        new one */
    int64_t user;    /* told with the event start: the message that was just stored; 0: none */
} answer_options;

/* Stores the message, begins to write it, and makes the reply a stream of it. Takes a, also on
 * failure. */
hearth_status answers_begin(gateway_call *c, answer *a, const answer_options *options,
                            hearth_error *err);

/* Makes the reply a stream of what is being written in the chat; ENOTFOUND. */
hearth_status answers_watch(gateway_call *c, int64_t chat, hearth_error *err);

/* Tells the chat's answer to end; false if there is none. */
bool answers_stop(answers *all, int64_t chat);
bool answers_is_running(answers *all, int64_t chat);
bool answers_are_running(answers *all); /* in any chat */
/* For who opened a place and writes the answer itself: whether it was told to end. */
bool answers_is_stopped(const answer *a);

/* EINVAL if parameters hold what is not theirs: messages, stream, model, or are no object. */
hearth_status chat_answer_check_parameters(const json_t *parameters, hearth_error *err);

#endif
