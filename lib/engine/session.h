/* SPDX-License-Identifier: MIT
 *
 * session.h - the inside of a hearth_session, for the engine's own files.
 */
#ifndef HEARTH_ENGINE_SESSION_H
#define HEARTH_ENGINE_SESSION_H

#include <hearth/session.h>

#include "engine/kv_cache.h"
#include "engine/model.h"

/* Embeddings of what was fed. Pooling adds tokens one by one, in order, so that it does not matter
 * in which pieces they came. */
typedef struct pooled {
    bool valid; /* false after a rewind or a load: hidden states are not kept */
    size_t n;
    float *sum;
    float *first;
    float *last;
} pooled;

struct hearth_session {
    const hearth_model *model;
    hearth_session_options options;
    hearth_plan plan; /* as in force */
    forward *f;
    kv_cache cache;
    kv_sequence sequence;
    int32_t *tokens; /* n_ctx */
    size_t n_tokens;
    float *logits; /* n_vocab; NULL for encoders */
    bool has_logits;
    pooled pooled;
    uint32_t *positions; /* n_batch, as the two below: a batch under way */
    uint32_t *visible;
    const kv_sequence **sequences;
    atomic_bool cancel;
};

/* Bytes of the arrays above. */
uint64_t session_bytes(const hparams *h, const hearth_plan *plan);

/* What must be equal for keys and values to be exchanged between sessions of one model. */
uint64_t session_fingerprint(const hearth_session *s);

#endif
