/* SPDX-License-Identifier: MIT
 *
 * columns_avx2.h - class B times 5 to 8 columns, for weight_avx2.c. Its chains take a float step
 * every 32 weights, so what matters is to have each sum in its lane without adding up over lanes.
 *
 * The 8 lanes are the 8 columns. The activations are transposed once per call and part of k
 * (act_part): four consecutive int8 of each column lie side by side in one vector. Four weights of
 * a row, broadcast to all lanes, then multiply all columns at once. Four rows share each vector of
 * activations. Their weights are first unpacked to memory (staged_row), from where a broadcast
 * costs nothing but the load.
 *
 * Products are added up as int16 as long as they fit (sums_that_fit), then widened.
 */
#ifndef HEARTH_KERNELS_COLUMNS_AVX2_H
#define HEARTH_KERNELS_COLUMNS_AVX2_H

#include "kernels/kernels.h"
#include "kernels/formats_avx2.h"
#include "kernels/weight_generic.h"

enum {
    COLUMNS = 8,
    ROWS = 4,
    PART = 2048, /* elements of k at a time: their activations stay in the first-level cache */
    RUN = 256,   /* elements of a row staged at a time */
};

typedef struct act_part {
    __m256i q[PART / 4];     /* int8[4] per lane */
    __m256i sums[PART / 32]; /* int16[2] per lane */
    __m256 d[PART / 32];
} act_part;

/* A run of one row. Each element is what all lanes get. */
typedef struct staged_row {
    int32_t q[RUN / 4], sign[RUN / 4]; /* int8[4], as in quants */
    float d[RUN / 16], m[RUN / 32];
} staged_row;

/* ---- activations ---- */

/* n elements of the job's columns from `first` on; n is a multiple of 32. Lanes without a column
 * are a double of the last. */
static void load_part(act_part *part, const matmul_job *job, size_t first, size_t n)
{
    const uint8_t *q[COLUMNS];
    int32_t *sums = (int32_t *)part->sums;
    float *d = (float *)part->d;
    for (int c = 0; c < COLUMNS; c++) {
        const void *x = job->x[c < job->n_columns ? c : job->n_columns - 1];
        const float *scales = act_scales(x, job->k) + first / 32;
        const uint8_t *pairs = (const uint8_t *)(act_sums(ACT_Q32, x, job->k) + first / 16);
        q[c] = (const uint8_t *)x + first;
        for (size_t i = 0; i < n / 32; i++)
            d[i * COLUMNS + (size_t)c] = scales[i];
        for (size_t i = 0; i < n / 32; i++)
            sums[i * COLUMNS + (size_t)c] = (int32_t)load_u32(pairs + 4 * i);
    }
    for (size_t i = 0; i < n; i += 32) {
        __m256i x[COLUMNS];
        for (int c = 0; c < COLUMNS; c++)
            x[c] = load_256(q[c] + i);
        transpose_8(x);
        for (size_t j = 0; j < 8; j++)
            part->q[i / 4 + j] = x[j];
    }
}

/* ---- outputs ---- */

/* The sums of all columns for one row. They wait in the outputs between parts of k. */
ALWAYS_INLINE __m256 load_sums(const matmul_job *job, size_t row, size_t first)
{
    float lanes[COLUMNS] = {0};
    for (int c = 0; c < job->n_columns && first > 0; c++)
        lanes[c] = job->y[c][row];
    return _mm256_loadu_ps(lanes);
}

ALWAYS_INLINE void store_sums(const matmul_job *job, size_t row, __m256 y)
{
    float lanes[COLUMNS];
    _mm256_storeu_ps(lanes, y);
    for (int c = 0; c < job->n_columns; c++)
        job->y[c][row] = lanes[c];
}

/* ---- products ---- */

/* Products of 16 weights with each column, for ROWS rows, added up to int16 and widened by `scale`
 * into totals. The quants are those from index i of the staged row on. */
