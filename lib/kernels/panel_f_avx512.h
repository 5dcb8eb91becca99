/* SPDX-License-Identifier: MIT
 *
 * panel_f_avx512.h - panels of class F (panel_f.h) for AVX-512, which AMX has nothing to add to:
 * the 16 partial sums of an output are one register, 24 in all.
 */
#ifndef HEARTH_KERNELS_PANEL_F_AVX512_H
#define HEARTH_KERNELS_PANEL_F_AVX512_H

#include "kernels/panel_avx512.h"
#include "kernels/tables.h"

enum { F_ROWS = 4, F_COLUMNS = 6 };

#include "kernels/panel_f.h"

ALWAYS_INLINE void add_f(const f_part *p, int n_columns, float (*sums)[16])
{
    size_t i = 0;
    __m512 s[F_SUMS];
#pragma GCC unroll 24
    for (int j = 0; j < F_ROWS * n_columns; j++)
        s[j] = _mm512_load_ps(sums[j]);
    for (; i + 16 <= p->n; i += 16) {
        __m512 w[F_ROWS];
        for (int r = 0; r < F_ROWS; r++)
            w[r] = _mm512_loadu_ps(p->w[r] + i);
        for (int c = 0; c < n_columns; c++) {
            const __m512 x = _mm512_loadu_ps(p->x[c] + i);
            for (int r = 0; r < F_ROWS; r++)
                s[F_ROWS * c + r] = _mm512_fmadd_ps(w[r], x, s[F_ROWS * c + r]);
        }
    }
    if (i < p->n) { /* lanes outside keep their sums: adding 0 to -0 would change it */
        const __mmask16 mask = (__mmask16)((1u << (p->n - i)) - 1);
        for (int c = 0; c < n_columns; c++) {
            const __m512 x = _mm512_maskz_loadu_ps(mask, p->x[c] + i);
            for (int r = 0; r < F_ROWS; r++)
                s[F_ROWS * c + r] = _mm512_mask3_fmadd_ps(_mm512_maskz_loadu_ps(mask, p->w[r] + i),
                                                          x, s[F_ROWS * c + r], mask);
        }
    }
#pragma GCC unroll 24
    for (int j = 0; j < F_ROWS * n_columns; j++)
        _mm512_store_ps(sums[j], s[j]);
}

/* The four sums of 16 lanes, each by the tree of kernels.h. */
ALWAYS_INLINE void reduce_f(float (*sums)[16], float *out)
{
    __m512 s[4];
    for (int r = 0; r < 4; r++)
        s[r] = _mm512_load_ps(sums[r]);
    const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(s[0], s[1], 0x44),
                                    _mm512_shuffle_f32x4(s[0], s[1], 0xee));
    const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(s[2], s[3], 0x44),
                                    _mm512_shuffle_f32x4(s[2], s[3], 0xee));
    __m512 v =
        _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x4e));
    v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xb1));
    const __m512i places = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    _mm_storeu_ps(out, _mm512_castps512_ps128(_mm512_permutexvar_ps(places, v)));
}

ALWAYS_INLINE void widen_row(const uint8_t *row, size_t k, float *out, load_f_fn *load)
{
    for (size_t i = 0; i < k; i += 16) {
        const size_t left = k - i;
        const __mmask16 mask = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffff);
        _mm512_store_ps(out + i, load(row, i, mask));
    }
}

#endif
