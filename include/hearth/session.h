/* SPDX-License-Identifier: MIT
 *
 * session.h - one timeline over a model: feed tokens, take logits or embeddings, go back, fork.
 *
 * What     A session owns the keys and values of its tokens, scratch memory and a pool of threads.
 *          All of it is taken at open, as hearth_model_plan said; feeding allocates nothing.
 * Bits     Logits depend on the model and the tokens alone: not on batch size, threads, how the
 *          tokens were cut into feeds, save and load, or the instruction set.
 * Threads  One thread at a time, but for hearth_session_cancel, which any thread may call at any
 *          moment between open and close.
 */
#ifndef HEARTH_SESSION_H
#define HEARTH_SESSION_H

#include <hearth/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_session hearth_session;

/* options may be NULL. The model must outlive the session. ENOFIT before anything is allocated if
 * the plan does not fit in free memory. */
HEARTH_API hearth_status hearth_session_open(hearth_session **out, const hearth_model *model,
                                             const hearth_session_options *options,
                                             hearth_error *err);
HEARTH_API void hearth_session_close(hearth_session *session);

HEARTH_API const hearth_model *hearth_session_model(const hearth_session *session);
HEARTH_API uint32_t hearth_session_n_ctx(const hearth_session *session);
HEARTH_API int32_t hearth_session_n_threads(const hearth_session *session);
HEARTH_API size_t hearth_session_n_tokens(const hearth_session *session);
/* The tokens so far; borrowed until the next call that changes the session. */
HEARTH_API const int32_t *hearth_session_tokens(const hearth_session *session);

typedef struct hearth_feed_options {
    size_t struct_size; /* set by hearth_feed_options_init */
    /* Called in order for every token fed, with its n_vocab logits (borrowed for the call).
     * Returning false cancels. NULL: only the last token's logits are computed. */
    bool (*on_logits)(void *user, size_t position, const float *logits, size_t n_vocab);
    void *user;
    bool no_logits;           /* compute none at all: the caller only fills the cache */
    hearth_progress progress; /* tokens read of n */
} hearth_feed_options;
/* Everything 0: the last token's logits. */
HEARTH_API void hearth_feed_options_init(hearth_feed_options *options);

/* Appends n tokens. All or nothing: after a failure the session is as it was before the call.
 * ECONTEXT if they do not fit (the message tells how many do not); ECANCELED; EINVAL for a token
 * outside the vocabulary; EIO if the model file shrank. Encoders (info->causal false) take their
 * whole sequence in one feed of at most n_ctx tokens. */
HEARTH_API hearth_status hearth_session_feed(hearth_session *session, const int32_t *tokens,
                                             size_t n, const hearth_feed_options *options,
                                             hearth_error *err);

/* How strongly each of the model's adapters is applied: n scales, n = hearth_model_n_adapters; 1
 * each at first, 0 leaves one out. EINVAL unless the session is empty (rewind to 0 first: what was
 * read was read with the old ones), or for another n or a scale that is no number. */
HEARTH_API hearth_status hearth_session_set_adapters(hearth_session *session, const float *scales,
                                                     size_t n, hearth_error *err);

/* The same with any adapters opened for the model, its own among them, in place of all that were
 * used before: exactly these n. The session keeps them until it uses others or is closed. Takes the
 * memory that a pass with them needs: ENOFIT, ENOMEM, with those used before still in force. */
HEARTH_API hearth_status hearth_session_use_adapters(hearth_session *session,
                                                     const hearth_adapter_use *uses, size_t n,
                                                     hearth_error *err);

/* Logits after the last token fed: n_vocab floats, borrowed until the next feed, rewind or load.
 * NULL if there are none (nothing fed, no_logits, after a rewind, or an encoder). */
HEARTH_API const float *hearth_session_logits(const hearth_session *session);

/* The pooled embedding of everything fed, n_embd floats to out: by the model's pooling (mean where
 * it names none; of a reranker, the hidden state that its classifier reads: scores are
 * hearth_engine_embed's). normalize: to length 1. EINVAL if nothing was fed or the session was
 * rewound. */
HEARTH_API hearth_status hearth_session_embedding(hearth_session *session, bool normalize,
                                                  float *out, hearth_error *err);

/* Cuts the timeline to its first n tokens (n <= n_tokens). The logits are gone until the next feed.
 */
HEARTH_API hearth_status hearth_session_rewind(hearth_session *session, size_t n,
                                               hearth_error *err);

/* A second session with the same tokens and logits; its memory is planned and checked as open's. */
HEARTH_API hearth_status hearth_session_fork(hearth_session **out, const hearth_session *session,
                                             hearth_error *err);

/* Writes tokens, cache and logits to path (atomically), and reads them back. load is EMISMATCH if
 * the file belongs to another model or another cache type, ECONTEXT if it holds more tokens than
 * n_ctx, EFORMAT if it is damaged (it carries a checksum); the session is unchanged then. */
HEARTH_API hearth_status hearth_session_save(const hearth_session *session, const char *path,
                                             hearth_error *err);
HEARTH_API hearth_status hearth_session_load(hearth_session *session, const char *path,
                                             hearth_error *err);

/* Makes the running feed, or else the next one, return ECANCELED within one layer of work. */
HEARTH_API void hearth_session_cancel(hearth_session *session);

#ifdef __cplusplus
}
#endif
#endif
