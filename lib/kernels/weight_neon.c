/* SPDX-License-Identifier: MIT
 *
 * weight_neon.c - the weight kernels for NEON, baseline Armv8-A and up.
 *
 * Each block of a row is unpacked once into its canonical form (block.h), the common formats by
 * NEON (unpack_neon.h), and multiplied with every column. 16 products of bytes become four int32:
 * by vmull and vmlal, whose pairs reach at most 2 * 128 * 127 < 2^15 in an int16, or by one vdot
 * where the compiler may use it. Everything up to a block's or super-block's sum is exact, so only
 * the float chains, which are scalar here, have an order.
 *
 * Dequantization is the compiler's work on the plain C.
 */
#include "kernels/unpack_neon.h"
#include "kernels/weight_generic.h"

/* Sums of four products each, in some order. */
static inline int32x4_t dot_16(const int8_t *w, const int8_t *a)
{
    const int8x16_t x = vld1q_s8(w), y = vld1q_s8(a);
#ifdef __ARM_FEATURE_DOTPROD
    return vdotq_s32(vdupq_n_s32(0), x, y);
#else
    return vpaddlq_s16(vmlal_high_s8(vmull_s8(vget_low_s8(x), vget_low_s8(y)), x, y));
#endif
}

/* ---- class F ---- */

typedef float32x4_t load_f_fn(const uint8_t *p); /* four elements */

static inline float32x4_t load_F32(const uint8_t *p)
{
    return vreinterpretq_f32_u8(vld1q_u8(p));
}

