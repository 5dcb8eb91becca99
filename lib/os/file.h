/* SPDX-License-Identifier: MIT
 *
 * file.h - whole-file reading, and writing that is atomic: a reader sees the old file or the new.
 */
#ifndef HEARTH_OS_FILE_H
#define HEARTH_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Reads a regular file of at most max bytes into fresh memory (mem_free), NUL after the end. */
hearth_status file_read_all(const char *path, size_t max, char **out, size_t *n, hearth_error *err);

/* A file being written under a temporary name beside `path`. commit() flushes it to the disk and
 * renames it; close() without commit removes it. close(NULL) is fine. */
typedef struct file_writer file_writer;
hearth_status file_writer_open(file_writer **out, const char *path, hearth_error *err);
hearth_status file_writer_write(file_writer *w, const void *bytes, size_t n, hearth_error *err);
uint64_t file_writer_offset(const file_writer *w);
hearth_status file_writer_commit(file_writer *w, hearth_error *err);
void file_writer_close(file_writer *w);

/* For a large file that was just written and is on disk: the system drops what it holds of it. What
 * was written piece by piece lies in memory in small pages for as long as it stays there; read
 * again as a whole, through file_map, it lies in huge ones, from which a token is written about an
 * eighth faster. A hint, never an error. */
void file_leave_cache(int fd);

/* Bytes free for this user on the file system that holds path (or its folder). UINT64_MAX: unknown.
 */
uint64_t file_free_space(const char *path);
bool file_exists(const char *path);
/* Whether both paths name one file (same device and inode). */
bool file_same(const char *a, const char *b);

#endif
