/* SPDX-License-Identifier: MIT
 *
 * backend_install.c - see backend_install.h.
 *
 *     DATA/backends/.lock            held while one is installed or removed
 *     DATA/backends/.download.part   what is being fetched (library/chunks.h)
 *     DATA/backends/.new-XXXXXX/     what is being unpacked, or waits to be taken away
 */
#include "runtime/backend_install.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "library/chunks.h"
#include "library/sha256.h"
#include "library/transfer.h"
#include "os/folder.h"
#include "runtime/kind.h"
#include "runtime/unpack.h"

enum {
    VERSION_MS = 60000, /* the first run of a CUDA build may take long */
    TEXT_MAX = 16 << 10,
    FILES_MOST = 20000,
    CONNECTIONS = 4,
    CHUNK = 8 << 20,
    STALL_MS = 30000,
};
static const uint64_t bytes_most = UINT64_C(8) << 30;

typedef struct install {
    const backend_install_options *o;
    char folder[PLAN_PATH]; /* DATA/backends */
    char staging[PLAN_PATH];
    char target[PLAN_PATH];
    char fetched[PLAN_PATH]; /* "": the archive is local */
    char sum[SHA256_HEX];
    char version[32], type[64];
    int lock;
} install;

/* ---- names ---- */

bool backend_read_name(const char *archive, char *version, size_t n_version, char *type,
                       size_t n_type)
{
    static const char *const ends[] = {".zip", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar"};
    const char *slash = strrchr(archive, '/');
    const char *name = slash ? slash + 1 : archive;
    const char *bin = strstr(name, "-bin-");
    if (strncmp(name, "llama-", 6) != 0 || bin == NULL || bin < name + 7)
        return false;
    const char *from = bin + strlen("-bin-");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(from), n_end = strlen(ends[i]);
        if (n <= n_end || strcasecmp(from + n - n_end, ends[i]) != 0)
            continue;
        return snprintf(version, n_version, "%.*s", (int)(bin - name - 6), name + 6) <
                   (int)n_version &&
               snprintf(type, n_type, "%.*s", (int)(n - n_end), from) < (int)n_type;
    }
    return false;
}

static hearth_status take_names(install *in, hearth_error *err)
{
    const backend_install_options *o = in->o;
    if (!backend_read_name(o->archive, in->version, sizeof in->version, in->type,
                           sizeof in->type) &&
        (o->version == NULL || o->type == NULL))
        FAIL(err, EINVAL, o->archive,
             "'%.200s' is not named like llama-b6325-bin-ubuntu-x64.zip; give version and type",
             o->archive);
    if (o->version)
        snprintf(in->version, sizeof in->version, "%s", o->version);
    if (o->type)
        snprintf(in->type, sizeof in->type, "%s", o->type);
    if (!backend_name_is_safe(in->version) || !backend_name_is_safe(in->type) ||
        (o->version && strcmp(o->version, in->version) != 0) ||
        (o->type && strcmp(o->type, in->type) != 0))
        FAIL(err, EINVAL, o->archive,
             "'%.40s/%.80s' is no version and type; letters, digits and ._-+ can be in them",
             in->version, in->type);
    return HEARTH_OK;
}

