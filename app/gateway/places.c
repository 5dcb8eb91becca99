/* SPDX-License-Identifier: MIT
 *
 * places.c - see places.h.
 */
#include "gateway/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"

static const struct {
    const char *variable, *below_home;
} places[] = {
    [PLACE_CONFIG] = {"XDG_CONFIG_HOME", "/.config"},
    [PLACE_DATA] = {"XDG_DATA_HOME", "/.local/share"},
    [PLACE_STATE] = {"XDG_STATE_HOME", "/.local/state"},
    [PLACE_CACHE] = {"XDG_CACHE_HOME", "/.cache"},
};

hearth_status place_path(place where, const char *name, char **out, hearth_error *err)
{
    const char *base = getenv(places[where].variable);
    const char *home = getenv("HOME");
    buf path;
    size_t n;
    buf_init(&path, 0);
    *out = NULL;
    /* A path that is not absolute is to be passed over, says the specification. */
    bool ok = base && base[0] == '/';
    if (ok)
        ok = buf_append_text(&path, base);
    else if (home && home[0] == '/')
        ok = buf_append_text(&path, home) && buf_append_text(&path, places[where].below_home);
    else
        FAIL(err, EINVAL, "HOME", "there is no place for Hearth's files: set HOME or %s",
             places[where].variable);
    ok = ok && buf_append_text(&path, "/hearth");
    if (ok && name)
        ok = buf_append_text(&path, "/") && buf_append_text(&path, name);
    *out = ok ? buf_take(&path, &n) : NULL;
    buf_deinit(&path);
    return *out ? HEARTH_OK : error_no_memory(err, "a path", path.n);
}

hearth_status place_make(const char *folder, hearth_error *err)
{
    hearth_status status = HEARTH_OK;
    struct stat info;
    if (stat(folder, &info) == 0 && S_ISDIR(info.st_mode))
        return HEARTH_OK;
    char *path = mem_dup(folder, strlen(folder));
    if (path == NULL)
        return error_no_memory(err, "a path", strlen(folder));
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            status = error_set_errno(err, HEARTH_EIO, "folder", "%s: cannot be made", path);
            break;
        }
        if (slash == NULL)
            break;
        *slash = '/';
    }
    mem_free(path);
    return status;
}
