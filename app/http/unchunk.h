/* SPDX-License-Identifier: MIT
 *
 * unchunk.h - the inside of a body in HTTP's chunked framing (RFC 9112, 7.1), from bytes as they
 * come. Extensions of chunks and trailers are read and thrown away.
 */
#ifndef HEARTH_HTTP_UNCHUNK_H
#define HEARTH_HTTP_UNCHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef enum unchunk_state {
    UNCHUNK_SIZE,      /* in a line with a size */
    UNCHUNK_EXTENSION, /* in the rest of it */
    UNCHUNK_DATA,
    UNCHUNK_DATA_END, /* in the line end after it */
    UNCHUNK_TRAILER,
    UNCHUNK_END,
    UNCHUNK_BROKEN, /* what came is not in this framing */
    UNCHUNK_MEMORY  /* out is full */
} unchunk_state;

typedef struct unchunk {
    unchunk_state state;
    uint64_t left;     /* of the chunk, or its size so far */
    unsigned n_line;   /* bytes of the line so far, without its end */
    unsigned n_beside; /* bytes of extensions and trailers */
} unchunk;

/* Appends to out what the bytes say, and returns the state, which is also in u; {0} begins. Bytes
 * after the end are not looked at. */
unchunk_state unchunk_feed(unchunk *u, const char *bytes, size_t n, buf *out);

#endif
