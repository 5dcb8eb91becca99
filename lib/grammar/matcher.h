/* SPDX-License-Identifier: MIT
 *
 * matcher.h - a matcher over a vocabulary; hearth_matcher_new is matcher_open over a model's.
 */
#ifndef HEARTH_GRAMMAR_MATCHER_H
#define HEARTH_GRAMMAR_MATCHER_H

#include "grammar/grammar.h"
#include "grammar/token_index.h"

/* The index must outlive the matcher. */
hearth_status matcher_open(hearth_matcher **out, hearth_grammar *grammar, const token_index *index,
                           const hearth_matcher_options *options, hearth_error *err);

#endif
