/* SPDX-License-Identifier: MIT
 *
 * net_impl.h - what the files of the net share.
 */
#ifndef HEARTH_EMBER_NET_IMPL_H
#define HEARTH_EMBER_NET_IMPL_H

#include <stdbool.h>

#include "ember/gemm.h"
#include "ember/net.h"
#include "os/thread_pool.h"

enum {
    NET_MAX_THREADS = 64,
    NET_HEAD_ROWS = 2048, /* rows of logits at a time */
    NET_NORM_CHUNKS = 64, /* token ranges whose norm gradients are summed apart */
    ATTN_ROWS = 64        /* queries of one sequence and head at a time */
};

/* What the backward pass needs of a layer, [token][width] each. */
typedef struct net_kept {
    float *x, *normed, *factor; /* factor: one per token */
    float *qkv;                 /* rotated */
    float *mixed;               /* the attention's output */
    float *x_mid, *normed_mid, *factor_mid;
    float *gate_up, *active;
} net_kept;

struct net {
    net_shape shape;
    net_layout layout;
    size_t head_dim, qkv_width;
    const gemm_kernels *k;
    thread_pool *pool;
    int n_threads;
    bool failed; /* an allocation, while opening */
    float *w, *g;
    float *cos, *sin; /* [n_ctx][head_dim / 2] */
    net_kept kept[NET_MAX_LAYERS];
    float *x, *dx;                            /* the residual stream and its gradient */
    float *d_embd, *d_qkv, *d_ff, *d_gate_up; /* gradients on their way */
    float *head_x, *head_normed, *head_dx, *head_factor, *logits; /* rows that have a target */
    size_t *head_rows;
    double *losses;
    float *norm_partials; /* [NET_NORM_CHUNKS][n_embd] */
    float *gemm_scratch[NET_MAX_THREADS], *attn_scratch[NET_MAX_THREADS];
};

/* Where units are left out: after the embedding, and twice per layer. */
typedef enum net_site { NET_SITE_EMBD, NET_SITE_MIXED, NET_SITE_ACTIVE } net_site;

/* Leaves out units of x [n_tokens][width], or of its gradient: the same ones for the same batch,
 * layer and site. What stays is scaled up. */
void net_drop(net *n, const net_batch *batch, uint32_t layer, net_site site, float *x,
              size_t width);

/* C = A B (+ C) by all threads. */
void net_product(net *n, const gemm_job *job);

/* Reads q, k, v of `kept`, writes kept->mixed; and back: from d_mixed to n->d_qkv. */
void attention_forward(net *n, const net_batch *batch, net_kept *kept);
void attention_backward(net *n, const net_batch *batch, const net_kept *kept, const float *d_mixed);

#endif
