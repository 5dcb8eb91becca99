/* SPDX-License-Identifier: MIT
 *
 * elf_needed.c - see elf_needed.h.
 */
#include "runtime/elf_needed.h"

#include <elf.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/file_map.h"
#include "os/folder.h"

enum { SEGMENTS_MOST = 256, ENTRIES_MOST = 4096, DIRS_MOST = 64, CONF_MAX = 64 << 10 };

/* ---- one file ---- */

typedef struct image {
    const unsigned char *bytes;
    size_t n;
    Elf64_Phdr segments[SEGMENTS_MOST];
    size_t n_segments;
} image;

static bool copy_at(const image *f, uint64_t offset, void *out, size_t n)
{
    if (offset > f->n || n > f->n - offset)
        return false;
    memcpy(out, f->bytes + offset, n);
    return true;
}

/* Where in the file an address of the loaded program is. */
static bool offset_of(const image *f, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < f->n_segments; i++) {
        const Elf64_Phdr *s = &f->segments[i];
        if (s->p_type == PT_LOAD && address >= s->p_vaddr && address - s->p_vaddr < s->p_filesz &&
            s->p_offset <= UINT64_MAX - (address - s->p_vaddr)) {
            *offset = s->p_offset + (address - s->p_vaddr);
            return true;
        }
    }
    return false;
}

static bool copy_text(const image *f, uint64_t strings, uint64_t at, char *out, size_t size)
{
    if (at > UINT64_MAX - strings || strings + at >= f->n)
        return false;
    const char *text = (const char *)f->bytes + strings + at;
    size_t room = f->n - (size_t)(strings + at);
    size_t n = strnlen(text, room);
    if (n == room || n >= size)
        return false;
    memcpy(out, text, n + 1);
    return true;
}

static bool read_segments(image *f)
{
    Elf64_Ehdr head;
    if (!copy_at(f, 0, &head, sizeof head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_ident[EI_DATA] != ELFDATA2LSB ||
        head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum > SEGMENTS_MOST)
        return false;
    f->n_segments = head.e_phnum;
    return copy_at(f, head.e_phoff, f->segments, f->n_segments * sizeof *f->segments);
}

/* False: broken. A file without a dynamic segment needs nothing. */
static bool read_dynamic(const image *f, elf_needed *out)
{
    Elf64_Dyn entries[ENTRIES_MOST];
    const Elf64_Phdr *dynamic = NULL;
    uint64_t strings = 0;
    size_t n = 0;
    for (size_t i = 0; i < f->n_segments; i++) {
        if (f->segments[i].p_type == PT_DYNAMIC)
            dynamic = &f->segments[i];
    }
    if (dynamic == NULL)
        return true;
    while (n < ENTRIES_MOST && n < dynamic->p_filesz / sizeof *entries) {
        if (dynamic->p_offset > f->n ||
            !copy_at(f, dynamic->p_offset + n * sizeof *entries, &entries[n], sizeof *entries))
            return false;
        if (entries[n].d_tag == DT_NULL)
            break;
        if (entries[n].d_tag == DT_STRTAB && !offset_of(f, entries[n].d_un.d_ptr, &strings))
            return false;
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        const bool needed = entries[i].d_tag == DT_NEEDED;
        const bool path = entries[i].d_tag == DT_RUNPATH || entries[i].d_tag == DT_RPATH;
        if (needed && out->n < ELF_NEEDED_MOST &&
            !copy_text(f, strings, entries[i].d_un.d_val, out->names[out->n++], ELF_NAME_MAX))
            return false;
        if (path &&
            !copy_text(f, strings, entries[i].d_un.d_val, out->run_path, sizeof out->run_path))
            return false;
    }
    return true;
}

hearth_status elf_needed_read(const void *bytes, size_t n, elf_needed *out, hearth_error *err)
{
    image f = {.bytes = bytes, .n = n};
    *out = (elf_needed){.n = 0};
    if (!read_segments(&f) || !read_dynamic(&f, out))
        FAIL(err, EFORMAT, "elf", "not a 64-bit ELF program, or a broken one");
    return HEARTH_OK;
}

/* ---- all of a program ---- */

typedef struct search {
    char here[1024]; /* the program's folder */
    char dirs[DIRS_MOST][256];
    size_t n_dirs;
    char *missing;
    size_t n_missing;
    hearth_status status;
    hearth_error *err;
} search;

static void add_dir(search *s, const char *dir, size_t n)
{
    if (n > 0 && n < sizeof s->dirs[0] && s->n_dirs < DIRS_MOST)
        snprintf(s->dirs[s->n_dirs++], sizeof s->dirs[0], "%.*s", (int)n, dir);
}

static void add_list(search *s, const char *list, const char *separators)
{
    while (list && *list) {
        size_t n = strcspn(list, separators);
        add_dir(s, list, n);
        list += n + (list[n] != '\0');
    }
}

/* The folders that the loader looks into beside those of the program: its configuration names
 * them, one a line. */
static void add_system_dirs(search *s)
{
    glob_t files;
    add_list(s, "/lib:/usr/lib:/lib64:/usr/lib64:/usr/local/lib", ":");
    if (glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &files) != 0)
        return;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char text[4096];
        FILE *f = fopen(files.gl_pathv[i], "re");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        text[n] = '\0';
        if (f)
            fclose(f);
        for (char *line = text; *line;) {
            size_t length = strcspn(line, "\n");
            if (*line == '/')
                add_dir(s, line, strcspn(line, " \t\r\n#"));
            line += length + (line[length] == '\n');
        }
    }
    globfree(&files);
}

