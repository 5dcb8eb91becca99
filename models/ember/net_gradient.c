/* SPDX-License-Identifier: MIT
 *
 * net_gradient.c - the loss of a batch and its gradient: forward, the head, and back.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "ember/net_impl.h"

/* ---- products on all threads ---- */

/* What one chunk computes: many rows, so that a packed B serves them all, or where there are few
 * rows, few columns. */
typedef struct product {
    const net *n;
    const gemm_job *job;
    size_t rows, columns, row_chunks;
} product;

static void product_chunk(void *arg, size_t chunk, int worker)
{
    const product *p = arg;
    gemm_job j = *p->job;
    size_t row = chunk % p->row_chunks * p->rows, column = chunk / p->row_chunks * p->columns;
    j.m = j.m - row < p->rows ? j.m - row : p->rows;
    j.n = j.n - column < p->columns ? j.n - column : p->columns;
    j.a += row * j.a_row;
    j.b += column * j.b_column;
    j.c += row * j.ldc + column;
    p->n->k->gemm(&j, p->n->gemm_scratch[worker]);
}

void net_product(net *n, const gemm_job *job)
{
    enum { MANY_ROWS = 8 * GEMM_TILE_M };
    product p = {.n = n, .job = job, .rows = 2 * GEMM_TILE_M, .columns = GEMM_TILE_N / 2};
    if (job->m >= 2 * MANY_ROWS) {
        p.rows = MANY_ROWS;
        p.columns = GEMM_TILE_N;
    }
    p.row_chunks = (job->m + p.rows - 1) / p.rows;
    net_run(n, product_chunk, &p, p.row_chunks * ((job->n + p.columns - 1) / p.columns));
}

/* y = x w, x [rows][in], w [in][out]. */
static void multiply(net *n, const float *x, const float *w, size_t rows, size_t in, size_t out,
                     float *y, bool add)
{
    net_product(n, &(gemm_job){.m = rows,
                               .n = out,
                               .k = in,
                               .a = x,
                               .a_row = in,
                               .a_k = 1,
                               .b = w,
                               .b_k = out,
                               .b_column = 1,
                               .c = y,
                               .ldc = out,
                               .accumulate = add});
}

/* dx = dy w^T, and dw = x^T dy. */
static void multiply_back(net *n, const float *x, const float *w, const float *dy, size_t rows,
                          size_t in, size_t out, float *dx, float *dw)
{
    net_product(n, &(gemm_job){.m = rows,
                               .n = in,
                               .k = out,
                               .a = dy,
                               .a_row = out,
                               .a_k = 1,
                               .b = w,
                               .b_k = 1,
                               .b_column = out,
                               .c = dx,
                               .ldc = in});
    net_product(n, &(gemm_job){.m = in,
                               .n = out,
                               .k = rows,
                               .a = x,
                               .a_row = 1,
                               .a_k = in,
                               .b = dy,
                               .b_k = out,
                               .b_column = 1,
                               .c = dw,
                               .ldc = out});
}

/* ---- work on ranges of tokens ---- */

enum { ROWS_PER_CHUNK = 128 };

typedef struct rows_job {
    net *n;
    const net_batch *batch;
    net_kept *kept;
    const float *x, *w;
    float *y, *factor;
    const float *dy;
    float *dx, *dw;
    size_t n_rows;
    bool back;
} rows_job;

