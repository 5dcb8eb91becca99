/* SPDX-License-Identifier: MIT
 *
 * attention.c - causal attention within each sequence, and its gradient.
 *
 * A work item is one sequence and one head of keys and values with all query heads that read it,
 * so that gradients of keys and values are summed by one thread in a fixed order. Queries go in
 * blocks of ATTN_ROWS; the probabilities of a block are computed again on the way back.
 */
#include <math.h>
#include <string.h>

#include "ember/net_impl.h"

typedef struct attention_job {
    net *n;
    const net_batch *batch;
    const net_kept *kept;
    float *mixed;
    const float *d_mixed;
} attention_job;

/* One block of queries of one head: rows [row, row + n_rows) of the sequence see n_keys keys. */
typedef struct block {
    size_t start; /* of the sequence */
    size_t length, row, n_rows, n_keys;
    const float *q, *k, *v; /* of the sequence's first token */
    float *scores;          /* [n_rows][n_keys] */
} block;

static float score_scale(const net *n)
{
    return 1.0f / sqrtf((float)n->head_dim);
}

static void probabilities(const net *n, const block *b, float *scratch)
{
    size_t width = n->qkv_width;
    float scale = score_scale(n);
    gemm_job qk = {.m = b->n_rows,
                   .n = b->n_keys,
                   .k = n->head_dim,
                   .a = b->q + b->row * width,
                   .a_row = width,
                   .a_k = 1,
                   .b = b->k,
                   .b_k = 1,
                   .b_column = width,
                   .c = b->scores,
                   .ldc = b->n_keys};
    n->k->gemm(&qk, scratch);
    for (size_t i = 0; i < b->n_rows; i++) {
        float *row = b->scores + i * b->n_keys;
        size_t visible = b->row + i + 1;
        for (size_t j = 0; j < visible; j++)
            row[j] *= scale;
        n->k->softmax(row, visible);
        memset(row + visible, 0, (b->n_keys - visible) * sizeof *row);
    }
}

static bool next_block(block *b, bool first)
{
    b->row = first ? 0 : b->row + b->n_rows;
    if (b->row >= b->length)
        return false;
    b->n_rows = b->length - b->row < ATTN_ROWS ? b->length - b->row : ATTN_ROWS;
    b->n_keys = b->row + b->n_rows;
    return true;
}

static block block_of(const attention_job *j, size_t item, size_t query_head, float *scores)
{
    const net *n = j->n;
    const net_shape *s = &n->shape;
    size_t sequence = item / s->n_head_kv, head_kv = item % s->n_head_kv;
    size_t head = head_kv * (s->n_head / s->n_head_kv) + query_head;
    size_t start = j->batch->starts[sequence];
    const float *qkv = j->kept->qkv + start * n->qkv_width;
    return (block){.start = start,
                   .length = j->batch->starts[sequence + 1] - start,
                   .q = qkv + head * n->head_dim,
                   .k = qkv + (s->n_head + head_kv) * n->head_dim,
                   .v = qkv + (s->n_head + s->n_head_kv + head_kv) * n->head_dim,
                   .scores = scores};
}

static size_t head_of(const net *n, size_t item, size_t query_head)
{
    return item % n->shape.n_head_kv * (n->shape.n_head / n->shape.n_head_kv) + query_head;
}

static void forward_item(void *arg, size_t item, int worker)
{
    const attention_job *j = arg;
    const net *n = j->n;
    size_t n_embd = n->shape.n_embd;
    for (size_t h = 0; h < n->shape.n_head / n->shape.n_head_kv; h++) {
        block b = block_of(j, item, h, n->attn_scratch[worker]);
        for (bool more = next_block(&b, true); more; more = next_block(&b, false)) {
            probabilities(n, &b, n->gemm_scratch[worker]);
            gemm_job pv = {.m = b.n_rows,
                           .n = n->head_dim,
                           .k = b.n_keys,
                           .a = b.scores,
                           .a_row = b.n_keys,
                           .a_k = 1,
                           .b = b.v,
                           .b_k = n->qkv_width,
                           .b_column = 1,
                           .c = j->mixed + (b.start + b.row) * n_embd +
                                head_of(n, item, h) * n->head_dim,
                           .ldc = n_embd};
            n->k->gemm(&pv, n->gemm_scratch[worker]);
        }
    }
}

