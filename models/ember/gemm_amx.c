/* SPDX-License-Identifier: MIT
 *
 * gemm_amx.c - the trainer's arithmetic for AMX-BF16: products on tiles, the rest as for AVX-512.
 *
 * A tile of A has sixteen rows of 32 elements; one of B has sixteen rows of k's pairs, two elements
 * of each of sixteen columns side by side. Both are sixteen registers of sixteen dwords, a dword
 * being a pair of neighbours in k: A [row][pair], B [pair][column].
 */
#include "kernels/lanes_avx512.h"
#include "kernels/tiles_amx.h"
#include "kernels/vec_avx512.h"

#include "ember/gemm_rows.h"

enum { LINES = 16, TILE = LINES * GEMM_STEP_K }; /* elements of a tile */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- packing ---- */

/* gemm_round of each, in the upper half of its dword. */
static inline __m512i round_16(__m512 x)
{
    __m512i bits = _mm512_castps_si512(x);
    __mmask16 large = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(0x1p-50f), _CMP_GE_OQ);
    __m512i tie = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    bits = _mm512_add_epi32(bits, _mm512_add_epi32(tie, _mm512_set1_epi32(0x7fff)));
    return _mm512_maskz_mov_epi32(large, bits);
}

static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)((1u << least(n, 16)) - 1);
}

