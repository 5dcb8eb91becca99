/* SPDX-License-Identifier: MIT
 *
 * weight_avx512.c - the weight kernels for processors with AVX-512 F, BW, DQ, VL and VNNI.
 *
 * Classes B and K: one column is multiplied with eight rows at a time (narrow_avx512.h), several
 * columns with sixteen (wide_avx512.h). Class F: two to eight rows with all columns. The rows of a
 * tile are those of streams.h; missing ones at the end are repeats of others.
 *
 * Products are of unsigned by signed bytes: quants have an offset added (unpack_*_avx512.h) that
 * is taken back exactly by the sums of activations that come with each row of them.
 *
 *   vpdpbusd    adds four products to an int32. u8 <= 255, |a| <= 127: no sum wraps.
 *   vpmaddubsw  adds two products to an int16, for class K in narrow_avx512.h, where vpdpwssd
 *               multiplies them with the scale of their 16 weights. Quants are at most 63, or
 *               64 + 62 of IQ3_XXS, and 2 * 126 * 127 = 32004 < 2^15. IQ4_XS, whose quants reach
 *               241, uses vpdpbusd and vpmulld instead.
 *   sums        An offset times a scale is at most 2^12 and fits an int16. Before its offset is
 *               taken back a super-block's sum is at most 256 * 63 * 128 * 127 < 2^28, of Q6_K.
 *
 * Dequantization is the compiler's work on the plain C.
 */
#include "kernels/formats_avx512.h"
#include "kernels/narrow_avx512.h"
#include "kernels/streams.h"
#include "kernels/wide_avx512.h"

static inline void point_at_rows(const matmul_job *job, size_t n, size_t tile, const uint8_t **w)
{
    for (size_t r = 0; r < n; r++)
        w[r] = row_at(job, tile_row(job, n, tile, r));
}

/* ---- class F ---- */

