/* SPDX-License-Identifier: MIT
 *
 * attention_amx.h - wide tiles on the matrix unit of AMX-INT8, for attention_template.h.
 *
 * A 16-bit integer is 256 times its upper byte, which has the sign, plus its lower byte. So a sum
 * of products of 16-bit integers is four of bytes, the two in the middle added in one place:
 *
 *   sum k q = 2^16 sum kh qh + 2^8 (sum kh ql + sum kl qh) + sum kl ql      exact, modulo 2^32
 *
 * The left matrix has rows of 64 bytes: positions of keys, or elements of values; the right one has
 * sixteen queries side by side, four bytes each of 16 lines. The cache's pairs become bytes by
 * twos: line i has the bytes of pairs i and i + 16, so that a shift and a mask are enough, on both
 * sides. The left side is turned (16 by 16) once for all rows of a block.
 */
#include "kernels/tiles_amx.h"

enum { PLANE = 16 * 64 };

/* Pairs x and y of 16 lanes to a line of lower bytes and one of upper bytes. */
ALWAYS_INLINE void store_planes(__m512i x, __m512i y, uint8_t *low, uint8_t *high)
{
    const __m512i mask = _mm512_set1_epi16(0xff);
    _mm512_store_si512(low, _mm512_or_si512(_mm512_and_si512(mask, x), _mm512_slli_epi16(y, 8)));
    _mm512_store_si512(high,
                       _mm512_or_si512(_mm512_srli_epi16(x, 8), _mm512_andnot_si512(mask, y)));
}

/* Lines of 16 pairs to planes of the right matrix: line i from lines i and i + 16. */
static void right_planes(const uint8_t *lines, size_t n_lines, uint8_t *planes)
{
    for (size_t i = 0; i < 16; i++) {
        __m512i zero = _mm512_setzero_si512();
        store_planes(i < n_lines ? _mm512_load_si512(lines + i * 64) : zero,
                     i + 16 < n_lines ? _mm512_load_si512(lines + (i + 16) * 64) : zero,
                     planes + i * 64, planes + PLANE + i * 64);
    }
}

/* Turns sixteen lines of sixteen pairs. */
ALWAYS_INLINE void turn(__m512i r[16])
{
    __m512i t[16];
    _Pragma("GCC unroll 8") for (int i = 0; i < 16; i += 2)
    {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < 16; i += 4)
    {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++)
    {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++)
    {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

ALWAYS_INLINE void load_turned(const uint8_t *lines, size_t step, size_t n_lines, __m512i r[16])
{
    _Pragma("GCC unroll 16") for (size_t i = 0; i < 16; i++) r[i] =
        i < n_lines ? _mm512_loadu_si512(lines + i * step) : _mm512_setzero_si512();
    turn(r);
}

/* Up to 32 lines of 16 pairs to planes of the left matrix, a row per lane. */
static void left_planes(const uint8_t *lines, size_t step, size_t n_lines, uint8_t *planes)
{
    __m512i x[16], y[16];
    if (n_lines >= 32) {
        load_turned(lines, step, 16, x);
        load_turned(lines + 16 * step, step, 16, y);
    } else {
        load_turned(lines, step, n_lines, x);
        load_turned(lines + 16 * step, step, n_lines > 16 ? n_lines - 16 : 0, y);
    }
    for (size_t i = 0; i < 16; i++)
        store_planes(x[i], y[i], planes + i * 64, planes + PLANE + i * 64);
}

static uint8_t *query_planes(const attn_block *b)
{
    return (uint8_t *)b->q + b->n_lanes * round_up(b->head_dim_k, 64) * sizeof(int16_t);
}

static void ready_queries(attn_block *b)
{
    size_t steps = key_steps(b), n = (steps + 31) / 32;
    uint8_t *planes = query_planes(b);
    if (b->type_k == CACHE_F32)
        return;
    for (size_t group = 0; group < b->n_lanes / 16; group++) {
        const uint8_t *q = (const uint8_t *)b->q + group * steps * 64;
        for (size_t i = 0; i < n; i++)
            right_planes(q + i * 32 * 64, steps - i * 32, planes + (group * n + i) * 2 * PLANE);
    }
}

/* ---- products of four bytes, on the unit ---- */

/* Tiles: 0 to 3 sums, 4 and 5 left planes, 6 and 7 right ones. Compilers do not know that tile
 * loads read memory: what was written before must be there. */
ALWAYS_INLINE void load_right(const uint8_t *planes)
{
    __asm__ volatile("" ::: "memory");
    _tile_loadd(6, planes, 64);
    _tile_loadd(7, planes + PLANE, 64);
}

/* Adds products to the sums, or begins them anew. The sums of block i - 1 go to `last`, if it is
 * not NULL, as late as they can: a product takes fifty cycles, and until then the unit should have
 * others to work on. Integers of 16 bits: 0 upper, 1 middle, 2 lower sums. */
ALWAYS_INLINE void add_half_products(const uint8_t *left, bool begin, int32_t *last)
{
    _tile_loadd(4, left, 64);
    _tile_loadd(5, left + PLANE, 64);
    if (last)
        _tile_stored(1, last + 256, 64);
    if (begin)
        _tile_zero(1);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbsud(1, 5, 6);
    if (last)
        _tile_stored(0, last, 64);
    if (begin)
        _tile_zero(0);
    _tile_dpbssd(0, 5, 7);
    if (last)
        _tile_stored(2, last + 512, 64);
    if (begin)
        _tile_zero(2);
    _tile_dpbuud(2, 4, 6);
}

/* Integers of 8 bits are the lower plane with its sign: 0, 1 middle, 2, 3 lower sums, by turns. */
ALWAYS_INLINE void add_byte_products(const uint8_t *left, bool begin, int32_t *last, size_t i)
{
    _tile_loadd(4, left, 64);
    if (i % 2 == 0) {
        if (begin) {
            _tile_zero(0);
            _tile_zero(2);
        }
        _tile_dpbssd(0, 4, 7);
        _tile_dpbsud(2, 4, 6);
        if (last) {
            _tile_stored(1, last + 256, 64);
            _tile_stored(3, last + 512, 64);
        }
        return;
    }
    if (begin) {
        _tile_zero(1);
        _tile_zero(3);
    }
    _tile_dpbssd(1, 4, 7);
    _tile_dpbsud(3, 4, 6);
    if (last) {
        _tile_stored(0, last + 256, 64);
        _tile_stored(2, last + 512, 64);
    }
}

ALWAYS_INLINE void add_products(const uint8_t *left, bool begin, int32_t *last, size_t i,
                                bool bytes)
{
    if (bytes)
        add_byte_products(left, begin, last, i);
    else
        add_half_products(left, begin, last);
}

/* The sums of block i, after the last. */
ALWAYS_INLINE void store_sums(int32_t *sums, size_t i, bool bytes)
{
    if (!bytes) {
        _tile_stored(1, sums + 256, 64);
        _tile_stored(0, sums, 64);
        _tile_stored(2, sums + 512, 64);
    } else if (i % 2 == 0) {
        _tile_stored(0, sums + 256, 64);
        _tile_stored(2, sums + 512, 64);
    } else {
        _tile_stored(1, sums + 256, 64);
        _tile_stored(3, sums + 512, 64);
    }
}

/* Line i of the sums. */
ALWAYS_INLINE vec load_sums(const int32_t *sums, size_t i, bool bytes)
{
    const int32_t *at = sums + 16 * i;
    __m512i x = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(at + 256), 8),
                                 _mm512_load_si512(at + 512));
    if (!bytes)
        x = _mm512_add_epi32(x, _mm512_slli_epi32(_mm512_load_si512(at), 16));
    return ivec_to_vec(x);
}

