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

#include "engine/kv_file.h"
#include "engine/session.h"

typedef struct state_header {
    char magic[8];
    uint32_t version;
    uint32_t has_logits;
    uint64_t fingerprint;
    uint64_t n_tokens;
    uint64_t page_bytes;
} state_header;

static const kv_file_kind kind = {.magic = {'H', 'E', 'A', 'R', 'T', 'H', 'K', 'V'},
                                  .version = 3,
                                  .header_bytes = sizeof(state_header),
                                  .what = "a session file"};

_Static_assert(sizeof(state_header) == 40, "the header has no padding");

static hearth_status write_state(const hearth_session *s, kv_file_writer *w, hearth_error *err)
{
    state_header header = {.version = kind.version,
                           .has_logits = s->has_logits,
                           .fingerprint = session_fingerprint(s),
                           .n_tokens = s->n_tokens,
                           .page_bytes = s->cache.page_bytes};
    memcpy(header.magic, kind.magic, sizeof kind.magic);
    TRY(kv_file_write(w, &header, sizeof header, err));
    TRY(kv_file_write(w, s->tokens, s->n_tokens * sizeof *s->tokens, err));
    if (s->has_logits)
        TRY(kv_file_write(w, s->logits, s->model->h.n_vocab * sizeof *s->logits, err));
    for (size_t i = 0; i < kv_n_pages(s->n_tokens); i++)
        TRY(kv_file_write(w, s->sequence.data[i], s->cache.page_bytes, err));
    return HEARTH_OK;
}

hearth_status hearth_session_save(const hearth_session *s, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    kv_file_writer w;
    uint64_t n_bytes;
    TRY(kv_file_create(&w, path, err));
    TRY_OUT(write_state(s, &w, err));
    TRY_OUT(kv_file_end(&w, &n_bytes, err));
out:
    kv_file_abandon(&w);
    return status;
}

static hearth_status check_header(const hearth_session *s, const state_header *h, const char *path,
                                  hearth_error *err)
{
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
    TRY(kv_file_header(&kind, map, path, h, err));
    TRY(check_header(s, h, path, err));
    if (h->has_logits && s->logits == NULL)
        FAIL(err, EFORMAT, path, "'%s' holds logits, but the model is an encoder", path);
    uint64_t n = h->n_tokens * sizeof(int32_t) +
                 (h->has_logits ? s->model->h.n_vocab * sizeof(float) : 0) +
                 (uint64_t)kv_n_pages(h->n_tokens) * h->page_bytes;
    return kv_file_check(&kind, map, path, n, h->n_tokens, s->model->h.n_vocab, err);
}

hearth_status hearth_session_load(hearth_session *s, const char *path, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    file_map *map;
    state_header h;
    if (path == NULL || path[0] == '\0')
        FAIL(err, EINVAL, "path", "no session file was named; give its path");
    TRY(file_map_open(&map, path, err));
    TRY_OUT(check_state(s, map, path, &h, err));
    const uint8_t *data = file_map_data(map) + sizeof h;
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
