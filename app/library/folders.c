/* SPDX-License-Identifier: MIT
 *
 * folders.c - see folders.h.
 */
#include "library/folders.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { NAMES_MAX = 200000 };

char *folders_join(const char *a, const char *b)
{
    if (*b == '/')
        return mem_dup(b, strlen(b));
    size_t n = strlen(a), m = strlen(b);
    while (n > 1 && a[n - 1] == '/')
        n--;
    char *path = mem_alloc(n + m + 2);
    if (path)
        snprintf(path, n + m + 2, "%.*s%s%s", (int)n, a, n && a[n - 1] == '/' ? "" : "/", b);
    return path;
}

char *folders_home(const char *below)
{
    const char *home = getenv("HOME");
    return home && *home == '/' ? folders_join(home, below) : NULL;
}

char *folders_xdg(const char *variable, const char *fallback, const char *below)
{
    const char *root = getenv(variable);
    if (root && *root == '/')
        return folders_join(root, below);
    char *above = folders_home(fallback);
    char *path = above ? folders_join(above, below) : NULL;
    mem_free(above);
    return path;
}

char *folders_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return mem_dup(".", 1);
    return mem_dup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* ---- making and removing ---- */

static hearth_status make_one(const char *path, hearth_error *err)
{
    struct stat info;
    if (stat(path, &info) == 0) {
        if (!S_ISDIR(info.st_mode))
            FAIL(err, EIO, path, "'%s' is in the way: it is not a folder", path);
        return HEARTH_OK;
    }
    if (errno != ENOENT)
        return error_set_errno(err, HEARTH_EIO, path, "cannot get to '%s'", path);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return error_set_errno(err, HEARTH_EIO, path, "cannot make the folder '%s'", path);
    return HEARTH_OK;
}

hearth_status folders_make(const char *path, hearth_error *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    struct stat info;
    if (n >= sizeof part)
        FAIL(err, EINVAL, "path", "a path of %zu bytes is too long", n);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return HEARTH_OK;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        TRY(make_one(part, err));
    }
    return HEARTH_OK;
}

hearth_status folders_make_parent(const char *path, hearth_error *err)
{
    char *parent = folders_parent(path);
    if (parent == NULL)
        return error_no_memory(err, "a path", strlen(path));
    hearth_status status = folders_make(parent, err);
    mem_free(parent);
    return status;
}

bool folders_holds(const char *folder, const char *path)
{
    char whole[PATH_MAX], inside[PATH_MAX];
    char *parent = folders_parent(path);
    /* The file itself may be a link, which is what would be removed. */
    bool known = parent && realpath(folder, whole) && realpath(parent, inside);
    mem_free(parent);
    size_t n = known ? strlen(whole) : 0;
    return known && strncmp(whole, inside, n) == 0 && (inside[n] == '/' || inside[n] == '\0');
}

void folders_remove_empty(const char *path, const char *top)
{
    char part[PATH_MAX];
    size_t n_top = strlen(top);
    snprintf(part, sizeof part, "%s", path);
    while (strlen(part) > n_top && strncmp(part, top, n_top) == 0 && rmdir(part) == 0) {
        char *slash = strrchr(part, '/');
        if (slash == NULL || slash == part)
            return;
        *slash = '\0';
    }
}

/* ---- listing ---- */

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static bool add_name(folder_names *out, size_t *capacity, const char *name)
{
    if (out->n == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 16;
        char **items = mem_realloc_array(out->items, more, sizeof *items);
        if (items == NULL)
            return false;
        out->items = items;
        *capacity = more;
    }
    out->items[out->n] = mem_dup(name, strlen(name));
    return out->items[out->n] != NULL && ++out->n < NAMES_MAX;
}

bool folders_list(const char *path, folder_names *out)
{
    size_t capacity = 0;
    const struct dirent *entry;
    *out = (folder_names){0};
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!add_name(out, &capacity, entry->d_name))
            break;
    }
    closedir(folder);
    if (out->n > 0)
        qsort(out->items, out->n, sizeof *out->items, by_name);
    return true;
}

void folder_names_deinit(folder_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        mem_free(names->items[i]);
    mem_free(names->items);
    *names = (folder_names){0};
}
