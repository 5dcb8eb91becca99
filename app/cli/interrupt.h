/* SPDX-License-Identifier: MIT
 *
 * interrupt.h - Ctrl-C, SIGTERM and SIGHUP become a request to stop, answered in an orderly way.
 *
 * The handler only counts, posts a semaphore and writes to an eventfd, all of them safe in a
 * signal handler. A watcher thread wakes up and calls hearth_session_cancel on the session that is
 * registered, which may be in the middle of a long computation on the main thread; everything else
 * asks interrupt_pending(). When the program has not reacted to two signals, the third ends it at
 * once.
 */
#ifndef HEARTH_CLI_INTERRUPT_H
#define HEARTH_CLI_INTERRUPT_H

#include <stdbool.h>

#include <hearth/session.h>

/* Call once, before anything that may take long. */
hearth_status interrupt_install(hearth_error *err);

bool interrupt_pending(void);
/* Whether a second signal came while the first was being dealt with. */
bool interrupt_is_urgent(void);
/* Whether SIGTERM or SIGHUP came: a conversation ends then, too. */
bool interrupt_must_exit(void);
/* The signal behind the pending interrupt, or 0. */
int interrupt_signal(void);
/* Forgets a Ctrl-C that was dealt with; SIGTERM and SIGHUP stay. */
void interrupt_clear(void);

/* Waits until fd can be read (true), or a signal came or comes (false). Unlike a plain read() it
 * misses no signal that came a moment before, or to another thread. */
bool interrupt_wait_readable(int fd);
/* Waits until a signal came or comes. */
void interrupt_wait(void);
/* Ends such waits. May be called by a signal handler. */
void interrupt_wake(void);

/* The session to cancel; NULL for none. After a call with NULL no cancel is under way. */
void interrupt_watch(hearth_session *session);

#endif
