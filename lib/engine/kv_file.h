/* SPDX-License-Identifier: MIT
 *
 * kv_file.h - what files of keys and values have in common: a session's (state.c) and a text's
 * (engine_text.c).
 *
 * Layout, little-endian: 8 bytes of magic, uint32 version, the rest of a header, tokens as int32,
 * whatever follows, and at the end hash_bytes over everything before. A file is read through a
 * mapping and checked whole before anything is done with it.
 */
#ifndef HEARTH_ENGINE_KV_FILE_H
#define HEARTH_ENGINE_KV_FILE_H

#include "base/hash.h"
#include "os/file.h"
#include "os/file_map.h"

typedef struct kv_file_kind {
    char magic[8];
    uint32_t version;
    size_t header_bytes;
    const char *what; /* "a session file" */
} kv_file_kind;

/* ---- writing ---- */

typedef struct kv_file_writer {
    file_writer *file;
    uint64_t hash;
} kv_file_writer;

/* The file appears with end; close without end leaves nothing, and is fine after a failed open. */
hearth_status kv_file_create(kv_file_writer *w, const char *path, hearth_error *err);
hearth_status kv_file_write(kv_file_writer *w, const void *bytes, size_t n, hearth_error *err);
hearth_status kv_file_end(kv_file_writer *w, uint64_t *n_bytes, hearth_error *err);
void kv_file_abandon(kv_file_writer *w);

/* ---- reading ---- */

/* Copies the header of a file that is long enough and of this kind and version. EFORMAT. */
hearth_status kv_file_header(const kv_file_kind *k, const file_map *map, const char *path,
                             void *header, hearth_error *err);
/* EFORMAT unless the file has n_bytes behind its header and before its hash, which is right, and
 * begins there with n_tokens tokens of a vocabulary of n_vocab. */
hearth_status kv_file_check(const kv_file_kind *k, const file_map *map, const char *path,
                            uint64_t n_bytes, size_t n_tokens, uint32_t n_vocab, hearth_error *err);

#endif
