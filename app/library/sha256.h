/* SPDX-License-Identifier: MIT
 *
 * sha256.h - SHA-256 of files, as libcrypto computes it.
 */
#ifndef HEARTH_LIBRARY_SHA256_H
#define HEARTH_LIBRARY_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hearth/log.h>

#include "base/status.h"

enum { SHA256_HEX = 65 }; /* with its NUL */

/* progress may be NULL; it counts from `done` on, of `total` bytes. */
hearth_status sha256_file(const char *path, const hearth_progress *progress, uint64_t done,
                          uint64_t total, char out[SHA256_HEX], hearth_error *err);

/* Whether text begins with 64 hexadecimal digits, and n says that this is all of it. */
bool sha256_is_hex(const char *text, size_t n);
/* Copies such a text in small letters; an "sha256:" or "sha256-" in front is passed over. False,
 * and out "", if it is none. */
bool sha256_read(const char *text, char out[SHA256_HEX]);

#endif
