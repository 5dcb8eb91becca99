/* SPDX-License-Identifier: MIT
 *
 * unpack.c - see unpack.h.
 *
 * Every file is opened from the folder's descriptor by openat2 with RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS, so that the kernel itself keeps paths inside, whatever links are there.
 */
#include "runtime/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

enum { DEPTH_MOST = 32, BLOCK = 64 << 10, PATH_MOST = 1024 };

typedef struct unpacking {
    struct archive *in;
    int root;
    const unpack_limits *limits;
    const hearth_progress *progress;
    const char *name; /* of the archive, for messages */
    uint64_t n_bytes, all_bytes;
    uint32_t n_files;
} unpacking;

/* ---- paths ---- */

/* How deep it is below where it starts; -1: it leaves, or is no path. */
static int depth_after(const char *path, int depth)
{
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.')
            depth--;
        else if (n > 0 && !(n == 1 && path[0] == '.'))
            depth++;
        if (depth < 0 || depth > DEPTH_MOST)
            return -1;
        path += n + (path[n] == '/');
    }
    return depth;
}

bool unpack_path_is_safe(const char *path)
{
    if (path[0] == '\0' || path[0] == '/' || strlen(path) >= PATH_MOST || strchr(path, '\\'))
        return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
    }
    return depth_after(path, 0) >= 0;
}

bool unpack_link_is_safe(const char *path, const char *target)
{
    if (target[0] == '\0' || target[0] == '/' || strlen(target) >= PATH_MOST)
        return false;
    int depth = depth_after(path, 0);
    return depth > 0 && depth_after(target, depth - 1) >= 0;
}

/* ---- below the folder ---- */

