/* SPDX-License-Identifier: MIT
 *
 * hash.h - FNV-1a in 64 bits (Fowler, Noll, Vo): for tables, fingerprints and damage checks, never
 * against an attacker who wants a collision.
 */
#ifndef HEARTH_BASE_HASH_H
#define HEARTH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START 0xcbf29ce484222325ull

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ull;
    return hash;
}

#endif
