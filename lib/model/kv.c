/* SPDX-License-Identifier: MIT
 *
 * kv.c - see kv.h.
 */
#include "model/kv.h"

void kv_layout_init(kv_layout *l, const hparams *h, cache_type type_k, cache_type type_v,
                    bool has_far_keys)
{
    size_t offset = 0;
    l->type_k = type_k;
    l->type_v = type_v;
    l->head_k = attn_keys_bytes(type_k, h->head_dim_k);
    l->head_v = attn_values_bytes(type_v, h->head_dim_v);
    for (uint32_t il = 0; il < h->n_layer; il++) {
        l->keys[il] = offset;
        offset += (size_t)h->layers[il].n_head_kv * l->head_k;
        l->values[il] = offset;
        offset += (size_t)h->layers[il].n_head_kv * l->head_v;
        l->far_keys[il] = offset;
        if (has_far_keys)
            offset += (size_t)h->layers[il].n_head_kv * l->head_k;
    }
    l->page_bytes = offset;
}
