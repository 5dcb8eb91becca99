/* SPDX-License-Identifier: MIT
 *
 * engine_run.c - see engine_run.h.
 */
#include "support/engine_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/token_probs.h"

static void check(hearth_status status, const hearth_error *err)
{
    if (status == HEARTH_OK)
        return;
    fprintf(stderr, "%s: %s\n", hearth_status_name(status), err->message);
    exit(1);
}

static void add_token(engine_run *run, int32_t token, float logprob, const hearth_token_prob *top,
                      size_t n_top)
{
    if (run->n_tokens < ENGINE_RUN_TOKENS)
        run->tokens[run->n_tokens++] = token;
    run->hash = hash_bytes(run->hash, &token, sizeof token);
    run->hash = hash_bytes(run->hash, &logprob, sizeof logprob);
    run->hash = hash_bytes(run->hash, top, n_top * sizeof *top);
}

void engine_run_read(engine_run *run, hearth_request *request)
{
    hearth_request_event event;
    size_t n_text = 0;
    memset(run, 0, sizeof *run);
    run->hash = HASH_START;
    for (;;) {
        run->status = hearth_request_next(request, -1, &event, &run->err);
        if (run->status != HEARTH_OK || event.type == HEARTH_REQUEST_DONE)
            break;
        run->n_prompt_events += event.type == HEARTH_REQUEST_PROMPT;
        if (event.type != HEARTH_REQUEST_TOKEN)
            continue;
        if (event.token >= 0)
            add_token(run, event.token, event.logprob, event.top, event.n_top);
        if (n_text + event.n_text < ENGINE_RUN_TEXT)
            memcpy(run->text + n_text, event.text, event.n_text);
        n_text += event.n_text;
    }
    if (run->status == HEARTH_OK)
        run->done = event;
    hearth_request_free(request);
}

void engine_run_whole(engine_run *run, hearth_engine *engine, const hearth_request_options *options)
{
    hearth_request *request;
    hearth_error err;
    check(hearth_engine_submit(engine, options, &request, &err), &err);
    engine_run_read(run, request);
}

void engine_run_text(int32_t *tokens, size_t n, uint32_t n_vocab, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        tokens[i] = (int32_t)(3 + (x >> 8) % (n_vocab - 3));
    }
}

void engine_run_session(engine_run *run, const hearth_model *model, uint32_t n_ctx,
                        hearth_cache_type cache, const hearth_request_options *o)
{
    hearth_error err;
    hearth_session *session;
    hearth_sampler *sampler;
    hearth_session_options options;
    hearth_token_prob *top = calloc(o->n_probs + 1, sizeof *top);
    size_t n_vocab = hearth_model_get_info(model)->n_vocab;
    memset(run, 0, sizeof *run);
    run->hash = HASH_START;
    hearth_session_options_init(&options);
    options.n_ctx = n_ctx;
    options.cache_type_k = options.cache_type_v = cache;
    check(hearth_session_open(&session, model, &options, &err), &err);
    check(hearth_sampler_new(&sampler, model, n_ctx, o->sampler, &err), &err);
    for (size_t i = 0; i < o->n_tokens; i++)
        check(hearth_sampler_accept(sampler, o->tokens[i], &err), &err);
    check(hearth_session_feed(session, o->tokens, o->n_tokens, NULL, &err), &err);
    for (int32_t i = 0; i < o->max_tokens; i++) {
        int32_t token;
        const float *logits = hearth_session_logits(session);
        double offset = token_probs_offset(logits, n_vocab);
        check(hearth_sampler_sample(sampler, logits, &token, &err), &err);
        check(hearth_sampler_accept(sampler, token, &err), &err);
        size_t n_top = token_probs_top(logits, n_vocab, o->n_probs, offset, top);
        add_token(run, token, (float)((double)logits[token] - offset), top, n_top);
        if (hearth_token_ends_answer(model, token))
            break;
        check(hearth_session_feed(session, &token, 1, NULL, &err), &err);
    }
    free(top);
    hearth_sampler_free(sampler);
    hearth_session_close(session);
}
