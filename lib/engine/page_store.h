/* SPDX-License-Identifier: MIT
 *
 * page_store.h - the disk tier: pages of finished texts in files, for other runs and processes.
 *
 * What     A file is one page, named by its key: a hash of what decides about keys and values (the
 *          model, the cache types) and of all tokens up to the page's end. It holds those tokens
 *          too, so that no collision can pass for a hit, and a checksum.
 * Writing  is done by a thread of its own, in the order of asking. Its queue is short, because the
 *          pages in it cannot be used for anything else meanwhile: what does not fit is asked for
 *          again later. A file comes into being whole, by a rename, so that processes that share
 * the folder see all of it or nothing. A full disk is told to the log once. Leaving  Beyond
 * max_bytes the files that were used least recently are removed. A hit makes a file's time of
 * change now, which is what all processes go by. Damage   A file that is not what it should be is
 * removed and told to the log; that is a miss. Threads  One thread at a time, beside its own. Log
 * lines come from both, one at a time.
 */
#ifndef HEARTH_ENGINE_PAGE_STORE_H
#define HEARTH_ENGINE_PAGE_STORE_H

#include <hearth/log.h>

#include "engine/page_pool.h"

enum { PAGE_STORE_QUEUE = 64 };

typedef struct page_store page_store;

typedef struct page_store_options {
    const char *folder;
    uint64_t max_bytes;
    uint64_t fingerprint;
    size_t page_bytes;
    uint32_t n_queue; /* pages that may wait or be written, 1 to PAGE_STORE_QUEUE */
    hearth_log log;
    void (*written)(void *user); /* called by the writing thread after every page */
    void *user;
} page_store_options;

hearth_status page_store_open(page_store **out, const page_store_options *options,
                              hearth_error *err);
/* Waits for what is queued. */
void page_store_close(page_store *s);

/* Reads the page that ends at n_tokens into `data`; NULL only asks whether it is there, and good.
 * One that is damaged is removed. */
bool page_store_read(page_store *s, uint64_t key, const int32_t *tokens, size_t n_tokens,
                     uint8_t *data);

bool page_store_has_room(page_store *s);
/* Queues a page for writing; false if there is no room, or no memory. Else `data` must not change
 * until `page` comes out of page_store_take_written. The tokens are copied. */
bool page_store_write(page_store *s, uint64_t key, const int32_t *tokens, size_t n_tokens,
                      uint32_t page, const uint8_t *data);

/* A page whose data is needed no more, or NO_PAGE. */
uint32_t page_store_take_written(page_store *s);
/* Waits until there is one; false if none is on its way. */
bool page_store_wait_written(page_store *s);

typedef struct page_store_counts {
    uint64_t n_bytes; /* in the folder, as far as this process knows */
    uint64_t n_read, n_written, n_dropped, n_damaged;
} page_store_counts;
page_store_counts page_store_count(page_store *s);

#endif
