/* SPDX-License-Identifier: MIT
 *
 * ops_cpu_linear.c - matrix times rows, for matrices that share their input.
 *
 * The input is quantized once for each kind of activation that the matrices want. Then every worker
 * gets a span: an equal part of the rows of all matrices together, which it cuts into chunks. A
 * chunk is multiplied by all columns: many columns as a panel (kernels/panel.h), few
 * MATMUL_MAX_COLUMNS at a time. Who is done helps with the other spans.
 *
 * Few columns run at the speed of memory, and memory is read best where a kernel walks streams that
 * are long and follow each other (kernels/streams.h): so chunks are large, and spans are even.
 */
#include "model/ops_cpu_state.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

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

/* Quantizes the rows of a tile, then interleaves them while they are in the cache. */
static void pack_tile(void *arg, size_t tile, int worker)
{
    const quantize_job *j = arg;
    const size_t row_bytes = act_row_bytes(j->kind, j->k), first = tile * TILE_COLUMNS;
    const size_t n = j->n - first < TILE_COLUMNS ? j->n - first : TILE_COLUMNS;
    const void *rows[TILE_COLUMNS];
    for (size_t i = 0; i < n; i++) {
        quantize_row(arg, first + i, worker);
        rows[i] = j->act + (first + i) * row_bytes;
    }
    j->o->k->panel->pack[j->kind](rows, n, j->k,
                                  j->o->tiles[j->kind] + tile * act_tile_bytes(j->kind, j->k));
}

/* Activation rows of x, and tiles if wanted. */
static void prepare_input(ops_cpu *o, act_kind kind, const float *x, size_t n, size_t k, bool tiles)
{
    quantize_job job = {o, kind, x, n, k, o->act[kind]};
    if (tiles)
        ops_cpu_run(o, pack_tile, &job, (n + TILE_COLUMNS - 1) / TILE_COLUMNS, (uint64_t)n * k);
    else
        ops_cpu_quantize(o, kind, x, n, k, o->act[kind]);
}

bool ops_cpu_uses_panels(const ops_cpu *o, wtype type, size_t n)
{
    const panel_kernels *p = o->k->panel;
    return p != NULL && p->matmul[type] != NULL && n >= p->min_columns[wtype_get(type)->class];
}

enum { CHUNK_BYTES = 512 * 1024, ROWS_UNIT = 16, MAX_SPANS = 64 };

size_t ops_cpu_chunk_rows(size_t row_bytes, size_t n_rows)
{
    const size_t bytes = n_rows * row_bytes, n_chunks = (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
    const size_t rows = n_chunks ? (n_rows + n_chunks - 1) / n_chunks : 0;
    return (rows + ROWS_UNIT - 1) / ROWS_UNIT * ROWS_UNIT;
}

/* A worker's rows of one matrix. */
typedef struct piece {
    size_t first, end, chunk_rows;
    size_t n_chunks;
} piece;

/* Chunks of all pieces in turn, of which those before next are taken. */
typedef struct span {
    _Alignas(MEM_ALIGN) atomic_size_t next;
    size_t n_chunks;
    piece pieces[OPS_MAX_LINEARS];
} span;

typedef struct linears_job {
    const ops_cpu *o;
    const linear *const *w;
    float *const *y;
    const float *x;
    size_t n;
    size_t n_linears;
    size_t panel_rows[OPS_MAX_LINEARS]; /* 0: not by panels */
    int n_spans;
    span *spans;
} linears_job;

static void multiply_panel(const linears_job *j, size_t m, size_t first, size_t n_rows, int worker)
{
    const linear *w = j->w[m];
    const act_kind kind = act_kind_for(w->type);
    panel_job job = {.w = w->data + first * w->row_bytes,
                     .row_bytes = w->row_bytes,
                     .k = w->k,
                     .n_rows = n_rows,
                     .n_columns = j->n,
                     .tiles = kind == ACT_F32 ? (const uint8_t *)j->x : j->o->tiles[kind],
                     .y = j->y[m] + first,
                     .y_stride = ops_stride(w->n_rows),
                     .scratch = j->o->panels + (size_t)worker * PANEL_SCRATCH_BYTES};
    j->o->k->panel->matmul[w->type](&job);
}

static void multiply_direct(const linears_job *j, size_t m, size_t first, size_t n_rows,
                            size_t n_next)
{
    const linear *w = j->w[m];
    const act_kind kind = act_kind_for(w->type);
    const uint8_t *x = kind == ACT_F32 ? (const uint8_t *)j->x : j->o->act[kind];
    const size_t x_bytes = act_row_bytes(kind, w->k);
    matmul_job mm = {.w = w->data + first * w->row_bytes,
                     .row_bytes = w->row_bytes,
                     .k = w->k,
                     .n_rows = n_rows,
                     .n_next = n_next};
    for (size_t column = 0; column < j->n; column += MATMUL_MAX_COLUMNS) {
        size_t rest = j->n - column;
        mm.n_columns = rest < MATMUL_MAX_COLUMNS ? (int)rest : MATMUL_MAX_COLUMNS;
        for (int c = 0; c < mm.n_columns; c++) {
            mm.x[c] = x + (column + (size_t)c) * x_bytes;
            mm.y[c] = j->y[m] + (column + (size_t)c) * ops_stride(w->n_rows) + first;
        }
        j->o->k->weight->matmul[w->type](&mm);
    }
}

/* The first row of matrix m behind the first `bytes` of all matrices. */
static size_t row_behind(const linears_job *j, size_t m, size_t bytes)
{
    const linear *w = j->w[m];
    const size_t unit = j->panel_rows[m] ? j->panel_rows[m] : ROWS_UNIT;
    for (size_t i = 0; i < m; i++) {
        const size_t before = j->w[i]->n_rows * j->w[i]->row_bytes;
        bytes = bytes > before ? bytes - before : 0;
    }
    const size_t row = (bytes / w->row_bytes + unit / 2) / unit * unit;
    return row < w->n_rows ? row : w->n_rows;
}

static void fill_spans(linears_job *j)
{
    size_t total = 0;
    for (size_t m = 0; m < j->n_linears; m++)
        total += j->w[m]->n_rows * j->w[m]->row_bytes;
    for (size_t i = 0, n = (size_t)j->n_spans; i < n; i++) {
        span *s = &j->spans[i];
        atomic_init(&s->next, 0);
        s->n_chunks = 0;
        for (size_t m = 0; m < j->n_linears; m++) {
            piece *p = &s->pieces[m];
            p->first = row_behind(j, m, total / n * i);
            p->end = i + 1 < n ? row_behind(j, m, total / n * (i + 1)) : j->w[m]->n_rows;
            const size_t rows = p->end - p->first;
            p->chunk_rows =
                j->panel_rows[m] ? j->panel_rows[m] : ops_cpu_chunk_rows(j->w[m]->row_bytes, rows);
            p->n_chunks = rows ? (rows + p->chunk_rows - 1) / p->chunk_rows : 0;
            s->n_chunks += p->n_chunks;
        }
    }
}

static void multiply_chunk(const linears_job *j, size_t m, const piece *p, size_t chunk, int worker)
{
    const linear *w = j->w[m];
    const size_t first = p->first + chunk * p->chunk_rows, left = p->end - first;
    const size_t n_rows = left < p->chunk_rows ? left : p->chunk_rows;
    if (j->panel_rows[m])
        multiply_panel(j, m, first, n_rows, worker);
    else
        multiply_direct(j, m, first, n_rows, left - n_rows);
    for (size_t c = 0; c < j->n && w->bias; c++)
        j->o->k->f->add(j->y[m] + c * ops_stride(w->n_rows) + first, w->bias + first, n_rows);
}

/* False: all chunks of the span are taken. */
static bool multiply_next(const linears_job *j, span *s, int worker)
{
    size_t m = 0;
    if (atomic_load_explicit(&s->next, memory_order_relaxed) >= s->n_chunks)
        return false;
    size_t chunk = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);
    if (chunk >= s->n_chunks)
        return false;
    for (; chunk >= s->pieces[m].n_chunks; m++)
        chunk -= s->pieces[m].n_chunks;
    multiply_chunk(j, m, &s->pieces[m], chunk, worker);
    return true;
}

