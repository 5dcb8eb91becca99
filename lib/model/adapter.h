/* SPDX-License-Identifier: MIT
 *
 * adapter.h - LoRA: small matrices that are added to a model's own, W + scale * B A.
 *
 * Format   A GGUF file with general.type "adapter", adapter.type "lora" and adapter.lora.alpha. For
 * a tensor NAME of the model it holds NAME.lora_a (n_in x rank) and NAME.lora_b (rank x n_out); the
 * scale is alpha / rank, or 1 where alpha is 0 (Hu et al. 2021, arXiv 2106.09685). Fused    A view
 * of a fused tensor finds the rows of B that are its own by where it lies. Bits     The adapted
 * part is computed beside the matrix, B (A x), by the same operations, and is added to the result:
 * a row depends on itself alone. Threads  Immutable after open.
 */
#ifndef HEARTH_MODEL_ADAPTER_H
#define HEARTH_MODEL_ADAPTER_H

#include "base/log.h"
#include "model/weights.h"

typedef struct adapter_pair {
    const uint8_t *base; /* the model's tensor */
    size_t n_base;
    linear a, b;
} adapter_pair;

typedef struct adapter {
    gguf *g;
    adapter_pair *pairs; /* by base, ascending */
    size_t n_pairs;
    float alpha;
    uint32_t rank;        /* the largest */
    uint32_t n_out;       /* the widest */
    uint64_t fingerprint; /* of everything that shapes a result */
} adapter;

/* How adapters are used by some rows of a pass: scales[i] of adapter i; 0 leaves it out. */
typedef struct adapter_mix {
    const adapter *const *adapters;
    const float *scales;
    size_t n;
} adapter_mix;

/* Opens path for the model in g. EFORMAT for a file that is no adapter or whose shapes are wrong,
 * EMISMATCH for one of another model, EUNSUPPORTED for a kind of adapter or of tensor that is not
 * run (both named). */
hearth_status adapter_open(adapter **out, const char *path, const gguf *g, const hearth_log *log,
                           hearth_error *err);
void adapter_close(adapter *a);

/* The two matrices for w, and their scale; false if w is not adapted. */
bool adapter_find(const adapter *a, const linear *w, linear *down, linear *up, float *scale);

/* hash, with what the mix changes: unchanged where all scales are 0. */
uint64_t adapter_mix_fingerprint(const adapter_mix *mix, uint64_t hash);

#endif
