/* SPDX-License-Identifier: MIT
 *
 * answer.h - one answer: a prompt fed, text streamed to standard output, numbers kept.
 *
 * An interrupt ends the answer, not the session: what was read and written stays in it.
 */
#ifndef HEARTH_CLI_ANSWER_H
#define HEARTH_CLI_ANSWER_H

#include <hearth/generate.h>
#include <jansson.h>

#include "base/buf.h"

typedef struct answer_request {
    hearth_session *session;
    hearth_sampler *sampler;
    hearth_generate_options generate;
    bool silent; /* keep the text, write none */
} answer_request;

typedef struct answer {
    buf text;
    hearth_finish_reason reason;
    const char *stop_word; /* or NULL */
    json_t *told_word;     /* what stop_word points into, where a server told it */
    json_t *tokens;        /* of a server's answer; NULL: they are in the session */
    size_t at;             /* tokens in the session before the prompt */
    size_t n_prompt, n_generated;
    double prompt_ms, generate_ms;
} answer;

void answer_deinit(answer *a);

/* Text that has come: kept, and unless silent on standard output. EIO if it cannot be written. */
hearth_status answer_take(answer *a, const char *text, size_t n, bool silent, hearth_error *err);

/* Overwrites *a, which must be zeroed or an answer. Failing to write is EIO. */
hearth_status answer_run(const answer_request *request, const int32_t *prompt, size_t n_prompt,
                         answer *a, hearth_error *err);

/* "stop", "word", "length", "context" or "canceled". */
const char *answer_reason_name(hearth_finish_reason reason);

/* Reading and writing speed, one line on standard error. */
void answer_note_timings(const answer *a);

#endif
