/* SPDX-License-Identifier: MIT
 *
 * proc_stat.c - see proc_stat.h. Formats: proc(5).
 */
#include "runtime/proc_stat.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The file's beginning as text. */
static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The number behind a name at the beginning of a line; 0 if it is not there. */
static uint64_t value_of(const char *text, const char *name)
{
    const size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, n) == 0)
            return strtoull(line + n, NULL, 10);
    }
    return 0;
}

/* Fields 14 and 15 of stat, counted from behind the name, which may hold anything. */
static uint64_t cpu_ms_of(const char *stat)
{
    const char *at = strrchr(stat, ')');
    uint64_t ticks[2] = {0};
    for (int field = 3; at && field <= 15; field++) {
        at = strchr(at + 1, ' ');
        if (at && field >= 14)
            ticks[field - 14] = strtoull(at, NULL, 10);
    }
    long per_second = sysconf(_SC_CLK_TCK);
    return (ticks[0] + ticks[1]) * 1000 / (uint64_t)(per_second > 0 ? per_second : 100);
}

bool proc_usage_read(int pid, proc_usage *out)
{
    char path[64], text[4096];
    *out = (proc_usage){0};
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (!read_file(path, text, sizeof text))
        return false;
    out->resident_bytes = value_of(text, "VmRSS:") << 10;
    out->anonymous_bytes = (value_of(text, "RssAnon:") + value_of(text, "RssShmem:")) << 10;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (!read_file(path, text, sizeof text))
        return false;
    out->cpu_ms = cpu_ms_of(text);
    snprintf(path, sizeof path, "/proc/%d/io", pid);
    if (read_file(path, text, sizeof text))
        out->read_bytes = value_of(text, "read_bytes:");
    return true;
}

/* "cpu user nice system idle iowait irq softirq steal ..." */
bool proc_cpu_read(proc_cpu *out)
{
    char text[512];
    uint64_t total = 0, idle = 0;
    if (!read_file("/proc/stat", text, sizeof text) || strncmp(text, "cpu ", 4) != 0)
        return false;
    char *at = text + 4;
    for (int i = 0; i < 8; i++) {
        uint64_t value = strtoull(at, &at, 10);
        total += value;
        idle += i == 3 || i == 4 ? value : 0;
    }
    *out = (proc_cpu){total - idle, total};
    return true;
}
