/* SPDX-License-Identifier: MIT
 *
 * weight_avx2.c - the weight kernels for AVX2, FMA, F16C and BMI2.
 *
 * A tile is 8 outputs, the 8 lanes of the accumulator y: 8 rows by 1 column, 4 by 2, 2 by 4 or 1 by
 * 8, lane row * n_columns + column. Block by block a tile unpacks each row once, multiplies it
 * with each column, and turns the 8 vectors of partial sums into one vector of 8 sums; from there
 * on all lanes run their own chain of fma, exactly the one of weight_generic.h. Integer sums are
 * exact, so the order inside a block is free. Which rows a tile has is told by streams.h; rows and
 * columns that are missing at an edge are doubles of the last. More than 4 columns of class B,
 * whose sums would be taken too often, go through columns_avx2.h instead.
 *
 * The functions of a class are inlined into one function per format, with everything that
 * depends on the format folded.
 */
#include <immintrin.h>

#include "kernels/columns_avx2.h"
#include "kernels/streams.h"

enum { LANES = 8 };

#if defined(__clang__)
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED _Pragma("GCC unroll 1")
#endif

/* The columns of a job, doubled up to a tile's. */
typedef struct columns {
    int n, n_real; /* of the tile, and of those the job has */
    const int8_t *q[LANES];
    const float *d[LANES];
    const int16_t *sums[LANES];
    float *y[LANES];
} columns;

typedef struct tile {
    int n_rows;
    const uint8_t *w[LANES];
    size_t row[LANES]; /* numbers of the rows */
    size_t ahead;      /* see streams.h */
} tile;

ALWAYS_INLINE columns columns_of(const matmul_job *job, act_kind kind, int n)
{
    columns cols = {.n = n, .n_real = job->n_columns};
    for (int c = 0; c < n; c++) {
        int real = c < job->n_columns ? c : job->n_columns - 1;
        cols.q[c] = job->x[real];
        cols.d[c] = act_scales(job->x[real], job->k);
        cols.sums[c] = act_sums(kind, job->x[real], job->k);
        cols.y[c] = job->y[real];
    }
    return cols;
}

ALWAYS_INLINE tile tile_at(const matmul_job *job, size_t number, int n_rows)
{
    tile t = {.n_rows = n_rows, .ahead = tile_ahead(job, (size_t)n_rows, number)};
    for (int r = 0; r < n_rows; r++) {
        t.row[r] = tile_row(job, (size_t)n_rows, number, (size_t)r);
        t.w[r] = row_at(job, t.row[r]);
    }
    return t;
}

/* What follows n bytes of a row in its stream, into the second-level cache. */
ALWAYS_INLINE void prefetch_next(const tile *t, size_t r, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        _mm_prefetch((const char *)t->w[r] + t->ahead + at + i, _MM_HINT_T1);
}

ALWAYS_INLINE void store_tile(const tile *t, const columns *cols, __m256 y)
{
    float lanes[LANES];
    _mm256_storeu_ps(lanes, y);
    for (int r = 0; r < t->n_rows; r++) {
        for (int c = 0; c < cols->n_real; c++)
            cols->y[c][t->row[r]] = lanes[r * cols->n + c];
    }
}

/* ---- sums over lanes ---- */

/* Halves of a lane pair: x[i] holds 8 partial sums of lane i; the low four of each are added up
 * into *low, the high four into *high. */
ALWAYS_INLINE void sum_halves(const __m256i x[LANES], __m256i *low, __m256i *high)
{
    __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(x[0], x[1]), _mm256_hadd_epi32(x[2], x[3]));
    __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(x[4], x[5]), _mm256_hadd_epi32(x[6], x[7]));
    *low = _mm256_permute2x128_si256(a, b, 0x20);
    *high = _mm256_permute2x128_si256(a, b, 0x31);
}

ALWAYS_INLINE __m256i sum_lanes(const __m256i x[LANES])
{
    __m256i low, high;
    sum_halves(x, &low, &high);
    return _mm256_add_epi32(low, high);
}

/* ---- scales of 8 lanes ---- */

typedef struct u16_pairs {
    __m128i first, second;
} u16_pairs;

/* The two u16 at an offset in each lane's row. Whole vectors are read and zipped, from the offset
 * on or, where the block would end too early, up to there. */
