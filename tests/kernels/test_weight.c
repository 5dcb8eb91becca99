/* SPDX-License-Identifier: MIT
 *
 * test_weight.c - the weight kernels of every instruction set that this machine runs.
 *
 *   scalar   against known answers (hashes of dequantized blocks, which llama.cpp's dequantizers
 *            agreed with bit for bit) and against sums in double precision
 *   others   against scalar with memcmp, over block counts, odd numbers of rows, 1 to 8 columns,
 *            any alignment, gaps between rows and extreme quants
 *
 * Weights and activations end (or begin) at a page that cannot be read, and outputs lie between
 * guards, so touching a byte too many fails. A program without a framework, so that it is easily
 * compiled for another processor and run in an emulator:
 *
 *   kernels_test_weight [ISA...]               default: all that this CPU can run
 *   kernels_test_weight --bench ISA [FORMAT...]
 *   kernels_test_weight --panels ISA [FORMAT]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/half.h"
#include "base/mem.h"
#include "kernels/kernels.h"
#include "kernels/peak.h"
#include "os/cpu.h"
#include "support/kernel_check.h"

enum { MAX_ROWS = 49, GUARD = 16 };

/* ---- memory between two pages that cannot be touched ---- */

typedef struct fenced {
    uint8_t *map, *data; /* data: n_bytes usable, from the first page's end */
    size_t n_map, n_bytes;
} fenced;

static fenced fenced_new(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    fenced f = {.n_bytes = (n_bytes + page - 1) / page * page};
    f.n_map = f.n_bytes + 2 * page;
    f.map = mmap(NULL, f.n_map, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f.map == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    mprotect(f.map, page, PROT_NONE);
    mprotect(f.map + f.n_map - page, page, PROT_NONE);
    f.data = f.map + page;
    return f;
}

static void fenced_free(fenced *f)
{
    munmap(f->map, f->n_map);
}

/* The last n bytes before the fence. */
static uint8_t *fenced_tail(const fenced *f, size_t n)
{
    return f->data + f->n_bytes - n;
}

/* ---- random weights ---- */

/* Where a block keeps its f16 scales; the rest may be any bytes. */
static const struct {
    wtype type;
    uint8_t n, at[2];
} scale_fields[] = {
    {WTYPE_Q4_0, 1, {0}},    {WTYPE_Q4_1, 2, {0, 2}}, {WTYPE_Q5_0, 1, {0}},
    {WTYPE_Q5_1, 2, {0, 2}}, {WTYPE_Q8_0, 1, {0}},    {WTYPE_Q2_K, 2, {80, 82}},
    {WTYPE_Q3_K, 1, {108}},  {WTYPE_Q4_K, 2, {0, 2}}, {WTYPE_Q5_K, 2, {0, 2}},
    {WTYPE_Q6_K, 1, {208}},  {WTYPE_IQ2_XXS, 1, {0}}, {WTYPE_IQ2_XS, 1, {0}},
    {WTYPE_IQ3_XXS, 1, {0}}, {WTYPE_IQ1_S, 1, {0}},   {WTYPE_IQ4_NL, 1, {0}},
    {WTYPE_IQ3_S, 1, {0}},   {WTYPE_IQ2_S, 1, {0}},   {WTYPE_IQ4_XS, 1, {0}},
    {WTYPE_TQ1_0, 1, {52}},  {WTYPE_TQ2_0, 1, {64}},  {WTYPE_Q1_0, 1, {0}},
    {WTYPE_Q2_0, 1, {0}},
};

static void make_f16_finite(uint8_t *p)
{
    if ((p[1] & 0x7c) == 0x7c)
        p[1] ^= 0x40;
}

/* Makes every number in a block of random bytes finite. */
static void tame_block(wtype type, uint8_t *block)
{
    switch (type) {
    case WTYPE_F32: /* and near 1, so that products do not overflow */
        block[3] = (uint8_t)((block[3] & 0x80) | 0x3f);
        return;
    case WTYPE_BF16:
        block[1] = (uint8_t)((block[1] & 0x80) | 0x3f);
        return;
    case WTYPE_F16:
        make_f16_finite(block);
        return;
    case WTYPE_MXFP4: /* the smallest three, else around 1 */
        block[0] = block[0] < 24 ? block[0] % 3 : (uint8_t)(112 + block[0] % 32);
        return;
    case WTYPE_IQ1_M: /* the top nibbles of four u16 are the scale */
        block[55] &= 0xbf;
        return;
    default:
        for (size_t i = 0; i < sizeof scale_fields / sizeof *scale_fields; i++) {
            if (scale_fields[i].type == type) {
                for (int j = 0; j < scale_fields[i].n; j++)
                    make_f16_finite(block + scale_fields[i].at[j]);
            }
        }
    }
}

/* Rows of random blocks, or of blocks full of one byte, with junk between the rows. */
static void fill_weights(wtype type, uint8_t *w, size_t n_rows, size_t row_bytes, size_t gap)
{
    static const uint8_t extremes[] = {0x00, 0xff, 0x80, 0x7f, 0x88, 0x01};
    size_t block = wtype_get(type)->block_bytes;
    for (size_t r = 0; r < n_rows; r++, w += row_bytes + gap) {
        for (size_t i = 0; i < row_bytes; i += block) {
            bool flat = rng_bits() % 4 == 0;
            uint8_t value = extremes[rng_bits() % sizeof extremes];
            for (size_t j = 0; j < block; j++)
                w[i + j] = flat ? value : (uint8_t)rng_bits();
            if (flat) { /* with any scale */
                for (size_t f = 0; f < sizeof scale_fields / sizeof *scale_fields; f++) {
                    if (scale_fields[f].type == type)
                        w[i + scale_fields[f].at[0]] = (uint8_t)rng_bits();
                }
            }
            tame_block(type, w + i);
        }
        for (size_t i = 0; i < gap && r + 1 < n_rows; i++)
            w[row_bytes + i] = (uint8_t)rng_bits();
    }
}

static float random_float(void)
{
    return ((float)rng_bits() / (float)(1u << 30) - 1.0f) * (rng_bits() % 16 == 0 ? 30.0f : 1.0f);
}

/* Blocks of activations: noise, zeros, or full scale everywhere, of one sign or both. */
static void fill_activations(float *x, size_t k)
{
    uint32_t mode = 0;
    for (size_t i = 0; i < k; i++) {
        if (i % 256 == 0)
            mode = rng_bits() % 10;
        x[i] = mode == 0   ? 0.0f
               : mode == 1 ? 2.5f
               : mode == 2 ? -2.5f
               : mode == 3 ? (rng_bits() % 2 ? 2.5f : -2.5f)
                           : random_float();
    }
}

/* ---- scalar is right ---- */

/* FNV-1a over the dequantized floats of deterministic blocks. */
static uint64_t dequantized_hash(const weight_kernels *table, wtype type)
{
    enum { N_BLOCKS = 512 };
    const wtype_info *info = wtype_get(type);
    size_t k = N_BLOCKS * info->block_elements;
    uint8_t *w = mem_alloc(N_BLOCKS * info->block_bytes);
    float *x = mem_alloc_array(k, sizeof *x);
    rng_state = 42;
    for (size_t i = 0; i < N_BLOCKS * info->block_bytes; i++)
        w[i] = (uint8_t)rng_bits();
    for (size_t i = 0; i < N_BLOCKS; i++)
        tame_block(type, w + i * info->block_bytes);
    table->dequantize[type](w, k, x);
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < k; i++)
        hash = (hash ^ float_to_bits(x[i])) * 1099511628211u;
    mem_free(w);
    mem_free(x);
    return hash;
}

