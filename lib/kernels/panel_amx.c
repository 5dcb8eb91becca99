/* SPDX-License-Identifier: MIT
 *
 * panel_amx.c - panels for processors with AMX-INT8 beside AVX-512 VNNI.
 *
 * A tile product takes 16 rows of 64 weights by 64 elements of 16 columns (panel.h lays them out)
 * to 16 x 16 int32.
 *
 *   class K  Scaling each group's products would leave the tile unit idle, so the integer scale is
 *            folded into the weight: v = s * q fits 16 bits, v = 256 * high + low with both in
 *            int8 (low is v's low byte, signed; high is (v + 128) >> 8). Then
 *              sum v * a = 256 * sum high * a + sum low * a
 *            over a whole super-block: two chains of four tile products, all exact in int32 (below
 *            2^30, block.h), then one conversion and one fma per output. Where no weight of a
 *            group of rows has a high part, as in the formats of 2 bits, its products are left out.
 *            Minimums times sums of activations are one more product, of bf16: both have few enough
 *            bits that every sum in it is an exact integer (docs/decisions/panels.md).
 *   class B  one product for every 32 (NVFP4: 16) weights, conversion and fma for each; the outputs
 *            of 16 rows and columns stay in registers.
 *   class F  panel_f_avx512.h
 *
 * The vector unit finishes the outputs of one super-block between the tile products of the next.
 */
#include "kernels/panel_f_avx512.h"
#include "kernels/tiles_amx.h"

/* ---- tile registers ---- */

/* 4-5 weights, 6-7 activations, others sums; n bytes of k in a product. Compilers do not know that
 * tile loads read memory: what was written before must be there. */
#define CONFIGURE(n)                                                                               \
    {                                                                                              \
        .palette = 1, .row_bytes = {64, 64, 64, 64, n, n, 64, 64}, .rows = {                       \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            16,                                                                                    \
            n / 4,                                                                                 \
            n / 4                                                                                  \
        }                                                                                          \
    }
#define SETTLE_MEMORY() __asm__ volatile("" ::: "memory")

/* ---- class K ---- */

/* A super-block of a group of rows. */
typedef struct group_k {
    int8_t low[4][GROUP_ROWS][64], high[4][GROUP_ROWS][64];
    uint32_t m[GROUP_ROWS][16]; /* pairs of bf16 */
    float d[GROUP_ROWS], dmin[GROUP_ROWS];
    int has_high;
    char pad[60];
} group_k;

enum { DEPTH_K = PANEL_DEPTH / 256 };
_Static_assert(sizeof(group_k) % 64 == 0 &&
                   Y_BYTES + sizeof(group_k) * PANEL_GROUPS * DEPTH_K <= PANEL_SCRATCH_BYTES,
               "the panel fits the scratch");

/* The scales of weights 64 part and on, as int16 for every two of them. */
static inline __m512i scales_of_pairs(__m256i s, int part)
{
    const __m512i places =
        _mm512_add_epi16(lanes_epi16(0, 1, 2, 3), _mm512_set1_epi16((short)(4 * part)));
    return _mm512_permutexvar_epi16(places, _mm512_castsi256_si512(s));
}

/* 64 quants times their scales, as the two parts of 16 bits. */
ALWAYS_INLINE void fold(__m512i q, int offset, __m512i s, __m512i *low, __m512i *high)
{
    const __m512i minus = _mm512_set1_epi16((short)offset), half = _mm512_set1_epi16(128);
    const __mmask64 odd_bytes = 0xaaaaaaaaaaaaaaaa;
    __m512i even = _mm512_and_si512(q, _mm512_set1_epi16(255)), odd = _mm512_srli_epi16(q, 8);
    even = _mm512_mullo_epi16(_mm512_sub_epi16(even, minus), s);
    odd = _mm512_mullo_epi16(_mm512_sub_epi16(odd, minus), s);
    *low = _mm512_mask_blend_epi8(odd_bytes, even, _mm512_slli_epi16(odd, 8));
    *high = _mm512_mask_blend_epi8(odd_bytes, _mm512_srli_epi16(_mm512_add_epi16(even, half), 8),
                                   _mm512_add_epi16(odd, half));
}

/* Two integers of at most eight bits each, times any power of two, as a pair of bf16. */
static inline __m512i pair_bf16(__m512i first, __m512i second)
{
    const __m512i a = _mm512_castps_si512(_mm512_cvtepi32_ps(first));
    const __m512i b = _mm512_castps_si512(_mm512_cvtepi32_ps(second));
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(a, 16), b);
}

