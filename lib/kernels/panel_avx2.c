/* SPDX-License-Identifier: MIT
 *
 * panel_avx2.c - panels for AVX2.
 *
 * Lanes are columns: a line of a tile is two vectors of eight. Four quants of a row, broadcast from
 * the panel, meet four activations of each column in one vpmaddubsw; a step holds ROWS rows by the
 * 16 columns of a tile. Results are added as int16 as long as they fit, four at the most, then
 * widened by vpmaddwd with the scale of their 16 weights (class B: with 1). Quants are unsigned
 * with an offset, which the sums of activations take back, or magnitudes whose sign goes to the
 * activations (unpack_avx2.h). Class F: panel_f.h.
 */
#include "kernels/formats_avx2.h"
#include "kernels/panel_loops.h"
#include "kernels/tables.h"
#include "kernels/weight_generic.h"

enum { ROWS = 2, HALVES = 2, LANES = 8, F_ROWS = 4, F_COLUMNS = 3 };

#include "kernels/panel_f.h"

/* ---- tiles ---- */

/* n dwords at byte `at` of each row become n lines. Rows that are NULL give zeros. */
static void interleave(const uint8_t *const *rows, size_t at, size_t n, uint8_t *lines)
{
    for (size_t half = 0; half < HALVES; half++) {
        const uint8_t *const *row = rows + LANES * half;
        for (size_t i = 0; i < n; i += LANES) {
            const size_t left = n - i < LANES ? n - i : LANES;
            __m256i v[LANES];
            for (int r = 0; r < LANES; r++) {
                v[r] = _mm256_setzero_si256();
                if (row[r] && left == LANES)
                    v[r] = load_256(row[r] + at + 4 * i);
                else if (row[r])
                    memcpy(&v[r], row[r] + at + 4 * i, 4 * left);
            }
            transpose_8(v);
            for (size_t j = 0; j < left; j++)
                store_256(lines + LINE * (i + j) + 32 * half, v[j]);
        }
    }
}

static void pack_quants(const void *const *rows, size_t n, size_t k, uint8_t *tile, act_kind kind)
{
    const uint8_t *row[TILE_COLUMNS] = {0};
    const size_t n_scales = k / act_block(kind);
    for (size_t r = 0; r < n; r++)
        row[r] = rows[r];
    interleave(row, 0, k / 4, tile);
    interleave(row, k, n_scales, tile + LINE * (k / 4));
    interleave(row, k + n_scales * sizeof(float), k / 32, tile + LINE * (k / 4 + n_scales));
}

static void pack_Q32(const void *const *rows, size_t n, size_t k, void *tile)
{
    pack_quants(rows, n, k, tile, ACT_Q32);
}

static void pack_Q256(const void *const *rows, size_t n, size_t k, void *tile)
{
    pack_quants(rows, n, k, tile, ACT_Q256);
}

static void store_tile(const panel_part *part, size_t t)
{
    const panel_job *job = part->job;
    const size_t column = TILE_COLUMNS * (part->first_tile + t), left = job->n_columns - column;
    float turned[TILE_COLUMNS][PANEL_ROWS];
    for (size_t row = 0; row < GROUP_ROWS * part->n_groups; row += LANES) {
        for (size_t half = 0; half < HALVES; half++) {
            __m256i v[LANES];
            for (size_t r = 0; r < LANES; r++)
                v[r] = load_256(part->y[row / GROUP_ROWS][t][row % GROUP_ROWS + r] + LANES * half);
            transpose_8(v);
            for (size_t c = 0; c < LANES; c++)
                store_256(turned[LANES * half + c] + row, v[c]);
        }
    }
    for (size_t c = 0; c < TILE_COLUMNS && c < left; c++)
        memcpy(job->y + (column + c) * job->y_stride, turned[c], job->n_rows * sizeof(float));
}

/* ---- products ---- */

/* How one format's products are made. */
typedef struct product_kind {
    bool with_sign, with_minimum;
    int fit;       /* results of vpmaddubsw that can be added as int16 */
    size_t halves; /* of the tile that have columns */
} product_kind;