static const uint64_t known_hashes[WTYPE_COUNT] = {
    [WTYPE_F32] = 0xde34b60330d2fc65,     [WTYPE_F16] = 0x5aaba9c5887c4b25,
    [WTYPE_Q4_0] = 0x4d988b090ae2ab25,    [WTYPE_Q4_1] = 0x2510cbf57261e2cc,
    [WTYPE_Q5_0] = 0x8d4feadb8f1ebd25,    [WTYPE_Q5_1] = 0x2824940c0d9e07f3,
    [WTYPE_Q8_0] = 0x01197097b0c18a25,    [WTYPE_Q2_K] = 0x02d1adbe488c553f,
    [WTYPE_Q3_K] = 0x6ce664262382c7a5,    [WTYPE_Q4_K] = 0xb402818b86c7fa1d,
    [WTYPE_Q5_K] = 0x3a031d8924d63b02,    [WTYPE_Q6_K] = 0xdda923c2316d22f7,
    [WTYPE_IQ2_XXS] = 0xae4982fffa203c25, [WTYPE_IQ2_XS] = 0x59cfeeb7516aff15,
    [WTYPE_IQ3_XXS] = 0x56d6d046583b9ac5, [WTYPE_IQ1_S] = 0x493fe4bff41b1f65,
    [WTYPE_IQ4_NL] = 0x3599f3aa9b15d3e5,  [WTYPE_IQ3_S] = 0x849ed547852837a5,
    [WTYPE_IQ2_S] = 0xda8294bae408505d,   [WTYPE_IQ4_XS] = 0x54af633efb3bd8a1,
    [WTYPE_IQ1_M] = 0x7d395a9feb064745,   [WTYPE_BF16] = 0x0f3c11407d334b25,
    [WTYPE_TQ1_0] = 0x7dc015b505e76325,   [WTYPE_TQ2_0] = 0x1b320dead62e4325,
    [WTYPE_MXFP4] = 0xab39bda0f4472325,   [WTYPE_NVFP4] = 0x204d00f587c82325,
    [WTYPE_Q1_0] = 0xeb4c1dc6150d6325,    [WTYPE_Q2_0] = 0xe28926ec3b410325,
};

