/* SPDX-License-Identifier: MIT
 *
 * test_attention.c - the attention kernels of every instruction set that this machine runs.
 *
 *   scalar   against softmax in double precision over the values as they were given, within bounds
 *            for each kind of cache
 *   all      against scalar with memcmp: stored tiles, and results with the rows in one block, in
 *            uneven blocks and one by one, which must all be the same bits
 *
 * A program without a framework, as test_float.c:  kernels_test_attention [ISA...]
 * kernels_test_attention --bench ISA tells how fast they are.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "kernels/kernels.h"
#include "os/cpu.h"
#include "support/kernel_check.h"

enum { N_TILES = 5, N_POSITIONS = N_TILES * ATTN_TILE, CHUNK_TILES = 2, GUARD = 8, MAX_DIM = 144 };
static const float guard_value = 12345.0f;

typedef struct problem {
    cache_type type_k, type_v;
    size_t dim_k, dim_v, n_rows;
    bool windows, tilted, sinks;
    float softcap;
    float *k, *v, *q; /* [N_POSITIONS][dim], [n_rows][dim_k] */
    attn_row rows[ATTN_ROWS];
    float sink[ATTN_ROWS];
} problem;

typedef struct tiles {
    uint8_t *keys, *values;
    size_t key_bytes, value_bytes; /* of a tile */
} tiles;

static float *random_floats(size_t n, float range)
{
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        x[i] = rng_float(-range, range);
    return x;
}

static void make(problem *p)
{
    p->k = random_floats(N_POSITIONS * p->dim_k, 2);
    p->v = random_floats(N_POSITIONS * p->dim_v, 2);
    p->q = random_floats(p->n_rows * p->dim_k, 3);
    if (!p->k || !p->v || !p->q)
        exit(1);
    /* An outlying element, a row of nothing, and one too small for a scale. */
    p->k[3 * p->dim_k] = 40.0f;
    memset(p->k + 9 * p->dim_k, 0, p->dim_k * sizeof *p->k);
    memset(p->v + 9 * p->dim_v, 0, p->dim_v * sizeof *p->v);
    for (size_t i = 0; i < p->dim_v; i++)
        p->v[70 * p->dim_v + i] *= 1e-39f;
    for (size_t i = 0; i < p->n_rows; i++) {
        uint32_t last = (uint32_t)rng_float(0, N_POSITIONS - 1);
        p->sink[i] = rng_float(-3, 3);
        p->rows[i] = (attn_row){.q = p->q + i * p->dim_k,
                                .low = p->windows && last > 90 ? last - 90 : 0,
                                .high = last + 1,
                                .position = last,
                                .slope = p->tilted ? 0.05f * (float)(i % 8 + 1) : 0.0f,
                                .sink = p->sinks ? &p->sink[i] : NULL};
    }
    p->rows[0].high = 1;
    p->rows[0].low = 0;
}

static void drop(problem *p)
{
    free(p->k);
    free(p->v);
    free(p->q);
}

static tiles store(const attn_kernels *k, const problem *p)
{
    tiles t = {.key_bytes = attn_keys_bytes(p->type_k, p->dim_k),
               .value_bytes = attn_values_bytes(p->type_v, p->dim_v)};
    CHECK(t.key_bytes % MEM_ALIGN == 0 && t.value_bytes % MEM_ALIGN == 0, "%zu and %zu bytes",
          t.key_bytes, t.value_bytes);
    t.keys = mem_alloc_aligned(N_TILES * t.key_bytes);
    t.values = mem_alloc_aligned(N_TILES * t.value_bytes);
    if (!t.keys || !t.values)
        exit(1);
    memset(t.keys, 0, N_TILES * t.key_bytes);
    memset(t.values, 0, N_TILES * t.value_bytes);
    for (size_t i = 0; i < N_POSITIONS; i++) {
        size_t tile = i / ATTN_TILE, slot = i % ATTN_TILE;
        k->store_key(p->type_k, p->k + i * p->dim_k, p->dim_k, slot, t.keys + tile * t.key_bytes);
        k->store_value(p->type_v, p->v + i * p->dim_v, p->dim_v, slot,
                       t.values + tile * t.value_bytes);
    }
    return t;
}

