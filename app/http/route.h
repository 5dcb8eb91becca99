/* SPDX-License-Identifier: MIT
 *
 * route.h - the table of routes: one row per path and handler.
 *
 * A path is compared as it is, byte by byte. One '*' in a row's path stands for one or more bytes:
 * of one segment if something follows it ("/slots/" "*" "/x"), of everything at the end.
 * An exact row comes before one with a '*', whatever their order.
 */
#ifndef HEARTH_HTTP_ROUTE_H
#define HEARTH_HTTP_ROUTE_H

#include "http/message.h"

enum {
    HTTP_OPEN_TO_ALL = 1, /* no API key needed */
    HTTP_NOT_READY = 2    /* served also while the server is not ready */
};

typedef void http_handler(void *app, const http_request *request, http_reply *reply);

typedef struct http_route {
    unsigned methods; /* of http_method, or-ed */
    const char *path;
    http_handler *handler;
    unsigned flags;
    const void *tag; /* the application's; told in the request */
} http_route;

typedef struct http_match {
    const http_route *route; /* NULL: no row has this path with this method */
    unsigned methods;        /* of all rows with this path; 0: an unknown path */
    const char *rest;        /* points into path */
    size_t n_rest;
} http_match;

http_match route_find(const http_route *routes, size_t n_routes, http_method method,
                      const char *path);

/* "GET, HEAD, OPTIONS" for an Allow header; out needs HTTP_ALLOW_BYTES. */
enum { HTTP_ALLOW_BYTES = 64 };
void route_allow(unsigned methods, char *out);

#endif