ALWAYS_INLINE void add_group(const staged_row *rows, const __m256i *a, size_t i, bool with_sign,
                             int fit, const __m256i scale[ROWS], __m256i totals[ROWS])
{
    for (size_t j = 0; j < 4; j += (size_t)fit) {
        __m256i sums[ROWS];
        for (size_t step = j; step < j + (size_t)fit; step++) {
            __m256i x = a[step];
            for (int r = 0; r < ROWS; r++) {
                __m256i w = _mm256_set1_epi32(rows[r].q[i + step]), signed_x = x;
                if (with_sign)
                    signed_x = _mm256_sign_epi8(x, _mm256_set1_epi32(rows[r].sign[i + step]));
                __m256i product = _mm256_maddubs_epi16(w, signed_x);
                sums[r] = step == j ? product : _mm256_add_epi16(sums[r], product);
            }
        }
        for (int r = 0; r < ROWS; r++)
            totals[r] = _mm256_add_epi32(totals[r], _mm256_madd_epi16(sums[r], scale[r]));
    }
}

/* ---- blocks ---- */

/* n times 32 weights from number `first` of a row on. */
ALWAYS_INLINE void stage_blocks(const uint8_t *w, size_t first, size_t n, block_format f,
                                unpack_quants_fn *unpack, staged_row *out)
{
    const size_t parts = f.elements / 32;
    for (size_t b = 0; b < n; b++) {
        const uint8_t *block = w + (first + b) / parts * f.bytes;
        int j = (int)((first + b) % parts);
        quants x = unpack(block, j);
        store_256(out->q + 8 * b, x.q);
        if (is_signed(f.type))
            store_256(out->sign + 8 * b, x.sign);
        out->d[2 * b] = block_scale(block, f.type, 2 * j);
        out->d[2 * b + 1] = block_scale(block, f.type, 2 * j + 1);
        if (has_minimum(f.type))
            out->m[b] = _cvtsh_ss(load_u16(block + 2));
    }
}

/* Adds the staged n times 32 weights, number `first` of the part on, to the chains y. */
ALWAYS_INLINE void add_staged_blocks(const staged_row *rows, const act_part *part, size_t first,
                                     size_t n, wtype type, __m256 y[ROWS])
{
    for (size_t b = 0; b < n; b++) {
        const __m256i *a = part->q + 8 * (first + b);
        const __m256i one = _mm256_set1_epi16(1), ones[ROWS] = {one, one, one, one};
        const __m256i zero = _mm256_setzero_si256();
        __m256i low[ROWS] = {zero, zero, zero, zero}, high[ROWS] = {zero, zero, zero, zero};
        add_group(rows, a, 8 * b, is_signed(type), sums_that_fit(type), ones, low);
        add_group(rows, a + 4, 8 * b + 4, is_signed(type), sums_that_fit(type), ones, high);
        __m256 da = part->d[first + b];
        __m256i sums = part->sums[first + b];
        __m256i more = _mm256_madd_epi16(sums, _mm256_set1_epi16((short)quant_offset(type)));
        __m256 da_sum = _mm256_mul_ps(da, _mm256_cvtepi32_ps(_mm256_madd_epi16(sums, one)));
        for (int r = 0; r < ROWS; r++) {
            __m256 d = _mm256_mul_ps(_mm256_set1_ps(rows[r].d[2 * b]), da);
            if (has_scale_per_16(type)) {
                y[r] = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(low[r]), y[r]);
                d = _mm256_mul_ps(_mm256_set1_ps(rows[r].d[2 * b + 1]), da);
                y[r] = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(high[r]), y[r]);
                continue;
            }
            __m256i total = _mm256_add_epi32(low[r], high[r]);
            if (quant_offset(type))
                total = _mm256_sub_epi32(total, more);
            y[r] = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(total), y[r]);
            if (has_minimum(type))
                y[r] = _mm256_fmadd_ps(_mm256_set1_ps(rows[r].m[b]), da_sum, y[r]);
        }
    }
}

#endif
