/* SPDX-License-Identifier: MIT
 *
 * checked.h - arithmetic on sizes that come from files or requests.
 *
 * Each returns false on overflow and leaves *out unspecified. Raw + and * on such values are a bug.
 */
#ifndef HEARTH_BASE_CHECKED_H
#define HEARTH_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* Rounds a up to a multiple of align, which must be a power of two. */
static inline bool checked_align(uint64_t a, uint64_t align, uint64_t *out)
{
    if (!checked_add(a, align - 1, out))
        return false;
    *out &= ~(align - 1);
    return true;
}

static inline bool checked_size(uint64_t a, size_t *out)
{
    *out = (size_t)a;
    return (uint64_t)*out == a;
}

#endif
