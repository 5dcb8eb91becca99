/* SPDX-License-Identifier: MIT
 *
 * scratch.c - see scratch.h.
 */
#include "library/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char prefix[] = "hearth-peek-";
enum { TRIES = 16 };

static const char *parent(void)
{
    const char *top = getenv("TMPDIR");
    return top && *top ? top : "/tmp";
}

/* Its files; there are no folders in it. */
static void empty(int folder)
{
    const struct dirent *entry;
    int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    DIR *all = copy == -1 ? NULL : fdopendir(copy);
    while (all && (entry = readdir(all)) != NULL)
        unlinkat(folder, entry->d_name, 0);
    if (all)
        closedir(all);
    else if (copy != -1)
        close(copy);
}

/* The descriptor of a folder of this user that nobody held until now, or -1. */
static int hold(int top, const char *name)
{
    struct stat held, there;
    int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd == -1)
        return -1;
    bool ours = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
                held.st_uid == geteuid() && fstatat(top, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
                held.st_dev == there.st_dev && held.st_ino == there.st_ino;
    if (ours)
        return fd;
    close(fd);
    return -1;
}

static void sweep(void)
{
    const struct dirent *entry;
    DIR *top = opendir(parent());
    while (top && (entry = readdir(top)) != NULL) {
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) != 0)
            continue;
        int folder = hold(dirfd(top), entry->d_name);
        if (folder == -1)
            continue;
        empty(folder);
        unlinkat(dirfd(top), entry->d_name, AT_REMOVEDIR);
        close(folder);
    }
    if (top)
        closedir(top);
}

hearth_status scratch_open(scratch *s, hearth_error *err)
{
    sweep();
    /* Somebody who sweeps may take a folder away before it is held. */
    for (int i = 0; i < TRIES; i++) {
        snprintf(s->path, sizeof s->path, "%s/%sXXXXXX", parent(), prefix);
        if (mkdtemp(s->path) == NULL)
            break;
        s->lock = hold(AT_FDCWD, s->path);
        if (s->lock != -1)
            return HEARTH_OK;
        errno = EBUSY;
    }
    error_set(err, HEARTH_EIO, "TMPDIR", "cannot make the folder '%.300s': %s", s->path,
              strerror(errno));
    s->path[0] = '\0';
    return HEARTH_EIO;
}

void scratch_close(scratch *s)
{
    if (s->path[0] == '\0')
        return;
    empty(s->lock);
    rmdir(s->path);
    close(s->lock);
    s->path[0] = '\0';
}
