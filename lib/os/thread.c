/* SPDX-License-Identifier: MIT
 *
 * thread.c - see thread.h.
 */
#include "os/thread.h"

#include <signal.h>
#include <string.h>
#include <time.h>

void monitor_init(monitor *m)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&m->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void monitor_deinit(monitor *m)
{
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->mutex);
}

void monitor_lock(monitor *m)
{
    pthread_mutex_lock(&m->mutex);
}

void monitor_unlock(monitor *m)
{
    pthread_mutex_unlock(&m->mutex);
}

bool monitor_wait(monitor *m, int64_t timeout_ns)
{
    enum { BILLION = 1000000000 };
    struct timespec until;
    if (timeout_ns < 0)
        return pthread_cond_wait(&m->changed, &m->mutex) == 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ns / BILLION);
    until.tv_nsec += (long)(timeout_ns % BILLION);
    if (until.tv_nsec >= BILLION) {
        until.tv_sec++;
        until.tv_nsec -= BILLION;
    }
    return pthread_cond_timedwait(&m->changed, &m->mutex, &until) == 0;
}

void monitor_wake(monitor *m)
{
    pthread_cond_broadcast(&m->changed);
}

void thread_block_signals(sigset_t *before)
{
    sigset_t blocked;
    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGTRAP);
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

static void *run(void *user)
{
    thread *t = user;
    t->fn(t->arg);
    return NULL;
}

hearth_status thread_start(thread *t, void (*fn)(void *arg), void *arg, const char *what,
                           hearth_error *err)
{
    sigset_t before;
    *t = (thread){.fn = fn, .arg = arg};
    thread_block_signals(&before);
    int code = pthread_create(&t->id, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        FAIL(err, ENOMEM, "threads", "the system gives no thread for %s: %s", what, strerror(code));
    t->started = true;
    return HEARTH_OK;
}

void thread_join(thread *t)
{
    if (t->started)
        pthread_join(t->id, NULL);
    t->started = false;
}
