/* SPDX-License-Identifier: MIT
 *
 * engine_text.c - the keys and values of one text: into a file, back from it, and forgotten.
 *
 * The pages belong to the engine's thread, the file to the caller's. So the caller leaves a job
 * with the engine, which does it between two passes: TAKE refers to the pages that the prefix tree
 * has of a text, LEAVE lets go of them, PUT fills pages and adds them, FORGET drops those that
 * nobody else uses. Pages in the tree never change, so that they can be written while passes run.
 *
 * Layout of a file, little-endian:
 *   0   8  "HEARTHTX"
 *   8   4  version (1)
 *   12  4  n_tokens
 *   16  8  fingerprint of the model and the cache types
 *   24  8  key of the text's root: that, and the adapters with which it was read
 *   32  8  bytes of a page
 *   40     tokens, int32 each; the pages, whole
 *   end 8  hash_bytes over everything before
 */
#include <string.h>

#include "base/mem.h"
#include "engine/engine_state.h"
#include "engine/kv_file.h"

enum { MOST_PUT_BYTES = 16 << 20 }; /* between two passes */

typedef struct text_header {
    char magic[8];
    uint32_t version;
    uint32_t n_tokens;
    uint64_t fingerprint;
    uint64_t root_key;
    uint64_t page_bytes;
} text_header;

static const kv_file_kind kind = {.magic = {'H', 'E', 'A', 'R', 'T', 'H', 'T', 'X'},
                                  .version = 1,
                                  .header_bytes = sizeof(text_header),
                                  .what = "a file of a text"};

_Static_assert(sizeof(text_header) == 40, "the header has no padding");

struct hearth_text {
    atomic_int references;
    uint64_t root_key;
    size_t n_tokens;
    int32_t tokens[];
};

/* ---- texts ---- */

static hearth_status text_new(hearth_text **out, const int32_t *tokens, size_t n, uint64_t root_key,
                              hearth_error *err)
{
    size_t n_bytes = sizeof **out + n * sizeof *tokens; /* n_ctx tokens at most */
    hearth_text *text = mem_calloc(1, n_bytes);
    *out = text;
    if (text == NULL)
        return error_no_memory(err, "a text", n_bytes);
    atomic_init(&text->references, 1);
    text->root_key = root_key;
    text->n_tokens = n;
    memcpy(text->tokens, tokens, n * sizeof *tokens);
    return HEARTH_OK;
}

hearth_status hearth_request_text(const hearth_request *request, hearth_text **out,
                                  hearth_error *err)
{
    hearth_request *r = (hearth_request *)request; /* its door is locked */
    *out = NULL;
    monitor_lock(&r->door);
    bool done = r->holds_event && r->events[r->first_event].event.type == HEARTH_REQUEST_DONE;
    monitor_unlock(&r->door);
    if (!done)
        FAIL(err, EINVAL, "request", "the text is there after DONE; read the events first");
    return text_new(out, r->tokens, r->n_tokens, r->root_key, err);
}

hearth_text *hearth_text_ref(hearth_text *text)
{
    atomic_fetch_add(&text->references, 1);
    return text;
}

void hearth_text_free(hearth_text *text)
{
    if (text && atomic_fetch_sub(&text->references, 1) == 1)
        mem_free(text);
}

size_t hearth_text_n_tokens(const hearth_text *text)
{
    return text->n_tokens;
}

/* ---- jobs ---- */

typedef struct text_job {
    engine_job base; /* the first member: one is the other */
    const hearth_text *text;
    const file_map *map; /* PUT: the pages, */
    size_t offset;       /* which begin here */
    bool has_root;
    uint32_t root, node;
    uint32_t *pages; /* with a reference to each, as to the pages before each */
    size_t n_pages;
    size_t n_done; /* tokens */
} text_job;

static hearth_status job_init(text_job *job, const hearth_text *text, hearth_error *err)
{
    size_t n = kv_n_pages(text->n_tokens);
    *job = (text_job){.text = text, .pages = mem_alloc_array(n + 1, sizeof *job->pages)};
    return job->pages ? HEARTH_OK : error_no_memory(err, "a text's pages", n * sizeof *job->pages);
}

/* ---- jobs, the engine's side ---- */

static bool take_root(hearth_engine *e, text_job *job)
{
    if (!job->has_root)
        job->has_root = prefix_tree_take_root(&e->tree, job->text->root_key, &job->root);
    if (job->n_pages == 0)
        job->node = job->root;
    return job->has_root;
}

