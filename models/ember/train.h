/* SPDX-License-Identifier: MIT
 *
 * train.h - learning the corpus: AdamW over batches of conversations, with checkpoints.
 *
 * What     Step s draws its batch from the seed and s alone, so a run that was killed and resumed
 *          gives the bits of one that was not. AdamW (Loshchilov and Hutter 2019) with the gradient
 *          clipped to length 1; the rate rises over the first steps, stays, and falls to nothing
 *          over the last part.
 */
#ifndef HEARTH_EMBER_TRAIN_H
#define HEARTH_EMBER_TRAIN_H

#include <hearth/model.h>

#include "ember/corpus.h"
#include "ember/net.h"

typedef struct train_options {
    uint64_t seed;
    uint32_t n_steps;
    uint32_t batch_tokens;
    float rate;    /* the highest learning rate */
    float dropout; /* chance of a unit to be left out in a step, below 1 */
    int n_threads;
    const char *isa;
    const char *checkpoint; /* a file that is written every checkpoint_steps and resumed from */
    uint32_t checkpoint_steps;
    uint32_t stop_after; /* leave after this step, as if killed; 0: never */
    void (*on_step)(void *user, uint32_t step, double loss, double rate, double seconds);
    void *user;
} train_options;

/* Trains n, whose parameters are overwritten. EMISMATCH if the checkpoint is of another run. */
hearth_status train_run(net *n, const net_shape *shape, const corpus *c,
                        const hearth_model *vocabulary, const train_options *options,
                        hearth_error *err);

#endif
