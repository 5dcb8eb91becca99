/* SPDX-License-Identifier: MIT
 *
 * folder.h - a folder of files that several processes fill and empty at the same time.
 */
#ifndef HEARTH_OS_FOLDER_H
#define HEARTH_OS_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Makes it (for this user alone) unless it is there; its parent must be. EIO if files cannot be
 * made in it. */
hearth_status folder_make(const char *path, hearth_error *err);

typedef struct folder_entry {
    const char *name; /* borrowed for the call */
    uint64_t n_bytes;
    int64_t changed_ns; /* since 1970 */
} folder_entry;

/* Calls fn for every regular file; false ends it. Files that vanish meanwhile are passed over. */
hearth_status folder_list(const char *path, bool (*fn)(void *user, const folder_entry *entry),
                          void *user, hearth_error *err);

/* False if it was not there, or cannot be removed. */
bool folder_remove_file(const char *path);
/* Makes the file's time of change now. */
void folder_touch_file(const char *path);
int64_t folder_now_ns(void); /* by the clock that files have */

#endif
