/* SPDX-License-Identifier: MIT
 *
 * ops_cpu_state.h - what the files ops_cpu*.c share: the scratch memory and how work is spread.
 */
#ifndef HEARTH_MODEL_OPS_CPU_STATE_H
#define HEARTH_MODEL_OPS_CPU_STATE_H

#include "model/ops_cpu.h"
#include "os/thread_pool.h"

/* Scratch of the experts: a pair is one token with one of its chosen experts. */
typedef struct expert_scratch {
    float *scores;        /* [n_batch][n_expert], router output */
    float *weights;       /* [pair] */
    uint32_t *chosen;     /* [pair] expert */
    uint32_t *order;      /* [pair] pairs sorted by expert, then by token */
    uint32_t *place;      /* [pair] where in order it is */
    uint32_t *first;      /* [n_expert + 1] where an expert's pairs begin in order */
    uint32_t *first_tile; /* [n_expert + 1] where its tiles begin */
    uint32_t *wanted;     /* [n_expert] those that have a place */
    size_t n_wanted;
    float *gate;             /* [place][n_ff_expert] */
    float *up;               /* [place][n_ff_expert] */
    float *down;             /* [place][n_embd] */
    uint8_t *act[ACT_COUNT]; /* [place] activation rows of n_ff_expert elements */
    uint8_t *tiles;          /* of the experts that many tokens chose, one kind at a time */
} expert_scratch;

typedef struct ops_cpu {
    ops base;
    const kernels *k;
    thread_pool *pool;
    size_t n_batch;
    void *memory; /* everything below, one mapping */
    size_t memory_bytes;
    uint8_t *act[ACT_COUNT]; /* [n_batch] activation rows of the widest input; none for ACT_F32 */
    uint8_t
        *tiles[ACT_COUNT];  /* the same as tiles of panel.h; none for ACT_F32 or without panels */
    uint8_t *panels;        /* [n_threads][PANEL_SCRATCH_BYTES] */
    float *cos[ANGLE_SETS]; /* [n_batch][n_rot / 2] */
    float *sin[ANGLE_SETS];
    uint8_t *worker; /* [n_threads][worker_bytes], attention's blocks */
    size_t worker_bytes;
    float *slots; /* [n_slots][slot_floats], what attention's chunks came to */
    size_t n_slots;
    size_t slot_floats;
    expert_scratch experts;
} ops_cpu;

/* Runs fn over the chunks: on the pool, or here if all of it is less work than waking threads. work
 * is in multiply-adds or the like. */
void ops_cpu_run(ops_cpu *o, thread_pool_fn fn, void *arg, size_t n_chunks, uint64_t work);

/* Quantizes n rows of k floats into act (rows of act_row_bytes) as `kind` wants. Not for ACT_F32.
 */
void ops_cpu_quantize(ops_cpu *o, act_kind kind, const float *x, size_t n, size_t k, uint8_t *act);

/* Whether n columns of a format are multiplied by panels. */
bool ops_cpu_uses_panels(const ops_cpu *o, wtype type, size_t n);

/* Rows of a matrix that make a chunk worth handing out: a multiple of 16, maybe more than there
 * are, or 0 where there are none. */
size_t ops_cpu_chunk_rows(size_t row_bytes, size_t n_rows);

void ops_cpu_linears(ops *base, const linear *const *w, float *const *y, size_t n_linears,
                     const float *x, size_t n);
void ops_cpu_attention(ops *base, const attention_job *job);
void ops_cpu_experts(ops *base, const hparams *h, const layer_weights *l, const float *x, size_t n,
                     float *y);

/* Scratch of one worker in ops_cpu_attention for passes of up to n_batch tokens; twice that with
 * far keys. */
size_t ops_cpu_attention_bytes(const hparams *h, size_t n_batch);
/* Slots for all chunks of one token in a context of n_ctx. */
size_t ops_cpu_attention_slots(const hparams *h, uint32_t n_ctx, size_t *slot_floats);

#endif
