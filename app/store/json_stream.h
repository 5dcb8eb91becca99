/* SPDX-License-Identifier: MIT
 *
 * json_stream.h - the objects of a large JSON file, one after the other: those of an array that is
 * the whole file, or those that stand one behind the other (as in JSON lines). Only one is in
 * memory.
 */
#ifndef HEARTH_STORE_JSON_STREAM_H
#define HEARTH_STORE_JSON_STREAM_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

/* Fills out with up to n bytes; *got 0: there are no more. */
typedef hearth_status (*json_source)(void *user, char *out, size_t n, size_t *got,
                                     hearth_error *err);

typedef struct json_stream {
    json_source source;
    void *user;
    const char *name; /* of the file, for messages */
    char block[1 << 16];
    size_t n_block, at;
    uint64_t line;
    bool started, in_array, ended, after_one;
    buf text; /* of the object that is being read */
} json_stream;

/* Objects of more than max_bytes are refused. name is borrowed. */
void json_stream_init(json_stream *in, json_source source, void *user, const char *name,
                      size_t max_bytes);
void json_stream_deinit(json_stream *in);

/* The next object (json_decref), or NULL after the last. EFORMAT tells the file and the line. */
hearth_status json_stream_next(json_stream *in, json_t **out, hearth_error *err);

#endif
