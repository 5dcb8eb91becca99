/* SPDX-License-Identifier: MIT
 *
 * evaluate.h - all logits (or the pooled embedding) of a token sequence, under given circumstances.
 */
#ifndef HEARTH_TESTS_EVALUATE_H
#define HEARTH_TESTS_EVALUATE_H

#include <hearth/hearth.h>

typedef struct circumstances {
    const char *isa;   /* NULL: the best */
    int32_t n_threads; /* 0: the default */
    uint32_t n_ctx;    /* 0: the model's */
    uint32_t n_batch;
    size_t piece; /* tokens per feed; 0: all at once */
    hearth_cache_type cache;
    size_t save_at; /* save, close, reopen and load before this token; 0: never */
} circumstances;

/* n_tokens rows of n_vocab floats, or n_embd floats of an encoder; *n_floats in all; free().
 * Ends the program with a message on any failure. */
float *evaluate(const char *path, const int32_t *tokens, size_t n_tokens, const circumstances *c,
                size_t *n_floats);

#endif
