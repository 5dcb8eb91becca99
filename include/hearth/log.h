/* SPDX-License-Identifier: MIT
 *
 * log.h - where a library that never prints sends what it has to say, and how it tells progress.
 *
 * Threads  The callbacks run on the thread that called into Hearth, unless the option says
 *          otherwise, and one at a time per handle.
 * Rules    A callback may not call functions of the handle that it is called for, but for those
 *          that are for any thread at any time (cancel); nor leave by an exception or longjmp.
 * Text     Borrowed for the length of the call.
 */
#ifndef HEARTH_LOG_H
#define HEARTH_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <hearth/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hearth_log_level {
    HEARTH_LOG_ERROR = 0,
    HEARTH_LOG_WARNING = 1, /* a fallback, or something in a file that a user should know */
    HEARTH_LOG_INFO = 2,
    HEARTH_LOG_DEBUG = 3
} hearth_log_level;

/* fn NULL: nothing is reported. Messages above `level` are not formatted. */
typedef struct hearth_log {
    void (*fn)(void *user, hearth_log_level level, const char *message);
    void *user;
    hearth_log_level level;
} hearth_log;

/* Progress of a long call: done of total, in the unit the function documents. Returning false
 * cancels the call, which then gives HEARTH_ECANCELED and leaves nothing behind. */
typedef struct hearth_progress {
    bool (*fn)(void *user, uint64_t done, uint64_t total);
    void *user;
} hearth_progress;

/* Watches the calls of this thread that take no progress of their own and may have a long text to
 * go through: tokenizing, detokenizing, chat templates. Such a call asks the watch every few
 * milliseconds, with 0 of 0. The watch is borrowed until another one is set; NULL: none. */
HEARTH_API void hearth_watch_thread(const hearth_progress *watch);

#ifdef __cplusplus
}
#endif
#endif
