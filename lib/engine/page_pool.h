/* SPDX-License-Identifier: MIT
 *
 * page_pool.h - the pages that hold keys and values, and the sequences that are made of them.
 *
 * What     One mapping, taken whole at open and resident from then on, cut into pages
 *          (model/kv.h). A page is free, or has as many references as sequences, prefix trees and
 *          writers use it; the last one to let go frees it.
 * Sharing  Who holds the only reference may write to a page. A page that is shared is complete and
 *          is never written to again.
 * Threads  One thread at a time.
 */
#ifndef HEARTH_ENGINE_PAGE_POOL_H
#define HEARTH_ENGINE_PAGE_POOL_H

#include <stdbool.h>

#include "model/kv.h"

#define NO_PAGE UINT32_MAX

typedef struct page_pool {
    void *memory;
    size_t memory_bytes;
    size_t page_bytes;
    uint32_t n_pages;
    uint32_t n_free;
    uint32_t *references;
    uint32_t *free; /* a stack */
    bool *released; /* given back to the system, until it is taken again */
} page_pool;

hearth_status page_pool_init(page_pool *p, const kv_layout *layout, uint64_t n_pages,
                             hearth_error *err);
void page_pool_deinit(page_pool *p);

/* Bytes of the tables beside the pages themselves. */
uint64_t page_pool_table_bytes(uint64_t n_pages);

/* A free page with one reference, or NO_PAGE. */
uint32_t page_pool_take(page_pool *p);
void page_pool_ref(page_pool *p, uint32_t page);
void page_pool_unref(page_pool *p, uint32_t page);

/* Gives the memory of free pages back to the system, which gives it again when they are used. Bytes
 * that are free now and were not before. */
uint64_t page_pool_trim(page_pool *p);

static inline uint8_t *page_pool_data(const page_pool *p, uint32_t page)
{
    return (uint8_t *)p->memory + (size_t)page * p->page_bytes;
}

/* One timeline: its pages in order, each with a reference of its own. */
typedef struct sequence {
    kv_sequence kv; /* as the forward pass wants it */
    uint8_t **data;
    uint32_t *pages;
    uint32_t n_pages;
} sequence;

hearth_status sequence_init(sequence *s, size_t max_pages, hearth_error *err);
void sequence_deinit(sequence *s); /* after release */
uint64_t sequence_bytes(size_t max_pages);

/* Appends a page, whose reference becomes the sequence's. */
void sequence_push(sequence *s, const page_pool *p, uint32_t page);
/* Puts another page in the place of one, with the same rule. */
void sequence_replace(sequence *s, page_pool *p, uint32_t index, uint32_t page);
/* Lets go of all pages. */
void sequence_release(sequence *s, page_pool *p);

#endif
