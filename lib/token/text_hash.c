/* SPDX-License-Identifier: MIT
 *
 * text_hash.c - see text_hash.h.
 */
#include "token/text_hash.h"

#include <string.h>

#include "base/mem.h"

/* Odd constants with about as many ones as zeros: the fractions of pi and of the golden ratio. */
#define MULTIPLIER_A 0x9e3779b97f4a7c15u
#define MULTIPLIER_B 0x243f6a8885a308d3u

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_u64(uint64_t value)
{
    return fold(value ^ MULTIPLIER_B, MULTIPLIER_A);
}

uint64_t hash_text(uint64_t seed, const char *text, size_t n)
{
    uint64_t h = seed ^ (uint64_t)n * MULTIPLIER_B;
    uint64_t word;
    for (; n >= 8; text += 8, n -= 8) {
        memcpy(&word, text, 8);
        h = fold(h ^ word, MULTIPLIER_A);
    }
    word = 0;
    memcpy(&word, text, n);
    return fold(h ^ word, MULTIPLIER_B) ^ h;
}

/* Slots beyond five for four entries, so that tables of a usual size are quick. */
enum { SPARE_SLOTS = 1 << 18 };

bool id_table_init(id_table *t, size_t n_max)
{
    *t = (id_table){0};
    if (n_max > INT32_MAX)
        return false;
    size_t spare = n_max < SPARE_SLOTS / 2 ? 2 * n_max : SPARE_SLOTS;
    size_t n_slots = n_max + n_max / 4 + spare + 1;
    while (t->id_mask < n_max)
        t->id_mask = t->id_mask << 1 | 1;
    t->slots = mem_calloc(n_slots, sizeof *t->slots);
    t->n_slots = t->slots ? n_slots : 0;
    t->seed = hash_u64((uintptr_t)t->slots);
    return t->slots != NULL;
}

void id_table_deinit(id_table *t)
{
    mem_free(t->slots);
    *t = (id_table){0};
}

/* The slot of the key, or the free one where it belongs. */
static uint32_t *id_slot_of(const id_table *t, uint64_t hash, id_table_is is, const void *owner,
                            const void *key)
{
    uint32_t tag = (uint32_t)hash & ~t->id_mask;
    size_t i = (size_t)((unsigned __int128)hash * t->n_slots >> 64);
    for (;; i = i + 1 < t->n_slots ? i + 1 : 0) {
        uint32_t slot = t->slots[i];
        if (slot == 0 ||
            ((slot & ~t->id_mask) == tag && is(owner, (int32_t)((slot & t->id_mask) - 1), key)))
            return &t->slots[i];
    }
}

int32_t id_table_add(id_table *t, uint64_t hash, int32_t id, id_table_is is, const void *owner,
                     const void *key)
{
    uint32_t *slot = id_slot_of(t, hash, is, owner, key);
    if (*slot == 0)
        *slot = ((uint32_t)hash & ~t->id_mask) | ((uint32_t)id + 1);
    return (int32_t)((*slot & t->id_mask) - 1);
}

int32_t id_table_find(const id_table *t, uint64_t hash, id_table_is is, const void *owner,
                      const void *key)
{
    if (t->n_slots == 0)
        return -1;
    uint32_t slot = *id_slot_of(t, hash, is, owner, key);
    return slot ? (int32_t)((slot & t->id_mask) - 1) : -1;
}

void id_table_set(id_table *t, uint64_t hash, int32_t id, id_table_is is, const void *owner,
                  const void *key)
{
    *id_slot_of(t, hash, is, owner, key) = ((uint32_t)hash & ~t->id_mask) | ((uint32_t)id + 1);
}