static void test_known_dequantized(const kernels *isa)
{
    for (wtype type = 0; type < WTYPE_COUNT; type++) {
        if (!isa->weight->dequantize[type])
            continue;
        uint64_t hash = dequantized_hash(isa->weight, type);
        CHECK(hash == known_hashes[type], "%s %s: 0x%016llx", isa->isa, wtype_get(type)->name,
              (unsigned long long)hash);
    }
}

/* The value that activation i of a quantized row stands for. */
static double act_value(act_kind kind, const void *row, size_t k, size_t i)
{
    if (kind == ACT_F32)
        return ((const float *)row)[i];
    return (double)act_scales(row, k)[i / act_block(kind)] * ((const int8_t *)row)[i];
}

static void test_scalar_sums(const kernels *scalar, wtype type)
{
    const wtype_info *info = wtype_get(type);
    act_kind kind = act_kind_for(type);
    size_t k = info->block_elements == 1 ? 333 : 1536, row_bytes = k / info->block_elements;
    row_bytes *= info->block_bytes;
    uint8_t *w = mem_alloc(row_bytes);
    float *dequantized = mem_alloc_array(k, sizeof(float)), *x = mem_alloc_array(k, sizeof(float));
    void *row = mem_alloc_aligned(act_row_bytes(kind, k));
    for (int round = 0; round < 20; round++) {
        float y = NAN;
        fill_weights(type, w, 1, row_bytes, 0);
        fill_activations(x, k);
        scalar->weight->dequantize[type](w, k, dequantized);
        scalar->weight->quantize_act[kind](x, k, row);
        matmul_job job = {w, row_bytes, k, 1, 1, {row}, {&y}, 0};
        scalar->weight->matmul[type](&job);
        double sum = 0, magnitude = 0;
        for (size_t i = 0; i < k; i++) {
            double product = dequantized[i] * act_value(kind, row, k, i);
            sum += product;
            magnitude += fabs(product);
        }
        /* Every step of the chain and every product of scales rounds by at most 2^-24. */
        double steps = kind == ACT_F32 ? (double)k / 16 + 5 : 4 * (double)k / 16;
        CHECK(fabs(y - sum) <= steps * 0x1p-24 * magnitude + 1e-37, "%s: %.9g, not %.9g",
              info->name, (double)y, sum);
    }
    mem_free(w);
    mem_free(dequantized);
    mem_free(x);
    mem_free(row);
}

/* ---- all are as scalar ---- */

static void test_dequantize(const kernels *scalar, const kernels *isa, wtype type, size_t k)
{
    const wtype_info *info = wtype_get(type);
    size_t row_bytes = k / info->block_elements * info->block_bytes;
    fenced weights = fenced_new(row_bytes);
    uint8_t *w = fenced_tail(&weights, row_bytes);
    float *out[2];
    for (int i = 0; i < 2; i++) {
        out[i] = mem_alloc_array(k + 2 * GUARD, sizeof(float));
        memset(out[i], 0xa5, (k + 2 * GUARD) * sizeof(float));
    }
    fill_weights(type, w, 1, row_bytes, 0);
    scalar->weight->dequantize[type](w, k, out[0] + GUARD);
    isa->weight->dequantize[type](w, k, out[1] + GUARD);
    CHECK(memcmp(out[0], out[1], (k + 2 * GUARD) * sizeof(float)) == 0, "%s %s dequantize k=%zu",
          isa->isa, info->name, k);
    mem_free(out[0]);
    mem_free(out[1]);
    fenced_free(&weights);
}

typedef struct matmul_case {
    wtype type;
    size_t k, gap;
    int placement; /* weights at 0: the end, 1: the beginning, 2: any address between fences */
} matmul_case;

