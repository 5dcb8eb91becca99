/* SPDX-License-Identifier: MIT
 *
 * models.h - the models that a conformance test runs over: a small random one of every architecture
 * and of every weight format, generated into a folder of their own, and those of the reference set.
 */
#ifndef HEARTH_TESTS_MODELS_H
#define HEARTH_TESTS_MODELS_H

#include <stdbool.h>
#include <stdint.h>

#include "support/test_reference.h"

typedef struct model_entry {
    char name[64];
    char path[PATH_MAX];
    uint32_t n_ctx_train;
    uint32_t n_vocab;
    bool causal;
} model_entry;

typedef struct model_set {
    model_entry *models;
    size_t n;
    test_folder folder; /* removed at close */
} model_set;

/* Ends the program with a message on failure. */
model_set *model_set_open(bool with_reference);
void model_set_close(model_set *set);

#endif
