/* SPDX-License-Identifier: MIT
 *
 * engine_run.h - a request to an engine from beginning to end, and everything that it told.
 */
#ifndef HEARTH_TESTS_ENGINE_RUN_H
#define HEARTH_TESTS_ENGINE_RUN_H

#include <hearth/hearth.h>

enum { ENGINE_RUN_TEXT = 4096, ENGINE_RUN_TOKENS = 512 };

typedef struct engine_run {
    hearth_status status;
    hearth_error err;
    hearth_request_event done; /* its pointers are not to be used, but for stop_word being NULL */
    int32_t tokens[ENGINE_RUN_TOKENS];
    size_t n_tokens;
    char text[ENGINE_RUN_TEXT];
    uint64_t hash; /* of tokens, log probabilities and candidates, bit for bit */
    size_t n_prompt_events;
} engine_run;

/* Reads all events of a request and frees it. */
void engine_run_read(engine_run *run, hearth_request *request);

/* Submits and reads. Ends the program with a message if it cannot be submitted. */
void engine_run_whole(engine_run *run, hearth_engine *engine,
                      const hearth_request_options *options);

/* n tokens that depend on `seed`, in [3, n_vocab). */
void engine_run_text(int32_t *tokens, size_t n, uint32_t n_vocab, uint32_t seed);

/* The same request on a session, without an engine; done and text are not filled in. */
void engine_run_session(engine_run *run, const hearth_model *model, uint32_t n_ctx,
                        hearth_cache_type cache, const hearth_request_options *options);

#endif
