/* SPDX-License-Identifier: MIT
 *
 * mem.c - see mem.h.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *mem_alloc(size_t n_bytes)
{
    return malloc(n_bytes ? n_bytes : 1);
}

void *mem_calloc(size_t n, size_t size)
{
    return n && size ? calloc(n, size) : calloc(1, 1);
}

void *mem_alloc_array(size_t n, size_t size)
{
    size_t n_bytes;
    if (__builtin_mul_overflow(n, size, &n_bytes))
        return NULL;
    return mem_alloc(n_bytes);
}

void *mem_realloc_array(void *old, size_t n, size_t size)
{
    size_t n_bytes;
    if (__builtin_mul_overflow(n, size, &n_bytes))
        return NULL;
    return realloc(old, n_bytes ? n_bytes : 1);
}

char *mem_dup(const char *text, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *copy = mem_alloc(n + 1);
    if (copy) {
        if (n)
            memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

void mem_free(void *p)
{
    free(p);
}

void *mem_alloc_aligned(size_t n_bytes)
{
    if (n_bytes > SIZE_MAX - MEM_ALIGN)
        return NULL;
    size_t rounded = (n_bytes + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1);
    return aligned_alloc(MEM_ALIGN, rounded ? rounded : MEM_ALIGN);
}