static inline float reduce_sums(__m512 s)
{
    const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

/* Lanes outside the mask keep their sums: adding 0 to -0 would change it. */
ALWAYS_INLINE void add_elements(load_f_fn *load, const uint8_t *const *w, size_t n_rows,
                                const float *const *x, size_t n_columns, size_t i, __mmask16 mask,
                                __m512 *sums)
{
    for (size_t r = 0; r < n_rows; r++) {
        const __m512 weights = load(w[r], i, mask);
        for (size_t c = 0; c < n_columns; c++) {
            __m512 *sum = &sums[r * n_columns + c];
            *sum =
                _mm512_mask3_fmadd_ps(weights, _mm512_maskz_loadu_ps(mask, x[c] + i), *sum, mask);
        }
    }
}

/* A tile is multiplied part by part of k, so that the columns' part stays in the first-level cache;
 * its sums wait in memory. Eight chains of sums or more hide each fma's latency, so step * columns
 * is 8 or 16. */
typedef struct plan_f {
    size_t columns; /* those that the job does not have are repeats of the last */
    size_t rows;    /* of a tile */
    size_t step;    /* rows at a time */
    size_t part;    /* elements, a multiple of 16 */
} plan_f;

enum { MAX_ROWS_F = 16 };

/* Elements k0 and on of some rows. What follows in their streams is fetched. */
ALWAYS_INLINE void multiply_part_f(const plan_f *plan, load_f_fn *load, const uint8_t *const *w,
                                   const float *const *x, size_t k0, size_t end, size_t bytes,
                                   size_t ahead, __m512 *all)
{
    const size_t n = plan->step * plan->columns, reach = 16 * plan->step;
    __m512 sums[16];
    for (size_t p = 0; p < n; p++)
        sums[p] = all[p];
    size_t i = k0;
    for (; i + 16 <= end; i += 16) {
        /* of one row, as far as all of the step will go in as many steps */
        prefetch(w[i / 16 % plan->step] + ahead + i / reach * reach * bytes, reach * bytes);
        add_elements(load, w, plan->step, x, plan->columns, i, 0xffff, sums);
    }
    if (i < end)
        add_elements(load, w, plan->step, x, plan->columns, i, (__mmask16)((1u << (end - i)) - 1),
                     sums);
    for (size_t p = 0; p < n; p++)
        all[p] = sums[p];
}

ALWAYS_INLINE void multiply_f(const matmul_job *job, load_f_fn *load, size_t bytes, plan_f plan)
{
    const size_t n_real = (size_t)job->n_columns;
    const float *x[MATMUL_MAX_COLUMNS];
    for (size_t c = 0; c < plan.columns; c++)
        x[c] = job->x[c < n_real ? c : n_real - 1];
    for (size_t tile = 0; tile < n_tiles(job, plan.rows); tile++) {
        const size_t ahead = tile_ahead(job, plan.rows, tile);
        const uint8_t *w[MAX_ROWS_F];
        __m512 sums[MAX_ROWS_F * MATMUL_MAX_COLUMNS];
        point_at_rows(job, plan.rows, tile, w);
        for (size_t p = 0; p < plan.rows * plan.columns; p++)
            sums[p] = _mm512_setzero_ps();
        for (size_t k0 = 0; k0 < job->k; k0 += plan.part) {
            const size_t end = job->k - k0 < plan.part ? job->k : k0 + plan.part;
            for (size_t r = 0; r < plan.rows; r += plan.step)
                multiply_part_f(&plan, load, w + r, x, k0, end, bytes, ahead,
                                sums + r * plan.columns);
        }
        for (size_t r = 0; r < plan.rows; r++) {
            const size_t row = tile_row(job, plan.rows, tile, r);
            for (size_t c = 0; c < plan.columns && c < n_real; c++)
                job->y[c][row] = reduce_sums(sums[r * plan.columns + c]);
        }
    }
}

ALWAYS_INLINE void matmul_f(const matmul_job *job, load_f_fn *load, size_t bytes)
{
    if (job->n_columns == 1)
        multiply_f(job, load, bytes, (plan_f){1, 8, 8, SIZE_MAX / 32 * 16});
    else if (job->n_columns == 2)
        multiply_f(job, load, bytes, (plan_f){2, 4, 4, SIZE_MAX / 32 * 16});
    else if (job->n_columns <= 4)
        multiply_f(job, load, bytes, (plan_f){4, 4, 4, SIZE_MAX / 32 * 16});
    else
        multiply_f(job, load, bytes, (plan_f){8, 16, 2, 512});
}

/* Sixteen rows: four in a quad, `step` apart. */
typedef struct wide_tile {
    rows_16 rows;
    size_t first[4]; /* number of each quad's first row */
    size_t step;     /* 0 where the job has fewer than four rows */
} wide_tile;

static inline void set_tile(wide_tile *t, const matmul_job *job, size_t tile)
{
    const size_t length = job->n_rows / WIDE_ROWS, rest = length * WIDE_ROWS;
    const size_t quad = job->n_rows < 4 ? 1 : 4;
    t->step = tile < length ? length : quad == 4;
    t->rows.stride = t->step * job->row_bytes;
    for (size_t i = 0; i < 4; i++) {
        const size_t wanted = rest + i * quad, last = job->n_rows - quad;
        t->first[i] = tile < length ? 4 * i * length + tile : wanted < last ? wanted : last;
        t->rows.quad[i] = row_at(job, t->first[i]);
    }
}

static inline void store_tile(const wide_tile *t, float *y, __m512 values)
{
    float lanes[WIDE_ROWS];
    _mm512_storeu_ps(lanes, values);
    for (size_t r = 0; r < WIDE_ROWS; r++)
        y[t->first[r / 4] + r % 4 * t->step] = lanes[r];
}

#define DEFINE_MATMUL(class)                                                                       \
    ALWAYS_INLINE void matmul_narrow_##class(const matmul_job *job, const format_##class *f)       \
    {                                                                                              \
        for (size_t tile = 0; tile < n_tiles(job, NARROW_ROWS); tile++) {                          \
            const uint8_t *w[NARROW_ROWS];                                                         \
            float y[NARROW_ROWS];                                                                  \
            const size_t ahead = tile_ahead(job, NARROW_ROWS, tile);                               \
            point_at_rows(job, NARROW_ROWS, tile, w);                                              \
            _mm256_storeu_ps(y, multiply_narrow_##class(f, w, ahead, job->x[0], job->k));          \
            for (size_t r = 0; r < NARROW_ROWS; r++)                                               \
                job->y[0][tile_row(job, NARROW_ROWS, tile, r)] = y[r];                             \
        }                                                                                          \
    }                                                                                              \
    ALWAYS_INLINE void matmul_##class(const matmul_job *job, const format_##class *f)              \
    {                                                                                              \
        if (job->n_columns == 1) {                                                                 \
            matmul_narrow_##class(job, f);                                                         \
            return;                                                                                \
        }                                                                                          \
        for (size_t tile = 0; tile < n_tiles(job, WIDE_ROWS); tile++) {                            \
            const size_t ahead = tile_ahead(job, WIDE_ROWS, tile);                                 \
            wide_tile t;                                                                           \
            __m512 y[MATMUL_MAX_COLUMNS];                                                          \
            set_tile(&t, job, tile);                                                               \
            for (int c = 0; c < job->n_columns; c++)                                               \
                y[c] = _mm512_setzero_ps();                                                        \
            multiply_wide_##class(f, &t.rows, ahead, job, y);                                      \
            for (int c = 0; c < job->n_columns; c++)                                               \
                store_tile(&t, job->y[c], y[c]);                                                   \
        }                                                                                          \
    }

DEFINE_MATMUL(b)
DEFINE_MATMUL(k)

/* ---- activations ---- */

/* As quantize_block of weight_generic.h, for n a multiple of 32, without the sums. */
static inline float quantize(const float *x, size_t n, int8_t *q)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i max = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16)
        max = _mm512_max_epu32(max, _mm512_and_si512(load_512(x + i), magnitude));
    const uint32_t max_bits = _mm512_reduce_max_epu32(max);
    const float amax = float_from_bits(max_bits), inverse = 127.0f / amax;
    if (max_bits >= 0x7f800000 || inverse > FLT_MAX) {
        memset(q, 0, n);
        return 0.0f;
    }
    for (size_t i = 0; i < n; i += 16) {
        const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(inverse));
        _mm_storeu_si128((__m128i *)(void *)(q + i),
                         _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(scaled)));
    }
    return amax / 127.0f;
}

