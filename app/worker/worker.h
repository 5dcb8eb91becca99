/* SPDX-License-Identifier: MIT
 *
 * worker.h - `hearth engine`: one model behind llama-server's HTTP interface.
 *
 * What     HTTP is up at once and answers 503 until the model is loaded. worker_run opens
 *          the model and the batching engine, tells that it listens, waits to be told to end, and
 *          lets running requests finish within --drain seconds.
 * Host     The program that runs the worker says how it is interrupted and where messages go; the
 *          worker owns no signal handler and prints nothing but its readiness.
 */
#ifndef HEARTH_WORKER_WORKER_H
#define HEARTH_WORKER_WORKER_H

#include "worker/flags.h"

typedef struct worker_host {
    const void *builtin; /* the GGUF bytes that --model builtin_name means */
    size_t n_builtin;
    const char *builtin_name;
    hearth_log log;                 /* called from many threads */
    bool (*interrupted)(void);      /* the worker is to end */
    bool (*is_urgent)(void);        /* and is not to wait for running requests */
    void (*wait)(void);             /* until interrupted */
    void (*tell)(const char *line); /* one line of standard output, flushed */
    void (*abandon)(void);          /* ends the process at once, for a request that does not end */
} worker_host;

/* Runs until it is interrupted (OK), or fails. */
hearth_status worker_run(const worker_flags *flags, const worker_host *host, hearth_error *err);

#endif
