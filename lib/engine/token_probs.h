/* SPDX-License-Identifier: MIT
 *
 * token_probs.h - log probabilities of tokens, and the likeliest of them.
 *
 * Log softmax over all logits, in binary64 and in the order of the tokens, so that every machine
 * gives the same.
 */
#ifndef HEARTH_ENGINE_TOKEN_PROBS_H
#define HEARTH_ENGINE_TOKEN_PROBS_H

#include <stddef.h>

#include <hearth/engine.h>

/* What is taken off a logit to make it a log probability. At least one logit must be finite. */
double token_probs_offset(const float *logits, size_t n);

/* The n_top likeliest, likeliest first and of equals the smaller token first, to top; how many. */
size_t token_probs_top(const float *logits, size_t n, size_t n_top, double offset,
                       hearth_token_prob *top);

#endif
