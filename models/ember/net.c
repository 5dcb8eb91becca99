/* SPDX-License-Identifier: MIT
 *
 * net.c - see net.h. The forward pass keeps what the backward pass reads; attention is in
 * attention.c.
 */
#include "ember/net.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "ember/net_impl.h"
#include "ember/rng.h"

/* ---- parameters ---- */

static size_t take(size_t *at, size_t n)
{
    size_t here = *at;
    *at += n;
    return here;
}

void net_layout_init(net_layout *l, const net_shape *s)
{
    size_t at = 0, head_dim = s->n_embd / s->n_head;
    l->embd = take(&at, (size_t)s->n_vocab * s->n_embd);
    for (uint32_t i = 0; i < s->n_layer; i++) {
        net_layer *p = &l->layers[i];
        p->attn_norm = take(&at, s->n_embd);
        p->qkv = take(&at, s->n_embd * (s->n_head + 2 * s->n_head_kv) * head_dim);
        p->attn_out = take(&at, (size_t)s->n_embd * s->n_embd);
        p->ffn_norm = take(&at, s->n_embd);
        p->gate_up = take(&at, (size_t)s->n_embd * 2 * s->n_ff);
        p->down = take(&at, (size_t)s->n_ff * s->n_embd);
    }
    l->out_norm = take(&at, s->n_embd);
    l->n = at;
}

bool net_is_norm(const net_layout *l, const net_shape *s, size_t i)
{
    if (i >= l->out_norm)
        return true;
    for (uint32_t layer = 0; layer < s->n_layer; layer++) {
        size_t attn = l->layers[layer].attn_norm, ffn = l->layers[layer].ffn_norm;
        if ((i >= attn && i < attn + s->n_embd) || (i >= ffn && i < ffn + s->n_embd))
            return true;
    }
    return false;
}

static void fill_normal(float *x, size_t n, float deviation, rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = deviation * (float)rng_normal(r);
}

static void fill_ones(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 1.0f;
}

void net_init_parameters(net *n, uint64_t seed)
{
    const net_shape *s = &n->shape;
    const net_layout *l = &n->layout;
    rng r = rng_new(seed, 0);
    float deviation = 0.02f, residual = 0.02f / sqrtf(2.0f * (float)s->n_layer);
    fill_normal(n->w + l->embd, (size_t)s->n_vocab * s->n_embd, deviation, &r);
    for (uint32_t i = 0; i < s->n_layer; i++) {
        const net_layer *p = &l->layers[i];
        fill_ones(n->w + p->attn_norm, s->n_embd);
        fill_normal(n->w + p->qkv, p->attn_out - p->qkv, deviation, &r);
        fill_normal(n->w + p->attn_out, p->ffn_norm - p->attn_out, residual, &r);
        fill_ones(n->w + p->ffn_norm, s->n_embd);
        fill_normal(n->w + p->gate_up, p->down - p->gate_up, deviation, &r);
        fill_normal(n->w + p->down, (size_t)s->n_ff * s->n_embd, residual, &r);
    }
    fill_ones(n->w + l->out_norm, s->n_embd);
}

/* ---- memory ---- */

static float *floats(net *n, size_t count)
{
    float *p = mem_alloc_aligned(count * sizeof *p);
    if (p == NULL)
        n->failed = true;
    else
        memset(p, 0, count * sizeof *p);
    return p;
}

static void alloc_activations(net *n, size_t t)
{
    const net_shape *s = &n->shape;
    for (uint32_t i = 0; i < s->n_layer; i++) {
        net_kept *k = &n->kept[i];
        k->x = floats(n, t * s->n_embd);
        k->normed = floats(n, t * s->n_embd);
        k->factor = floats(n, t);
        k->qkv = floats(n, t * n->qkv_width);
        k->mixed = floats(n, t * s->n_embd);
        k->x_mid = floats(n, t * s->n_embd);
        k->normed_mid = floats(n, t * s->n_embd);
        k->factor_mid = floats(n, t);
        k->gate_up = floats(n, t * 2 * s->n_ff);
        k->active = floats(n, t * s->n_ff);
    }
    n->x = floats(n, t * s->n_embd);
    n->dx = floats(n, t * s->n_embd);
    n->d_embd = floats(n, t * s->n_embd);
    n->d_qkv = floats(n, t * n->qkv_width);
    n->d_ff = floats(n, t * s->n_ff);
    n->d_gate_up = floats(n, t * 2 * s->n_ff);
    n->head_x = floats(n, t * s->n_embd);
    n->head_normed = floats(n, t * s->n_embd);
    n->head_dx = floats(n, t * s->n_embd);
    n->head_factor = floats(n, t);
    n->logits = floats(n, (size_t)NET_HEAD_ROWS * s->n_vocab);
    n->head_rows = mem_alloc_array(t, sizeof *n->head_rows);
    n->losses = mem_alloc_array(t, sizeof *n->losses);
    n->failed |= n->head_rows == NULL || n->losses == NULL;
}

