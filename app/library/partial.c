/* SPDX-License-Identifier: MIT
 *
 * partial.c - what downloads that were given up have left: FILE.part and FILE.part.state in
 * Hearth's own folder, which may take as much space as the whole model.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "library/folders.h"
#include "library/library_impl.h"

enum { DEPTH_MAX = 8, PARTIALS_MAX = 1000 };

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

/* ---- listing ---- */

static bool add(library_partials *out, const char *name, uint64_t bytes)
{
    library_partial *last = out->n > 0 ? &out->items[out->n - 1] : NULL;
    if (last && strcmp(last->name, name) == 0) { /* another file of the same model */
        last->bytes += bytes;
        return true;
    }
    if (out->n == PARTIALS_MAX)
        return false;
    snprintf(out->items[out->n].name, sizeof out->items[out->n].name, "%s", name);
    out->items[out->n++].bytes = bytes;
    return true;
}

static void walk(library_partials *out, const char *folder, const char *name, int depth)
{
    folder_names names;
    if (depth > DEPTH_MAX || !folders_list(folder, &names))
        return;
    for (size_t i = 0; i < names.n; i++) {
        char path[PATH_MAX], below[LIBRARY_NAME_MAX + 1];
        struct stat info;
        const char *item = names.items[i];
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, item) >= sizeof path ||
            lstat(path, &info) != 0)
            continue;
        if (S_ISREG(info.st_mode) && ends_in(item, ".part") && *name)
            add(out, name, (uint64_t)info.st_blocks * 512);
        else if (S_ISDIR(info.st_mode) && (size_t)snprintf(below, sizeof below, "%s%s%s", name,
                                                           *name ? "/" : "", item) < sizeof below)
            walk(out, path, below, depth + 1);
    }
    folder_names_deinit(&names);
}

hearth_status library_list_partials(library *l, library_partials *out, hearth_error *err)
{
    *out = (library_partials){.items = mem_calloc(PARTIALS_MAX, sizeof *out->items)};
    if (out->items == NULL)
        return error_no_memory(err, "a list of downloads", PARTIALS_MAX * sizeof *out->items);
    walk(out, l->folder, "", 0);
    return HEARTH_OK;
}

void library_partials_deinit(library_partials *partials)
{
    mem_free(partials->items);
    *partials = (library_partials){0};
}

/* ---- removing ---- */

/* A download holds a lock on its state file (chunks.h). */
static bool is_running(const char *state)
{
    int fd = open(state, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

static hearth_status remove_part(const char *path, uint64_t *freed, hearth_error *err)
{
    char state[PATH_MAX];
    struct stat info;
    snprintf(state, sizeof state, "%.*s.state", PATH_MAX - 16, path);
    if (is_running(state))
        FAIL(err, EBUSY, path, "'%s' is being downloaded; stop that first", path);
    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode))
        *freed += (uint64_t)info.st_blocks * 512;
    unlink(state);
    if (unlink(path) != 0)
        return error_set_errno(err, HEARTH_EIO, path, "cannot remove '%s'", path);
    return HEARTH_OK;
}

hearth_status library_remove_partial(library *l, const char *name, uint64_t *freed, bool *found,
                                     hearth_error *err)
{
    folder_names names;
    hearth_status status = HEARTH_OK;
    char *folder = library_folder_of(l, name);
    *found = false;
    if (folder == NULL)
        return error_no_memory(err, "a path", strlen(name));
    if (folders_list(folder, &names)) {
        for (size_t i = 0; status == HEARTH_OK && i < names.n; i++) {
            char *path =
                ends_in(names.items[i], ".part") ? folders_join(folder, names.items[i]) : NULL;
            if (path) {
                *found = true;
                status = remove_part(path, freed, err);
            }
            mem_free(path);
        }
        folder_names_deinit(&names);
        if (*found)
            folders_remove_empty(folder, l->folder);
    }
    mem_free(folder);
    return status;
}
