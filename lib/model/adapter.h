/* SPDX-License-Identifier: MIT
 *
 * adapter.h - LoRA: small matrices that are added to a model's own, W + scale * B A.
 *
 * Format   A GGUF file with general.type "adapter", adapter.type "lora" and adapter.lora.alpha. For
 * a tensor NAME of the model it holds NAME.lora_a (n_in x rank) and NAME.lora_b (rank x n_out); the
 * scale is alpha / rank, or 1 where alpha is 0 (Hu et al. 2021, arXiv 2106.09685). Fused    A view
 * of a fused tensor finds the rows of B that are its own by where it lies. Bits     The adapted
 * part is computed beside the matrix, B (A x), by the same operations, and is added to the result:
 * a row depends on itself alone. Threads  Immutable after open, but for the count of references,
 * which any thread may change. It holds no reference to its model, whose tensors it points to.
 */
#ifndef HEARTH_MODEL_ADAPTER_H
#define HEARTH_MODEL_ADAPTER_H

#include <stdatomic.h>

#include "base/log.h"
#include "model/weights.h"

typedef struct adapter_pair {
    const uint8_t *base; /* the model's tensor */
    size_t n_base;
    linear a, b;
} adapter_pair;

typedef struct hearth_adapter {
    atomic_uint references;
    const gguf *model; /* which it was opened for */
    gguf *g;
    adapter_pair *pairs; /* by base, ascending */
    size_t n_pairs;
    float alpha;
    uint32_t rank;        /* the largest */
    uint32_t n_out;       /* the widest */
    uint64_t fingerprint; /* of everything that shapes a result */
} adapter;

/* How adapters are used by some rows of a pass: scales[i] of adapters[i], never 0. */
typedef struct adapter_mix {
    adapter **adapters; /* one allocation with scales */
    float *scales;
    size_t n;
} adapter_mix;

/* Room for up to n adapters, none at first; and each that is added, unless its scale is 0, with a
 * reference of the mix's own. */
hearth_status adapter_mix_init(adapter_mix *mix, size_t n, hearth_error *err);
void adapter_mix_add(adapter_mix *mix, adapter *a, float scale);
/* Lets go of them. A mix of zeros is fine. */
void adapter_mix_deinit(adapter_mix *mix);
/* One whose file became shorter while it was in use, or NULL. */
const adapter *adapter_mix_find_lost(const adapter_mix *mix);
/* The largest rank, and the widest result. */
void adapter_mix_measure(const adapter_mix *mix, uint32_t *rank, uint32_t *n_out);

/* Opens path for the model in g. EFORMAT for a file that is no adapter or whose shapes are wrong,
 * EMISMATCH for one of another model, EUNSUPPORTED for a kind of adapter or of tensor that is not
 * run (both named). */
hearth_status adapter_open(adapter **out, const char *path, const gguf *g, const hearth_log *log,
                           hearth_error *err);
adapter *adapter_ref(adapter *a);
/* The last one closes it. NULL is fine. */
void adapter_unref(adapter *a);

/* The two matrices for w, and their scale; false if w is not adapted. */
bool adapter_find(const adapter *a, const linear *w, linear *down, linear *up, float *scale);

/* hash, with what the mix changes: unchanged by an empty one. */
uint64_t adapter_mix_fingerprint(const adapter_mix *mix, uint64_t hash);

#endif
