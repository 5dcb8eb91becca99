/* SPDX-License-Identifier: MIT
 *
 * gemm_template.h - the functions of gemm.h over a vec of sixteen floats, for one instruction set.
 *
 * Included after a kernels/vec_*.h with ROWS and VECS defined: the tile of C that is worked on is
 * ROWS by 16 * VECS, and its two chains stay in registers. A and B are packed: A as [k][ROWS], B as
 * [k][16 * VECS], rounded and filled up with zeros, so that the inner loop reads both in a straight
 * line. UNROUNDED leaves the elements as they are: for the check of the gradient.
 */
#include "ember/gemm_rows.h"

enum { COLUMNS = 16 * VECS };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- packing ---- */

#ifdef UNROUNDED
static void round_all(float *x, size_t n)
{
    (void)x;
    (void)n;
}
#else
static void round_all(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = gemm_round(x[i]);
}
#endif

/* Four rows of x, four elements of each, turned: out[k][0..3]. */
static void turn4(const float *x, size_t stride, float *out, size_t width)
{
    typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
    four r[4];
    for (size_t i = 0; i < 4; i++)
        r[i] = *(const four *)(x + i * stride);
    four a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
    four b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    four c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    four d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    *(four *)out = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    *(four *)(out + width) = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    *(four *)(out + 2 * width) = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    *(four *)(out + 3 * width) = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

/* One strip whose k runs along memory. */
static void turn(const float *x, size_t stride, size_t n, size_t n_k, size_t width, float *out)
{
    size_t whole = n / 4 * 4, whole_k = n_k / 4 * 4;
    for (size_t i = 0; i < whole; i += 4) {
        for (size_t k = 0; k < whole_k; k += 4)
            turn4(x + i * stride + k, stride, out + k * width + i, width);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i < whole ? whole_k : 0; k < n_k; k++)
            out[k * width + i] = x[i * stride + k];
    }
}

/* Strips of `width` rows or columns, each [k][width], k and width filled up with zeros. One of the
 * strides is 1. The width is a constant where this is inlined. */
static inline void pack(const float *x, size_t stride, size_t stride_k, size_t n, size_t n_k,
                        size_t width, float *out)
{
    size_t whole_k = gemm_whole_k(n_k);
    for (size_t first = 0; first < n; first += width, out += whole_k * width) {
        size_t rest = least(n - first, width);
        const float *from = x + first * stride;
        if (rest < width || n_k < whole_k)
            memset(out, 0, whole_k * width * sizeof *out);
        if (stride_k == 1) {
            turn(from, stride, rest, n_k, width, out);
        } else {
            for (size_t k = 0; k < n_k; k++)
                memcpy(out + k * width, from + k * stride_k, rest * sizeof *out);
        }
        round_all(out, whole_k * width);
    }
}

/* ---- products ---- */

/* Adds one step of GEMM_STEP_K to a full tile at c. */
static inline void step(const float *a, const float *b, float *c, size_t ldc, bool accumulate)
{
    vec even[ROWS][VECS], odd[ROWS][VECS];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++)
            even[r][v] = odd[r][v] = vec_set1(0.0f);
    }
    for (size_t k = 0; k < GEMM_STEP_K; k += 2, a += 2 * ROWS, b += 2 * COLUMNS) {
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) {
            vec x = vec_set1(a[r]), y = vec_set1(a[ROWS + r]);
#pragma GCC unroll 4
            for (int v = 0; v < VECS; v++) {
                even[r][v] = vec_fma(x, vec_load(b + v * 16), even[r][v]);
                odd[r][v] = vec_fma(y, vec_load(b + COLUMNS + v * 16), odd[r][v]);
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++) {
            float *to = c + (size_t)r * ldc + v * 16;
            vec before = accumulate ? vec_load(to) : vec_set1(0.0f);
            vec_store(to, vec_add(before, vec_add(even[r][v], odd[r][v])));
        }
    }
}

/* c is the first element of a full tile. */
static void tile(const float *a, const float *b, size_t n_k, float *c, size_t ldc, bool accumulate)
{
    for (size_t k = 0; k < n_k; k += GEMM_STEP_K)
        step(a + k * ROWS, b + k * COLUMNS, c, ldc, accumulate || k > 0);
}

static void tile_edge(const float *a, const float *b, size_t n_k, float *c, size_t ldc,
                      size_t n_rows, size_t n_columns, bool accumulate)
{
    float whole[ROWS * COLUMNS] = {0};
    for (size_t r = 0; r < n_rows && accumulate; r++)
        memcpy(whole + r * COLUMNS, c + r * ldc, n_columns * sizeof *c);
    tile(a, b, n_k, whole, COLUMNS, accumulate);
    for (size_t r = 0; r < n_rows; r++)
        memcpy(c + r * ldc, whole + r * COLUMNS, n_columns * sizeof *c);
}

/* The tiles of one packed block. */
static void block(const gemm_job *j, size_t row, size_t column, size_t n_k, const float *a,
                  const float *b, bool accumulate)
{
    size_t n_rows = least(GEMM_TILE_M, j->m - row), n_columns = least(GEMM_TILE_N, j->n - column);
    for (size_t n = 0; n < n_columns; n += COLUMNS) {
        for (size_t m = 0; m < n_rows; m += ROWS) {
            float *c = j->c + (row + m) * j->ldc + column + n;
            const float *a_strip = a + m * n_k, *b_strip = b + n * n_k;
            if (m + ROWS <= n_rows && n + COLUMNS <= n_columns)
                tile(a_strip, b_strip, n_k, c, j->ldc, accumulate);
            else
                tile_edge(a_strip, b_strip, n_k, c, j->ldc, least(ROWS, n_rows - m),
                          least(COLUMNS, n_columns - n), accumulate);
        }
    }
}

static void gemm(const gemm_job *j, float *scratch)
{
    float *a = scratch, *b = scratch + (GEMM_TILE_M + 16) * GEMM_TILE_K;
    for (size_t column = 0; column < j->n; column += GEMM_TILE_N) {
        for (size_t k = 0; k < j->k; k += GEMM_TILE_K) {
            size_t n_k = least(GEMM_TILE_K, j->k - k);
            pack(j->b + column * j->b_column + k * j->b_k, j->b_column, j->b_k,
                 least(GEMM_TILE_N, j->n - column), n_k, COLUMNS, b);
            for (size_t row = 0; row < j->m; row += GEMM_TILE_M) {
                pack(j->a + row * j->a_row + k * j->a_k, j->a_row, j->a_k,
                     least(GEMM_TILE_M, j->m - row), n_k, ROWS, a);
                block(j, row, column, gemm_whole_k(n_k), a, b, j->accumulate || k > 0);
            }
        }
    }
}
