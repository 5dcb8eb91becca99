/* SPDX-License-Identifier: MIT
 *
 * tokenizer_impl.h - what the files of this folder share: the tokenizer itself and one encoding.
 *
 * A text goes through encode_partition (partition.c), which cuts out the special tokens, and what
 * is left between them through the function of the tokenizer's kind. Each kind keeps its own
 * tables, of which only those of the model's kind are filled.
 */
#ifndef HEARTH_TOKEN_TOKENIZER_IMPL_H
#define HEARTH_TOKEN_TOKENIZER_IMPL_H

#include "token/charsmap.h"
#include "token/merge.h"
#include "token/pretokenizer.h"
#include "token/seams.h"
#include "token/tokenizer.h"
#include "token/trie.h"
#include "token/vocab.h"

/* U+2581, which stands for a space in the spellings of SPM, WPM and UGM. */
#define SPACE_MARK "\xe2\x96\x81"
enum { SPACE_MARK_BYTES = 3 };

typedef enum tokenizer_family { FAMILY_SPM, FAMILY_BPE, FAMILY_WPM, FAMILY_UGM } tokenizer_family;

/* Which special tokens may begin where, and how long they are. */
typedef struct special_matcher {
    uint64_t begins[1024]; /* bit set of two bytes, first << 8 | second */
    uint32_t *lengths;     /* distinct, longest first */
    size_t n_lengths;
} special_matcher;

/* A merge, all by symbol: tokens, then pieces of merges that are no tokens, from n_vocab on. */
typedef struct bpe_merge {
    int32_t left, right;
    int32_t joined; /* -1: neither a token nor a piece, so it is joined no further */
} bpe_merge;

/* The spelling of a piece: that many bytes at the start or at the end of a merge's text. */
typedef struct bpe_piece {
    uint32_t merge;
    uint32_t n : 31;
    uint32_t is_right : 1;
} bpe_piece;

typedef struct bpe_tables {
    const gguf_string *texts; /* of the merges; borrowed from the model */
    bpe_merge *merges;        /* those that are well-formed, by rank */
    size_t n_merges;
    id_table by_pair; /* merges by left and right */
    bpe_piece *pieces;
    size_t n_pieces, pieces_capacity;
    id_table by_spelling;      /* pieces */
    int32_t byte_symbols[256]; /* of the byte-level alphabet; -1 where it is no symbol */
    pretokenizer split;
} bpe_tables;

typedef struct ugm_tables {
    trie tokens;
    charsmap normalizer;
    float unknown_score;
} ugm_tables;

struct tokenizer {
    tokenizer_family family;
    const char *pre;
    vocab vocab;
    tokenizer_special special;
    bool add_sep;
    uint64_t *ends_answer; /* bit set of ids */
    bool add_space_prefix;
    bool escape_spaces;            /* spellings have U+2581 for spaces */
    bool merge_spaces;             /* UGM: remove_extra_whitespaces */
    bool lowercase;                /* WPM */
    bool strip_accents;            /* WPM */
    special_matcher text_specials; /* found in any text: user-defined tokens */
    special_matcher all_specials;  /* found with TOKENIZE_PARSE_SPECIAL */
    int32_t byte_ids[256];         /* <0xXX>, for the families that spell bytes so */
    seams seams;                   /* SPM, UGM */
    trie words;                    /* WPM */
    bpe_tables bpe;
    ugm_tables ugm;
};

/* One call of tokenizer_encode. */
typedef struct encoding {
    const tokenizer *t;
    int32_t *ids;
    size_t n, capacity;
    uint64_t n_steps; /* a count of the work done, for tests of its growth */
    merger merger;
    buf text;    /* normalized text, or the word at hand */
    buf scratch; /* a second one */
    pretokenizer_run split;
    void *paths; /* UGM: the table of best paths */
    size_t paths_capacity;
    hearth_error *err;
} encoding;

hearth_status encoding_push(encoding *e, int32_t id);
hearth_status encoding_no_memory(encoding *e);
/* Puts the text, with U+2581 for its spaces (and one before it), into e->text. */
bool encoding_escape(encoding *e, const char *text, size_t n, bool prefixed);

/* A part of the text: a special token, or (id -1) bytes to be tokenized. */
typedef struct fragment {
    size_t start, n;
    int32_t id;
} fragment;

/* tokenizer_encode_guarded (barriers may be NULL), which also tells the work it took. */
hearth_status tokenizer_encode_counted(const tokenizer *t, const char *text, size_t n,
                                       unsigned flags, const tokenizer_barriers *barriers,
                                       int32_t **ids, size_t *n_ids, uint64_t *n_steps,
                                       hearth_error *err);

/* specials.c: ids, eog set, attributes that are known by spelling or by model. */
hearth_status specials_init(tokenizer *t, const gguf *g, unsigned pre_flags, const hearth_log *log,
                            hearth_error *err);

/* partition.c */
hearth_status special_matchers_init(tokenizer *t, const hearth_log *log, hearth_error *err);
void special_matchers_deinit(tokenizer *t);
/* *parts is freed with mem_free; *n_steps grows by the work it took. barriers may be NULL. */
hearth_status partition(const tokenizer *t, const char *text, size_t n, bool parse_special,
                        const tokenizer_barriers *barriers, fragment **parts, size_t *n_parts,
                        uint64_t *n_steps, hearth_error *err);

/* One file per family. `prefixed`: a space is put before the text (SPM). */
hearth_status spm_init(tokenizer *t, hearth_error *err);
hearth_status spm_encode(encoding *e, const char *text, size_t n, bool prefixed);
hearth_status bpe_init(tokenizer *t, const gguf *g, const pretokenizer_name *pre,
                       const hearth_log *log, hearth_error *err);
void bpe_deinit(tokenizer *t);
hearth_status bpe_encode(encoding *e, const char *text, size_t n);
hearth_status wpm_init(tokenizer *t, const gguf *g, hearth_error *err);
void wpm_deinit(tokenizer *t);
hearth_status wpm_encode(encoding *e, const char *text, size_t n);
hearth_status ugm_init(tokenizer *t, const gguf *g, hearth_error *err);
void ugm_deinit(tokenizer *t);
hearth_status ugm_encode(encoding *e, const char *text, size_t n);

#endif
