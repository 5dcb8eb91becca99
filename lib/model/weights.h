/* SPDX-License-Identifier: MIT
 *
 * weights.h - the tensors of a model, found by name, checked for shape, ready to multiply.
 *
 * What     Matrices stay where they are, in the mapped file. Small vectors (norms, biases) are used
 * in place when they are aligned F32 and are otherwise converted once, into memory the weights own.
 * Fused tensors are split into views here, so that the forward pass knows only plain ones. What is
 * absent has data or w NULL. Threads  Immutable after weights_bind.
 */
#ifndef HEARTH_MODEL_WEIGHTS_H
#define HEARTH_MODEL_WEIGHTS_H

#include "model/arch.h"

/* y = W x + bias. */
typedef struct linear {
    const uint8_t *data;
    wtype type;
    size_t k;      /* inputs */
    size_t n_rows; /* outputs */
    size_t row_bytes;
    const float *bias; /* n_rows, or NULL */
} linear;

/* n_expert matrices of one shape, one after the other; the biases likewise. */
typedef struct expert_bank {
    linear first; /* expert 0 */
    size_t expert_bytes;
} expert_bank;

/* Normalizes vectors of n elements. With n_sets > 1 the i-th vector of a row has its own weights.
 */
typedef struct norm_weights {
    const float *w;
    const float *b; /* or NULL */
    size_t n;
    size_t n_sets;
} norm_weights;

typedef struct layer_weights {
    norm_weights attn_norm;
    norm_weights attn_norm_2; /* falcon: attention's own norm, attn_norm then being the other's */
    norm_weights q_norm;
    norm_weights k_norm;
    linear q, k, v, attn_output;
    const float *sinks; /* n_head, or NULL */
    norm_weights attn_post_norm;
    norm_weights ffn_norm;
    linear gate, up, down; /* up.data NULL: a layer of experts only */
    norm_weights ffn_post_norm;
    linear router; /* data NULL: dense */
    expert_bank gate_experts, up_experts, down_experts;
    linear shared_router; /* one row: how much of the shared expert; data NULL: all of it */
    linear shared_gate, shared_up, shared_down;
    norm_weights attn_output_norm; /* WIRING_POST */
    norm_weights layer_output_norm;
} layer_weights;

typedef struct weights {
    linear token_embd;
    linear position_embd; /* data NULL: none */
    linear token_types;
    norm_weights embd_norm;
    norm_weights output_norm;
    linear output; /* the token embedding if the file has no other; data NULL for encoders */
    linear cls, cls_output;  /* a reranker's classifier: tanh(cls x), then cls_output x */
    const float *rope_freqs; /* n_rot / 2 divisors, or NULL */
    const float *rope_long;
    const float *rope_short;
    layer_weights *layers;
    float **owned; /* converted vectors */
    size_t n_owned;
    uint64_t owned_bytes;
} weights;

/* EFORMAT naming the tensor that is absent or of the wrong shape. On failure w holds nothing. */
hearth_status weights_bind(weights *w, const hparams *h, const arch *a, const gguf *g,
                           hearth_error *err);
void weights_deinit(weights *w);

#endif