static bool is_in(const char *dir, const char *name)
{
    char path[2048];
    return (size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path &&
           access(path, R_OK) == 0;
}

/* $ORIGIN of a run path is the folder of the file, which is the program's here. */
static bool is_in_run_path(const search *s, const char *run_path, const char *name)
{
    static const char origin[] = "$ORIGIN";
    while (*run_path) {
        char dir[2048];
        size_t n = strcspn(run_path, ":");
        if (n >= sizeof origin - 1 && strncmp(run_path, origin, sizeof origin - 1) == 0)
            snprintf(dir, sizeof dir, "%s%.*s", s->here, (int)(n - (sizeof origin - 1)),
                     run_path + sizeof origin - 1);
        else
            snprintf(dir, sizeof dir, "%.*s", (int)n, run_path);
        if (is_in(dir, name))
            return true;
        run_path += n + (run_path[n] == ':');
    }
    return false;
}

static bool is_there(const search *s, const elf_needed *of, const char *name)
{
    if (strncmp(name, "ld-linux", 8) == 0 || is_in(s->here, name) ||
        is_in_run_path(s, of->run_path, name))
        return true;
    for (size_t i = 0; i < s->n_dirs; i++) {
        if (is_in(s->dirs[i], name))
            return true;
    }
    return false;
}

static hearth_status check_file(search *s, const char *path, hearth_error *err)
{
    file_map *map = NULL;
    hearth_status status = HEARTH_OK;
    elf_needed *needed = mem_alloc(sizeof *needed);
    if (needed == NULL)
        return error_no_memory(err, "a program's headers", sizeof *needed);
    TRY_OUT(file_map_open(&map, path, err));
    TRY_OUT(elf_needed_read(file_map_data(map), (size_t)file_map_size(map), needed, err));
    for (size_t i = 0; i < needed->n && s->missing[0] == '\0'; i++) {
        if (!is_there(s, needed, needed->names[i]))
            snprintf(s->missing, s->n_missing, "%s", needed->names[i]);
    }
out:
    file_map_close(map);
    mem_free(needed);
    return status;
}

static bool is_library(const char *name)
{
    const char *dot = strstr(name, ".so");
    return dot && (dot[3] == '\0' || dot[3] == '.');
}

/* Libraries beside the program may be opened by it while it runs. */
static bool check_beside(void *user, const folder_entry *entry)
{
    search *s = user;
    char path[2048];
    if (is_library(entry->name) &&
        (size_t)snprintf(path, sizeof path, "%s/%s", s->here, entry->name) < sizeof path)
        s->status = check_file(s, path, s->err);
    return s->status == HEARTH_OK && s->missing[0] == '\0';
}

hearth_status elf_find_missing(const char *program, char *missing, size_t n, hearth_error *err)
{
    const char *slash = strrchr(program, '/');
    search s = {.missing = missing, .n_missing = n, .status = HEARTH_OK, .err = err};
    missing[0] = '\0';
    if (slash == NULL || (size_t)(slash - program) >= sizeof s.here)
        FAIL(err, EINVAL, program, "'%.200s' is not a path of a program", program);
    memcpy(s.here, program, (size_t)(slash - program));
    add_list(&s, getenv("LD_LIBRARY_PATH"), ":;");
    add_system_dirs(&s);
    TRY(check_file(&s, program, err));
    if (missing[0] == '\0')
        TRY(folder_list(s.here, check_beside, &s, err));
    return s.status;
}
