/* SPDX-License-Identifier: MIT
 *
 * engine_state.h - the inside of a hearth_engine, for its own files.
 *
 *   engine.c        open, close, submit, the thread's loop, statistics
 *   scheduler.c     who is admitted, and what goes into a pass
 *   engine_cache.c  which pages a request has: from the prefix tree, the disk, the pool
 *   engine_draft.c  what may come next: guesses for those who write
 *   engine_pass.c   a pass and what follows from it: tokens, text, events, embeddings
 *   engine_text.c   the pages of one text: into a file, and back
 *   engine_trim.c   memory given back under pressure
 *   engine_plan.c   memory
 *
 * Threads  Everything belongs to the engine's thread, but for what is under "door". No lock is held
 *          while a pass runs.
 */
#ifndef HEARTH_ENGINE_ENGINE_STATE_H
#define HEARTH_ENGINE_ENGINE_STATE_H

#include "engine/draft_model.h"
#include "engine/model.h"
#include "engine/page_store.h"
#include "engine/prefix_tree.h"
#include "engine/request.h"

typedef struct request_list {
    hearth_request *first, *last;
    uint32_t n;
} request_list;

/* The tokens of one request in a pass. */
typedef struct pass_part {
    hearth_request *request;
    size_t first; /* row */
    size_t n;
    size_t n_drafted; /* of them guessed: the last ones */
} pass_part;

typedef struct pass {
    size_t n;
    int32_t *tokens; /* [n_batch], as the next four */
    uint32_t *positions;
    uint32_t *visible;
    const kv_sequence **sequences;
    const adapter_mix **mixes;
    pass_part *parts; /* [n_parallel] */
    size_t n_parts;
    bool may_be_cut;        /* one request alone reads: a new one need not wait for the end */
    uint32_t n_passed_over; /* of the reader that was added last, before this pass */
} pass;

/* Something that another thread wants done between two passes. */
typedef struct engine_job engine_job;
typedef bool engine_job_fn(hearth_engine *e, engine_job *job); /* false: it is not over */

struct engine_job {
    engine_job *next;
    engine_job_fn *run;
    bool is_over; /* door */
};

struct hearth_engine {
    const hearth_model *model;
    hearth_engine_options options;
    hearth_engine_plan_result plan;
    uint32_t n_fair;
    forward *f;
    page_pool pool;
    prefix_tree tree;
    atomic_uint adapter_rank, adapter_n_out; /* for which there is room */
    page_store *store;                       /* NULL: no disk tier */
    int32_t *path;                           /* tokens of a page and of all before it, for that */
    draft_model *draft;                      /* NULL: none */
    draft_task *tasks;                       /* [n_parallel], for it */
    request_list waiting;
    hearth_request **running; /* [n_parallel], NULL: a free place */
    sequence *sequences;      /* [n_parallel] */
    uint32_t n_running;
    client *clients; /* [n_queue + n_parallel] */
    uint64_t served; /* of the client that was served least, when last looked at */
    uint64_t n_admitted;
    hearth_request **readers; /* [n_parallel], while a pass is made up */
    pass pass;
    float *masked;   /* [n_vocab] logits with tokens forbidden */
    uint32_t n_wary; /* that many passes are short, since one was cut */
    hearth_engine_stats stats;
    thread thread;
    atomic_bool interrupted; /* the pass under way, if it may be cut */
    atomic_bool closing;

    /* door */
    monitor door;
    request_list inbox; /* submitted, not seen by the thread yet */
    uint32_t n_waiting; /* those in the inbox included */
    engine_job *jobs;   /* to be done between two passes, the first one first */
    uint64_t n_wakes;
    uint64_t next_id;
    hearth_engine_stats shown; /* as of the last pass */
    hearth_engine_slot *slots; /* [n_parallel] */
};

/* Any thread. Something changed that the engine may be waiting for. */
void engine_wake(hearth_engine *e);
/* The same, and a pass that may be cut ends now. */
void engine_interrupt(hearth_engine *e);