/* Runs columns first..first+n of a job into y, one guarded array of MAX_ROWS per column. */
static void run_columns(const kernels *isa, wtype type, matmul_job job, int first, int n, float *y)
{
    const void *x[MATMUL_MAX_COLUMNS];
    memcpy(x, job.x, sizeof x);
    job.n_columns = n;
    for (int c = 0; c < n; c++) {
        job.x[c] = x[first + c];
        job.y[c] = y + (first + c) * (MAX_ROWS + 2 * GUARD) + GUARD;
    }
    isa->weight->matmul[type](&job);
}

static void compare_matmul(const kernels *scalar, const kernels *isa, const matmul_case *test,
                           matmul_job job)
{
    enum { N = MATMUL_MAX_COLUMNS * (MAX_ROWS + 2 * GUARD) };
    static const size_t row_counts[] = {1, 2, 3, 5, 7, 8, 9, 16, 19, 31, 32, 47, 48, MAX_ROWS};
    float want[N], got[N];
    for (size_t i = 0; i < sizeof row_counts / sizeof *row_counts; i++) {
        job.n_rows = row_counts[i];
        job.n_next = i % 3 * 21; /* which lie beyond the fence, and may be fetched, but not read */
        memset(want, 0xa5, sizeof want);
        for (int c = 0; c < MATMUL_MAX_COLUMNS; c++)
            run_columns(scalar, test->type, job, c, 1, want);
        for (int n = 1; n <= MATMUL_MAX_COLUMNS; n++) {
            memset(got, 0xa5, sizeof got);
            for (int c = 0; c < MATMUL_MAX_COLUMNS; c += n) {
                int left = MATMUL_MAX_COLUMNS - c;
                run_columns(isa, test->type, job, c, left < n ? left : n, got);
            }
            CHECK(memcmp(want, got, sizeof want) == 0,
                  "%s %s k=%zu rows=%zu columns=%d gap=%zu placement=%d", isa->isa,
                  wtype_get(test->type)->name, job.k, job.n_rows, n, test->gap, test->placement);
        }
    }
}

static void test_matmul(const kernels *scalar, const kernels *isa, const matmul_case *test)
{
    const wtype_info *info = wtype_get(test->type);
    act_kind kind = act_kind_for(test->type);
    size_t k = test->k, row_bytes = k / info->block_elements * info->block_bytes;
    size_t n_bytes = (MAX_ROWS - 1) * (row_bytes + test->gap) + row_bytes;
    fenced weights = fenced_new(n_bytes + 64), acts[MATMUL_MAX_COLUMNS];
    uint8_t *w = test->placement == 0   ? fenced_tail(&weights, n_bytes)
                 : test->placement == 1 ? weights.data
                                        : weights.data + rng_bits() % 64;
    fill_weights(test->type, w, MAX_ROWS, row_bytes, test->gap);
    matmul_job job = {.w = w, .row_bytes = row_bytes + test->gap, .k = k};
    float *x = mem_alloc_array(k, sizeof *x);
    for (int c = 0; c < MATMUL_MAX_COLUMNS; c++) {
        acts[c] = fenced_new(act_row_bytes(kind, k));
        void *row = fenced_tail(&acts[c], act_row_bytes(kind, k));
        fill_activations(x, k);
        scalar->weight->quantize_act[kind](x, k, row);
        job.x[c] = row;
    }
    compare_matmul(scalar, isa, test, job);
    mem_free(x);
    for (int c = 0; c < MATMUL_MAX_COLUMNS; c++)
        fenced_free(&acts[c]);
    fenced_free(&weights);
}

/* ---- panels ---- */

/* Activation rows of n columns, in tiles that end at a fence. */
typedef struct packed_columns {
    fenced rows, tiles;
    size_t row_bytes;
    uint8_t *first_row, *first_tile;
} packed_columns;

static packed_columns packed_columns_new(const kernels *scalar, const kernels *isa, act_kind kind,
                                         size_t n, size_t k)
{
    packed_columns p = {.row_bytes = act_row_bytes(kind, k)};
    size_t n_tiles = (n + TILE_COLUMNS - 1) / TILE_COLUMNS, tile_bytes = act_tile_bytes(kind, k);
    float *x = mem_alloc_array(k, sizeof *x);
    p.rows = fenced_new(n * p.row_bytes);
    p.first_row = fenced_tail(&p.rows, n * p.row_bytes);
    p.tiles = fenced_new(n_tiles * tile_bytes);
    p.first_tile = fenced_tail(&p.tiles, n_tiles * tile_bytes);
    memset(p.first_tile, 0xa5, n_tiles * tile_bytes);
    for (size_t c = 0; c < n; c++) {
        fill_activations(x, k);
        scalar->weight->quantize_act[kind](x, k, p.first_row + c * p.row_bytes);
    }
    for (size_t t = 0; t < n_tiles && kind != ACT_F32; t++) {
        const void *rows[TILE_COLUMNS];
        size_t left = n - t * TILE_COLUMNS, used = left < TILE_COLUMNS ? left : TILE_COLUMNS;
        for (size_t i = 0; i < used; i++)
            rows[i] = p.first_row + (t * TILE_COLUMNS + i) * p.row_bytes;
        isa->panel->pack[kind](rows, used, k, p.first_tile + t * tile_bytes);
    }
    mem_free(x);
    return p;
}