/* Products of 16 quants of ROWS rows with the lines from q on, times scale, added to total. */
ALWAYS_INLINE void add_products(const uint8_t *const *w, const uint8_t *const *sign, size_t at,
                                const uint8_t *q, product_kind kind, const __m256i *scale,
                                __m256i (*total)[HALVES])
{
    for (int j = 0; j < 4; j += kind.fit) {
        __m256i sums[ROWS][HALVES];
        for (int step = j; step < j + kind.fit; step++) {
            __m256i x[HALVES];
            for (size_t h = 0; h < kind.halves; h++)
                x[h] = load_256(q + LINE * step + 32 * h);
            for (int r = 0; r < ROWS; r++) {
                const __m256i v = _mm256_set1_epi32((int)load_u32(w[r] + at + 4 * step));
                for (size_t h = 0; h < kind.halves; h++) {
                    __m256i a = x[h];
                    if (kind.with_sign)
                        a = _mm256_sign_epi8(
                            a, _mm256_set1_epi32((int)load_u32(sign[r] + at + 4 * step)));
                    const __m256i product = _mm256_maddubs_epi16(v, a);
                    sums[r][h] = step == j ? product : _mm256_add_epi16(sums[r][h], product);
                }
            }
        }
        for (int r = 0; r < ROWS; r++) {
            for (size_t h = 0; h < kind.halves; h++)
                total[r][h] =
                    _mm256_add_epi32(total[r][h], _mm256_madd_epi16(sums[r][h], scale[r]));
        }
    }
}

/* ---- class K ---- */

/* A super-block of a group of rows. */
typedef struct group_k {
    uint8_t q[GROUP_ROWS][256], sign[GROUP_ROWS][256];
    int32_t s[GROUP_ROWS][16];             /* each twice, as int16 */
    int32_t sum[GROUP_ROWS][8];            /* pairs of int16, that sums of 16 activations meet */
    float d[GROUP_ROWS], dmin[GROUP_ROWS]; /* dmin negated */
} group_k;

_Static_assert(Y_BYTES + sizeof(group_k) * PANEL_GROUPS * (PANEL_DEPTH / 256) <=
                   PANEL_SCRATCH_BYTES,
               "the panel fits the scratch");

ALWAYS_INLINE void unpack_row_k(const uint8_t *block, block_format f, unpack_super_fn *unpack,
                                group_k *out, size_t r)
{
    const __m128i *halves;
    super_quants v;
    unpack(block, &v);
    for (int j = 0; j < 8; j++) {
        store_256(out->q[r] + 32 * j, v.w[j].q);
        if (is_signed(f.type))
            store_256(out->sign[r] + 32 * j, v.w[j].sign);
    }
    halves = (const __m128i *)(const void *)&v.s; /* even groups, odd groups */
    for (int i = 0; i < 2; i++) {
        const __m128i eight = i == 0 ? _mm_unpacklo_epi16(halves[0], halves[1])
                                     : _mm_unpackhi_epi16(halves[0], halves[1]);
        _mm_storeu_si128((__m128i *)(void *)&out->s[r][8 * i], _mm_unpacklo_epi16(eight, eight));
        _mm_storeu_si128((__m128i *)(void *)&out->s[r][8 * i + 4],
                         _mm_unpackhi_epi16(eight, eight));
    }
    if (!is_signed(f.type))
        store_256(out->sum[r], v.sum);
    const size_t at = scale_at(f.type);
    const uint16_t bits = f.type == WTYPE_IQ1_M ? scale_of_IQ1_M(block) : load_u16(block + at);
    out->d[r] = _cvtsh_ss(bits) * scale_factor(f.type);
    if (has_minimum(f.type))
        out->dmin[r] = -_cvtsh_ss(load_u16(block + at + 2));
}

ALWAYS_INLINE void unpack_k(const panel_part *part, block_format f, unpack_super_fn *unpack)
{
    group_k *out = (group_k *)(void *)part->panel;
    const size_t first = part->k0 / 256, n = part->n_k / 256;
    for (size_t g = 0; g < part->n_groups; g++) {
        const uint8_t *w[GROUP_ROWS];
        point_at_group(part->job, g, w);
        for (size_t i = first; i < first + n; i++, out++) {
            for (size_t r = 0; r < GROUP_ROWS; r++)
                unpack_row_k(w[r] + i * f.bytes, f, unpack, out, r);
        }
    }
}