/* dS = P (dP - rowsum(dP P)) scale, in the place of dP. */
static void softmax_back(const net *n, const block *b, float *dp)
{
    float scale = score_scale(n);
    for (size_t i = 0; i < b->n_rows; i++) {
        const float *p = b->scores + i * b->n_keys;
        float *d = dp + i * b->n_keys, pull = 0;
        for (size_t j = 0; j <= b->row + i; j++)
            pull += p[j] * d[j];
        for (size_t j = 0; j < b->n_keys; j++)
            d[j] = p[j] * (d[j] - pull) * scale;
    }
}

static void backward_block(const attention_job *j, const block *b, size_t head, size_t head_kv,
                           float *dp, float *scratch)
{
    const net *n = j->n;
    const net_shape *s = &n->shape;
    size_t width = n->qkv_width, hd = n->head_dim, n_embd = s->n_embd;
    const float *d_out = j->d_mixed + (b->start + b->row) * n_embd + head * hd;
    float *d = n->d_qkv + b->start * width;
    float *dq = d + b->row * width + head * hd, *dk = d + (s->n_head + head_kv) * hd;
    float *dv = d + (s->n_head + s->n_head_kv + head_kv) * hd;
    gemm_job to_p = {.m = b->n_rows,
                     .n = b->n_keys,
                     .k = hd,
                     .a = d_out,
                     .a_row = n_embd,
                     .a_k = 1,
                     .b = b->v,
                     .b_k = 1,
                     .b_column = width,
                     .c = dp,
                     .ldc = b->n_keys};
    gemm_job to_v = {.m = b->n_keys,
                     .n = hd,
                     .k = b->n_rows,
                     .a = b->scores,
                     .a_row = 1,
                     .a_k = b->n_keys,
                     .b = d_out,
                     .b_k = n_embd,
                     .b_column = 1,
                     .c = dv,
                     .ldc = width,
                     .accumulate = true};
    gemm_job to_q = {.m = b->n_rows,
                     .n = hd,
                     .k = b->n_keys,
                     .a = dp,
                     .a_row = b->n_keys,
                     .a_k = 1,
                     .b = b->k,
                     .b_k = width,
                     .b_column = 1,
                     .c = dq,
                     .ldc = width};
    gemm_job to_k = {.m = b->n_keys,
                     .n = hd,
                     .k = b->n_rows,
                     .a = dp,
                     .a_row = 1,
                     .a_k = b->n_keys,
                     .b = b->q + b->row * width,
                     .b_k = width,
                     .b_column = 1,
                     .c = dk,
                     .ldc = width,
                     .accumulate = true};
    n->k->gemm(&to_p, scratch);
    n->k->gemm(&to_v, scratch);
    softmax_back(n, b, dp);
    n->k->gemm(&to_q, scratch);
    n->k->gemm(&to_k, scratch);
}

static void backward_item(void *arg, size_t item, int worker)
{
    const attention_job *j = arg;
    const net *n = j->n;
    float *scores = n->attn_scratch[worker], *dp = scores + (size_t)ATTN_ROWS * n->shape.n_ctx;
    for (size_t h = 0; h < n->shape.n_head / n->shape.n_head_kv; h++) {
        block b = block_of(j, item, h, scores);
        for (bool more = next_block(&b, true); more; more = next_block(&b, false)) {
            probabilities(n, &b, n->gemm_scratch[worker]);
            backward_block(j, &b, head_of(n, item, h), item % n->shape.n_head_kv, dp,
                           n->gemm_scratch[worker]);
        }
    }
}

void attention_forward(net *n, const net_batch *batch, net_kept *kept)
{
    attention_job job = {.n = n, .batch = batch, .kept = kept, .mixed = kept->mixed};
    net_run(n, forward_item, &job, batch->n_sequences * n->shape.n_head_kv);
}

void attention_backward(net *n, const net_batch *batch, const net_kept *kept, const float *d_mixed)
{
    attention_job job = {.n = n, .batch = batch, .kept = kept, .d_mixed = d_mixed};
    memset(n->d_qkv, 0, batch->n_tokens * n->qkv_width * sizeof *n->d_qkv);
    net_run(n, backward_item, &job, batch->n_sequences * n->shape.n_head_kv);
}
