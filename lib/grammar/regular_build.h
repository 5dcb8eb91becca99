/* SPDX-License-Identifier: MIT
 *
 * regular_build.h - an automaton in the making: states are named by keys, whatever these mean to
 * who makes them, and finished one after the other.
 */
#ifndef HEARTH_GRAMMAR_REGULAR_BUILD_H
#define HEARTH_GRAMMAR_REGULAR_BUILD_H

#include "grammar/regular.h"

#define REGULAR_LIST(array, type) ((type *)(void *)(array)->data)
#define REGULAR_COUNT(array, type) ((array)->n / sizeof(type))

/* A table of keys (runs of uint32_t) that gives each a number, and the automaton in the making. */
typedef struct regular_builder {
    buf keys;    /* uint32_t, all keys behind each other */
    buf spans;   /* uint32_t: where key i begins; one more at the end */
    buf edges;   /* regular_edge */
    buf firsts;  /* uint32_t by state, one more at the end */
    buf accepts; /* uint8_t */
    uint32_t *slots;
    size_t n_slots;
    size_t work;
    hearth_error *err;
} regular_builder;

hearth_status regular_builder_open(regular_builder *b, hearth_error *err);
/* Also after a failed open. */
void regular_builder_close(regular_builder *b);
/* Keys. */
size_t regular_builder_n(const regular_builder *b);
/* The i-th key, borrowed. */
const uint32_t *regular_builder_key(const regular_builder *b, size_t i, size_t *n);
/* The number of a key; a new one is that of a new state. */
hearth_status regular_builder_state(regular_builder *b, const uint32_t *key, size_t n,
                                    uint32_t *state);
/* States are finished in the order of their numbers: begin, edges ascending, begin the next .. */
hearth_status regular_builder_begin(regular_builder *b, bool accepts);
hearth_status regular_builder_edge(regular_builder *b, uint32_t low, uint32_t high, uint32_t to);
/* What was begun, without states that lead nowhere and with equal ones joined. */
hearth_status regular_builder_finish(regular_builder *b, regular **out, hearth_error *err);

hearth_status regular_no_memory(hearth_error *err);
hearth_status regular_too_large(hearth_error *err);

#endif
