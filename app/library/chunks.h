/* SPDX-License-Identifier: MIT
 *
 * chunks.h - a file that is being fetched in pieces: FILE.part holds the bytes, FILE.part.state
 * says which pieces are on the disk.
 *
 * Order    A piece's bytes are flushed, then its mark is written and flushed. So what is marked is
 *          there after a crash of the program or of the machine; what is not is fetched again.
 * State    Little-endian:
 *              0  "HEARTHPT"          16  u64 size of the file
 *              8  u64 version (1)     24  u64 bytes of a piece
 *             32  u64 hash of the identity: what the file is at its source (a SHA-256, an ETag)
 *             40  u64 hash of bytes 0 to 39
 *             48  one byte for each piece: 1 if it is on the disk
 *          One that is not just so, or of another file, counts as none.
 * Lock     One process at a time; another gets EBUSY.
 * Threads  chunks_write() of different pieces, and everything else, from any thread.
 */
#ifndef HEARTH_LIBRARY_CHUNKS_H
#define HEARTH_LIBRARY_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct chunks chunks;

/* part is the path of FILE.part; its folder is there. Goes on with what is there, if it is of the
 * same identity and size; else begins anew. The disk's space for size bytes is taken at once, where
 * the file system can. size 0 (not known): one piece, never resumed. */
hearth_status chunks_open(chunks **out, const char *part, uint64_t size, uint64_t chunk_bytes,
                          const char *identity, hearth_error *err);
/* What was fetched stays. NULL is fine. */
void chunks_close(chunks *c);

size_t chunks_count(const chunks *c);
void chunks_place(const chunks *c, size_t i, uint64_t *offset, uint64_t *n);
bool chunks_is_done(const chunks *c, size_t i);
uint64_t chunks_done_bytes(const chunks *c);

hearth_status chunks_write(chunks *c, uint64_t offset, const void *bytes, size_t n,
                           hearth_error *err);
/* All bytes of piece i were written: they are on the disk when this returns. */
hearth_status chunks_mark(chunks *c, size_t i, hearth_error *err);

/* Every piece is there: FILE.part becomes path, on the disk, and the state goes. Closes c, also on
 * failure. */
hearth_status chunks_finish(chunks *c, const char *path, hearth_error *err);
/* Takes both files away. */
void chunks_discard(const char *part);

/* The bytes that FILE.part still needs on the disk, of size. */
uint64_t chunks_missing_space(const char *part, uint64_t size);

#endif
