/* SPDX-License-Identifier: MIT
 *
 * machine.c - hearth_machine_measure: loops that do nothing else, on all threads. Many short tries,
 * of which the best counts: whatever else the machine does makes a try slower, and cannot hit them
 * all.
 */
#include <hearth/machine.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kernels/peak.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/sysmem.h"
#include "os/thread_pool.h"

enum {
    TRIES = 20,
    TRY_NS = 10 * 1000 * 1000,
    CHUNKS_PER_THREAD = 8, /* so that a thread that comes late does less */
    PIECE_BYTES = 1 << 20,
    SLICE_PIECES = 256, /* read in one try; the next reads on from there */
    MOST_SECONDS = 2,   /* of reading, where it is slow */
};
static const uint64_t most_buffer_bytes = (uint64_t)1 << 30;

typedef struct job {
    uint64_t (*arithmetic)(uint64_t n_rounds); /* NULL: reading */
    uint64_t n_rounds;
    const uint8_t *data;
    atomic_uint_fast64_t sum; /* operations; of a reading, what keeps it from being left out */
} job;

static void work(void *arg, size_t chunk, int worker)
{
    job *j = arg;
    (void)worker;
    uint64_t result =
        j->arithmetic ? j->arithmetic(j->n_rounds)
                      : peak_read((const uint64_t *)(const void *)(j->data + chunk * PIECE_BYTES),
                                  PIECE_BYTES);
    atomic_fetch_add_explicit(&j->sum, result, memory_order_relaxed);
}

static double seconds_of(thread_pool *pool, job *j, size_t n_chunks)
{
    atomic_store(&j->sum, 0);
    uint64_t started = clock_now_ns();
    thread_pool_run(pool, work, j, n_chunks);
    uint64_t ns = clock_now_ns() - started;
    return (double)(ns ? ns : 1) / 1e9;
}

/* Rounds are doubled until a try takes long enough to be measured. */
static double arithmetic_rate(thread_pool *pool, uint64_t (*fn)(uint64_t n_rounds))
{
    job j = {.arithmetic = fn, .n_rounds = 16};
    size_t n_chunks = (size_t)thread_pool_size(pool) * CHUNKS_PER_THREAD;
    double best = 0;
    while (seconds_of(pool, &j, n_chunks) < TRY_NS / 1e9)
        j.n_rounds *= 2;
    for (int i = 0; i < TRIES; i++) {
        double seconds = seconds_of(pool, &j, n_chunks), rate = (double)j.sum / seconds;
        best = rate > best ? rate : best;
    }
    return best;
}

static double reading_rate(thread_pool *pool, const uint8_t *buffer, size_t n_pieces)
{
    job j = {.data = buffer};
    size_t n = n_pieces < SLICE_PIECES ? n_pieces : SLICE_PIECES, first = 0;
    double best = 0, spent = 0;
    for (int i = 0; i < TRIES && spent < MOST_SECONDS; i++) {
        if (first + n > n_pieces)
            first = 0;
        j.data = buffer + first * PIECE_BYTES;
        double seconds = seconds_of(pool, &j, n), rate = (double)n * PIECE_BYTES / seconds;
        best = rate > best ? rate : best;
        spent += seconds;
        first += n;
    }
    return best;
}

static hearth_status measure_reading(thread_pool *pool, hearth_machine *out, hearth_error *err)
{
    void *buffer;
    uint64_t quarter = sysmem_available() / 4;
    uint64_t most = quarter < most_buffer_bytes ? quarter : most_buffer_bytes;
    size_t n_pieces = (size_t)(most / PIECE_BYTES);
    out->buffer_bytes = (uint64_t)n_pieces * PIECE_BYTES;
    if (n_pieces == 0)
        return HEARTH_OK;
    TRY(sysmem_map(&buffer, (size_t)out->buffer_bytes, "a buffer to read", err));
    out->read_bytes_per_s = reading_rate(pool, buffer, n_pieces);
    sysmem_unmap(buffer, (size_t)out->buffer_bytes);
    return HEARTH_OK;
}

hearth_status hearth_machine_measure(const char *isa, int32_t n_threads, hearth_machine *out,
                                     hearth_error *err)
{
    thread_pool *pool;
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
    out->int8_ops_per_s = arithmetic_rate(pool, peak->int8);
    out->float_ops_per_s = arithmetic_rate(pool, peak->f32);
    hearth_status status = measure_reading(pool, out, err);
    thread_pool_close(pool);
    return status;
}