/* Minimums, or what the offset has added. */
ALWAYS_INLINE __m256i dot_sums(const int32_t *factors, const uint8_t *sums)
{
    __m256i total = _mm256_setzero_si256();
    for (int j = 0; j < 8; j++)
        total = _mm256_add_epi32(
            total, _mm256_madd_epi16(load_256(sums + LINE * j), _mm256_set1_epi32(factors[j])));
    return total;
}

/* Super-block i of a tile times rows r to r + ROWS - 1. */
ALWAYS_INLINE void multiply_rows_k(const group_k *w, size_t r, const tile_part *a, size_t i,
                                   product_kind kind, float (*y)[TILE_COLUMNS])
{
    const uint8_t *q[ROWS], *sign[ROWS], *lines = a->q + LINE * 64 * i;
    __m256i total[ROWS][HALVES];
    for (size_t n = 0; n < ROWS; n++) {
        q[n] = w->q[r + n];
        sign[n] = w->sign[r + n];
        total[n][0] = total[n][1] = _mm256_setzero_si256();
    }
    for (size_t g = 0; g < 16; g++) {
        __m256i scale[ROWS];
        for (size_t n = 0; n < ROWS; n++)
            scale[n] = _mm256_set1_epi32(w->s[r + n][g]);
        add_products(q, sign, 16 * g, lines + LINE * 4 * g, kind, scale, total);
    }
    for (size_t n = 0; n < ROWS; n++) {
        for (size_t h = 0; h < kind.halves; h++) {
            const __m256 da = _mm256_loadu_ps(a->d + 16 * i + LANES * h);
            float *out = y[r + n] + LANES * h;
            __m256i sum = total[n][h], more = _mm256_setzero_si256();
            if (!kind.with_sign)
                more = dot_sums(w->sum[r + n], a->sums + LINE * 8 * i + 32 * h);
            if (!kind.with_sign && !kind.with_minimum)
                sum = _mm256_sub_epi32(sum, more);
            const __m256 d = _mm256_mul_ps(_mm256_set1_ps(w->d[r + n]), da);
            __m256 chain = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(sum), _mm256_loadu_ps(out));
            if (kind.with_minimum) {
                const __m256 dmin = _mm256_mul_ps(_mm256_set1_ps(w->dmin[r + n]), da);
                chain = _mm256_fmadd_ps(dmin, _mm256_cvtepi32_ps(more), chain);
            }
            _mm256_storeu_ps(out, chain);
        }
    }
}

ALWAYS_INLINE void multiply_tile_k(const panel_part *part, size_t t, product_kind kind)
{
    const panel_job *job = part->job;
    const size_t n_blocks = part->n_k / 256, tile_bytes = act_tile_bytes(ACT_Q256, job->k);
    const tile_part a =
        tile_at(job->tiles + (part->first_tile + t) * tile_bytes, ACT_Q256, job->k, part->k0);
    for (size_t i = 0; i < n_blocks; i++) {
        for (size_t g = 0; g < part->n_groups; g++) {
            const group_k *w = (const group_k *)(const void *)part->panel + g * n_blocks + i;
            for (size_t r = 0; r < GROUP_ROWS; r += ROWS)
                multiply_rows_k(w, r, &a, i, kind, part->y[g][t]);
        }
    }
}

/* ---- class B ---- */

/* 32 weights of a group of rows. */
typedef struct group_b {
    uint8_t q[GROUP_ROWS][32], sign[GROUP_ROWS][32];
    float d[2][GROUP_ROWS], m[GROUP_ROWS];
} group_b;

_Static_assert(Y_BYTES + sizeof(group_b) * PANEL_GROUPS * (PANEL_DEPTH / 32) <= PANEL_SCRATCH_BYTES,
               "the panel fits the scratch");