ALWAYS_INLINE u16_pairs lanes_pair(const tile *t, size_t block, size_t at, size_t block_bytes)
{
    const int n = t->n_rows;
    const bool low = at + 16 <= block_bytes;
    const size_t from = block + (low ? at : at - 12);
    __m128i pair[4], quad[2];
    for (int i = 0; i < 4; i++) {
        __m128i a = load_128(t->w[2 * i * n / LANES] + from);
        __m128i b = load_128(t->w[(2 * i + 1) * n / LANES] + from);
        pair[i] = low ? _mm_unpacklo_epi16(a, b) : _mm_unpackhi_epi16(a, b);
    }
    for (int i = 0; i < 2; i++)
        quad[i] = low ? _mm_unpacklo_epi32(pair[2 * i], pair[2 * i + 1])
                      : _mm_unpackhi_epi32(pair[2 * i], pair[2 * i + 1]);
    return (u16_pairs){_mm_unpacklo_epi64(quad[0], quad[1]), _mm_unpackhi_epi64(quad[0], quad[1])};
}

/* half_e8m0 of block.h. */
ALWAYS_INLINE __m256 lanes_e8m0(__m256i e)
{
    __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x00200000), e);
    __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, small, is_small));
}

/* half_ue4m3 of block.h. */
ALWAYS_INLINE __m256 lanes_ue4m3(__m256i e)
{
    __m256i magnitude = _mm256_and_si256(e, _mm256_set1_epi32(0x7f));
    __m256 normal = _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_slli_epi32(magnitude, 20), _mm256_set1_epi32((127 - 7 - 1) << 23)));
    __m256 small = _mm256_mul_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(0x1p-10f));
    __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(8), magnitude);
    __m256 d = _mm256_blendv_ps(normal, small, _mm256_castsi256_ps(is_small));
    __m256i is_nan = _mm256_cmpeq_epi32(e, _mm256_set1_epi32(0x7f));
    return _mm256_andnot_ps(_mm256_castsi256_ps(is_nan), d);
}

/* Number i of the columns' scales in each lane. */
ALWAYS_INLINE __m256 lanes_act_scale(const columns *cols, size_t i)
{
    const int n = cols->n;
    if (n == 1)
        return _mm256_set1_ps(cols->d[0][i]);
    return _mm256_setr_ps(cols->d[0][i], cols->d[1][i], cols->d[2 % n][i], cols->d[3 % n][i],
                          cols->d[4 % n][i], cols->d[5 % n][i], cols->d[6 % n][i],
                          cols->d[7 % n][i]);
}

/* Sums number i and i + 1 of the columns, as int16 in each lane. */
ALWAYS_INLINE __m256i lanes_act_sums(const columns *cols, size_t i)
{
    const int n = cols->n;
#define LANE(c) (int)load_u32((const uint8_t *)(cols->sums[(c) % n] + i))
    return n == 1 ? _mm256_set1_epi32(LANE(0))
                  : _mm256_setr_epi32(LANE(0), LANE(1), LANE(2), LANE(3), LANE(4), LANE(5), LANE(6),
                                      LANE(7));
#undef LANE
}

/* ---- class B ---- */

typedef struct lane_scales {
    __m256 d, m;
} lane_scales;

ALWAYS_INLINE lane_scales block_scales(const tile *t, size_t at, block_format f)
{
    u16_pairs x = lanes_pair(t, at, 0, f.bytes);
    if (f.type == WTYPE_MXFP4) {
        __m256i e = _mm256_cvtepu16_epi32(_mm_and_si128(x.first, _mm_set1_epi16(0xff)));
        return (lane_scales){lanes_e8m0(e), _mm256_setzero_ps()};
    }
    return (lane_scales){_mm256_cvtph_ps(x.first), _mm256_cvtph_ps(x.second)};
}

/* One block of NVFP4: a scale for each half of 32 weights. */
ALWAYS_INLINE __m256 add_halves(__m256 y, __m128i scales, const __m256i sums[LANES], __m256 da)
{
    __m256i low, high, e = _mm256_cvtepu16_epi32(scales);
    sum_halves(sums, &low, &high);
    __m256 d = lanes_ue4m3(_mm256_and_si256(e, _mm256_set1_epi32(0xff)));
    y = _mm256_fmadd_ps(_mm256_mul_ps(d, da), _mm256_cvtepi32_ps(low), y);
    d = lanes_ue4m3(_mm256_srli_epi32(e, 8));
    return _mm256_fmadd_ps(_mm256_mul_ps(d, da), _mm256_cvtepi32_ps(high), y);
}

