/* SPDX-License-Identifier: MIT
 *
 * folder.c - see folder.h.
 */
#include "os/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

hearth_status folder_make(const char *path, hearth_error *err)
{
    struct stat info;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return error_set_errno(err, HEARTH_EIO, path, "cannot make the folder '%s'", path);
    if (stat(path, &info) != 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot look at '%s'", path);
    if (!S_ISDIR(info.st_mode))
        FAIL(err, EIO, path, "'%s' is not a folder", path);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot use the folder '%s'", path);
    return HEARTH_OK;
}

hearth_status folder_list(const char *path, bool (*fn)(void *user, const folder_entry *entry),
                          void *user, hearth_error *err)
{
    const struct dirent *found;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return error_set_errno(err, HEARTH_EIO, path, "cannot list the folder '%s'", path);
    while ((found = readdir(folder)) != NULL) {
        struct stat info;
        if (fstatat(dirfd(folder), found->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info.st_mode))
            continue;
        folder_entry entry = {found->d_name, (uint64_t)info.st_size, nanoseconds(info.st_mtim)};
        if (!fn(user, &entry))
            break;
    }
    closedir(folder);
    return HEARTH_OK;
}

bool folder_remove_file(const char *path)
{
    return unlink(path) == 0;
}

void folder_touch_file(const char *path)
{
    utimensat(AT_FDCWD, path, NULL, 0);
}

int64_t folder_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}
