/* SPDX-License-Identifier: MIT
 *
 * sampler_dry.h - DRY, "don't repeat yourself": a penalty on tokens that would go on with a
 * sequence that was there before.
 *
 * What     Let the text end in a sequence of n tokens that also occurs earlier, followed there by
 * t. Then t gets multiplier * base ^ (n - allowed_length) taken off its logit, for the largest such
 * n, if n is at least allowed_length. Sequences do not reach back over a breaker (a line break, a
 * quote), and a token that contains one is never penalized. P. E. Weidmann, "DRY: a modern
 * repetition penalty", 2024. Breakers Texts. A token that contains one breaks by itself; one whose
 * end is the beginning of a breaker does so if the tokens of the rest follow. Cost     Linear in
 * the window per token chosen. Reading the vocabulary is linear in its bytes times the breakers,
 * and both their number and their length are bounded.
 */
#ifndef HEARTH_ENGINE_SAMPLER_DRY_H
#define HEARTH_ENGINE_SAMPLER_DRY_H

#include <stdint.h>

#include "base/status.h"
#include "engine/sampler_history.h"

enum {
    DRY_MAX_BREAKERS = 64,
    DRY_MAX_BREAKER_BYTES = 40,
    DRY_MAX_TAIL = 20,           /* tokens of a breaker after its first; more are not compared */
    DRY_MAX_SEQUENCES = 1 << 20, /* heads times tails */
};

/* The part of a model that finding breakers takes. Both give memory for mem_free. */
typedef struct sampler_vocab {
    size_t n;
    const void *user;
    hearth_status (*piece)(const void *user, int32_t token, char **bytes, size_t *n_bytes,
                           hearth_error *err);
    hearth_status (*tokenize)(const void *user, const char *text, size_t n, int32_t **tokens,
                              size_t *n_tokens, hearth_error *err);
} sampler_vocab;

/* A breaker as tokens: head, then tails[tail .. tail + n_tail). */
typedef struct dry_sequence {
    int32_t head;
    uint32_t tail;
    uint32_t n_tail;
} dry_sequence;

typedef struct dry {
    float multiplier; /* 0: off */
    float base;       /* below 1: off */
    int32_t allowed_length;
    size_t window;           /* 0: off */
    dry_sequence *sequences; /* by head, ascending */
    size_t n_sequences;
    int32_t *tails;
    int32_t *recent;  /* window: the history, last token first */
    int32_t *matches; /* window: how much of the end occurs at each place */
    int32_t *longest; /* n_vocab: the longest sequence that the token would go on with, plus 1 */
} dry;

/* The first four fields are set. Opens to nothing where they switch DRY off. */
hearth_status dry_open(dry *d, const sampler_vocab *vocab, const char *const *breakers,
                       size_t n_breakers, hearth_error *err);
void dry_close(dry *d);
void dry_apply(dry *d, const history *h, candidates *c);

#endif
