/* SPDX-License-Identifier: MIT
 *
 * listen.h - the socket that a server listens on: TCP, or a Unix socket where the host ends in
 * ".sock".
 */
#ifndef HEARTH_HTTP_LISTEN_H
#define HEARTH_HTTP_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct listener {
    int fd;        /* -1: closed */
    bool is_unix;  /* then port is 0 */
    bool loopback; /* nobody else's machine can reach it */
    uint16_t port; /* the one that was bound, also where any was asked for */
    char path[108];
    uint64_t device, inode; /* of the path, so that only our own socket is removed */
} listener;

/* Binds and listens. port 0 takes any. A Unix socket is made for this user alone; one that nobody
 * listens on any more is replaced. EINVAL for a host that is no name or address, EIO with what the
 * system said otherwise (a port that is taken). */
hearth_status listener_open(listener *l, const char *host, uint16_t port, hearth_error *err);

/* Closes the socket and removes its path. Fine twice. */
void listener_close(listener *l);

#endif
