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
 *            Sums with minimums take vpdpwssd.
 *
 * The vector unit finishes the outputs of one super-block between the tile products of the next.
 */
#include "kernels/panel_avx512.h"
#include "kernels/tables.h"

/* ---- tile registers ---- */

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;
_Static_assert(sizeof(tile_config) == 64, "as LDTILECFG reads it");

/* 0-3 sums, 4-5 weights, 6-7 activations; n bytes of k in a product. Compilers do not know that
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
    int32_t m[GROUP_ROWS][8]; /* pairs of int16 */
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
    if (has_minimum(f->type))
        _mm256_store_si256((__m256i *)(void *)out->m[r], pair_minimums(f, v.m));
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

/* The sums of a super-block of a group of rows with n tiles, and what makes outputs of them. */
typedef struct sums_k {
    const group_k *w;
    float (*y)[GROUP_ROWS][TILE_COLUMNS];
    const float *da[2];
    const uint8_t *minimums[2];
    int32_t (*low)[GROUP_ROWS][TILE_COLUMNS]; /* of each tile; high parts follow low ones */
} sums_k;

enum { SUM_TILES = 4 };

/* Rows r to r + 3. */
ALWAYS_INLINE void finish_rows_k(const format_k *f, const sums_k *s, int r, int n)
{
    const group_k *w = s->w;
    for (int i = r; i < r + 4; i++) {
        for (int c = 0; c < n; c++) {
            const __m512 da = _mm512_load_ps(s->da[c]);
            const __m512 d = _mm512_mul_ps(_mm512_set1_ps(w->d[i]), da);
            __m512i total = load_512(s->low[c][i]);
            if (w->has_high)
                total = _mm512_add_epi32(total, _mm512_slli_epi32(load_512(s->low[2 + c][i]), 8));
            __m512 y = _mm512_load_ps(s->y[c][i]);
            y = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(total), y);
            if (has_minimum(f->type)) {
                __m512i m = _mm512_setzero_si512();
                for (int j = 0; j < n_minimum_lines(f); j++)
                    m = _mm512_dpwssd_epi32(m, load_512(s->minimums[c] + LINE * j),
                                            _mm512_set1_epi32(w->m[i][j]));
                const __m512 dmin = _mm512_mul_ps(_mm512_set1_ps(w->dmin[i]), da);
                y = _mm512_fmadd_ps(dmin, _mm512_cvtepi32_ps(m), y);
            }
            _mm512_store_ps(s->y[c][i], y);
        }
    }
}

/* 64 elements of k. */
ALWAYS_INLINE void multiply_tile_k(const group_k *w, int j, const uint8_t *const *q, int n)
{
    _tile_loadd(4, w->low[j], LINE);
    _tile_loadd(6, q[0] + 1024 * j, LINE);
    _tile_dpbssd(0, 4, 6);
    if (n == 2) {
        _tile_loadd(7, q[1] + 1024 * j, LINE);
        _tile_dpbssd(1, 4, 7);
    }
    if (w->has_high) {
        _tile_loadd(5, w->high[j], LINE);
        _tile_dpbssd(2, 5, 6);
        if (n == 2)
            _tile_dpbssd(3, 5, 7);
    }
}

/* Starts `next`, and finishes `last`, if there is one, meanwhile. */
ALWAYS_INLINE void step_k(const format_k *f, const sums_k *next, const uint8_t *const *q,
                          const sums_k *last, int n)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int j = 0; j < 4; j++) {
        multiply_tile_k(next->w, j, q, n);
        if (last)
            finish_rows_k(f, last, 4 * j, n);
    }
    _tile_stored(0, next->low[0], LINE);
    if (n == 2)
        _tile_stored(1, next->low[1], LINE);
    if (next->w->has_high) {
        _tile_stored(2, next->low[2], LINE);
        if (n == 2)
            _tile_stored(3, next->low[3], LINE);
    }
}

/* n tiles from number t of the slab on. */
ALWAYS_INLINE void multiply_tiles_k(const panel_part *part, const format_k *f, size_t t, int n)
{
    const panel_job *job = part->job;
    const size_t n_blocks = part->n_k / 256, tile_bytes = act_tile_bytes(ACT_Q256, job->k);
    const uint8_t *tiles = job->tiles + (part->first_tile + t) * tile_bytes;
    _Alignas(64) int32_t buffer[2][SUM_TILES][GROUP_ROWS][TILE_COLUMNS];
    sums_k sums[2];
    tile_part parts[2];
    size_t step = 0;
    for (int c = 0; c < n; c++)
        parts[c] = tile_at(tiles + (size_t)c * tile_bytes, ACT_Q256, job->k, part->k0);
    for (size_t i = 0; i < n_blocks; i++) {
        for (size_t g = 0; g < part->n_groups; g++, step++) {
            sums_k *next = &sums[step % 2];
            const uint8_t *q[2];
            next->w = (const group_k *)(const void *)part->panel + g * n_blocks + i;
            next->y = &part->y[g][t];
            next->low = buffer[step % 2];
            for (int c = 0; c < n; c++) {
                q[c] = parts[c].q + LINE * 64 * i;
                next->da[c] = parts[c].d + 16 * i;
                next->minimums[c] = minimum_lines(f, &parts[c], i);
            }
            step_k(f, next, q, step > 0 ? &sums[(step - 1) % 2] : NULL, n);
        }
    }
    for (int r = 0; r < GROUP_ROWS; r += 4)
        finish_rows_k(f, &sums[(step - 1) % 2], r, n);
}

ALWAYS_INLINE void multiply_k(const panel_part *part, const format_k *f)
{
    static const tile_config config = CONFIGURE(64);
    size_t t = 0;
    _tile_loadconfig(&config);
    for (; t + 2 <= part->n_tiles; t += 2)
        multiply_tiles_k(part, f, t, 2);
    if (t < part->n_tiles)
        multiply_tiles_k(part, f, t, 1);
    _tile_release();
}

/* One function for each kind of minimums. */
#define DEFINE_MULTIPLY_K(name, like, n)                                                           \
    static void multiply_##name(const panel_part *part)                                            \
    {                                                                                              \
        const format_k f = {.type = like, .group = n};                                             \
        multiply_k(part, &f);                                                                      \
    }
DEFINE_MULTIPLY_K(k_plain, WTYPE_Q6_K, 16)
DEFINE_MULTIPLY_K(minimum_16, WTYPE_Q2_K, 16)
DEFINE_MULTIPLY_K(minimum_32, WTYPE_Q4_K, 32)

ALWAYS_INLINE panel_step *multiply_for_k(const format_k *f)
{
    if (has_minimum(f->type))
        return f->group == 16 ? multiply_minimum_16 : multiply_minimum_32;
    return multiply_k_plain;
}

#define PANEL_TABLE panel_kernels_amx
#include "kernels/panel_table_avx512.h"