static void tiles_drop(tiles *t)
{
    mem_free(t->keys);
    mem_free(t->values);
}

/* Rows [first, end) as one block. */
static void run_block(const attn_kernels *k, const problem *p, const tiles *t, size_t first,
                      size_t end, float *out)
{
    attn_row rows[ATTN_ROWS];
    uint32_t high = 0, low = UINT32_MAX;
    size_t bytes = attn_block_bytes(end - first, p->dim_k, p->dim_v);
    uint8_t *scratch = mem_alloc_aligned(bytes + MEM_ALIGN);
    if (!scratch)
        exit(1);
    memset(scratch, 0xff, bytes + MEM_ALIGN);
    for (size_t i = first; i < end; i++) {
        rows[i - first] = p->rows[i];
        rows[i - first].out = out + i * p->dim_v;
        high = p->rows[i].high > high ? p->rows[i].high : high;
        low = p->rows[i].low < low ? p->rows[i].low : low;
    }
    attn_block b = {.type_k = p->type_k,
                    .type_v = p->type_v,
                    .head_dim_k = p->dim_k,
                    .head_dim_v = p->dim_v,
                    .scale = 1.0f / sqrtf((float)p->dim_k),
                    .softcap = p->softcap,
                    .n_rows = end - first,
                    .rows = rows};
    attn_block_init(&b, scratch);
    k->begin(&b);
    for (size_t chunk = low / ATTN_TILE / CHUNK_TILES; chunk * CHUNK_TILES * ATTN_TILE < high;
         chunk++) {
        k->start(&b);
        for (size_t i = chunk * CHUNK_TILES; i < (chunk + 1) * CHUNK_TILES; i++) {
            /* what is next is fetched, even where nothing is */
            b.next_keys = i % 3 ? t->keys + (i + 1) * t->key_bytes : NULL;
            b.next_values = i % 3 ? t->values + (i + 1) * t->value_bytes : NULL;
            if (i * ATTN_TILE < high && (i + 1) * ATTN_TILE > low)
                k->tile(&b, t->keys + i * t->key_bytes, t->values + i * t->value_bytes,
                        (uint32_t)(i * ATTN_TILE));
        }
        k->fold(&b);
    }
    k->end(&b);
    for (size_t i = 0; i < MEM_ALIGN; i++)
        CHECK(scratch[bytes + i] == 0xff, "scratch of %zu rows overrun", end - first);
    mem_free(scratch);
}

/* All rows, `step` to a block. */
static float *run(const attn_kernels *k, const problem *p, const tiles *t, size_t step)
{
    size_t n = p->n_rows * p->dim_v;
    float *out = malloc((n + GUARD) * sizeof *out);
    if (!out)
        exit(1);
    for (size_t i = 0; i < n + GUARD; i++)
        out[i] = guard_value;
    for (size_t first = 0; first < p->n_rows; first += step)
        run_block(k, p, t, first, first + step < p->n_rows ? first + step : p->n_rows, out);
    for (size_t i = n; i < n + GUARD; i++)
        CHECK(out[i] == guard_value, "wrote past the end");
    return out;
}

/* Row r in double precision. */
static void solve(const problem *p, size_t r, double *out)
{
    const attn_row *row = &p->rows[r];
    double total = 0.0, s[N_POSITIONS], most = p->sinks ? (double)p->sink[r] : -1e30;
    for (uint32_t j = row->low; j < row->high; j++) {
        s[j] = 0.0;
        for (size_t i = 0; i < p->dim_k; i++)
            s[j] += (double)row->q[i] * p->k[j * p->dim_k + i];
        s[j] /= sqrt((double)p->dim_k);
        if (p->softcap != 0.0f)
            s[j] = p->softcap * tanh(s[j] / p->softcap);
        s[j] -= (double)row->slope * log(2.0) * fabs((double)row->position - j);
        most = s[j] > most ? s[j] : most;
    }
    for (size_t i = 0; i < p->dim_v; i++)
        out[i] = 0.0;
    for (uint32_t j = row->low; j < row->high; j++) {
        double w = exp(s[j] - most);
        total += w;
        for (size_t i = 0; i < p->dim_v; i++)
            out[i] += w * p->v[j * p->dim_v + i];
    }
    if (p->sinks)
        total += exp((double)p->sink[r] - most);
    for (size_t i = 0; i < p->dim_v; i++)
        out[i] /= total;
}

