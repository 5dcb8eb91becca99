/* SPDX-License-Identifier: MIT
 *
 * weight_avx512.c - the weight kernels for processors with AVX-512 F, BW, DQ, VL and VNNI.
 *
 * A tile is eight (row, column) pairs: 8 rows with 1 column, 4 with 2, 2 with 4, or 1 row with 8
 * columns (other counts are padded with repeats). One pass over k unpacks each block of each row
 * once, multiplies it with every column, and leaves a vector of int32 partial sums per pair. Eight
 * such vectors are added across lanes together, into one register with a lane per pair, so a
 * horizontal sum costs three instructions and the float chains of all pairs advance in one fma.
 * With one column, which is decoding, a tile reads eight streams of weights.
 *
 * Products are of unsigned by signed bytes: quants have an offset added (unpack_*_avx512.h) that
 * is taken back exactly by the sums of activations that come with each row of them.
 *
 *   class B  vpdpbusd adds four products to an int32. u8 <= 255, |a| <= 127: no sum saturates.
 *   class K  vpmaddubsw adds two products to an int16, vpdpwssd multiplies those with the scale of
 *            their 16 weights. Quants are at most 63, or 64 + 62 of IQ3_XXS, and
 *            2 * 126 * 127 = 32004 < 2^15. IQ4_XS, whose quants reach 241, uses vpdpbusd and
 *            vpmulld. An offset times a scale is below 2^12, and sums stay as block.h bounds them:
 *            at most 256 * 241 * 32 * 127 < 2^28 for IQ4_XS, 2^27 for the others.
 *
 * Dequantization is the compiler's work on the plain C.
 */
#include "kernels/unpack_b_avx512.h"
#include "kernels/unpack_iq_avx512.h"
#include "kernels/unpack_k_avx512.h"

/* ---- tiles ---- */

typedef struct tile {
    int columns;               /* 1, 2, 4 or 8; a constant wherever this is inlined */
    const uint8_t *w[N_PAIRS]; /* rows, N_PAIRS / columns of them */
    const int8_t *a[N_PAIRS];  /* columns: quants, scales, sums */
    const float *da[N_PAIRS];
    const int16_t *sums[N_PAIRS];
} tile;

typedef __m256 tile_fn(const tile *t, size_t k, const void *format);

static inline void tile_rows(tile *t, const matmul_job *job, size_t row)
{
    for (int r = 0; r < N_PAIRS / t->columns; r++) {
        const size_t clamped = row + (size_t)r < job->n_rows ? row + (size_t)r : job->n_rows - 1;
        t->w[r] = job->w + clamped * job->row_bytes;
    }
}

static inline void store_tile(const tile *t, const matmul_job *job, size_t row, __m256 y)
{
    float values[N_PAIRS];
    _mm256_storeu_ps(values, y);
    for (int r = 0; r < N_PAIRS / t->columns && row + (size_t)r < job->n_rows; r++) {
        for (int c = 0; c < job->n_columns; c++)
            job->y[c][row + (size_t)r] = values[r * t->columns + c];
    }
}

ALWAYS_INLINE void matmul_columns(const matmul_job *job, int columns, act_kind kind,
                                  tile_fn *multiply, const void *format)
{
    tile t = {.columns = columns};
    for (int c = 0; c < columns; c++) {
        const void *x = job->x[c < job->n_columns ? c : 0];
        t.a[c] = x;
        if (kind != ACT_F32) {
            t.da[c] = act_scales(x, job->k);
            t.sums[c] = act_sums(kind, x, job->k);
        }
    }
    for (size_t row = 0; row < job->n_rows; row += (size_t)(N_PAIRS / columns)) {
        tile_rows(&t, job, row);
        store_tile(&t, job, row, multiply(&t, job->k, format));
    }
}

