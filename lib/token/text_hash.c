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

/* The least power of two of which n keys fill at most two thirds; 0 if there is none. */
static size_t slots_for(size_t n)
{
    size_t n_slots = 16;
    while (n_slots / 3 * 2 < n) {
        if (n_slots > SIZE_MAX / 4)
            return 0;
        n_slots *= 2;
    }
    return n_slots;
}

static bool is_full(size_t n, size_t n_slots)
{
    return n >= n_slots / 3 * 2;
}

bool text_table_init(text_table *t, size_t n_expected)
{
    *t = (text_table){.n_slots = slots_for(n_expected)};
    t->slots = t->n_slots ? mem_calloc(t->n_slots, sizeof *t->slots) : NULL;
    if (t->slots == NULL)
        t->n_slots = 0;
    t->seed = hash_u64((uintptr_t)t->slots);
    return t->slots != NULL;
}

void text_table_deinit(text_table *t)
{
    mem_free(t->slots);
    *t = (text_table){0};
}

static text_slot *text_slot_of(const text_table *t, const char *text, size_t n)
{
    size_t i = hash_text(t->seed, text, n) & (t->n_slots - 1);
    for (;; i = (i + 1) & (t->n_slots - 1)) {
        text_slot *slot = &t->slots[i];
        if (slot->text == NULL || (slot->n == n && memcmp(slot->text, text, n) == 0))
            return slot;
    }
}

static bool text_table_grow(text_table *t)
{
    text_table bigger;
    if (!text_table_init(&bigger, t->n * 2 + 1))
        return false;
    for (size_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].text)
            *text_slot_of(&bigger, t->slots[i].text, t->slots[i].n) = t->slots[i];
    }
    bigger.n = t->n;
    text_table_deinit(t);
    *t = bigger;
    return true;
}

bool text_table_add(text_table *t, const char *text, size_t n, int32_t id, int32_t *id_of_first)
{
    if (n > UINT32_MAX || (is_full(t->n, t->n_slots) && !text_table_grow(t)))
        return false;
    text_slot *slot = text_slot_of(t, text, n);
    if (slot->text == NULL) {
        *slot = (text_slot){.text = text, .n = (uint32_t)n, .id = id};
        t->n++;
    }
    *id_of_first = slot->id;
    return true;
}

int32_t text_table_find(const text_table *t, const char *text, size_t n)
{
    if (t->n_slots == 0)
        return -1;
    const text_slot *slot = text_slot_of(t, text, n);
    return slot->text ? slot->id : -1;
}

bool int_table_init(int_table *t, size_t n_expected)
{
    *t = (int_table){.n_slots = slots_for(n_expected)};
    t->slots = t->n_slots ? mem_alloc_array(t->n_slots, sizeof *t->slots) : NULL;
    if (t->slots == NULL) {
        t->n_slots = 0;
        return false;
    }
    for (size_t i = 0; i < t->n_slots; i++)
        t->slots[i].key = UINT64_MAX;
    t->seed = hash_u64((uintptr_t)t->slots);
    return true;
}

void int_table_deinit(int_table *t)
{
    mem_free(t->slots);
    *t = (int_table){0};
}

static int_slot *int_slot_of(const int_table *t, uint64_t key)
{
    size_t i = hash_u64(key ^ t->seed) & (t->n_slots - 1);
    for (;; i = (i + 1) & (t->n_slots - 1)) {
        if (t->slots[i].key == key || t->slots[i].key == UINT64_MAX)
            return &t->slots[i];
    }
}

static bool int_table_grow(int_table *t)
{
    int_table bigger;
    if (!int_table_init(&bigger, t->n * 2 + 1))
        return false;
    for (size_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].key != UINT64_MAX)
            *int_slot_of(&bigger, t->slots[i].key) = t->slots[i];
    }
    bigger.n = t->n;
    int_table_deinit(t);
    *t = bigger;
    return true;
}

bool int_table_add(int_table *t, uint64_t key, uint64_t value)
{
    if (is_full(t->n, t->n_slots) && !int_table_grow(t))
        return false;
    int_slot *slot = int_slot_of(t, key);
    if (slot->key == UINT64_MAX) {
        *slot = (int_slot){key, value};
        t->n++;
    }
    return true;
}

bool int_table_find(const int_table *t, uint64_t key, uint64_t *value)
{
    if (t->n_slots == 0)
        return false;
    const int_slot *slot = int_slot_of(t, key);
    if (slot->key == UINT64_MAX)
        return false;
    *value = slot->value;
    return true;
}
