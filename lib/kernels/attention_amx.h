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
#include <immintrin.h>

enum { PLANE = 16 * 64 };

typedef struct tile_config {
    uint8_t palette, start_row;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

_Static_assert(sizeof(tile_config) == 64, "as LDTILECFG reads it");

static void open_tiles(void)
{
    tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = 16;
    }
    _tile_loadconfig(&c);
}

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

/* Tiles: 0 to 2 sums, upper first; 4 and 5 left planes, 6 and 7 right ones. Each sum is stored as
 * late as it can be, for a product takes fifty cycles. */
ALWAYS_INLINE void load_right(const uint8_t *planes)
{
    _tile_loadd(6, planes, 64);
    _tile_loadd(7, planes + PLANE, 64);
}

ALWAYS_INLINE void zero_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
}

ALWAYS_INLINE void add_products(const uint8_t *left, bool bytes)
{
    _tile_loadd(4, left, 64);
    if (bytes) { /* integers of 8 bits are the lower plane with its sign */
        _tile_dpbssd(1, 4, 7);
        _tile_dpbsud(2, 4, 6);
        return;
    }
    _tile_loadd(5, left + PLANE, 64);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbssd(0, 5, 7);
    _tile_dpbuud(2, 4, 6);
    _tile_dpbsud(1, 5, 6);
}

ALWAYS_INLINE void store_sums(int32_t *sums, bool bytes)
{
    if (!bytes)
        _tile_stored(0, sums, 64);
    _tile_stored(2, sums + 512, 64);
    _tile_stored(1, sums + 256, 64);
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

/* Where the unit leaves the sums of block i; the vectors take up those of i - SUMS_LAG meanwhile.
 */
enum { SUMS_LAG = 2, SUMS_SLOTS = 4 };

static int32_t *sums_of(const attn_block *b, size_t i)
{
    return (int32_t *)b->limbs + i % SUMS_SLOTS * 768;
}

ALWAYS_INLINE void score_keys(attn_block *b, const tile_view *t, size_t group, bool bytes,
                              vec top[4])
{
    size_t n = (key_steps(b) + 31) / 32;
    const uint8_t *q = query_planes(b) + group * n * 2 * PLANE;
    if (n == 1)
        load_right(q);
    for (size_t sixteen = 0; sixteen < 4 + SUMS_LAG; sixteen++) {
        if (sixteen < 4) {
            zero_sums();
            for (size_t i = 0; i < n; i++) {
                if (n > 1)
                    load_right(q + i * 2 * PLANE);
                add_products((const uint8_t *)b->key_planes + (sixteen * n + i) * 2 * PLANE, bytes);
            }
            store_sums(sums_of(b, sixteen), bytes);
        }
        if (sixteen >= SUMS_LAG)
            scale_keys(t, sixteen - SUMS_LAG, sums_of(b, sixteen - SUMS_LAG),
                       bytes ? load_byte_sums : load_half_sums, b->scores, top);
    }
}

ALWAYS_INLINE void mix_values(attn_block *b, size_t group, vec f, vec u, bool bytes)
{
    size_t n = round_up(b->head_dim_v, 16) / 16;
    float *acc = b->part.acc + group * n * 256;
    load_right(b->mixed);
    for (size_t i = 0; i < n + SUMS_LAG; i++) {
        if (i < n) {
            zero_sums();
            add_products((const uint8_t *)b->value_planes + i * 2 * PLANE, bytes);
            store_sums(sums_of(b, i), bytes);
        }
        for (size_t j = 0; j < 16 && i >= SUMS_LAG; j++, acc += 16)
            vec_store(acc, vec_fma(load_sums(sums_of(b, i - SUMS_LAG), j, bytes), u,
                                   vec_mul(vec_load(acc), f)));
    }
}

static void walk_group(attn_block *b, const tile_view *t, size_t group)
{
    vec f, u, scale, none = vec_set1(no_score), top[4] = {none, none, none, none};
    if (b->type_k == CACHE_Q8_0)
        score_keys(b, t, group, true, top);
    else
        score_keys(b, t, group, false, top);
    vec m = finish_scores(b, t, group, b->scores, top, &scale);
    weigh_group(b, t, group, m, scale, b->scores, b->weights, &f, &u);
    right_planes(b->weights, ATTN_TILE / 2, b->mixed);
    if (b->type_v == CACHE_Q8_0)
        mix_values(b, group, f, u, true);
    else
        mix_values(b, group, f, u, false);
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
    bool ints = t->key_scales && t->value_scales;
    if (ints) {
        ready_tile(b, t);
        open_tiles();
    }
    for (size_t group = 0; group < b->n_lanes / 16; group++) {
        if (!sees(b, t, group))
            continue;
        if (ints)
            walk_group(b, t, group);
        else
            wide_groups(b, t, group, 1);
    }
    if (ints)
        _tile_release();
}
