/* SPDX-License-Identifier: MIT
 *
 * listen.c - see listen.h.
 */
#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 511 };

static bool is_socket_path(const char *host)
{
    size_t n = strlen(host);
    return n >= 5 && strcmp(host + n - 5, ".sock") == 0;
}

/* ---- Unix sockets ---- */

/* A path that a dead server left behind is removed; one that answers, or is no socket, is not. */
static hearth_status clear_path(const struct sockaddr_un *address, hearth_error *err)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0)
        return HEARTH_OK;
    if (!S_ISSOCK(st.st_mode))
        FAIL(err, EINVAL, "--host", "%s is there and is no socket", address->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return error_set_errno(err, HEARTH_EIO, "--host", "cannot make a socket");
    bool alive = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                 errno != ECONNREFUSED;
    close(fd);
    if (alive)
        FAIL(err, EIO, "--host", "%s is in use by a running server", address->sun_path);
    unlink(address->sun_path);
    return HEARTH_OK;
}

static hearth_status open_unix(listener *l, const char *path, hearth_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof address.sun_path)
        FAIL(err, EINVAL, "--host", "%.64s...: the path of a socket has at most %zu bytes", path,
             sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path));
    TRY(clear_path(&address, err));
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd == -1)
        return error_set_errno(err, HEARTH_EIO, "--host", "cannot make a socket");
    l->is_unix = l->loopback = true;
    /* fchmod on the socket before bind decides the mode of the path, without a moment in between
     * and without touching the process's umask. */
    if (fchmod(l->fd, 0600) != 0 ||
        bind(l->fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return error_set_errno(err, HEARTH_EIO, "--host", "cannot listen at %s", path);
    memcpy(l->path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0) {
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    return HEARTH_OK;
}

/* ---- TCP ---- */

static bool address_is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static bool bind_one(listener *l, const struct addrinfo *info)
{
    struct sockaddr_storage bound;
    socklen_t n = sizeof bound;
    int on = 1, off = 0;
    l->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd == -1)
        return false;
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6) /* "::" takes IPv4 as well */
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(l->fd, info->ai_addr, info->ai_addrlen) == 0 &&
        getsockname(l->fd, (struct sockaddr *)&bound, &n) == 0) {
        l->loopback = address_is_loopback(info->ai_addr);
        l->port = ntohs(info->ai_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port
                                                   : ((struct sockaddr_in6 *)&bound)->sin6_port);
        return true;
    }
    int saved = errno;
    close(l->fd);
    l->fd = -1;
    errno = saved;
    return false;
}

static hearth_status open_tcp(listener *l, const char *host, uint16_t port, hearth_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char service[8], bare[256];
    size_t n = strlen(host);
    bool bracketed = n >= 2 && host[0] == '[' && host[n - 1] == ']';
    snprintf(service, sizeof service, "%u", (unsigned)port);
    snprintf(bare, sizeof bare, "%.*s", (int)(bracketed ? n - 2 : n), host + bracketed);
    int code = getaddrinfo(bare, service, &hints, &list);
    if (code != 0)
        FAIL(err, EINVAL, "--host", "%.128s is no address of this machine: %s", host,
             gai_strerror(code));
    for (const struct addrinfo *i = list; i && l->fd == -1; i = i->ai_next)
        bind_one(l, i);
    int saved = errno;
    freeaddrinfo(list);
    errno = saved;
    if (l->fd != -1)
        return HEARTH_OK;
    return error_set_errno(err, HEARTH_EIO, "--port", "cannot listen on %.128s port %u%s", host,
                           (unsigned)port,
                           saved == EADDRINUSE ? " (--port 0 takes a free one)" : "");
}

hearth_status listener_open(listener *l, const char *host, uint16_t port, hearth_error *err)
{
    *l = (listener){.fd = -1};
    hearth_status status =
        is_socket_path(host) ? open_unix(l, host, err) : open_tcp(l, host, port, err);
    if (status == HEARTH_OK && listen(l->fd, BACKLOG) != 0)
        status = error_set_errno(err, HEARTH_EIO, "--host", "cannot listen on %.128s", host);
    if (status != HEARTH_OK)
        listener_close(l);
    return status;
}

void listener_close(listener *l)
{
    struct stat st;
    if (l->fd != -1)
        close(l->fd);
    l->fd = -1;
    if (l->path[0] && lstat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
        unlink(l->path);
    l->path[0] = '\0';
}