ALWAYS_INLINE void matmul(const matmul_job *job, act_kind kind, tile_fn *multiply,
                          const void *format)
{
    if (job->n_columns == 1)
        matmul_columns(job, 1, kind, multiply, format);
    else if (job->n_columns == 2)
        matmul_columns(job, 2, kind, multiply, format);
    else if (job->n_columns <= 4)
        matmul_columns(job, 4, kind, multiply, format);
    else
        matmul_columns(job, 8, kind, multiply, format);
}

/* ---- class F ---- */

/* 16 elements, or those whose bit is set. */
typedef __m512 load_f_fn(const uint8_t *row, size_t i, __mmask16 mask);

typedef struct format_f {
    load_f_fn *load;
} format_f;

static inline __m512 load_F32(const uint8_t *row, size_t i, __mmask16 mask)
{
    return _mm512_maskz_loadu_ps(mask, row + 4 * i);
}

static inline __m512 load_F16(const uint8_t *row, size_t i, __mmask16 mask)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, row + 2 * i));
}

static inline __m512 load_BF16(const uint8_t *row, size_t i, __mmask16 mask)
{
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, row + 2 * i));
    return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}

static inline float reduce_sums(__m512 s)
{
    const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

/* Lanes outside the mask keep their sums: adding 0 to -0 would change it. */
ALWAYS_INLINE void add_elements(const tile *t, size_t i, __mmask16 mask, load_f_fn *load,
                                __m512 *sums)
{
    __m512 x[N_PAIRS];
    for (int c = 0; c < t->columns; c++)
        x[c] = _mm512_maskz_loadu_ps(mask, t->a[c] + 4 * i);
    for (int r = 0; r < N_PAIRS / t->columns; r++) {
        const __m512 w = load(t->w[r], i, mask);
        for (int c = 0; c < t->columns; c++) {
            __m512 *sum = &sums[r * t->columns + c];
            *sum = _mm512_mask3_fmadd_ps(w, x[c], *sum, mask);
        }
    }
}

ALWAYS_INLINE __m256 multiply_f(const tile *t, size_t k, const void *format)
{
    load_f_fn *load = ((const format_f *)format)->load;
    __m512 sums[N_PAIRS];
    for (int p = 0; p < N_PAIRS; p++)
        sums[p] = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + 16 <= k; i += 16)
        add_elements(t, i, 0xffff, load, sums);
    if (i < k)
        add_elements(t, i, (__mmask16)((1u << (k - i)) - 1), load, sums);
    float y[N_PAIRS];
    for (int p = 0; p < N_PAIRS; p++)
        y[p] = reduce_sums(sums[p]);
    return _mm256_loadu_ps(y);
}

/* ---- class B ---- */

typedef struct format_b {
    load_b_fn *load;
    scale_fn *scale;
    wtype type;
    int offset;
    size_t bytes, blocks; /* of the file's block, blocks of 32 in it */
} format_b;

/* What the offset adds to the products of two blocks, negated: a lane for each 16 weights. */
static inline __m512i correction_b(const int16_t *sums, int offset)
{
    const __m128i sums_32 =
        _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)sums));
    const __m128i products = _mm_madd_epi16(sums_32, _mm_set1_epi32(-offset & 0xffff));
    const __m512i places = _mm512_setr_epi32(0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0);
    return _mm512_maskz_permutexvar_epi32(0x1111, places, _mm512_castsi128_si512(products));
}

ALWAYS_INLINE __m256 column_sums(const tile *t, size_t b)
{
#define SUM(p) t->sums[(p) % t->columns][2 * b] + t->sums[(p) % t->columns][2 * b + 1]
    if (t->columns == 1)
        return _mm256_cvtepi32_ps(_mm256_set1_epi32(SUM(0)));
    return _mm256_cvtepi32_ps(
        _mm256_setr_epi32(SUM(0), SUM(1), SUM(2), SUM(3), SUM(4), SUM(5), SUM(6), SUM(7)));
#undef SUM
}

