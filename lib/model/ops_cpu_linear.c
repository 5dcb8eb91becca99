/* SPDX-License-Identifier: MIT
 *
 * ops_cpu_linear.c - matrix times rows, for matrices that share their input.
 *
 * The input is quantized once for each kind of activation that the matrices want. Then the rows of
 * all matrices together are cut into chunks; a chunk multiplies its rows, which stay in the cache,
 * by all columns, MATMUL_MAX_COLUMNS at a time.
 */
#include "model/ops_cpu_state.h"

#include <string.h>

typedef struct quantize_job {
    const ops_cpu *o;
    act_kind kind;
    const float *x;
    size_t n, k;
    uint8_t *act;
} quantize_job;

static void quantize_row(void *arg, size_t row, int worker)
{
    const quantize_job *j = arg;
    (void)worker;
    j->o->k->weight->quantize_act[j->kind](j->x + row * ops_stride(j->k), j->k,
                                           j->act + row * act_row_bytes(j->kind, j->k));
}

void ops_cpu_quantize(ops_cpu *o, act_kind kind, const float *x, size_t n, size_t k, uint8_t *act)
{
    quantize_job job = {o, kind, x, n, k, act};
    ops_cpu_run(o, quantize_row, &job, n, (uint64_t)n * k);
}

size_t ops_cpu_chunk_rows(size_t row_bytes, size_t n_rows)
{
    enum { CHUNK_BYTES = 64 * 1024, MIN_ROWS = 16 };
    size_t rows = CHUNK_BYTES / (row_bytes ? row_bytes : 1) / MIN_ROWS * MIN_ROWS;
    if (rows < MIN_ROWS)
        rows = MIN_ROWS;
    return rows < n_rows ? rows : n_rows;
}

typedef struct linears_job {
    const ops_cpu *o;
    const linear *const *w;
    float *const *y;
    const float *x;
    size_t n;
    size_t n_linears;
    size_t chunk_rows[OPS_MAX_LINEARS];
    size_t first_chunk[OPS_MAX_LINEARS + 1];
} linears_job;

static void multiply_chunk(void *arg, size_t chunk, int worker)
{
    const linears_job *j = arg;
    size_t m = 0;
    (void)worker;
    while (chunk >= j->first_chunk[m + 1])
        m++;
    const linear *w = j->w[m];
    size_t first = (chunk - j->first_chunk[m]) * j->chunk_rows[m];
    size_t n_rows = w->n_rows - first < j->chunk_rows[m] ? w->n_rows - first : j->chunk_rows[m];
    act_kind kind = act_kind_for(w->type);
    const uint8_t *x = kind == ACT_F32 ? (const uint8_t *)j->x : j->o->act[kind];
    size_t x_bytes = kind == ACT_F32 ? ops_stride(w->k) * sizeof(float) : act_row_bytes(kind, w->k);
    matmul_job mm = {.w = w->data + first * w->row_bytes,
                     .row_bytes = w->row_bytes,
                     .k = w->k,
                     .n_rows = n_rows};
    for (size_t column = 0; column < j->n; column += MATMUL_MAX_COLUMNS) {
        size_t rest = j->n - column;
        mm.n_columns = rest < MATMUL_MAX_COLUMNS ? (int)rest : MATMUL_MAX_COLUMNS;
        for (int c = 0; c < mm.n_columns; c++) {
            mm.x[c] = x + (column + (size_t)c) * x_bytes;
            mm.y[c] = j->y[m] + (column + (size_t)c) * ops_stride(w->n_rows) + first;
        }
        j->o->k->weight->matmul[w->type](&mm);
        for (int c = 0; c < mm.n_columns && w->bias; c++)
            j->o->k->f->add(mm.y[c], w->bias + first, n_rows);
    }
}

void ops_cpu_linears(ops *base, const linear *const *w, float *const *y, size_t n_linears,
                     const float *x, size_t n)
{
    ops_cpu *o = (ops_cpu *)base;
    linears_job job = {.o = o, .w = w, .y = y, .x = x, .n = n, .n_linears = n_linears};
    bool ready[ACT_COUNT] = {[ACT_F32] = true};
    uint64_t work = 0;
    for (size_t m = 0; m < n_linears; m++) {
        act_kind kind = act_kind_for(w[m]->type);
        if (!ready[kind])
            ops_cpu_quantize(o, kind, x, n, w[m]->k, o->act[kind]);
        ready[kind] = true;
        job.chunk_rows[m] = ops_cpu_chunk_rows(w[m]->row_bytes, w[m]->n_rows);
        job.first_chunk[m + 1] =
            job.first_chunk[m] + (w[m]->n_rows + job.chunk_rows[m] - 1) / job.chunk_rows[m];
        work += (uint64_t)w[m]->n_rows * w[m]->k * n;
    }
    ops_cpu_run(o, multiply_chunk, &job, job.first_chunk[n_linears], work);
}