/* Any other thread. Has the engine run the job, again and again until it is over. */
void engine_do(hearth_engine *e, engine_job *job, engine_job_fn *run);

/* Any other thread. Room for passes with these adapters. */
hearth_status engine_make_room(hearth_engine *e, const adapter_mix *mix, hearth_error *err);

/* Any other thread. Puts a new request into the queue; EBUSY if it is full. The engine gets a
 * reference of its own. */
hearth_status engine_enqueue(hearth_engine *e, hearth_request *r, hearth_error *err);

/* ---- engine_plan.c ---- */

hearth_status engine_make_plan(const hearth_model *model, const hearth_engine_options *options,
                               hearth_engine_plan_result *plan, hearth_error *err);
forward_options engine_forward_options(const hearth_model *model,
                                       const hearth_engine_options *options,
                                       const hearth_engine_plan_result *plan);
/* Of an engine with a draft model. */
draft_model_options engine_draft_options(const hearth_model *model,
                                         const hearth_engine_options *options,
                                         const hearth_engine_plan_result *plan);

/* ---- scheduler.c ---- */

/* A request that has just come in begins to wait. */
void scheduler_add(hearth_engine *e, hearth_request *r);
/* Gives free places to those who wait. */
void scheduler_admit(hearth_engine *e);
/* Makes up e->pass. Empty if there is nothing to do until something changes. */
void scheduler_make_pass(hearth_engine *e);
/* The pass was cut short by a newcomer: nothing of it was kept. */
void scheduler_note_cut(hearth_engine *e);
/* What has gone through a pass counts for its client. */
void scheduler_count(hearth_engine *e, hearth_request *r, size_t n_tokens);
/* It waits or runs no more; gives up the engine's reference. */
void scheduler_remove(hearth_engine *e, hearth_request *r);

/* ---- engine_draft.c ---- */

/* Guesses for everyone who writes, as far as they pay. */
void engine_guess(hearth_engine *e);
/* n guesses of a request were checked and n_right were right. */
void engine_guesses_checked(hearth_engine *e, hearth_request *r, size_t n, size_t n_right);

/* ---- engine_cache.c ---- */

/* A page with one reference, free or taken from the prefix tree; NO_PAGE if all are in use. */
uint32_t engine_cache_take_page(hearth_engine *e);

/* Takes what the prefix cache has of a request's pending text. False if there is more to be had
 * from disk, for which the next pass should not wait. */
bool engine_cache_acquire(hearth_engine *e, hearth_request *r);
/* Whether another request is about to read the very page that r needs next. */
bool engine_cache_should_wait(const hearth_engine *e, const hearth_request *r);
/* Pages for up to n more tokens; how many tokens there is room for. */
size_t engine_cache_reserve(hearth_engine *e, hearth_request *r, size_t n);
/* n more tokens have their keys and values. */
void engine_cache_commit(hearth_engine *e, hearth_request *r, size_t n);
/* Lets go of all pages. What is whole, and the end of the text, stays in the prefix cache. */
void engine_cache_release(hearth_engine *e, hearth_request *r);
/* Lets go of pages that are on disk now, and sends there what had to wait. */
void engine_cache_take_written(hearth_engine *e);
/* Waits until all that is to be on disk is there; the thread has ended. */
void engine_cache_store_rest(hearth_engine *e);
/* Pages that can be had now, and how many a request of n tokens would take of them. */
uint32_t engine_cache_n_available(const hearth_engine *e);
uint32_t engine_cache_n_needed(const hearth_engine *e, const hearth_request *r);

/* ---- engine_pass.c ---- */

/* Runs e->pass and answers everyone in it. */
void engine_run_pass(hearth_engine *e);
/* Ends a request that is not done: with a status, or OK for a finish reason. */
void engine_fail(hearth_engine *e, hearth_request *r, hearth_status status,
                 const hearth_error *error);
void engine_finish(hearth_engine *e, hearth_request *r, hearth_finish_reason reason);
/* True, and ended, if the request was canceled or its time is over. */
bool engine_end_if_over(hearth_engine *e, hearth_request *r, uint64_t now_ns);

#endif
