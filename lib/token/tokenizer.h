/* SPDX-License-Identifier: MIT
 *
 * tokenizer.h - text to token ids and back, as the model's GGUF metadata defines it.
 *
 * What     SPM (llama), BPE (gpt2) with named pre-tokenizers, WPM (bert), UGM (t5).
 * Input    Text is any bytes; vocabularies are hostile. Time is O(n log n) in the text, also for
 * one huge word; memory is bounded by a multiple of the text. Threads  A tokenizer is immutable
 * after open and may be used by many threads.
 */
#ifndef HEARTH_TOKEN_TOKENIZER_H
#define HEARTH_TOKEN_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "gguf/gguf.h"

typedef struct tokenizer tokenizer;

/* Keeps pointers into g, which must outlive it. An unknown model or pre-tokenizer is EUNSUPPORTED
 * and named. */
hearth_status tokenizer_open(tokenizer **out, const gguf *g, const hearth_log *log,
                             hearth_error *err);
void tokenizer_close(tokenizer *t);

enum {
    TOKENIZE_ADD_SPECIAL = 1,  /* bos, eos, cls, sep as the metadata asks */
    TOKENIZE_PARSE_SPECIAL = 2 /* control tokens written in the text become themselves */
};

/* Offsets in a text, ascending, that no control token is found across: there it is only spelled. */
typedef struct tokenizer_barriers {
    const size_t *at;
    size_t n;
} tokenizer_barriers;

/* *ids is the caller's (mem_free), also when *n_ids is 0. */
hearth_status tokenizer_encode(const tokenizer *t, const char *text, size_t n, unsigned flags,
                               int32_t **ids, size_t *n_ids, hearth_error *err);

/* The same, with barriers. */
hearth_status tokenizer_encode_guarded(const tokenizer *t, const char *text, size_t n,
                                       unsigned flags, const tokenizer_barriers *barriers,
                                       int32_t **ids, size_t *n_ids, hearth_error *err);
/* Appends the text with `mark` inside every control token that it spells. */
hearth_status tokenizer_mark_controls(const tokenizer *t, const char *text, size_t n,
                                      const char *mark, buf *out, hearth_error *err);

const char *tokenizer_kind(const tokenizer *t); /* "spm", "bpe", "wpm", "ugm" */
const char *tokenizer_pre(const tokenizer *t);  /* "" if there is none */
size_t tokenizer_n_vocab(const tokenizer *t);

/* Special ids, -1 where the model has none. */
typedef struct tokenizer_special {
    int32_t bos, eos, eot, eom, unk, sep, pad, cls, mask;
    int32_t fim_prefix, fim_suffix, fim_middle, fim_pad, fim_repo, fim_sep;
    bool add_bos, add_eos;
} tokenizer_special;
const tokenizer_special *tokenizer_specials(const tokenizer *t);

bool tokenizer_is_control(const tokenizer *t, int32_t id);
bool tokenizer_is_eog(const tokenizer *t,
                      int32_t id); /* ends an answer: eos, eot, eom, <|im_end|>.. */

/* The token's text as the vocabulary spells it; borrowed. False if id is out of range. */
bool tokenizer_spelling(const tokenizer *t, int32_t id, gguf_string *out);

/* Appends the bytes that the token stands for (control tokens: only if `special`). A leading-space
 * rule that depends on position is the detokenizer's, not applied here. False: out of memory or
 * id out of range. */
bool tokenizer_piece(const tokenizer *t, int32_t id, bool special, buf *out);

/* Streaming: never gives out half a character. One thread at a time. Invalid bytes are given out
 * as U+FFFD once it is certain that they can complete nothing. */
typedef struct detokenizer {
    const tokenizer *t;
    bool special;  /* write control tokens too */
    bool at_start; /* the leading space that SPM adds has not been dropped yet */
    buf pending;   /* bytes of an incomplete character */
} detokenizer;

void detokenizer_init(detokenizer *d, const tokenizer *t, bool special, bool at_start);
void detokenizer_deinit(detokenizer *d);
/* Appends the text that is now complete to out. */
hearth_status detokenizer_feed(detokenizer *d, int32_t id, buf *out, hearth_error *err);
/* Gives out what is still held, as U+FFFD if it is no character. */
hearth_status detokenizer_finish(detokenizer *d, buf *out, hearth_error *err);

#endif