static void packed_columns_free(packed_columns *p)
{
    fenced_free(&p->rows);
    fenced_free(&p->tiles);
}

/* y of all rows and columns by scalar, between guards. */
static void multiply_by_rows(const kernels *scalar, wtype type, const panel_job *job,
                             const packed_columns *p, float *y)
{
    for (size_t c = 0; c < job->n_columns; c++) {
        matmul_job one = {job->w,
                          job->row_bytes,
                          job->k,
                          job->n_rows,
                          1,
                          {p->first_row + c * p->row_bytes},
                          {y + c * job->y_stride},
                          0};
        scalar->weight->matmul[type](&one);
    }
}

static void test_panel(const kernels *scalar, const kernels *isa, wtype type, size_t k,
                       size_t n_rows, size_t n_columns)
{
    const wtype_info *info = wtype_get(type);
    act_kind kind = act_kind_for(type);
    size_t row_bytes = k / info->block_elements * info->block_bytes,
           gap = rng_bits() % 2 * (rng_bits() % 40);
    size_t w_bytes = (n_rows - 1) * (row_bytes + gap) + row_bytes, stride = n_rows + rng_bits() % 5;
    size_t n_y = 2 * GUARD + n_columns * stride;
    fenced weights = fenced_new(w_bytes), scratch = fenced_new(PANEL_SCRATCH_BYTES);
    packed_columns p = packed_columns_new(scalar, isa, kind, n_columns, k);
    float *y[2] = {mem_alloc_array(n_y, sizeof(float)), mem_alloc_array(n_y, sizeof(float))};
    panel_job job = {.w = rng_bits() % 2 ? fenced_tail(&weights, w_bytes) : weights.data,
                     .row_bytes = row_bytes + gap,
                     .k = k,
                     .n_rows = n_rows,
                     .n_columns = n_columns,
                     .tiles = kind == ACT_F32 ? p.first_row : p.first_tile,
                     .y_stride = stride,
                     .scratch = fenced_tail(&scratch, PANEL_SCRATCH_BYTES)};
    fill_weights(type, (uint8_t *)job.w, n_rows, row_bytes, gap);
    memset(job.scratch, 0xa5, PANEL_SCRATCH_BYTES);
    memset(y[0], 0xa5, n_y * sizeof(float));
    memset(y[1], 0xa5, n_y * sizeof(float));
    multiply_by_rows(scalar, type, &job, &p, y[0] + GUARD);
    job.y = y[1] + GUARD;
    isa->panel->matmul[type](&job);
    CHECK(memcmp(y[0], y[1], n_y * sizeof(float)) == 0, "%s %s panel k=%zu rows=%zu columns=%zu",
          isa->isa, info->name, k, n_rows, n_columns);
    packed_columns_free(&p);
    fenced_free(&weights);
    fenced_free(&scratch);
    mem_free(y[0]);
    mem_free(y[1]);
}

static void test_panels(const kernels *scalar, const kernels *isa, wtype type)
{
    static const size_t n_rows[] = {1, 15, 16, 17, 31, 48, PANEL_ROWS};
    static const size_t n_columns[] = {1, 9, 16, 17, 32, 37, 48, 70};
    const wtype_info *info = wtype_get(type);
    size_t unit = info->class == WTYPE_CLASS_F ? 1 : info->block_elements;
    if (isa->panel == NULL || isa->panel->matmul[type] == NULL)
        return;
    for (size_t i = 0; i < 8; i++) {
        size_t blocks = 1 + rng_bits() % (1024 / unit);
        test_panel(scalar, isa, type, blocks * unit, n_rows[i % 7], n_columns[(i * 3 + 1) % 8]);
    }
    /* More columns than a slab, and more of k than a panel takes at a time. */
    test_panel(scalar, isa, type, 256, 3, PANEL_SLAB + 1 + rng_bits() % 40);
    test_panel(scalar, isa, type, PANEL_DEPTH + (1 + rng_bits() % 3) * unit, 18, 20);
}

/* ---- */

