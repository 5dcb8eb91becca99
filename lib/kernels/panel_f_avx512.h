/* SPDX-License-Identifier: MIT
 *
 * panel_f_avx512.h - panels of class F for AVX-512, which AMX has nothing to add to.
 *
 * Rows become floats in scratch, as many as fit and at most PANEL_ROWS. A step multiplies four of
 * them with up to six columns: the 16 partial sums of an output are one register, 24 in all. The
 * columns of F_DEPTH elements stay in the first-level cache for all rows; between two parts of k
 * the sums wait in scratch.
 */
#ifndef HEARTH_KERNELS_PANEL_F_AVX512_H
#define HEARTH_KERNELS_PANEL_F_AVX512_H

#include "kernels/panel_avx512.h"
#include "kernels/tables.h"

enum { F_ROWS = 4, F_COLUMNS = 6, F_DEPTH = 1024, F_SUMS = F_ROWS * F_COLUMNS };

typedef __m512 f_sums[F_SUMS]; /* [column][row] */

enum { F_SUMS_BYTES = PANEL_ROWS / F_ROWS * sizeof(f_sums) };

typedef struct f_part {
    const float *w[F_ROWS], *x[F_COLUMNS];
    size_t n; /* elements */
} f_part;

ALWAYS_INLINE void add_f(const f_part *p, int n_columns, f_sums sums)
{
    size_t i = 0;
    __m512 s[F_SUMS];
#pragma GCC unroll 24
    for (int j = 0; j < F_ROWS * n_columns; j++)
        s[j] = sums[j];
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
        sums[j] = s[j];
}

/* The four sums of 16 lanes, each by the tree of kernels.h. */
static inline __m128 reduce_four(const __m512 *s)
{
    const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(s[0], s[1], 0x44),
                                    _mm512_shuffle_f32x4(s[0], s[1], 0xee));
    const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(s[2], s[3], 0x44),
                                    _mm512_shuffle_f32x4(s[2], s[3], 0xee));
    __m512 v =
        _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x4e));
    v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xb1));
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12), v));
}

/* n_rows of the panel, from `first` of the job's on, times n columns from `column` on. */
ALWAYS_INLINE void multiply_columns_f(const panel_job *job, const float *panel, size_t stride,
                                      size_t first, size_t n_rows, size_t column, int n)
{
    const size_t x_stride = act_row_bytes(ACT_F32, job->k) / sizeof(float);
    const float *x = (const float *)(const void *)job->tiles + column * x_stride;
    f_sums *sums = job->scratch;
    for (size_t k0 = 0; k0 < job->k; k0 += F_DEPTH) {
        f_part p = {.n = job->k - k0 < F_DEPTH ? job->k - k0 : F_DEPTH};
        for (int c = 0; c < n; c++)
            p.x[c] = x + (size_t)c * x_stride + k0;
        for (size_t row = 0; row < n_rows; row += F_ROWS) {
            __m512 *s = sums[row / F_ROWS];
            for (size_t r = 0; r < F_ROWS; r++)
                p.w[r] = panel + (row + r < n_rows ? row + r : row) * stride + k0;
            for (int j = 0; k0 == 0 && j < F_ROWS * n; j++)
                s[j] = _mm512_setzero_ps();
            add_f(&p, n, s);
        }
    }
    for (size_t row = 0; row < n_rows; row += F_ROWS) {
        const __mmask8 mask = (__mmask8)(n_rows - row < F_ROWS ? (1u << (n_rows - row)) - 1 : 15);
        float *y = job->y + column * job->y_stride + first + row;
        for (int c = 0; c < n; c++)
            _mm_mask_storeu_ps(y + (size_t)c * job->y_stride, mask,
                               reduce_four(&sums[row / F_ROWS][F_ROWS * c]));
    }
}

static void multiply_panel_f(const panel_job *job, const float *panel, size_t stride, size_t first,
                             size_t n_rows)
{
    size_t c = 0;
    for (; c + F_COLUMNS <= job->n_columns; c += F_COLUMNS)
        multiply_columns_f(job, panel, stride, first, n_rows, c, F_COLUMNS);
    switch (job->n_columns - c) {
    case 5:
        multiply_columns_f(job, panel, stride, first, n_rows, c, 5);
        break;
    case 4:
        multiply_columns_f(job, panel, stride, first, n_rows, c, 4);
        break;
    case 3:
        multiply_columns_f(job, panel, stride, first, n_rows, c, 3);
        break;
    case 2:
        multiply_columns_f(job, panel, stride, first, n_rows, c, 2);
        break;
    case 1:
        multiply_columns_f(job, panel, stride, first, n_rows, c, 1);
        break;
    default:
        break;
    }
}

/* Rows too long for the scratch: as few columns at a time as weight_kernels do. */
static void multiply_long_rows_f(const panel_job *job, wtype type)
{
    const size_t x_bytes = act_row_bytes(ACT_F32, job->k);
    matmul_job mm = {.w = job->w, .row_bytes = job->row_bytes, .k = job->k, .n_rows = job->n_rows};
    for (size_t column = 0; column < job->n_columns; column += MATMUL_MAX_COLUMNS) {
        const size_t left = job->n_columns - column;
        mm.n_columns = left < MATMUL_MAX_COLUMNS ? (int)left : MATMUL_MAX_COLUMNS;
        for (int c = 0; c < mm.n_columns; c++) {
            mm.x[c] = job->tiles + (column + (size_t)c) * x_bytes;
            mm.y[c] = job->y + (column + (size_t)c) * job->y_stride;
        }
        weight_kernels_avx512.matmul[type](&mm);
    }
}

ALWAYS_INLINE void run_panel_f(const panel_job *job, wtype type, load_f_fn *load)
{
    const size_t stride = (job->k + 15) / 16 * 16;
    size_t high = (PANEL_SCRATCH_BYTES - F_SUMS_BYTES) / (stride * sizeof(float));
    float *panel = (float *)(void *)((uint8_t *)job->scratch + F_SUMS_BYTES);
    high = high < PANEL_ROWS ? high / F_ROWS * F_ROWS : PANEL_ROWS;
    if (high == 0) {
        multiply_long_rows_f(job, type);
        return;
    }
    for (size_t first = 0; first < job->n_rows; first += high) {
        const size_t n = job->n_rows - first < high ? job->n_rows - first : high;
        for (size_t r = 0; r < n; r++) {
            const uint8_t *w = job->w + (first + r) * job->row_bytes;
            for (size_t i = 0; i < job->k; i += 16) {
                const size_t left = job->k - i;
                const __mmask16 mask = (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffff);
                _mm512_store_ps(panel + r * stride + i, load(w, i, mask));
            }
        }
        multiply_panel_f(job, panel, stride, first, n);
    }
}

#endif
