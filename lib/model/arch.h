/* SPDX-License-Identifier: MIT
 *
 * arch.h - what makes one architecture different from another.
 *
 * What     A row of constants and, where an architecture has keys of its own, one function that
 * reads them. Everything else is shared: hparams.c reads the common keys, weights.c finds the
 *          tensors (what is there tells which biases, norms and experts a layer has), forward.c
 * runs them. The families live in arch_*.c; arch.c lists them. Recipe   To add an architecture see
 * CONTRIBUTING.md.
 */
#ifndef HEARTH_MODEL_ARCH_H
#define HEARTH_MODEL_ARCH_H

#include "model/hparams.h"

struct arch {
    const char *name; /* general.architecture */
    norm_kind norm;
    rope_kind rope;
    wiring_kind wiring;
    ffn_act act;
    gating_kind gating;
    bool expert_weights_norm;
    bool encoder;         /* not causal: embeddings, no logits */
    bool ungated;         /* the feed-forward is down(act(up x)), without a gate */
    bool no_pre_norms;    /* attention and feed-forward read the residual stream as it is */
    bool post_norms;      /* their outputs are normed before they are added */
    bool rank_softmax;    /* what a reranker's classifier gives are probabilities */
    const char *ffn_norm; /* the name of the feed-forward's pre-norm, if not "ffn_norm" */
    /* Reads what only this architecture has; the common values are already in h. May be NULL. */
    hearth_status (*read)(hparams *h, const gguf *g, const arch *a, hearth_error *err);
};

/* NULL if unknown. */
const arch *arch_find(const char *name, size_t n);
/* The i-th known architecture, NULL past the end: for messages and help. */
const arch *arch_at(size_t i);

#endif