/* Adds a block to the chains, or the half of it whose scale is at a byte of the rows. */
ALWAYS_INLINE __m256 chain_b(__m256 y, const tile *t, const format_b *f, size_t b, size_t scale_at,
                             __m256i sums)
{
    const __m256 da = column_floats(t->da, b, t->columns);
    const __m256 d = f->scale(t->w, scale_at, t->columns);
    y = _mm256_fmadd_ps(_mm256_mul_ps(d, da), _mm256_cvtepi32_ps(sums), y);
    if (has_minimum(f->type)) {
        const __m256 m = scale_f16(t->w, scale_at + 2, t->columns);
        y = _mm256_fmadd_ps(m, _mm256_mul_ps(da, column_sums(t, b)), y);
    }
    return y;
}

/* Of v[0..7], of which each 128 bits are a sum of 16 weights, that part of 16: 0 to 3. */
#define SUM_16(low, high, part)                                                                    \
    _mm256_set_m128i(_mm512_extracti32x4_epi32(high, part), _mm512_extracti32x4_epi32(low, part))

ALWAYS_INLINE __m256 chain_quarters(__m256 y, const tile *t, const format_b *f, size_t b,
                                    const __m512i *sums)
{
    const __m512i low = add_lanes_4(sums), high = add_lanes_4(sums + 4);
    const size_t at = b / f->blocks * f->bytes;
    y = chain_b(y, t, f, b, at, SUM_16(low, high, 0));
    y = chain_b(y, t, f, b, at + 1, SUM_16(low, high, 1));
    y = chain_b(y, t, f, b + 1, at + 2, SUM_16(low, high, 2));
    return chain_b(y, t, f, b + 1, at + 3, SUM_16(low, high, 3));
}

/* A row with an odd number of blocks reads, at its end, past the quants and sums of activations
 * into what follows in their row, and does not use it. */
ALWAYS_INLINE __m256 multiply_b(const tile *t, size_t k, const void *format)
{
    const format_b *f = format;
    const size_t n = k / 32;
    __m256 y = _mm256_setzero_ps();
    for (size_t b = 0; b < n; b += 2) {
        __m512i a[N_PAIRS], correction[N_PAIRS], sums[N_PAIRS];
        for (int c = 0; c < t->columns; c++) {
            a[c] = load_512(t->a[c] + 32 * b);
            correction[c] =
                f->offset ? correction_b(t->sums[c] + 2 * b, f->offset) : _mm512_setzero_si512();
        }
        for (int r = 0; r < N_PAIRS / t->columns; r++) {
            const __m512i w = f->load(t->w[r], b, b + 1 < n ? b + 1 : b);
            for (int c = 0; c < t->columns; c++)
                sums[r * t->columns + c] = _mm512_dpbusd_epi32(correction[c], w, a[c]);
        }
        if (has_scale_per_16(f->type)) {
            y = chain_quarters(y, t, f, b, sums);
            continue;
        }
        const __m512i halves = sum_halves_8(sums);
        y = chain_b(y, t, f, b, b / f->blocks * f->bytes, low_half(halves));
        if (b + 1 < n)
            y = chain_b(y, t, f, b + 1, (b + 1) / f->blocks * f->bytes, high_half(halves));
    }
    return y;
}

/* ---- class K ---- */

typedef struct format_k {
    load_k_fn *load;
    bits_fn *scale_bits;
    wtype type;
    int offset;
    size_t bytes, scale_at; /* dmin follows d */
    float scale_unit;       /* what d is multiplied with, a power of two */
} format_k;

/* The scales of weights 64 part and on, as int16 for every two of them. */
static inline __m512i spread_scales(__m256i s, int part)
{
    const __m512i places =
        _mm512_add_epi16(lanes_epi16(0, 1, 2, 3), _mm512_set1_epi16((short)(4 * part)));
    return _mm512_permutexvar_epi16(places, _mm512_castsi256_si512(s));
}

