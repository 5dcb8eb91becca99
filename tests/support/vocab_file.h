/* SPDX-License-Identifier: MIT
 *
 * vocab_file.h - small vocabularies as GGUF bytes in memory, for tests of the tokenizers.
 */
#ifndef HEARTH_TESTS_VOCAB_FILE_H
#define HEARTH_TESTS_VOCAB_FILE_H

#include "base/buf.h"
#include "gguf/gguf.h"
#include "token/tokenizer.h"

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };

typedef struct vocab_file {
    buf values; /* keys and values */
    uint64_t n_values;
    buf texts; /* of the tokens: the entries of the array */
    buf scores, types;
    uint64_t n_tokens;
    buf merges;
    uint64_t n_merges;
    buf bytes; /* the whole file, once opened */
    gguf *g;
    tokenizer *t;
} vocab_file;

/* `model` as in tokenizer.ggml.model, NULL to leave it out; `pre` may be NULL. */
void vocab_file_init(vocab_file *v, const char *model, const char *pre);
void vocab_file_deinit(vocab_file *v);

void vocab_file_text(vocab_file *v, const char *key, const char *value);
void vocab_file_u32(vocab_file *v, const char *key, uint32_t value);
void vocab_file_bool(vocab_file *v, const char *key, bool value);
void vocab_file_array(vocab_file *v, const char *key, gguf_type type, const void *data,
                      size_t n_bytes, uint64_t n);

/* Each gives back the id. */
int32_t vocab_file_token(vocab_file *v, const char *text, float score, int type);
int32_t vocab_file_token_n(vocab_file *v, const char *text, size_t n, float score, int type);
/* The 256 tokens <0x00> to <0xFF>, or the byte-level alphabet; the id of the first. */
int32_t vocab_file_byte_tokens(vocab_file *v);
int32_t vocab_file_alphabet(vocab_file *v);
/* A merge "LEFT RIGHT", and the token that it makes, if there is none yet. */
int32_t vocab_file_merge(vocab_file *v, const char *left, const char *right);
void vocab_file_merge_text(vocab_file *v, const char *text, size_t n);

/* Which of the collected arrays to leave out. */
enum { WITHOUT_TOKENS = 1, WITHOUT_SCORES = 2, WITHOUT_TYPES = 4, WITHOUT_MERGES = 8 };
hearth_status vocab_file_open(vocab_file *v, unsigned without, hearth_error *err);

#endif
