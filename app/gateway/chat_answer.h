/* SPDX-License-Identifier: MIT
 *
 * chat_answer.h - inside an answer: what its thread and its watchers share.
 */
#ifndef HEARTH_GATEWAY_CHAT_ANSWER_H
#define HEARTH_GATEWAY_CHAT_ANSWER_H

#include "gateway/answers.h"
#include "os/thread.h"

struct answer {
    answer *next; /* in answers->first; guarded by its monitor */
    bool written; /* the chat's place is free again; guarded by the same */
    gateway *g;
    thread thread;
    int64_t chat, parent, message;
    char model[LIBRARY_NAME_MAX + 1];
    json_t *parameters;
    json_t *notices; /* {code, message}, of the message that is written; NULL: none */
    bool goes_on;    /* the message was there before, and is written on */
    atomic_bool stop;
    atomic_uint refs; /* the thread's, and one for each watcher */
    monitor monitor;  /* of what follows */
    buf log;          /* all events, as they are sent */
    bool ended;
    char asking[80]; /* the id of the call that waits for the user; "": none */
    int consent;     /* the user's word: a tool_consent (chat_tools.h) */
};

struct answers {
    monitor monitor;
    answer *first;
    size_t n;
};

/* Appends an event for those who watch. Takes data; NULL (out of memory) is passed over. */
void chat_answer_tell(answer *a, const char *name, json_t *data);

/* Tells the watchers what is not as they may think, and keeps it with the message. */
void chat_answer_notice(answer *a, const char *code, const char *message);

/* Stores a message below a->parent that is being written: a->message. */
hearth_status chat_answer_add(answer *a, hearth_error *err);

/* The message is stored: the next one may begin, also while a title is made. Before the end is
 * told: who hears of it may write at once. */
void chat_answer_leave_place(answer *a);

/* The thread's work: writes the message, and the title. */
void chat_answer_write(answer *a);

#endif
