/* SPDX-License-Identifier: MIT
 *
 * kv_file.c - see kv_file.h.
 */
#include "engine/kv_file.h"

#include <string.h>

enum { VERSION_AT = 8, HASH_BYTES = 8 };

/* ---- writing ---- */

hearth_status kv_file_create(kv_file_writer *w, const char *path, hearth_error *err)
{
    *w = (kv_file_writer){.hash = HASH_START};
    if (path == NULL || path[0] == '\0')
        FAIL(err, EINVAL, "path", "no file was named; give its path");
    return file_writer_open(&w->file, path, err);
}

hearth_status kv_file_write(kv_file_writer *w, const void *bytes, size_t n, hearth_error *err)
{
    w->hash = hash_bytes(w->hash, bytes, n);
    return file_writer_write(w->file, bytes, n, err);
}

hearth_status kv_file_end(kv_file_writer *w, uint64_t *n_bytes, hearth_error *err)
{
    TRY(file_writer_write(w->file, &w->hash, HASH_BYTES, err));
    *n_bytes = file_writer_offset(w->file);
    return file_writer_commit(w->file, err);
}

void kv_file_abandon(kv_file_writer *w)
{
    file_writer_close(w->file);
}

/* ---- reading ---- */

hearth_status kv_file_header(const kv_file_kind *k, const file_map *map, const char *path,
                             void *header, hearth_error *err)
{
    const uint8_t *data = file_map_data(map);
    size_t n = file_map_size(map);
    uint32_t version;
    if (n < k->header_bytes + HASH_BYTES)
        FAIL(err, EFORMAT, path, "'%s' is not %s: it has only %zu bytes", path, k->what, n);
    if (memcmp(data, k->magic, sizeof k->magic) != 0)
        FAIL(err, EFORMAT, path, "'%s' is not %s", path, k->what);
    memcpy(&version, data + VERSION_AT, sizeof version);
    if (version != k->version)
        FAIL(err, EFORMAT, path, "'%s' is %s of version %u; this build reads version %u", path,
             k->what, version, k->version);
    memcpy(header, data, k->header_bytes);
    return HEARTH_OK;
}

hearth_status kv_file_check(const kv_file_kind *k, const file_map *map, const char *path,
                            uint64_t n_bytes, size_t n_tokens, uint32_t n_vocab, hearth_error *err)
{
    const uint8_t *data = file_map_data(map), *tokens = data + k->header_bytes;
    uint64_t n = file_map_size(map), n_content = k->header_bytes + n_bytes, hash = 0;
    bool good = n == n_content + HASH_BYTES;
    if (good)
        memcpy(&hash, data + n_content, sizeof hash);
    if (!good || hash != hash_bytes(HASH_START, data, (size_t)n_content) || file_map_is_lost(map))
        FAIL(err, EFORMAT, path, "'%s' is damaged and cannot be used as %s", path, k->what);
    for (size_t i = 0; i < n_tokens; i++) {
        int32_t token;
        memcpy(&token, tokens + i * sizeof token, sizeof token);
        if (token < 0 || (uint32_t)token >= n_vocab)
            FAIL(err, EFORMAT, path, "'%s' holds token %d, outside the vocabulary of %u", path,
                 token, n_vocab);
    }
    return HEARTH_OK;
}
