/* SPDX-License-Identifier: MIT
 *
 * hparams.h - the hyperparameters of a model, read from its metadata and checked.
 *
 * What     The numbers that say how large a model is and how its parts behave, in one struct for
 * all architectures: an architecture (arch.h) only says which of them it has and what their
 *          defaults are. Values come from a hostile file: each is bounded here, once, so that the
 *          rest of the code may multiply them without fear.
 * Threads  Immutable after hparams_read.
 */
#ifndef HEARTH_MODEL_HPARAMS_H
#define HEARTH_MODEL_HPARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "gguf/gguf.h"
#include "kernels/kernels.h"

enum {
    MAX_LAYERS = 512,
    MAX_WIDTH = 1 << 20, /* n_embd, n_ff, n_head * head_dim */
    MAX_HEADS = 4096,
    MAX_EXPERTS = 1024,
    MAX_CONTEXT = 1 << 28,
    MAX_VOCAB = 1 << 24,
    MAX_LABELS = 1 << 16
};

typedef enum norm_kind { NORM_RMS, NORM_LAYER } norm_kind;
typedef enum rope_kind { ROPE_NONE, ROPE_NORMAL, ROPE_NEOX } rope_kind;

/* How attention and feed-forward are joined to the residual stream x.
 *   SERIES    x += attn(norm(x)); x += ffn(norm(x))
 *   PARALLEL  x += attn(norm(x)) + ffn(norm'(x)), norm' being the same norm if there is no other
 *   POST      x = norm(x + attn(x)); x = norm(x + ffn(x)) */
typedef enum wiring_kind { WIRING_SERIES, WIRING_PARALLEL, WIRING_POST } wiring_kind;

/* How the scores of experts become weights.
 *   SOFTMAX       of all experts, then the best are taken
 *   SIGMOID       of each expert, then the best are taken
 *   TOP_SOFTMAX   the best scores are taken, then softmax over those */
typedef enum gating_kind { GATING_SOFTMAX, GATING_SIGMOID, GATING_TOP_SOFTMAX } gating_kind;

typedef enum pooling_kind {
    POOLING_NONE = 0, /* numbered as in the file */
    POOLING_MEAN = 1,
    POOLING_CLS = 2,
    POOLING_LAST = 3,
    POOLING_RANK = 4
} pooling_kind;

typedef enum rope_scaling_kind {
    ROPE_SCALING_NONE,
    ROPE_SCALING_LINEAR,
    ROPE_SCALING_YARN,
    ROPE_SCALING_LONGROPE
} rope_scaling_kind;

typedef struct layer_hparams {
    uint32_t n_head;
    uint32_t n_head_kv;
    uint32_t n_ff;
    bool sliding; /* sees only the last n_window positions, and uses the local RoPE */
    bool rope;    /* false: no positional encoding in this layer */
} layer_hparams;

typedef struct hparams {
    uint32_t n_vocab;
    uint32_t n_ctx_train;
    uint32_t n_embd;
    uint32_t n_layer;
    uint32_t head_dim_k;
    uint32_t head_dim_v;
    uint32_t n_head_max; /* of all layers */
    uint32_t n_head_kv_max;
    uint32_t n_ff_max;
    uint32_t n_window; /* 0: no sliding window */
    layer_hparams layers[MAX_LAYERS];

    norm_kind norm;
    wiring_kind wiring;
    ffn_act act;
    bool causal;
    pooling_kind pooling;
    float norm_eps;

    rope_kind rope;
    uint32_t n_rot;
    float rope_freq_base;
    float rope_freq_base_local; /* of sliding layers */
    rope_scaling_kind rope_scaling;
    bool rope_scaling_local; /* whether sliding layers are scaled too */
    float rope_scaling_factor;
    uint32_t rope_n_ctx_orig;
    float rope_attn_factor; /* on the magnitude of the rotation */
    float rope_attn_factor_local;

    float attn_scale;   /* on q . k */
    float attn_softcap; /* 0: none, as for all that follow */
    float logit_softcap;
    float alibi_max_bias;
    float qkv_clamp;
    float embedding_scale;
    float residual_scale;
    float logit_scale; /* multiplies */

    uint32_t n_expert; /* 0: dense */
    uint32_t n_expert_used;
    uint32_t n_ff_expert;
    uint32_t n_ff_shared;
    gating_kind gating;
    bool expert_weights_norm; /* divide the weights of the chosen by their sum */

    uint32_t n_labels; /* outputs of a reranker's classifier; 0: the model has none */
} hparams;

typedef struct arch arch;

/* Reads general.architecture and everything that architecture has. EUNSUPPORTED for an unknown one
 * (the message lists the known), EFORMAT for a value that is absent, of the wrong type or out of
 * its bounds. *a is borrowed and static. */
hearth_status hparams_read(hparams *h, const arch **a, const gguf *g, hearth_error *err);

/* Reading "ARCHITECTURE.suffix": for architectures' own keys. As gguf_get_*, with the value checked
 * against [low, high]. */
hearth_status hparams_get_u32(const gguf *g, const arch *a, const char *suffix, uint32_t low,
                              uint32_t high, uint32_t *out, bool *found, hearth_error *err);
hearth_status hparams_get_f32(const gguf *g, const arch *a, const char *suffix, float *out,
                              bool *found, hearth_error *err);
hearth_status hparams_get_bool(const gguf *g, const arch *a, const char *suffix, bool *out,
                               hearth_error *err);

/* The names of the classifier's outputs, h->n_labels of them; NULL if the file does not tell. */
const gguf_string *hparams_labels(const hparams *h, const gguf *g, const arch *a);

/* Which layers slide, where there is a window: ARCHITECTURE.attention.sliding_window_pattern, an
 * array with a flag for each layer or a period P (the last of every P layers sees everything; 0:
 * none does, 1: all do), or else default_period. */
hearth_status hparams_read_sliding_pattern(hparams *h, const gguf *g, const arch *a,
                                           uint32_t default_period, hearth_error *err);

#endif
