/* SPDX-License-Identifier: MIT
 *
 * evaluate.h - asking a model the held-out questions and counting what it gets right.
 *
 * Right means: greedy decoding gives one of the topic's answers, character for character. For a
 * question outside the scope that is the honest "I don't know".
 */
#ifndef HEARTH_EMBER_EVALUATE_H
#define HEARTH_EMBER_EVALUATE_H

#include <stdio.h>

#include <hearth/hearth.h>

#include "ember/corpus.h"

typedef struct evaluate_options {
    uint64_t seed;
    bool disguise; /* questions as they may be typed: small letters, slips, greetings */
    bool trained;  /* phrasings and operands of the training instead, to see what was learnt */
    bool all;      /* print right answers, too */
    const char *category; /* only this one; NULL: all */
    int n_threads;
} evaluate_options;

/* Prints the wrong answers and a table of all categories to `out`. */
hearth_status evaluate_model(const hearth_model *model, const corpus *c,
                             const evaluate_options *options, FILE *out, hearth_error *err);

#endif
