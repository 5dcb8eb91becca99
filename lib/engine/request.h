/* SPDX-License-Identifier: MIT
 *
 * request.h - a request from the inside: what it asks, how far it is, and its queue of events.
 *
 * Owners   Two references: the caller's, and the engine's until the request has ended. What is
 *          marked "engine" belongs to the engine's thread; what is marked "door" is read and
 *          written with the door locked.
 * Tokens   tokens[0..n_tokens) is the text so far. The keys of the first n_past are in the pages;
 *          the rest is pending. One pending token is writing, more are reading: there is no other
 *          difference between a prompt, an answer, and a text that is read again.
 * Events   A ring of N_EVENTS. The engine fills a free slot without the door and gives it out with
 *          it; the consumer keeps the slot it was given until its next call. While less than
 *          EVENTS_RESERVED slots are free the engine leaves the request out of its passes.
 * Locks    A request's door may be locked first and the engine's then, never the other way round.
 */
#ifndef HEARTH_ENGINE_REQUEST_H
#define HEARTH_ENGINE_REQUEST_H

#include <stdatomic.h>

#include <hearth/engine.h>

#include "engine/answer_text.h"
#include "engine/draft.h"
#include "engine/page_pool.h"
#include "engine/pooling.h"
#include "model/adapter.h"
#include "os/thread.h"

enum {
    N_EVENTS = 32,
    EVENTS_RESERVED = 6, /* a token, what was held back, done; and what the consumer keeps */
    MAX_PROBS = 1024
};

typedef struct queued_event {
    hearth_request_event event;
    buf text;
    hearth_token_prob *top; /* n_probs */
} queued_event;

/* Who asks: see scheduler.c. */
typedef struct client {
    uint64_t key;
    uint32_t n_requests; /* waiting and running; 0: the entry is free */
    uint32_t n_running;
    uint64_t served; /* tokens */
} client;

struct hearth_request {
    /* Set by submit. */
    atomic_int references;
    atomic_bool canceled;
    atomic_bool stalled; /* the engine waits for the consumer */
    uint64_t id;
    uint64_t submitted_ns;
    uint64_t passes_before; /* of the engine, when it came */
    uint64_t deadline_ns;   /* 0: none */
    uint64_t client_key;
    hearth_request_options options; /* its pointers are not used but stop */
    char **stop;
    hearth_sampler *sampler;
    hearth_matcher *matcher; /* NULL: any text */
    adapter_mix mix;         /* let go of when it ends */
    uint64_t root_key;
    uint32_t root; /* of its pages, in the prefix tree: engine's, where `caches` */
    answer_text text;
    int32_t *end_tokens; /* forbidden, with ignore_eos */
    size_t n_end_tokens;
    size_t n_prompt;
    bool caches;    /* takes from the prefix tree and leaves there */
    bool wants_sum; /* an embedding */
    pooling_kind pooling;
    bool normalize;
    float *result; /* of an embedding, the caller's */
    float *hidden; /* memory of pooled */
    void *scratch; /* of the classifier, for POOLING_RANK */
    pooled pooled;

    /* engine */
    hearth_request *next; /* in a list */
    client *client;
    uint64_t age; /* number of its admission */
    uint32_t place;
    uint32_t n_passed_over; /* admissions or passes that others had instead */
    bool was_cut;           /* a pass of its own was, for a newcomer */
    int32_t *tokens;
    size_t n_tokens;
    size_t n_past;
    size_t n_read; /* the most that n_past ever was of this text */
    sequence *pages;
    uint32_t node; /* of the last whole page, in the prefix tree */
    bool paused;   /* gave up its pages and waits for others to end */
    bool in_pass;
    draft draft;
    size_t n_guessed; /* tokens behind the text that may come next */
    bool by_model;    /* and who guessed them */
    size_t room;      /* tokens that fit in `tokens` */
    hearth_finish_reason reason;
    uint64_t admitted_ns, first_ns;
    hearth_request_event counts; /* the fields for all events, and what is the same in each */
    uint32_t next_event;         /* the slot to be filled */

    /* door */
    monitor door;
    hearth_engine *engine; /* NULL once it has ended */
    hearth_status status;  /* of a failure */
    hearth_error error;
    queued_event events[N_EVENTS];
    uint32_t first_event;
    atomic_uint n_events;
    bool holds_event; /* the consumer has events[first_event] */
};

/* Copies and checks what options ask for, for a model with n_ctx positions. */
hearth_status request_new(hearth_request **out, const hearth_model *model, uint32_t n_ctx,
                          const hearth_request_options *options, hearth_error *err);
/* A text of which `result` is to become the embedding. */
hearth_status request_new_embedding(hearth_request **out, const hearth_model *model,
                                    const hearth_embed_item *item, pooling_kind pooling,
                                    const hearth_embed_options *options, hearth_error *err);
void request_ref(hearth_request *r);
void request_unref(hearth_request *r);

/* ---- the engine's side ---- */

static inline size_t request_n_pending(const hearth_request *r)
{
    return r->n_tokens - r->n_past;
}

/* One token is pending, and it is not of the prompt. */
static inline bool request_is_writing(const hearth_request *r)
{
    return !r->paused && r->n_tokens != r->n_prompt && request_n_pending(r) == 1;
}

/* False: the consumer is behind; it wakes the engine when that changes. */
bool request_has_room(hearth_request *r);

/* Events that may be pushed beside those that are reserved. */
size_t request_n_free_events(const hearth_request *r);

/* The free slot that the next push gives out, emptied. */
queued_event *request_slot(hearth_request *r, hearth_request_event_type type);
void request_push(hearth_request *r);
/* A PROMPT event in the place of one that nobody has taken. */
void request_push_progress(hearth_request *r);
/* Nothing more will come: from now on the consumer gets `status` after what is queued. With OK, the
 * last event was DONE. The request knows its engine no more. */
void request_end(hearth_request *r, hearth_status status, const hearth_error *error);

#endif