static void alloc_workers(net *n)
{
    for (int i = 0; i < n->n_threads; i++) {
        n->gemm_scratch[i] = floats(n, GEMM_SCRATCH_FLOATS);
        n->attn_scratch[i] = floats(n, 2 * (size_t)ATTN_ROWS * n->shape.n_ctx);
    }
    n->norm_partials = floats(n, (size_t)NET_NORM_CHUNKS * n->shape.n_embd);
}

static void fill_angles(net *n)
{
    size_t half = n->head_dim / 2;
    for (size_t position = 0; position < n->shape.n_ctx; position++) {
        for (size_t i = 0; i < half; i++) {
            double angle =
                (double)position * fmath_pow((double)n->shape.rope_base, -(double)i / (double)half);
            n->cos[position * half + i] = (float)fmath_cos(angle);
            n->sin[position * half + i] = (float)fmath_sin(angle);
        }
    }
}

hearth_status net_open(net **out, const net_shape *shape, size_t max_tokens, int n_threads,
                       const char *isa, hearth_error *err)
{
    net *n = mem_calloc(1, sizeof *n);
    if (n == NULL)
        return error_no_memory(err, "the net", sizeof *n);
    hearth_status status = HEARTH_OK;
    n->shape = *shape;
    n->head_dim = shape->n_embd / shape->n_head;
    n->qkv_width = (shape->n_head + 2 * (size_t)shape->n_head_kv) * n->head_dim;
    n->n_threads = n_threads < NET_MAX_THREADS ? n_threads : NET_MAX_THREADS;
    n->k = gemm_kernels_get(isa);
    if (n->k == NULL)
        FAIL_OUT(err, EINVAL, "isa", "this machine has no instruction set '%s'", isa ? isa : "");
    net_layout_init(&n->layout, shape);
    TRY_OUT(thread_pool_open(&n->pool, n->n_threads, err));
    n->w = floats(n, n->layout.n);
    n->g = floats(n, n->layout.n);
    n->cos = floats(n, shape->n_ctx * n->head_dim / 2);
    n->sin = floats(n, shape->n_ctx * n->head_dim / 2);
    alloc_activations(n, max_tokens);
    alloc_workers(n);
    if (n->failed)
        FAIL_OUT(err, ENOMEM, "net", "out of memory for a batch of %zu tokens", max_tokens);
    fill_angles(n);
    *out = n;
    return HEARTH_OK;
out:
    net_close(n);
    return status;
}

void net_close(net *n)
{
    if (n == NULL)
        return;
    for (uint32_t i = 0; i < n->shape.n_layer; i++) {
        net_kept *k = &n->kept[i];
        float *all[] = {k->x,     k->normed,     k->factor,     k->qkv,     k->mixed,
                        k->x_mid, k->normed_mid, k->factor_mid, k->gate_up, k->active};
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            mem_free(all[j]);
    }
    float *all[] = {n->w,           n->g,         n->cos,         n->sin,
                    n->x,           n->dx,        n->d_embd,      n->d_qkv,
                    n->d_ff,        n->d_gate_up, n->head_x,      n->logits,
                    n->head_normed, n->head_dx,   n->head_factor, n->norm_partials};
    for (size_t j = 0; j < sizeof all / sizeof *all; j++)
        mem_free(all[j]);
    for (int i = 0; i < NET_MAX_THREADS; i++) {
        mem_free(n->gemm_scratch[i]);
        mem_free(n->attn_scratch[i]);
    }
    mem_free(n->head_rows);
    mem_free(n->losses);
    thread_pool_close(n->pool);
    mem_free(n);
}

const net_layout *net_get_layout(const net *n)
{
    return &n->layout;
}

float *net_parameters(net *n)
{
    return n->w;
}

float *net_gradients(net *n)
{
    return n->g;
}

void net_run(net *n, void (*fn)(void *arg, size_t chunk, int worker), void *arg, size_t n_chunks)
{
    thread_pool_run(n->pool, fn, arg, n_chunks);
}