ALWAYS_INLINE void unpack_b(const panel_part *part, block_format f, unpack_quants_fn *unpack)
{
    group_b *out = (group_b *)(void *)part->panel;
    const size_t first = part->k0 / 32, n = part->n_k / 32, parts = f.elements / 32;
    for (size_t g = 0; g < part->n_groups; g++) {
        const uint8_t *w[GROUP_ROWS];
        point_at_group(part->job, g, w);
        for (size_t b = first; b < first + n; b++, out++) {
            for (size_t r = 0; r < GROUP_ROWS; r++) {
                const uint8_t *block = w[r] + b / parts * f.bytes;
                const int j = (int)(b % parts);
                const quants v = unpack(block, j);
                store_256(out->q[r], v.q);
                if (is_signed(f.type))
                    store_256(out->sign[r], v.sign);
                out->d[0][r] = block_scale(block, f.type, 2 * j);
                if (has_scale_per_16(f.type))
                    out->d[1][r] = block_scale(block, f.type, 2 * j + 1);
                if (has_minimum(f.type))
                    out->m[r] = _cvtsh_ss(load_u16(block + 2));
            }
        }
    }
}

/* Adds 32 weights, number b of the tile's, to the chains of ROWS rows. */
ALWAYS_INLINE void add_block_b(const group_b *w, size_t r, const tile_part *a, size_t b,
                               product_kind kind, bool per_16, int offset, __m256 (*y)[HALVES])
{
    const __m256i one = _mm256_set1_epi16(1), ones[ROWS] = {one, one};
    const uint8_t *q[ROWS], *sign[ROWS];
    for (size_t n = 0; n < ROWS; n++) {
        q[n] = w->q[r + n];
        sign[n] = w->sign[r + n];
    }
    for (size_t part = 0; part < (per_16 ? 2 : 1); part++) {
        __m256i total[ROWS][HALVES];
        for (size_t n = 0; n < ROWS; n++)
            total[n][0] = total[n][1] = _mm256_setzero_si256();
        for (size_t g = 2 * part / (per_16 ? 2 : 1); g < (per_16 ? part + 1 : 2); g++)
            add_products(q, sign, 16 * g, a->q + LINE * (8 * b + 4 * g), kind, ones, total);
        for (size_t h = 0; h < kind.halves; h++) {
            const __m256 da = _mm256_loadu_ps(a->d + 16 * b + LANES * h);
            const __m256i sums = load_256(a->sums + LINE * b + 32 * h);
            const __m256i more = _mm256_madd_epi16(sums, _mm256_set1_epi16((short)offset));
            for (size_t n = 0; n < ROWS; n++) {
                const __m256 d = _mm256_mul_ps(_mm256_set1_ps(w->d[part][r + n]), da);
                __m256i sum = total[n][h];
                if (offset)
                    sum = _mm256_sub_epi32(sum, more);
                y[n][h] = _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(sum), y[n][h]);
                if (kind.with_minimum) {
                    const __m256 da_sum =
                        _mm256_mul_ps(da, _mm256_cvtepi32_ps(_mm256_madd_epi16(sums, one)));
                    y[n][h] = _mm256_fmadd_ps(_mm256_set1_ps(w->m[r + n]), da_sum, y[n][h]);
                }
            }
        }
    }
}

ALWAYS_INLINE void multiply_tile_b(const panel_part *part, size_t t, product_kind kind, bool per_16,
                                   int offset)
{
    const panel_job *job = part->job;
    const size_t n_blocks = part->n_k / 32, tile_bytes = act_tile_bytes(ACT_Q32, job->k);
    const tile_part a =
        tile_at(job->tiles + (part->first_tile + t) * tile_bytes, ACT_Q32, job->k, part->k0);
    for (size_t g = 0; g < part->n_groups; g++) {
        const group_b *w = (const group_b *)(const void *)part->panel + g * n_blocks;
        for (size_t r = 0; r < GROUP_ROWS; r += ROWS) {
            __m256 y[ROWS][HALVES];
            float(*out)[TILE_COLUMNS] = part->y[g][t] + r;
            for (size_t n = 0; n < ROWS; n++) {
                for (size_t h = 0; h < kind.halves; h++)
                    y[n][h] = _mm256_loadu_ps(out[n] + LANES * h);
            }
            for (size_t b = 0; b < n_blocks; b++)
                add_block_b(&w[b], r, &a, b, kind, per_16, offset, y);
            for (size_t n = 0; n < ROWS; n++) {
                for (size_t h = 0; h < kind.halves; h++)
                    _mm256_storeu_ps(out[n] + LANES * h, y[n][h]);
            }
        }
    }
}

