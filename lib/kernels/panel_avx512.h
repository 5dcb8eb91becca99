/* SPDX-License-Identifier: MIT
 *
 * panel_avx512.h - what the panel kernels of AVX-512 and of AMX share: tiles of activations, the
 * loops of a job, and outputs. Layouts: panel.h.
 */
#ifndef HEARTH_KERNELS_PANEL_AVX512_H
#define HEARTH_KERNELS_PANEL_AVX512_H

#include "kernels/formats_avx512.h"

enum {
    GROUP_ROWS = 16,
    PANEL_GROUPS = PANEL_ROWS / GROUP_ROWS,
    SLAB_TILES = PANEL_SLAB / TILE_COLUMNS,
    LINE = 64, /* bytes of a line of a tile */
    Y_BYTES = PANEL_ROWS * PANEL_SLAB * (int)sizeof(float),
};

/* ---- tiles ---- */

/* n dwords at byte `at` of each row become n lines. Rows that are NULL give zeros. */
ALWAYS_INLINE void interleave(const uint8_t *const *rows, size_t at, size_t n, uint8_t *lines)
{
    for (size_t i = 0; i < n; i += 16) {
        const size_t left = n - i < 16 ? n - i : 16;
        const __mmask16 mask = (__mmask16)((1u << left) - 1);
        __m512i v[16];
        for (int r = 0; r < TILE_COLUMNS; r++)
            v[r] = rows[r] ? _mm512_maskz_loadu_epi32(mask, rows[r] + at + 4 * i)
                           : _mm512_setzero_si512();
        transpose_16(v);
        for (size_t j = 0; j < left; j++)
            _mm512_store_si512(lines + LINE * (i + j), v[j]);
    }
}

/* The parts of a tile of quantized activations, at element k0 (a multiple of 64) of k. */
typedef struct tile_part {
    const uint8_t *q;
    const float *d;
    const uint8_t *sums, *sums_32;
} tile_part;

ALWAYS_INLINE tile_part tile_at(const uint8_t *tile, act_kind kind, size_t k, size_t k0)
{
    const size_t block = act_block(kind);
    const uint8_t *d = tile + LINE * (k / 4), *sums = d + LINE * (k / block);
    const uint8_t *sums_32 = sums + LINE * (k / 32);
    return (tile_part){tile + LINE * (k0 / 4),
                       (const float *)(const void *)(d + LINE * (k0 / block)),
                       sums + LINE * (k0 / 32), sums_32 + LINE * (k0 / 64)};
}

ALWAYS_INLINE void pack_quants(const void *const *rows, size_t n, size_t k, uint8_t *tile,
                               act_kind kind)
{
    const uint8_t *row[TILE_COLUMNS] = {0};
    const size_t n_scales = k / act_block(kind), n_sums = k / 32;
    uint8_t *d = tile + LINE * (k / 4), *sums = d + LINE * n_scales,
            *sums_32 = sums + LINE * n_sums;
    for (size_t r = 0; r < n; r++)
        row[r] = rows[r];
    interleave(row, 0, k / 4, tile);
    interleave(row, k, n_scales, d);
    interleave(row, k + n_scales * sizeof(float), n_sums, sums);
    for (size_t j = 0; kind == ACT_Q256 && j < k / 64; j++) {
        const __m512i one = _mm512_set1_epi16(1);
        const __m512i even = _mm512_madd_epi16(load_512(sums + LINE * (2 * j)), one);
        const __m512i odd = _mm512_madd_epi16(load_512(sums + LINE * (2 * j + 1)), one);
        _mm512_store_si512(sums_32 + LINE * j,
                           _mm512_mask_blend_epi16(0xaaaaaaaa, even, _mm512_slli_epi32(odd, 16)));
    }
}

static void pack_Q32(const void *const *rows, size_t n, size_t k, void *tile)
{
    pack_quants(rows, n, k, tile, ACT_Q32);
}

static void pack_Q256(const void *const *rows, size_t n, size_t k, void *tile)
{
    pack_quants(rows, n, k, tile, ACT_Q256);
}

/* ---- the loops of a job ---- */

