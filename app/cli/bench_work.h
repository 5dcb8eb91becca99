/* SPDX-License-Identifier: MIT
 *
 * bench_work.h - how much memory a token's computation must read, and how many operations it takes,
 * counted from the model's shape: what a measured speed is compared with.
 *
 * Counted are the matrices and the attention. Activations, norms and the sampling are left out, and
 * where a model attends only to a window all its layers are taken to: both make the counts, and the
 * percentages made from them, a little too small, never too large.
 */
#ifndef HEARTH_CLI_BENCH_WORK_H
#define HEARTH_CLI_BENCH_WORK_H

#include <hearth/hearth.h>

/* One matrix, or what several of a kind are together. */
typedef struct bench_matrices {
    double bytes;
    double int_ops, float_ops; /* per token that goes through them */
} bench_matrices;

typedef struct bench_model {
    bench_matrices layers;    /* all that every token goes through */
    bench_matrices experts;   /* of which a token goes through n_expert_used of n_expert */
    bench_matrices output;    /* only tokens whose logits are asked for */
    double expert_share;      /* n_expert_used / n_expert */
    bench_matrices attention; /* per position attended to; 16-bit products count as one, too */
    double window;            /* positions; 0: all */
} bench_model;

/* cache: how the session to be measured keeps keys and values. */
hearth_status bench_model_count(bench_model *out, const hearth_model *model,
                                const hearth_session_options *cache, hearth_error *err);

/* Means over the tokens of a run. */
typedef struct bench_work {
    double bytes, int_ops, float_ops;
} bench_work;

/* n tokens after `depth` others, in passes of `pass`; logits for each, or for the last alone. */
bench_work bench_work_per_token(const bench_model *m, size_t depth, size_t n, size_t pass,
                                bool all_logits);

#endif
