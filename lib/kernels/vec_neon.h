/* SPDX-License-Identifier: MIT
 *
 * vec_neon.h - sixteen floats in four 128-bit registers. See vec_scalar.h.
 */
#ifndef HEARTH_KERNELS_VEC_NEON_H
#define HEARTH_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

typedef struct vec {
    float32x4_t q[4];
} vec;

#define VEC_EACH(expr)                                                                             \
    vec r;                                                                                         \
    for (int i = 0; i < 4; i++)                                                                    \
        r.q[i] = (expr);                                                                           \
    return r

static inline vec vec_load(const float *p)
{
    VEC_EACH(vld1q_f32(p + 4 * i));
}

static inline void vec_store(float *p, vec a)
{
    for (int i = 0; i < 4; i++)
        vst1q_f32(p + 4 * i, a.q[i]);
}

static inline vec vec_set1(float x)
{
    VEC_EACH(vdupq_n_f32(x));
}

static inline vec vec_add(vec a, vec b)
{
    VEC_EACH(vaddq_f32(a.q[i], b.q[i]));
}

static inline vec vec_sub(vec a, vec b)
{
    VEC_EACH(vsubq_f32(a.q[i], b.q[i]));
}

static inline vec vec_mul(vec a, vec b)
{
    VEC_EACH(vmulq_f32(a.q[i], b.q[i]));
}

static inline vec vec_div(vec a, vec b)
{
    VEC_EACH(vdivq_f32(a.q[i], b.q[i]));
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    VEC_EACH(vfmaq_f32(c.q[i], a.q[i], b.q[i]));
}

/* Not vmaxq and vminq: those give NaN where the others give b. */
static inline vec vec_max(vec a, vec b)
{
    VEC_EACH(vbslq_f32(vcgtq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]));
}

static inline vec vec_min(vec a, vec b)
{
    VEC_EACH(vbslq_f32(vcltq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]));
}

static inline vec vec_abs(vec a)
{
    VEC_EACH(vabsq_f32(a.q[i]));
}

static inline vec vec_select_less(vec x, vec limit, vec a, vec b)
{
    VEC_EACH(vbslq_f32(vcltq_f32(x.q[i], limit.q[i]), a.q[i], b.q[i]));
}

static inline vec vec_scale_exponent(vec y, vec t)
{
    VEC_EACH(vreinterpretq_f32_u32(
        vaddq_u32(vreinterpretq_u32_f32(y.q[i]), vshlq_n_u32(vreinterpretq_u32_f32(t.q[i]), 23))));
}

static inline float vec_sum(vec a)
{
    float32x4_t four = vaddq_f32(vaddq_f32(a.q[0], a.q[2]), vaddq_f32(a.q[1], a.q[3]));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

static inline float vec_top(vec a)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.q[0], a.q[1]), vmaxq_f32(a.q[2], a.q[3])));
}

typedef struct ivec {
    int32x4_t q[4];
} ivec;

#define IVEC_EACH(expr)                                                                            \
    ivec r;                                                                                        \
    for (int i = 0; i < 4; i++)                                                                    \
        r.q[i] = (expr);                                                                           \
    return r

static inline ivec ivec_load(const void *p)
{
    IVEC_EACH(vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)p + 16 * i)));
}

static inline void ivec_store(void *p, ivec a)
{
    for (int i = 0; i < 4; i++)
        vst1q_u8((uint8_t *)p + 16 * i, vreinterpretq_u8_s32(a.q[i]));
}

static inline ivec ivec_broadcast(const void *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    IVEC_EACH(vdupq_n_s32(bits));
}

static inline ivec ivec_zero(void)
{
    IVEC_EACH(vdupq_n_s32(0));
}

static inline int32x4_t dot2(int32x4_t c, int16x8_t a, int16x8_t b)
{
    int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
    int32x4_t high = vmull_s16(vget_high_s16(a), vget_high_s16(b));
    return vaddq_s32(c, vpaddq_s32(low, high));
}

static inline ivec ivec_dot2(ivec c, ivec a, ivec b)
{
    IVEC_EACH(dot2(c.q[i], vreinterpretq_s16_s32(a.q[i]), vreinterpretq_s16_s32(b.q[i])));
}

static inline vec ivec_to_vec(ivec a)
{
    VEC_EACH(vcvtq_f32_s32(a.q[i]));
}

static inline ivec ivec_pair_bits(vec a, vec b)
{
    IVEC_EACH(vreinterpretq_s32_u32(
        vsliq_n_u32(vreinterpretq_u32_f32(a.q[i]), vreinterpretq_u32_f32(b.q[i]), 16)));
}

static inline void vec_store_low_bits(void *p, vec a)
{
    for (int i = 0; i < 4; i++)
        vst1_u8((uint8_t *)p + 8 * i,
                vreinterpret_u8_u16(vmovn_u32(vreinterpretq_u32_f32(a.q[i]))));
}

static inline ivec ivec_widen(const int8_t *p)
{
    IVEC_EACH(vreinterpretq_s32_s16(vmovl_s8(vld1_s8(p + 8 * i))));
}

#undef IVEC_EACH

#undef VEC_EACH

#endif
