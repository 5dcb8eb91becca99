/* SPDX-License-Identifier: MIT
 *
 * engine_cache.c - the pages of a request: where they come from and where they go.
 *
 * Every page that is complete goes into the prefix tree at once, while its request still runs, so
 * that others can take it. If the tree has the same text already, read by somebody else meanwhile,
 * the request takes that page and frees its own: they hold the same bits.
 * Whoever would read a page that another request is just reading waits for it instead. Of two who
 * need the same page the one that is further goes first, then the older one, so nobody waits in a
 * circle; and each pass asks anew, so that a request that leaves holds nobody up.
 */
#include "engine/engine_state.h"

#include <string.h>

/* From disk, between two passes. */
enum { MOST_READ_BYTES = 16 << 20 };

uint32_t engine_cache_take_page(hearth_engine *e)
{
    uint32_t page = page_pool_take(&e->pool);
    if (page == NO_PAGE && prefix_tree_evict(&e->tree))
        page = page_pool_take(&e->pool);
    return page;
}

static bool is_at_page(const hearth_request *r)
{
    return r->n_past % KV_PAGE == 0 && r->pages->n_pages == r->n_past / KV_PAGE;
}

static void count_cached(hearth_engine *e, hearth_request *r, size_t n)
{
    r->n_past += n;
    if (r->n_past <= r->n_read) /* had already, before it gave up its pages */
        return;
    r->n_read = r->n_past;
    if (r->n_tokens != r->n_prompt)
        return;
    r->counts.n_cached += n;
    e->stats.n_cached_tokens += n;
}

static void take_node(hearth_engine *e, hearth_request *r, uint32_t node)
{
    page_pool_ref(&e->pool, node);
    sequence_push(r->pages, &e->pool, node);
    prefix_tree_use(&e->tree, node);
    r->node = node;
    count_cached(e, r, KV_PAGE);
}

/* The first tokens of a page that goes on otherwise. */
static void copy_similar(hearth_engine *e, hearth_request *r)
{
    size_t n_same, n = r->n_tokens - 1 - r->n_past;
    uint32_t found = prefix_tree_find_similar(&e->tree, r->node, r->tokens + r->n_past,
                                              n < KV_PAGE ? n : KV_PAGE, &n_same);
    if (found == NO_PAGE)
        return;
    page_pool_ref(&e->pool, found); /* must not be the page that leaves for the copy */
    uint32_t page = engine_cache_take_page(e);
    if (page != NO_PAGE) {
        memcpy(page_pool_data(&e->pool, page), page_pool_data(&e->pool, found), e->pool.page_bytes);
        sequence_push(r->pages, &e->pool, page);
        prefix_tree_use(&e->tree, found);
        count_cached(e, r, n_same);
    }
    page_pool_unref(&e->pool, found);
}

/* The next page from disk, as a node of the tree; NO_PAGE if it is not there. */
static uint32_t read_page(hearth_engine *e, const hearth_request *r)
{
    const int32_t *tokens = r->tokens + r->n_past;
    uint32_t page = e->store ? engine_cache_take_page(e) : NO_PAGE;
    if (page == NO_PAGE)
        return NO_PAGE;
    uint32_t node = NO_PAGE;
    if (page_store_read(e->store, prefix_tree_key(&e->tree, r->node, tokens), r->tokens,
                        r->n_past + KV_PAGE, page_pool_data(&e->pool, page))) {
        node = prefix_tree_add(&e->tree, r->node, tokens, KV_PAGE, page);
        prefix_tree_set_stored(&e->tree, node);
    }
    page_pool_unref(&e->pool, page);
    return node;
}

bool engine_cache_acquire(hearth_engine *e, hearth_request *r)
{
    size_t n_read = 0;
    if (!r->caches || !is_at_page(r))
        return true;
    while (r->n_past + KV_PAGE < r->n_tokens) {
        uint32_t node = prefix_tree_find(&e->tree, r->node, r->tokens + r->n_past);
        if (node == NO_PAGE) {
            if (n_read >= MOST_READ_BYTES)
                return false;
            node = read_page(e, r);
            n_read += e->pool.page_bytes;
        }
        if (node == NO_PAGE)
            break;
        take_node(e, r, node);
    }
    if (!engine_cache_should_wait(e, r) && r->n_past + 1 < r->n_tokens)
        copy_similar(e, r);
    return true;
}

static bool is_ahead(const hearth_request *a, const hearth_request *b)
{
    return a->n_past != b->n_past ? a->n_past > b->n_past : a->age < b->age;
}

