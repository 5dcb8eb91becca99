/* SPDX-License-Identifier: MIT
 *
 * pressure_watch.h - gives the engine's spare memory back when the machine runs short of it.
 */
#ifndef HEARTH_WORKER_PRESSURE_WATCH_H
#define HEARTH_WORKER_PRESSURE_WATCH_H

#include <hearth/engine.h>

#include "os/pressure.h"
#include "os/thread.h"

typedef struct pressure_watch {
    pressure *pressure; /* NULL: nothing is watched */
    thread thread;
    hearth_engine *engine;
    hearth_log log;
} pressure_watch;

/* Where the kernel does not tell of memory, nothing happens. Must stay where it is until stopped,
 * which comes before the engine is closed. */
void pressure_watch_start(pressure_watch *w, hearth_engine *engine, const hearth_log *log);
void pressure_watch_stop(pressure_watch *w);

#endif