static void add_page(hearth_engine *e, text_job *job, uint32_t node, size_t n_tokens)
{
    prefix_tree_use(&e->tree, node);
    job->pages[job->n_pages++] = job->node = node;
    job->n_done += n_tokens;
}

static size_t n_next(const text_job *job)
{
    size_t n = job->text->n_tokens - job->n_done;
    return n < KV_PAGE ? n : KV_PAGE;
}

static void take_pages(hearth_engine *e, text_job *job)
{
    const int32_t *tokens = job->text->tokens;
    size_t n = 0;
    uint32_t node;
    if (!take_root(e, job))
        return;
    while (n_next(job) == KV_PAGE &&
           (node = prefix_tree_find(&e->tree, job->node, tokens + job->n_done)) != NO_PAGE) {
        page_pool_ref(&e->pool, node);
        add_page(e, job, node, KV_PAGE);
    }
    if (n_next(job) == 0)
        return;
    node = prefix_tree_find_similar(&e->tree, job->node, tokens + job->n_done, n_next(job), &n);
    if (node == NO_PAGE)
        return;
    page_pool_ref(&e->pool, node);
    add_page(e, job, node, n);
}

/* A page from the file, with a reference; NO_PAGE if there is no room for it. */
static uint32_t put_page(hearth_engine *e, const text_job *job)
{
    uint32_t page = engine_cache_take_page(e), node = NO_PAGE;
    if (page == NO_PAGE)
        return NO_PAGE;
    memcpy(page_pool_data(&e->pool, page),
           file_map_data(job->map) + job->offset + job->n_pages * e->pool.page_bytes,
           e->pool.page_bytes);
    if (!file_map_is_lost(job->map)) {
        node = prefix_tree_add(&e->tree, job->node, job->text->tokens + job->n_done, n_next(job),
                               page);
        page_pool_ref(&e->pool, node);
    }
    page_pool_unref(&e->pool, page);
    return node;
}

static bool take(hearth_engine *e, engine_job *base)
{
    take_pages(e, (text_job *)base);
    return true;
}

/* False if there is more to be put, for which the next pass should not wait. */
static bool put(hearth_engine *e, engine_job *base)
{
    text_job *job = (text_job *)base;
    if (!take_root(e, job))
        return true;
    for (size_t n_put = 0; job->n_done < job->text->n_tokens;) {
        const int32_t *tokens = job->text->tokens + job->n_done;
        size_t n = n_next(job);
        uint32_t node = n == KV_PAGE ? prefix_tree_find(&e->tree, job->node, tokens) : NO_PAGE;
        if (n_put >= MOST_PUT_BYTES)
            return false;
        if (node != NO_PAGE) {
            page_pool_ref(&e->pool, node);
        } else {
            node = put_page(e, job);
            n_put += e->pool.page_bytes;
        }
        if (node == NO_PAGE)
            return true;
        add_page(e, job, node, n);
    }
    return true;
}

static bool leave(hearth_engine *e, engine_job *base)
{
    text_job *job = (text_job *)base;
    for (size_t i = job->n_pages; i-- > 0;)
        page_pool_unref(&e->pool, job->pages[i]);
    if (job->has_root)
        prefix_tree_leave_root(&e->tree, job->root);
    job->has_root = false;
    return true;
}

static bool forget(hearth_engine *e, engine_job *base)
{
    text_job *job = (text_job *)base;
    take_pages(e, job);
    size_t n_pages = job->n_pages;
    leave(e, base);
    while (n_pages > 0 && prefix_tree_forget(&e->tree, job->pages[n_pages - 1]))
        n_pages--;
    return true;
}

static void job_deinit(hearth_engine *e, text_job *job)
{
    if (job->has_root)
        engine_do(e, &job->base, leave);
    mem_free(job->pages);
}

/* ---- saving ---- */

static hearth_status check_engine(const hearth_engine *e, const char *path, hearth_error *err)
{
    if (e->options.no_prefix_cache)
        FAIL(err, EUNSUPPORTED, "no_prefix_cache",
             "this engine keeps no texts; open it with a prefix cache");
    if (path == NULL || path[0] == '\0')
        FAIL(err, EINVAL, "path", "no file was named; give its path");
    return HEARTH_OK;
}