static inline float32x4_t load_F16(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline float32x4_t load_BF16(const uint8_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

ALWAYS_INLINE float dot_f(const uint8_t *w, const float *x, size_t k, size_t bytes, load_f_fn *load,
                          element_fn *element)
{
    float sums[16];
    float32x4_t s[4];
    for (int j = 0; j < 4; j++)
        s[j] = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 16 <= k; i += 16) {
        for (size_t j = 0; j < 4; j++)
            s[j] = vfmaq_f32(s[j], load(w + (i + 4 * j) * bytes), vld1q_f32(x + i + 4 * j));
    }
    for (int j = 0; j < 4; j++)
        vst1q_f32(sums + 4 * j, s[j]);
    for (; i < k; i++)
        sums[i % 16] = fmaf(element(w + i * bytes), x[i], sums[i % 16]);
    return reduce_16(sums);
}

ALWAYS_INLINE void neon_matmul_f(const matmul_job *job, size_t bytes, load_f_fn *load,
                                 element_fn *element)
{
    for (size_t row = 0; row < job->n_rows; row++) {
        const uint8_t *w = job->w + row * job->row_bytes;
        for (int c = 0; c < job->n_columns; c++)
            job->y[c][row] = dot_f(w, job->x[c], job->k, bytes, load, element);
    }
}

/* ---- class B ---- */

/* Adds one block of 32 weights to the chain y. */
ALWAYS_INLINE float add_block(float y, const float_block *w, wtype type, const int8_t *a, float da,
                              const int16_t *sums)
{
    const int32x4_t low = dot_16(w->q, a), high = dot_16(w->q + 16, a + 16);
    if (has_scale_per_16(type)) {
        y = fmaf(w->d[0] * da, (float)vaddvq_s32(low), y);
        y = fmaf(w->d[1] * da, (float)vaddvq_s32(high), y);
    } else {
        y = fmaf(w->d[0] * da, (float)vaddvq_s32(vaddq_s32(low, high)), y);
    }
    if (has_minimum(type))
        y = fmaf(w->m, da * (float)(sums[0] + sums[1]), y);
    return y;
}

ALWAYS_INLINE void neon_matmul_b(const matmul_job *job, wtype type, size_t elements, size_t bytes,
                                 unpack_b_fn *unpack)
{
    for (size_t row = 0; row < job->n_rows; row++) {
        const uint8_t *w = job->w + row * job->row_bytes;
        float y[MATMUL_MAX_COLUMNS] = {0};
        for (size_t i = 0; i < job->k; i += elements, w += bytes) {
            float_block blocks[4];
            unpack(w, blocks);
            for (size_t b = 0; b < elements / 32; b++) {
                const size_t at = i + 32 * b;
                for (int c = 0; c < job->n_columns; c++) {
                    const void *x = job->x[c];
                    y[c] = add_block(y[c], &blocks[b], type, (const int8_t *)x + at,
                                     act_scales(x, job->k)[at / 32],
                                     act_sums(ACT_Q32, x, job->k) + at / 16);
                }
            }
        }
        for (int c = 0; c < job->n_columns; c++)
            job->y[c][row] = y[c];
    }
}

/* ---- class K ---- */

static inline int32_t dot_super_block(const super_block *w, const int8_t *a)
{
    int32x4_t even = vdupq_n_s32(0), odd = vdupq_n_s32(0);
    for (int g = 0; g < 16; g += 2) {
        even = vmlaq_n_s32(even, dot_16(w->q + 16 * g, a + 16 * g), w->s[g]);
        odd = vmlaq_n_s32(odd, dot_16(w->q + 16 * g + 16, a + 16 * g + 16), w->s[g + 1]);
    }
    return vaddvq_s32(vaddq_s32(even, odd));
}

static inline int32_t dot_minimums(const int16_t *m, const int16_t *sums)
{
    int32x4_t total = vdupq_n_s32(0);
    for (int g = 0; g < 16; g += 4)
        total = vmlal_s16(total, vld1_s16(m + g), vld1_s16(sums + g));
    return vaddvq_s32(total);
}

ALWAYS_INLINE void neon_matmul_k(const matmul_job *job, wtype type, size_t bytes,
                                 unpack_k_fn *unpack)
{
    for (size_t row = 0; row < job->n_rows; row++) {
        const uint8_t *w = job->w + row * job->row_bytes;
        float y[MATMUL_MAX_COLUMNS] = {0};
        for (size_t i = 0; i < job->k; i += 256, w += bytes) {
            super_block block;
            unpack(w, &block);
            for (int c = 0; c < job->n_columns; c++) {
                const void *x = job->x[c];
                const float da = act_scales(x, job->k)[i / 256];
                const int16_t *sums = act_sums(ACT_Q256, x, job->k) + i / 16;
                y[c] =
                    fmaf(block.d * da, (float)dot_super_block(&block, (const int8_t *)x + i), y[c]);
                if (has_minimum(type))
                    y[c] = fmaf(-(block.dmin * da), (float)dot_minimums(block.m, sums), y[c]);
            }
        }
        for (int c = 0; c < job->n_columns; c++)
            job->y[c][row] = y[c];
    }
}

/* ---- activations ---- */

/* As quantize_block of weight_generic.h, for n a multiple of 16, with the sums of 16. */
static inline float quantize(const float *x, size_t n, int8_t *q, int16_t *sums)
{
    uint32x4_t max = vdupq_n_u32(0);
    for (size_t i = 0; i < n; i += 4)
        max = vmaxq_u32(max, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    const uint32_t max_bits = vmaxvq_u32(max);
    const float amax = float_from_bits(max_bits), inverse = 127.0f / amax;
    if (max_bits >= 0x7f800000 || inverse > FLT_MAX) {
        memset(q, 0, n);
        memset(sums, 0, n / 16 * sizeof *sums);
        return 0.0f;
    }
    for (size_t i = 0; i < n; i += 16) {
        int16x4_t part[4];
        for (size_t j = 0; j < 4; j++)
            part[j] = vmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4 * j), inverse)));
        const int16x8_t low = vcombine_s16(part[0], part[1]), high = vcombine_s16(part[2], part[3]);
        vst1q_s8(q + i, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
        sums[i / 16] = vaddvq_s16(vaddq_s16(low, high));
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

#define MATMUL_FUNCTION(name, call)                                                                \
    static void matmul_##name(const matmul_job *job)                                               \
    {                                                                                              \
        call;                                                                                      \
    }
#define DEFINE_F(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, neon_matmul_f(job, bytes, load_##name, element_##name))
#define DEFINE_B(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, neon_matmul_b(job, WTYPE_##name, elements, bytes, neon_##name))
#define DEFINE_K(name, elements, bytes)                                                            \
    MATMUL_FUNCTION(name, neon_matmul_k(job, WTYPE_##name, bytes, neon_##name))
#define DEFINE_N(name, elements, bytes)

#define X(name, id, text, elements, bytes, class) DEFINE_##class(name, elements, bytes)
#include "base/wtype.def"
#undef X

#define WEIGHT_TABLE weight_kernels_neon
#define MATMUL(name) matmul_##name
#define DEQUANTIZE(name) generic_dequantize_##name
#define QUANTIZE_ACT(kind) quantize_##kind
#include "kernels/weight_table.h"
