/* SPDX-License-Identifier: MIT
 *
 * bench_run.h - measuring how fast a session reads and writes.
 *
 * A case is n tokens after `depth` others, in passes of `pass`: reading a prompt is one feed, with
 * the logits of its last token; writing is a feed for each pass, with the logits of every token.
 * Each case runs once to warm up and then as often as asked. Token ids are a fixed pattern: what
 * they mean does not matter for speed.
 */
#ifndef HEARTH_CLI_BENCH_RUN_H
#define HEARTH_CLI_BENCH_RUN_H

#include <hearth/hearth.h>

enum { BENCH_MAX_RUNS = 100 };

typedef struct bench_case {
    bool prompt;
    size_t n, depth, pass;
    size_t n_runs;
    double speeds[BENCH_MAX_RUNS]; /* tokens per second, slowest first once measured */
} bench_case;

double bench_case_median(const bench_case *c);

/* The session's tokens are replaced unless they are `depth` many. ECONTEXT if it is too small,
 * ECANCELED when the user stops it. */
hearth_status bench_case_run(bench_case *c, hearth_session *session, hearth_error *err);

#endif
