/* SPDX-License-Identifier: MIT
 *
 * pressure_watch.c - see pressure_watch.h. The cache goes first; where memory is short again soon,
 * the weights' pages too.
 */
#include "worker/pressure_watch.h"

#include "base/log.h"
#include "os/clock.h"

static const uint64_t soon_ns = 30000000000u;

static void watch(void *arg)
{
    pressure_watch *w = arg;
    uint64_t last = 0;
    while (pressure_wait(w->pressure)) {
        uint64_t now = clock_now_ns();
        bool again = last != 0 && now - last < soon_ns;
        hearth_trim_counts freed;
        last = now;
        if (hearth_engine_trim(w->engine, again ? HEARTH_TRIM_WEIGHTS : HEARTH_TRIM_CACHE, &freed,
                               NULL) != HEARTH_OK)
            continue;
        if (freed.cache_bytes > 0 || freed.weight_bytes > 0)
            log_write(&w->log, HEARTH_LOG_WARNING,
                      "memory is short: %.1f MiB of kept texts and %.1f MiB of weights are given "
                      "back until they are needed",
                      (double)freed.cache_bytes / 1048576, (double)freed.weight_bytes / 1048576);
    }
}

void pressure_watch_start(pressure_watch *w, hearth_engine *engine, const hearth_log *log)
{
    *w = (pressure_watch){.engine = engine, .log = *log};
    if (pressure_open(&w->pressure, NULL) == HEARTH_OK &&
        thread_start(&w->thread, watch, w, "watching memory", NULL) != HEARTH_OK) {
        pressure_close(w->pressure);
        w->pressure = NULL;
    }
}

void pressure_watch_stop(pressure_watch *w)
{
    if (w->pressure == NULL)
        return;
    pressure_stop(w->pressure);
    thread_join(&w->thread);
    pressure_close(w->pressure);
    w->pressure = NULL;
}
