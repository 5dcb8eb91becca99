/* SPDX-License-Identifier: MIT
 *
 * bench_run.c - see bench_run.h.
 */
#include "cli/bench_run.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/status.h"
#include "os/clock.h"

static void fill(int32_t *tokens, size_t n, size_t first, uint32_t n_vocab)
{
    for (size_t i = 0; i < n; i++)
        tokens[i] = (int32_t)(((first + i) * 7919 + 13) % n_vocab);
}

static bool take_logits(void *user, size_t position, const float *logits, size_t n_vocab)
{
    (void)user;
    (void)position;
    (void)logits;
    (void)n_vocab;
    return true;
}

/* Brings the session to c->depth tokens. */
static hearth_status go_to_depth(const bench_case *c, hearth_session *session, int32_t *tokens,
                                 hearth_error *err)
{
    hearth_feed_options options;
    uint32_t n_vocab = hearth_model_get_info(hearth_session_model(session))->n_vocab;
    size_t have = hearth_session_n_tokens(session);
    if (have >= c->depth)
        return hearth_session_rewind(session, c->depth, err);
    hearth_feed_options_init(&options);
    options.no_logits = true;
    fill(tokens, c->depth - have, have, n_vocab);
    return hearth_session_feed(session, tokens, c->depth - have, &options, err);
}

static hearth_status run_once(const bench_case *c, hearth_session *session, const int32_t *tokens,
                              double *seconds, hearth_error *err)
{
    hearth_feed_options options;
    hearth_feed_options_init(&options);
    size_t step = c->prompt ? c->n : c->pass;
    if (!c->prompt && c->pass > 1)
        options.on_logits = take_logits;
    uint64_t started = clock_now_ns();
    for (size_t done = 0; done < c->n; done += step) {
        size_t n = c->n - done < step ? c->n - done : step;
        TRY(hearth_session_feed(session, tokens + done, n, &options, err));
    }
    uint64_t ns = clock_now_ns() - started;
    *seconds = (double)(ns ? ns : 1) / 1e9;
    return HEARTH_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_case_median(const bench_case *c)
{
    return (c->speeds[(c->n_runs - 1) / 2] + c->speeds[c->n_runs / 2]) / 2;
}

hearth_status bench_case_run(bench_case *c, hearth_session *session, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    uint32_t n_vocab = hearth_model_get_info(hearth_session_model(session))->n_vocab;
    size_t most = c->n > c->depth ? c->n : c->depth;
    int32_t *tokens = mem_alloc_array(most, sizeof *tokens);
    if (tokens == NULL)
        return error_no_memory(err, "tokens", most * sizeof *tokens);
    for (size_t run = 0; run <= c->n_runs; run++) {
        double seconds;
        TRY_OUT(go_to_depth(c, session, tokens, err));
        fill(tokens, c->n, c->depth, n_vocab);
        TRY_OUT(run_once(c, session, tokens, &seconds, err));
        if (run > 0)
            c->speeds[run - 1] = (double)c->n / seconds;
    }
    qsort(c->speeds, c->n_runs, sizeof *c->speeds, ascending);
out:
    mem_free(tokens);
    return status;
}