/* One call for each worker, its own span first; who comes first may leave nothing to the others. */
static void multiply_spans(void *arg, size_t call, int worker)
{
    const linears_job *j = arg;
    (void)call;
    for (int i = 0; i < j->n_spans; i++) {
        while (multiply_next(j, &j->spans[(worker + i) % j->n_spans], worker))
            ;
    }
}

/* Panels as high as leaves every thread a few of them. */
static size_t panel_rows(const ops_cpu *o, const linear *const *w, size_t n_linears)
{
    enum { CHUNKS_PER_THREAD = 4, MIN_ROWS = 16 };
    const size_t wanted = CHUNKS_PER_THREAD * (size_t)thread_pool_size(o->pool);
    size_t rows = PANEL_ROWS, total = 0;
    for (size_t m = 0; m < n_linears; m++)
        total += w[m]->n_rows;
    while (rows > MIN_ROWS && total / rows < wanted)
        rows /= 2;
    return rows;
}

void ops_cpu_linears(ops *base, const linear *const *w, float *const *y, size_t n_linears,
                     const float *x, size_t n)
{
    ops_cpu *o = (ops_cpu *)base;
    linears_job job = {.o = o, .w = w, .y = y, .x = x, .n = n, .n_linears = n_linears};
    const size_t high = panel_rows(o, w, n_linears);
    bool tiles[ACT_COUNT] = {false}, ready[ACT_COUNT] = {[ACT_F32] = true};
    uint64_t work = 0;
    for (size_t m = 0; m < n_linears; m++) {
        const bool panel = ops_cpu_uses_panels(o, w[m]->type, n);
        tiles[act_kind_for(w[m]->type)] |= panel;
        job.panel_rows[m] = panel ? high : 0;
        work += (uint64_t)w[m]->n_rows * w[m]->k * n;
    }
    for (size_t m = 0; m < n_linears; m++) {
        const act_kind kind = act_kind_for(w[m]->type);
        if (!ready[kind])
            prepare_input(o, kind, x, n, w[m]->k, tiles[kind]);
        ready[kind] = true;
    }
    span spans[MAX_SPANS];
    job.spans = spans;
    job.n_spans = thread_pool_size(o->pool) < MAX_SPANS ? thread_pool_size(o->pool) : MAX_SPANS;
    fill_spans(&job);
    ops_cpu_run(o, multiply_spans, &job, (size_t)thread_pool_size(o->pool), work);
}
