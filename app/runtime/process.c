/* SPDX-License-Identifier: MIT
 *
 * process.c - see process.h.
 *
 * Between fork and exec of a process with threads only calls that are safe in a signal handler may
 * be made, so everything is prepared before. Why an exec failed comes back through a pipe that a
 * successful exec closes.
 */
#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"

enum { WORDS_MAX = 4096, CAPTURE_STEP_MS = 100, CLOSE_ON_EXEC = 4 /* CLOSE_RANGE_CLOEXEC */ };

/* ---- word lists ---- */

static void add_owned(word_list *list, char *word)
{
    char **grown = NULL;
    if (word && list->n < WORDS_MAX)
        grown = mem_realloc_array(list->items, list->n + 2, sizeof *grown);
    if (grown == NULL) {
        list->failed = true;
        mem_free(word);
        return;
    }
    list->items = grown;
    grown[list->n++] = word;
    grown[list->n] = NULL;
}

void word_list_add(word_list *list, const char *word)
{
    add_owned(list, mem_dup(word, strlen(word)));
}

void word_list_add_format(word_list *list, const char *format, ...)
{
    char room[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof room) {
        add_owned(list, mem_dup(room, (size_t)n));
        return;
    }
    char *longer = n > 0 ? mem_alloc((size_t)n + 1) : NULL;
    if (longer) {
        va_start(args, format);
        vsnprintf(longer, (size_t)n + 1, format, args);
        va_end(args);
    }
    add_owned(list, longer);
}

void word_list_add_environment(word_list *list, const char *without)
{
    for (char **at = environ; at && *at; at++) {
        if (strncmp(*at, without, strlen(without)) != 0)
            word_list_add(list, *at);
    }
}

void word_list_deinit(word_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        mem_free(list->items[i]);
    mem_free(list->items);
    *list = (word_list){0};
}

/* ---- starting ---- */

typedef struct pipes {
    int out[2], err[2], failure[2], null;
} pipes;