/* Scaled sums of products, to be added across lanes. spread: scales as spread_scales has them. */
ALWAYS_INLINE __m512i dot_k(const format_k *f, const k_vectors *w, const __m512i *spread,
                            const int8_t *a, __m512i sum)
{
    for (int i = 0; i < 4; i++) {
        const __m512i q = w->q[i], x = load_512(a + 64 * i);
        if (f->type == WTYPE_IQ4_XS) {
            const __m512i products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), q, x);
            const __m512i scales = _mm512_srai_epi32(spread[i], 16);
            sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(products, scales));
        } else {
            sum = _mm512_dpwssd_epi32(sum, _mm512_maddubs_epi16(q, x), spread[i]);
        }
    }
    return sum;
}

/* One super-block of every row with every column, sums and minimums to be added across lanes. */
ALWAYS_INLINE void multiply_super_blocks(const tile *t, const format_k *f, size_t i, __m512i *sums,
                                         __m256i *minimums)
{
    for (int r = 0; r < N_PAIRS / t->columns; r++) {
        k_vectors w;
        __m512i spread[4];
        f->load(t->w[r] + i * f->bytes, &w);
        for (int j = 0; j < 4; j++)
            spread[j] = spread_scales(w.s, j);
        const __m256i offsets = _mm256_mullo_epi16(w.s, _mm256_set1_epi16((short)-f->offset));
        for (int c = 0; c < t->columns; c++) {
            const int p = r * t->columns + c;
            const __m256i a_sums = load_256(t->sums[c] + 16 * i);
            __m512i sum = _mm512_setzero_si512();
            if (f->offset)
                sum = _mm512_zextsi256_si512(_mm256_madd_epi16(offsets, a_sums));
            if (has_minimum(f->type))
                minimums[p] = _mm256_madd_epi16(w.m, a_sums);
            sums[p] = dot_k(f, &w, spread, t->a[c] + 256 * i, sum);
        }
    }
}

ALWAYS_INLINE __m256 multiply_k(const tile *t, size_t k, const void *format)
{
    const format_k *f = format;
    __m256 y = _mm256_setzero_ps();
    for (size_t i = 0; i < k / 256; i++) {
        __m512i sums[N_PAIRS];
        __m256i minimums[N_PAIRS];
        multiply_super_blocks(t, f, i, sums, minimums);
        const size_t at = i * f->bytes + f->scale_at;
        const __m256 da = column_floats(t->da, i, t->columns);
        const __m256 d = _mm256_mul_ps(row_f16(t->w, at, t->columns, f->scale_bits),
                                       _mm256_set1_ps(f->scale_unit));
        y = _mm256_fmadd_ps(_mm256_mul_ps(d, da), _mm256_cvtepi32_ps(sum_8(sums)), y);
        if (has_minimum(f->type)) {
            const __m256 dmin = _mm256_mul_ps(row_f16(t->w, at + 2, t->columns, load_u16), da);
            const __m256 minus = _mm256_xor_ps(dmin, _mm256_set1_ps(-0.0f));
            y = _mm256_fmadd_ps(minus, _mm256_cvtepi32_ps(sum_8_short(minimums)), y);
        }
    }
    return y;
}

/* ---- activations ---- */

/* As quantize_block of weight_generic.h, for n a multiple of 32, with the sums of 16. */
static inline float quantize(const float *x, size_t n, int8_t *q, int16_t *sums)
{
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i max = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16)
        max = _mm512_max_epu32(max, _mm512_and_si512(load_512(x + i), magnitude));
    const uint32_t max_bits = _mm512_reduce_max_epu32(max);
    const float amax = float_from_bits(max_bits), inverse = 127.0f / amax;
    if (max_bits >= 0x7f800000 || inverse > FLT_MAX) {
        memset(q, 0, n);
        memset(sums, 0, n / 16 * sizeof *sums);
        return 0.0f;
    }
    for (size_t i = 0; i < n; i += 16) {
        const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(inverse));
        const __m512i rounded = _mm512_cvtps_epi32(scaled);
        _mm_storeu_si128((__m128i *)(void *)(q + i), _mm512_cvtepi32_epi8(rounded));
        sums[i / 16] = (int16_t)_mm512_reduce_add_epi32(rounded);
    }
    return amax / 127.0f;
}

