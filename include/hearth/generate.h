/* SPDX-License-Identifier: MIT
 *
 * generate.h - an answer as a stream of events: prompt progress, text, done.
 *
 * What     A generation feeds a prompt to a session and then samples until a stop. The caller pulls
 *          events with next(), at its own pace; nothing runs between two calls.
 * Text     Whole characters only, and never a part of a stop string.
 * Threads  One thread at a time, together with its session; hearth_session_cancel from any thread.
 */
#ifndef HEARTH_GENERATE_H
#define HEARTH_GENERATE_H

#include <hearth/sampler.h>
#include <hearth/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hearth_event_type {
    HEARTH_EVENT_PROMPT = 0, /* n_prompt_done of n_prompt tokens are read */
    HEARTH_EVENT_TEXT = 1,   /* text[0..n_text) and the token that completed it */
    HEARTH_EVENT_DONE = 2    /* the last one: reason, usage and timings */
} hearth_event_type;

typedef enum hearth_finish_reason {
    HEARTH_FINISH_NONE = 0,
    HEARTH_FINISH_STOP = 1,    /* the model ended its answer */
    HEARTH_FINISH_WORD = 2,    /* a stop string; see stop_word */
    HEARTH_FINISH_LIMIT = 3,   /* max_tokens were written */
    HEARTH_FINISH_CONTEXT = 4, /* the context is full */
    HEARTH_FINISH_CANCELED = 5
} hearth_finish_reason;

typedef struct hearth_event {
    hearth_event_type type;
    const char *text; /* borrowed until the next call */
    size_t n_text;
    int32_t token; /* -1 if the text is only what was held back */
    hearth_finish_reason reason;
    const char *stop_word; /* borrowed from the options */
    size_t n_prompt;
    size_t n_prompt_done;
    size_t n_generated;
    double prompt_ms; /* time spent in reading the prompt and in writing so far */
    double generate_ms;
} hearth_event;

typedef struct hearth_generate_options {
    size_t struct_size;      /* set by hearth_generate_options_init */
    int32_t max_tokens;      /* -1: until the model stops or the context is full */
    const char *const *stop; /* stop strings; not given out */
    size_t n_stop;
    bool ignore_eos;         /* go on past the model's end tokens (they are forbidden) */
    bool special;            /* write control tokens as text */
    hearth_matcher *matcher; /* the grammar of the answer, or NULL; used and moved on, not owned. An
                                answer to which nothing may be added any more ends (STOP) */
} hearth_generate_options;
/* max_tokens -1, everything else 0. */
HEARTH_API void hearth_generate_options_init(hearth_generate_options *options);

typedef struct hearth_generation hearth_generation;

/* The prompt is copied. Session and sampler are used, not owned, and must outlive the generation;
 * an empty prompt goes on from the session's logits. Strings in options must outlive it too.
 * ECONTEXT at once if the prompt does not fit. */
HEARTH_API hearth_status hearth_generation_new(hearth_generation **out, hearth_session *session,
                                               hearth_sampler *sampler, const int32_t *prompt,
                                               size_t n_prompt,
                                               const hearth_generate_options *options,
                                               hearth_error *err);
HEARTH_API void hearth_generation_free(hearth_generation *generation);

/* The next event. After DONE every further call gives DONE again. Cancellation is a DONE event with
 * HEARTH_FINISH_CANCELED, and what was written stays in the session. */
HEARTH_API hearth_status hearth_generation_next(hearth_generation *generation, hearth_event *event,
                                                hearth_error *err);

#ifdef __cplusplus
}
#endif
#endif
