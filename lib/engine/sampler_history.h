/* SPDX-License-Identifier: MIT
 *
 * sampler_history.h - the tokens accepted so far, and the penalties on what is in them.
 *
 * What     A ring of the last tokens, shared by the penalties and by DRY (sampler_dry.h). The
 *          penalties count the tokens of their window as they come and go, so that applying them
 *          costs nothing per token of the window.
 * Memory   All at open: the ring, and one counter per token of the vocabulary.
 */
#ifndef HEARTH_ENGINE_SAMPLER_HISTORY_H
#define HEARTH_ENGINE_SAMPLER_HISTORY_H

#include <stdint.h>

#include "base/status.h"
#include "engine/sampler_candidates.h"

typedef struct history {
    int32_t *tokens;
    size_t capacity;
    size_t n;
    size_t next; /* where the next one goes */
} history;

hearth_status history_open(history *h, size_t capacity, hearth_error *err);
void history_close(history *h);
void history_clear(history *h);
void history_push(history *h, int32_t token); /* capacity 0: nothing is kept */

/* The token i places back; 0 is the last one. i < h->n. */
static inline int32_t history_at(const history *h, size_t i)
{
    return h->tokens[h->next > i ? h->next - 1 - i : h->next + h->capacity - 1 - i];
}

typedef struct penalties {
    size_t window;   /* tokens looked back on; 0: off */
    float repeat;    /* logits of present tokens are divided by it, or multiplied if negative */
    float frequency; /* taken off per occurrence */
    float presence;  /* taken off once */
    uint32_t *counts;
} penalties;

/* Fields but counts are set. Opens to nothing where they have no effect. */
hearth_status penalties_open(penalties *p, size_t n_vocab, hearth_error *err);
void penalties_close(penalties *p);
void penalties_clear(penalties *p, size_t n_vocab);

/* Before token is pushed to h, which must hold at least the window. */
void penalties_accept(penalties *p, const history *h, int32_t token);
void penalties_apply(const penalties *p, candidates *c);

/* A changed logit brought back among the floats; -INFINITY stays what it is. */
static inline float finite_logit(float logit)
{
    const float largest = 0x1.fffffep+127f;
    return logit > largest ? largest : logit;
}

#endif
