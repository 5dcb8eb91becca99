/* SPDX-License-Identifier: MIT
 *
 * forward.h - one pass of tokens through a model.
 *
 * What     forward_run takes a batch from token ids to the last layer's output, writing the keys
 * and values of its tokens into their sequences; forward_logits and forward_hidden read what it
 *          left. How a layer is wired follows from hparams and from which tensors are there.
 * Bits     A token's result depends on its sequence alone: see kernels.h and ops_cpu_attention.c.
 * Threads  One thread at a time per forward; the weights may be shared by many.
 */
#ifndef HEARTH_MODEL_FORWARD_H
#define HEARTH_MODEL_FORWARD_H

#include <stdatomic.h>

#include "model/adapter.h"
#include "model/ops_cpu.h"

/* Rows of logits that are computed at a time. */
enum { FORWARD_LOGITS_ROWS = 8 };

typedef struct forward_options {
    const hparams *h;
    const weights *w;
    const kernels *kernels;
    int n_threads;
    size_t n_batch; /* most tokens of one run */
    uint32_t n_ctx;
    cache_type type_k;
    cache_type type_v;
    uint32_t adapter_rank; /* the most that a batch's adapters have; 0: no adapters */
    uint32_t adapter_n_out;
    uint32_t group_n; /* above 1: self-extend, see ops.h; positions that far keys share */
    uint32_t group_w; /* a multiple of that: positions that are near */
} forward_options;

typedef struct forward forward;

hearth_status forward_open(forward **out, const forward_options *options, hearth_error *err);
void forward_close(forward *f);

/* Bytes that forward_open takes; w and kernels may be NULL. */
uint64_t forward_bytes(const forward_options *options);

/* Room for adapters up to these sizes, more than were told at open; what is there already is kept,
 * and stays on failure. Between runs. */
hearth_status forward_grow_adapters(forward *f, uint32_t rank, uint32_t n_out, hearth_error *err);
bool forward_has_adapter_room(const forward *f, uint32_t rank, uint32_t n_out);
/* Bytes of that room in a forward pass of n_batch. */
uint64_t forward_adapter_bytes(size_t n_batch, uint32_t rank, uint32_t n_out);

const kv_layout *forward_kv_layout(const forward *f);

/* At most n_batch tokens. `cancel` (may be NULL) is looked at between layers: ECANCELED, with the
 * sequences' keys and values of these positions undefined. */
hearth_status forward_run(forward *f, const batch *tokens, const atomic_bool *cancel,
                          hearth_error *err);

/* Logits of n <= FORWARD_LOGITS_ROWS rows of the last run, named by their places in its batch, in
 * one matrix product: those of rows[i] at result + i * *stride, n_vocab floats. Borrowed until the
 * next call. */
const float *forward_logits(forward *f, const size_t *rows, size_t n, size_t *stride);

/* The final hidden states of the last run, after the output norm: n rows of n_embd floats. */
const float *forward_hidden(forward *f, size_t *stride);

#endif
