/* SPDX-License-Identifier: MIT
 *
 * kv.h - how keys and values lie in memory.
 *
 * A page holds KV_PAGE consecutive positions of all layers: for each layer the keys of each
 * key-value head, then the values of each, every head being one tile of kernels/attention.h. So
 * what attention walks, one head over one page, is contiguous and in the order it wants, and a page
 * can be copied, saved or shared whole.
 *
 *   page: | layer 0: K head 0 [64 positions] K head 1 ... V head 0 ... | layer 1 ... |
 *
 * With far keys (ops.h) each layer has its keys a second time, behind the values, for another
 * rotation.
 */
#ifndef HEARTH_MODEL_KV_H
#define HEARTH_MODEL_KV_H

#include "kernels/attention.h"
#include "model/hparams.h"

enum { KV_PAGE = ATTN_TILE };

typedef struct kv_layout {
    cache_type type_k;
    cache_type type_v;
    size_t head_k; /* bytes of one head */
    size_t head_v;
    size_t keys[MAX_LAYERS]; /* offset in a page */
    size_t values[MAX_LAYERS];
    size_t far_keys[MAX_LAYERS]; /* as keys, if there are any */
    size_t page_bytes;
} kv_layout;

/* One timeline: its pages in order. */
typedef struct kv_sequence {
    uint8_t *const *pages;
} kv_sequence;

void kv_layout_init(kv_layout *l, const hparams *h, cache_type type_k, cache_type type_v,
                    bool has_far_keys);

static inline size_t kv_n_pages(size_t n_positions)
{
    return (n_positions + KV_PAGE - 1) / KV_PAGE;
}

static inline uint8_t *kv_keys(const kv_layout *l, const kv_sequence *s, uint32_t layer,
                               uint32_t head, uint32_t position)
{
    return s->pages[position / KV_PAGE] + l->keys[layer] + (size_t)head * l->head_k;
}

static inline uint8_t *kv_far_keys(const kv_layout *l, const kv_sequence *s, uint32_t layer,
                                   uint32_t head, uint32_t position)
{
    return s->pages[position / KV_PAGE] + l->far_keys[layer] + (size_t)head * l->head_k;
}

static inline uint8_t *kv_values(const kv_layout *l, const kv_sequence *s, uint32_t layer,
                                 uint32_t head, uint32_t position)
{
    return s->pages[position / KV_PAGE] + l->values[layer] + (size_t)head * l->head_v;
}

#endif