/* 16 sums of two products each. */
ALWAYS_INLINE __m256i products(quants w, __m256i a, bool with_sign)
{
    return _mm256_maddubs_epi16(w.q, with_sign ? _mm256_sign_epi8(a, w.sign) : a);
}

/* Adds 32 weights of each row, number j of the block at byte `at` and number `index` of the row, to
 * the chains y. */
ALWAYS_INLINE __m256 add_quants(__m256 y, const tile *t, const columns *cols, block_format f,
                                unpack_quants_fn *unpack, size_t at, int j, size_t index)
{
    const __m256i one = _mm256_set1_epi16(1);
    __m256i sums[LANES];
    for (int r = 0; r < t->n_rows; r++) {
        quants w = unpack(t->w[r] + at, j);
        for (int c = 0; c < cols->n; c++) {
            __m256i x = products(w, load_256(cols->q[c] + 32 * index), is_signed(f.type));
            sums[r * cols->n + c] = _mm256_madd_epi16(x, one);
        }
    }
    __m256 da = lanes_act_scale(cols, index);
    if (has_scale_per_16(f.type)) {
        u16_pairs scales = lanes_pair(t, at, 0, f.bytes);
        return add_halves(y, j == 0 ? scales.first : scales.second, sums, da);
    }
    lane_scales w = block_scales(t, at, f);
    __m256i total = sum_lanes(sums), act_sums = lanes_act_sums(cols, 2 * index);
    if (quant_offset(f.type)) {
        const __m256i offset = _mm256_set1_epi16((short)quant_offset(f.type));
        total = _mm256_sub_epi32(total, _mm256_madd_epi16(act_sums, offset));
    }
    y = _mm256_fmadd_ps(_mm256_mul_ps(w.d, da), _mm256_cvtepi32_ps(total), y);
    if (has_minimum(f.type)) {
        __m256 sum = _mm256_cvtepi32_ps(_mm256_madd_epi16(act_sums, one));
        y = _mm256_fmadd_ps(w.m, _mm256_mul_ps(da, sum), y);
    }
    return y;
}

ALWAYS_INLINE void tiles_b(const matmul_job *job, block_format f, unpack_quants_fn *unpack,
                           int n_rows)
{
    const columns cols = columns_of(job, ACT_Q32, LANES / n_rows);
    const size_t n_blocks = job->k / f.elements;
    const int parts = (int)(f.elements / 32);
    for (size_t i = 0; i < n_tiles(job, (size_t)n_rows); i++) {
        const tile t = tile_at(job, i, n_rows);
        __m256 y = _mm256_setzero_ps();
        for (size_t b = 0; b < n_blocks; b++) {
            /* one row at a time, as far as all rows will go in as many steps */
            const size_t rows = (size_t)n_rows;
            prefetch_next(&t, b % rows, b / rows * rows * f.bytes, rows * f.bytes);
            for (int j = 0; j < parts; j++)
                y = add_quants(y, &t, &cols, f, unpack, b * f.bytes, j,
                               b * (size_t)parts + (size_t)j);
        }
        store_tile(&t, &cols, y);
    }
}

/* Part of k, from element `first` on. */
ALWAYS_INLINE void many_columns(const matmul_job *job, const act_part *part, size_t first, size_t n,
                                block_format f, unpack_quants_fn *unpack)
{
    for (size_t number = 0; number < n_tiles(job, ROWS); number++) {
        tile t = tile_at(job, number, ROWS);
        if (job->k > PART) /* this part of the streams' next rows is what follows */
            t.ahead = number + 1 < job->n_rows / ROWS ? job->row_bytes : 0;
        __m256 y[ROWS];
        for (int r = 0; r < ROWS; r++)
            y[r] = load_sums(job, t.row[r], first);
        for (size_t i = 0; i < n; i += RUN) {
            staged_row rows[ROWS];
            size_t blocks = (n - i < RUN ? n - i : RUN) / 32;
            for (int r = 0; r < ROWS; r++) {
                prefetch_next(&t, (size_t)r, (first + i) / f.elements * f.bytes,
                              32 * blocks / f.elements * f.bytes);
                stage_blocks(t.w[r], (first + i) / 32, blocks, f, unpack, &rows[r]);
            }
            add_staged_blocks(rows, part, i / 32, blocks, f.type, y);
        }
        for (int r = 0; r < ROWS; r++)
            store_sums(job, t.row[r], y[r]);
    }
}

