/* SPDX-License-Identifier: MIT
 *
 * gbnf.h - the compiler of GBNF.
 */
#ifndef HEARTH_GRAMMAR_GBNF_H
#define HEARTH_GRAMMAR_GBNF_H

#include <stdarg.h>
#include <stdio.h>

#include "grammar/grammar.h"

/* Fills the zeroed grammar g from n bytes of text, which need no NUL. On failure g may be half
 * filled: hearth_grammar_unref frees it. */
hearth_status gbnf_compile(hearth_grammar *g, const char *text, size_t n, const char *root,
                           hearth_error *err);

/* A new grammar of a text that is taken (mem_free), also on failure. */
hearth_status grammar_take_gbnf(hearth_grammar **out, char *text, size_t n, const char *root,
                                hearth_error *err);

#endif