ALWAYS_INLINE void unpack_row_k(const format_k *f, const uint8_t *block, group_k *out, int r,
                                __m512i *any_high)
{
    k_vectors v;
    f->load(block, &v);
    for (int j = 0; j < 4; j++) {
        __m512i low, high;
        fold(v.q[j], f->offset, scales_of_pairs(v.s, j), &low, &high);
        _mm512_store_si512(out->low[j][r], low);
        _mm512_store_si512(out->high[j][r], high);
        *any_high = _mm512_or_si512(*any_high, high);
    }
    if (has_minimum(f->type)) {
        const __m512i m = _mm512_cvtepi16_epi32(v.m);
        _mm512_store_si512(out->m[r], pair_bf16(_mm512_slli_epi32(m, 6), m));
    }
}

ALWAYS_INLINE void unpack_k(const panel_part *part, const format_k *f)
{
    group_k *out = (group_k *)(void *)part->panel;
    const size_t first = part->k0 / 256, n = part->n_k / 256;
    for (size_t g = 0; g < part->n_groups; g++) {
        const uint8_t *w[GROUP_ROWS];
        point_at_group(part->job, g, w);
        for (size_t i = first; i < first + n; i++, out++) {
            __m512i any_high = _mm512_setzero_si512();
            for (int r = 0; r < GROUP_ROWS; r++)
                unpack_row_k(f, w[r] + i * f->bytes, out, r, &any_high);
            out->has_high = _mm512_test_epi32_mask(any_high, any_high) != 0;
            _mm512_store_ps(out->d, scales_k(f, w, i));
            if (has_minimum(f->type))
                _mm512_store_ps(out->dmin, minimums_k(f, w, i));
        }
    }
    SETTLE_MEMORY();
}

/* What a step leaves behind for n tiles: low parts, high parts, minimums (float). */
typedef int32_t sum_tile[GROUP_ROWS][TILE_COLUMNS];
typedef struct sums_k {
    sum_tile low[2], high[2], minimum[2];
} sums_k;

/* A super-block of a group of rows with n tiles. */
typedef struct step_k {
    const group_k *w;
    float (*y)[GROUP_ROWS][TILE_COLUMNS];
    const uint8_t *q[2], *minimums[2];
    const float *da[2];
} step_k;

/* Makes outputs of the sums of four rows. */
ALWAYS_INLINE void finish_rows_k(const step_k *s, const sums_k *from, int r, int n, bool has_high,
                                 bool minimum)
{
    const float *d = s->w->d + r, *dmin = s->w->dmin + r;
    const int32_t *sums = from->low[0][r];
    float *out = s->y[0][r];
    __m512 da[2];
    for (int c = 0; c < n; c++)
        da[c] = _mm512_load_ps(s->da[c]);
#pragma GCC unroll 1
    for (const float *end = d + 4; d < end;
         d++, dmin++, sums += TILE_COLUMNS, out += TILE_COLUMNS) {
        for (int c = 0; c < n; c++) {
            enum { TILE = GROUP_ROWS * TILE_COLUMNS };
            __m512i total = load_512(sums + c * TILE);
            if (has_high)
                total =
                    _mm512_add_epi32(total, _mm512_slli_epi32(load_512(sums + (2 + c) * TILE), 8));
            __m512 y = _mm512_load_ps(out + c * TILE);
            y = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_set1_ps(*d), da[c]), _mm512_cvtepi32_ps(total),
                                y);
            if (minimum)
                y = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_set1_ps(*dmin), da[c]),
                                    _mm512_load_ps((const float *)sums + (4 + c) * TILE), y);
            _mm512_store_ps(out + c * TILE, y);
        }
    }
}

ALWAYS_INLINE void finish_some_k(const step_k *s, const sums_k *sums, int j, int n, bool minimum)
{
    if (s->w->has_high)
        finish_rows_k(s, sums, 4 * j, n, true, minimum);
    else
        finish_rows_k(s, sums, 4 * j, n, false, minimum);
}

/* Tiles: 0, 1 low sums, 2, 3 high ones, 4 weights, 5 minimums, 6, 7 activations. A sum is stored
 * just before its tile begins the next one: by then its last product is done, and the unit goes on
 * multiplying meanwhile. */
/* 64 elements of k. Tiles: 0, 1 low sums, 2, 3 high ones, 4 weights, 6, 7 activations. A sum of
 * the last step is taken out just before its tile begins the next one: its last product is done by
 * then, and the unit goes on multiplying meanwhile. */
