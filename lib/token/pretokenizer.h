/* SPDX-License-Identifier: MIT
 *
 * pretokenizer.h - cutting a text into the words within which BPE joins symbols.
 *
 * What     tokenizer.ggml.pre names a rule: a short list of steps, each of which cuts every piece
 *          that the steps before it left. A step is a regular expression, whose matches and the
 *          text between them become pieces, or a way to group digits from the right.
 * Threads  A pretokenizer is immutable after open; a run is one thread's.
 */
#ifndef HEARTH_TOKEN_PRETOKENIZER_H
#define HEARTH_TOKEN_PRETOKENIZER_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {                        /* what a name says beside its rule */
       PRE_IGNORE_MERGES = 1, /* a word that is a token is that token, whatever the merges */
       PRE_ADD_BOS = 2,       /* unless the metadata says otherwise */
       PRE_NO_BOS = 4,        /* there is none, unless the metadata names it */
       PRE_PLAIN = 8,         /* spellings are plain UTF-8 with <0xXX> bytes, not byte-level */
       PRE_SPACE_MARK = 16,   /* spaces are spelled U+2581 */
       PRE_LINE_FEEDS = 32,   /* a run of line feeds that is a token is that token */
       PRE_FORCE_BOS = 64     /* even if the metadata says otherwise */
};

enum { PRETOKENIZER_MAX_STEPS = 6 };

typedef enum pretokenizer_action {
    SPLIT_NONE, /* ends the list */
    SPLIT_REGEX,
    SPLIT_DIGITS_BY_THREE,
    SPLIT_DIGITS_SUPERBPE
} pretokenizer_action;

typedef struct pretokenizer_step {
    pretokenizer_action action;
    const char *pattern; /* of a regular expression */
} pretokenizer_step;

typedef struct pretokenizer_name {
    const char *name;
    const pretokenizer_step *steps;
    unsigned flags;
} pretokenizer_name;

/* NULL: not known. */
const pretokenizer_name *pretokenizer_find(const char *name, size_t n);
const pretokenizer_name *pretokenizer_at(size_t i); /* NULL past the end */

typedef struct pretokenizer {
    const pretokenizer_name *name;
    pcre2_general_context *memory;
    pcre2_code *codes[PRETOKENIZER_MAX_STEPS];
} pretokenizer;

hearth_status pretokenizer_open(pretokenizer *p, const pretokenizer_name *name, hearth_error *err);
void pretokenizer_close(pretokenizer *p);

typedef struct pretokenizer_run {
    uint32_t *ends; /* of the pieces, ascending; the last one is the length of the text */
    size_t n, capacity;
    uint32_t *cut; /* the pieces of the step at work */
    size_t n_cut, cut_capacity;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    uint64_t n_steps;
} pretokenizer_run;

void pretokenizer_run_deinit(pretokenizer_run *run);

/* Cuts text, which must be valid UTF-8 of less than 4 GiB, into run->ends. The run starts zeroed
 * and may be used again, with the same p. */
hearth_status pretokenizer_split(const pretokenizer *p, pretokenizer_run *run, const char *text,
                                 size_t n, hearth_error *err);

#endif