ALWAYS_INLINE vec load_half_sums(const void *sums, size_t i)
{
    return load_sums(sums, i, false);
}

ALWAYS_INLINE vec load_byte_sums(const void *sums, size_t i)
{
    return load_sums(sums, i, true);
}

/* ---- a pass over the rows ---- */

/* Where the unit leaves the sums of block i: a sixteen of keys, or sixteen elements of values. */
static int32_t *sums_of(const attn_block *b, size_t i)
{
    return (int32_t *)b->limbs + i % 2 * 768;
}

/* Starts on a sixteen of keys. */
ALWAYS_INLINE void multiply_keys(const attn_block *b, size_t group, size_t sixteen, bool bytes)
{
    size_t n = (key_steps(b) + 31) / 32;
    const uint8_t *q = query_planes(b) + group * n * 2 * PLANE;
    const uint8_t *keys = (const uint8_t *)b->key_planes + sixteen * n * 2 * PLANE;
    for (size_t i = 0; i < n; i++, q += 2 * PLANE, keys += 2 * PLANE) {
        if (n > 1 || sixteen == 0)
            load_right(q);
        if (i == 0)
            add_products(keys, true, sixteen > 0 ? sums_of(b, sixteen - 1) : NULL, sixteen, bytes);
        else
            add_products(keys, false, NULL, sixteen, bytes);
    }
}

ALWAYS_INLINE void scale_sixteen(const attn_block *b, const tile_view *t, size_t sixteen,
                                 bool bytes, float *s, vec top[4])
{
    scale_keys(t, sixteen, sums_of(b, sixteen), bytes ? load_byte_sums : load_half_sums, s, top);
}

/* Block i of values, 16 elements of sixteen rows. Where no maximum rose, f is 1 and left out. */
ALWAYS_INLINE void accumulate_block(const attn_block *b, size_t i, float *acc, vec f, vec u,
                                    bool rose, bool bytes)
{
    const int32_t *sums = sums_of(b, i);
    acc += i * 256;
    for (size_t j = 0; j < 16; j++, acc += 16)
        vec_store(acc, vec_fma(load_sums(sums, j, bytes), u,
                               rose ? vec_mul(vec_load(acc), f) : vec_load(acc)));
}

