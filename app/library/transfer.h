/* SPDX-License-Identifier: MIT
 *
 * transfer.h - one file from a web server to the disk: over several connections, again and again
 * until it is whole, and never twice what is there.
 *
 * What     A first request asks for one byte: its answer tells the size, and whether ranges are
 *          served. Then each connection fetches pieces (chunks.h); a piece that breaks off goes on
 *          at the byte it reached. Without ranges it is one connection from the beginning.
 * Again    What a server or a line may get over (no connection, a broken one, silence, 408, 429,
 *          5xx) is tried again after a pause that doubles, or as Retry-After says, TRANSFER_TRIES
 *          times in a row without a byte; an answer to another question than was asked, less often.
 * Threads  transfer_run() blocks and has threads of its own. The watch is shared with others.
 */
#ifndef HEARTH_LIBRARY_TRANSFER_H
#define HEARTH_LIBRARY_TRANSFER_H

#include <stdatomic.h>

#include <hearth/log.h>

#include "http/client.h"
#include "os/thread.h"

enum { TRANSFER_TRIES = 8, TRANSFER_CONNECTIONS_MAX = 16 };

/* What others may see and say while it runs. */
typedef struct transfer_watch {
    monitor door; /* woken on every change of the flags */
    bool stopped, paused;
    atomic_uint_fast64_t n_bytes;  /* of this file, on the disk or on their way there */
    bool (*is_wanted)(void *user); /* false: nobody waits for it any more; NULL: always wanted */
    void *user;
} transfer_watch;

void transfer_watch_init(transfer_watch *watch);
void transfer_watch_deinit(transfer_watch *watch);
bool transfer_is_stopped(transfer_watch *watch);
/* Waits while it is paused; false once it is stopped. */
bool transfer_may_go_on(transfer_watch *watch);
/* Waits that long; false once it is stopped. */
bool transfer_sleep(transfer_watch *watch, int64_t ms);

typedef struct transfer_options {
    const char *url;
    const char *bearer;     /* NULL: none */
    const char *part;       /* FILE.part */
    const char *identity;   /* what the file is: a SHA-256; NULL: the server's ETag tells */
    uint64_t size;          /* as told beforehand; 0: unknown */
    uint32_t n_connections; /* 1 to TRANSFER_CONNECTIONS_MAX */
    uint64_t chunk_bytes;
    int stall_ms;
    const hearth_log *log;
    transfer_watch *watch;
} transfer_options;

/* Asks how large the file is; *size 0: its server does not tell. o->part and identity do not count.
 */
hearth_status transfer_look(const transfer_options *options, uint64_t *size, hearth_error *err);

struct chunks;
/* *out has every piece on the disk. Errors: ECANCELED (stopped), EIO (the network, the disk),
 * ENOTFOUND (404, 410), EINVAL (401, 403, a refused redirect), EMISMATCH (another size than told),
 * EBUSY. */
hearth_status transfer_run(struct chunks **out, const transfer_options *options, hearth_error *err);

/* A small document: the whole body of a GET, tried again in the same way. accept may be NULL. */
hearth_status transfer_read(const char *url, const char *bearer, const char *accept,
                            const transfer_options *options, buf *body, hearth_error *err);

/* The beginning of a file, in ranges: `first` bytes, then as many as `needs` asks for, which is
 * told what is there and returns how many bytes must be. No more than max are kept. *size is that
 * of the whole file. Errors: as transfer_run(), and EFORMAT: more than max are needed, or more than
 * the file has. */
hearth_status transfer_head(const transfer_options *options, uint64_t first, uint64_t max,
                            uint64_t (*needs)(const void *bytes, size_t n), buf *body,
                            uint64_t *size, hearth_error *err);

#endif
