/* SPDX-License-Identifier: MIT
 *
 * vectors.h - the vectors of passages in memory, and the exact scan over them.
 *
 * A vector of unit length is kept as int8 with one scale, so that a dot product is a sum of
 * integers. The passages of a message lie together. The cache is filled from the file by the first
 * search and follows what is stored after that.
 *
 * Relevance  The nearest passage is near only by comparison: how similar unrelated texts are
 *            differs from model to model. So with enough passages, a hit must stand out: lie two
 *            standard deviations above the mean of all that were scanned.
 * Threads    The functions that say "locked" need vectors_lock().
 */
#ifndef HEARTH_STORE_VECTORS_H
#define HEARTH_STORE_VECTORS_H

#include "store/db.h"
#include "store/search.h"

/* What a message is filtered by lies here, too: asking the file about each takes longer than the
 * scan. */
typedef struct vector_place {
    int64_t message, chat, created_ms;
    uint32_t start, n; /* bytes of the content */
    float scale;
    uint32_t role;
} vector_place;

typedef struct vectors {
    pthread_mutex_t mutex;
    search_embedder embedder; /* model NULL: none */
    char *model;
    size_t stride; /* bytes of a vector: the dimensions, rounded up to whole blocks */
    bool loaded;
    size_t n, capacity;
    vector_place *places;
    int8_t *bytes;
} vectors;

void vectors_init(vectors *v);
void vectors_deinit(vectors *v);
void vectors_lock(vectors *v);
void vectors_unlock(vectors *v);
/* Takes the passages of a message out of memory. */
void vectors_remove(vectors *v, int64_t message);
/* Drops what is in memory. */
void vectors_forget(vectors *v);

/* A set of message ids. */
typedef struct id_set {
    uint8_t *bits;
    int64_t n;
} id_set;
hearth_status id_set_init(id_set *set, int64_t n_ids, hearth_error *err); /* empty */
void id_set_deinit(id_set *set);
void id_set_add(id_set *set, int64_t id); /* one that is too large is not added */

/* Bytes that a vector takes, and the conversion: out has room for that many. False if the vector
 * has no direction: zero, or not finite. */
size_t vectors_stride(uint32_t n_dimensions);
bool vectors_pack(const float *vector, uint32_t n_dimensions, int8_t *out, float *scale);

/* A copy whose model is at `model`, which has room for STORE_MAX_NAME_BYTES and a NUL. */
search_embedder vectors_embedder(vectors *v, char *model);
/* Locked. Sets the embedder, NULL for none, and forgets. */
hearth_status vectors_set_embedder(vectors *v, const search_embedder *embedder, hearth_error *err);
/* Locked. Reads the vectors of the embedder's model, unless they are there. */
hearth_status vectors_load(vectors *v, db *d, hearth_error *err);
/* Locked. The passages of one message; forgets all if there is no memory for them. */
void vectors_append(vectors *v, const vector_place *places, const int8_t *bytes, size_t n);

typedef struct vector_filter {
    id_set chats;           /* only of these */
    id_set deleted;         /* none of these messages */
    id_set messages;        /* only these; bits NULL: all */
    uint32_t roles;         /* bits; 0: all */
    int64_t from_ms, to_ms; /* to_ms 0: no end */
} vector_filter;

typedef struct vector_hit {
    vector_place place;
    float score;
} vector_hit;
/* Locked. The best passage of each of the n_max messages nearest to the query (of the embedder's
 * dimensions), best first; returns how many. */
size_t vectors_scan(const vectors *v, const float *query, const vector_filter *filter,
                    vector_hit *out, size_t n_max);

#endif