static size_t chunks_of(size_t n_rows)
{
    return (n_rows + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK;
}

static size_t end_of(const rows_job *j, size_t chunk)
{
    size_t end = (chunk + 1) * ROWS_PER_CHUNK;
    return end < j->n_rows ? end : j->n_rows;
}

static void norm_chunk(void *arg, size_t chunk, int worker)
{
    const rows_job *j = arg;
    size_t width = j->n->shape.n_embd;
    (void)worker;
    for (size_t i = chunk * ROWS_PER_CHUNK; i < end_of(j, chunk); i++)
        j->factor[i] = j->n->k->rms_norm(j->x + i * width, j->w, j->n->shape.norm_eps, width,
                                         j->y + i * width);
}

static void norm(net *n, const float *x, const float *w, size_t rows, float *y, float *factor)
{
    rows_job job = {.n = n, .x = x, .w = w, .y = y, .factor = factor, .n_rows = rows};
    net_run(n, norm_chunk, &job, chunks_of(rows));
}

/* Chunks here are fixed in number, so that their sums of dw are added in one order. */
static void norm_back_chunk(void *arg, size_t chunk, int worker)
{
    const rows_job *j = arg;
    size_t width = j->n->shape.n_embd;
    float *dw = j->n->norm_partials + chunk * width;
    (void)worker;
    memset(dw, 0, width * sizeof *dw);
    for (size_t i = j->n_rows * chunk / NET_NORM_CHUNKS;
         i < j->n_rows * (chunk + 1) / NET_NORM_CHUNKS; i++)
        j->n->k->rms_norm_back(j->x + i * width, j->w, j->factor[i], j->dy + i * width, width,
                               j->dx + i * width, dw);
}

static void norm_back(net *n, const float *x, const float *w, float *factor, const float *dy,
                      size_t rows, float *dx, float *dw)
{
    rows_job job = {.n = n, .x = x, .w = w, .factor = factor, .dy = dy, .dx = dx, .n_rows = rows};
    size_t width = n->shape.n_embd;
    net_run(n, norm_back_chunk, &job, NET_NORM_CHUNKS);
    memset(dw, 0, width * sizeof *dw);
    for (size_t chunk = 0; chunk < NET_NORM_CHUNKS; chunk++) {
        for (size_t i = 0; i < width; i++)
            dw[i] += n->norm_partials[chunk * width + i];
    }
}

/* Rotates pairs (2i, 2i+1) of all query and key heads, or turns them back. */
static void rotate(const net *n, float *row, size_t position, bool back)
{
    size_t half = n->head_dim / 2, n_heads = n->shape.n_head + n->shape.n_head_kv;
    const float *c = n->cos + position * half, *s = n->sin + position * half;
    for (size_t h = 0; h < n_heads; h++, row += n->head_dim) {
        for (size_t i = 0; i < half; i++) {
            float a = row[2 * i], b = row[2 * i + 1], sine = back ? -s[i] : s[i];
            row[2 * i] = a * c[i] - b * sine;
            row[2 * i + 1] = a * sine + b * c[i];
        }
    }
}

static void rotate_sequence(void *arg, size_t sequence, int worker)
{
    const rows_job *j = arg;
    const size_t *starts = j->batch->starts;
    (void)worker;
    for (size_t i = starts[sequence]; i < starts[sequence + 1]; i++)
        rotate(j->n, j->y + i * j->n->qkv_width, i - starts[sequence], j->back);
}

static void swiglu_chunk(void *arg, size_t chunk, int worker)
{
    const rows_job *j = arg;
    size_t n_ff = j->n->shape.n_ff;
    (void)worker;
    for (size_t i = chunk * ROWS_PER_CHUNK; i < end_of(j, chunk); i++) {
        const float *gate = j->kept->gate_up + i * 2 * n_ff;
        float *d = j->n->d_gate_up + i * 2 * n_ff;
        if (j->back)
            j->n->k->swiglu_back(gate, gate + n_ff, j->n->d_ff + i * n_ff, n_ff, d, d + n_ff);
        else
            j->n->k->swiglu(gate, gate + n_ff, n_ff, j->kept->active + i * n_ff);
    }
}

/* ---- forward ---- */

static void embed(net *n, const net_batch *batch)
{
    size_t width = n->shape.n_embd;
    for (size_t i = 0; i < batch->n_tokens; i++)
        memcpy(n->x + i * width, n->w + n->layout.embd + (size_t)batch->tokens[i] * width,
               width * sizeof *n->x);
}

static void layer_forward(net *n, const net_batch *batch, uint32_t layer)
{
    const net_shape *s = &n->shape;
    const net_layer *p = &n->layout.layers[layer];
    net_kept *k = &n->kept[layer];
    size_t t = batch->n_tokens, width = s->n_embd;
    rows_job rows = {.n = n, .batch = batch, .kept = k, .y = k->qkv, .n_rows = t};
    memcpy(k->x, n->x, t * width * sizeof *k->x);
    norm(n, k->x, n->w + p->attn_norm, t, k->normed, k->factor);
    multiply(n, k->normed, n->w + p->qkv, t, width, n->qkv_width, k->qkv, false);
    net_run(n, rotate_sequence, &rows, batch->n_sequences);
    attention_forward(n, batch, k);
    net_drop(n, batch, layer, NET_SITE_MIXED, k->mixed, width);
    multiply(n, k->mixed, n->w + p->attn_out, t, width, width, n->x, true);
    memcpy(k->x_mid, n->x, t * width * sizeof *k->x_mid);
    norm(n, k->x_mid, n->w + p->ffn_norm, t, k->normed_mid, k->factor_mid);
    multiply(n, k->normed_mid, n->w + p->gate_up, t, width, 2 * (size_t)s->n_ff, k->gate_up, false);
    net_run(n, swiglu_chunk, &rows, chunks_of(t));
    net_drop(n, batch, layer, NET_SITE_ACTIVE, k->active, s->n_ff);
    multiply(n, k->active, n->w + p->down, t, s->n_ff, width, n->x, true);
}

/* ---- the head, over the rows that have a target ---- */

typedef struct head_job {
    net *n;
    const net_batch *batch;
    size_t first; /* of head_rows */
    size_t n_rows;
    float scale; /* of the rows' weights: their sum becomes 1 */
} head_job;

static void cross_entropy_row(void *arg, size_t row, int worker)
{
    const head_job *j = arg;
    net *n = j->n;
    float *p = n->logits + row * n->shape.n_vocab;
    size_t token = n->head_rows[j->first + row], target = (size_t)j->batch->targets[token];
    float weight = j->batch->weights[token] * j->scale;
    (void)worker;
    n->k->softmax(p, n->shape.n_vocab);
    n->losses[j->first + row] =
        -(double)weight * fmath_log(p[target] > 1e-30f ? (double)p[target] : 1e-30);
    for (size_t i = 0; i < n->shape.n_vocab; i++)
        p[i] *= weight;
    p[target] -= weight;
}

static size_t gather_head_rows(net *n, const net_batch *batch)
{
    size_t width = n->shape.n_embd, n_rows = 0;
    for (size_t i = 0; i < batch->n_tokens; i++) {
        if (batch->weights[i] == 0)
            continue;
        memcpy(n->head_x + n_rows * width, n->x + i * width, width * sizeof *n->x);
        n->head_rows[n_rows++] = i;
    }
    return n_rows;
}

/* The loss; leaves the gradient of the residual stream in n->dx, and those of the head's
 * parameters. */
static double head(net *n, const net_batch *batch)
{
    size_t width = n->shape.n_embd, n_vocab = n->shape.n_vocab, n_rows = gather_head_rows(n, batch);
    float *embd = n->w + n->layout.embd, *d_embd = n->g + n->layout.embd;
    double weights = 0;
    for (size_t i = 0; i < batch->n_tokens; i++)
        weights += (double)batch->weights[i];
    norm(n, n->head_x, n->w + n->layout.out_norm, n_rows, n->head_normed, n->head_factor);
    for (size_t first = 0; first < n_rows; first += NET_HEAD_ROWS) {
        size_t m = n_rows - first < NET_HEAD_ROWS ? n_rows - first : NET_HEAD_ROWS;
        head_job job = {n, batch, first, m, (float)(1 / weights)};
        const float *x = n->head_normed + first * width;
        net_product(n, &(gemm_job){.m = m,
                                   .n = n_vocab,
                                   .k = width,
                                   .a = x,
                                   .a_row = width,
                                   .a_k = 1,
                                   .b = embd,
                                   .b_k = 1,
                                   .b_column = width,
                                   .c = n->logits,
                                   .ldc = n_vocab});
        net_run(n, cross_entropy_row, &job, m);
        net_product(n, &(gemm_job){.m = m,
                                   .n = width,
                                   .k = n_vocab,
                                   .a = n->logits,
                                   .a_row = n_vocab,
                                   .a_k = 1,
                                   .b = embd,
                                   .b_k = width,
                                   .b_column = 1,
                                   .c = n->head_dx + first * width,
                                   .ldc = width});
        net_product(n, &(gemm_job){.m = n_vocab,
                                   .n = width,
                                   .k = m,
                                   .a = n->logits,
                                   .a_row = 1,
                                   .a_k = n_vocab,
                                   .b = x,
                                   .b_k = width,
                                   .b_column = 1,
                                   .c = d_embd,
                                   .ldc = width,
                                   .accumulate = first > 0});
    }
    memset(n->d_embd, 0, n_rows * width * sizeof *n->d_embd);
    norm_back(n, n->head_x, n->w + n->layout.out_norm, n->head_factor, n->head_dx, n_rows,
              n->d_embd, n->g + n->layout.out_norm);
    memset(n->dx, 0, batch->n_tokens * width * sizeof *n->dx);
    double loss = 0;
    for (size_t i = 0; i < n_rows; i++) {
        memcpy(n->dx + n->head_rows[i] * width, n->d_embd + i * width, width * sizeof *n->dx);
        loss += n->losses[i];
    }
    return loss;
}

/* ---- backward ---- */

static void layer_backward(net *n, const net_batch *batch, uint32_t layer)
{
    const net_shape *s = &n->shape;
    const net_layer *p = &n->layout.layers[layer];
    net_kept *k = &n->kept[layer];
    size_t t = batch->n_tokens, width = s->n_embd;
    rows_job rows = {.n = n, .batch = batch, .kept = k, .y = n->d_qkv, .n_rows = t, .back = true};
    multiply_back(n, k->active, n->w + p->down, n->dx, t, s->n_ff, width, n->d_ff, n->g + p->down);
    net_drop(n, batch, layer, NET_SITE_ACTIVE, n->d_ff, s->n_ff);
    net_run(n, swiglu_chunk, &rows, chunks_of(t));
    multiply_back(n, k->normed_mid, n->w + p->gate_up, n->d_gate_up, t, width, 2 * (size_t)s->n_ff,
                  n->d_embd, n->g + p->gate_up);
    norm_back(n, k->x_mid, n->w + p->ffn_norm, k->factor_mid, n->d_embd, t, n->dx,
              n->g + p->ffn_norm);
    multiply_back(n, k->mixed, n->w + p->attn_out, n->dx, t, width, width, n->d_embd,
                  n->g + p->attn_out);
    net_drop(n, batch, layer, NET_SITE_MIXED, n->d_embd, width);
    attention_backward(n, batch, k, n->d_embd);
    net_run(n, rotate_sequence, &rows, batch->n_sequences);
    multiply_back(n, k->normed, n->w + p->qkv, n->d_qkv, t, width, n->qkv_width, n->d_embd,
                  n->g + p->qkv);
    norm_back(n, k->x, n->w + p->attn_norm, k->factor, n->d_embd, t, n->dx, n->g + p->attn_norm);
}

static void embed_back_columns(void *arg, size_t chunk, int worker)
{
    enum { COLUMNS = 32 };
    const rows_job *j = arg;
    const net *n = j->n;
    size_t width = n->shape.n_embd, first = chunk * COLUMNS;
    (void)worker;
    for (size_t i = 0; i < j->batch->n_tokens; i++) {
        float *to = n->g + n->layout.embd + (size_t)j->batch->tokens[i] * width + first;
        const float *from = n->dx + i * width + first;
        for (size_t c = 0; c < COLUMNS && first + c < width; c++)
            to[c] += from[c];
    }
}

double net_gradient(net *n, const net_batch *batch)
{
    rows_job rows = {.n = n, .batch = batch};
    embed(n, batch);
    net_drop(n, batch, 0, NET_SITE_EMBD, n->x, n->shape.n_embd);
    for (uint32_t layer = 0; layer < n->shape.n_layer; layer++)
        layer_forward(n, batch, layer);
    double loss = head(n, batch);
    for (uint32_t layer = n->shape.n_layer; layer-- > 0;)
        layer_backward(n, batch, layer);
    net_drop(n, batch, 0, NET_SITE_EMBD, n->dx, n->shape.n_embd);
    net_run(n, embed_back_columns, &rows, (n->shape.n_embd + 31) / 32);
    return loss;
}
