/* SPDX-License-Identifier: MIT
 *
 * draft_model.h - tokens that may come next, guessed by a small model of the same vocabulary.
 *
 * What     The small model reads what the large one reads and says which token it would choose
 *          next, several in a row (Leviathan, Kalman and Matias 2023, arXiv 2211.17192). Guesses
 *          are checked as those of draft.h are, so they decide about time and never about a token:
 *          everything here may be behind, or wrong, without harm.
 * In step  A place belongs to the request that runs in it. Its keys are those of the first n_past
 *          tokens: n_sure of the text, then of guesses. Guesses that came true count as text at the
 *          next look, the others are overwritten. A text that is read again begins anew.
 * Cache    Whole pages of text are shared through a prefix tree, as those of the large model are.
 * Pays     A place keeps account, in passes of the large model: what its guesses saved, less what
 *          they cost. Where the account is overdrawn it rests, each time for longer, and while it
 *          rests the small model does not even read; what it missed is read in one go.
 * Threads  One at a time: the engine's.
 */
#ifndef HEARTH_ENGINE_DRAFT_MODEL_H
#define HEARTH_ENGINE_DRAFT_MODEL_H

#include <stdatomic.h>

#include "engine/request.h"

typedef struct draft_model draft_model;

typedef struct draft_model_options {
    const hearth_model *model;  /* the small one */
    const hearth_model *target; /* the large one */
    uint32_t n_ctx;             /* longest text that it guesses for */
    uint32_t n_batch;
    uint32_t n_parallel; /* places */
    uint64_t n_pages;
    int32_t n_threads;
    hearth_cache_type type_k, type_v;
    float p_min; /* guesses that the small model holds less likely are not made */
} draft_model_options;

/* From the headers alone. EMISMATCH where the vocabularies differ, EUNSUPPORTED for a model that
 * writes no text. */
hearth_status draft_model_check(const hearth_model *model, const hearth_model *target,
                                hearth_error *err);
/* All that open takes, with the weights; and the part of it that grows with n_pages. */
uint64_t draft_model_bytes(const draft_model_options *options);
uint64_t draft_model_page_bytes(const draft_model_options *options);

hearth_status draft_model_open(draft_model **out, const draft_model_options *options,
                               hearth_error *err);
void draft_model_close(draft_model *d);

/* How many guesses a request should be given now, at most `most`, which is not 0. 0: it rests. */
size_t draft_model_wanted(draft_model *d, const hearth_request *r, size_t least, size_t most);

typedef struct draft_task {
    hearth_request *request;
    size_t end;      /* tokens of its text that are to be read; all of it for guesses */
    size_t n_wanted; /* guesses; 0: it only reads */
} draft_task;

/* Reads for all tasks, `budget` tokens at most, and guesses for those whose text is read to its end
 * then: r->n_guessed tokens behind the text. At most FORWARD_LOGITS_ROWS tasks may want guesses. */
void draft_model_run(draft_model *d, draft_task *tasks, size_t n_tasks, size_t budget,
                     const atomic_bool *cancel);

/* n guesses were checked and n_right were right. */
void draft_model_learn(draft_model *d, const hearth_request *r, size_t n, size_t n_right);

/* Gives the memory of pages that nobody uses back to the system; bytes. */
uint64_t draft_model_trim(draft_model *d);

/* The request leaves its place, or its text changes. */
void draft_model_leave(draft_model *d, const hearth_request *r);

#endif
