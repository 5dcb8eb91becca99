/* SPDX-License-Identifier: MIT
 *
 * import_files.c - the files that lie beside an export and that its messages only name by their
 * ids: ChatGPT's "file-AbC-cat.png", in the folder or in one below it.
 *
 * Only names that begin with "file" count, and only plain files, no links: what is in a chat
 * afterwards was in the export. The list is made once, when the first id is asked for.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "os/file.h"
#include "store/import_parts.h"
#include "store/state.h"

enum { MAX_ID = 96 };

void import_files_deinit(import_files *files)
{
    arena_deinit(&files->memory);
}

static const char *base_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(base_of(*(const char *const *)left), base_of(*(const char *const *)right));
}

static bool add(import_files *files, const char *path)
{
    files->paths =
        result_grow(&files->memory, files->paths, files->n, &files->capacity, sizeof *files->paths);
    const char *kept = files->paths ? arena_text(&files->memory, path, strlen(path)) : NULL;
    if (kept)
        files->paths[files->n++] = kept;
    return kept != NULL;
}

static bool list(import_files *files, const char *folder, bool below)
{
    DIR *dir = opendir(folder);
    bool good = true;
    if (dir == NULL)
        return true; /* what is not there is left out */
    for (struct dirent *entry; good && (entry = readdir(dir)) != NULL;) {
        char path[PATH_MAX];
        struct stat info;
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= PATH_MAX ||
            lstat(path, &info) != 0)
            continue;
        if (S_ISREG(info.st_mode) && strncmp(entry->d_name, "file", 4) == 0)
            good = add(files, path);
        else if (S_ISDIR(info.st_mode) && below)
            good = list(files, path, false);
    }
    closedir(dir);
    return good;
}

/* The file that is called so, up to a '-', '.' or '_'. NULL: there is none. */
static const char *find(const import_files *files, const char *id)
{
    size_t n = strlen(id), low = 0, high = files->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(base_of(files->paths[middle]), id, n) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < files->n && strncmp(base_of(files->paths[low]), id, n) == 0; low++) {
        char next = base_of(files->paths[low])[n];
        if (next == '\0' || next == '-' || next == '.' || next == '_')
            return files->paths[low];
    }
    return NULL;
}

static const char *type_of(const char *bytes, size_t n)
{
    static const struct {
        const char *begin;
        size_t n;
        const char *type;
    } kinds[] = {{"\x89PNG", 4, "image/png"},
                 {"\xff\xd8\xff", 3, "image/jpeg"},
                 {"GIF8", 4, "image/gif"},
                 {"%PDF", 4, "application/pdf"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (n >= kinds[i].n && memcmp(bytes, kinds[i].begin, kinds[i].n) == 0)
            return kinds[i].type;
    }
    if (n >= 12 && memcmp(bytes, "RIFF", 4) == 0)
        return memcmp(bytes + 8, "WEBP", 4) == 0 ? "image/webp" : "audio/wav";
    return "application/octet-stream";
}

hearth_status import_files_read(import_chat *c, const char *id, const char *name, import_file *out,
                                bool *found)
{
    import_files *files = c->files;
    *found = false;
    if (files == NULL || strncmp(id, "file", 4) != 0 || strlen(id) > MAX_ID || strchr(id, '/'))
        return HEARTH_OK;
    if (!files->listed) {
        if (!list(files, files->folder, true))
            return import_no_memory(c);
        if (files->n)
            qsort(files->paths, files->n, sizeof *files->paths, by_name);
        files->listed = true;
    }
    const char *path = find(files, id);
    char *bytes;
    size_t n;
    if (path == NULL || file_read_all(path, STORE_MAX_TEXT_BYTES, &bytes, &n, NULL) != HEARTH_OK)
        return HEARTH_OK;
    *out = (import_file){.type = type_of(bytes, n), .n_bytes = n};
    hearth_status status = import_copy(c, name && *name ? name : base_of(path),
                                       strlen(name && *name ? name : base_of(path)), &out->name);
    const char *kept;
    if (status == HEARTH_OK)
        status = import_copy(c, bytes, n, &kept);
    mem_free(bytes);
    TRY(status);
    out->bytes = kept;
    *found = true;
    return HEARTH_OK;
}
