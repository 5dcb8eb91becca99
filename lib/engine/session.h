/* SPDX-License-Identifier: MIT
 *
 * session.h - the inside of a hearth_session, for the engine's own files.
 */
#ifndef HEARTH_ENGINE_SESSION_H
#define HEARTH_ENGINE_SESSION_H

#include <hearth/session.h>

#include "engine/model.h"
#include "engine/page_pool.h"
#include "engine/pooling.h"

struct hearth_session {
    const hearth_model *model;
    hearth_session_options options;
    hearth_plan plan; /* as in force */
    forward *f;
    page_pool cache;
    sequence sequence; /* all pages of the cache */
    int32_t *tokens;   /* n_ctx */
    size_t n_tokens;
    float *logits; /* n_vocab; NULL for encoders */
    bool has_logits;
    pooled pooled;
    bool has_hidden;     /* pooled is of all tokens: false after a rewind or a load */
    uint32_t *positions; /* n_batch, as the two below: a batch under way */
    uint32_t *visible;
    const kv_sequence **sequences;
    const adapter_mix **mixes;
    adapter_mix mix;
    atomic_bool cancel;
};

/* Bytes of the arrays above. */
uint64_t session_bytes(const hparams *h, const hearth_plan *plan);

/* What must be equal for keys and values to be exchanged between sessions. */
uint64_t session_fingerprint(const hearth_session *s);

#endif
