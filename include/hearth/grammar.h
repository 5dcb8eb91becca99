/* SPDX-License-Identifier: MIT
 *
 * grammar.h - answers that must have a form: a GBNF grammar, a JSON Schema or a regular expression.
 *
 * What     A grammar says which texts may be written. A matcher follows one answer through it,
 *          token by token, and tells which tokens of a model's vocabulary may come next.
 * Syntax   GBNF is llama.cpp's (its grammars/README.md). What a schema may hold, and what is
 *          refused with its JSON pointer, is in docs/decisions/grammar.md.
 * Ends     Tokens that end an answer may come exactly where the grammar may end. Other control
 *          tokens may come only where the grammar asks for them by token, or where they are
 *          preserved.
 * Threads  A grammar is immutable and counted: any thread. A matcher: one thread at a time; copies
 *          share nothing that changes.
 * Limits   Texts, rules, states, memory and steps are bounded; going over is an error that says so.
 */
#ifndef HEARTH_GRAMMAR_H
#define HEARTH_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_grammar hearth_grammar;

/* GBNF; root NULL means "root". EINVAL names line and column. */
HEARTH_API hearth_status hearth_grammar_from_gbnf(hearth_grammar **out, const char *text,
                                                  const char *root, hearth_error *err);
/* A JSON Schema, as JSON. EINVAL or EUNSUPPORTED name the JSON pointer. {"type":"object"} is any
 * JSON object. */
HEARTH_API hearth_status hearth_grammar_from_schema(hearth_grammar **out, const char *json,
                                                    hearth_error *err);
/* The whole answer matches the expression (ECMAScript's syntax; no assertions but ^ and $, and no
 * references back). */
HEARTH_API hearth_status hearth_grammar_from_regex(hearth_grammar **out, const char *pattern,
                                                   hearth_error *err);

HEARTH_API hearth_grammar *hearth_grammar_ref(hearth_grammar *grammar);
HEARTH_API void hearth_grammar_unref(hearth_grammar *grammar);

/* The GBNF that it was made of; of a schema or an expression, what it was turned into. Borrowed. */
HEARTH_API const char *hearth_grammar_to_gbnf(const hearth_grammar *grammar);

/* ---- matchers ---- */

typedef enum hearth_trigger_type {
    HEARTH_TRIGGER_TOKEN = 0,   /* this token; the grammar begins with it */
    HEARTH_TRIGGER_WORD = 1,    /* this text anywhere; the grammar begins with it */
    HEARTH_TRIGGER_PATTERN = 2, /* PCRE2 syntax, searched in the whole answer so far; the grammar
                                   begins at the first group that is not empty, else at the match */
    HEARTH_TRIGGER_PATTERN_FULL = 3 /* the same, matched against all of the answer so far */
} hearth_trigger_type;

typedef struct hearth_trigger {
    hearth_trigger_type type;
    const char *text; /* not for TOKEN */
    int32_t token;    /* for TOKEN */
} hearth_trigger;

typedef struct hearth_matcher_options {
    size_t struct_size;             /* set by hearth_matcher_options_init */
    const hearth_trigger *triggers; /* any of them starts the grammar; none: it holds from the
                                       first token. Until then every token may come */
    size_t n_triggers;
    const int32_t *preserved; /* control tokens that count as the text they are spelled with */
    size_t n_preserved;
} hearth_matcher_options;

HEARTH_API void hearth_matcher_options_init(hearth_matcher_options *options);

typedef struct hearth_matcher hearth_matcher;

/* At the start of an answer. Holds a reference to the grammar; the model must outlive it. options
 * may be NULL. The first matcher of a model sorts its vocabulary. */
HEARTH_API hearth_status hearth_matcher_new(hearth_matcher **out, hearth_grammar *grammar,
                                            const hearth_model *model,
                                            const hearth_matcher_options *options,
                                            hearth_error *err);
/* A second matcher at the same place, that goes its own way. */
HEARTH_API hearth_status hearth_matcher_dup(hearth_matcher **out, const hearth_matcher *matcher,
                                            hearth_error *err);
HEARTH_API void hearth_matcher_free(hearth_matcher *matcher);

/* Which tokens may come next: bit t % 64 of word t / 64 for token t, of n_vocab tokens. Borrowed
 * until the next call on the matcher. */
HEARTH_API hearth_status hearth_matcher_mask(hearth_matcher *matcher, const uint64_t **bits,
                                             hearth_error *err);
/* Whether one token may come next, without computing the mask. */
HEARTH_API hearth_status hearth_matcher_allows(hearth_matcher *matcher, int32_t token,
                                               bool *allowed, hearth_error *err);
/* Sets the logits of the tokens that may not come to -infinity. */
HEARTH_API hearth_status hearth_matcher_apply(hearth_matcher *matcher, float *logits,
                                              hearth_error *err);

/* Goes on by a token. EINVAL, and nothing changed, if it may not come. */
HEARTH_API hearth_status hearth_matcher_accept(hearth_matcher *matcher, int32_t token,
                                               hearth_error *err);

/* Whether the answer may end here, and whether nothing else may come any more. */
HEARTH_API bool hearth_matcher_may_end(const hearth_matcher *matcher);
HEARTH_API bool hearth_matcher_is_done(const hearth_matcher *matcher);

#ifdef __cplusplus
}
#endif
#endif