/* ---- class F ---- */

/* Half of the 16 partial sums of all outputs at a time: they fill twelve registers. */
ALWAYS_INLINE void add_f(const f_part *p, int n_columns, float (*sums)[16])
{
    const size_t whole = p->n / 16 * 16;
    for (size_t half = 0; half < 16; half += LANES) {
        __m256 s[F_SUMS] = {_mm256_setzero_ps()};
#pragma GCC unroll 12
        for (int j = 0; j < F_ROWS * n_columns; j++)
            s[j] = _mm256_loadu_ps(sums[j] + half);
        for (size_t i = half; i < whole; i += 16) {
            __m256 x[F_COLUMNS];
            for (int c = 0; c < n_columns; c++)
                x[c] = _mm256_loadu_ps(p->x[c] + i);
            for (int r = 0; r < F_ROWS; r++) {
                const __m256 w = _mm256_loadu_ps(p->w[r] + i);
                for (int c = 0; c < n_columns; c++)
                    s[F_ROWS * c + r] = _mm256_fmadd_ps(w, x[c], s[F_ROWS * c + r]);
            }
        }
#pragma GCC unroll 12
        for (int j = 0; j < F_ROWS * n_columns; j++)
            _mm256_storeu_ps(sums[j] + half, s[j]);
    }
    for (size_t i = whole; i < p->n; i++) {
        for (int j = 0; j < F_ROWS * n_columns; j++)
            sums[j][i - whole] = fmaf(p->w[j % F_ROWS][i], p->x[j / F_ROWS][i], sums[j][i - whole]);
    }
}

ALWAYS_INLINE void reduce_f(float (*sums)[16], float *out)
{
    for (int r = 0; r < F_ROWS; r++)
        out[r] = reduce_16(sums[r]);
}

ALWAYS_INLINE void widen_row(const uint8_t *row, size_t k, float *out, block_format f,
                             load_8_fn *load, element_fn *element)
{
    size_t i = 0;
    for (; i + LANES <= k; i += LANES)
        _mm256_storeu_ps(out + i, load(row + i * f.bytes));
    for (; i < k; i++)
        out[i] = element(row + i * f.bytes);
}

/* Whether a tile of the slab has columns in its first half alone. */
static bool is_half(const panel_part *part, size_t t)
{
    return part->job->n_columns - TILE_COLUMNS * (part->first_tile + t) <= LANES;
}

/* ---- every format ---- */

#define DEFINE_MULTIPLY(name, class, sign, minimum, fit, ...)                                      \
    static void multiply_##name(const panel_part *part)                                            \
    {                                                                                              \
        const product_kind whole = {sign, minimum, fit, 2}, half = {sign, minimum, fit, 1};        \
        for (size_t t = 0; t < part->n_tiles; t++) {                                               \
            if (is_half(part, t))                                                                  \
                multiply_tile_##class(part, t, half __VA_ARGS__);                                  \
            else                                                                                   \
                multiply_tile_##class(part, t, whole __VA_ARGS__);                                 \
        }                                                                                          \
    }
#define SCALES(per_16, offset) , per_16, offset
DEFINE_MULTIPLY(k_unsigned_2, k, false, false, 2, )
DEFINE_MULTIPLY(k_unsigned_4, k, false, false, 4, )
DEFINE_MULTIPLY(k_minimum, k, false, true, 4, )
DEFINE_MULTIPLY(k_signed_1, k, true, false, 1, )
DEFINE_MULTIPLY(k_signed_2, k, true, false, 2, )
DEFINE_MULTIPLY(k_signed_4, k, true, false, 4, )
DEFINE_MULTIPLY(b_unsigned, b, false, false, 4, SCALES(false, *(const int *)part->format))
DEFINE_MULTIPLY(b_minimum, b, false, true, 4, SCALES(false, 0))
DEFINE_MULTIPLY(b_signed_1, b, true, false, 1, SCALES(false, 0))
DEFINE_MULTIPLY(b_signed_4, b, true, false, 4, SCALES(false, 0))
DEFINE_MULTIPLY(b_16, b, true, false, 4, SCALES(true, 0))

