/* SPDX-License-Identifier: MIT
 *
 * scratch.h - a folder for files that are wanted for a moment and need names.
 *
 * Who makes one locks it, and the kernel takes the lock away when that process ends, however it
 * does. So a folder that nobody holds is left over from a process that was killed, and is removed
 * when the next one is made.
 */
#ifndef HEARTH_LIBRARY_SCRATCH_H
#define HEARTH_LIBRARY_SCRATCH_H

#include <limits.h>

#include "base/status.h"

typedef struct scratch {
    char path[PATH_MAX - 700]; /* "": closed; has room for a file's name behind it */
    int lock;
} scratch;

/* In $TMPDIR or /tmp, for this user alone. */
hearth_status scratch_open(scratch *s, hearth_error *err);
/* Removes it with the files in it. A zeroed one, and one that was closed, are fine. */
void scratch_close(scratch *s);

#endif
