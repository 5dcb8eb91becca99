/* SPDX-License-Identifier: MIT
 *
 * mem.h - the only door to the heap.
 *
 * Every allocation of the library goes through these, so that tests can make the Nth one fail and
 * no size is multiplied unchecked. All return NULL on failure or overflow; mem_free(NULL) is fine.
 * A request for 0 bytes gives a valid pointer. jansson has a door of its own: see json.h.
 */
#ifndef HEARTH_BASE_MEM_H
#define HEARTH_BASE_MEM_H

#include <stddef.h>

enum { MEM_ALIGN = 64 }; /* one cache line, one AVX-512 register */

void *mem_alloc(size_t n_bytes);
void *mem_calloc(size_t n, size_t size);
void *mem_alloc_array(size_t n, size_t size);
void *mem_realloc_array(void *old, size_t n, size_t size);
char *mem_dup(const char *text, size_t n); /* n bytes and a NUL */
void mem_free(void *p);

/* MEM_ALIGN-aligned, freed with mem_free. Not zeroed. */
void *mem_alloc_aligned(size_t n_bytes);

#endif