/* Where the work on a part of k is: what a kernel's two steps get. */
typedef struct panel_part {
    const panel_job *job;
    size_t k0, n_k;             /* elements of k */
    size_t n_groups;            /* of GROUP_ROWS rows */
    size_t first_tile, n_tiles; /* of the slab */
    float (*y)[SLAB_TILES][GROUP_ROWS][TILE_COLUMNS];
    uint8_t *panel;
    const void *format; /* format_b or format_k */
} panel_part;

typedef void panel_step(const panel_part *part);

/* The rows of a group. Missing rows are repeats of the last. */
ALWAYS_INLINE void point_at_group(const panel_job *job, size_t group, const uint8_t **w)
{
    for (size_t r = 0; r < GROUP_ROWS; r++) {
        const size_t row = GROUP_ROWS * group + r;
        w[r] = job->w + (row < job->n_rows ? row : job->n_rows - 1) * job->row_bytes;
    }
}

static inline void store_group(const panel_part *part, size_t group)
{
    const panel_job *job = part->job;
    const size_t row = GROUP_ROWS * group, left = job->n_rows - row;
    const __mmask16 mask = (__mmask16)(left < GROUP_ROWS ? (1u << left) - 1 : 0xffff);
    for (size_t t = 0; t < part->n_tiles; t++) {
        const size_t column = TILE_COLUMNS * (part->first_tile + t);
        float *y = job->y + column * job->y_stride + row;
        __m512i v[TILE_COLUMNS];
        for (int r = 0; r < GROUP_ROWS; r++)
            v[r] = load_512(part->y[group][t][r]);
        transpose_16(v);
        for (size_t c = 0; c < TILE_COLUMNS && column + c < job->n_columns; c++)
            _mm512_mask_storeu_epi32(y + c * job->y_stride, mask, v[c]);
    }
}

/* Not inline: what depends on the format is in unpack, what on its class of scales in multiply. */
static void run_panel(const panel_job *job, const void *format, panel_step *unpack,
                      panel_step *multiply)
{
    const size_t n_tiles = (job->n_columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
    panel_part part = {.job = job,
                       .format = format,
                       .n_groups = (job->n_rows + GROUP_ROWS - 1) / GROUP_ROWS,
                       .y = job->scratch,
                       .panel = (uint8_t *)job->scratch + Y_BYTES};
    for (size_t t = 0; t < n_tiles; t += SLAB_TILES) {
        part.first_tile = t;
        part.n_tiles = n_tiles - t < SLAB_TILES ? n_tiles - t : SLAB_TILES;
        for (size_t g = 0; g < part.n_groups; g++)
            memset(part.y[g], 0, part.n_tiles * sizeof part.y[g][0]);
        for (size_t k0 = 0; k0 < job->k; k0 += PANEL_DEPTH) {
            part.k0 = k0;
            part.n_k = job->k - k0 < PANEL_DEPTH ? job->k - k0 : PANEL_DEPTH;
            unpack(&part);
            multiply(&part);
        }
        for (size_t g = 0; g < part.n_groups; g++)
            store_group(&part, g);
    }
}

/* ---- scales of a group ---- */

static inline __m512 scales_k(const format_k *f, const uint8_t *const *w, size_t i)
{
    const size_t at = i * f->bytes + f->scale_at;
    const __m512 d = join_ps(rows_f16(w, at, f->scale_bits), rows_f16(w + 8, at, f->scale_bits));
    return _mm512_mul_ps(d, _mm512_set1_ps(f->scale_unit));
}

/* Negated: -(dmin * da) is (-dmin) * da. */
static inline __m512 minimums_k(const format_k *f, const uint8_t *const *w, size_t i)
{
    const size_t at = i * f->bytes + f->scale_at + 2;
    const __m512 dmin = join_ps(rows_f16(w, at, load_u16), rows_f16(w + 8, at, load_u16));
    return _mm512_xor_ps(dmin, _mm512_set1_ps(-0.0f));
}

/* The minimums of one row as pairs of int16, that sums (or sums_32, for groups of 32) meet. */
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
    return f->group == 16 ? a->sums + LINE * 8 * i : a->sums_32 + LINE * 4 * i;
}

#endif