/* Pairs of x[0..n_k), k along memory. */
static inline __m512i pairs_along(const float *x, size_t n_k)
{
    static const uint16_t uppers[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                        23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                        45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
    size_t rest = n_k > 16 ? n_k - 16 : 0;
    __m512i low = round_16(_mm512_maskz_loadu_ps(first_lanes(n_k), x));
    __m512i high = round_16(_mm512_maskz_loadu_ps(first_lanes(rest), rest ? x + 16 : x));
    return _mm512_permutex2var_epi16(low, _mm512_loadu_si512(uppers), high);
}

/* Sixteen lines' pair of k and k + 1, which is stride_k further on. */
static inline __m512i pairs_across(const float *x, size_t stride_k, size_t n_k, __mmask16 lanes)
{
    if (n_k == 0)
        return _mm512_setzero_si512();
    __m512i even = _mm512_srli_epi32(round_16(_mm512_maskz_loadu_ps(lanes, x)), 16);
    if (n_k == 1)
        return even;
    __m512i odd = round_16(_mm512_maskz_loadu_ps(lanes, x + stride_k));
    return _mm512_or_si512(even, _mm512_and_si512(odd, _mm512_set1_epi32((int)0xffff0000)));
}

static inline void pack_tile(const float *x, size_t stride, size_t stride_k, size_t n, size_t n_k,
                             bool by_line, uint16_t *out)
{
    __m512i v[LINES];
    if (stride_k == 1) {
        for (size_t i = 0; i < LINES; i++)
            v[i] = i < n ? pairs_along(x + i * stride, n_k) : _mm512_setzero_si512();
    } else {
        for (size_t i = 0; i < LINES; i++)
            v[i] = pairs_across(2 * i < n_k ? x + 2 * i * stride_k : x, stride_k,
                                2 * i < n_k ? n_k - 2 * i : 0, first_lanes(n));
    }
    if (by_line != (stride_k == 1))
        transpose_16(v);
    for (size_t i = 0; i < LINES; i++)
        _mm512_store_si512(out + i * GEMM_STEP_K, v[i]);
}

/* Strips of sixteen rows of A (by_line) or columns of B: [strip][step of k] tiles. They are made in
 * the order of memory. */
static void pack(const float *x, size_t stride, size_t stride_k, size_t n, size_t n_k, bool by_line,
                 uint16_t *out)
{
    size_t n_strips = (n + LINES - 1) / LINES, n_steps = gemm_whole_k(n_k) / GEMM_STEP_K;
    for (size_t i = 0; i < n_strips * n_steps; i++) {
        size_t strip = stride_k == 1 ? i / n_steps : i % n_strips;
        size_t step = stride_k == 1 ? i % n_steps : i / n_strips;
        size_t first = strip * LINES, k = step * GEMM_STEP_K;
        pack_tile(x + first * stride + k * stride_k, stride, stride_k, least(LINES, n - first),
                  least(GEMM_STEP_K, n_k - k), by_line, out + (strip * n_steps + step) * TILE);
    }
}

/* ---- products ---- */

/* Compilers do not know that tiles are loaded from memory and stored to it. */
static inline void settle(void)
{
    __asm__ volatile("" : : : "memory");
}

/* 32 by 32 elements of C. Strips of A and B are n_k * LINES elements apart. */
static void product_32(const uint16_t *a, const uint16_t *b, size_t n_k, float *c, size_t ldc,
                       bool accumulate)
{
    const size_t strip = n_k * LINES, line = ldc * sizeof *c, bytes = GEMM_STEP_K * sizeof *a;
    float *lower = c + LINES * ldc;
    settle();
    if (accumulate) {
        _tile_loadd(0, c, line);
        _tile_loadd(1, c + LINES, line);
        _tile_loadd(2, lower, line);
        _tile_loadd(3, lower + LINES, line);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t at = 0; at < strip; at += TILE) {
        _tile_loadd(4, a + at, bytes);
        _tile_loadd(5, a + at + strip, bytes);
        _tile_loadd(6, b + at, bytes);
        _tile_loadd(7, b + at + strip, bytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, line);
    _tile_stored(1, c + LINES, line);
    _tile_stored(2, lower, line);
    _tile_stored(3, lower + LINES, line);
    settle();
}

/* At most 16 by 16 elements of C. */
static void product_16(const uint16_t *a, const uint16_t *b, size_t n_k, float *c, size_t ldc,
                       size_t n_rows, size_t n_columns, bool accumulate)
{
    _Alignas(64) float whole[LINES * LINES] = {0};
    for (size_t r = 0; r < n_rows && accumulate; r++)
        memcpy(whole + r * LINES, c + r * ldc, n_columns * sizeof *c);
    settle();
    _tile_loadd(0, whole, LINES * sizeof *whole);
    for (size_t at = 0; at < n_k * LINES; at += TILE) {
        _tile_loadd(4, a + at, GEMM_STEP_K * sizeof *a);
        _tile_loadd(6, b + at, GEMM_STEP_K * sizeof *b);
        _tile_dpbf16ps(0, 4, 6);
    }
    _tile_stored(0, whole, LINES * sizeof *whole);
    settle();
    for (size_t r = 0; r < n_rows; r++)
        memcpy(c + r * ldc, whole + r * LINES, n_columns * sizeof *c);
}

/* The part of C from (row, column) on that one packed block gives. */
static void block(const gemm_job *j, size_t row, size_t column, size_t n_k, const uint16_t *a,
                  const uint16_t *b, bool accumulate)
{
    size_t n_rows = least(GEMM_TILE_M, j->m - row), n_columns = least(GEMM_TILE_N, j->n - column);
    for (size_t n = 0; n < n_columns; n += 2 * LINES) {
        for (size_t m = 0; m < n_rows; m += 2 * LINES) {
            float *c = j->c + (row + m) * j->ldc + column + n;
            size_t rows = least(2 * LINES, n_rows - m), columns = least(2 * LINES, n_columns - n);
            if (rows == 2 * LINES && columns == 2 * LINES) {
                product_32(a + m * n_k, b + n * n_k, n_k, c, j->ldc, accumulate);
                continue;
            }
            for (size_t r = 0; r < rows; r += LINES) {
                for (size_t i = 0; i < columns; i += LINES)
                    product_16(a + (m + r) * n_k, b + (n + i) * n_k, n_k, c + r * j->ldc + i,
                               j->ldc, least(LINES, rows - r), least(LINES, columns - i),
                               accumulate);
            }
        }
    }
}

static void gemm(const gemm_job *j, float *scratch)
{
    uint16_t *a = (uint16_t *)scratch, *b = a + GEMM_TILE_M * GEMM_TILE_K;
    open_tiles();
    for (size_t column = 0; column < j->n; column += GEMM_TILE_N) {
        for (size_t k = 0; k < j->k; k += GEMM_TILE_K) {
            size_t n_k = least(GEMM_TILE_K, j->k - k);
            pack(j->b + column * j->b_column + k * j->b_k, j->b_column, j->b_k,
                 least(GEMM_TILE_N, j->n - column), n_k, false, b);
            for (size_t row = 0; row < j->m; row += GEMM_TILE_M) {
                pack(j->a + row * j->a_row + k * j->a_k, j->a_row, j->a_k,
                     least(GEMM_TILE_M, j->m - row), n_k, true, a);
                block(j, row, column, gemm_whole_k(n_k), a, b, j->accumulate || k > 0);
            }
        }
    }
    _tile_release();
}

extern const gemm_kernels gemm_amx;
const gemm_kernels gemm_amx = GEMM_TABLE("amx");