/* The sums of each 16 of k integers, k a multiple of 32. */
static void sum_sixteens(const int8_t *q, size_t k, int16_t *sums)
{
    const __m512i ones = _mm512_set1_epi8(1);
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (size_t i = 0; i < k; i += 256, sums += 16) {
        __m512i fours[4];
        for (size_t j = 0; j < 4; j++) {
            const size_t at = i + 64 * j, left = at < k ? k - at : 0;
            const __mmask64 mask = left < 64 ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
            fours[j] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones,
                                           _mm512_maskz_loadu_epi8(mask, q + i + 64 * j));
        }
        const __m512i sixteens = _mm512_permutexvar_epi32(order, add_lanes_4(fours));
        const size_t n = (k - i) / 16;
        _mm256_mask_storeu_epi16(sums, (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff),
                                 _mm512_cvtepi32_epi16(sixteens));
    }
}

static void quantize_row(const float *x, size_t k, void *row, size_t block)
{
    int8_t *q = row;
    float *d = (float *)(void *)(q + k);
    for (size_t i = 0; i < k; i += block)
        d[i / block] = quantize(x + i, block, q + i);
    sum_sixteens(q, k, (int16_t *)(void *)(d + k / block));
}

static void quantize_Q32(const float *x, size_t k, void *row)
{
    quantize_row(x, k, row, act_block(ACT_Q32));
}

static void quantize_Q256(const float *x, size_t k, void *row)
{
    quantize_row(x, k, row, act_block(ACT_Q256));
}

static void quantize_F32(const float *x, size_t k, void *row)
{
    generic_quantize_act_F32(x, k, row);
}

/* ---- every format ---- */

#define MATMUL_FUNCTION(name, class, ...)                                                          \
    static void matmul_##name(const matmul_job *job)                                               \
    {                                                                                              \
        const format_##class f = __VA_ARGS__;                                                      \
        matmul_##class(job, &f);                                                                   \
    }
#define DEFINE_F(name, elements, bytes)                                                            \
    static void matmul_##name(const matmul_job *job)                                               \
    {                                                                                              \
        matmul_f(job, load_##name, bytes);                                                         \
    }
#define DEFINE_B(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, b, APPLY(FORMAT_B, name, elements, bytes, FORMAT_##name))
#define DEFINE_K(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, k, APPLY(FORMAT_K, name, elements, bytes, FORMAT_##name))
#define DEFINE_N(name, elements, bytes)

#define X(name, id, text, elements, bytes, class) DEFINE_##class(name, elements, bytes)
#include "base/wtype.def"
#undef X

#define WEIGHT_TABLE weight_kernels_avx512
#define MATMUL(name) matmul_##name
#define DEQUANTIZE(name) generic_dequantize_##name
#define QUANTIZE_ACT(kind) quantize_##kind
#include "kernels/weight_table.h"