static void expect_truth(const problem *p, const float *out)
{
    static const double bounds[CACHE_COUNT] = {4e-6, 2e-3, 4e-1};
    double bound = fmax(bounds[p->type_k], bounds[p->type_v]), truth[MAX_DIM];
    for (size_t r = 0; r < p->n_rows; r++) {
        solve(p, r, truth);
        for (size_t i = 0; i < p->dim_v; i++)
            CHECK(fabs(out[r * p->dim_v + i] - truth[i]) < bound,
                  "caches %d %d, %zu rows, row %zu, element %zu: %.9g, not %.9g", p->type_k,
                  p->type_v, p->n_rows, r, i, (double)out[r * p->dim_v + i], truth[i]);
    }
}

static void expect_same(const problem *p, const float *a, const float *b, size_t step,
                        const char *isa)
{
    CHECK(memcmp(a, b, p->n_rows * p->dim_v * sizeof *a) == 0,
          "%s: caches %d %d, %zu x %zu, %zu rows by %zu differ", isa, p->type_k, p->type_v,
          p->dim_k, p->dim_v, p->n_rows, step);
}

static void test_problem(const kernels *k, problem *p)
{
    static const size_t steps[] = {ATTN_ROWS, 1, 5, 9, 37};
    const kernels *scalar = kernels_get("scalar");
    make(p);
    tiles expected = store(scalar->attn, p), t = store(k->attn, p);
    CHECK(memcmp(expected.keys, t.keys, N_TILES * t.key_bytes) == 0, "%s: keys, cache %d", k->isa,
          p->type_k);
    CHECK(memcmp(expected.values, t.values, N_TILES * t.value_bytes) == 0, "%s: values, cache %d",
          k->isa, p->type_v);
    float *reference = run(scalar->attn, p, &expected, ATTN_ROWS);
    if (k == scalar)
        expect_truth(p, reference);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        float *out = run(k->attn, p, &t, steps[i]);
        expect_same(p, reference, out, steps[i], k->isa);
        free(out);
    }
    free(reference);
    tiles_drop(&expected);
    tiles_drop(&t);
    drop(p);
}

/* What a row does not see, infinite or not a number, does not touch it. */
static void test_unseen(const kernels *k, cache_type type)
{
    problem p = {.type_k = type, .type_v = type, .dim_k = 32, .dim_v = 32, .n_rows = 20};
    make(&p);
    for (size_t i = 0; i < p.n_rows; i++)
        p.rows[i].high = 100 + (uint32_t)i;
    tiles t = store(k->attn, &p);
    float *before = run(k->attn, &p, &t, ATTN_ROWS);
    tiles_drop(&t);
    p.k[125 * p.dim_k] = NAN;
    p.k[126 * p.dim_k] = INFINITY;
    p.v[125 * p.dim_v] = NAN;
    p.v[126 * p.dim_v + 5] = -INFINITY;
    t = store(k->attn, &p);
    float *after = run(k->attn, &p, &t, ATTN_ROWS);
    expect_same(&p, before, after, ATTN_ROWS, k->isa);
    for (size_t i = 0; i < p.n_rows * p.dim_v; i++)
        CHECK(isfinite(after[i]), "%s: cache %d: element %zu", k->isa, type, i);
    free(before);
    free(after);
    tiles_drop(&t);
    drop(&p);
}

