/* SPDX-License-Identifier: MIT
 *
 * vec_neon.h - sixteen floats in four 128-bit registers. See vec_scalar.h.
 */
#ifndef HEARTH_KERNELS_VEC_NEON_H
#define HEARTH_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stdint.h>

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

static inline vec vec_load_f16(const uint16_t *p)
{
    VEC_EACH(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))));
}

static inline void vec_store_f16(uint16_t *p, vec a)
{
    for (int i = 0; i < 4; i++)
        vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.q[i])));
}

static inline vec vec_load_i8(const int8_t *p)
{
    int16x8_t low = vmovl_s8(vld1_s8(p)), high = vmovl_s8(vld1_s8(p + 8));
    return (vec){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
                  vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
                  vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                  vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
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

#undef VEC_EACH

#endif
