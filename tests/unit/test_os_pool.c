/* SPDX-License-Identifier: MIT
 *
 * test_os_pool.c - the fork-join pool: every chunk once, whatever the number of threads, chunks and
 * runs; results visible to the caller; closing at any time. Built with the tsan preset it also
 * proves that nothing races.
 */
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/clock.h"
#include "os/cpu.h"
#include "os/thread_pool.h"

enum { CHUNKS_MAX = 1000 };

typedef struct job {
    unsigned counts[CHUNKS_MAX]; /* plain: each chunk is one thread's own */
    atomic_int n_bad_workers;
    int n_threads;
} job;

static hearth_error err;

static void count(void *arg, size_t chunk, int worker)
{
    job *j = arg;
    if (worker < 0 || worker >= j->n_threads)
        atomic_fetch_add(&j->n_bad_workers, 1);
    j->counts[chunk]++;
}

static void check_runs(int n_threads, int n_runs)
{
    static const size_t sizes[] = {0, 1, 2, 3, 7, 64, CHUNKS_MAX};
    thread_pool *pool;
    assert_int_equal(thread_pool_open(&pool, n_threads, &err), HEARTH_OK);
    assert_int_equal(thread_pool_size(pool), n_threads);
    for (int round = 0; round < n_runs; round++) {
        size_t n_chunks = sizes[(size_t)round % (sizeof sizes / sizeof *sizes)];
        job j = {.n_threads = n_threads};
        thread_pool_run(pool, count, &j, n_chunks);
        for (size_t i = 0; i < CHUNKS_MAX; i++)
            assert_int_equal(j.counts[i], i < n_chunks);
        assert_int_equal(j.n_bad_workers, 0);
    }
    thread_pool_close(pool);
}

static void test_every_chunk_once(void **state)
{
    (void)state;
    check_runs(1, 50);
    check_runs(2, 700);
    check_runs(3, 200);
    check_runs(16, 100);
}

/* A run reads what the run before wrote, in any other thread. */
static void propagate(void *arg, size_t chunk, int worker)
{
    unsigned *rows = arg;
    (void)worker;
    rows[64 + chunk] = rows[(chunk + 17) % 64] + 1;
}

static void copy_back(void *arg, size_t chunk, int worker)
{
    unsigned *rows = arg;
    (void)worker;
    rows[chunk] = rows[64 + chunk];
}

static void test_runs_follow_each_other(void **state)
{
    (void)state;
    unsigned rows[128] = {0};
    thread_pool *pool;
    assert_int_equal(thread_pool_open(&pool, 2, &err), HEARTH_OK);
    for (unsigned round = 0; round < 2000; round++) {
        thread_pool_run(pool, propagate, rows, 64);
        thread_pool_run(pool, copy_back, rows, 64);
    }
    for (int i = 0; i < 64; i++)
        assert_int_equal(rows[i], 2000);
    thread_pool_close(pool);
}

/* Both threads work: a chunk that waits for another chunk ends only if two run at once. */
static void meet(void *arg, size_t chunk, int worker)
{
    atomic_int *arrived = arg;
    (void)chunk;
    (void)worker;
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < 2)
        sched_yield();
}

static void test_chunks_run_together(void **state)
{
    (void)state;
    thread_pool *pool;
    assert_int_equal(thread_pool_open(&pool, 2, &err), HEARTH_OK);
    for (int i = 0; i < 20; i++) {
        atomic_int arrived = 0;
        thread_pool_run(pool, meet, &arrived, 2);
        assert_int_equal(arrived, 2);
    }
    thread_pool_close(pool);
}

static void test_open_and_close(void **state)
{
    (void)state;
    thread_pool *pool = NULL;
    assert_int_equal(thread_pool_open(&pool, 0, &err), HEARTH_EINVAL);
    assert_non_null(strstr(err.message, "0 threads"));
    assert_int_equal(thread_pool_open(&pool, THREAD_POOL_MAX + 1, &err), HEARTH_EINVAL);
    assert_null(pool);
    thread_pool_close(NULL);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(thread_pool_open(&pool, 1 + i % 5, &err), HEARTH_OK);
        thread_pool_close(pool);
    }
}

static unsigned count_tasks(void)
{
    unsigned n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(tasks);
    return n;
}

/* Threads that could only take turns are not started, and nobody misses them. */
static void test_no_more_threads_than_cpus(void **state)
{
    (void)state;
    unsigned before = count_tasks(), n_cpus = (unsigned)cpu_usable();
    thread_pool *pool;
    assert_int_equal(thread_pool_open(&pool, 64, &err), HEARTH_OK);
    assert_int_equal(thread_pool_size(pool), 64);
    assert_true(count_tasks() - before <= (n_cpus < 2 ? 2 : n_cpus) - 1);
    thread_pool_close(pool);
    check_runs(64, 50);
}

/* Told, not judged: a busy machine may be slow. */
static void test_tell_latency(void **state)
{
    (void)state;
    enum { RUNS = 2000 };
    thread_pool *pool;
    assert_int_equal(thread_pool_open(&pool, 2, &err), HEARTH_OK);
    uint64_t begin = clock_now_ns();
    for (int i = 0; i < RUNS; i++) {
        atomic_int arrived = 0;
        thread_pool_run(pool, meet, &arrived, 2);
    }
    uint64_t elapsed = clock_now_ns() - begin;
    printf("a run in which two threads meet takes %.2f us\n", (double)elapsed / RUNS / 1000);
    thread_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_chunk_once),
        cmocka_unit_test(test_runs_follow_each_other),
        cmocka_unit_test(test_chunks_run_together),
        cmocka_unit_test(test_open_and_close),
        cmocka_unit_test(test_no_more_threads_than_cpus),
        cmocka_unit_test(test_tell_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
