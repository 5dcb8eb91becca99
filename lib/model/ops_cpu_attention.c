/* SPDX-License-Identifier: MIT
 *
 * ops_cpu_attention.c - softmax(q . k) v over the pages of a sequence.
 *
 * Order    Positions are walked in absolute tiles of KV_PAGE, ascending, and tiles in absolute
 * chunks of ATTN_CHUNK positions. A chunk keeps a running maximum m, sum l and accumulator acc
 * (online softmax: Milakov and Gimelshein 2018, arXiv 1805.02867); chunks are merged ascending. The
 *          order depends on positions alone, so a token's result is the same in any batch and with
 * any number of threads; it would also be if chunks ran in parallel. Window   What a token may see
 * is one interval [low, high) of positions. Tiles outside it are skipped; ALiBi adds slope * (key -
 * query) to a score. Sinks    A learnt score per head that takes its share of the softmax and has
 * no value.
 */
#include "model/ops_cpu_state.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

enum { ATTN_CHUNK = 512 };

/* A softmax in progress: acc / l is the result so far, with exponents relative to m. */
typedef struct partial {
    float m;
    float l;
    float *acc; /* head_dim_v */
} partial;

typedef struct head_job {
    const attention_job *job;
    const float_kernels *f;
    const kv_sequence *sequence;
    const float *q; /* scaled */
    uint32_t head_kv;
    uint32_t query; /* position */
    uint32_t low, high;
    float slope;
} head_job;

size_t ops_cpu_attention_floats(const hparams *h)
{
    return ops_stride(h->head_dim_k) + 2 * ops_stride(h->head_dim_v) + KV_PAGE;
}

static float exp1(const float_kernels *f, float x)
{
    return f->exp_sum(&x, 0.0f, 1);
}

/* Brings a partial to the maximum m, which is at least its own. */
static void rebase(const float_kernels *f, partial *p, float m, size_t n)
{
    if (m > p->m) {
        float factor = exp1(f, p->m - m);
        p->l *= factor;
        f->scale(p->acc, factor, n);
        p->m = m;
    }
}

static void walk_tile(const head_job *j, uint32_t first, uint32_t end, float *scores, partial *p)
{
    const attention_job *job = j->job;
    const hparams *h = job->h;
    const kv_layout *layout = job->layout;
    size_t n = end - first;
    j->f->attn_scores[layout->type_k](j->q,
                                      kv_keys(layout, j->sequence, job->layer, j->head_kv, first),
                                      h->head_dim_k, n, scores);
    if (h->attn_softcap != 0.0f)
        j->f->softcap(scores, h->attn_softcap, n);
    for (size_t i = 0; i < n && j->slope != 0.0f; i++)
        scores[i] = fmaf(j->slope, -fabsf((float)j->query - (float)(first + i)), scores[i]);
    rebase(j->f, p, j->f->max(scores, n), h->head_dim_v);
    p->l += j->f->exp_sum(scores, p->m, n);
    j->f->attn_mix[layout->type_v](scores,
                                   kv_values(layout, j->sequence, job->layer, j->head_kv, first),
                                   h->head_dim_v, n, p->acc);
}

static void start(partial *p, size_t n)
{
    p->m = -INFINITY;
    p->l = 0.0f;
    memset(p->acc, 0, n * sizeof *p->acc);
}

static void walk_chunk(const head_job *j, uint32_t first, uint32_t end, float *scores, partial *p)
{
    start(p, j->job->h->head_dim_v);
    while (first < end) {
        uint32_t next = (first / KV_PAGE + 1) * KV_PAGE;
        walk_tile(j, first, next < end ? next : end, scores, p);
        first = next;
    }
}

static void merge(const float_kernels *f, partial *total, partial *part, size_t n)
{
    float m = part->m > total->m ? part->m : total->m;
    rebase(f, total, m, n);
    rebase(f, part, m, n);
    total->l += part->l;
    f->add(total->acc, part->acc, n);
}

