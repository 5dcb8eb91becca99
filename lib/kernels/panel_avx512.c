/* SPDX-License-Identifier: MIT
 *
 * panel_avx512.c - panels for AVX-512 with VNNI.
 *
 * Lanes are columns. Four quants of a row, broadcast, meet four activations of 16 columns in one
 * vpdpbusd; a step holds ROWS rows by up to COLUMN_TILES tiles of outputs in registers, so that
 * twelve independent sums hide its latency and a broadcast or load is shared by three or four.
 * Quants are unsigned with the format's offset added, which the sums of activations take back: each
 * group of products starts at -offset * sum.
 *
 *   class K  the products of a group times its integer scale (vpmulld) are added up over the
 *            super-block; then one conversion and one fma per output, two with minimums
 *   class B  conversion and fma for every 32 (NVFP4: 16) weights
 */
#include "kernels/panel_f_avx512.h"

enum { ROWS = 4, COLUMN_TILES = 3 };

ALWAYS_INLINE __m512i broadcast_four(const uint8_t *q)
{
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_set1_epi32(four);
}

/* ---- class K ---- */

/* The minimums of one row as pairs of int16, that sums of 16 or 32 activations meet. */
static inline __m256i pair_minimums(const format_k *f, __m256i m)
{
    return f->group == 16 ? m : _mm256_zextsi128_si256(_mm256_cvtepi32_epi16(m));
}

/* Sums of a super-block as minimums meet them: n lines. */
ALWAYS_INLINE int n_minimum_lines(const format_k *f)
{
    return f->group == 16 ? 8 : 4;
}

ALWAYS_INLINE const uint8_t *minimum_lines(const format_k *f, const tile_part *a, size_t i)
{
    return f->group == 16 ? a->sums + LINE * 8 * i : a->more + LINE * 16 * i;
}

/* A super-block of a group of rows. */
typedef struct group_k {
    uint8_t q[GROUP_ROWS][256];
    int32_t s[GROUP_ROWS][16];
    int32_t m[GROUP_ROWS][8]; /* pairs of int16 */
    float d[GROUP_ROWS], dmin[GROUP_ROWS];
} group_k;

enum { DEPTH_K = PANEL_DEPTH / 256 };
_Static_assert(Y_BYTES + sizeof(group_k) * PANEL_GROUPS * DEPTH_K <= PANEL_SCRATCH_BYTES,
               "the panel fits the scratch");

ALWAYS_INLINE void unpack_k(const panel_part *part, const format_k *f)
{
    group_k *out = (group_k *)(void *)part->panel;
    const size_t first = part->k0 / 256, n = part->n_k / 256;
    for (size_t g = 0; g < part->n_groups; g++) {
        const uint8_t *w[GROUP_ROWS];
        point_at_group(part->job, g, w);
        for (size_t i = 0; i < n; i++, out++) {
            for (int r = 0; r < GROUP_ROWS; r++) {
                k_vectors v;
                f->load(w[r] + (first + i) * f->bytes, &v);
                for (int j = 0; j < 4; j++)
                    _mm512_store_si512(out->q[r] + 64 * j, v.q[j]);
                _mm512_store_si512(out->s[r], _mm512_cvtepi16_epi32(v.s));
                if (has_minimum(f->type))
                    _mm256_store_si256((__m256i *)(void *)out->m[r], pair_minimums(f, v.m));
            }
            _mm512_store_ps(out->d, scales_k(f, w, first + i));
            if (has_minimum(f->type))
                _mm512_store_ps(out->dmin, minimums_k(f, w, first + i));
        }
    }
}

/* What the offset adds to the products of each group of weights, negated. */
ALWAYS_INLINE void starts_k(const format_k *f, const uint8_t *sums, __m512i *start)
{
    const __m512i minus = _mm512_set1_epi16((short)-f->offset);
    const __m512i low = _mm512_set1_epi32(-f->offset & 0xffff);
    __m512i all = _mm512_setzero_si512();
    for (int j = 0; j < 8; j++) {
        const __m512i pair = load_512(sums + LINE * j);
        if (f->group == 16) {
            start[2 * j] = _mm512_madd_epi16(pair, low);
            start[2 * j + 1] = _mm512_madd_epi16(pair, _mm512_slli_epi32(low, 16));
        } else if (f->group == 32) {
            start[j] = _mm512_madd_epi16(pair, minus);
        } else {
            all = _mm512_dpwssd_epi32(all, pair, minus);
        }
    }
    if (f->group == 256)
        start[0] = all;
}

