/* SPDX-License-Identifier: MIT
 *
 * sysmem.c - see sysmem.h.
 */
#include "os/sysmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/cgroup.h"
#include "os/cpu.h"
#include "os/file.h"
#include "os/thread_pool.h"

/* Linux 5.14; the headers of older systems do not name it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* "KEY:   123 kB" in a file of /proc, in bytes; UINT64_MAX if it is not there. */
static uint64_t read_kilobytes(const char *path, const char *key)
{
    char *text = NULL;
    size_t n;
    uint64_t bytes = UINT64_MAX;
    if (file_read_all(path, 1 << 16, &text, &n, NULL) != HEARTH_OK)
        return bytes;
    size_t key_n = strlen(key);
    for (char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, key_n) == 0 && line[key_n] == ':') {
            bytes = strtoull(line + key_n + 1, NULL, 10) * 1024;
            break;
        }
    }
    mem_free(text);
    return bytes;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t sysmem_available(void)
{
    return least(read_kilobytes("/proc/meminfo", "MemAvailable"), cgroup_get_memory("").available);
}

uint64_t sysmem_total(void)
{
    return least(read_kilobytes("/proc/meminfo", "MemTotal"), cgroup_get_memory("").limit);
}

uint64_t sysmem_peak_resident(void)
{
    /* Not ru_maxrss first: it can carry over from the program that started this one. */
    uint64_t bytes = read_kilobytes("/proc/self/status", "VmHWM");
    struct rusage usage;
    if (bytes == UINT64_MAX && getrusage(RUSAGE_SELF, &usage) == 0)
        bytes = (uint64_t)usage.ru_maxrss * 1024;
    return bytes;
}

void sysmem_reset_peak_resident(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t ignored = write(fd, "5", 1); /* proc(5): resets VmHWM */
    (void)ignored;
    close(fd);
}

/* A block that becomes resident, part by part. */
typedef struct residence {
    uint8_t *data;
    size_t n_bytes;
    atomic_bool failed;
} residence;

enum { RESIDENCE_PART = 32 << 20 };

/* A kernel that does not know MADV_POPULATE_WRITE gets one write per page. */
static void make_part_resident(void *arg, size_t part, int worker)
{
    residence *r = arg;
    uint8_t *data = r->data + part * RESIDENCE_PART;
    const size_t left = r->n_bytes - part * RESIDENCE_PART;
    const size_t n_bytes = left < RESIDENCE_PART ? left : RESIDENCE_PART;
    (void)worker;
    if (madvise(data, n_bytes, MADV_POPULATE_WRITE) == 0)
        return;
    if (errno != EINVAL) {
        atomic_store(&r->failed, true);
        return;
    }
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < n_bytes; i += page)
        *(volatile uint8_t *)(data + i) = 0;
}

/* By all processors if there are several parts: clearing pages takes the time of a processor, and
 * on a virtual machine the host may have to find them first. Without threads it is slower only. */
static bool make_resident(uint8_t *data, size_t n_bytes)
{
    residence r = {.data = data, .n_bytes = n_bytes};
    const size_t n_parts = (n_bytes + RESIDENCE_PART - 1) / RESIDENCE_PART;
    thread_pool *pool = NULL;
    if (n_parts > 1 && thread_pool_open(&pool, cpu_usable(), NULL) == HEARTH_OK) {
        thread_pool_run(pool, make_part_resident, &r, n_parts);
        thread_pool_close(pool);
    } else {
        for (size_t part = 0; part < n_parts; part++)
            make_part_resident(&r, part, 0);
    }
    return !r.failed;
}

hearth_status sysmem_map(void **out, size_t n_bytes, const char *what, hearth_error *err)
{
    void *data = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return error_no_memory(err, what, n_bytes);
    /* Before the pages exist, so that they are huge from the start; a kernel without them says no,
     * which costs only speed. */
    madvise(data, n_bytes, MADV_HUGEPAGE);
    if (!make_resident(data, n_bytes)) {
        munmap(data, n_bytes);
        return error_no_memory(err, what, n_bytes);
    }
    *out = data;
    return HEARTH_OK;
}

void sysmem_unmap(void *p, size_t n_bytes)
{
    if (p != NULL)
        munmap(p, n_bytes);
}

void sysmem_release(void *p, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)p + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)p + n_bytes) & ~(page - 1);
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}
