/* SPDX-License-Identifier: MIT
 *
 * file.c - see file.h.
 *
 * A writer's bytes go to PATH.PID-N.tmp in the same folder, so that the final rename stays within
 * one file system. Commit order: data to the disk, rename, folder to the disk.
 */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { WRITE_BUFFER_BYTES = 1 << 16, TEMPORARY_TRIES = 100 };

struct file_writer {
    char path[PATH_MAX];
    char temporary[PATH_MAX];
    int fd;
    bool committed;
    bool failed;     /* bytes are missing: commit refuses */
    uint64_t offset; /* bytes accepted, buffered ones included */
    size_t n_buffered;
    uint8_t buffer[WRITE_BUFFER_BYTES];
};

static hearth_status fail_errno(hearth_error *err, const char *path, const char *action)
{
    return error_set_errno(err, errno == ENOENT ? HEARTH_ENOTFOUND : HEARTH_EIO, path,
                           "cannot %s '%s'", action, path);
}

static hearth_status read_into(buf *content, int fd, size_t max, const char *path,
                               hearth_error *err)
{
    char block[16384];
    for (;;) {
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(err, path, "read");
        if (got == 0)
            return HEARTH_OK;
        if ((size_t)got > max - content->n)
            FAIL(err, EINVAL, path, "'%s' is larger than the %zu bytes allowed here", path, max);
        if (!buf_append(content, block, (size_t)got))
            return error_no_memory(err, "a file's contents", content->n + (size_t)got);
    }
}

hearth_status file_read_all(const char *path, size_t max, char **out, size_t *n, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    struct stat info;
    buf content;
    buf_init(&content, 0);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(err, path, "open");
    if (fstat(fd, &info) != 0) {
        status = fail_errno(err, path, "read");
        goto out;
    }
    if (!S_ISREG(info.st_mode))
        FAIL_OUT(err, EINVAL, path, "'%s' is not a regular file", path);
    TRY_OUT(read_into(&content, fd, max, path, err));
    char *data = buf_take(&content, n);
    if (data == NULL) {
        status = error_no_memory(err, "a file's contents", 1);
        goto out;
    }
    *out = data;
out:
    buf_deinit(&content);
    close(fd);
    return status;
}

/* Links are followed, so that the file they name is replaced and not the link. */
static hearth_status resolve_target(file_writer *w, const char *path, mode_t *mode,
                                    hearth_error *err)
{
    struct stat info;
    *mode = 0;
    if (stat(path, &info) == 0) {
        if (!S_ISREG(info.st_mode))
            FAIL(err, EINVAL, path, "'%s' exists and is not a regular file", path);
        *mode = info.st_mode & 0777;
        if (realpath(path, w->path) == NULL)
            return fail_errno(err, path, "resolve");
        return HEARTH_OK;
    }
    if (snprintf(w->path, sizeof w->path, "%s", path) >= (int)sizeof w->path)
        FAIL(err, EINVAL, path, "the path is longer than %d bytes", PATH_MAX - 1);
    return HEARTH_OK;
}

static hearth_status create_temporary(file_writer *w, hearth_error *err)
{
    static atomic_uint counter;
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        int n = snprintf(w->temporary, sizeof w->temporary, "%s.%ld-%u.tmp", w->path,
                         (long)getpid(), atomic_fetch_add(&counter, 1));
        if (n >= (int)sizeof w->temporary)
            FAIL(err, EINVAL, w->path, "the path is longer than %d bytes", PATH_MAX - 32);
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd >= 0)
            return HEARTH_OK;
        if (errno != EEXIST)
            break;
    }
    return fail_errno(err, w->path, "create");
}

hearth_status file_writer_open(file_writer **out, const char *path, hearth_error *err)
{
    mode_t mode;
    file_writer *w = mem_alloc(sizeof *w);
    if (w == NULL)
        return error_no_memory(err, "a file writer", sizeof *w);
    w->fd = -1;
    w->committed = false;
    w->failed = false;
    w->offset = 0;
    w->n_buffered = 0;
    hearth_status status = resolve_target(w, path, &mode, err);
    if (status == HEARTH_OK)
        status = create_temporary(w, err);
    /* A private file stays private when it is replaced. */
    if (status == HEARTH_OK && mode != 0 && fchmod(w->fd, mode) != 0)
        status = fail_errno(err, w->path, "keep the permissions of");
    if (status != HEARTH_OK) {
        file_writer_close(w);
        return status;
    }
    *out = w;
    return HEARTH_OK;
}

static hearth_status write_through(file_writer *w, const uint8_t *bytes, size_t n,
                                   hearth_error *err)
{
    while (n > 0) {
        ssize_t wrote = write(w->fd, bytes, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            w->failed = true;
            return fail_errno(err, w->path, "write");
        }
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return HEARTH_OK;
}

static hearth_status flush(file_writer *w, hearth_error *err)
{
    size_t n = w->n_buffered;
    w->n_buffered = 0;
    return write_through(w, w->buffer, n, err);
}

hearth_status file_writer_write(file_writer *w, const void *bytes, size_t n, hearth_error *err)
{
    if (n > sizeof w->buffer - w->n_buffered)
        TRY(flush(w, err));
    if (n > sizeof w->buffer) {
        TRY(write_through(w, bytes, n, err));
    } else if (n > 0) {
        memcpy(w->buffer + w->n_buffered, bytes, n);
        w->n_buffered += n;
    }
    w->offset += n;
    return HEARTH_OK;
}

uint64_t file_writer_offset(const file_writer *w)
{
    return w->offset;
}

/* The folder part of path: "." where it has none. */
static bool folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return snprintf(folder, PATH_MAX, ".") > 0;
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    if (n >= PATH_MAX)
        return false;
    memcpy(folder, path, n);
    folder[n] = '\0';
    return true;
}

static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    int fd = folder_of(path, folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

void file_leave_cache(int fd)
{
    enum { HUGE_PAGE = 2 << 20 };
    struct stat info;
    if (fstat(fd, &info) == 0 && info.st_size >= HUGE_PAGE)
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

hearth_status file_writer_commit(file_writer *w, hearth_error *err)
{
    if (w->failed)
        FAIL(err, EIO, w->path, "'%s' could not be written whole", w->path);
    TRY(flush(w, err));
    if (fsync(w->fd) != 0)
        return fail_errno(err, w->path, "write");
    file_leave_cache(w->fd);
    if (rename(w->temporary, w->path) != 0)
        return fail_errno(err, w->path, "replace");
    w->committed = true;
    sync_folder(w->path);
    return HEARTH_OK;
}

void file_writer_close(file_writer *w)
{
    if (w == NULL)
        return;
    if (w->fd >= 0) {
        close(w->fd);
        if (!w->committed)
            unlink(w->temporary);
    }
    mem_free(w);
}

uint64_t file_free_space(const char *path)
{
    char folder[PATH_MAX];
    struct statvfs info;
    if (statvfs(path, &info) != 0 && (!folder_of(path, folder) || statvfs(folder, &info) != 0))
        return UINT64_MAX;
    return (uint64_t)info.f_bavail * info.f_frsize;
}

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_same(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}
