/* SPDX-License-Identifier: MIT
 *
 * sse.h - reading server-sent events out of bytes that come in pieces (the event stream format of
 * the HTML standard: event, data and id lines; retries and comments are passed over).
 *
 * Pure: no sockets. One thread at a time.
 */
#ifndef HEARTH_HTTP_SSE_H
#define HEARTH_HTTP_SSE_H

#include "base/buf.h"

typedef struct sse_reader {
    buf in; /* what has come and is not read yet */
    size_t at;
    buf name, data; /* of the event that is being read */
    buf id;         /* the last one, of whichever event */
    bool has_data;
    bool given; /* it was told: it is to be forgotten first */
} sse_reader;

typedef struct sse_event {
    const char *name; /* "message" where none was given */
    const char *data; /* NUL-terminated; lines joined with '\n' */
    size_t n_data;
    const char *id; /* the last one that was told, for Last-Event-ID; "": none */
} sse_event;

/* max_bytes: of one event. */
void sse_init(sse_reader *r, size_t max_bytes);
void sse_deinit(sse_reader *r);

/* Where to append what comes, as http_call_pull does. */
buf *sse_input(sse_reader *r);

/* The next whole event; false: none yet. Texts are valid until the next call. */
bool sse_next(sse_reader *r, sse_event *out);

#endif
