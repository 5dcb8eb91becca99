/* SPDX-License-Identifier: MIT
 *
 * vocabulary.h - learning a byte-level BPE vocabulary from a corpus, and writing it as a GGUF file.
 *
 * What     Text is cut into words by the rule that the model's file names ("smollm": words with
 *          their leading blank, digits one by one). Words begin as bytes; the pair that is most
 *          frequent over all words becomes a new piece, until the vocabulary is full (Sennrich,
 *          Haddow, Birch 2016). Ties go to the pair of lower ids.
 * Pieces   0 <|endoftext|>, 1 <|im_start|>, 2 <|im_end|>, then 256 bytes, then the merges.
 */
#ifndef HEARTH_EMBER_VOCABULARY_H
#define HEARTH_EMBER_VOCABULARY_H

#include "ember/corpus.h"

enum { VOCABULARY_SIZE = 2048 };

/* Learns from n_conversations drawn with the seed, and writes a file without tensors. */
hearth_status vocabulary_train(const corpus *c, uint64_t seed, size_t n_conversations,
                               const char *path, hearth_error *err);

#endif
