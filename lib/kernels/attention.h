/* SPDX-License-Identifier: MIT
 *
 * attention.h - softmax(q . k) v of query rows that share a key-value head, a tile of 64 positions
 * at a time.
 *
 * A row is one query head of one token. It sees the positions [low, high). Rows that share their
 * keys (the heads of a group, the tokens of a pass) make a block, so that a tile is read once for
 * all of them.
 *
 * Cache  The keys of one head over one tile are pairs of neighbouring elements, in an order in
 *        which sixteen positions make a vector; its values are pairs of neighbouring positions:
 *
 *          F16   keys    int16 [4 sixteens of positions][head_dim / 2][16 positions][2 elements]
 *                values  int16 [32 pairs of positions][head_dim][2 positions]
 *          Q8_0  the same of int8
 *          F32   keys    float [4][head_dim][16 positions];  values  float [64][head_dim]
 *
 *        with head_dim rounded up to a multiple of 2 for keys and of 16 for values. In F16 and Q8_0
 *        one float scale per position follows; an element is its integer times that. F16 has
 *        fifteen bits of integer: more accurate than half floats, in their space, and integers add
 *        up exactly in any order. docs/decisions/attention-in-integers.md says why.
 *
 * Contract (every instruction set, any block, any number of rows: the same bits)
 *
 *   store   q = rint(x * (1/d)), ties to even. Values: d = amax/32700, or amax/127 for Q8_0.
 *           Keys: F16 d = max(|x|/46000, amax/32700), |x| being the Euclidean norm by dot()'s rule:
 *           by Cauchy and Schwarz no sum of products of two such rows passes 2^31. Q8_0 amax/127,
 *           after a rotation: for h = 1, 2, 4, .. below B each pair of elements a, b that are h
 *           apart becomes a + b, a - b, within blocks of B, the largest power of two that divides
 *           the head size (1 if that is above 1024). It spreads elements that stick out.
 *           A row that is not finite, or so small that 1/d is not, is all zeros; so is a row of
 *           floats that is not finite, because what is not seen must not be felt.
 *
 *   score   Integers: queries become integers like F16 keys, with scale dq; for Q8_0 keys they are
 *           rotated like them before, and dq is that of the result, divided by B;
 *           t = (float)(sum q k) * dk, the sum being an exact int32; a = dq * scale.
 *           Floats: t = one fma chain over ascending elements, from +0; a = scale.
 *           With softcap or ALiBi t becomes the score: t * a, capped, then
 *           fma(slope, -|query - key|, t); and a = 1. All in units of ln 2: scale, or the
 *           capped score, is times log2(e), so that softmax adds up 2^(t a).
 *
 *   tile    m' = max(m, (greatest visible t) * a);  f = 2^(m - m');
 *           p = 2^fma(t, a, -m'), 0 if not visible;
 *           l = fma(l, f, sum p): sixteen partial sums, element i to i mod 16, and the tree of
 *           kernels.h.
 *           Integers: w = p * dv; W = sum w, as above; c = 32767 / W, or 0 if W < 1e-30;
 *           i = rint(w c); acc = fma((float)(sum i v), W * (1/32767), acc * f). The i add up to
 *           2^15, so an int32 holds their sum.
 *           Floats: acc = acc * f + (one fma chain of p v over ascending positions, from +0).
 *           A tile none of whose positions are visible changes nothing.
 *
 *   fold    (m, l, acc) of two stretches of positions, 1 the earlier: M = max(m1, m2),
 *           f1 = 2^(m1 - M), f2 = 2^(m2 - M); l = fma(l2, f2, l1 * f1), acc likewise.
 *
 *   end     out = acc * (1/l) + 0; with a sink s: M = max(m, s), f = 2^(m - M),
 *           out = acc * (f / fma(l, f, 2^(s - M))) + 0. (The 0 makes -0 and 0 alike.)
 *
 *   2^x     x = n + r, |r| <= 1/2; a polynomial of degree 5 in r (relative error below 3e-7), its
 *           exponent raised by n. From -126 on, what is left is below 2^-126, and from -127 on 0.
 */
