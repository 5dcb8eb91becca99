/* SPDX-License-Identifier: MIT
 *
 * cgroup.h - what the control groups of this process (Linux, versions 1 and 2) let it use.
 *
 * A limit may stand in the process's own group or in any above it, so each question is asked from
 * the own group up to the mount. In a container without a cgroup namespace the path the kernel
 * tells does not exist below the mount; then the mount itself is the container's group.
 * `root` is put before /proc and /sys: "" in a program, a made-up tree in tests.
 */
#ifndef HEARTH_OS_CGROUP_H
#define HEARTH_OS_CGROUP_H

#include <stdint.h>

typedef struct cgroup_memory {
    uint64_t limit;     /* the lowest one; UINT64_MAX: none */
    uint64_t available; /* the least that any group leaves, page cache counted as free */
} cgroup_memory;

cgroup_memory cgroup_get_memory(const char *root);

/* CPUs by quota, as 1.5; 0: no quota. */
double cgroup_get_cpus(const char *root);

#endif