ALWAYS_INLINE void matmul_b(const matmul_job *job, block_format f, unpack_quants_fn *unpack)
{
    if (job->n_columns == 1) {
        tiles_b(job, f, unpack, 8);
    } else if (job->n_columns == 2) {
        tiles_b(job, f, unpack, 4);
    } else if (job->n_columns <= 4) {
        tiles_b(job, f, unpack, 2);
    } else {
        for (size_t first = 0; first < job->k; first += PART) {
            act_part part;
            size_t n = job->k - first < PART ? job->k - first : PART;
            load_part(&part, job, first, n);
            many_columns(job, &part, first, n, f, unpack);
        }
    }
}

/* ---- class K ---- */

ALWAYS_INLINE __m128i lanes_IQ1_M(const tile *t, size_t at)
{
    const int n = t->n_rows;
#define LANE(i) (short)scale_of_IQ1_M(t->w[(i)*n / LANES] + at)
    return _mm_setr_epi16(LANE(0), LANE(1), LANE(2), LANE(3), LANE(4), LANE(5), LANE(6), LANE(7));
#undef LANE
}

ALWAYS_INLINE lane_scales super_scales(const tile *t, size_t block, block_format f)
{
    const __m256 factor = _mm256_set1_ps(scale_factor(f.type));
    size_t at = scale_at(f.type);
    u16_pairs x;
    if (f.type == WTYPE_IQ1_M) {
        x.first = x.second = lanes_IQ1_M(t, block);
    } else if (at + 2 == f.bytes) { /* nothing follows: it is the second of a pair */
        x = lanes_pair(t, block, at - 2, f.bytes);
        x.first = x.second;
    } else {
        x = lanes_pair(t, block, at, f.bytes);
    }
    __m256 d = _mm256_cvtph_ps(x.first);
    return (lane_scales){scale_factor(f.type) == 1.0f ? d : _mm256_mul_ps(d, factor),
                         _mm256_cvtph_ps(x.second)};
}

/* Quants and scales of weights 32j..32j+31 times each column. */
ALWAYS_INLINE void add_dot_32(const super_quants *w, const columns *cols, size_t index, int j,
                              wtype type, __m256i *totals)
{
    const __m256i nth = _mm256_set1_epi16((short)(j * 0x0202 + 0x0100));
    const __m256i s = _mm256_shuffle_epi8(w->s, nth);
    for (int c = 0; c < cols->n; c++) {
        __m256i a = load_256(cols->q[c] + 256 * index + 32 * j);
        __m256i x = _mm256_madd_epi16(s, products(w->w[j], a, is_signed(type)));
        totals[c] = _mm256_add_epi32(totals[c], x);
    }
}

/* A super-block of one row times n columns: 8 partial sums each. */
ALWAYS_INLINE void dot_super(const super_quants *w, const columns *cols, size_t index, wtype type,
                             __m256i *totals, __m256i *minimums)
{
    const int n = cols->n;
    for (int c = 0; c < n; c++)
        totals[c] = _mm256_setzero_si256();
    if (n < 4) {
        for (int j = 0; j < 8; j++)
            add_dot_32(w, cols, index, j, type, totals);
    } else { /* with as many accumulators, compilers unroll this into a mess of spills */
        ROLLED
        for (int j = 0; j < 8; j++)
            add_dot_32(w, cols, index, j, type, totals);
    }
    for (int c = 0; c < n && !is_signed(type); c++) {
        minimums[c] = _mm256_madd_epi16(w->sum, load_256(cols->sums[c] + 16 * index));
        if (!has_minimum(type))
            totals[c] = _mm256_sub_epi32(totals[c], minimums[c]);
    }
}

