/* SPDX-License-Identifier: MIT
 *
 * sysmem.h - how much memory this process may still take, and big blocks of it.
 */
#ifndef HEARTH_OS_SYSMEM_H
#define HEARTH_OS_SYSMEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Bytes that can be used without swapping: MemAvailable, or what the tightest cgroup (v2 or v1)
 * of this process still allows, page cache counted as free in both. UINT64_MAX if nothing tells. */
uint64_t sysmem_available(void);
uint64_t sysmem_total(void);

/* Peak and current resident bytes of this process. */
uint64_t sysmem_peak_resident(void);
/* Lets the peak begin anew from what is resident now; where the kernel cannot, it stays. */
void sysmem_reset_peak_resident(void);

/* Zeroed pages, resident from the start (so that a plan that was accepted cannot fail later),
 * huge pages advised. ENOMEM if the kernel refuses. n_bytes > 0. */
hearth_status sysmem_map(void **out, size_t n_bytes, const char *what, hearth_error *err);
void sysmem_unmap(void *p, size_t n_bytes);
/* Gives the memory of a part of such a block back, but for the system pages at its ends that are
 * not wholly in it. Its contents are undefined then; memory comes again as it is touched. */
void sysmem_release(void *p, size_t n_bytes);

#endif
