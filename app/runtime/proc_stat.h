/* SPDX-License-Identifier: MIT
 *
 * proc_stat.h - what the kernel tells of processes and of the machine, from /proc. A few reads of
 * small files that never wait.
 */
#ifndef HEARTH_RUNTIME_PROC_STAT_H
#define HEARTH_RUNTIME_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct proc_usage {
    uint64_t resident_bytes;  /* all of it: mapped weights that are in memory are in this */
    uint64_t anonymous_bytes; /* what is its own and cannot be given back */
    uint64_t cpu_ms;          /* user and system, since its start */
    uint64_t read_bytes;      /* from storage; 0 where the kernel does not tell */
} proc_usage;

/* False: no such process. */
bool proc_usage_read(int pid, proc_usage *out);

typedef struct proc_cpu {
    uint64_t busy, total; /* in the kernel's own unit, since boot */
} proc_cpu;
bool proc_cpu_read(proc_cpu *out);

#endif
