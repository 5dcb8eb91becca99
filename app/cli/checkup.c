/* SPDX-License-Identifier: MIT
 *
 * checkup.c - see checkup.h.
 */
#include "cli/checkup.h"

#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "gateway/places.h"
#include "os/file.h"
#include "runtime/process.h"

enum { PATH_BYTES = 1024, TEXT_BYTES = 1600 };

/* ---- folders ---- */

/* What a folder that may not be there yet would be in: the nearest one above that is. False where
 * one that is there does not let through. */
static bool nearest_folder(const char *folder, char *out, size_t n)
{
    if ((size_t)snprintf(out, n, "%s", folder) >= n)
        out[0] = '\0';
    while (out[0] && access(out, F_OK) != 0) {
        if (errno == EACCES)
            return false;
        char *slash = strrchr(out, '/');
        *(slash ? slash : out) = '\0';
    }
    if (out[0] == '\0')
        snprintf(out, n, "/");
    return true;
}

/* "": nothing is. */
static void find_problem(const char *variable, const char *folder, const char *nearest, bool seen,
                         char *out, size_t n)
{
    struct stat info;
    const struct passwd *owner = NULL;
    *out = '\0';
    if (stat(nearest, &info) == 0)
        owner = getpwuid(info.st_uid);
    if (!seen || access(nearest, W_OK | X_OK) != 0)
        snprintf(out, n, "this user may not write to %s%s%s; let it, or set %s", nearest,
                 owner ? ", which belongs to " : "", owner ? owner->pw_name : "", variable);
    else if (!S_ISDIR(info.st_mode))
        snprintf(out, n, "%s is no folder; move it away, or set %s", nearest, variable);
    else if (strcmp(folder, nearest) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        snprintf(out, n, "other users may write to it; chmod go-w %s", nearest);
    else if (file_free_space(nearest) < UINT64_C(64) << 20)
        snprintf(out, n, "the disk is full; make room, or set %s", variable);
}

static json_t *look_at(const char *name, const char *variable, const char *folder)
{
    char nearest[PATH_BYTES], problem[TEXT_BYTES];
    bool seen = nearest_folder(folder, nearest, sizeof nearest);
    find_problem(variable, folder, nearest, seen, problem, sizeof problem);
    return json_pack("{s:s, s:s, s:b, s:I, s:s?}", "name", name, "path", folder, "usable",
                     *problem == '\0', "free", (json_int_t)file_free_space(nearest), "problem",
                     *problem ? problem : NULL);
}

/* The usual place, where no option names another one. */
static json_t *look_at_place(const char *name, const char *variable, place where, const char *below)
{
    char *path = NULL;
    hearth_error err;
    json_t *found;
    if (place_path(where, below, &path, &err) == HEARTH_OK)
        found = look_at(name, variable, path);
    else
        found = json_pack("{s:s, s:s, s:b, s:I, s:s}", "name", name, "path", "", "usable", false,
                          "free", (json_int_t)0, "problem", err.message);
    mem_free(path);
    return found;
}

json_t *checkup_folders(const char *data_dir, const char *models_dir)
{
    static const struct {
        const char *name, *variable, *below;
        place where;
    } all[] = {{"data", "--data-dir", NULL, PLACE_DATA},
               {"models", "--models-dir", "models", PLACE_DATA},
               {"config", "XDG_CONFIG_HOME", NULL, PLACE_CONFIG},
               {"state", "XDG_STATE_HOME", NULL, PLACE_STATE},
               {"cache", "XDG_CACHE_HOME", NULL, PLACE_CACHE}};
    const char *given[] = {data_dir, models_dir};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *path = i < 2 ? given[i] : NULL;
        json_array_append_new(
            list, path ? look_at(all[i].name, all[i].variable, path)
                       : look_at_place(all[i].name, all[i].variable, all[i].where, all[i].below));
    }
    return list;
}

/* ---- devices ---- */

static void add_device(json_t *list, const char *path, const char *problem)
{
    json_array_append_new(list, json_pack("{s:s, s:s}", "path", path, "problem", problem));
}

json_t *checkup_devices(void)
{
    static const struct {
        const char *pattern, *problem;
    } all[] = {{"/dev/dri/renderD*", "this user may not use it; usermod -aG render,video USER"},
               {"/dev/kfd", "this user may not use it; usermod -aG render,video USER"},
               {"/dev/nvidia[0-9]*", "this user may not use it; usermod -aG video USER"}};
    json_t *list = json_array();
    char program[PATH_BYTES];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        glob_t found;
        if (glob(all[i].pattern, 0, NULL, &found) != 0)
            continue;
        for (size_t k = 0; k < found.gl_pathc; k++) {
            if (access(found.gl_pathv[k], R_OK | W_OK) != 0)
                add_device(list, found.gl_pathv[k], all[i].problem);
        }
        globfree(&found);
    }
    if (access("/proc/driver/nvidia/version", F_OK) == 0 &&
        !process_find_program("nvidia-smi", program, sizeof program))
        add_device(
            list, "nvidia-smi",
            "NVIDIA's driver is there and this is not, so its GPUs are not seen; install it");
    return list;
}

/* ---- the port ---- */

bool checkup_port_is_free(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0;
    close(fd);
    return is_free;
}