static hearth_status take_sum(install *in, hearth_error *err)
{
    const char *given = in->o->sha256;
    if (given && !sha256_read(given, in->sum))
        FAIL(err, EINVAL, "sha256", "'%.80s' is not a SHA-256: 64 hexadecimal digits", given);
    return HEARTH_OK;
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    if (*path)
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Whoever holds the lock is the only one, so what others left is nobody's. */
static void remove_leftovers(const char *folder)
{
    const struct dirent *found;
    char path[PLAN_PATH];
    DIR *all = opendir(folder);
    while (all && (found = readdir(all)) != NULL) {
        if (strncmp(found->d_name, ".new-", 5) == 0 &&
            (size_t)snprintf(path, sizeof path, "%s/%s", folder, found->d_name) < sizeof path)
            remove_tree(path);
    }
    if (all)
        closedir(all);
}

static hearth_status join(char *out, size_t n, const char *folder, const char *name,
                          hearth_error *err)
{
    if ((size_t)snprintf(out, n, "%s/%s", folder, name) >= n)
        FAIL(err, EINVAL, folder, "the path of '%.100s' is too long", name);
    return HEARTH_OK;
}

static hearth_status open_folder(install *in, const char *data_folder, hearth_error *err)
{
    char path[PLAN_PATH];
    TRY(join(in->folder, sizeof in->folder, data_folder, "backends", err));
    TRY(folder_make(data_folder, err));
    TRY(folder_make(in->folder, err));
    TRY(join(path, sizeof path, in->folder, ".lock", err));
    in->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (in->lock == -1)
        return error_set_errno(err, HEARTH_EIO, path, "cannot open '%.300s'", path);
    if (flock(in->lock, LOCK_EX | LOCK_NB) != 0)
        FAIL(err, EBUSY, in->folder, "a backend is being installed already");
    remove_leftovers(in->folder);
    return HEARTH_OK;
}

static hearth_status make_staging(install *in, hearth_error *err)
{
    TRY(join(in->staging, sizeof in->staging, in->folder, ".new-XXXXXX", err));
    if (mkdtemp(in->staging) == NULL) {
        in->staging[0] = '\0';
        return error_set_errno(err, HEARTH_EIO, in->folder, "cannot make a folder in '%.300s'",
                               in->folder);
    }
    chmod(in->staging, 0755);
    return HEARTH_OK;
}

/* ---- the archive ---- */

static bool is_address(const char *archive)
{
    return strncasecmp(archive, "http://", 7) == 0 || strncasecmp(archive, "https://", 8) == 0;
}

static hearth_status check_sum(const install *in, const char *path, hearth_error *err)
{
    char actual[SHA256_HEX];
    if (!*in->sum)
        return HEARTH_OK;
    TRY(sha256_file(path, NULL, 0, 0, actual, err));
    if (strcmp(actual, in->sum) != 0)
        FAIL(err, EMISMATCH, path,
             "the archive's SHA-256 is %s, not %s: it is not what was asked "
             "for",
             actual, in->sum);
    return HEARTH_OK;
}

static hearth_status fetch_archive(install *in, hearth_error *err)
{
    const backend_install_options *o = in->o;
    char part[PLAN_PATH];
    struct chunks *c = NULL;
    transfer_watch watch;
    if (!*in->sum)
        FAIL(err, EINVAL, o->archive,
             "a program from the network must be told by its SHA-256; give it with the address");
    TRY(join(part, sizeof part, in->folder, ".download.part", err));
    TRY(join(in->fetched, sizeof in->fetched, in->folder, ".download", err));
    transfer_watch_init(&watch);
    const transfer_options t = {.url = o->archive,
                                .part = part,
                                .identity = in->sum,
                                .n_connections = CONNECTIONS,
                                .chunk_bytes = CHUNK,
                                .stall_ms = STALL_MS,
                                .log = &o->log,
                                .watch = &watch};
    hearth_status status = transfer_run(&c, &t, err);
    transfer_watch_deinit(&watch);
    if (status == HEARTH_OK)
        status = chunks_finish(c, in->fetched, err);
    return status;
}

/* An archive may have one folder at its top with everything in it. */
static bool find_root(const char *staging, char *root, size_t n, char *program, size_t n_program)
{
    const struct dirent *found;
    bool ok = backend_find_program(staging, program, n_program) &&
              (size_t)snprintf(root, n, "%s", staging) < n;
    DIR *all = ok ? NULL : opendir(staging);
    while (all && !ok && (found = readdir(all)) != NULL) {
        ok = found->d_name[0] != '.' &&
             (size_t)snprintf(root, n, "%s/%s", staging, found->d_name) < n &&
             backend_find_program(root, program, n_program);
    }
    if (all)
        closedir(all);
    return ok;
}

/* ---- looking at it ---- */

static hearth_status run_once(const char *program, const hearth_progress *watch, hearth_error *err)
{
    const process_limits limits = {VERSION_MS, TEXT_MAX, watch};
    word_list argv = {0}, environment = {0};
    int status = 0;
    char how[64];
    buf text;
    buf_init(&text, TEXT_MAX);
    word_list_add(&argv, program);
    word_list_add(&argv, "--version");
    engine_environment(NULL, "", &environment);
    hearth_status result = process_capture(&argv, &environment, &limits, &text, &status, err);
    if (result == HEARTH_OK && status != 0) {
        process_status_text(status, how, sizeof how);
        result = error_set(err, HEARTH_EUNSUPPORTED, program, "it does not run here: %s: %.200s",
                           how, text.data ? text.data : "");
    }
    buf_deinit(&text);
    word_list_deinit(&argv);
    word_list_deinit(&environment);
    return result;
}

static hearth_status look_at(install *in, const char *program, backend *b, hearth_error *err)
{
    *b = (backend){.build = 0};
    snprintf(b->version, sizeof b->version, "%s", in->version);
    snprintf(b->type, sizeof b->type, "%s", in->type);
    snprintf(b->program, sizeof b->program, "%s", program);
    backend_judge(b, in->o->gpus, in->o->n_gpus);
    if (!b->usable)
        FAIL(err, EUNSUPPORTED, in->o->archive, "%s/%s cannot run here: %.200s", in->version,
             in->type, b->reason);
    return run_once(program, &in->o->progress, err);
}

/* ---- the switch ---- */

/* Puts what lies at `from` to the target; what was there is at `from` then. */
static hearth_status switch_with(const char *from, const char *target, bool *was_there,
                                 hearth_error *err)
{
    *was_there = access(target, F_OK) == 0;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, target, *was_there ? RENAME_EXCHANGE : 0) != 0)
        return error_set_errno(err, HEARTH_EIO, target, "cannot put '%.300s' there", target);
    return HEARTH_OK;
}

