/* SPDX-License-Identifier: MIT
 *
 * answer_state.h - the inside of an answer: answer.c makes and drives it, answer_write.c turns what
 * the engine tells into events of the reply, answer_thought.c ends thoughts.
 */
#ifndef HEARTH_WORKER_ANSWER_STATE_H
#define HEARTH_WORKER_ANSWER_STATE_H

#include "worker/adapters.h"
#include "worker/answer.h"

typedef struct choice {
    hearth_request *request;
    atomic_uint_fast64_t id;    /* its id, for whoever looks on; 0: none yet */
    hearth_chat_parser *parser; /* of a chat */
    token_list text;            /* prompt and answer, where thoughts may have to be ended */
    size_t n_prompt_tokens;
    size_t n_thought;   /* tokens of thoughts */
    bool thought_ended; /* by answer_check_thought; once */
    reply_usage before; /* of the request that wrote the thoughts, once they were ended */
    bool in_thought;    /* deepseek-legacy: the tag that opens thoughts was written */
    bool progress_begun;
    size_t n_progress; /* tokens of the prompt that the client knows to be read */
    bool done;
    bool has_line; /* a line break was written */
    bool in_indent;
    int32_t n_indent; /* blanks at the start of the line that is being written */
    uint64_t last_ns;
    char *prompt; /* the native API repeats it */
    size_t n_prompt;
} choice;

struct answer {
    worker *w;
    request *r;
    reply *y;
    hearth_chat_format *format; /* of a chat */
    bool no_thoughts;           /* they are ended as soon as they begin */
    hearth_matcher *matcher;    /* at the start of every choice, or NULL */
    adapter_choice adapters;    /* of all choices */
    char id[33];
    reply_info info;
    uint64_t start_ns;
    uint64_t client;
    answer *next, **link;    /* in worker->answers */
    atomic_bool end_thought; /* the client said so */
    choice *choices;
    uint32_t n_choices;
    uint32_t n_added;
    uint32_t n_done;
    size_t n_prompt, n_cached; /* of the first choice */
    bool begun;                /* reply_begin was called */
    reply_token *tokens;       /* of the event being written: one, and its candidates */
    reply_candidate *candidates;
    buf pieces; /* their texts */
};

/* Counts and times of a choice, over all requests that it took. */
reply_usage answer_usage(const choice *x, const hearth_request_event *e);

/* Writes one event of choice i. */
hearth_status answer_write(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                           hearth_error *err);

/* Writes what the choice's parser has made of the text that it was fed. The tokens of `event` go
 * with the first of it. */
hearth_status answer_write_parsed(answer *a, choice *x, reply_event *event, buf *out,
                                  hearth_error *err);

/* ---- thoughts ---- */

/* Whether thoughts of this answer may have to be ended, and can be. */
bool answer_ends_thoughts(const answer *a);

/* Submits choice i for a prompt, which begins with what x->before wrote. */
hearth_status answer_submit(answer *a, uint32_t i, const token_list *prompt, hearth_error *err);

/* After a token: counts it, and ends the thoughts if they have had their budget or the client said
 * so. The choice goes on with a new request of the engine then, behind the same text. */
hearth_status answer_check_thought(answer *a, uint32_t i, const hearth_request_event *e, buf *out,
                                   hearth_error *err);

#endif