bool engine_cache_should_wait(const hearth_engine *e, const hearth_request *r)
{
    size_t end = r->n_past + KV_PAGE;
    if (!r->caches || !is_at_page(r) || end >= r->n_tokens)
        return false;
    for (uint32_t i = 0; i < e->plan.n_parallel; i++) {
        const hearth_request *other = e->running[i];
        if (other && other != r && other->caches && !other->paused && is_ahead(other, r) &&
            other->n_past < end && other->n_tokens >= end && request_n_pending(other) > 1 &&
            memcmp(other->tokens, r->tokens, end * sizeof *r->tokens) == 0)
            return true;
    }
    return false;
}

size_t engine_cache_reserve(hearth_engine *e, hearth_request *r, size_t n)
{
    size_t room;
    while ((room = (size_t)r->pages->n_pages * KV_PAGE - r->n_past) < n) {
        uint32_t page = engine_cache_take_page(e);
        if (page == NO_PAGE)
            return room;
        sequence_push(r->pages, &e->pool, page);
    }
    return n;
}

static void share_page(hearth_engine *e, hearth_request *r, uint32_t index)
{
    uint32_t own = r->pages->pages[index];
    uint32_t node =
        prefix_tree_add(&e->tree, r->node, r->tokens + (size_t)index * KV_PAGE, KV_PAGE, own);
    if (node != own) {
        page_pool_ref(&e->pool, node);
        sequence_replace(r->pages, &e->pool, index, node);
    }
    r->node = node;
}

void engine_cache_commit(hearth_engine *e, hearth_request *r, size_t n)
{
    size_t before = r->n_past;
    r->n_past += n;
    if (before < r->n_read) {
        size_t again = (r->n_past < r->n_read ? r->n_past : r->n_read) - before;
        r->counts.n_reread += again;
        e->stats.n_reread_tokens += again;
    }
    if (r->n_past > r->n_read)
        r->n_read = r->n_past;
    for (size_t i = before / KV_PAGE; r->caches && (i + 1) * KV_PAGE <= r->n_past; i++)
        share_page(e, r, (uint32_t)i);
}

/* ---- to disk ---- */

/* As many of those that wait as the queue takes. */
static void store_waiting(hearth_engine *e)
{
    uint32_t node;
    while (page_store_has_room(e->store) &&
           (node = prefix_tree_next_to_store(&e->tree)) != NO_PAGE) {
        size_t n = prefix_tree_path(&e->tree, node, e->path);
        if (!page_store_write(e->store, prefix_tree_node(&e->tree, node)->key, e->path, n, node,
                              page_pool_data(&e->pool, node)))
            return;
        page_pool_ref(&e->pool, node);
        prefix_tree_set_stored(&e->tree, node);
    }
}

/* The whole pages of a text. */
static void store_pages(hearth_engine *e, const hearth_request *r)
{
    for (uint32_t i = 0; i < r->n_past / KV_PAGE; i++)
        prefix_tree_want_stored(&e->tree, r->pages->pages[i]);
    store_waiting(e);
}

void engine_cache_take_written(hearth_engine *e)
{
    uint32_t page;
    bool any = false;
    while (e->store && (page = page_store_take_written(e->store)) != NO_PAGE) {
        page_pool_unref(&e->pool, page);
        any = true;
    }
    if (any)
        store_waiting(e);
}

void engine_cache_store_rest(hearth_engine *e)
{
    if (e->store == NULL)
        return;
    store_waiting(e);
    while (page_store_wait_written(e->store))
        engine_cache_take_written(e);
}

void engine_cache_release(hearth_engine *e, hearth_request *r)
{
    if (r->caches && e->store)
        store_pages(e, r);
    size_t rest = r->n_past % KV_PAGE, whole = r->n_past / KV_PAGE;
    if (r->caches && rest > 0)
        prefix_tree_add(&e->tree, r->node, r->tokens + whole * KV_PAGE, rest,
                        r->pages->pages[whole]);
    sequence_release(r->pages, &e->pool);
    if (e->draft)
        draft_model_leave(e->draft, r);
    r->n_past = 0;
    r->pooled.n = 0;
    r->node = r->root;
}

uint32_t engine_cache_n_available(const hearth_engine *e)
{
    return e->pool.n_free + prefix_tree_n_unused(&e->tree);
}

/* Its text, less the pages that are in use anyway. */
uint32_t engine_cache_n_needed(const hearth_engine *e, const hearth_request *r)
{
    uint32_t n = (uint32_t)kv_n_pages(r->n_tokens), node = r->root;
    for (size_t at = 0; r->caches && at + KV_PAGE < r->n_tokens; at += KV_PAGE) {
        node = prefix_tree_find(&e->tree, node, r->tokens + at);
        if (node == NO_PAGE)
            break;
        n -= e->pool.references[node] > 1;
    }
    return n;
}