/* Super-block i of n tiles. */
typedef struct columns_k {
    const uint8_t *q[COLUMN_TILES], *minimums[COLUMN_TILES];
    __m512 da[COLUMN_TILES];
    __m512i start[COLUMN_TILES][16];
} columns_k;

/* ROWS rows from r on, times n tiles. */
ALWAYS_INLINE void multiply_rows_k(const format_k *f, const group_k *w, int r, const columns_k *a,
                                   int n, float (*y)[GROUP_ROWS][TILE_COLUMNS])
{
    const int steps = f->group / 4;
    __m512i total[ROWS][COLUMN_TILES];
    for (int i = 0; i < ROWS; i++) {
        for (int c = 0; c < n; c++)
            total[i][c] = _mm512_setzero_si512();
    }
    for (int g = 0; g < 64 / steps; g++) {
        __m512i products[ROWS][COLUMN_TILES];
        for (int c = 0; c < n; c++) {
            const __m512i start = has_minimum(f->type) ? _mm512_setzero_si512() : a->start[c][g];
            for (int i = 0; i < ROWS; i++)
                products[i][c] = start;
        }
#pragma GCC unroll 8
        for (int j = 0; j < steps; j++) {
            __m512i x[COLUMN_TILES];
            for (int c = 0; c < n; c++)
                x[c] = load_512(a->q[c] + LINE * (steps * g + j));
            for (int i = 0; i < ROWS; i++) {
                const __m512i q = broadcast_four(w->q[r + i] + 4 * (steps * g + j));
                for (int c = 0; c < n; c++)
                    products[i][c] = _mm512_dpbusd_epi32(products[i][c], q, x[c]);
            }
        }
        for (int i = 0; i < ROWS; i++) {
            const __m512i s = _mm512_set1_epi32(w->s[r + i][g * (f->group / 16)]);
            for (int c = 0; c < n; c++)
                total[i][c] = _mm512_add_epi32(
                    total[i][c], f->group == 256 ? products[i][c] /* all scales are 1 */
                                                 : _mm512_mullo_epi32(products[i][c], s));
        }
    }
    for (int i = 0; i < ROWS; i++) {
        for (int c = 0; c < n; c++) {
            const __m512 d = _mm512_mul_ps(_mm512_set1_ps(w->d[r + i]), a->da[c]);
            __m512 sum = _mm512_load_ps(y[c][r + i]);
            sum = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(total[i][c]), sum);
            if (has_minimum(f->type)) {
                __m512i m = _mm512_setzero_si512();
                for (int j = 0; j < n_minimum_lines(f); j++)
                    m = _mm512_dpwssd_epi32(m, load_512(a->minimums[c] + LINE * j),
                                            _mm512_set1_epi32(w->m[r + i][j]));
                const __m512 dmin = _mm512_mul_ps(_mm512_set1_ps(w->dmin[r + i]), a->da[c]);
                sum = _mm512_fmadd_ps(dmin, _mm512_cvtepi32_ps(m), sum);
            }
            _mm512_store_ps(y[c][r + i], sum);
        }
    }
}

/* n tiles from number t of the slab on. */
ALWAYS_INLINE void multiply_tiles_k(const panel_part *part, const format_k *f, size_t t, int n)
{
    const panel_job *job = part->job;
    const size_t n_blocks = part->n_k / 256, tile_bytes = act_tile_bytes(ACT_Q256, job->k);
    const uint8_t *tiles = job->tiles + (part->first_tile + t) * tile_bytes;
    tile_part parts[COLUMN_TILES];
    for (int c = 0; c < n; c++)
        parts[c] = tile_at(tiles + (size_t)c * tile_bytes, ACT_Q256, job->k, part->k0);
    for (size_t i = 0; i < n_blocks; i++) {
        columns_k a;
        for (int c = 0; c < n; c++) {
            a.q[c] = parts[c].q + LINE * 64 * i;
            a.minimums[c] = minimum_lines(f, &parts[c], i);
            a.da[c] = _mm512_load_ps(parts[c].d + 16 * i);
            if (!has_minimum(f->type))
                starts_k(f, parts[c].sums + LINE * 8 * i, a.start[c]);
        }
        for (size_t g = 0; g < part->n_groups; g++) {
            const group_k *w = (const group_k *)(const void *)part->panel + g * n_blocks + i;
            for (int r = 0; r < GROUP_ROWS; r += ROWS)
                multiply_rows_k(f, w, r, &a, n, &part->y[g][t]);
        }
    }
}

