/* SPDX-License-Identifier: MIT
 *
 * text_hash.h - the hash table of the tokenizers: ids by key.
 *
 * What     Open addressing with linear probing. Nothing is ever removed.
 * Memory   Vocabularies of millions of tiny tokens must stay within a multiple of their file, so a
 *          table of ids has 4 bytes a slot and five slots for four entries, a fixed spare apart.
 *          It keeps no keys: the owner has them, and tells whether an id has a given one. The bits
 *          of a slot above those that ids need hold some of the hash, so it is seldom asked.
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

/* Ids by key. A slot is 0, which is free, or a part of the hash above id + 1. */
typedef struct id_table {
    uint32_t *slots;
    size_t n_slots;   /* any number: the hash is scaled to it, not masked */
    uint32_t id_mask; /* the bits that hold id + 1 */
    uint64_t seed;    /* for the owner to hash its keys with */
} id_table;

/* Whether the entry of that id has this key. */
typedef bool (*id_table_is)(const void *owner, int32_t id, const void *key);

/* For ids below n_max, each added once at most. False: out of memory, or n_max above INT32_MAX. */
bool id_table_init(id_table *t, size_t n_max);
void id_table_deinit(id_table *t);
/* The id of the key: `id`, or if the key is already there, the one it has. */
int32_t id_table_add(id_table *t, uint64_t hash, int32_t id, id_table_is is, const void *owner,
                     const void *key);
int32_t id_table_find(const id_table *t, uint64_t hash, id_table_is is, const void *owner,
                      const void *key); /* -1: absent */

/* Makes `id` the id of the key, also where another has been. */
void id_table_set(id_table *t, uint64_t hash, int32_t id, id_table_is is, const void *owner,
                  const void *key);

#endif
