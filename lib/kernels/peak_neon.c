/* SPDX-License-Identifier: MIT
 *
 * peak_neon.c - see peak.h.
 */
#include "kernels/peak.h"

#include <arm_neon.h>

/* Sums as variables of their own, which the compiler keeps in registers; an array it does not. */
#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
enum { SUMS = 10 };

/* sdot where the build has it, else smull and sadalp twice: 16 products. */
static inline int32x4_t dot(int32x4_t sum, int8x16_t a, int8x16_t b)
{
#ifdef __ARM_FEATURE_DOTPROD
    return vdotq_s32(sum, a, b);
#else
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sum, vmull_high_s8(a, b));
#endif
}

uint64_t peak_int8_neon(uint64_t n_rounds)
{
    int8x16_t a = vdupq_n_s8(3);
    const int8x16_t b = vdupq_n_s8(5);
#define BEGIN(i) int32x4_t sum##i = vdupq_n_s32(0);
#define STEP(i)                                                                                    \
    __asm__("" : "+w"(a));                                                                         \
    sum##i = dot(sum##i, a, b);
#define END(i) __asm__ volatile("" : : "w"(sum##i));
    EACH_SUM(BEGIN)
    for (uint64_t round = 0; round < n_rounds; round++) {
        EACH_SUM(STEP)
    }
    EACH_SUM(END)
    return n_rounds * SUMS * 16 * 2;
#undef BEGIN
#undef STEP
}

uint64_t peak_f32_neon(uint64_t n_rounds)
{
    const float32x4_t a = vdupq_n_f32(1.0f);
#define BEGIN(i) float32x4_t sum##i = vdupq_n_f32(0.0f);
#define STEP(i)                                                                                    \
    sum##i = vfmaq_f32(sum##i, a, a);                                                              \
    __asm__("" : "+w"(sum##i));
    EACH_SUM(BEGIN)
    for (uint64_t round = 0; round < n_rounds; round++) {
        EACH_SUM(STEP)
    }
    EACH_SUM(END)
    return n_rounds * SUMS * 4 * 2;
}