static void test_format(const kernels *scalar, const kernels *isa, wtype type)
{
    static const size_t float_ks[] = {1, 7, 15, 16, 17, 31, 32, 100, 333};
    /* Class B goes on to more than kernels may hold of k at a time. */
    static const size_t block_ks[] = {128, 256, 384, 896, 1024, 1152, 4224};
    static const size_t super_ks[] = {256, 512, 768, 1792, 2048, 2304, 4352};
    const wtype_info *info = wtype_get(type);
    const size_t *ks = info->class == WTYPE_CLASS_F   ? float_ks
                       : info->class == WTYPE_CLASS_B ? block_ks
                                                      : super_ks;
    int n = info->class == WTYPE_CLASS_F ? 9 : 7;
    for (int i = 0; i < n; i++) {
        matmul_case test = {.type = type,
                            .k = i < 2 ? (size_t)(2 * i + 1) * info->block_elements : ks[i],
                            .gap = rng_bits() % 2 ? 0 : 1 + rng_bits() % 40,
                            .placement = i % 3};
        test_matmul(scalar, isa, &test);
        test_dequantize(scalar, isa, type, test.k);
    }
}

/* ---- activations ---- */

static void check_quantized(const kernels *isa, act_kind kind, const float *x, size_t k,
                            const void *row)
{
    const int8_t *q = row;
    size_t n = act_block(kind);
    for (size_t b = 0; b < k; b += n) {
        float amax = 0, d = act_scales(row, k)[b / n];
        bool finite = true;
        for (size_t i = b; i < b + n; i++) {
            amax = fmaxf(amax, fabsf(x[i]));
            finite = finite && isfinite(x[i]);
        }
        if (!finite || isinf(127.0f / amax))
            amax = 0;
        CHECK(d == amax / 127.0f, "%s block %zu: d=%g", isa->isa, b / n, (double)d);
        for (size_t i = b; i < b + n; i++) {
            float want = amax == 0 ? 0 : rintf(x[i] * (127.0f / amax));
            CHECK((float)q[i] == want, "%s element %zu: %d, not %g", isa->isa, i, q[i],
                  (double)want);
        }
    }
    for (size_t i = 0; i < k; i += 16) {
        int sum = 0;
        for (size_t j = i; j < i + 16; j++)
            sum += q[j];
        CHECK(act_sums(kind, row, k)[i / 16] == sum, "%s sum %zu", isa->isa, i / 16);
    }
}

/* Blocks of each awkward kind after each other. */
static void fill_awkward(float *x, size_t k, size_t block)
{
    static const float specials[] = {NAN, INFINITY, -INFINITY, 1e-45f, 1e-38f, 3e-37f, 3.4e38f};
    for (size_t b = 0; b < k; b += block) {
        uint32_t mode = rng_bits() % 12;
        for (size_t i = b; i < b + block; i++)
            x[i] = mode == 0 ? 0.0f : mode == 1 ? 1e-44f * (float)(rng_bits() % 9) : random_float();
        if (mode == 2) { /* 127 / amax is 1: every other value lies half way */
            for (size_t i = b; i < b + block; i++)
                x[i] = (float)(rng_bits() % 252) / 2 - 63;
            x[b + rng_bits() % block] = -127.0f;
        }
        if (mode >= 3 && mode < 3 + sizeof specials / sizeof *specials)
            x[b + rng_bits() % block] = specials[mode - 3];
    }
}

static void test_quantize(const kernels *isa, act_kind kind)
{
    for (size_t blocks = 1; blocks < 40; blocks += 1 + blocks / 4) {
        size_t block = act_block(kind), k = blocks * block, n = act_row_bytes(kind, k);
        size_t used = kind == ACT_F32 ? k * sizeof(float)
                                      : k + blocks * sizeof(float) + k / 16 * sizeof(int16_t);
        fenced in = fenced_new(k * sizeof(float)), out = fenced_new(n);
        float *x = (float *)(void *)fenced_tail(&in, k * sizeof(float));
        uint8_t *row = fenced_tail(&out, n);
        fill_awkward(x, k, block);
        memset(row, 0xa5, n);
        isa->weight->quantize_act[kind](x, k, row);
        for (size_t i = used; i < n; i++)
            CHECK(row[i] == 0xa5, "%s wrote byte %zu of %zu", isa->isa, i, used);
        if (kind == ACT_F32)
            CHECK(memcmp(x, row, used) == 0, "%s copies floats", isa->isa);
        else
            check_quantized(isa, kind, x, k, row);
        fenced_free(&in);
        fenced_free(&out);
    }
}

/* ---- speed ---- */

/* Of this thread alone, so that a busy machine disturbs little. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Weights that no cache holds, in pages like those of a mapped file. */
enum { BENCH_K = 2048, BENCH_BYTES = 512 << 20, BENCH_SLICE = 32 << 20 };

