/* SPDX-License-Identifier: MIT
 *
 * machine.c - hearth_machine_measure: loops that do nothing else, on all threads, the best of
 * several tries, because whatever disturbs a try makes it slower.
 */
#include <hearth/machine.h>

#include <stdio.h>
#include <string.h>

#include "kernels/peak.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/sysmem.h"
#include "os/thread_pool.h"

enum {
    TRIES = 5,
    TRY_NS = 40 * 1000 * 1000,
    PIECE_BYTES = 4 << 20, /* what a thread reads at a time */
    MOST_SECONDS = 2,      /* of reading, where it is slow */
};
static const uint64_t most_buffer_bytes = (uint64_t)1 << 30;

typedef struct job {
    uint64_t (*arithmetic)(uint64_t n_rounds); /* NULL: reading */
    uint64_t n_rounds;
    const uint64_t *data;
    uint64_t done[THREAD_POOL_MAX]; /* operations by chunk, or what was read last by worker */
} job;

static void work(void *arg, size_t chunk, int worker)
{
    job *j = arg;
    if (j->arithmetic)
        j->done[chunk] = j->arithmetic(j->n_rounds);
    else
        j->done[worker] = peak_read(j->data + chunk * (PIECE_BYTES / 8), PIECE_BYTES);
}

static double seconds_of(thread_pool *pool, job *j, size_t n_chunks)
{
    uint64_t started = clock_now_ns();
    thread_pool_run(pool, work, j, n_chunks);
    uint64_t ns = clock_now_ns() - started;
    return (double)(ns ? ns : 1) / 1e9;
}

/* Rounds are doubled until a try takes long enough to be measured. */
static double arithmetic_rate(thread_pool *pool, job *j, uint64_t (*fn)(uint64_t n_rounds))
{
    size_t n_threads = (size_t)thread_pool_size(pool);
    double best = 0, seconds;
    j->arithmetic = fn;
    j->n_rounds = 1000;
    while ((seconds = seconds_of(pool, j, n_threads)) < TRY_NS / 1e9)
        j->n_rounds *= 2;
    for (int i = 0; i < TRIES; i++) {
        double n_ops = 0;
        seconds = seconds_of(pool, j, n_threads);
        for (size_t thread = 0; thread < n_threads; thread++)
            n_ops += (double)j->done[thread];
        best = n_ops / seconds > best ? n_ops / seconds : best;
    }
    return best;
}

static hearth_status measure_reading(thread_pool *pool, job *j, hearth_machine *out,
                                     hearth_error *err)
{
    void *buffer;
    uint64_t quarter = sysmem_available() / 4;
    size_t n_pieces =
        (size_t)((quarter < most_buffer_bytes ? quarter : most_buffer_bytes) / PIECE_BYTES);
    out->buffer_bytes = (uint64_t)n_pieces * PIECE_BYTES;
    if (n_pieces == 0)
        return HEARTH_OK;
    TRY(sysmem_map(&buffer, (size_t)out->buffer_bytes, "a buffer to read", err));
    j->arithmetic = NULL;
    j->data = buffer;
    double spent = 0;
    for (int i = 0; i < TRIES && spent < MOST_SECONDS; i++) {
        double seconds = seconds_of(pool, j, n_pieces);
        double rate = (double)out->buffer_bytes / seconds;
        spent += seconds;
        out->read_bytes_per_s = rate > out->read_bytes_per_s ? rate : out->read_bytes_per_s;
    }
    sysmem_unmap(buffer, (size_t)out->buffer_bytes);
    return HEARTH_OK;
}

hearth_status hearth_machine_measure(const char *isa, int32_t n_threads, hearth_machine *out,
                                     hearth_error *err)
{
    thread_pool *pool;
    job j = {0};
    cpu_isa chosen;
    if (out == NULL)
        FAIL(err, EINVAL, "out", "hearth_machine_measure needs a place for its results");
    if (n_threads < 0 || n_threads > THREAD_POOL_MAX)
        FAIL(err, EINVAL, "n_threads", "%d threads; 1 to %d are possible, 0 takes one per core",
             n_threads, THREAD_POOL_MAX);
    TRY(cpu_choose_isa(isa, &chosen, err));
    const peak_kernels *peak = peak_get(cpu_isa_name(chosen));
    if (peak == NULL)
        FAIL(err, EUNSUPPORTED, "isa", "%s has no loops to measure", cpu_isa_name(chosen));
    TRY(thread_pool_open(&pool, n_threads ? n_threads : cpu_default_threads(), err));
    *out = (hearth_machine){.n_threads = thread_pool_size(pool), .memory_bytes = sysmem_total()};
    cpu_name(out->cpu, sizeof out->cpu);
    snprintf(out->isa, sizeof out->isa, "%s", peak->isa);
    out->int8_ops_per_s = arithmetic_rate(pool, &j, peak->int8);
    out->float_ops_per_s = arithmetic_rate(pool, &j, peak->f32);
    hearth_status status = measure_reading(pool, &j, out, err);
    thread_pool_close(pool);
    return status;
}
