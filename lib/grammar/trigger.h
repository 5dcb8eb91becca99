/* SPDX-License-Identifier: MIT
 *
 * trigger.h - what starts a lazy grammar: tokens, words and patterns in the text so far.
 *
 * The set is compiled once, immutable and counted: copies of a matcher share it.
 */
#ifndef HEARTH_GRAMMAR_TRIGGER_H
#define HEARTH_GRAMMAR_TRIGGER_H

#include <hearth/grammar.h>

#include "base/status.h"

typedef struct trigger_set trigger_set;

/* For a vocabulary of n_vocab tokens. EINVAL for a pattern that is none. */
hearth_status trigger_set_new(trigger_set **out, const hearth_trigger *triggers, size_t n,
                              size_t n_vocab, hearth_error *err);
trigger_set *trigger_set_ref(trigger_set *set);
void trigger_set_unref(trigger_set *set);

/* Whether a trigger is in the text of n bytes, whose last token takes the bytes from last_at on;
 * *at is where the grammar begins. Steps of a search are bounded: a pattern that takes too many is
 * EINVAL. */
hearth_status trigger_set_find(const trigger_set *set, const char *text, size_t n, int32_t last,
                               size_t last_at, bool *found, size_t *at, hearth_error *err);

#endif