ALWAYS_INLINE void multiply_tile_k(const step_k *s, int j, int n, bool has_high, const step_k *last,
                                   sums_k *sums)
{
    const bool store = j == 0 && last, store_high = store && last->w->has_high;
    _tile_loadd(4, s->w->low[j], LINE);
    _tile_loadd(6, s->q[0] + 1024 * j, LINE);
    if (store)
        _tile_stored(0, sums->low[0], LINE);
    if (j == 0)
        _tile_zero(0);
    _tile_dpbssd(0, 4, 6);
    if (n == 2) {
        _tile_loadd(7, s->q[1] + 1024 * j, LINE);
        if (store)
            _tile_stored(1, sums->low[1], LINE);
        if (j == 0)
            _tile_zero(1);
        _tile_dpbssd(1, 4, 7);
    }
    if (has_high)
        _tile_loadd(4, s->w->high[j], LINE);
    if (store_high)
        _tile_stored(2, sums->high[0], LINE);
    if (has_high) {
        if (j == 0)
            _tile_zero(2);
        _tile_dpbssd(2, 4, 6);
    }
    if (n == 2 && store_high)
        _tile_stored(3, sums->high[1], LINE);
    if (n == 2 && has_high) {
        if (j == 0)
            _tile_zero(3);
        _tile_dpbssd(3, 4, 7);
    }
}

/* To tile 5. */
ALWAYS_INLINE void multiply_minimum_k(const step_k *s, int c)
{
    _tile_loadd(4, s->w->m, LINE);
    _tile_loadd(6, s->minimums[c], LINE);
    _tile_zero(5);
    _tile_dpbf16ps(5, 4, 6);
}

/* Starts `next`, and finishes `last`, if there is one, meanwhile. */
ALWAYS_INLINE void run_step_k(const step_k *next, const step_k *last, sums_k *sums, int n,
                              bool has_high, bool minimum)
{
    for (int j = 0; j < 4; j++) {
        multiply_tile_k(next, j, n, has_high, last, sums);
        if (j == 0 && last && minimum)
            _tile_stored(5, sums->minimum[n - 1], LINE);
        if (j == 1 && minimum)
            multiply_minimum_k(next, 0);
        if (last)
            finish_some_k(last, sums, j, n, minimum);
    }
    if (minimum && n == 2) {
        _tile_stored(5, sums->minimum[0], LINE);
        multiply_minimum_k(next, 1);
    }
}

/* Takes the sums of the last step out of the tiles. */
ALWAYS_INLINE void end_steps_k(const step_k *last, sums_k *sums, int n, bool minimum)
{
    _tile_stored(0, sums->low[0], LINE);
    _tile_stored(1, sums->low[1], LINE);
    _tile_stored(2, sums->high[0], LINE);
    _tile_stored(3, sums->high[1], LINE);
    if (minimum)
        _tile_stored(5, sums->minimum[n - 1], LINE);
    for (int j = 0; j < 4; j++)
        finish_some_k(last, sums, j, n, minimum);
}

/* Super-block i of group g with the n tiles from `at` on. */
ALWAYS_INLINE void set_step_k(const panel_part *part, size_t i, size_t g, size_t at, int n,
                              step_k *out)
{
    const panel_job *job = part->job;
    const size_t tile_bytes = act_tile_bytes(ACT_Q256, job->k);
    const uint8_t *tile = job->tiles + (part->first_tile + at) * tile_bytes;
    out->w = (const group_k *)(const void *)part->panel + g * (part->n_k / 256) + i;
    out->y = &part->y[g][at];
    for (int c = 0; c < n; c++, tile += tile_bytes) {
        const tile_part a = tile_at(tile, ACT_Q256, job->k, part->k0 + 256 * i);
        out->q[c] = a.q;
        out->da[c] = a.d;
        out->minimums[c] = a.more;
    }
}

/* Tiles [t, end) of the slab, n at a time. A super-block of two groups of rows stays in the
 * first-level cache while the tiles pass. */