static void test_isa(const char *isa)
{
    static const size_t dims[][2] = {{64, 64}, {128, 128}, {80, 80}, {7, 9}, {33, 16}, {2, 144}};
    static const size_t rows[] = {1, 3, 8, 9, 16, 33, 300};
    const kernels *k = kernels_get(isa);
    cpu_isa chosen;
    size_t n = 0;
    if (k == NULL || cpu_choose_isa(isa, &chosen, NULL) != HEARTH_OK) {
        printf("%-8s skipped: not on this machine\n", isa);
        return;
    }
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++, n++) {
            problem p = {.type_k = (cache_type)(n % 3),
                         .type_v = (cache_type)((n + n / 3 % 3 / 2) % 3),
                         .dim_k = dims[d][0],
                         .dim_v = dims[d][1],
                         .n_rows = rows[r],
                         .windows = n % 4 == 1,
                         .tilted = n % 5 == 2,
                         .sinks = n % 6 == 3,
                         .softcap = n % 7 == 4 ? 20.0f : 0.0f};
            test_problem(k, &p);
        }
    }
    for (int type = 0; type < CACHE_COUNT; type++)
        test_unseen(k, (cache_type)type);
    printf("%-8s %s\n", isa, failures ? "FAILED" : "ok");
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Nanoseconds for a row and a tile that it sees whole: the same few tiles again and again. */
static double bench_rows(const kernels *k, cache_type type, size_t dim, size_t n_rows)
{
    problem p = {.type_k = type, .type_v = type, .dim_k = dim, .dim_v = dim, .n_rows = n_rows};
    make(&p);
    tiles t = store(k->attn, &p);
    float *out = malloc(n_rows * dim * sizeof *out);
    void *scratch = mem_alloc_aligned(attn_block_bytes(n_rows, dim, dim));
    if (!out || !scratch)
        exit(1);
    for (size_t i = 0; i < n_rows; i++) {
        p.rows[i].low = 0;
        p.rows[i].high = N_POSITIONS;
        p.rows[i].out = out + i * dim;
    }
    attn_block b = {.type_k = type,
                    .type_v = type,
                    .head_dim_k = dim,
                    .head_dim_v = dim,
                    .scale = 0.1f,
                    .n_rows = n_rows,
                    .rows = p.rows};
    attn_block_init(&b, scratch);
    k->attn->begin(&b);
    double best = 1e9, begin = seconds();
    do {
        double start = seconds();
        k->attn->start(&b);
        for (size_t i = 0; i < N_TILES; i++)
            k->attn->tile(&b, t.keys + i * t.key_bytes, t.values + i * t.value_bytes,
                          (uint32_t)(i * ATTN_TILE));
        best = fmin(best, seconds() - start);
    } while (seconds() - begin < 0.1);
    mem_free(scratch);
    free(out);
    tiles_drop(&t);
    drop(&p);
    return best * 1e9 / (double)(N_TILES * n_rows);
}

static void bench(const char *isa)
{
    static const char *const names[CACHE_COUNT] = {"F32", "F16", "Q8_0"};
    static const size_t rows[] = {1, 4, 8, 16, 128, 512};
    const kernels *k = kernels_get(isa);
    if (k == NULL || cpu_best_isa() == CPU_ISA_SCALAR)
        return;
    printf("%s, one thread, ns for a row and a tile, by rows of a block\n", isa);
    for (size_t dim = 64; dim <= 128; dim *= 2) {
        for (int type = 0; type < CACHE_COUNT; type++) {
            printf("%-4s %3zu", names[type], dim);
            for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
                printf(" %8.1f", bench_rows(k, (cache_type)type, dim, rows[i]));
            printf("\n");
        }
    }
}

int main(int argc, char **argv)
{
    rng_state = 7;
    if (argc == 3 && strcmp(argv[1], "--bench") == 0) {
        bench(argv[2]);
        return 0;
    }
    static const char *const all[] = {"scalar", "avx2", "avx512", "amx", "neon"};
    printf("seed %llu\n", (unsigned long long)rng_state);
    for (int i = 1; i < argc; i++)
        test_isa(argv[i]);
    for (size_t i = 0; i < sizeof all / sizeof *all && argc == 1; i++)
        test_isa(all[i]);
    return failures ? 1 : 0;
}
