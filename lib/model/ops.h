/* SPDX-License-Identifier: MIT
 *
 * ops.h - what a forward pass asks of a device.
 *
 * What     A table of operations on whole batches of rows. ops_cpu.c implements it over the kernels
 * and a thread pool; another device would implement it without touching an architecture. Rows     A
 * matrix of n rows of `width` floats has a stride of ops_stride(width) floats between its rows and
 * starts MEM_ALIGN-aligned. The padding's contents are undefined. Bits     A row's result depends
 * on that row alone (attention: on its sequence), never on the other rows of the batch or on the
 * number of threads. Threads  One call at a time per ops. Nothing allocates.
 */
#ifndef HEARTH_MODEL_OPS_H
#define HEARTH_MODEL_OPS_H

#include "model/kv.h"
#include "model/rope.h"

static inline size_t ops_stride(size_t width)
{
    return (width + 15) / 16 * 16;
}

/* The tokens of one pass. Token i is at positions[i] of sequences[i]; the tokens of one sequence
 * are consecutive and ascending. */
typedef struct batch {
    size_t n;
    const int32_t *tokens;
    const uint32_t *positions;
    const kv_sequence *const *sequences;
    const uint32_t *n_visible; /* positions of the sequence that exist after this pass */
    const struct adapter_mix *const *mixes; /* of each token, or NULL: of none; items may be NULL */
} batch;

enum { OPS_MAX_LINEARS = 4 };

/* Angles of a pass. A model has either sliding layers or far keys. */
typedef enum angle_set {
    ANGLES = 0,
    ANGLES_SLIDING = 1, /* of sliding layers */
    ANGLES_FAR_KEYS = 1,
    ANGLES_FAR_QUERIES = 2,
    ANGLE_SETS = 3
} angle_set;

/* Self-extend (Jin et al. 2024, arXiv 2401.01325): of the positions that are `near` or more before
 * a token, it is not its own query that meets the keys, but its far query the far keys, which are
 * rotated by coarser positions. */
typedef struct attention_job {
    const batch *tokens;
    const kv_layout *layout;
    const hparams *h;
    uint32_t layer;
    const float *sinks; /* n_head, or NULL */
    const float *q;     /* rows of n_head * head_dim_k, rotated */
    float *out;         /* rows of n_head * head_dim_v */
    const float *q_far; /* as q; NULL: no far keys */
    uint32_t near;
} attention_job;

typedef struct ops ops;

typedef struct ops_table {
    /* x[i] = table row ids[i] * scale, or += if add. */
    void (*embed)(ops *o, const linear *table, const int32_t *ids, size_t n, float scale, bool add,
                  float *x);
    /* Each row of x holds n_vectors vectors of w->n elements, each normalized. out may be x. */
    void (*norm)(ops *o, norm_kind kind, const norm_weights *w, float eps, const float *x, size_t n,
                 size_t n_vectors, float *out);
    /* y[j] = w[j] x + bias for j < n_linears, at most OPS_MAX_LINEARS; all have the same k. */
    void (*linears)(ops *o, const linear *const *w, float *const *y, size_t n_linears,
                    const float *x, size_t n);
    /* x += scale * y. */
    void (*add)(ops *o, float *x, const float *y, float scale, size_t n, size_t width);
    void (*clamp)(ops *o, float *x, float limit, size_t n, size_t width);
    /* Fills a set of this pass's angles for rope(): n positions, by frequencies of the table. */
    void (*angles)(ops *o, angle_set set, const rope_table *r, int frequencies,
                   const uint32_t *positions, size_t n);
    /* Rotates n_head heads of head_dim in every row. */
    void (*rope)(ops *o, angle_set set, const hparams *h, float *x, size_t n, size_t n_head);
    /* k_far NULL: no far keys. */
    void (*store_kv)(ops *o, const batch *tokens, const kv_layout *layout, const hparams *h,
                     uint32_t layer, const float *k, const float *k_far, const float *v);
    void (*attention)(ops *o, const attention_job *job);
    /* gate = act(gate) * up; up NULL: gate = act(gate). */
    void (*activate)(ops *o, ffn_act act, float *gate, const float *up, size_t n, size_t width);
    /* y = the weighted sum of the chosen experts; the shared expert is not included. */
    void (*experts)(ops *o, const hparams *h, const layer_weights *l, const float *x, size_t n,
                    float *y);
    /* y[i] *= sigmoid(gate[i][0]). */
    void (*gate_rows)(ops *o, float *y, const float *gate, size_t n, size_t width);
    /* Logits: times scale, then capped if cap is not 0. */
    void (*finish_logits)(ops *o, float *logits, float scale, float cap, size_t n, size_t width);
    void (*close)(ops *o);
} ops_table;

struct ops {
    const ops_table *table;
};

#endif
