/* SPDX-License-Identifier: MIT
 *
 * server.h - an HTTP/1.1 server over a table of routes; knows nothing of models.
 *
 * What     libmicrohttpd with one thread per connection, so that a handler may simply block. What
 *          is refused before a handler sees it: hosts, origins and keys (guard.h), unknown paths
 *          (404) and methods (405), bodies that are too large (413) or a page's and not JSON (415),
 * and every request while the server is not ready (503). Limits   Of everything that a client can
 * make larger or longer: heads, bodies, all bodies together, connections, and the time for each
 * step. A head that is late, a body that is late and an answer that is not taken all end the
 * connection. Ending   http_server_stop closes the port, lets running requests end, then asks them
 * to (HTTP_ENDING), then closes what is left. Threads  start, stop and free from one thread;
 * handlers run on many at once.
 */
#ifndef HEARTH_HTTP_SERVER_H
#define HEARTH_HTTP_SERVER_H

#include <hearth/log.h>

#include "base/status.h"
#include "http/guard.h"
#include "http/route.h"

typedef struct http_options {
    const char *host; /* a name or address; a path that ends in ".sock" */
    uint16_t port;    /* 0: any */
    const char *cert; /* PEM text; with key: TLS */
    const char *key;
    const char *prefix;    /* of every path: "/api"; NULL or "" for none */
    guard guard;           /* bound is filled in */
    const char *host_hint; /* what allows another Host, for people: "--allowed-hosts" */
    const char *origin_hint;
    size_t max_head_bytes;
    size_t max_body_bytes;
    size_t max_bodies_bytes;  /* of all bodies that are being read or held; more are told 503 */
    uint32_t max_connections; /* the last place is made free by closing the one idle the longest */
    uint32_t head_ms;   /* from the connection, or its last answer, to the end of the next head */
    uint32_t silent_ms; /* after which a connection without a head may be closed for another one */
    uint32_t body_ms;   /* for the whole body */
    uint32_t stall_ms;  /* a client that takes nothing of its answer for this long has gone */
    uint32_t ending_ms; /* what handlers have to end when they are asked to */
    const http_route *routes;
    size_t n_routes;
    void *app; /* handed to all callbacks */
    /* Whether routes without HTTP_NOT_READY may be served. */
    bool (*ready)(void *app);
    /* Fills reply->body with the error as the clients of path expect it. path is without prefix. */
    void (*refuse)(void *app, const char *path, int status, const char *message, http_reply *reply);
    /* Whether this request's sender may ask for this route: 0, or the status to refuse it with and
     * why. Asked when the head is there, beside the guard's keys. NULL: those alone. */
    int (*admit)(void *app, const http_request *request, char *message, size_t n_message);
    const http_route *fallback; /* for a GET of a path that no row has; NULL: 404 */
    /* Tells that a request is over; NULL: nobody asks. */
    void (*served)(void *app, const char *path, int status);
    hearth_log log; /* one line per request at INFO; called from many threads */
} http_options;

/* Limits as they are good for most; everything else 0. */
void http_options_init(http_options *options);

typedef struct http_server http_server;

/* Listens and serves when this returns. options' strings and tables must outlive the server. */
hearth_status http_server_start(http_server **out, const http_options *options, hearth_error *err);

/* "http://127.0.0.1:8080", "https://...", "unix:/path.sock". */
const char *http_server_url(const http_server *server);
uint16_t http_server_port(const http_server *server);
bool http_server_is_loopback(const http_server *server);
size_t http_server_n_active(http_server *server); /* requests being read or answered */

/* Ends within drain_ms and twice ending_ms. hurry (may be NULL): polled; true ends the draining
 * early. False: some handler has not returned although it was asked to. It still uses the server,
 * the options and the application, so none of them can be freed: end the process, or try again. */
bool http_server_stop(http_server *server, uint32_t drain_ms, bool (*hurry)(void));
/* NULL is fine. Stops first; what does not stop is not freed. */
void http_server_free(http_server *server);

#endif
