/* SPDX-License-Identifier: MIT
 *
 * text_hash.h - the two hash tables of the tokenizers: texts to ids, and integers to integers.
 *
 * What     Open addressing with linear probing, at most two thirds full. Nothing is ever removed.
 * Input    Keys come from model files, so the hash is seeded with the address of the table's
 *          memory: what collides cannot be computed beforehand from the file alone. No result of
 *          the tokenizers depends on the order of a table, hence none depends on the seed.
 */
#ifndef HEARTH_TOKEN_TEXT_HASH_H
#define HEARTH_TOKEN_TEXT_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t hash_u64(uint64_t value);
uint64_t hash_text(uint64_t seed, const char *text, size_t n);

/* Texts to ids. The texts are the caller's and must outlive the table. */
typedef struct text_slot {
    const char *text; /* NULL: free */
    uint32_t n;
    int32_t id;
} text_slot;

typedef struct text_table {
    text_slot *slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t n;
    uint64_t seed;
} text_table;

bool text_table_init(text_table *t, size_t n_expected); /* false: out of memory */
void text_table_deinit(text_table *t);
/* *id_of_first, if the text is already there, is its id and the table is unchanged. */
bool text_table_add(text_table *t, const char *text, size_t n, int32_t id, int32_t *id_of_first);
int32_t text_table_find(const text_table *t, const char *text, size_t n); /* -1: absent */

/* Integers to integers; the key UINT64_MAX is not allowed. */
typedef struct int_slot {
    uint64_t key, value;
} int_slot;

typedef struct int_table {
    int_slot *slots;
    size_t n_slots;
    size_t n;
    uint64_t seed;
} int_table;

bool int_table_init(int_table *t, size_t n_expected);
void int_table_deinit(int_table *t);
bool int_table_add(int_table *t, uint64_t key, uint64_t value); /* a key twice keeps the first */
bool int_table_find(const int_table *t, uint64_t key, uint64_t *value);

#endif