/* One query head of one token. scratch: head_dim_v floats, then KV_PAGE. */
static void walk_head(const head_job *j, const float *sink, float *scratch, float *out)
{
    size_t n = j->job->h->head_dim_v;
    float *scores = scratch + 2 * ops_stride(n);
    partial total = {.acc = scratch}, part = {.acc = scratch + ops_stride(n)};
    start(&total, n);
    for (uint32_t first = j->low; first < j->high;) {
        uint32_t next = (first / ATTN_CHUNK + 1) * ATTN_CHUNK;
        walk_chunk(j, first, next < j->high ? next : j->high, scores, &part);
        merge(j->f, &total, &part, n);
        first = next;
    }
    if (sink) {
        rebase(j->f, &total, *sink, n);
        total.l += exp1(j->f, *sink - total.m);
    }
    memcpy(out, total.acc, n * sizeof *out);
    j->f->scale(out, 1.0f / total.l, n);
}

/* Press, Smith and Lewis 2022 (arXiv 2108.12409): a geometric series of slopes over the heads. */
static float alibi_slope(const hparams *h, uint32_t head, uint32_t n_head)
{
    if (h->alibi_max_bias == 0.0f)
        return 0.0f;
    uint32_t n = 1;
    while (n * 2 <= n_head)
        n *= 2;
    double exponent = head < n ? -h->alibi_max_bias / (double)n * (head + 1)
                               : -h->alibi_max_bias / 2.0 / n * (2.0 * (head - n) + 1.0);
    return (float)fmath_pow(2.0, exponent);
}

typedef struct attend_arg {
    ops_cpu *o;
    const attention_job *job;
} attend_arg;

/* Chunk = one token and one key-value head, with the query heads that share it. */
static void attend(void *arg, size_t chunk, int worker)
{
    ops_cpu *o = ((const attend_arg *)arg)->o;
    const attention_job *job = ((const attend_arg *)arg)->job;
    const hparams *h = job->h;
    const layer_hparams *lh = &h->layers[job->layer];
    size_t token = chunk / lh->n_head_kv;
    uint32_t group = lh->n_head / lh->n_head_kv;
    float *scratch = o->worker + (size_t)worker * o->worker_floats;
    float *q = scratch;
    head_job j = {.job = job,
                  .f = o->k->f,
                  .sequence = job->tokens->sequences[token],
                  .q = q,
                  .head_kv = (uint32_t)(chunk % lh->n_head_kv),
                  .query = job->tokens->positions[token]};
    j.high = h->causal ? j.query + 1 : job->tokens->n_visible[token];
    if (lh->sliding && j.query >= h->n_window)
        j.low = j.query - h->n_window + 1;
    for (uint32_t i = 0; i < group; i++) {
        uint32_t head = j.head_kv * group + i;
        const float *source = job->q + token * ops_stride((size_t)lh->n_head * h->head_dim_k) +
                              (size_t)head * h->head_dim_k;
        float *out = job->out + token * ops_stride((size_t)lh->n_head * h->head_dim_v) +
                     (size_t)head * h->head_dim_v;
        memcpy(q, source, h->head_dim_k * sizeof *q);
        o->k->f->scale(q, h->attn_scale, h->head_dim_k);
        j.slope = alibi_slope(h, head, lh->n_head);
        walk_head(&j, job->sinks ? &job->sinks[head] : NULL, scratch + ops_stride(h->head_dim_k),
                  out);
    }
}

void ops_cpu_attention(ops *base, const attention_job *job)
{
    ops_cpu *o = (ops_cpu *)base;
    const hparams *h = job->h;
    const layer_hparams *lh = &h->layers[job->layer];
    size_t n = job->tokens->n;
    attend_arg arg = {o, job};
    uint64_t seen = job->tokens->positions[n - 1] + 1;
    ops_cpu_run(o, attend, &arg, n * lh->n_head_kv,
                seen * n * lh->n_head * (h->head_dim_k + h->head_dim_v));
}
