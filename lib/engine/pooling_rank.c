/* SPDX-License-Identifier: MIT
 *
 * pooling_rank.c - see pooling_rank.h.
 *
 * Scratch: one activation row as wide as either matrix wants it, then what the dense layer gives.
 */
#include "engine/pooling_rank.h"

pooling_kind rank_token(const hparams *h)
{
    return h->causal ? POOLING_LAST : POOLING_CLS;
}

static size_t act_bytes(const linear *l)
{
    return l->data ? act_row_bytes(act_kind_for(l->type), l->k) : 0;
}

static size_t widest_act(const weights *w)
{
    size_t dense = act_bytes(&w->cls), output = act_bytes(&w->cls_output);
    return dense > output ? dense : output;
}

size_t rank_scratch_bytes(const hearth_model *m)
{
    return widest_act(&m->w) + m->w.cls.n_rows * sizeof(float);
}

static void multiply(const kernels *k, const linear *l, const float *x, void *act, float *y)
{
    const act_kind kind = act_kind_for(l->type);
    k->weight->quantize_act[kind](x, l->k, act);
    matmul_job job = {.w = l->data,
                      .row_bytes = l->row_bytes,
                      .k = l->k,
                      .n_rows = l->n_rows,
                      .n_columns = 1,
                      .x = {act},
                      .y = {y}};
    k->weight->matmul[l->type](&job);
    if (l->bias)
        k->f->add(y, l->bias, l->n_rows);
}

static void softmax(const float_kernels *f, float *x, size_t n)
{
    float sum = f->exp_sum(x, f->max(x, n), n);
    f->scale(x, 1.0f / sum, n);
}

void rank_scores(const hearth_model *m, const float *hidden, void *scratch, float *out)
{
    const weights *w = &m->w;
    const size_t n = m->h.n_labels;
    if (w->cls.data) {
        float *dense = w->cls_output.data ? (float *)((char *)scratch + widest_act(w)) : out;
        multiply(m->kernels, &w->cls, hidden, scratch, dense);
        m->kernels->f->softcap(dense, 1.0f, w->cls.n_rows); /* tanh */
        hidden = dense;
    }
    if (w->cls_output.data)
        multiply(m->kernels, &w->cls_output, hidden, scratch, out);
    if (m->arch->rank_softmax && n > 1)
        softmax(m->kernels->f, out, n);
}