/* 2 * largest quant * 127, so many times, is below 2^15. */
ALWAYS_INLINE panel_step *multiply_for_k(wtype type)
{
    switch (type) {
    case WTYPE_Q2_K: /* 3 */
    case WTYPE_Q4_K: /* 15 */
    case WTYPE_Q5_K: /* 31 */
        return multiply_k_minimum;
    case WTYPE_Q6_K: /* 63 */
        return multiply_k_unsigned_2;
    case WTYPE_IQ4_XS: /* 127 */
        return multiply_k_signed_1;
    case WTYPE_IQ2_XXS: /* 43 */
    case WTYPE_IQ2_XS:
    case WTYPE_IQ2_S:
    case WTYPE_IQ3_XXS: /* 62 */
        return multiply_k_signed_2;
    case WTYPE_IQ1_S: /* 9 */
    case WTYPE_IQ1_M:
    case WTYPE_IQ3_S: /* 15 */
        return multiply_k_signed_4;
    default: /* Q3_K: 7, ternary: 2 */
        return multiply_k_unsigned_4;
    }
}

ALWAYS_INLINE panel_step *multiply_for_b(wtype type)
{
    if (has_scale_per_16(type))
        return multiply_b_16;
    if (is_signed(type))
        return sums_that_fit(type) == 1 ? multiply_b_signed_1 : multiply_b_signed_4;
    return has_minimum(type) ? multiply_b_minimum : multiply_b_unsigned;
}

#define DEFINE_F(name, elements, bytes)                                                            \
    static void widen_##name(const uint8_t *row, size_t k, float *out)                             \
    {                                                                                              \
        const block_format f = {WTYPE_##name, elements, bytes};                                    \
        widen_row(row, k, out, f, load_8_##name, element_##name);                                  \
    }                                                                                              \
    static void panel_##name(const panel_job *job)                                                 \
    {                                                                                              \
        run_panel_f(job, WTYPE_##name,                                                             \
                    (f_steps){&weight_kernels_avx2, widen_##name, add_f, reduce_f});               \
    }
#define DEFINE_B(name, elements, bytes)                                                            \
    static void unpack_panel_##name(const panel_part *part)                                        \
    {                                                                                              \
        unpack_b(part, (block_format){WTYPE_##name, elements, bytes}, quants_##name);              \
    }                                                                                              \
    static void panel_##name(const panel_job *job)                                                 \
    {                                                                                              \
        const int offset = quant_offset(WTYPE_##name);                                             \
        run_panel(job, &offset, unpack_panel_##name, multiply_for_b(WTYPE_##name), store_tile);    \
    }
#define DEFINE_K(name, elements, bytes)                                                            \
    static void unpack_panel_##name(const panel_part *part)                                        \
    {                                                                                              \
        unpack_k(part, (block_format){WTYPE_##name, elements, bytes}, super_##name);               \
    }                                                                                              \
    static void panel_##name(const panel_job *job)                                                 \
    {                                                                                              \
        run_panel(job, NULL, unpack_panel_##name, multiply_for_k(WTYPE_##name), store_tile);       \
    }
#define DEFINE_N(name, elements, bytes)

#define X(name, id, text, elements, bytes, class) DEFINE_##class(name, elements, bytes)
#include "base/wtype.def"
#undef X

#define FOR_F(entry) entry,
#define FOR_B(entry) entry,
#define FOR_K(entry) entry,
#define FOR_N(entry)

const panel_kernels panel_kernels_avx2 = {
    .pack = {[ACT_Q32] = pack_Q32, [ACT_Q256] = pack_Q256},
    .min_columns = {[WTYPE_CLASS_F] = 12, [WTYPE_CLASS_B] = 16, [WTYPE_CLASS_K] = 13},
    .matmul =
        {
#define X(name, id, text, elements, bytes, class) FOR_##class([WTYPE_##name] = panel_##name)
#include "base/wtype.def"
#undef X
        },
};
