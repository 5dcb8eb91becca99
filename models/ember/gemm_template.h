/* SPDX-License-Identifier: MIT
 *
 * gemm_template.h - the functions of gemm.h over a vec of sixteen floats, for one instruction set.
 *
 * Included after a kernels/vec_*.h with ROWS and VECS defined: the tile of C that stays in
 * registers is ROWS by 16 * VECS. A and B are packed: A as [k][ROWS], B as [k][16 * VECS], so that
 * the inner loop reads both in a straight line.
 */
#include <math.h>
#include <string.h>

#include "ember/gemm.h"

enum { COLUMNS = 16 * VECS };

/* ---- products ---- */

/* c is the first element of a full tile. */
static void tile(const float *a, const float *b, size_t n_k, float *c, size_t ldc, bool accumulate)
{
    vec sums[ROWS][VECS];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++)
            sums[r][v] = accumulate ? vec_load(c + (size_t)r * ldc + v * 16) : vec_set1(0.0f);
    }
    for (size_t k = 0; k < n_k; k++) {
        vec columns[VECS];
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++)
            columns[v] = vec_load(b + k * COLUMNS + v * 16);
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) {
            vec x = vec_set1(a[k * ROWS + (size_t)r]);
#pragma GCC unroll 4
            for (int v = 0; v < VECS; v++)
                sums[r][v] = vec_fma(x, columns[v], sums[r][v]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 4
        for (int v = 0; v < VECS; v++)
            vec_store(c + (size_t)r * ldc + v * 16, sums[r][v]);
    }
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

/* Strips whose k is apart: row by row of memory. The width is a constant where this is inlined. */
static inline void gather(const float *x, size_t stride_k, size_t n, size_t n_k, size_t width,
                          float *out)
{
    size_t whole = n / width * width;
    if (whole < n)
        memset(out + whole * n_k, 0, n_k * width * sizeof *out);
    for (size_t k = 0; k < n_k; k++) {
        const float *from = x + k * stride_k;
        for (size_t i = 0; i < whole; i += width)
            memcpy(out + i * n_k + k * width, from + i, width * sizeof *out);
        for (size_t i = whole; i < n; i++)
            out[whole * n_k + k * width + i - whole] = from[i];
    }
}

/* Strips of `width` rows or columns, each [k][width], filled up with zeros. One of the strides
 * is 1. */
static inline void pack(const float *x, size_t stride, size_t stride_k, size_t n, size_t n_k,
                        size_t width, float *out)
{
    if (stride_k != 1) {
        gather(x, stride_k, n, n_k, width, out);
        return;
    }
    for (size_t first = 0; first < n; first += width, out += n_k * width) {
        size_t rest = n - first < width ? n - first : width;
        if (rest < width)
            memset(out, 0, n_k * width * sizeof *out);
        turn(x + first * stride, stride, rest, n_k, width, out);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
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
                block(j, row, column, n_k, a, b, j->accumulate || k > 0);
            }
        }
    }
}

/* ---- rows ---- */

static float reduce(vec sums)
{
    float s[16];
    vec_store(s, sums);
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++)
            s[i] += s[i + width];
    }
    return s[0];
}

/* Rows are multiples of 16 everywhere but in softmax. */
static float dot(const float *a, const float *b, size_t n)
{
    vec sums = vec_set1(0.0f);
    for (size_t i = 0; i < n; i += 16)
        sums = vec_fma(vec_load(a + i), vec_load(b + i), sums);
    return reduce(sums);
}

static float rms_norm(const float *x, const float *w, float eps, size_t n, float *out)
{
    float factor = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
    vec f = vec_set1(factor);
    for (size_t i = 0; i < n; i += 16)
        vec_store(out + i, vec_mul(vec_mul(vec_load(x + i), f), vec_load(w + i)));
    return factor;
}

/* y = x f w with f = (mean x^2 + eps)^-1/2: dx = f (w dy) - x f^3 / n sum(x w dy). */
static void rms_norm_back(const float *x, const float *w, float factor, const float *dy, size_t n,
                          float *dx, float *dw)
{
    vec sums = vec_set1(0.0f), f = vec_set1(factor);
    for (size_t i = 0; i < n; i += 16) {
        vec xd = vec_mul(vec_load(x + i), vec_load(dy + i));
        sums = vec_fma(xd, vec_load(w + i), sums);
        vec_store(dw + i, vec_fma(xd, f, vec_load(dw + i)));
    }
    vec pull = vec_set1(-factor * factor * factor / (float)n * reduce(sums));
    for (size_t i = 0; i < n; i += 16) {
        vec direct = vec_mul(f, vec_mul(vec_load(w + i), vec_load(dy + i)));
        direct = vec_fma(pull, vec_load(x + i), direct);
        vec_store(dx + i, vec_add(vec_load(dx + i), direct));
    }
}

