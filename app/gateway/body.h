/* SPDX-License-Identifier: MIT
 *
 * body.h - what a gateway has to know of a request that it hands on: a few members of the outermost
 * object, found without building anything of the rest.
 *
 * A body may be megabytes of pictures, and the engine reads it anyway, with all the checks that the
 * request's API asks for. So only brackets and strings are followed here; what is wrong deeper down
 * is the engine's to tell. Pure.
 */
#ifndef HEARTH_GATEWAY_BODY_H
#define HEARTH_GATEWAY_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

enum { BODY_DEPTH_MAX = 256 };

/* Bytes of a body; at NULL: not there. */
typedef struct body_span {
    const char *at;
    size_t n;
} body_span;

typedef struct body_view {
    body_span all;   /* the object, from '{' to '}' */
    bool empty;      /* it has no members */
    body_span model; /* the value with its quotes, or null; not there if the key is absent */
    body_span session_id;
    body_span limit; /* how long the answer may be, under any of the names for that, or null */
    bool streams;    /* "stream": true */
} body_view;

/* An empty body is an empty object. EINVAL: it is no JSON object, or ends early. */
hearth_status body_read(const char *body, size_t n, body_view *out, hearth_error *err);

/* The text of a span that is a JSON string, into out. False if it is none, holds NUL, or does not
 * fit. */
bool body_text(body_span span, char *out, size_t n_out);

/* Appends the body with `model` in the place of its own; false: out of memory. Where it has no
 * limit and limit_key is not NULL, it gets this one. */
bool body_for_engine(const body_view *view, const char *model, const char *limit_key,
                     uint32_t limit, buf *out);

#endif
