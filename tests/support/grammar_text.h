/* SPDX-License-Identifier: MIT
 *
 * grammar_text.h - texts of a grammar, for tests: whether it accepts one, and random ones.
 */
#ifndef HEARTH_TESTS_GRAMMAR_TEXT_H
#define HEARTH_TESTS_GRAMMAR_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "grammar/automaton.h"

/* Whether the whole text is one of the grammar's. False too if its limits are met. */
bool grammar_accepts(const hearth_grammar *g, const char *text, size_t n);

/* Appends a random text of the grammar: bytes that may come, until it may end and chance says so,
 * or nothing else can come. *random is a xorshift state. False if none was found within max bytes
 * (the text so far is in out). */
bool grammar_random_text(const hearth_grammar *g, uint64_t *random, size_t max, buf *out);

uint64_t grammar_random(uint64_t *random);

#endif