/* Fills w with rows of random weights, the same ones again and again. Returns the bytes of a row.
 */
static size_t fill_bench(wtype type, uint8_t *w)
{
    const wtype_info *info = wtype_get(type);
    size_t row_bytes = BENCH_K / info->block_elements * info->block_bytes, n = 256 * row_bytes;
    for (size_t i = 0; i < n; i += info->block_bytes) {
        for (size_t j = 0; j < info->block_bytes; j++)
            w[i + j] = (uint8_t)rng_bits();
        tame_block(type, w + i);
        if (type == WTYPE_MXFP4) /* subnormal scales are slow, and no model has them */
            w[i] |= 0x40;
    }
    for (size_t i = n; i < BENCH_BYTES; i += n)
        memcpy(w + i, w, BENCH_BYTES - i < n ? BENCH_BYTES - i : n);
    return row_bytes;
}

/* The best of several slices, in bytes of weights per second. */
static double bench_matmul(const kernels *isa, wtype type, const uint8_t *w, size_t row_bytes,
                           int n_columns)
{
    act_kind kind = act_kind_for(type);
    const size_t n_rows = BENCH_SLICE / row_bytes;
    matmul_job job = {w, row_bytes, BENCH_K, n_rows, n_columns, {0}, {0}, 0};
    float x[BENCH_K];
    uint8_t *rows = mem_alloc_aligned((size_t)n_columns * act_row_bytes(kind, BENCH_K));
    for (int c = 0; c < n_columns; c++) { /* as a model's: the rows follow each other */
        uint8_t *row = rows + (size_t)c * act_row_bytes(kind, BENCH_K);
        fill_activations(x, BENCH_K);
        isa->weight->quantize_act[kind](x, BENCH_K, row);
        job.x[c] = row;
        job.y[c] = mem_alloc_array(n_rows, sizeof(float));
    }
    double best = 1e9, begin = seconds();
    for (size_t slice = 0; seconds() - begin < 0.25; slice++) {
        job.w = w + slice % (BENCH_BYTES / BENCH_SLICE) * BENCH_SLICE;
        double start = seconds();
        isa->weight->matmul[type](&job);
        best = fmin(best, seconds() - start);
    }
    for (int c = 0; c < n_columns; c++)
        mem_free(job.y[c]);
    mem_free(rows);
    return (double)(n_rows * row_bytes) / best;
}

/* Multiply-adds per second of panels that many columns share. */
static double bench_panel(const kernels *isa, wtype type, size_t n_columns)
{
    enum { K = 2048, N_ROWS = 512 };
    const wtype_info *info = wtype_get(type);
    act_kind kind = act_kind_for(type);
    size_t row_bytes = K / info->block_elements * info->block_bytes;
    uint8_t *w = mem_alloc_aligned(N_ROWS * row_bytes);
    fill_weights(type, w, N_ROWS, row_bytes, 0);
    for (size_t i = 0; i < N_ROWS * row_bytes && type == WTYPE_MXFP4; i += info->block_bytes)
        w[i] |= 0x40;
    packed_columns p = packed_columns_new(kernels_get("avx2"), isa, kind, n_columns, K);
    panel_job job = {.row_bytes = row_bytes,
                     .k = K,
                     .n_rows = PANEL_ROWS,
                     .n_columns = n_columns,
                     .tiles = kind == ACT_F32 ? p.first_row : p.first_tile,
                     .y_stride = N_ROWS};
    float *y = mem_alloc_array(N_ROWS * n_columns, sizeof *y);
    job.scratch = mem_alloc_aligned(PANEL_SCRATCH_BYTES);
    double best = 1e9, begin = seconds();
    do {
        double start = seconds();
        for (size_t row = 0; row < N_ROWS; row += PANEL_ROWS) {
            job.w = w + row * row_bytes;
            job.y = y + row;
            isa->panel->matmul[type](&job);
        }
        best = fmin(best, seconds() - start);
    } while (seconds() - begin < 0.2);
    packed_columns_free(&p);
    mem_free(w);
    mem_free(y);
    mem_free(job.scratch);
    return (double)K * N_ROWS * (double)n_columns / best;
}

