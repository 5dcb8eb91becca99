/* SPDX-License-Identifier: MIT
 *
 * vocab.h - the tokens of a model: spellings, scores, attributes, and ids by spelling.
 *
 * Reads    tokenizer.ggml.tokens, .scores and .token_type. Spellings stay in the model file.
 * Limits   A spelling longer than VOCAB_MATCH_MAX bytes is a token like any other, but is never
 *          found in a text by SPM, WPM, UGM or as a special token. It keeps the work per character
 *          bounded whatever the vocabulary; the longest spellings of real models have about 300.
 */
#ifndef HEARTH_TOKEN_VOCAB_H
#define HEARTH_TOKEN_VOCAB_H

#include "gguf/gguf.h"
#include "token/text_hash.h"

enum { VOCAB_MATCH_MAX = 1024 };

/* The token types of GGUF, as a set: loading adds to what the file says (see specials.c). */
enum {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 4,
    TOKEN_USER_DEFINED = 8,
    TOKEN_UNUSED = 16,
    TOKEN_BYTE = 32,
    TOKEN_STRIPS_LEFT = 64,  /* as a special token, swallows the whitespace before it */
    TOKEN_STRIPS_RIGHT = 128 /* and after it */
};

typedef struct vocab {
    const gguf_string *texts; /* borrowed from the model */
    float *scores;            /* finite; NULL if the model has none */
    uint8_t *attributes;
    size_t n;
    size_t max_text; /* bytes of the longest spelling, VOCAB_MATCH_MAX at most */
    id_table ids;
} vocab;

hearth_status vocab_init(vocab *v, const gguf *g, const hearth_log *log, hearth_error *err);
void vocab_deinit(vocab *v);

float vocab_score(const vocab *v, int32_t id); /* 0 if the model has none */

/* The id spelled so, or -1. Of a spelling that occurs twice, the first. */
int32_t vocab_find(const vocab *v, const char *text, size_t n);
int32_t vocab_find_text(const vocab *v, const char *text);

/* The byte that a token of type TOKEN_BYTE spells as <0xXX>, or -1. */
int vocab_byte(const vocab *v, int32_t id);

/* Fills in the id for each byte: <0xXX>, else the byte itself; -1 where there is neither. */
void vocab_byte_ids(const vocab *v, int32_t ids[256]);

#endif