ALWAYS_INLINE void multiply_k(const panel_part *part, const format_k *f)
{
    size_t t = 0;
    for (; t + 3 <= part->n_tiles; t += 3)
        multiply_tiles_k(part, f, t, 3);
    if (part->n_tiles - t == 2)
        multiply_tiles_k(part, f, t, 2);
    if (part->n_tiles - t == 1)
        multiply_tiles_k(part, f, t, 1);
}

/* One function for each kind of scales; of the format only the offset is left to see. */
#define DEFINE_MULTIPLY_K(name, like, n)                                                           \
    static void multiply_##name(const panel_part *part)                                            \
    {                                                                                              \
        const format_k *format = part->format;                                                     \
        const format_k f = {.type = like, .group = n, .offset = format->offset};                   \
        multiply_k(part, &f);                                                                      \
    }
DEFINE_MULTIPLY_K(16, WTYPE_Q6_K, 16)
DEFINE_MULTIPLY_K(32, WTYPE_IQ4_XS, 32)
DEFINE_MULTIPLY_K(256, WTYPE_TQ2_0, 256)
DEFINE_MULTIPLY_K(16_minimum, WTYPE_Q2_K, 16)
DEFINE_MULTIPLY_K(32_minimum, WTYPE_Q4_K, 32)

ALWAYS_INLINE panel_step *multiply_for_k(const format_k *f)
{
    if (f->group == 256)
        return multiply_256;
    if (has_minimum(f->type))
        return f->group == 16 ? multiply_16_minimum : multiply_32_minimum;
    return f->group == 16 ? multiply_16 : multiply_32;
}

/* ---- class B ---- */

ALWAYS_INLINE void unpack_b(const panel_part *part, const format_b *f)
{
    unpack_groups_b(part, f, 0);
}

/* Adds 16 or 32 weights, number p of the 64 in w, to the chains of ROWS rows and n tiles. */
ALWAYS_INLINE void add_part_b(const group_b *w, int r, const tile_part *a, size_t b, int p,
                              int parts, int offset, int n, __m512 (*y)[COLUMN_TILES])
{
    const int lines = 16 / parts, line = lines * p;
    __m512i products[ROWS][COLUMN_TILES];
    for (int c = 0; c < n; c++) {
        __m512i start = _mm512_setzero_si512();
        if (offset) {
            const __m512i pair = load_512(a[c].sums + LINE * (b + (size_t)(2 * p / parts)));
            const int minus = -offset;
            const int both = parts == 2   ? (minus & 0xffff) | minus * 65536
                             : p % 2 == 0 ? minus & 0xffff
                                          : minus * 65536;
            start = _mm512_madd_epi16(pair, _mm512_set1_epi32(both));
        }
        for (int i = 0; i < ROWS; i++)
            products[i][c] = start;
    }
    for (int j = line; j < line + lines; j++) {
        __m512i x[COLUMN_TILES];
        for (int c = 0; c < n; c++)
            x[c] = load_512(a[c].q + LINE * (8 * b + (size_t)j));
        for (int i = 0; i < ROWS; i++) {
            const __m512i q = broadcast_four(w->q[r + i] + 4 * j);
            for (int c = 0; c < n; c++)
                products[i][c] = _mm512_dpbusd_epi32(products[i][c], q, x[c]);
        }
    }
    for (int c = 0; c < n; c++) {
        const __m512 da = _mm512_load_ps(a[c].d + 16 * (b + (size_t)(2 * p / parts)));
        for (int i = 0; i < ROWS; i++) {
            const __m512 d = _mm512_mul_ps(_mm512_set1_ps(w->d[p][r + i]), da);
            y[i][c] = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(products[i][c]), y[i][c]);
        }
    }
}

ALWAYS_INLINE void add_minimum_b(const group_b *w, int r, const tile_part *a, size_t b, int half,
                                 int n, __m512 (*y)[COLUMN_TILES])
{
    for (int c = 0; c < n; c++) {
        const __m512 da = _mm512_load_ps(a[c].d + 16 * (b + (size_t)half));
        const __m512 sum =
            _mm512_mul_ps(da, _mm512_cvtepi32_ps(sums_of_32(&a[c], b + (size_t)half)));
        for (int i = 0; i < ROWS; i++)
            y[i][c] = _mm512_fmadd_ps(_mm512_set1_ps(w->m[half][r + i]), sum, y[i][c]);
    }
}