static hearth_status write_text(const hearth_engine *e, const text_job *job, kv_file_writer *w,
                                hearth_error *err)
{
    text_header header = {.version = kind.version,
                          .n_tokens = (uint32_t)job->n_done,
                          .fingerprint = e->tree.roots[0].key,
                          .root_key = job->text->root_key,
                          .page_bytes = e->pool.page_bytes};
    memcpy(header.magic, kind.magic, sizeof kind.magic);
    TRY(kv_file_write(w, &header, sizeof header, err));
    TRY(kv_file_write(w, job->text->tokens, job->n_done * sizeof *job->text->tokens, err));
    for (size_t i = 0; i < job->n_pages; i++)
        TRY(kv_file_write(w, page_pool_data(&e->pool, job->pages[i]), e->pool.page_bytes, err));
    return HEARTH_OK;
}

hearth_status hearth_engine_save(hearth_engine *e, const hearth_text *text, const char *path,
                                 hearth_text_counts *out, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    kv_file_writer w = {0};
    text_job job;
    TRY(check_engine(e, path, err));
    TRY(job_init(&job, text, err));
    engine_do(e, &job.base, take);
    TRY_OUT(kv_file_create(&w, path, err));
    TRY_OUT(write_text(e, &job, &w, err));
    out->n_tokens = job.n_done;
    TRY_OUT(kv_file_end(&w, &out->n_bytes, err));
out:
    kv_file_abandon(&w);
    job_deinit(e, &job);
    return status;
}

/* ---- loading ---- */

static hearth_status check_header(const hearth_engine *e, const text_header *h, const char *path,
                                  hearth_error *err)
{
    if (h->fingerprint != e->tree.roots[0].key || h->page_bytes != e->pool.page_bytes)
        FAIL(err, EMISMATCH, path,
             "'%s' belongs to another model, context or cache type; load it where it was saved",
             path);
    if (h->n_tokens > e->plan.memory.n_ctx)
        FAIL(err, ECONTEXT, path, "'%s' holds %u tokens, but the context is %u; raise n_ctx", path,
             h->n_tokens, e->plan.memory.n_ctx);
    return HEARTH_OK;
}

/* Sizes are bounded by n_ctx here, so the sums cannot overflow. */
static hearth_status check_file(const hearth_engine *e, const file_map *map, const char *path,
                                text_header *h, hearth_error *err)
{
    TRY(kv_file_header(&kind, map, path, h, err));
    TRY(check_header(e, h, path, err));
    uint64_t n = h->n_tokens * sizeof(int32_t) + (uint64_t)kv_n_pages(h->n_tokens) * h->page_bytes;
    return kv_file_check(&kind, map, path, n, h->n_tokens, e->model->h.n_vocab, err);
}

static hearth_status put_file(hearth_engine *e, const hearth_text *text, const file_map *map,
                              const char *path, hearth_text_counts *out, hearth_error *err)
{
    text_job job;
    TRY(job_init(&job, text, err));
    job.map = map;
    job.offset = kind.header_bytes + text->n_tokens * sizeof *text->tokens;
    engine_do(e, &job.base, put);
    out->n_tokens = job.n_done;
    out->n_bytes = file_map_size(map);
    job_deinit(e, &job);
    if (file_map_is_lost(map))
        FAIL(err, EIO, path, "the file '%s' became shorter while it was read", path);
    return HEARTH_OK;
}

hearth_status hearth_engine_load(hearth_engine *e, const char *path, hearth_text **out,
                                 hearth_text_counts *counts, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    file_map *map;
    text_header h;
    *out = NULL;
    TRY(check_engine(e, path, err));
    TRY(file_map_open(&map, path, err));
    TRY_OUT(check_file(e, map, path, &h, err));
    TRY_OUT(text_new(out, (const int32_t *)(file_map_data(map) + kind.header_bytes), h.n_tokens,
                     h.root_key, err));
    TRY_OUT(put_file(e, *out, map, path, counts, err));
out:
    file_map_close(map);
    if (status != HEARTH_OK) {
        hearth_text_free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- forgetting ---- */

hearth_status hearth_engine_forget(hearth_engine *e, const hearth_text *text, hearth_error *err)
{
    text_job job;
    TRY(job_init(&job, text, err));
    engine_do(e, &job.base, forget);
    job_deinit(e, &job);
    return HEARTH_OK;
}
