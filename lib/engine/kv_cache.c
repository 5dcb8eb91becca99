/* SPDX-License-Identifier: MIT
 *
 * kv_cache.c - see kv_cache.h.
 */
#include "engine/kv_cache.h"

#include <string.h>

#include "base/mem.h"
#include "os/sysmem.h"

hearth_status kv_cache_init(kv_cache *c, const kv_layout *layout, size_t n_positions,
                            hearth_error *err)
{
    memset(c, 0, sizeof *c);
    c->page_bytes = layout->page_bytes;
    c->n_pages = kv_n_pages(n_positions);
    if (__builtin_mul_overflow(c->n_pages, c->page_bytes, &c->memory_bytes))
        FAIL(err, ENOMEM, "n_ctx",
             "a context of %zu does not fit in an address space; ask for less", n_positions);
    c->pages = mem_alloc_array(c->n_pages, sizeof *c->pages);
    if (c->pages == NULL)
        return error_no_memory(err, "the table of cache pages", c->n_pages * sizeof *c->pages);
    hearth_status status = sysmem_map(&c->memory, c->memory_bytes, "the key-value cache", err);
    if (status != HEARTH_OK) {
        kv_cache_deinit(c);
        return status;
    }
    for (size_t i = 0; i < c->n_pages; i++)
        c->pages[i] = (uint8_t *)c->memory + i * c->page_bytes;
    return HEARTH_OK;
}

void kv_cache_deinit(kv_cache *c)
{
    if (c->memory)
        sysmem_unmap(c->memory, c->memory_bytes);
    mem_free(c->pages);
    memset(c, 0, sizeof *c);
}
