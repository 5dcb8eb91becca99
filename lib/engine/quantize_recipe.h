/* SPDX-License-Identifier: MIT
 *
 * quantize_recipe.h - which format each tensor of a model gets.
 *
 * A recipe ("Q4_K_M") has a main format and, unless it is pure, better ones for the tensors whose
 * errors show most. The rules are those that files of the same name are known to follow:
 * Source: llama.cpp, src/llama-quant.cpp.
 *
 * Use      quantize_mixture_init; quantize_mixture_add for every tensor of the model; then
 *          quantize_choose for every tensor in the order of quantize_tensor_before, because several
 *          rules count the tensors of their kind.
 */
#ifndef HEARTH_ENGINE_QUANTIZE_RECIPE_H
#define HEARTH_ENGINE_QUANTIZE_RECIPE_H

#include <stdbool.h>

#include "gguf/gguf.h"

/* What general.file_type says of the recipes that Hearth writes; llama.cpp's LLAMA_FTYPE. */
typedef enum file_type {
    FILE_TYPE_F32 = 0,
    FILE_TYPE_F16 = 1,
    FILE_TYPE_Q4_0 = 2,
    FILE_TYPE_Q4_1 = 3,
    FILE_TYPE_Q8_0 = 7,
    FILE_TYPE_Q5_0 = 8,
    FILE_TYPE_Q5_1 = 9,
    FILE_TYPE_Q2_K = 10,
    FILE_TYPE_Q3_K_S = 11,
    FILE_TYPE_Q3_K_M = 12,
    FILE_TYPE_Q3_K_L = 13,
    FILE_TYPE_Q4_K_S = 14,
    FILE_TYPE_Q4_K_M = 15,
    FILE_TYPE_Q5_K_S = 16,
    FILE_TYPE_Q5_K_M = 17,
    FILE_TYPE_Q6_K = 18,
    FILE_TYPE_Q2_K_S = 21,
    FILE_TYPE_IQ4_NL = 25,
    FILE_TYPE_IQ4_XS = 30,
    FILE_TYPE_BF16 = 32,
    FILE_TYPE_TQ1_0 = 36,
    FILE_TYPE_TQ2_0 = 37,
    FILE_TYPE_MXFP4_MOE = 38,
    FILE_TYPE_Q1_0 = 40,
    FILE_TYPE_Q2_0 = 41
} file_type;

typedef struct quantize_recipe {
    const char *name;
    file_type file_type;
    wtype type; /* of most tensors */
} quantize_recipe;

const quantize_recipe *quantize_recipe_at(size_t i);           /* NULL past the end */
const quantize_recipe *quantize_recipe_find(const char *name); /* ignores case; NULL: unknown */

/* What the rules look at, and how far they have counted. */
typedef struct quantize_mixture {
    const quantize_recipe *recipe;
    bool pure;
    gguf_string architecture;
    int n_layer;
    int n_head, n_head_kv; /* of the first layer */
    int n_expert;          /* 0: dense */
    bool tied;             /* no output.weight: the embeddings are the output */
    int n_attn_v;          /* tensors of the kinds counted */
    int i_attn_v, i_ffn_down;
} quantize_mixture;

typedef struct quantize_choice {
    wtype type;
    wtype wanted; /* another one if rows do not divide into its blocks */
} quantize_choice;

/* Reads the model's shape from g; what is missing counts as none. */
hearth_status quantize_mixture_init(quantize_mixture *mixture, const gguf *g,
                                    const quantize_recipe *recipe, bool pure, hearth_error *err);
void quantize_mixture_add(quantize_mixture *mixture, gguf_string name);
quantize_choice quantize_choose(quantize_mixture *mixture, const gguf_tensor *tensor);

/* The order of layers, tensors outside of any first; by name within a layer. As for qsort. */
int quantize_tensor_order(const gguf_tensor *a, const gguf_tensor *b);

#endif
