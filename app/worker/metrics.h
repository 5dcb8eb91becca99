/* SPDX-License-Identifier: MIT
 *
 * metrics.h - what /metrics tells beside the engine's own statistics: how long clients waited.
 *
 * Histograms with fixed bounds. Any thread; counters are atomic and never go back.
 */
#ifndef HEARTH_WORKER_METRICS_H
#define HEARTH_WORKER_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include <hearth/engine.h>

#include "base/buf.h"

enum { METRICS_BUCKETS = 16 };

typedef struct histogram {
    atomic_uint_fast64_t buckets[METRICS_BUCKETS + 1]; /* the last one: longer than all bounds */
    atomic_uint_fast64_t sum_us;
} histogram;

typedef struct metrics {
    histogram first_token;             /* from the request to its first token */
    histogram inter_token;             /* from one token to the next */
    histogram queue;                   /* waiting for a place */
    atomic_uint_fast64_t responses[6]; /* by the first digit of their status */
    atomic_uint_fast64_t n_tokens_max; /* most tokens of one request, prompt and answer */
} metrics;

void histogram_add(histogram *h, double ms);
void metrics_response(metrics *m, int status);
void metrics_tokens(metrics *m, uint64_t n);

/* Prometheus' text format; false: out of memory. */
bool metrics_write(metrics *m, const hearth_engine_stats *stats, buf *out);

#endif
