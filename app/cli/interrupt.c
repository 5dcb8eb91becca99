/* SPDX-License-Identifier: MIT
 *
 * interrupt.c - see interrupt.h.
 */
#include "cli/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"

enum { PATIENCE = 3 }; /* signals without a reaction before the program just ends */

static atomic_int n_pending;
static atomic_int last_signal;
static atomic_bool must_exit;
static sem_t wake_up;
static int wait_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static hearth_session *watched; /* under lock */

static void handle(int signal)
{
    int saved = errno;
    atomic_store(&last_signal, signal);
    if (signal != SIGINT)
        atomic_store(&must_exit, true);
    if (atomic_fetch_add(&n_pending, 1) + 1 >= PATIENCE)
        _exit(128 + signal);
    sem_post(&wake_up);
    interrupt_wake();
    errno = saved;
}

static void *watch(void *unused)
{
    (void)unused;
    for (;;) {
        if (sem_wait(&wake_up) != 0)
            continue;
        pthread_mutex_lock(&lock);
        if (watched && interrupt_pending())
            hearth_session_cancel(watched);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/* SIGHUP that was ignored from the start (nohup) stays ignored. */
static void install(int signal)
{
    struct sigaction old, action = {.sa_handler = handle};
    sigemptyset(&action.sa_mask);
    if (sigaction(signal, NULL, &old) == 0 && old.sa_handler == SIG_IGN && signal != SIGINT)
        return;
    sigaction(signal, &action, NULL); /* no SA_RESTART: reading standard input returns */
}

hearth_status interrupt_install(hearth_error *err)
{
    pthread_t thread;
    sigset_t all, before;
    if (sem_init(&wake_up, 0, 0) != 0)
        return error_set_errno(err, HEARTH_EINTERNAL, "signals", "cannot make a semaphore");
    wait_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wait_fd < 0)
        return error_set_errno(err, HEARTH_EINTERNAL, "signals", "cannot make an eventfd");
    /* The watcher takes no signals itself. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        errno = failed;
        return error_set_errno(err, HEARTH_ENOMEM, "signals", "cannot start a thread");
    }
    pthread_detach(thread);
    install(SIGINT);
    install(SIGTERM);
    install(SIGHUP);
    return HEARTH_OK;
}

bool interrupt_pending(void)
{
    return atomic_load(&n_pending) > 0;
}

bool interrupt_is_urgent(void)
{
    return atomic_load(&n_pending) > 1;
}

bool interrupt_must_exit(void)
{
    return atomic_load(&must_exit);
}

int interrupt_signal(void)
{
    return interrupt_pending() ? atomic_load(&last_signal) : 0;
}

void interrupt_clear(void)
{
    if (!interrupt_must_exit())
        atomic_store(&n_pending, 0);
}

void interrupt_wake(void)
{
    int saved = errno;
    ssize_t ignored = write(wait_fd, &(uint64_t){1}, sizeof(uint64_t)); /* full is awake, too */
    (void)ignored;
    errno = saved;
}

bool interrupt_wait_readable(int fd)
{
    struct pollfd waits[] = {{.fd = fd, .events = POLLIN}, {.fd = wait_fd, .events = POLLIN}};
    while (poll(waits, 2, -1) < 0 && errno == EINTR)
        continue;
    if (waits[1].revents == 0)
        return true;
    uint64_t count;
    ssize_t ignored = read(wait_fd, &count, sizeof count);
    (void)ignored;
    return false;
}

void interrupt_wait(void)
{
    while (!interrupt_pending())
        interrupt_wait_readable(-1); /* which nothing is ever to be read from */
}

void interrupt_watch(hearth_session *session)
{
    pthread_mutex_lock(&lock);
    watched = session;
    /* A signal that came a moment too early for the watcher. */
    if (session && interrupt_pending())
        hearth_session_cancel(session);
    pthread_mutex_unlock(&lock);
}
