/* SPDX-License-Identifier: MIT
 *
 * panel_f.h - panels of class F, for the instruction set whose file includes it after defining
 * F_ROWS and F_COLUMNS, what a step of its registers holds.
 *
 * Rows become floats in scratch, as many as fit and at most PANEL_ROWS. A step multiplies F_ROWS of
 * them with up to F_COLUMNS columns: 16 partial sums to an output. The columns of F_DEPTH elements
 * stay in the first-level cache for all rows; between two parts of k the sums wait in scratch.
 */
#ifndef HEARTH_KERNELS_PANEL_F_H
#define HEARTH_KERNELS_PANEL_F_H

#include <string.h>

#include "kernels/block.h"
#include "kernels/kernels.h"

enum { F_DEPTH = 1024, F_SUMS = F_ROWS * F_COLUMNS };

typedef float f_sums[F_SUMS][16]; /* [column][row] */

enum { F_SUMS_BYTES = PANEL_ROWS / F_ROWS * sizeof(f_sums) };

typedef struct f_part {
    const float *w[F_ROWS], *x[F_COLUMNS];
    size_t n; /* elements */
} f_part;

/* What an instruction set brings. */
typedef struct f_steps {
    const weight_kernels *direct;
    void (*widen)(const uint8_t *row, size_t k, float *out);
    void (*add)(const f_part *p, int n_columns, float (*sums)[16]); /* products to sums */
    void (*reduce)(float (*sums)[16], float *out); /* F_ROWS times the tree of kernels.h */
} f_steps;

/* n_rows of the panel, from `first` of the job's on, times n columns from `column` on. */
ALWAYS_INLINE void multiply_columns_f(const panel_job *job, f_steps f, const float *panel,
                                      size_t stride, size_t first, size_t n_rows, size_t column,
                                      int n)
{
    const size_t x_stride = act_row_bytes(ACT_F32, job->k) / sizeof(float);
    const float *x = (const float *)(const void *)job->tiles + column * x_stride;
    f_sums *sums = job->scratch;
    for (size_t k0 = 0; k0 < job->k; k0 += F_DEPTH) {
        f_part p = {.n = job->k - k0 < F_DEPTH ? job->k - k0 : F_DEPTH};
        for (int c = 0; c < n; c++)
            p.x[c] = x + (size_t)c * x_stride + k0;
        for (size_t row = 0; row < n_rows; row += F_ROWS) {
            float(*s)[16] = sums[row / F_ROWS];
            for (size_t r = 0; r < F_ROWS; r++)
                p.w[r] = panel + (row + r < n_rows ? row + r : row) * stride + k0;
            if (k0 == 0)
                memset(s, 0, (size_t)(F_ROWS * n) * sizeof *s);
            f.add(&p, n, s);
        }
    }
    for (size_t row = 0; row < n_rows; row += F_ROWS) {
        const size_t left = n_rows - row < F_ROWS ? n_rows - row : F_ROWS;
        float *y = job->y + column * job->y_stride + first + row;
        for (int c = 0; c < n; c++) {
            float out[F_ROWS];
            f.reduce(&sums[row / F_ROWS][F_ROWS * c], out);
            memcpy(y + (size_t)c * job->y_stride, out, left * sizeof *out);
        }
    }
}

/* The last columns, fewer than F_COLUMNS. */
ALWAYS_INLINE void multiply_rest_f(const panel_job *job, f_steps f, const float *panel,
                                   size_t stride, size_t first, size_t n_rows, size_t column)
{
    for (int n = 1; n < F_COLUMNS; n++) {
        if ((size_t)n == job->n_columns - column)
            multiply_columns_f(job, f, panel, stride, first, n_rows, column, n);
    }
}

/* Rows too long for the scratch: as few columns at a time as weight_kernels do. */
static void multiply_long_rows_f(const panel_job *job, f_steps f, wtype type)
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
        f.direct->matmul[type](&mm);
    }
}

ALWAYS_INLINE void run_panel_f(const panel_job *job, wtype type, f_steps f)
{
    const size_t stride = (job->k + 15) / 16 * 16;
    size_t high = (PANEL_SCRATCH_BYTES - F_SUMS_BYTES) / (stride * sizeof(float));
    float *panel = (float *)(void *)((uint8_t *)job->scratch + F_SUMS_BYTES);
    high = high < PANEL_ROWS ? high / F_ROWS * F_ROWS : PANEL_ROWS;
    if (high == 0) {
        multiply_long_rows_f(job, f, type);
        return;
    }
    for (size_t first = 0; first < job->n_rows; first += high) {
        const size_t n = job->n_rows - first < high ? job->n_rows - first : high;
        size_t c = 0;
        for (size_t r = 0; r < n; r++)
            f.widen(job->w + (first + r) * job->row_bytes, job->k, panel + r * stride);
        for (; c + F_COLUMNS <= job->n_columns; c += F_COLUMNS)
            multiply_columns_f(job, f, panel, stride, first, n, c, F_COLUMNS);
        multiply_rest_f(job, f, panel, stride, first, n, c);
    }
}

#endif