static hearth_status put(install *in, const char *root, backend *b, hearth_error *err)
{
    char version_folder[PLAN_PATH], program[PLAN_PATH];
    bool was_there, again;
    TRY(join(version_folder, sizeof version_folder, in->folder, in->version, err));
    TRY(join(in->target, sizeof in->target, version_folder, in->type, err));
    TRY(folder_make(version_folder, err));
    TRY(switch_with(root, in->target, &was_there, err));
    hearth_status status = backend_find_program(in->target, program, sizeof program)
                               ? look_at(in, program, b, err)
                               : error_set(err, HEARTH_EFORMAT, in->target,
                                           "there is no llama-server in the archive any more");
    if (status == HEARTH_OK)
        return HEARTH_OK;
    if (was_there)
        switch_with(root, in->target, &again, NULL);
    else
        remove_tree(in->target);
    rmdir(version_folder);
    return status;
}

static hearth_status unpack_and_put(install *in, const char *archive, backend *b, hearth_error *err)
{
    char root[PLAN_PATH], program[PLAN_PATH];
    const unpack_limits limits = {bytes_most, FILES_MOST};
    TRY(make_staging(in, err));
    TRY(unpack_archive(archive, in->staging, &limits, &in->o->progress, err));
    if (!find_root(in->staging, root, sizeof root, program, sizeof program))
        FAIL(err, EFORMAT, archive, "there is no executable llama-server in '%.200s'", archive);
    TRY(look_at(in, program, b, err));
    return put(in, root, b, err);
}

hearth_status backend_install(const backend_install_options *options, backend *out,
                              hearth_error *err)
{
    install in = {.o = options, .lock = -1};
    hearth_status status = HEARTH_OK;
    TRY(take_names(&in, err));
    TRY(take_sum(&in, err));
    TRY_OUT(open_folder(&in, options->data_folder, err));
    if (is_address(options->archive))
        TRY_OUT(fetch_archive(&in, err));
    const char *archive = *in.fetched ? in.fetched : options->archive;
    TRY_OUT(check_sum(&in, archive, err));
    TRY_OUT(unpack_and_put(&in, archive, out, err));
    log_write(&options->log, HEARTH_LOG_INFO, "installed the backend %s/%s", in.version, in.type);
out:
    if (in.lock != -1) {
        remove_tree(in.staging);
        if (*in.fetched)
            unlink(in.fetched);
        close(in.lock);
    }
    return status;
}

hearth_status backend_remove(const char *data_folder, const char *name, hearth_error *err)
{
    install in = {.lock = -1};
    bool was_there;
    hearth_status status = HEARTH_OK;
    const char *slash = strchr(name, '/');
    if (slash == NULL || slash == name || (size_t)(slash - name) >= sizeof in.version)
        FAIL(err, EINVAL, name, "'%.100s' is not a backend's name, like b6325/ubuntu-x64", name);
    snprintf(in.version, sizeof in.version, "%.*s", (int)(slash - name), name);
    if (!backend_name_is_safe(in.version) || !backend_name_is_safe(slash + 1))
        FAIL(err, EINVAL, name, "'%.100s' is not a backend's name, like b6325/ubuntu-x64", name);
    TRY_OUT(open_folder(&in, data_folder, err));
    TRY_OUT(join(in.target, sizeof in.target, in.folder, name, err));
    if (access(in.target, F_OK) != 0)
        FAIL_OUT(err, ENOTFOUND, name, "there is no backend '%.100s'", name);
    TRY_OUT(make_staging(&in, err));
    TRY_OUT(switch_with(in.target, in.staging, &was_there, err));
    rmdir(in.target); /* the empty folder that came back, and its own if that was the last */
    TRY_OUT(join(in.target, sizeof in.target, in.folder, in.version, err));
    rmdir(in.target);
out:
    if (in.lock != -1) {
        remove_tree(in.staging);
        close(in.lock);
    }
    return status;
}
