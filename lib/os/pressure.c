/* SPDX-License-Identifier: MIT
 *
 * pressure.c - see pressure.h.
 */
#include "os/pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

static const char path[] = "/proc/pressure/memory";
/* Windows that are no multiple of two seconds need privileges. */
static const char trigger[] = "some 200000 2000000";

struct pressure {
    int fd;
    int stop;
};

hearth_status pressure_open(pressure **out, hearth_error *err)
{
    *out = NULL;
    pressure *p = mem_calloc(1, sizeof *p);
    if (p == NULL)
        return error_no_memory(err, "watching memory", sizeof *p);
    p->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    p->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->fd < 0 || p->stop < 0 ||
        write(p->fd, trigger, sizeof trigger) != (ssize_t)sizeof trigger) {
        int code = errno;
        pressure_close(p);
        FAIL(err, EUNSUPPORTED, path, "%s does not tell when memory is short: %s", path,
             strerror(code));
    }
    *out = p;
    return HEARTH_OK;
}

void pressure_close(pressure *p)
{
    if (p == NULL)
        return;
    if (p->fd >= 0)
        close(p->fd);
    if (p->stop >= 0)
        close(p->stop);
    mem_free(p);
}

bool pressure_wait(pressure *p)
{
    struct pollfd fds[2] = {{.fd = p->fd, .events = POLLPRI}, {.fd = p->stop, .events = POLLIN}};
    for (;;) {
        int n = poll(fds, 2, -1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || fds[1].revents || fds[0].revents & (POLLERR | POLLNVAL))
            return false;
        if (fds[0].revents & POLLPRI)
            return true;
    }
}

void pressure_stop(pressure *p)
{
    uint64_t one = 1;
    ssize_t ignored = write(p->stop, &one, sizeof one); /* what is there already is enough */
    (void)ignored;
}