#ifndef HEARTH_KERNELS_ATTENTION_H
#define HEARTH_KERNELS_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cache_type { CACHE_F32, CACHE_F16, CACHE_Q8_0, CACHE_COUNT } cache_type;

enum {
    ATTN_TILE = 64,
    ATTN_ROWS = 512, /* most rows of a block */
    ATTN_NARROW = 8, /* up to so many rows, sixteen positions make a vector; beyond, sixteen rows */
};

/* One head over one tile: multiples of 64. */
size_t attn_keys_bytes(cache_type type, size_t head_dim);
size_t attn_values_bytes(cache_type type, size_t head_dim);

typedef struct attn_row {
    const float *q; /* head_dim_k */
    float *out;     /* head_dim_v */
    uint32_t low, high;
    uint32_t position; /* of the query, for ALiBi */
    float slope;       /* times log2(e); 0 without ALiBi */
    const float *sink; /* NULL, or a score that takes its share and has no value */
} attn_row;

/* A softmax in progress of every row; accumulators of a sixteen of rows, or of one row if the block
 * is narrow, are together. */
typedef struct attn_part {
    float *m;
    float *l;
    float *acc; /* attn_part_floats() in all, m and l included */
} attn_part;

typedef struct attn_block {
    cache_type type_k, type_v;
    size_t head_dim_k, head_dim_v;
    float scale; /* of scores; not yet times log2(e) */
    float softcap;
    size_t n_rows; /* 1 .. ATTN_ROWS */
    const attn_row *rows;
    const void *next_keys; /* of the tile after the one that is given to tile(), or NULL */
    const void *next_values;
    /* Set by attn_block_init. */
    size_t n_lanes; /* n_rows, filled up with rows that see nothing if the block is wide */
    uint32_t low_max, high_min; /* what all rows see */
    attn_part part;             /* of the tiles since the last start */
    attn_part total;
    float *q_scale;  /* [n_lanes] */
    float *q_source; /* [head_dim_k], a query being rotated */
    void *q;         /* queries as the kernels want them */
    void *scores;
    void *weights;
    void *mixed;
    void *keys; /* a tile, widened */
    void *values;
    void *key_planes; /* a tile as matrix units want it */
    void *value_planes;
    void *limbs;
} attn_block;

static inline bool attn_is_wide(size_t n_rows)
{
    return n_rows > ATTN_NARROW;
}
static inline size_t attn_lanes(size_t n_rows)
{
    return attn_is_wide(n_rows) ? (n_rows + 15) / 16 * 16 : n_rows;
}
size_t attn_part_floats(size_t n_rows, size_t head_dim_v);
attn_part attn_part_at(float *base, size_t n_rows, size_t head_dim_v);

/* Scratch for blocks of up to n_rows rows, MEM_ALIGN-aligned. */
size_t attn_block_bytes(size_t n_rows, size_t head_dim_k, size_t head_dim_v);
/* After the caller has filled in everything up to `rows`. */
void attn_block_init(attn_block *b, void *scratch);

typedef struct attn_kernels {
    void (*store_key)(cache_type type, const float *k, size_t head_dim, size_t slot, void *keys);
    void (*store_value)(cache_type type, const float *v, size_t head_dim, size_t slot,
                        void *values);
    void (*begin)(attn_block *b); /* takes in the queries; total is that of no positions */
    void (*start)(attn_block *b); /* part is that of no positions */
    /* Adds the tile that begins at position `first` to part. */
    void (*tile)(attn_block *b, const void *keys, const void *values, uint32_t first);
    void (*fold)(attn_block *b); /* part after total to total */
    void (*end)(attn_block *b);  /* writes the rows' out */
} attn_kernels;

#endif
