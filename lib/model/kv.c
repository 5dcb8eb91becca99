/* SPDX-License-Identifier: MIT
 *
 * kv.c - see kv.h.
 */
#include "model/kv.h"

void kv_layout_init(kv_layout *l, const hparams *h, cache_type type_k, cache_type type_v)
{
    size_t offset = 0;
    l->type_k = type_k;
    l->type_v = type_v;
    l->row_k = cache_row_bytes(type_k, h->head_dim_k);
    l->row_v = cache_row_bytes(type_v, h->head_dim_v);
    for (uint32_t il = 0; il < h->n_layer; il++) {
        l->keys[il] = offset;
        offset += (size_t)h->layers[il].n_head_kv * KV_PAGE * l->row_k;
        l->values[il] = offset;
        offset += (size_t)h->layers[il].n_head_kv * KV_PAGE * l->row_v;
    }
    l->page_bytes = offset; /* KV_PAGE rows of an even size: a multiple of MEM_ALIGN */
}
