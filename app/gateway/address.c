/* SPDX-License-Identifier: MIT
 *
 * address.c - see address.h.
 *
 * Only a server locks for itself alone, and it does so before its file gets its name; who asks
 * locks together with others. So nobody who asks is taken for a server.
 */
#include "gateway/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, LINE_BYTES = 512 };

hearth_status address_check(const char *path, hearth_error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ours =
        fd != -1 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid();
    bool held = ours && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd != -1)
        close(fd);
    if (!held)
        FAIL(err, ENOTFOUND, "server", "%s: no server holds it", path);
    return HEARTH_OK;
}

static bool write_held(int fd, const char *url)
{
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "{\"url\":\"%s\",\"pid\":%ld}\n", url, (long)getpid());
    return n > 0 && n < LINE_BYTES && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
           write(fd, line, (size_t)n) == n;
}

static hearth_status publish(const char *path, const char *url, int *fd, hearth_error *err)
{
    char draft[PATH_BYTES];
    if (address_check(path, NULL) == HEARTH_OK)
        FAIL(err, EBUSY, "server", "%s: another server of yours has written it", path);
    if ((size_t)snprintf(draft, sizeof draft, "%s.%ld", path, (long)getpid()) >= sizeof draft)
        FAIL(err, EINVAL, "server", "%.80s...: the path is too long", path);
    unlink(draft); /* of a process that died with this number */
    int file = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file == -1)
        return error_set_errno(err, HEARTH_EIO, "server", "%s: cannot be made", draft);
    if (!write_held(file, url) || rename(draft, path) != 0) {
        hearth_status status =
            error_set_errno(err, HEARTH_EIO, "server", "%s: cannot be written", path);
        unlink(draft);
        close(file);
        return status;
    }
    *fd = file;
    return HEARTH_OK;
}

/* Servers that start in the same moment look and write one after the other: the folder is locked.
 */
hearth_status address_publish(const char *path, const char *url, int *fd, hearth_error *err)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    *fd = -1;
    if ((size_t)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                         slash ? path : ".") >= sizeof folder)
        FAIL(err, EINVAL, "server", "%.80s...: the path is too long", path);
    int door = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (door == -1 || flock(door, LOCK_EX) != 0) {
        hearth_status status =
            error_set_errno(err, HEARTH_EIO, "server", "%s: cannot be locked", folder);
        if (door != -1)
            close(door);
        return status;
    }
    hearth_status status = publish(path, url, fd, err);
    close(door);
    return status;
}

void address_withdraw(const char *path, int fd)
{
    struct stat own, there;
    if (fd == -1)
        return;
    if (fstat(fd, &own) == 0 && stat(path, &there) == 0 && own.st_dev == there.st_dev &&
        own.st_ino == there.st_ino)
        unlink(path);
    close(fd);
}
