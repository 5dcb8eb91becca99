/* SPDX-License-Identifier: MIT
 *
 * pump.h - one thread that hands on the pieces of many streams, each from its source's descriptor
 * to its client's.
 *
 * Why      A stream that comes from a socket costs a wake-up of its connection's thread for each
 *          piece. An engine writes to all of its clients at nearly the same time, so that one
 *          thread that serves them all wakes once for many pieces, and finds the next ones there
 *          when it has sent the first.
 * What     The connection's thread lends its stream to the pump and sleeps until that cannot go on
 *          by itself. The pump asks the source only for what is there, and never waits for a
 *          client: all that takes time is done by the connection's thread, afterwards.
 * Threads  pump_run by any number of threads, each with a job of its own. While it runs, the source
 *          is called on the pump's thread.
 */
#ifndef HEARTH_HTTP_PUMP_H
#define HEARTH_HTTP_PUMP_H

#include <stdint.h>

#include "base/status.h"
#include "http/message.h"

typedef struct pump pump;

hearth_status pump_new(pump **out, hearth_error *err);
void pump_free(pump *p); /* no job may be running; NULL is fine */

typedef enum pump_end {
    PUMP_SOURCE, /* the source has to be pulled: it ended, broke, or there was no place */
    PUMP_CLIENT, /* the client does not take more now: piece has the rest, or it is gone */
    PUMP_TIMER   /* go_on said so */
} pump_end;

typedef struct pump_job {
    const http_stream *source;
    int source_fd, client_fd;
    bool (*go_on)(void *user,
                  uint64_t quiet_ms); /* asked every HTTP_PULL_MS by pump_run's thread */
    void *user;
    buf piece;         /* a chunk in HTTP's framing; the caller's to make and free */
    size_t n_sent;     /* of it */
    bool is_lost;      /* there was no memory for the piece */
    uint64_t since_ns; /* when the last piece was handed on; set by the caller before the first */
} pump_job;

pump_end pump_run(pump *p, pump_job *job);

/* Sends what is left of job->piece as far as the client takes it now. False: it is gone,
 * or the piece is lost. */
bool pump_send(pump_job *job);

#endif