ALWAYS_INLINE void multiply_tiles_k(const panel_part *part, bool minimum, size_t t, size_t end,
                                    int n)
{
    enum { GROUPS_AT_ONCE = 2 };
    const size_t n_blocks = part->n_k / 256;
    _Alignas(64) sums_k sums;
    step_k steps[2];
    const step_k *last = NULL;
    size_t n_steps = 0;
    for (size_t i = 0; i < n_blocks; i++) {
        for (size_t first = 0; first < part->n_groups; first += GROUPS_AT_ONCE) {
            const size_t left = part->n_groups - first;
            const size_t groups_end = first + (left < GROUPS_AT_ONCE ? left : GROUPS_AT_ONCE);
            for (size_t at = t; at < end; at += (size_t)n) {
                for (size_t g = first; g < groups_end; g++) {
                    step_k *next = &steps[n_steps++ % 2];
                    set_step_k(part, i, g, at, n, next);
                    if (next->w->has_high)
                        run_step_k(next, last, &sums, n, true, minimum);
                    else
                        run_step_k(next, last, &sums, n, false, minimum);
                    last = next;
                }
            }
        }
    }
    if (last)
        end_steps_k(last, &sums, n, minimum);
}

ALWAYS_INLINE void multiply_k(const panel_part *part, bool minimum)
{
    static const tile_config config = CONFIGURE(64);
    const size_t pairs = part->n_tiles / 2 * 2;
    _tile_loadconfig(&config);
    multiply_tiles_k(part, minimum, 0, pairs, 2);
    multiply_tiles_k(part, minimum, pairs, part->n_tiles, 1);
    _tile_release();
}

static void multiply_k_plain(const panel_part *part)
{
    multiply_k(part, false);
}

static void multiply_k_minimum(const panel_part *part)
{
    multiply_k(part, true);
}

ALWAYS_INLINE panel_step *multiply_for_k(const format_k *f)
{
    return has_minimum(f->type) ? multiply_k_minimum : multiply_k_plain;
}

/* ---- class B ---- */

ALWAYS_INLINE void unpack_b(const panel_part *part, const format_b *f)
{
    unpack_groups_b(part, f, f->offset);
    SETTLE_MEMORY();
}

enum { PARTS_AT_ONCE = 4 };

/* Adds part i of the 64 weights in w, number p of the tile's, to the chains of a group. */
ALWAYS_INLINE void finish_part_b(const format_b *f, const group_b *w, int i, const tile_part *a,
                                 size_t p, int elements, const sum_tile *sums, __m512 *y)
{
    const size_t block = p * (size_t)elements / 32;
    const __m512 da = _mm512_load_ps(a->d + 16 * block);
#pragma GCC unroll 16
    for (int r = 0; r < GROUP_ROWS; r++)
        y[r] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_set1_ps(w->d[i][r]), da),
                               _mm512_cvtepi32_ps(load_512((*sums)[r])), y[r]);
    if (has_minimum(f->type)) {
        const __m512 sum = _mm512_mul_ps(da, _mm512_cvtepi32_ps(sums_of_32(a, block)));
#pragma GCC unroll 16
        for (int r = 0; r < GROUP_ROWS; r++)
            y[r] = _mm512_fmadd_ps(_mm512_set1_ps(w->m[i][r]), sum, y[r]);
    }
}

/* A group of rows with one tile. A sum is taken out just before its tile begins the next one, and
 * finished while others are multiplied. */
