/* SPDX-License-Identifier: MIT
 *
 * state.c - a session's state in a file.
 *
 * Layout, little-endian:
 *   0   8  "HEARTHKV"
 *   8   4  version (3)
 *   12  4  1 if logits follow, else 0
 *   16  8  fingerprint of the model and the cache types (session_fingerprint)
 *   24  8  n_tokens
 *   32  8  bytes of a page
 *   40     tokens, int32 each; logits, n_vocab float32 if any; the pages in use, whole
 *   end 8  hash_bytes over everything before
 * The file is read through a mapping and checked whole before the session is touched.
 */
#include <string.h>

#include "base/hash.h"
#include "engine/session.h"
#include "os/file.h"
#include "os/file_map.h"

static const char magic[8] = {'H', 'E', 'A', 'R', 'T', 'H', 'K', 'V'};
enum { VERSION = 3, HEADER_BYTES = 40, HASH_BYTES = 8 };

typedef struct state_header {
    char magic[8];
    uint32_t version;
    uint32_t has_logits;
    uint64_t fingerprint;
    uint64_t n_tokens;
    uint64_t page_bytes;
} state_header;

_Static_assert(sizeof(state_header) == HEADER_BYTES, "the header has no padding");

typedef struct hashed_writer {
    file_writer *file;
    uint64_t hash;
} hashed_writer;

static hearth_status write_hashed(hashed_writer *w, const void *bytes, size_t n, hearth_error *err)
{
    w->hash = hash_bytes(w->hash, bytes, n);
    return file_writer_write(w->file, bytes, n, err);
}

static hearth_status write_state(const hearth_session *s, hashed_writer *w, hearth_error *err)
{
    state_header header = {.version = VERSION,
                           .has_logits = s->has_logits,
                           .fingerprint = session_fingerprint(s),
                           .n_tokens = s->n_tokens,
                           .page_bytes = s->cache.page_bytes};
    memcpy(header.magic, magic, sizeof magic);
    TRY(write_hashed(w, &header, sizeof header, err));
    TRY(write_hashed(w, s->tokens, s->n_tokens * sizeof *s->tokens, err));
    if (s->has_logits)
        TRY(write_hashed(w, s->logits, s->model->h.n_vocab * sizeof *s->logits, err));
    for (size_t i = 0; i < kv_n_pages(s->n_tokens); i++)
        TRY(write_hashed(w, s->sequence.data[i], s->cache.page_bytes, err));
    uint64_t hash = w->hash;
    return file_writer_write(w->file, &hash, sizeof hash, err);
}

static hearth_status need_path(const char *path, hearth_error *err)
{
    if (path == NULL || path[0] == '\0')
        FAIL(err, EINVAL, "path", "no session file was named; give its path");
    return HEARTH_OK;
}

hearth_status hearth_session_save(const hearth_session *s, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    hashed_writer w = {NULL, HASH_START};
    TRY(need_path(path, err));
    TRY(file_writer_open(&w.file, path, err));
    TRY_OUT(write_state(s, &w, err));
    TRY_OUT(file_writer_commit(w.file, err));
out:
    file_writer_close(w.file);
    return status;
}

static hearth_status check_header(const hearth_session *s, const state_header *h, const char *path,
                                  hearth_error *err)
{
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        FAIL(err, EFORMAT, path, "'%s' is not a session file", path);
    if (h->version != VERSION)
        FAIL(err, EFORMAT, path,
             "'%s' is a session file of version %u; this build reads version %d", path, h->version,
             VERSION);
    if (h->fingerprint != session_fingerprint(s) || h->page_bytes != s->cache.page_bytes)
        FAIL(err, EMISMATCH, path,
             "'%s' belongs to another model or another cache type; load it "
             "where it was saved",
             path);
    if (h->n_tokens > s->plan.n_ctx)
        FAIL(err, ECONTEXT, path,
             "'%s' holds %llu tokens, but the context is %u; open the session "
             "with a larger one",
             path, (unsigned long long)h->n_tokens, s->plan.n_ctx);
    return HEARTH_OK;
}

/* Sizes are bounded by n_ctx and n_vocab here, so the sums cannot overflow. */
static hearth_status check_state(const hearth_session *s, const file_map *map, const char *path,
                                 state_header *h, hearth_error *err)
{
    const uint8_t *data = file_map_data(map);
    size_t n = file_map_size(map);
    uint64_t hash;
    if (n < HEADER_BYTES + HASH_BYTES)
        FAIL(err, EFORMAT, path, "'%s' is not a session file: it has only %zu bytes", path, n);
    memcpy(h, data, sizeof *h);
    TRY(check_header(s, h, path, err));
    uint64_t expected = HEADER_BYTES + HASH_BYTES + h->n_tokens * sizeof(int32_t) +
                        (h->has_logits ? s->model->h.n_vocab * sizeof(float) : 0) +
                        (uint64_t)kv_n_pages(h->n_tokens) * h->page_bytes;
    memcpy(&hash, data + n - HASH_BYTES, sizeof hash);
    if (n != expected || hash != hash_bytes(HASH_START, data, n - HASH_BYTES) ||
        (h->has_logits && s->logits == NULL) || file_map_is_lost(map))
        FAIL(err, EFORMAT, path, "the session file '%s' is damaged; it cannot be used", path);
    for (size_t i = 0; i < h->n_tokens; i++) {
        int32_t token;
        memcpy(&token, data + HEADER_BYTES + i * sizeof token, sizeof token);
        if (token < 0 || (uint32_t)token >= s->model->h.n_vocab)
            FAIL(err, EFORMAT, path, "the session file '%s' holds token %d, outside the vocabulary",
                 path, token);
    }
    return HEARTH_OK;
}

hearth_status hearth_session_load(hearth_session *s, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    file_map *map;
    state_header h;
    TRY(need_path(path, err));
    TRY(file_map_open(&map, path, err));
    TRY_OUT(check_state(s, map, path, &h, err));
    const uint8_t *data = file_map_data(map) + HEADER_BYTES;
    memcpy(s->tokens, data, h.n_tokens * sizeof *s->tokens);
    data += h.n_tokens * sizeof *s->tokens;
    if (h.has_logits) {
        memcpy(s->logits, data, s->model->h.n_vocab * sizeof *s->logits);
        data += s->model->h.n_vocab * sizeof *s->logits;
    }
    for (size_t i = 0; i < kv_n_pages(h.n_tokens); i++)
        memcpy(s->sequence.data[i], data + i * h.page_bytes, h.page_bytes);
    s->n_tokens = h.n_tokens;
    s->has_logits = h.has_logits;
    s->pooled.n = 0;
    s->has_hidden = h.n_tokens == 0;
    if (file_map_is_lost(map)) {
        s->n_tokens = 0;
        s->has_logits = false;
        status = error_set(err, HEARTH_EIO, path,
                           "the session file '%s' became shorter while it was read; the session is "
                           "empty now",
                           path);
    }
out:
    file_map_close(map);
    return status;
}
