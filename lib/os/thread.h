/* SPDX-License-Identifier: MIT
 *
 * thread.h - a thread of the library's own, and a lock that can be waited on.
 *
 * Threads take no signals but faults: those meant for the process are for the program's threads.
 */
#ifndef HEARTH_OS_THREAD_H
#define HEARTH_OS_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef struct monitor {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} monitor;

void monitor_init(monitor *m);
void monitor_deinit(monitor *m);
void monitor_lock(monitor *m);
void monitor_unlock(monitor *m);
/* Locked. Waits for a wake at most timeout_ns (below 0: for ever); false if the time ran out. */
bool monitor_wait(monitor *m, int64_t timeout_ns);
/* Locked. Wakes all who wait. */
void monitor_wake(monitor *m);

/* Must stay where it is while the thread runs. */
typedef struct thread {
    pthread_t id;
    void (*fn)(void *arg);
    void *arg;
    bool started;
} thread;

/* ENOMEM if the system gives no thread. `what` it is for goes to the message. */
hearth_status thread_start(thread *t, void (*fn)(void *arg), void *arg, const char *what,
                           hearth_error *err);
/* Waits for its end; nothing if it was never started. */
void thread_join(thread *t);

/* Blocks signals as above in the calling thread; pthread_sigmask with *before undoes it. */
void thread_block_signals(sigset_t *before);

#endif