ALWAYS_INLINE void tiles_k(const matmul_job *job, block_format f, unpack_super_fn *unpack,
                           int n_rows)
{
    const columns cols = columns_of(job, ACT_Q256, LANES / n_rows);
    const size_t n_blocks = job->k / 256;
    for (size_t i = 0; i < n_tiles(job, (size_t)n_rows); i++) {
        const tile t = tile_at(job, i, n_rows);
        __m256 y = _mm256_setzero_ps();
        for (size_t b = 0; b < n_blocks; b++) {
            size_t at = b * f.bytes;
            __m256i totals[LANES], minimums[LANES];
            for (int r = 0; r < n_rows; r++) {
                super_quants w;
                prefetch_next(&t, (size_t)r, at, f.bytes);
                unpack(t.w[r] + at, &w);
                dot_super(&w, &cols, b, f.type, totals + r * cols.n, minimums + r * cols.n);
            }
            __m256 da = lanes_act_scale(&cols, b);
            lane_scales scales = super_scales(&t, at, f);
            __m256 total = _mm256_cvtepi32_ps(sum_lanes(totals));
            y = _mm256_fmadd_ps(_mm256_mul_ps(scales.d, da), total, y);
            if (has_minimum(f.type)) {
                __m256 minimum = _mm256_cvtepi32_ps(sum_lanes(minimums));
                y = _mm256_fnmadd_ps(_mm256_mul_ps(scales.m, da), minimum, y);
            }
        }
        store_tile(&t, &cols, y);
    }
}

ALWAYS_INLINE void matmul_k(const matmul_job *job, block_format f, unpack_super_fn *unpack)
{
    if (job->n_columns == 1)
        tiles_k(job, f, unpack, 8);
    else if (job->n_columns == 2)
        tiles_k(job, f, unpack, 4);
    else if (job->n_columns <= 4)
        tiles_k(job, f, unpack, 2);
    else
        tiles_k(job, f, unpack, 1);
}

/* ---- class F ---- */

/* Elements 0-7 and 8-15 of the 16 partial sums. */
typedef struct sums_16 {
    __m256 low, high;
} sums_16;

/* The row's last k mod 16 elements, one fma each, and the fixed tree. */
ALWAYS_INLINE float finish_sums(sums_16 s, const uint8_t *w, const float *x, size_t k,
                                block_format f, element_fn *element)
{
    float sums[16];
    _mm256_storeu_ps(sums, s.low);
    _mm256_storeu_ps(sums + 8, s.high);
    for (size_t i = k / 16 * 16; i < k; i++)
        sums[i % 16] = fmaf(element(w + i * f.bytes), x[i], sums[i % 16]);
    return reduce_16(sums);
}

ALWAYS_INLINE void tile_f(const matmul_job *job, block_format f, load_8_fn *load,
                          element_fn *element, size_t number, int n_rows, int column, int n_columns)
{
    const tile t = tile_at(job, number, n_rows);
    sums_16 s[LANES];
    for (int i = 0; i < n_rows * n_columns; i++)
        s[i].low = s[i].high = _mm256_setzero_ps();
    for (size_t i = 0; i + 16 <= job->k; i += 16) {
        for (int r = 0; r < n_rows; r++) {
            if (column == 0)
                prefetch_next(&t, (size_t)r, i * f.bytes, 16 * f.bytes);
            __m256 low = load(t.w[r] + i * f.bytes), high = load(t.w[r] + (i + 8) * f.bytes);
            for (int c = 0; c < n_columns; c++) {
                const float *x = (const float *)job->x[column + c] + i;
                sums_16 *sum = &s[r * n_columns + c];
                sum->low = _mm256_fmadd_ps(low, _mm256_loadu_ps(x), sum->low);
                sum->high = _mm256_fmadd_ps(high, _mm256_loadu_ps(x + 8), sum->high);
            }
        }
    }
    for (int r = 0; r < n_rows; r++) {
        for (int c = 0; c < n_columns; c++)
            job->y[column + c][t.row[r]] =
                finish_sums(s[r * n_columns + c], t.w[r], job->x[column + c], job->k, f, element);
    }
}

ALWAYS_INLINE void matmul_f(const matmul_job *job, block_format f, load_8_fn *load,
                            element_fn *element)
{
    const int rows = job->n_columns == 1 ? 4 : 3;
    for (size_t i = 0; i < n_tiles(job, (size_t)rows); i++) {
        int column = 0;
        for (; column + 2 <= job->n_columns; column += 2)
            tile_f(job, f, load, element, i, 3, column, 2);
        if (rows == 4)
            tile_f(job, f, load, element, i, 4, 0, 1);
        else if (column < job->n_columns)
            tile_f(job, f, load, element, i, 3, column, 1);
    }
}

