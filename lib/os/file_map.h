/* SPDX-License-Identifier: MIT
 *
 * file_map.h - a file mapped read-only and shared, which may shrink without killing us.
 *
 * What     mmap(PROT_READ, MAP_SHARED) of a regular file. Reading a page that the file no longer
 *          has raises SIGBUS; a process-wide handler replaces such a page by zeros and marks the
 *          mapping as lost. Readers compute with the zeros and then ask file_map_is_lost().
 * Why      Law 2: no file ends the process. Copying weights to the heap would break law 4 and cost
 *          a model's size in memory.
 * Threads  A mapping is immutable; is_lost may be asked from any thread. Every open sees to
 *          it that the handler is in place; it passes every other fault to the one it found there.
 * Limits   At most FILE_MAP_MAX mappings are open at a time in one process.
 */
#ifndef HEARTH_OS_FILE_MAP_H
#define HEARTH_OS_FILE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { FILE_MAP_MAX = 4096 };

typedef struct file_map file_map;

/* Only regular files (a pipe or a device is refused by name). An empty file maps to n = 0. */
hearth_status file_map_open(file_map **out, const char *path, hearth_error *err);
void file_map_close(file_map *map);

const uint8_t *file_map_data(const file_map *map);
size_t file_map_size(const file_map *map);

/* True once a read met a page that was no longer there, or if the file is shorter than it was. */
bool file_map_is_lost(const file_map *map);

/* Takes the mapping's pages out of this process; they come back from the page cache, or the file,
 * as they are read. Any thread, also while others read. */
void file_map_release(const file_map *map);

/* Asks the kernel to read [offset, offset+n) ahead; a hint, never an error. */
void file_map_read_ahead(const file_map *map, size_t offset, size_t n);

#endif