/* All formats, or one; from so many columns on. */
static void bench_panels(const kernels *isa, const char *only, size_t least)
{
    static const size_t n_columns[] = {16, 32, 64, 128, 512};
    size_t first = 0;
    while (first < 4 && n_columns[first] < least)
        first++;
    printf("%s, one thread, panels, GMAC/s by columns\n%-8s", isa->isa, "format");
    for (size_t i = first; i < 5; i++)
        printf(" %9zu", n_columns[i]);
    printf("\n");
    for (wtype type = 0; type < WTYPE_COUNT; type++) {
        if (isa->panel == NULL || isa->panel->matmul[type] == NULL ||
            (only && strcmp(only, wtype_get(type)->name) != 0))
            continue;
        printf("%-8s", wtype_get(type)->name);
        for (size_t i = first; i < 5; i++)
            printf(" %9.1f", bench_panel(isa, type, n_columns[i]) / 1e9);
        printf("\n");
        fflush(stdout);
    }
}

static double bench_read(const uint8_t *w)
{
    double best = 1e9, begin = seconds();
    uint64_t sum = 0;
    for (size_t slice = 0; seconds() - begin < 0.25; slice++) {
        const uint8_t *from = w + slice % (BENCH_BYTES / BENCH_SLICE) * BENCH_SLICE;
        double start = seconds();
        sum += peak_read((const uint64_t *)(const void *)from, BENCH_SLICE);
        best = fmin(best, seconds() - start);
    }
    return (double)BENCH_SLICE / best + (double)(sum & 1);
}

/* GB/s of weights and their share of what reading alone reaches. */
static void bench(const kernels *isa, char **formats, int n_formats)
{
    static const int n_columns[] = {1, 2, 4, 8};
    uint8_t *w = mem_alloc_aligned(BENCH_BYTES);
    memset(w, 1, BENCH_BYTES);
    const double peak = bench_read(w);
    printf("%s, one thread, reading memory: %.1f GB/s\n", isa->isa, peak / 1e9);
    printf("%-8s %12s %12s %12s %12s\n", "GB/s", "1 column", "2 columns", "4 columns", "8 columns");
    for (wtype type = 0; type < WTYPE_COUNT; type++) {
        bool wanted = n_formats == 0;
        for (int i = 0; i < n_formats; i++)
            wanted |= strcmp(formats[i], wtype_get(type)->name) == 0;
        if (!isa->weight->matmul[type] || !wanted)
            continue;
        const size_t row_bytes = fill_bench(type, w);
        printf("%-8s", wtype_get(type)->name);
        for (int i = 0; i < 4; i++) {
            double rate = bench_matmul(isa, type, w, row_bytes, n_columns[i]);
            printf(" %6.1f %4.0f%%", rate / 1e9, 100 * rate / peak);
        }
        printf("\n");
        fflush(stdout);
    }
    mem_free(w);
}

/* ---- */

static void test_isa(const kernels *scalar, const kernels *isa)
{
    test_known_dequantized(isa);
    uint64_t seed = (uint64_t)time(NULL);
    const char *given = getenv("SEED");
    if (given)
        seed = strtoull(given, NULL, 10);
    printf("%s: SEED=%llu\n", isa->isa, (unsigned long long)seed);
    rng_state = seed;
    for (act_kind kind = 0; kind < ACT_COUNT; kind++)
        test_quantize(isa, kind);
    for (wtype type = 0; type < WTYPE_COUNT; type++) {
        bool multiplied = wtype_get(type)->class != WTYPE_CLASS_N;
        CHECK((isa->weight->matmul[type] != NULL) == multiplied, "%s", wtype_get(type)->name);
        CHECK((isa->weight->dequantize[type] != NULL) == multiplied, "%s", wtype_get(type)->name);
        if (!multiplied)
            continue;
        if (isa == scalar)
            test_scalar_sums(scalar, type);
        test_format(scalar, isa, type);
        test_panels(scalar, isa, type);
    }
}

int main(int argc, char **argv)
{
    const kernels *scalar = kernels_get("scalar");
    const cpu_isa best = cpu_best_isa(); /* also asks for what has to be asked for */
    if (argc > 2 && strcmp(argv[1], "--bench") == 0) {
        bench(kernels_get(argv[2]), argv + 3, argc - 3);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "--panels") == 0) {
        bench_panels(kernels_get(argv[2]), argc > 3 ? argv[3] : NULL,
                     argc > 4 ? strtoul(argv[4], NULL, 10) : 0);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        const kernels *isa = kernels_get(argv[i]);
        CHECK(isa, "this build has no %s", argv[i]);
        if (isa)
            test_isa(scalar, isa);
    }
    for (cpu_isa i = CPU_ISA_SCALAR; argc <= 1 && i <= best; i++) {
        const kernels *isa = kernels_get(cpu_isa_name(i));
        if (isa)
            test_isa(scalar, isa);
    }
    printf(failures ? "FAILED\n" : "ok\n");
    return failures != 0;
}