/* The next sixteen of rows that sees something of the tile, from `group` on. */
static size_t next_seen(const attn_block *b, const tile_view *t, size_t group)
{
    while (group < b->n_lanes / 16 && !sees(b, t, group))
        group++;
    return group;
}

/* Weights times values. */
ALWAYS_INLINE void mix_values(attn_block *b, size_t group, vec f, vec u, bool rose, bool bytes)
{
    size_t n = round_up(b->head_dim_v, 16) / 16;
    const uint8_t *values = b->value_planes;
    float *acc = b->part.acc + group * n * 256;
    load_right(b->mixed);
    for (size_t i = 0; i < n; i++) {
        add_products(values + i * 2 * PLANE, true, i > 0 ? sums_of(b, i - 1) : NULL, i, bytes);
        if (i > 0)
            accumulate_block(b, i - 1, acc, f, u, rose, bytes);
    }
    store_sums(sums_of(b, n - 1), n - 1, bytes);
    accumulate_block(b, n - 1, acc, f, u, rose, bytes);
}

/* All rows of the block. While the vectors make weights of some rows' scores, the unit multiplies
 * the next rows with the keys. */
ALWAYS_INLINE void walk_groups(attn_block *b, const tile_view *t, bool bytes_k, bool bytes_v)
{
    const size_t end = b->n_lanes / 16;
    const vec none = vec_set1(no_score);
    vec top[4] = {none, none, none, none};
    float *s = b->scores, *next_s = s + 16 * ATTN_TILE;
    size_t group = next_seen(b, t, 0), next;
    fetching ahead = next_tile(b);
    plan_fetching(t, &ahead, 8, end);
    for (size_t i = 0; i < 4; i++) {
        multiply_keys(b, group, i, bytes_k);
        if (i > 0)
            scale_sixteen(b, t, i - 1, bytes_k, s, top);
    }
    store_sums(sums_of(b, 3), 3, bytes_k);
    scale_sixteen(b, t, 3, bytes_k, s, top);
    for (; group < end; group = next) {
        weighing w;
        vec f, u;
        next = next_seen(b, t, group + 1);
        fetch_more(&ahead, 1);
        w.m = finish_scores(b, t, group, s, top, &w.scale);
        for (size_t i = 0; i < 4; i++)
            top[i] = none;
        for (size_t i = 0; i < 4; i++) {
            if (next < end)
                multiply_keys(b, next, i, bytes_k);
            weigh_quarter(&w, s, t->value_scales, i);
            if (next < end && i > 0)
                scale_sixteen(b, t, i - 1, bytes_k, next_s, top);
        }
        if (next < end)
            store_sums(sums_of(b, 3), 3, bytes_k);
        end_weighing(b, t, group, &w, s, b->weights, &f, &u);
        if (next < end)
            scale_sixteen(b, t, 3, bytes_k, next_s, top);
        right_planes(b->weights, ATTN_TILE / 2, b->mixed);
        if (_mm512_cmp_ps_mask(f, vec_set1(1.0f), _CMP_NEQ_UQ))
            mix_values(b, group, f, u, true, bytes_v);
        else
            mix_values(b, group, f, u, false, bytes_v);
        float *swap = s;
        s = next_s;
        next_s = swap;
    }
}

static void ready_tile(attn_block *b, const tile_view *t)
{
    size_t steps = key_steps(b), n = (steps + 31) / 32, width = round_up(b->head_dim_v, 16);
    uint8_t *k = b->key_planes, *v = b->value_planes;
    for (size_t sixteen = 0; sixteen < 4; sixteen++) {
        for (size_t i = 0; i < n; i++)
            left_planes(t->keys + (sixteen * steps + i * 32) * 64, 64, steps - i * 32,
                        k + (sixteen * n + i) * 2 * PLANE);
    }
    for (size_t i = 0; i < width / 16; i++)
        left_planes(t->values + i * 64, width * 4, 32, v + i * 2 * PLANE);
}

static void wide_tile(attn_block *b, const tile_view *t)
{
    if (t->key_scales == NULL || t->value_scales == NULL) {
        for (size_t group = next_seen(b, t, 0); group < b->n_lanes / 16;
             group = next_seen(b, t, group + 1))
            wide_groups(b, t, group, 1);
        return;
    }
    if (next_seen(b, t, 0) == b->n_lanes / 16)
        return;
    ready_tile(b, t);
    open_tiles();
    bool bytes_k = b->type_k == CACHE_Q8_0, bytes_v = b->type_v == CACHE_Q8_0;
    if (bytes_k && bytes_v)
        walk_groups(b, t, true, true);
    else if (bytes_k)
        walk_groups(b, t, true, false);
    else if (bytes_v)
        walk_groups(b, t, false, true);
    else
        walk_groups(b, t, false, false);
    _tile_release();
}
