/* SPDX-License-Identifier: MIT
 *
 * page_pool.c - see page_pool.h.
 */
#include "engine/page_pool.h"

#include <string.h>

#include "base/mem.h"
#include "os/sysmem.h"

uint64_t page_pool_table_bytes(uint64_t n_pages)
{
    return n_pages * (2 * sizeof(uint32_t) + sizeof(bool));
}

hearth_status page_pool_init(page_pool *p, const kv_layout *layout, uint64_t n_pages,
                             hearth_error *err)
{
    memset(p, 0, sizeof *p);
    p->page_bytes = layout->page_bytes;
    if (n_pages >= NO_PAGE ||
        __builtin_mul_overflow((size_t)n_pages, p->page_bytes, &p->memory_bytes))
        FAIL(err, ENOMEM, "n_ctx",
             "a cache of %llu positions does not fit in an address space; ask for less",
             (unsigned long long)n_pages * KV_PAGE);
    p->n_pages = (uint32_t)n_pages;
    p->references = mem_calloc(n_pages, sizeof *p->references);
    p->free = mem_alloc_array(n_pages, sizeof *p->free);
    p->released = mem_calloc(n_pages, sizeof *p->released);
    hearth_status status =
        p->references && p->free && p->released
            ? sysmem_map(&p->memory, p->memory_bytes, "the key-value cache", err)
            : error_no_memory(err, "the table of cache pages", page_pool_table_bytes(n_pages));
    if (status != HEARTH_OK) {
        page_pool_deinit(p);
        return status;
    }
    while (p->n_free < p->n_pages) {
        p->free[p->n_free] = p->n_pages - 1 - p->n_free;
        p->n_free++;
    }
    return HEARTH_OK;
}

void page_pool_deinit(page_pool *p)
{
    if (p->memory)
        sysmem_unmap(p->memory, p->memory_bytes);
    mem_free(p->references);
    mem_free(p->free);
    mem_free(p->released);
    memset(p, 0, sizeof *p);
}

uint32_t page_pool_take(page_pool *p)
{
    if (p->n_free == 0)
        return NO_PAGE;
    uint32_t page = p->free[--p->n_free];
    p->references[page] = 1;
    p->released[page] = false;
    return page;
}

void page_pool_ref(page_pool *p, uint32_t page)
{
    p->references[page]++;
}

void page_pool_unref(page_pool *p, uint32_t page)
{
    if (--p->references[page] == 0)
        p->free[p->n_free++] = page;
}

uint64_t page_pool_trim(page_pool *p)
{
    uint64_t n = 0;
    for (uint32_t at = 0, end; at < p->n_pages; at = end) {
        end = at + 1;
        if (p->references[at] > 0)
            continue;
        for (; end < p->n_pages && p->references[end] == 0; end++)
            ;
        sysmem_release(page_pool_data(p, at), (end - at) * p->page_bytes);
        for (; at < end; at++) {
            n += p->released[at] ? 0 : p->page_bytes;
            p->released[at] = true;
        }
    }
    return n;
}

/* ---- sequences ---- */

uint64_t sequence_bytes(size_t max_pages)
{
    return max_pages * (sizeof(uint8_t *) + sizeof(uint32_t));
}

hearth_status sequence_init(sequence *s, size_t max_pages, hearth_error *err)
{
    *s = (sequence){.data = mem_alloc_array(max_pages, sizeof *s->data),
                    .pages = mem_alloc_array(max_pages, sizeof *s->pages)};
    s->kv.pages = s->data;
    if (s->data && s->pages)
        return HEARTH_OK;
    sequence_deinit(s);
    return error_no_memory(err, "a sequence's table of pages", sequence_bytes(max_pages));
}

void sequence_deinit(sequence *s)
{
    mem_free(s->data);
    mem_free(s->pages);
    *s = (sequence){0};
}

void sequence_push(sequence *s, const page_pool *p, uint32_t page)
{
    s->pages[s->n_pages] = page;
    s->data[s->n_pages++] = page_pool_data(p, page);
}

void sequence_replace(sequence *s, page_pool *p, uint32_t index, uint32_t page)
{
    page_pool_unref(p, s->pages[index]);
    s->pages[index] = page;
    s->data[index] = page_pool_data(p, page);
}

void sequence_release(sequence *s, page_pool *p)
{
    while (s->n_pages > 0)
        page_pool_unref(p, s->pages[--s->n_pages]);
}