/* ROWS rows from r on of group g, times n tiles from number t of the slab on. */
ALWAYS_INLINE void multiply_rows_b(const panel_part *part, const format_b *f, const tile_part *a,
                                   size_t g, int r, size_t t, int n)
{
    const int parts = has_scale_per_16(f->type) ? 4 : 2;
    const size_t n_blocks = part->n_k / 32;
    const group_b *w = (const group_b *)(const void *)part->panel + g * ((n_blocks + 1) / 2);
    __m512 y[ROWS][COLUMN_TILES];
    for (int i = 0; i < ROWS; i++) {
        for (int c = 0; c < n; c++)
            y[i][c] = _mm512_load_ps(part->y[g][t + (size_t)c][r + i]);
    }
    for (size_t b = 0; b < n_blocks; b += 2, w++) {
#pragma GCC unroll 4
        for (int p = 0; p < parts; p++) {
            if (p == parts / 2 && b + 1 == n_blocks)
                break;
            add_part_b(w, r, a, b, p, parts, f->offset, n, y);
            if (has_minimum(f->type))
                add_minimum_b(w, r, a, b, p, n, y);
        }
    }
    for (int i = 0; i < ROWS; i++) {
        for (int c = 0; c < n; c++)
            _mm512_store_ps(part->y[g][t + (size_t)c][r + i], y[i][c]);
    }
}

ALWAYS_INLINE void multiply_tiles_b(const panel_part *part, const format_b *f, size_t t, int n)
{
    const panel_job *job = part->job;
    const size_t tile_bytes = act_tile_bytes(ACT_Q32, job->k);
    const uint8_t *tiles = job->tiles + (part->first_tile + t) * tile_bytes;
    tile_part a[COLUMN_TILES];
    for (int c = 0; c < n; c++)
        a[c] = tile_at(tiles + (size_t)c * tile_bytes, ACT_Q32, job->k, part->k0);
    for (size_t g = 0; g < part->n_groups; g++) {
        for (int r = 0; r < GROUP_ROWS; r += ROWS)
            multiply_rows_b(part, f, a, g, r, t, n);
    }
}

ALWAYS_INLINE void multiply_b(const panel_part *part, const format_b *f)
{
    size_t t = 0;
    for (; t + 3 <= part->n_tiles; t += 3)
        multiply_tiles_b(part, f, t, 3);
    if (part->n_tiles - t == 2)
        multiply_tiles_b(part, f, t, 2);
    if (part->n_tiles - t == 1)
        multiply_tiles_b(part, f, t, 1);
}

#define DEFINE_MULTIPLY_B(name, like, has_offset)                                                  \
    static void multiply_b_##name(const panel_part *part)                                          \
    {                                                                                              \
        const format_b *format = part->format;                                                     \
        const format_b f = {.type = like, .offset = has_offset ? format->offset : 0};              \
        multiply_b(part, &f);                                                                      \
    }
DEFINE_MULTIPLY_B(plain, WTYPE_Q4_0, true)
DEFINE_MULTIPLY_B(minimum, WTYPE_Q4_1, false)
DEFINE_MULTIPLY_B(16, WTYPE_NVFP4, true)

ALWAYS_INLINE panel_step *multiply_for_b(const format_b *f)
{
    if (has_scale_per_16(f->type))
        return multiply_b_16;
    return has_minimum(f->type) ? multiply_b_minimum : multiply_b_plain;
}

/* ---- tiles ---- */

/* As pack_quants, and sums of 32: of every super-block 4 lines, with room for 16. */
static void pack_Q256_avx512(const void *const *rows, size_t n, size_t k, void *tile)
{
    pack_quants(rows, n, k, tile, ACT_Q256);
    const tile_part part = tile_at(tile, ACT_Q256, k, 0);
    uint8_t *more = (uint8_t *)tile + (part.more - (const uint8_t *)tile);
    for (size_t j = 0; j < k / 64; j++) {
        const __m512i one = _mm512_set1_epi16(1);
        const __m512i even = _mm512_madd_epi16(load_512(part.sums + LINE * (2 * j)), one);
        const __m512i odd = _mm512_madd_epi16(load_512(part.sums + LINE * (2 * j + 1)), one);
        _mm512_store_si512(more + LINE * (j / 4 * 16 + j % 4),
                           _mm512_mask_blend_epi16(0xaaaaaaaa, even, _mm512_slli_epi32(odd, 16)));
    }
}

#define PANEL_MIN_COLUMNS_B 10
#define PANEL_MIN_COLUMNS_K 10
#define PACK_Q256 pack_Q256_avx512
#define PANEL_TABLE panel_kernels_avx512
#include "kernels/panel_table_avx512.h"
