/* SPDX-License-Identifier: MIT
 *
 * unpack.h - archives of strangers, taken apart into a folder that nothing gets out of.
 *
 * .zip, .tar and .tar with a compression, read by libarchive. Only regular files, folders and
 * symbolic links are made; a path that is absolute or has "..", a link whose target leaves the
 * folder, a device, a hard link, and anything beyond the limits end it with EFORMAT. Files are
 * opened below the folder without following links that the archive brought. Nothing is set but the
 * permission to execute.
 */
#ifndef HEARTH_RUNTIME_UNPACK_H
#define HEARTH_RUNTIME_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/status.h"

typedef struct unpack_limits {
    uint64_t bytes; /* of all files together */
    uint32_t files;
} unpack_limits;

/* folder is there and empty; what was made before a failure is left in it. progress: bytes of the
 * archive read of all. */
hearth_status unpack_archive(const char *archive, const char *folder, const unpack_limits *limits,
                             const hearth_progress *progress, hearth_error *err);

/* Whether a path of an archive stays below the folder that it is unpacked into. */
bool unpack_path_is_safe(const char *path);
/* Whether a link at `path` with that target leads to something below the folder. */
bool unpack_link_is_safe(const char *path, const char *target);

#endif