ALWAYS_INLINE void multiply_group_b(const panel_part *part, const format_b *f, size_t g, size_t t,
                                    const tile_part *a)
{
    const int elements = has_scale_per_16(f->type) ? 16 : 32, per_group = 64 / elements;
    const size_t n = part->n_k / (size_t)elements, whole = n / PARTS_AT_ONCE * PARTS_AT_ONCE;
    const group_b *w = (const group_b *)(const void *)part->panel + g * ((part->n_k + 63) / 64);
    _Alignas(64) sum_tile sums[PARTS_AT_ONCE];
    __m512 y[GROUP_ROWS];
#define START(i, weights, columns)                                                                 \
    _tile_loadd(weights, at[i / per_group].q[0] + elements * (i % per_group), LINE);               \
    _tile_loadd(columns, q + LINE * (elements / 4) * i, LINE);                                     \
    _tile_zero(i);                                                                                 \
    _tile_dpbssd(i, weights, columns)
#define TAKE(i) _tile_stored(i, sums[i], LINE)
#define FINISH(i)                                                                                  \
    finish_part_b(f, &last[i / per_group], i % per_group, a, p - PARTS_AT_ONCE + i, elements,      \
                  &sums[i], y)
    const group_b *at = w, *last = w;
    const uint8_t *q = a->q;
    size_t p = 0;
    for (int r = 0; r < GROUP_ROWS; r++)
        y[r] = _mm512_load_ps(part->y[g][t][r]);
    if (whole > 0) {
        START(0, 4, 6);
        START(1, 5, 7);
        START(2, 4, 6);
        START(3, 5, 7);
        for (p = PARTS_AT_ONCE; p < whole; p += PARTS_AT_ONCE) {
            last = at;
            at += PARTS_AT_ONCE / per_group;
            q += LINE * (size_t)(elements / 4) * PARTS_AT_ONCE;
            TAKE(0);
            START(0, 4, 6);
            TAKE(1);
            START(1, 5, 7);
            FINISH(0);
            FINISH(1);
            TAKE(2);
            START(2, 4, 6);
            TAKE(3);
            START(3, 5, 7);
            FINISH(2);
            FINISH(3);
        }
        last = at;
        TAKE(0);
        TAKE(1);
        TAKE(2);
        TAKE(3);
        FINISH(0);
        FINISH(1);
        FINISH(2);
        FINISH(3);
    }
#undef FINISH
#undef TAKE
#undef START
    for (; p < n; p++) {
        /* Parts of one group: the second of them is half way into it. */
        const int i = (int)(p % (size_t)per_group);
        at = &w[p / (size_t)per_group];
        _tile_zero(0);
        _tile_loadd(4, at->q[0] + elements * i, LINE);
        _tile_loadd(6, a->q + LINE * (size_t)(elements / 4) * p, LINE);
        _tile_dpbssd(0, 4, 6);
        _tile_stored(0, sums[0], LINE);
        finish_part_b(f, at, i, a, p, elements, sums, y);
    }
    for (int r = 0; r < GROUP_ROWS; r++)
        _mm512_store_ps(part->y[g][t][r], y[r]);
}

ALWAYS_INLINE void multiply_b(const panel_part *part, const format_b *f, const tile_config *config)
{
    const panel_job *job = part->job;
    const size_t tile_bytes = act_tile_bytes(ACT_Q32, job->k);
    _tile_loadconfig(config);
    for (size_t t = 0; t < part->n_tiles; t++) {
        const tile_part a =
            tile_at(job->tiles + (part->first_tile + t) * tile_bytes, ACT_Q32, job->k, part->k0);
        for (size_t g = 0; g < part->n_groups; g++)
            multiply_group_b(part, f, g, t, &a);
    }
    _tile_release();
}

#define DEFINE_MULTIPLY_B(name, like, elements)                                                    \
    static void multiply_b_##name(const panel_part *part)                                          \
    {                                                                                              \
        static const tile_config config = CONFIGURE(elements);                                     \
        const format_b f = {.type = like};                                                         \
        multiply_b(part, &f, &config);                                                             \
    }
DEFINE_MULTIPLY_B(plain, WTYPE_Q4_0, 32)
DEFINE_MULTIPLY_B(minimum, WTYPE_Q4_1, 32)
DEFINE_MULTIPLY_B(16, WTYPE_NVFP4, 16)

ALWAYS_INLINE panel_step *multiply_for_b(const format_b *f)
{
    if (has_scale_per_16(f->type))
        return multiply_b_16;
    return has_minimum(f->type) ? multiply_b_minimum : multiply_b_plain;
}

/* ---- tiles ---- */

/* As pack_quants, and what minimums are multiplied with: sum = 64 * high + low, as bf16. */
static void pack_Q256_amx(const void *const *rows, size_t n, size_t k, void *tile)
{
    pack_quants(rows, n, k, tile, ACT_Q256);
    const tile_part part = tile_at(tile, ACT_Q256, k, 0);
    uint8_t *more = (uint8_t *)tile + (part.more - (const uint8_t *)tile);
    for (size_t j = 0; j < k / 32; j++) {
        const __m512i pair = load_512(part.sums + LINE * j), six = _mm512_set1_epi32(63);
        const __m512i even = _mm512_srai_epi32(_mm512_slli_epi32(pair, 16), 16);
        const __m512i odd = _mm512_srai_epi32(pair, 16);
        _mm512_store_si512(more + LINE * 2 * j,
                           pair_bf16(_mm512_srai_epi32(even, 6), _mm512_and_si512(even, six)));
        _mm512_store_si512(more + LINE * (2 * j + 1),
                           pair_bf16(_mm512_srai_epi32(odd, 6), _mm512_and_si512(odd, six)));
    }
}

#define PANEL_MIN_COLUMNS_B 10
#define PANEL_MIN_COLUMNS_K 13
#define PACK_Q256 pack_Q256_amx
#define PANEL_TABLE panel_kernels_amx
#include "kernels/panel_table_avx512.h"
