/* SPDX-License-Identifier: MIT
 *
 * charsmap.h - SentencePiece's precompiled normalization: sequences of bytes and their replacement.
 *
 * Layout   u32 length of the trie in bytes; the trie; the replacements, each ended by a NUL.
 *          The trie is a double array of u32 units. Of a unit: bits 0 to 7 are its label, bit 31
 *          says that it holds a value (bits 0 to 30: where a replacement begins), bit 8 that one
 *          of its children holds a value, and bits 10 to 30, shifted left by 8 more if bit 9 is
 *          set, are the offset to its children: child(node, label) = node ^ offset ^ label.
 *          Source: the darts-clone library and normalizer.cc of SentencePiece.
 * Input    Hostile: every index is checked, and how far a match may go is bounded.
 */
#ifndef HEARTH_TOKEN_CHARSMAP_H
#define HEARTH_TOKEN_CHARSMAP_H

#include "gguf/gguf.h"

typedef struct charsmap {
    const uint8_t *units; /* unaligned, little-endian; NULL: nothing is replaced */
    size_t n_units;
    const char *replacements;
    size_t n_replacements;
} charsmap;

/* Reads tokenizer.ggml.precompiled_charsmap, if there is one. Borrows from g. */
hearth_status charsmap_init(charsmap *c, const gguf *g, hearth_error *err);

/* The longest sequence at the start of text that is replaced: its length, and what by. 0: none. */
size_t charsmap_match(const charsmap *c, const char *text, size_t n, const char **replacement);

#endif
