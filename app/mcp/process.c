/* SPDX-License-Identifier: MIT
 *
 * process.c - see process.h.
 */
#include "mcp/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 10, TERM_MS = 500 };

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            close(pair[i]);
        pair[i] = -1;
    }
}

/* Signals as a program expects them, and a group of its own. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigemptyset(&all);
    sigaddset(&all, SIGPIPE);
    sigaddset(&all, SIGXFSZ);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    failed = failed ? failed : posix_spawnattr_setsigdefault(attributes, &all);
    failed = failed ? failed : posix_spawnattr_setpgroup(attributes, 0);
    return failed ? failed
                  : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
                                                             POSIX_SPAWN_SETSIGDEF |
                                                             POSIX_SPAWN_SETPGROUP);
}

static int spawn(pid_t *pid, const mcp_server_config *c, int pipes[3][2])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    failed = set_attributes(&attributes);
    for (int i = 0; i < 3 && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(&actions, pipes[i][i == 0 ? 0 : 1], i);
    if (!failed && c->cwd)
        failed = posix_spawn_file_actions_addchdir_np(&actions, c->cwd);
    if (!failed)
        failed = posix_spawnp(pid, c->argv[0], &actions, &attributes, c->argv, c->environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

hearth_status mcp_process_start(mcp_process *p, const mcp_server_config *config, hearth_error *err)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    *p = (mcp_process){.input = -1, .output = -1, .errors = -1};
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++)
        failed = pipe2(pipes[i], O_CLOEXEC) != 0 ? errno : 0;
    if (!failed)
        failed = spawn(&p->pid, config, pipes);
    if (failed) {
        for (int i = 0; i < 3; i++)
            close_pair(pipes[i]);
        p->pid = 0;
        errno = failed;
        return error_set_errno(err, HEARTH_EIO, config->name, "cannot start '%.200s'",
                               config->argv[0]);
    }
    p->input = pipes[0][1];
    p->output = pipes[1][0];
    p->errors = pipes[2][0];
    close(pipes[0][0]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    const int ours[] = {p->input, p->output, p->errors};
    for (int i = 0; i < 3; i++)
        fcntl(ours[i], F_SETFL, fcntl(ours[i], F_GETFL) | O_NONBLOCK);
    return HEARTH_OK;
}

/* Whether it ended within ms. It is not reaped: its group keeps its number. */
static bool ended_within(const mcp_process *p, int ms)
{
    for (;; ms -= STEP_MS) {
        const struct timespec step = {0, STEP_MS * 1000000L};
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
            info.si_pid != 0)
            return true;
        if (ms <= 0)
            return false;
        nanosleep(&step, NULL);
    }
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void mcp_process_stop(mcp_process *p, int grace_ms)
{
    close_end(&p->input);
    if (p->pid > 0) {
        if (!ended_within(p, grace_ms)) {
            kill(-p->pid, SIGTERM);
            ended_within(p, TERM_MS);
        }
        /* What it started and left behind goes, too. */
        kill(-p->pid, SIGKILL);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close_end(&p->output);
    close_end(&p->errors);
    p->pid = 0;
}