static void close_fd(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

static void pipes_close(pipes *p)
{
    int *const all[] = {&p->out[0], &p->out[1],     &p->err[0],    &p->err[1],
                        &p->null,   &p->failure[0], &p->failure[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        close_fd(all[i]);
}

static bool pipes_open(pipes *p)
{
    *p = (pipes){{-1, -1}, {-1, -1}, {-1, -1}, open("/dev/null", O_RDONLY | O_CLOEXEC)};
    return p->null != -1 && pipe2(p->out, O_CLOEXEC) == 0 && pipe2(p->err, O_CLOEXEC) == 0 &&
           pipe2(p->failure, O_CLOEXEC) == 0 && fcntl(p->out[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(p->err[0], F_SETFL, O_NONBLOCK) == 0;
}

static void offer_to_the_oom_killer(void)
{
    static const char score[] = "500";
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd != -1) {
        ssize_t ignored = write(fd, score, sizeof score - 1);
        (void)ignored;
        close(fd);
    }
}

/* In the child. */
_Noreturn static void become(const pipes *p, char *const *argv, char *const *environment,
                             pid_t parent)
{
    sigset_t none;
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &standard, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && dup2(p->null, 0) != -1 && dup2(p->out[1], 1) != -1 &&
        dup2(p->err[1], 2) != -1) {
        offer_to_the_oom_killer();
        /* On kernels without it, what this program opens is closed on exec anyway. */
        syscall(SYS_close_range, 3u, ~0u, (unsigned)CLOSE_ON_EXEC);
        execve(argv[0], argv, environment);
    }
    int problem = errno;
    ssize_t ignored = write(p->failure[1], &problem, sizeof problem);
    (void)ignored;
    _exit(127);
}

/* The child's errno; 0: the program runs. */
static int read_failure(int fd)
{
    int problem = 0;
    ssize_t n;
    do
        n = read(fd, &problem, sizeof problem);
    while (n == -1 && errno == EINTR);
    return n == (ssize_t)sizeof problem ? problem : 0;
}

static hearth_status start_failed(const char *path, int problem, hearth_error *err)
{
    hearth_status code = problem == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO;
    errno = problem;
    return error_set_errno(err, code, path, "cannot start '%.200s'", path);
}

hearth_status process_start(process *p, const word_list *argv, const word_list *environment,
                            hearth_error *err)
{
    pipes ends;
    int status;
    *p = (process){-1, -1, -1, -1};
    if (argv->failed || environment->failed || argv->n == 0)
        return error_no_memory(err, "a command line", WORDS_MAX);
    if (!pipes_open(&ends)) {
        error_set_errno(err, HEARTH_EIO, argv->items[0], "cannot make pipes for a program");
        pipes_close(&ends);
        return HEARTH_EIO;
    }
    const pid_t parent = getpid();
    p->pid = fork();
    if (p->pid == 0)
        become(&ends, argv->items, environment->items ? environment->items : environ, parent);
    const int fork_problem = errno;
    close_fd(&ends.out[1]);
    close_fd(&ends.err[1]);
    close_fd(&ends.failure[1]);
    int problem = p->pid == -1 ? fork_problem : read_failure(ends.failure[0]);
    if (problem == 0) {
        p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
        problem = p->pidfd == -1 ? errno : 0;
    }
    if (problem == 0) {
        fcntl(p->pidfd, F_SETFD, FD_CLOEXEC);
        p->out_fd = ends.out[0];
        p->err_fd = ends.err[0];
        ends.out[0] = ends.err[0] = -1;
    } else if (p->pid != -1) {
        kill(p->pid, SIGKILL);
        while (waitpid(p->pid, &status, 0) == -1 && errno == EINTR)
            continue;
    }
    pipes_close(&ends);
    return problem == 0 ? HEARTH_OK : start_failed(argv->items[0], problem, err);
}

/* ---- watching ---- */

void process_signal(const process *p, int signal_number, bool group)
{
    if (p->pidfd == -1)
        return;
    /* Until it is reaped its number, and so its group's, is not given to another. */
    if (group)
        kill(-p->pid, signal_number);
    syscall(SYS_pidfd_send_signal, p->pidfd, signal_number, NULL, 0);
}

bool process_reap(const process *p, int *status)
{
    const pid_t ended = waitpid(p->pid, status, WNOHANG);
    if (ended == -1 && errno == ECHILD) { /* whoever started us had children ignored */
        *status = 0;
        return true;
    }
    return ended == p->pid;
}

void process_close(process *p)
{
    close_fd(&p->pidfd);
    close_fd(&p->out_fd);
    close_fd(&p->err_fd);
}

void process_status_text(int status, char *out, size_t n)
{
    if (WIFSIGNALED(status))
        snprintf(out, n, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, n, "exit code %d", WEXITSTATUS(status));
}

/* ---- a program as a question ---- */

/* False when this end is closed. */
static bool drain(int *fd, size_t max, buf *out)
{
    char bytes[4096];
    ssize_t n = read(*fd, bytes, sizeof bytes);
    if (n > 0) {
        size_t room = out->n < max ? max - out->n : 0;
        buf_append(out, bytes, (size_t)n < room ? (size_t)n : room);
        return true;
    }
    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return true;
    close_fd(fd);
    return false;
}

static hearth_status check_limits(const word_list *argv, const process_limits *limits,
                                  uint64_t since_ms, hearth_error *err)
{
    const hearth_progress *watch = limits->watch;
    if (watch && watch->fn && !watch->fn(watch->user, 0, 0))
        FAIL(err, ECANCELED, argv->items[0], "'%.200s' is not waited for any more", argv->items[0]);
    if (clock_now_ns() / 1000000 - since_ms >= limits->timeout_ms)
        FAIL(err, EIO, argv->items[0], "'%.200s' did not end within %u ms", argv->items[0],
             (unsigned)limits->timeout_ms);
    return HEARTH_OK;
}

hearth_status process_capture(const word_list *argv, const word_list *environment,
                              const process_limits *limits, buf *out, int *status,
                              hearth_error *err)
{
    process p;
    const uint64_t since_ms = clock_now_ns() / 1000000;
    hearth_status result = HEARTH_OK;
    bool ended = false;
    TRY(process_start(&p, argv, environment, err));
    while (!ended && result == HEARTH_OK) {
        struct pollfd fds[] = {{p.out_fd, POLLIN, 0}, {p.err_fd, POLLIN, 0}, {p.pidfd, POLLIN, 0}};
        result = check_limits(argv, limits, since_ms, err);
        if (result != HEARTH_OK || poll(fds, 3, CAPTURE_STEP_MS) == -1)
            continue;
        if (fds[0].revents)
            drain(&p.out_fd, limits->max, out);
        if (fds[1].revents)
            drain(&p.err_fd, limits->max, out);
        /* A child of the child may hold the pipes open; what its end left in them is taken. */
        ended = fds[2].revents && !fds[0].revents && !fds[1].revents;
    }
    process_signal(&p, SIGKILL, true);
    while (waitpid(p.pid, status, 0) == -1 && errno == EINTR)
        continue;
    process_close(&p);
    return result;
}

bool process_find_program(const char *name, char *out, size_t n)
{
    const char *path = environ ? NULL : "";
    for (char **at = environ; at && *at && path == NULL; at++) {
        if (strncmp(*at, "PATH=", 5) == 0)
            path = *at + 5;
    }
    while (path && *path) {
        size_t length = strcspn(path, ":");
        if (length > 0 && (size_t)snprintf(out, n, "%.*s/%s", (int)length, path, name) < n &&
            access(out, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}