static int open_below(int root, const char *path, int flags, mode_t mode)
{
    const struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                                 .mode = mode,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* The folder that path lies in, made if it is absent; -1 with errno. *name: what is behind it. */
static int open_parent(int root, const char *path, const char **name)
{
    char folder[PATH_MOST];
    int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
    while (fd != -1) {
        const char *slash = strchr(path, '/');
        if (slash == NULL)
            break;
        const size_t n = (size_t)(slash - path);
        memcpy(folder, path, n);
        folder[n] = '\0';
        path = slash + 1;
        if (n == 0 || strcmp(folder, ".") == 0)
            continue;
        if (mkdirat(fd, folder, 0755) != 0 && errno != EEXIST) {
            close(fd);
            return -1;
        }
        int below = open_below(fd, folder, O_RDONLY | O_DIRECTORY, 0);
        close(fd);
        fd = below;
    }
    *name = path;
    return fd;
}

static hearth_status cannot_make(const unpacking *u, const char *path, hearth_error *err)
{
    return error_set_errno(err, HEARTH_EIO, u->name, "cannot unpack '%.200s'", path);
}

/* ---- entries ---- */

static hearth_status copy_data(unpacking *u, int fd, const char *path, hearth_error *err)
{
    const void *bytes;
    size_t n;
    la_int64_t offset;
    int result;
    while ((result = archive_read_data_block(u->in, &bytes, &n, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || (uint64_t)offset > u->limits->bytes || n > u->limits->bytes - u->n_bytes)
            FAIL(err, EFORMAT, u->name, "'%.200s' unpacks to more than %llu MiB", u->name,
                 (unsigned long long)(u->limits->bytes >> 20));
        u->n_bytes += n;
        for (size_t done = 0; done < n;) {
            ssize_t written =
                pwrite(fd, (const char *)bytes + done, n - done, (off_t)offset + (off_t)done);
            if (written <= 0)
                return cannot_make(u, path, err);
            done += (size_t)written;
        }
        if (u->progress && u->progress->fn &&
            !u->progress->fn(u->progress->user, (uint64_t)archive_filter_bytes(u->in, -1),
                             u->all_bytes))
            FAIL(err, ECANCELED, u->name, "unpacking '%.200s' was stopped", u->name);
    }
    if (result != ARCHIVE_EOF)
        FAIL(err, EFORMAT, u->name, "'%.200s' is damaged: %.100s", u->name,
             archive_error_string(u->in) ? archive_error_string(u->in) : "unknown");
    return HEARTH_OK;
}

static hearth_status unpack_file(unpacking *u, struct archive_entry *entry, const char *path,
                                 hearth_error *err)
{
    const char *name;
    hearth_status status = HEARTH_OK;
    const mode_t mode = archive_entry_perm(entry) & 0100 ? 0755 : 0644;
    int parent = open_parent(u->root, path, &name);
    int fd = parent == -1 ? -1 : open_below(parent, name, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd == -1)
        status = cannot_make(u, path, err);
    else
        status = copy_data(u, fd, path, err);
    if (fd != -1 && close(fd) != 0 && status == HEARTH_OK)
        status = cannot_make(u, path, err);
    if (parent != -1)
        close(parent);
    return status;
}

static hearth_status unpack_folder(unpacking *u, const char *path, hearth_error *err)
{
    const char *name;
    int parent = open_parent(u->root, path, &name);
    if (parent == -1)
        return cannot_make(u, path, err);
    const bool ok = *name == '\0' || strcmp(name, ".") == 0 || mkdirat(parent, name, 0755) == 0 ||
                    errno == EEXIST;
    const hearth_status status = ok ? HEARTH_OK : cannot_make(u, path, err);
    close(parent);
    return status;
}

static hearth_status unpack_link(unpacking *u, const char *path, const char *target,
                                 hearth_error *err)
{
    const char *name;
    if (target == NULL || !unpack_link_is_safe(path, target))
        FAIL(err, EFORMAT, u->name, "'%.150s' has a link '%.100s' to '%.100s', which is outside",
             u->name, path, target ? target : "");
    int parent = open_parent(u->root, path, &name);
    if (parent == -1)
        return cannot_make(u, path, err);
    const hearth_status status =
        symlinkat(target, parent, name) == 0 ? HEARTH_OK : cannot_make(u, path, err);
    close(parent);
    return status;
}

static hearth_status unpack_entry(unpacking *u, struct archive_entry *entry, hearth_error *err)
{
    const char *path = archive_entry_pathname(entry);
    if (path == NULL || !unpack_path_is_safe(path))
        FAIL(err, EFORMAT, u->name, "'%.150s' has a file '%.200s', which would be outside", u->name,
             path ? path : "");
    if (++u->n_files > u->limits->files)
        FAIL(err, EFORMAT, u->name, "'%.200s' has more than %u files", u->name, u->limits->files);
    if (archive_entry_hardlink(entry))
        FAIL(err, EFORMAT, u->name, "'%.150s' has a hard link, '%.200s'", u->name, path);
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return unpack_file(u, entry, path, err);
    case AE_IFDIR:
        return unpack_folder(u, path, err);
    case AE_IFLNK:
        return unpack_link(u, path, archive_entry_symlink(entry), err);
    default:
        FAIL(err, EFORMAT, u->name, "'%.150s' has '%.200s', which is no file, folder or link",
             u->name, path);
    }
}

/* ---- the archive ---- */

static hearth_status open_archive(unpacking *u, const char *path, hearth_error *err)
{
    struct stat info;
    u->in = archive_read_new();
    if (u->in == NULL)
        return error_no_memory(err, "an archive", BLOCK);
    archive_read_support_filter_all(u->in);
    archive_read_support_format_zip_seekable(u->in);
    archive_read_support_format_tar(u->in);
    if (stat(path, &info) != 0)
        return error_set_errno(err, HEARTH_ENOTFOUND, path, "cannot open '%.300s'", path);
    u->all_bytes = (uint64_t)info.st_size;
    if (archive_read_open_filename(u->in, path, BLOCK) != ARCHIVE_OK)
        FAIL(err, EFORMAT, path, "'%.200s' is no .zip or .tar archive: %.100s", path,
             archive_error_string(u->in) ? archive_error_string(u->in) : "unknown");
    return HEARTH_OK;
}

hearth_status unpack_archive(const char *archive, const char *folder, const unpack_limits *limits,
                             const hearth_progress *progress, hearth_error *err)
{
    struct archive_entry *entry;
    hearth_status status = HEARTH_OK;
    int result;
    unpacking u = {.limits = limits, .progress = progress, .name = archive};
    u.root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (u.root == -1)
        return error_set_errno(err, HEARTH_EIO, folder, "cannot open '%.300s'", folder);
    TRY_OUT(open_archive(&u, archive, err));
    while ((result = archive_read_next_header(u.in, &entry)) == ARCHIVE_OK)
        TRY_OUT(unpack_entry(&u, entry, err));
    if (result != ARCHIVE_EOF)
        FAIL_OUT(err, EFORMAT, archive, "'%.200s' is damaged or no .zip or .tar archive: %.100s",
                 archive, archive_error_string(u.in) ? archive_error_string(u.in) : "unknown");
    if (u.n_files == 0)
        FAIL_OUT(err, EFORMAT, archive, "'%.200s' is empty", archive);
out:
    archive_read_free(u.in);
    close(u.root);
    return status;
}
