/* SPDX-License-Identifier: MIT
 *
 * test_service.c - `hearth serve` under a service manager (Type=notify): it tells when it serves
 * and when it ends, on a socket with a path or an abstract name, and prints no token.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/test_reference.h"

enum { PATIENCE_S = 60 };

static int manager(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && n < sizeof at.sun_path);
    memcpy(at.sun_path, name, n);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    assert_int_equal(
        bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
        0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    return fd;
}

static void expect(int fd, const char *state)
{
    char text[128] = "";
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n < 0)
        fail_msg("%s was not told within %d s", state, PATIENCE_S);
    assert_string_equal(text, state);
}

static pid_t start(const char *folder, const char *socket, int out)
{
    static const char *const places[] = {"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
                                         "XDG_STATE_HOME", "XDG_CACHE_HOME"};
    pid_t pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid > 0)
        return pid;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        setenv(places[i], folder, 1);
    setenv("NOTIFY_SOCKET", socket, 1);
    dup2(out, STDOUT_FILENO);
    execl(HEARTH_BUILD_DIR "/hearth", "hearth", "serve", "--port", "0", "--own-models-only",
          (char *)NULL);
    _exit(127);
}

static void check(const char *folder, const char *socket)
{
    char said[512] = "";
    int out[2], status = 0;
    int fd = manager(socket);
    assert_int_equal(pipe(out), 0);
    pid_t pid = start(folder, socket, out[1]);
    close(out[1]);
    expect(fd, "READY=1");
    ssize_t n = read(out[0], said, sizeof said - 1);
    assert_true(n > 0);
    assert_non_null(strstr(said, "listening on http://127.0.0.1:"));
    assert_null(strstr(said, "token"));
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect(fd, "STOPPING=1");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(out[0]);
    close(fd);
}

static void test_notify(void **state)
{
    char folder[80], name[120];
    (void)state;
    assert_true(test_temporary(folder, sizeof folder));
    snprintf(name, sizeof name, "%s/notify", folder);
    check(folder, name);
    snprintf(name, sizeof name, "@hearth-test-%ld", (long)getpid());
    check(folder, name);
    test_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_notify)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
