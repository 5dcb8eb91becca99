/* SPDX-License-Identifier: MIT
 *
 * net.h - a small transformer of the llama architecture: its parameters, its loss and its gradient.
 *
 * What     RMS norms, rotary positions in pairs (2i, 2i+1), grouped attention, SwiGLU, and one
 * table that is both embedding and output. Matrices are kept [in][out]. Batch    Sequences of
 * tokens laid end to end; a token sees its own sequence only. The loss is the mean cross-entropy
 * over the tokens that have a target. Dropout (Srivastava et al. 2014) of embeddings, of what
 * attention mixed and of the feed-forward units, where the batch asks for it. Bits     Loss and
 * gradient depend on parameters and batch alone, not on threads or instruction set (gemm.h; every
 * sum over tokens runs in their order). Threads  One call at a time per net; it spreads its work
 * over a pool of its own.
 */
#ifndef HEARTH_EMBER_NET_H
#define HEARTH_EMBER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct net_shape {
    uint32_t n_vocab, n_embd, n_layer, n_head, n_head_kv, n_ff;
    uint32_t n_ctx; /* the longest sequence */
    float rope_base, norm_eps;
} net_shape;

/* Where a layer's parameters begin in the one array that holds all. */
typedef struct net_layer {
    size_t attn_norm; /* n_embd */
    size_t qkv;       /* [n_embd][q heads, then k heads, then v heads] */
    size_t attn_out;  /* [n_embd][n_embd] */
    size_t ffn_norm;  /* n_embd */
    size_t gate_up;   /* [n_embd][gate n_ff, then up n_ff] */
    size_t down;      /* [n_ff][n_embd] */
} net_layer;

enum { NET_MAX_LAYERS = 32 };

typedef struct net_layout {
    size_t embd; /* [n_vocab][n_embd] */
    net_layer layers[NET_MAX_LAYERS];
    size_t out_norm;
    size_t n; /* parameters in all */
} net_layout;

void net_layout_init(net_layout *layout, const net_shape *shape);
/* Whether parameter i belongs to a norm; weight decay leaves those alone. */
bool net_is_norm(const net_layout *layout, const net_shape *shape, size_t i);

typedef struct net_batch {
    size_t n_tokens;
    const int32_t *tokens;
    const int32_t *targets; /* the token that should come next */
    const float *weights;   /* of each target in the mean loss, 0: none */
    size_t n_sequences;
    const size_t *starts; /* n_sequences + 1 */
    float dropout;        /* chance of a unit to be left out, 0: none */
    uint64_t dropout_key; /* which ones; the same key gives the same */
} net_batch;

typedef struct net net;

hearth_status net_open(net **out, const net_shape *shape, size_t max_tokens, int n_threads,
                       const char *isa, hearth_error *err);
void net_close(net *n);

const net_layout *net_get_layout(const net *n);
/* layout->n floats each, MEM_ALIGN-aligned; the gradient is overwritten by net_gradient. */
float *net_parameters(net *n);
float *net_gradients(net *n);
void net_init_parameters(net *n, uint64_t seed);

/* The loss of a batch, and its gradient. The batch has at least one target. */
double net_gradient(net *n, const net_batch *batch);

/* Runs fn over [0, n_chunks) on the net's threads. */
void net_run(net *n, void (*fn)(void *arg, size_t chunk, int worker), void *arg, size_t n_chunks);

#endif
