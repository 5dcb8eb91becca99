/* SPDX-License-Identifier: MIT
 *
 * thread_pool.h - fork and join: n threads run the chunks of one job, then sleep.
 *
 * What     A job is fn(arg, chunk, worker) for chunk = 0 .. n_chunks-1. Chunks are handed out by an
 *          atomic counter, so a slow core simply does fewer. The calling thread is worker 0.
 * Threads  One run at a time per pool. Results must not depend on which worker ran a chunk.
 * Idle     Workers spin briefly after a job (the next one usually follows within microseconds),
 *          then sleep on a condition variable. No more threads are started than can run at the
 *          same time: they would only take turns, and every job would wait for the last turn.
 */
#ifndef HEARTH_OS_THREAD_POOL_H
#define HEARTH_OS_THREAD_POOL_H

#include <stddef.h>

#include "base/status.h"

typedef struct thread_pool thread_pool;
typedef void (*thread_pool_fn)(void *arg, size_t chunk, int worker);

enum { THREAD_POOL_MAX = 512 };

/* n_threads in 1..THREAD_POOL_MAX counts the caller; 1 starts no thread, and more than one at least
 * one. */
hearth_status thread_pool_open(thread_pool **out, int n_threads, hearth_error *err);
void thread_pool_close(thread_pool *pool);
int thread_pool_size(const thread_pool *pool);
void thread_pool_run(thread_pool *pool, thread_pool_fn fn, void *arg, size_t n_chunks);

#endif
