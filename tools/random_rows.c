/* SPDX-License-Identifier: MIT
 *
 * random_rows.c - see random_rows.h.
 */
#include "random_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "kernels/quantize.h"

enum { PIECE = 256, POOL_PIECES = 2048 };

/* Pieces of one format for rows of one length. */
typedef struct pool {
    wtype type;
    size_t k, piece, piece_bytes;
    uint8_t *pieces;
} pool;

struct random_rows {
    uint64_t state;
    float *values; /* as many as the longest row so far */
    uint8_t *row;
    size_t n_values, n_row;
    pool *pools;
    size_t n_pools;
};

static void *need(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "random_rows: out of memory\n");
        exit(1);
    }
    return p;
}

random_rows *random_rows_new(uint64_t seed)
{
    random_rows *r = need(calloc(1, sizeof *r));
    r->state = seed * 2654435761u + 88172645463325252u;
    return r;
}

void random_rows_free(random_rows *r)
{
    for (size_t i = 0; i < r->n_pools; i++)
        free(r->pools[i].pieces);
    free(r->pools);
    free(r->values);
    free(r->row);
    free(r);
}

static uint32_t next_random(random_rows *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 32);
}

/* About normal: the sum of four uniform numbers. */
static float normal(random_rows *r)
{
    float sum = 0.0f;
    for (int i = 0; i < 4; i++)
        sum += (float)(next_random(r) >> 8) / 16777216.0f - 0.5f;
    return sum * 1.7320508f;
}

/* A row of a format that nothing quantizes to: random integers under a small, finite scale. */
static void random_blocks(random_rows *r, wtype type, uint8_t *row, size_t n_bytes)
{
    size_t block = wtype_get(type)->block_bytes;
    for (size_t i = 0; i < n_bytes; i++)
        row[i] = (uint8_t)(next_random(r) >> 11);
    for (uint8_t *b = row; b < row + n_bytes; b += block) {
        uint16_t scale = f32_to_f16(0.01f);
        if (type == WTYPE_NVFP4)
            memset(b, 0x10, 4);
        else if (type == WTYPE_IQ1_M) /* its scale is spread over the high nibbles of four words */
            for (int i = 0; i < 4; i++)
                b[48 + 2 * i + 1] =
                    (uint8_t)((b[48 + 2 * i + 1] & 0x0f) | (scale >> 4 * i & 15) << 4);
        else
            memcpy(b, &scale, sizeof scale);
    }
}

static void make(random_rows *r, wtype type, size_t k, float scale, float offset, uint8_t *out,
                 size_t n_bytes)
{
    quantize_row_fn quantize = quantize_row_get(type);
    if (k > r->n_values) {
        r->values = need(realloc(r->values, k * sizeof *r->values));
        r->n_values = k;
    }
    for (size_t i = 0; i < k; i++)
        r->values[i] = offset + scale * normal(r);
    if (quantize)
        quantize(r->values, k, out);
    else if (type == WTYPE_F32)
        memcpy(out, r->values, n_bytes);
    else
        random_blocks(r, type, out, n_bytes);
}

static size_t bytes_of(wtype type, size_t k)
{
    uint64_t n_bytes = 0;
    if (!wtype_row_bytes(type, k, &n_bytes)) {
        fprintf(stderr, "random_rows: rows of %zu do not divide into %s\n", k,
                wtype_get(type)->name);
        exit(1);
    }
    return (size_t)n_bytes;
}

static const pool *find_pool(random_rows *r, wtype type, size_t k, float scale, float offset)
{
    for (size_t i = 0; i < r->n_pools; i++) {
        if (r->pools[i].type == type && r->pools[i].k == k)
            return &r->pools[i];
    }
    size_t block = wtype_get(type)->block_elements;
    pool p = {.type = type, .k = k, .piece = PIECE};
    while (p.piece > block && k % p.piece != 0)
        p.piece /= 2;
    p.piece_bytes = bytes_of(type, p.piece);
    p.pieces = need(malloc(POOL_PIECES * p.piece_bytes));
    for (size_t i = 0; i < POOL_PIECES; i++)
        make(r, type, p.piece, scale, offset, p.pieces + i * p.piece_bytes, p.piece_bytes);
    r->pools = need(realloc(r->pools, (r->n_pools + 1) * sizeof *r->pools));
    r->pools[r->n_pools] = p;
    return &r->pools[r->n_pools++];
}

const uint8_t *random_rows_next(random_rows *r, wtype type, size_t k, float scale, float offset,
                                bool pooled, size_t *n_bytes)
{
    *n_bytes = bytes_of(type, k);
    if (*n_bytes > r->n_row) {
        r->row = need(realloc(r->row, *n_bytes));
        r->n_row = *n_bytes;
    }
    if (!pooled) {
        make(r, type, k, scale, offset, r->row, *n_bytes);
        return r->row;
    }
    const pool *p = find_pool(r, type, k, scale, offset);
    for (uint8_t *at = r->row; at < r->row + *n_bytes; at += p->piece_bytes)
        memcpy(at, p->pieces + next_random(r) % POOL_PIECES * p->piece_bytes, p->piece_bytes);
    return r->row;
}
