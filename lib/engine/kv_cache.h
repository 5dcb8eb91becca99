/* SPDX-License-Identifier: MIT
 *
 * kv_cache.h - the pages that hold a session's keys and values.
 *
 * One mapping, taken whole at open and resident from then on, cut into pages (model/kv.h).
 */
#ifndef HEARTH_ENGINE_KV_CACHE_H
#define HEARTH_ENGINE_KV_CACHE_H

#include "model/kv.h"

typedef struct kv_cache {
    void *memory;
    size_t memory_bytes;
    size_t page_bytes;
    size_t n_pages;
    uint8_t **pages;
} kv_cache;

hearth_status kv_cache_init(kv_cache *c, const kv_layout *layout, size_t n_positions,
                            hearth_error *err);
void kv_cache_deinit(kv_cache *c);

#endif
