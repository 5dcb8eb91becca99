/* SPDX-License-Identifier: MIT
 *
 * thread_pool.c - see thread_pool.h.
 *
 * One word tells whether a run is open and how many workers are inside it:
 *
 *   caller                                      worker
 *   job = ...; next = 0; gate = OPEN            sees `generation` change (spinning or woken)
 *   generation += 1, wakes sleepers             gate += 1 if OPEN is set, or goes back to waiting
 *   takes chunks until none is left             takes chunks until none is left
 *   gate &= ~OPEN                               gate -= 1
 *   waits for the count in gate to be 0
 *
 * A worker that wakes too late finds the gate shut and nobody has waited for it, so a small run
 * costs no more than the caller's own work when the other cores are busy elsewhere. The job's
 * fields are written only while the gate is shut and empty, and read only inside it.
 */
#include "os/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "os/cpu.h"
#include "os/thread.h"

enum {
    SPINS = 3000, /* pauses before sleeping: some 50 to 150 microseconds */
    GATE_OPEN = 1 << 16,
    GATE_CALLER_SLEEPS = 1 << 17,
    GATE_COUNT = GATE_OPEN - 1,
};

typedef struct worker {
    thread_pool *pool;
    pthread_t thread;
    int index;
} worker;

struct thread_pool {
    thread_pool_fn fn;
    void *arg;
    size_t n_chunks;
    int n_threads;
    int n_started; /* workers[1 .. n_started] have a thread */
    int spins;
    worker *workers;
    pthread_mutex_t mutex; /* guards sleeping only */
    pthread_cond_t wake;   /* a new generation, or closing */
    pthread_cond_t done;   /* the last worker left a shut gate */
    alignas(MEM_ALIGN) atomic_size_t next_chunk;
    alignas(MEM_ALIGN) atomic_uint gate;
    alignas(MEM_ALIGN) atomic_uint generation;
    atomic_int n_sleeping;
    atomic_bool closing;
};

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static void take_chunks(thread_pool *pool, int index)
{
    size_t n_chunks = pool->n_chunks;
    for (;;) {
        size_t chunk = atomic_fetch_add_explicit(&pool->next_chunk, 1, memory_order_relaxed);
        if (chunk >= n_chunks)
            return;
        pool->fn(pool->arg, chunk, index);
    }
}

static bool enter(thread_pool *pool)
{
    unsigned gate = atomic_load(&pool->gate);
    while (gate & GATE_OPEN) {
        if (atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1))
            return true;
    }
    return false;
}

static void leave(thread_pool *pool)
{
    unsigned before = atomic_fetch_sub(&pool->gate, 1);
    if (before == (GATE_CALLER_SLEEPS | 1)) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_signal(&pool->done);
        pthread_mutex_unlock(&pool->mutex);
    }
}

/* Returns the generation that differs from `seen`; false if the pool closes. */
static bool await_generation(thread_pool *pool, unsigned *seen)
{
    for (int i = 0; i < pool->spins; i++) {
        unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != *seen) {
            *seen = now;
            return !atomic_load(&pool->closing);
        }
        pause_cpu();
    }
    /* Announced before the last look at `generation`, while the caller raises `generation` before
     * it looks for sleepers: one of the two sees the other. */
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (atomic_load(&pool->generation) == *seen)
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->n_sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
    *seen = atomic_load(&pool->generation);
    return !atomic_load(&pool->closing);
}

static void *work(void *user)
{
    worker *self = user;
    thread_pool *pool = self->pool;
    unsigned seen = 0;
    while (await_generation(pool, &seen)) {
        if (!enter(pool))
            continue;
        take_chunks(pool, self->index);
        leave(pool);
    }
    return NULL;
}

static void next_generation(thread_pool *pool)
{
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->n_sleeping) == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

static void shut_gate(thread_pool *pool)
{
    unsigned inside = atomic_fetch_and(&pool->gate, ~(unsigned)GATE_OPEN) & GATE_COUNT;
    for (int i = 0; inside != 0 && i < pool->spins; i++) {
        pause_cpu();
        inside = atomic_load_explicit(&pool->gate, memory_order_acquire);
    }
    if (inside == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_or(&pool->gate, GATE_CALLER_SLEEPS);
    while (atomic_load(&pool->gate) & GATE_COUNT)
        pthread_cond_wait(&pool->done, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void thread_pool_run(thread_pool *pool, thread_pool_fn fn, void *arg, size_t n_chunks)
{
    if (pool->n_threads == 1 || n_chunks <= 1) {
        for (size_t chunk = 0; chunk < n_chunks; chunk++)
            fn(arg, chunk, 0);
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    pool->n_chunks = n_chunks;
    atomic_store_explicit(&pool->next_chunk, 0, memory_order_relaxed);
    atomic_store(&pool->gate, GATE_OPEN);
    next_generation(pool);
    take_chunks(pool, 0);
    shut_gate(pool);
}

static int start_worker(worker *self)
{
    sigset_t before;
    thread_block_signals(&before);
    int code = pthread_create(&self->thread, NULL, work, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* Two chunks may wait for each other, so two threads asked for are never one. */
static int count_running(int n_threads)
{
    int n_cpus = cpu_usable();
    if (n_cpus < 2)
        n_cpus = 2;
    return n_threads < n_cpus ? n_threads : n_cpus;
}

hearth_status thread_pool_open(thread_pool **out, int n_threads, hearth_error *err)
{
    if (n_threads < 1 || n_threads > THREAD_POOL_MAX)
        FAIL(err, EINVAL, "threads", "%d threads; give 1 to %d", n_threads, THREAD_POOL_MAX);
    thread_pool *pool = mem_alloc_aligned(sizeof *pool);
    if (pool == NULL)
        return error_no_memory(err, "a thread pool", sizeof *pool);
    memset(pool, 0, sizeof *pool);
    pool->n_threads = n_threads;
    int n_running = count_running(n_threads);
    pool->spins = n_running > cpu_usable() ? 0 : SPINS;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = mem_calloc((size_t)n_threads, sizeof *pool->workers);
    if (pool->workers == NULL) {
        thread_pool_close(pool);
        return error_no_memory(err, "a thread pool", (size_t)n_threads * sizeof *pool->workers);
    }
    for (int i = 1; i < n_running; i++) {
        pool->workers[i] = (worker){.pool = pool, .index = i};
        int code = start_worker(&pool->workers[i]);
        if (code != 0) {
            thread_pool_close(pool);
            FAIL(err, ENOMEM, "threads", "the system gives no thread %d of %d: %s; use fewer", i,
                 n_running, strerror(code));
        }
        pool->n_started = i;
    }
    *out = pool;
    return HEARTH_OK;
}

void thread_pool_close(thread_pool *pool)
{
    if (pool == NULL)
        return;
    atomic_store(&pool->closing, true);
    next_generation(pool);
    for (int i = 1; i <= pool->n_started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    mem_free(pool->workers);
    mem_free(pool);
}

int thread_pool_size(const thread_pool *pool)
{
    return pool->n_threads;
}