static void quantize_row(const float *x, size_t k, void *row, size_t block)
{
    int8_t *q = row;
    float *d = (float *)(void *)(q + k);
    int16_t *sums = (int16_t *)(void *)(d + k / block);
    for (size_t i = 0; i < k; i += block)
        d[i / block] = quantize(x + i, block, q + i, sums + i / 16);
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

/* Class B: scale, offset. Class K: bits of the scale, where it is, its unit, offset. */
#define FORMAT_Q4_0 scale_f16, 8
#define FORMAT_Q4_1 scale_f16, 0
#define FORMAT_Q5_0 scale_f16, 16
#define FORMAT_Q5_1 scale_f16, 0
#define FORMAT_Q8_0 scale_f16, 128
#define FORMAT_IQ4_NL scale_f16, 128
#define FORMAT_MXFP4 scale_e8m0, 12
#define FORMAT_NVFP4 scale_ue4m3, 12
#define FORMAT_Q1_0 scale_f16, 1
#define FORMAT_Q2_0 scale_f16, 1

#define FORMAT_Q2_K load_u16, 80, 1.0f, 0
#define FORMAT_Q3_K load_u16, 108, 1.0f, 4
#define FORMAT_Q4_K load_u16, 0, 1.0f, 0
#define FORMAT_Q5_K load_u16, 0, 1.0f, 0
#define FORMAT_Q6_K load_u16, 208, 1.0f, 32
#define FORMAT_TQ1_0 load_u16, 52, 1.0f, 1
#define FORMAT_TQ2_0 load_u16, 64, 1.0f, 1
#define FORMAT_IQ1_S load_u16, 0, 0.125f, GRID_OFFSET
#define FORMAT_IQ1_M scale_bits_IQ1_M, 0, 0.125f, GRID_OFFSET
#define FORMAT_IQ2_XXS load_u16, 0, 0.125f, GRID_OFFSET
#define FORMAT_IQ2_XS load_u16, 0, 0.125f, GRID_OFFSET
#define FORMAT_IQ2_S load_u16, 0, 0.125f, GRID_OFFSET
#define FORMAT_IQ3_XXS load_u16, 0, 0.25f, GRID_OFFSET
#define FORMAT_IQ3_S load_u16, 0, 1.0f, GRID_OFFSET
#define FORMAT_IQ4_XS load_u16, 0, 1.0f, 128

#define FORMAT_B_(name, elements, bytes, scale, offset)                                            \
    {                                                                                              \
        load_##name, scale, WTYPE_##name, offset, bytes, elements / 32                             \
    }
#define FORMAT_K_(name, elements, bytes, bits, at, unit, offset)                                   \
    {                                                                                              \
        load_##name, bits, WTYPE_##name, offset, bytes, at, unit                                   \
    }
#define FORMAT_B(...) FORMAT_B_(__VA_ARGS__)
#define FORMAT_K(...) FORMAT_K_(__VA_ARGS__)

#define MATMUL_FUNCTION(name, kind, multiply, type, ...)                                           \
    static void matmul_##name(const matmul_job *job)                                               \
    {                                                                                              \
        const type f = __VA_ARGS__;                                                                \
        matmul(job, kind, multiply, &f);                                                           \
    }
#define DEFINE_F(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, ACT_F32, multiply_f, format_f, {load_##name})
#define DEFINE_B(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, ACT_Q32, multiply_b, format_b,                                           \
                    FORMAT_B(name, elements, bytes, FORMAT_##name))
#define DEFINE_K(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, ACT_Q256, multiply_k, format_k,                                          \
                    FORMAT_K(name, elements, bytes, FORMAT_##name))
#define DEFINE_N(name, elements, bytes)

#define X(name, id, text, elements, bytes, class) DEFINE_##class(name, elements, bytes)
#include "base/wtype.def"
#undef X

#define WEIGHT_TABLE weight_kernels_avx512
#define MATMUL(name) matmul_##name
#define DEQUANTIZE(name) generic_dequantize_##name
#define QUANTIZE_ACT(kind) quantize_##kind
#include "kernels/weight_table.h"
