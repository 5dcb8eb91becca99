/* SPDX-License-Identifier: MIT
 *
 * pooling_rank.h - the scores of a text, from a reranker's classifier.
 *
 * What     One token's hidden state goes through the head that the file brings:
 *              x = tanh(cls.weight x + cls.bias), then y = cls.output.weight x + cls.output.bias,
 *          either of which may be absent. The token is the first one where tokens see each other
 *          both ways, and the last one, which alone has seen the whole text, of a decoder. Where
 *          the architecture says so, the outputs become probabilities.
 * Source   How such files are run elsewhere: build_pooling of llama.cpp.
 * Bits     One column at a time through the kernels: the same beside any other text.
 */
#ifndef HEARTH_ENGINE_POOLING_RANK_H
#define HEARTH_ENGINE_POOLING_RANK_H

#include "engine/model.h"
#include "engine/pooling.h"

/* The token whose hidden state the classifier reads. */
pooling_kind rank_token(const hparams *h);

/* Bytes that rank_scores needs, MEM_ALIGN-aligned; the model has a classifier. */
size_t rank_scratch_bytes(const hearth_model *m);

/* hidden: n_embd floats; out: h.n_labels floats. */
void rank_scores(const hearth_model *m, const float *hidden, void *scratch, float *out);

#endif
