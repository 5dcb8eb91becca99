/* SPDX-License-Identifier: MIT
 *
 * watch.c - see watch.h.
 */
#include "base/watch.h"

#include <stddef.h>

#include <hearth/log.h>

static _Thread_local const hearth_progress *watch;
static _Thread_local uint64_t work_done; /* since the watch was asked */
static _Thread_local bool has_ended;

void hearth_watch_thread(const hearth_progress *progress)
{
    watch = progress && progress->fn ? progress : NULL;
    work_done = 0;
    has_ended = false;
}

bool watch_go_on(uint64_t work)
{
    work_done += work;
    if (work_done < WATCH_WORK || watch == NULL)
        return true;
    work_done = 0;
    if (!has_ended)
        has_ended = !watch->fn(watch->user, 0, 0);
    return !has_ended;
}

bool watch_has_ended(void)
{
    return has_ended;
}

hearth_status watch_end(hearth_error *err)
{
    FAIL(err, ECANCELED, "call", "the call was canceled by the thread's watch");
}
