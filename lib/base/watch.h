/* SPDX-License-Identifier: MIT
 *
 * watch.h - how long calls without a progress of their own notice that nobody waits for them.
 *
 * A thread has at most one watch (hearth_watch_thread). Loops over a text tell it of their work as
 * they go; every WATCH_WORK units it is asked whether to go on, and a no stays no until another
 * watch is set. Such loops are deep inside of tokenizers, templates and the like, hence a watch by
 * thread: passing one down would change every function on the way.
 */
#ifndef HEARTH_BASE_WATCH_H
#define HEARTH_BASE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* One unit is a byte or a token looked at: some nanoseconds. */
enum { WATCH_WORK = 1 << 16 };

/* Counts work. False: the call is to end. */
bool watch_go_on(uint64_t work);

/* Whether the thread's watch has said no. */
bool watch_has_ended(void);

/* Sets the error of a call that is ended: ECANCELED. */
hearth_status watch_end(hearth_error *err);

#endif