/* ---- activations ---- */

/* The largest of the bits of 8 magnitudes, which order as the magnitudes do. */
ALWAYS_INLINE uint32_t largest_of_8(__m256i bits)
{
    __m128i x = _mm_max_epu32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    x = _mm_max_epu32(x, _mm_shuffle_epi32(x, 0x4e));
    x = _mm_max_epu32(x, _mm_shuffle_epi32(x, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(x);
}

/* 32 floats to int8, to nearest even, and the two sums of 16. */
ALWAYS_INLINE void quantize_32(const float *x, float inverse, int8_t *q, int16_t *sums)
{
    const __m256 factor = _mm256_set1_ps(inverse);
    __m256i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), factor));
    /* Packing works in halves: it leaves fours of bytes in the order 0 2 4 6 1 3 5 7. */
    __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    store_256(q, bytes);
    __m256i above = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
    __m256i eights = _mm256_sad_epu8(above, _mm256_setzero_si256());
    __m256i sixteens = _mm256_add_epi64(eights, _mm256_shuffle_epi32(eights, 0x4e));
    sums[0] = (int16_t)(_mm256_extract_epi16(sixteens, 0) - 16 * 128);
    sums[1] = (int16_t)(_mm256_extract_epi16(sixteens, 8) - 16 * 128);
}

/* See generic_quantize_act. */
ALWAYS_INLINE void quantize_act(const float *x, size_t k, void *row, act_kind kind)
{
    const size_t n = act_block(kind);
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    int8_t *q = row;
    float *d = (float *)(q + k);
    int16_t *sums = (int16_t *)(d + k / n);
    for (size_t b = 0; b < k; b += n) {
        __m256i bits = _mm256_setzero_si256();
        for (size_t i = b; i < b + n; i += 8)
            bits = _mm256_max_epu32(bits, _mm256_and_si256(load_256(x + i), magnitude));
        uint32_t max_bits = largest_of_8(bits);
        float amax = float_from_bits(max_bits), inverse = 127.0f / amax;
        bool usable = max_bits < 0x7f800000 && inverse <= FLT_MAX;
        d[b / n] = usable ? amax / 127.0f : 0.0f;
        if (!usable) {
            memset(q + b, 0, n);
            memset(sums + b / 16, 0, n / 16 * sizeof *sums);
            continue;
        }
        for (size_t i = b; i < b + n; i += 32)
            quantize_32(x + i, inverse, q + i, sums + i / 16);
    }
}

static void avx2_quantize_act_F32(const float *x, size_t k, void *row)
{
    generic_quantize_act_F32(x, k, row);
}

static void avx2_quantize_act_Q32(const float *x, size_t k, void *row)
{
    quantize_act(x, k, row, ACT_Q32);
}

static void avx2_quantize_act_Q256(const float *x, size_t k, void *row)
{
    quantize_act(x, k, row, ACT_Q256);
}

/* ---- every format ---- */

#define AVX2_B(name, elements, bytes)                                                              \
    static void avx2_matmul_##name(const matmul_job *job)                                          \
    {                                                                                              \
        matmul_b(job, (block_format){WTYPE_##name, elements, bytes}, quants_##name);               \
    }
#define AVX2_K(name, elements, bytes)                                                              \
    static void avx2_matmul_##name(const matmul_job *job)                                          \
    {                                                                                              \
        matmul_k(job, (block_format){WTYPE_##name, elements, bytes}, super_##name);                \
    }
#define AVX2_F(name, elements, bytes)                                                              \
    static void avx2_matmul_##name(const matmul_job *job)                                          \
    {                                                                                              \
        matmul_f(job, (block_format){WTYPE_##name, elements, bytes}, load_8_##name,                \
                 element_##name);                                                                  \
    }
#define AVX2_N(name, elements, bytes)

#define X(name, id, text, elements, bytes, class) AVX2_##class(name, elements, bytes)
#include "base/wtype.def"
#undef X

#define WEIGHT_TABLE weight_kernels_avx2
#define MATMUL(name) avx2_matmul_##name
#define DEQUANTIZE(name) generic_dequantize_##name
#define QUANTIZE_ACT(kind) avx2_quantize_act_##kind
#include "kernels/weight_table.h"