/* e^x: x = n ln 2 + r, the Taylor polynomial of degree 7 in r, scaled by 2^n; 0 below -87. */
static vec exponential(vec x)
{
    static const float inverse_factorials[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6,
                                               0.5f,       1,          1};
    vec clamped = vec_max(vec_min(x, vec_set1(88.0f)), vec_set1(-87.0f));
    vec magic = vec_set1(12582912.0f); /* 1.5 * 2^23 rounds to an integer */
    vec t = vec_fma(clamped, vec_set1(1.44269504f), magic);
    vec n = vec_sub(t, magic);
    vec r = vec_fma(n, vec_set1(-0.693359375f), clamped);
    r = vec_fma(n, vec_set1(2.12194440e-4f), r);
    vec p = vec_set1(1.0f / 5040);
    for (size_t i = 0; i < sizeof inverse_factorials / sizeof *inverse_factorials; i++)
        p = vec_fma(p, r, vec_set1(inverse_factorials[i]));
    return vec_select_less(x, vec_set1(-87.0f), vec_set1(0.0f), vec_scale_exponent(p, t));
}

/* x[0..n) with the last vec filled up by `fill`. */
static vec load_part(const float *x, size_t n, float fill)
{
    float lanes[16];
    if (n >= 16)
        return vec_load(x);
    for (size_t i = 0; i < 16; i++)
        lanes[i] = i < n ? x[i] : fill;
    return vec_load(lanes);
}

static void store_part(float *x, vec a, size_t n)
{
    float lanes[16];
    if (n >= 16) {
        vec_store(x, a);
        return;
    }
    vec_store(lanes, a);
    memcpy(x, lanes, n * sizeof *x);
}

static float largest(const float *x, size_t n)
{
    float lanes[16], top;
    vec m = load_part(x, n, x[0]);
    for (size_t i = 16; i < n; i += 16)
        m = vec_max(m, load_part(x + i, n - i, x[0]));
    vec_store(lanes, m);
    top = lanes[0];
    for (int i = 1; i < 16; i++)
        top = lanes[i] > top ? lanes[i] : top;
    return top;
}

static void softmax(float *x, size_t n)
{
    vec sums = vec_set1(0.0f), shift = vec_set1(largest(x, n));
    for (size_t i = 0; i < n; i += 16) {
        vec e = exponential(vec_sub(load_part(x + i, n - i, -INFINITY), shift));
        sums = vec_add(sums, e);
        store_part(x + i, e, n - i);
    }
    float scale = 1.0f / reduce(sums);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}

static vec sigmoid(vec x)
{
    vec one = vec_set1(1.0f);
    return vec_div(one, vec_add(one, exponential(vec_sub(vec_set1(0.0f), x))));
}

static void swiglu(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        vec g = vec_load(gate + i);
        vec_store(out + i, vec_mul(vec_mul(g, sigmoid(g)), vec_load(up + i)));
    }
}

/* silu'(g) = s (1 + g (1 - s)). */
static void swiglu_back(const float *gate, const float *up, const float *d, size_t n, float *dgate,
                        float *dup)
{
    vec one = vec_set1(1.0f);
    for (size_t i = 0; i < n; i += 16) {
        vec g = vec_load(gate + i), s = sigmoid(g), u = vec_load(up + i), dy = vec_load(d + i);
        vec slope = vec_mul(s, vec_fma(g, vec_sub(one, s), one));
        vec_store(dgate + i, vec_mul(dy, vec_mul(u, slope)));
        vec_store(dup + i, vec_mul(dy, vec_mul(g, s)));
    }
}

#define GEMM_TABLE(name)                                                                           \
    {                                                                                              \
        .isa = name, .gemm = gemm, .rms_norm = rms_norm, .rms_norm_back = rms_norm_back,           \
        .softmax = softmax, .swiglu = swiglu, .swiglu_back = swiglu_back, .dot = dot               \
    }
