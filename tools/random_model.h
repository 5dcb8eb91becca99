/* SPDX-License-Identifier: MIT
 *
 * random_model.h - models with random weights: tiny ones of every architecture for tests, and ones
 * with the shapes of well-known models for measuring speed.
 *
 * Weights  About normal, of variance 1/k in rows of k, so that activations keep their size through
 *          any number of layers and the cost of an operation is that of a trained model.
 * Formats  One for all matrices, or a recipe of hearth_quantize with its mixture.
 * Memory   Rows are written as they are made; nothing grows with the model.
 */
#ifndef HEARTH_TOOLS_RANDOM_MODEL_H
#define HEARTH_TOOLS_RANDOM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wtype.h"
#include "engine/quantize_recipe.h"

typedef enum random_model_tie {
    RANDOM_MODEL_TIE_USUAL, /* as the family's models are */
    RANDOM_MODEL_TIED,      /* the embeddings are the output */
    RANDOM_MODEL_UNTIED
} random_model_tie;

typedef struct random_model_options {
    const char *arch;
    const char *name;              /* general.name */
    const quantize_recipe *recipe; /* formats of the matrices; NULL: all have `type` */
    bool pure;                     /* the recipe's main format for all matrices */
    wtype type; /* rows divide into its blocks if n_embd, head_dim * n_head and n_ff do */
    uint32_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab, n_ctx;
    uint32_t head_dim;                /* 0: n_embd / n_head, and not told in the file */
    uint32_t n_expert, n_expert_used; /* of architectures that have any */
    uint32_t n_ff_expert;             /* 0: n_ff */
    uint32_t n_window;                /* of architectures with a sliding window */
    float rope_base;                  /* 0: not told in the file */
    uint32_t n_labels;                /* outputs of a reranker's classifier; 0: none */
    bool dense_label;                 /* a dense layer before them, or instead of them */
    random_model_tie tie;
    uint64_t seed;
    bool experts; /* also where the family has none by itself: Mixtral is such a llama */
} random_model_options;

/* F16, 2 layers of width 64 with 4 heads (2 for keys), 320 tokens, context 512. */
void random_model_options_init(random_model_options *o, const char *arch);

/* A well-known model's shape by name; false if it is not known. All names: i from 0, NULL past the
 * end. */
bool random_model_options_known(random_model_options *o, const char *name);
const char *random_model_known(size_t i);

/* Writes a GGUF file; the same options give the same bytes. Ends the program with a message on
 * failure, also for an architecture that this generator does not know. */
void random_model_write(const char *path, const random_model_options *o);

/* The architectures it knows; NULL past the end. */
const char *random_model_arch(size_t i);

#endif
