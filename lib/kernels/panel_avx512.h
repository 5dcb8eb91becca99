/* SPDX-License-Identifier: MIT
 *
 * panel_avx512.h - what the panel kernels of AVX-512 and of AMX share: tiles of activations,
 * outputs, and the panels of class B. Layouts: panel.h.
 */
#ifndef HEARTH_KERNELS_PANEL_AVX512_H
#define HEARTH_KERNELS_PANEL_AVX512_H

#include "kernels/formats_avx512.h"
#include "kernels/panel_loops.h"

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

ALWAYS_INLINE void pack_quants(const void *const *rows, size_t n, size_t k, uint8_t *tile,
                               act_kind kind)
{
    const uint8_t *row[TILE_COLUMNS] = {0};
    const size_t n_scales = k / act_block(kind), n_sums = k / 32;
    uint8_t *d = tile + LINE * (k / 4), *sums = d + LINE * n_scales;
    for (size_t r = 0; r < n; r++)
        row[r] = rows[r];
    interleave(row, 0, k / 4, tile);
    interleave(row, k, n_scales, d);
    interleave(row, k + n_scales * sizeof(float), n_sums, sums);
}

static void pack_Q32(const void *const *rows, size_t n, size_t k, void *tile)
{
    pack_quants(rows, n, k, tile, ACT_Q32);
}

/* Turns lanes to columns. All rows of a column go out together: outputs of one column are far from
 * those of the next, and no cache has them: those of the next tile are fetched meanwhile. */
static inline void store_tile(const panel_part *part, size_t t)
{
    const panel_job *job = part->job;
    const size_t column = TILE_COLUMNS * (part->first_tile + t), left = job->n_columns - column;
    _Alignas(64) float turned[TILE_COLUMNS][PANEL_ROWS];
    for (size_t g = 0; g < part->n_groups; g++) {
        __m512i v[TILE_COLUMNS];
        for (int r = 0; r < GROUP_ROWS; r++)
            v[r] = load_512(part->y[g][t][r]);
        transpose_16(v);
        for (int c = 0; c < TILE_COLUMNS; c++)
            _mm512_store_si512(turned[c] + GROUP_ROWS * g, v[c]);
    }
    for (size_t c = 0; c < TILE_COLUMNS && c < left; c++) {
        float *y = job->y + (column + c) * job->y_stride;
        for (size_t r = 0; r < job->n_rows; r += 16) {
            const size_t n = job->n_rows - r < 16 ? job->n_rows - r : 16;
            _mm512_mask_storeu_ps(y + r, (__mmask16)((1u << n) - 1), _mm512_load_ps(turned[c] + r));
        }
        for (size_t r = 0; r < job->n_rows && c + TILE_COLUMNS < left; r += 16)
            __builtin_prefetch(y + TILE_COLUMNS * job->y_stride + r, 1, 2);
    }
}

/* ---- class B ---- */

/* 64 weights of a group of rows: quants, scales of each 16 or 32 of them, minimums of 32. */
typedef struct group_b {
    uint8_t q[GROUP_ROWS][64];
    float d[4][GROUP_ROWS], m[2][GROUP_ROWS];
} group_b;

enum { DEPTH_B = PANEL_DEPTH / 64 };
_Static_assert(Y_BYTES + sizeof(group_b) * PANEL_GROUPS * DEPTH_B <= PANEL_SCRATCH_BYTES,
               "the panel fits the scratch");

/* The first bytes of block b of each row. */
static inline __m512i first_dword(const format_b *f, const uint8_t *const *w, size_t b)
{
    int32_t dwords[GROUP_ROWS];
    for (int r = 0; r < GROUP_ROWS; r++)
        memcpy(&dwords[r], w[r] + scale_at_b(f, b), sizeof dwords[r]);
    return load_512(dwords);
}

/* Quants less `offset`, as the multiplication wants them. */
ALWAYS_INLINE void unpack_groups_b(const panel_part *part, const format_b *f, int offset)
{
    group_b *out = (group_b *)(void *)part->panel;
    const size_t first = part->k0 / 32, end = first + part->n_k / 32;
    for (size_t g = 0; g < part->n_groups; g++) {
        const uint8_t *w[GROUP_ROWS];
        point_at_group(part->job, g, w);
        for (size_t b = first; b < end; b += 2, out++) {
            const size_t next = b + 1 < end ? b + 1 : b;
            for (int r = 0; r < GROUP_ROWS; r++)
                _mm512_store_si512(out->q[r], _mm512_sub_epi8(f->load(w[r], b, next),
                                                              _mm512_set1_epi8((char)offset)));
            for (unsigned i = 0; has_scale_per_16(f->type) && i < 4; i++)
                _mm512_store_ps(out->d[i],
                                f->scale(_mm512_srli_epi32(first_dword(f, w, b), 8 * i)));
            for (size_t i = 0; !has_scale_per_16(f->type) && i < 2; i++) {
                const __m512i first_4 = first_dword(f, w, i ? next : b);
                _mm512_store_ps(out->d[i], f->scale(first_4));
                if (has_minimum(f->type))
                    _mm512_store_ps(out->m[i], high_f16(first_4));
            }
        }
    }
}

/* The sums of 32 activations of each column. */
static inline __m512i sums_of_32(const tile_part *a, size_t b)
{
    return _mm512_madd_epi16(load_512(a->sums + LINE * b), _mm512_set1_epi16(1));
}

/* ---- scales of class K ---- */

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

#endif
