/* SPDX-License-Identifier: MIT
 *
 * exchange.h - inside the server: its connections, and one request with its answer.
 *
 *   connection  made when a socket is accepted, freed when it is closed. Its deadline is watched by
 *               the server's watch thread while no request is there (head_ms).
 *   exchange    made when a head has been read. libmicrohttpd calls exchange_handle with the head,
 *               then with pieces of the body, then once more: the handler runs then, and its answer
 *               is queued. Freed when the answer has been sent or the connection is gone.
 *
 * The connection keeps a duplicate of its socket's descriptor: libmicrohttpd closes its own
 * whenever it likes, and the number could be another connection's by the time that ours is looked
 * at.
 */
#ifndef HEARTH_HTTP_EXCHANGE_H
#define HEARTH_HTTP_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "http/listen.h"
#include "http/pump.h"
#include "http/server.h"

typedef struct connection {
    struct connection *next, **link; /* in server->connections */
    int fd;
    uint64_t deadline_ns; /* 0: none; guarded by the server's lock, as the next two */
    bool is_asking;       /* a request has begun to come, or the first one is to */
    bool has_head;        /* of a request whose body is still to come */
    uint64_t client;      /* a number made of the peer's address */
    bool is_over;         /* one more than there may be: it is told so, and closed */
    bool is_shut;         /* to make room: not counted any more */
    bool is_answering;    /* the three are its thread's: an answer was given to libmicrohttpd */
    int malformed;        /* the status that was sent instead of one; 0: none */
    char path[64];        /* of the request that is being read; "": it is longer */
} connection;

struct http_server {
    http_options options;
    listener listener;
    char url[192];
    struct MHD_Daemon *daemon;
    pthread_t watcher;
    bool watching;
    pthread_mutex_t lock; /* of what follows; nothing is called while it is held */
    pthread_cond_t changed;
    connection *connections;
    size_t n_connections;
    size_t n_active;
    pump *pump;          /* made for the first stream that it can serve */
    size_t n_body_bytes; /* promised to bodies */
    bool stopping;       /* no new requests */
    bool watcher_must_end;
    atomic_bool ending; /* running requests must end */
};

enum MHD_Result exchange_handle(void *server, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *body,
                                size_t *n_body, void **exchange);
void exchange_completed(void *server, struct MHD_Connection *mhd, void **exchange,
                        enum MHD_RequestTerminationCode how);

/* Whether the other end of the socket has gone. Does not wait. */
bool connection_is_gone(int fd);

#endif
