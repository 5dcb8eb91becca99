/* SPDX-License-Identifier: MIT
 *
 * message.h - what a handler sees of a request, and what it gives back.
 *
 * What     A handler gets the whole request (the body has been read, within its limits) and fills a
 *          reply: either bytes, or a stream that is pulled for them until it ends. Pulling, rather
 *          than writing, lets the server look at its client between two pieces: one that left is
 *          noticed within HTTP_PULL_MS, whatever the stream is waiting for.
 * Threads  A handler runs on the thread of its connection and may block, if it asks
 *          http_request_life() at least every HTTP_PULL_MS and returns when that is not OPEN. The
 *          stream's functions run on the same thread, later; the request is gone by then.
 * Strings  Of a request: borrowed until the handler returns.
 */
#ifndef HEARTH_HTTP_MESSAGE_H
#define HEARTH_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { HTTP_PULL_MS = 100, HTTP_MAX_HEADERS = 12 };

/* Bits, so that a route can name several. HEAD is served by the GET of its path. */
typedef enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_DELETE = 4,
    HTTP_PUT = 8,
    HTTP_OPTIONS = 16 /* answered by the server, never routed */
} http_method;

typedef struct http_exchange http_exchange; /* exchange.h */

typedef struct http_request {
    http_method method;
    const char *path; /* decoded, without the server's prefix */
    const char *rest; /* what the route's * stood for, or "" */
    const char *body; /* NUL-terminated; "" if there is none */
    size_t n_body;
    uint64_t client; /* the same for all requests with one key, or without keys from one address */
    const void *tag; /* of the route */
    http_exchange *exchange;
} http_request;

/* NULL if absent; the first one if it is there twice. */
const char *http_request_header(const http_request *request, const char *name);
const char *http_request_query(const http_request *request, const char *name);

typedef enum http_life {
    HTTP_OPEN,  /* go on */
    HTTP_GONE,  /* the client closed its connection: nobody will read the answer */
    HTTP_ENDING /* the server is ending and has no more patience: answer at once */
} http_life;
http_life http_request_life(const http_request *request);

typedef enum http_pull {
    HTTP_PULL_MORE, /* there is more to come; nothing appended means: not yet */
    HTTP_PULL_END,  /* that was the last piece */
    HTTP_PULL_FAIL  /* broken: the connection is cut, so that the client cannot take it for whole */
} http_pull;

typedef struct http_stream {
    /* Appends the next piece to out, after waiting for it no longer than timeout_ms. ending: the
     * server is ending; write what the protocol has for that, and end. */
    http_pull (*pull)(void *user, int timeout_ms, bool ending, buf *out);
    /* NULL, or what lets the server wait for many such streams at once (pump.h). fd: the descriptor
     * that is readable when there may be something; -1: pull has to be called. take: appends what
     * is there, without waiting, on any thread; false: pull has to be called next, for what is more
     * than handing on. */
    int (*fd)(void *user);
    bool (*take)(void *user, buf *out);
    void (*close)(void *user); /* called once, always, also when the client left early */
    void *user;
    uint32_t ping_ms; /* send an event-stream comment after this long without a piece; 0: never */
} http_stream;

typedef struct http_header {
    char name[32];
    char value[1024];
} http_header;

typedef struct http_reply {
    int status;               /* 200 */
    const char *content_type; /* "application/json; charset=utf-8"; a constant */
    buf body;                 /* not used with a stream */
    http_stream stream;       /* pull NULL: none */
    http_header headers[HTTP_MAX_HEADERS];
    size_t n_headers;
} http_reply;

#define HTTP_JSON "application/json; charset=utf-8"
#define HTTP_EVENT_STREAM "text/event-stream"

/* Adds a header; false if there is no room for it or it holds a control character. */
bool http_reply_header(http_reply *reply, const char *name, const char *value);
/* Turns the reply into a stream of events. */
void http_reply_stream(http_reply *reply, const char *content_type, const http_stream *stream);

#endif
