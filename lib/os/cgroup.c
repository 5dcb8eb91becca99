/* SPDX-License-Identifier: MIT
 *
 * cgroup.c - see cgroup.h. Source of names and meanings: the kernel's cgroup-v1 and cgroup-v2
 * documents.
 *
 * /proc/self/cgroup has one line per hierarchy, ID:CONTROLLERS:PATH. Version 2 is "0::PATH", below
 * /sys/fs/cgroup; version 1 is "4:memory:PATH", below /sys/fs/cgroup/memory.
 */
#include "os/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "os/file.h"

enum { FILE_MAX_BYTES = 1 << 16 };

typedef void (*visit_fn)(void *user, const char *folder, bool v2);

static char *read_text(const char *folder, const char *name)
{
    char path[PATH_MAX];
    char *text = NULL;
    size_t n;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path ||
        file_read_all(path, FILE_MAX_BYTES, &text, &n, NULL) != HEARTH_OK)
        return NULL;
    return text;
}

/* A number at the start of text; UINT64_MAX for "max" and anything else. */
static uint64_t parse_limit(const char *text)
{
    char *end;
    if (*text < '0' || *text > '9')
        return UINT64_MAX;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    return errno != 0 ? UINT64_MAX : value;
}

static uint64_t read_limit(const char *folder, const char *name)
{
    char *text = read_text(folder, name);
    uint64_t value = text ? parse_limit(text) : UINT64_MAX;
    mem_free(text);
    return value;
}

/* The number after `key ` at the start of a line; 0 if there is none. */
static uint64_t field(const char *text, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, n) == 0 && line[n] == ' ')
            return parse_limit(line + n + 1);
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return 0;
}

/* Whether the comma-separated list [text, end) has the word. */
static bool lists(const char *text, const char *end, const char *word)
{
    size_t n = strlen(word);
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma ? comma : end;
        if ((size_t)(stop - text) == n && memcmp(text, word, n) == 0)
            return true;
        text = stop + 1;
    }
    return false;
}

/* Visits the folder of `path` below mount and each one above it, the mount last. */
static void walk_up(const char *mount, const char *path, size_t path_n, bool v2, visit_fn visit,
                    void *user)
{
    char folder[PATH_MAX];
    size_t mount_n = strlen(mount);
    if (mount_n + path_n >= sizeof folder)
        return;
    memcpy(folder, mount, mount_n);
    memcpy(folder + mount_n, path, path_n);
    for (size_t n = mount_n + path_n;;) {
        while (n > mount_n && folder[n - 1] == '/')
            n--;
        folder[n] = '\0';
        visit(user, folder, v2);
        if (n == mount_n)
            return;
        while (n > mount_n && folder[n - 1] != '/')
            n--;
    }
}

static void walk(const char *root, const char *controller, visit_fn visit, void *user)
{
    char proc[PATH_MAX], mount[PATH_MAX];
    if (snprintf(proc, sizeof proc, "%s/proc/self", root) >= (int)sizeof proc)
        return;
    char *text = read_text(proc, "cgroup");
    if (text == NULL)
        return;
    for (char *line = text; *line != '\0';) {
        char *end = strchr(line, '\n');
        end = end ? end : line + strlen(line);
        char *names = memchr(line, ':', (size_t)(end - line));
        char *path = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;
        if (path != NULL) {
            bool v2 = path == names + 1;
            int n = snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root, v2 ? "" : "/",
                             v2 ? "" : controller);
            if (n < (int)sizeof mount && (v2 || lists(names + 1, path, controller)))
                walk_up(mount, path + 1, (size_t)(end - path - 1), v2, visit, user);
        }
        line = *end ? end + 1 : end;
    }
    mem_free(text);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void visit_memory(void *user, const char *folder, bool v2)
{
    cgroup_memory *memory = user;
    uint64_t limit = v2 ? least(read_limit(folder, "memory.max"), read_limit(folder, "memory.high"))
                        : read_limit(folder, "memory.limit_in_bytes");
    /* Version 1 writes "no limit" as the largest multiple of a page. */
    if (limit >= (uint64_t)INT64_MAX / 2)
        return;
    uint64_t used = read_limit(folder, v2 ? "memory.current" : "memory.usage_in_bytes");
    char *stat = read_text(folder, "memory.stat");
    uint64_t cache = 0;
    if (stat != NULL)
        cache = field(stat, v2 ? "inactive_file" : "total_inactive_file") +
                field(stat, v2 ? "active_file" : "total_active_file");
    mem_free(stat);
    if (used == UINT64_MAX)
        used = 0;
    used -= least(used, cache);
    memory->limit = least(memory->limit, limit);
    memory->available = least(memory->available, limit - least(limit, used));
}

cgroup_memory cgroup_get_memory(const char *root)
{
    cgroup_memory memory = {.limit = UINT64_MAX, .available = UINT64_MAX};
    walk(root, "memory", visit_memory, &memory);
    return memory;
}

static void visit_cpu(void *user, const char *folder, bool v2)
{
    double *cpus = user;
    uint64_t quota = UINT64_MAX, period = UINT64_MAX;
    if (v2) {
        char *text = read_text(folder, "cpu.max"); /* "QUOTA PERIOD" or "max PERIOD" */
        char *space = text ? strchr(text, ' ') : NULL;
        if (space != NULL) {
            quota = parse_limit(text);
            period = parse_limit(space + 1);
        }
        mem_free(text);
    } else {
        quota = read_limit(folder, "cpu.cfs_quota_us"); /* "-1": none */
        period = read_limit(folder, "cpu.cfs_period_us");
    }
    if (quota == UINT64_MAX || quota == 0 || period == UINT64_MAX || period == 0)
        return;
    double here = (double)quota / (double)period;
    if (*cpus == 0 || here < *cpus)
        *cpus = here;
}

double cgroup_get_cpus(const char *root)
{
    double cpus = 0;
    walk(root, "cpu", visit_cpu, &cpus);
    return cpus;
}
