/* SPDX-License-Identifier: MIT
 *
 * vec_avx2.h - sixteen floats in two 256-bit registers. See vec_scalar.h.
 */
#ifndef HEARTH_KERNELS_VEC_AVX2_H
#define HEARTH_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef struct vec {
    __m256 lo, hi;
} vec;

static inline vec vec_load(const float *p)
{
    return (vec){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

static inline void vec_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}

static inline vec vec_set1(float x)
{
    return (vec){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline vec vec_add(vec a, vec b)
{
    return (vec){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}

static inline vec vec_sub(vec a, vec b)
{
    return (vec){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}

static inline vec vec_mul(vec a, vec b)
{
    return (vec){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}

static inline vec vec_div(vec a, vec b)
{
    return (vec){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return (vec){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

static inline vec vec_max(vec a, vec b)
{
    return (vec){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}

static inline vec vec_min(vec a, vec b)
{
    return (vec){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}

static inline vec vec_abs(vec a)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (vec){_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}

static inline vec vec_select_less(vec x, vec limit, vec a, vec b)
{
    return (vec){
        _mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OQ)),
        _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OQ)),
    };
}

static inline __m256 scale_exponent(__m256 y, __m256 t)
{
    __m256i shift = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y), shift));
}

static inline vec vec_scale_exponent(vec y, vec t)
{
    return (vec){scale_exponent(y.lo, t.lo), scale_exponent(y.hi, t.hi)};
}

static inline float vec_sum(vec a)
{
    __m256 eight = _mm256_add_ps(a.lo, a.hi);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float vec_top(vec a)
{
    __m256 eight = _mm256_max_ps(a.lo, a.hi);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

typedef struct ivec {
    __m256i lo, hi;
} ivec;

static inline ivec ivec_load(const void *p)
{
    const __m256i *at = p;
    return (ivec){_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}

static inline void ivec_store(void *p, ivec a)
{
    __m256i *at = p;
    _mm256_storeu_si256(at, a.lo);
    _mm256_storeu_si256(at + 1, a.hi);
}

static inline ivec ivec_broadcast(const void *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    return (ivec){_mm256_set1_epi32(bits), _mm256_set1_epi32(bits)};
}

static inline ivec ivec_zero(void)
{
    return (ivec){_mm256_setzero_si256(), _mm256_setzero_si256()};
}

static inline ivec ivec_dot2(ivec c, ivec a, ivec b)
{
    return (ivec){_mm256_add_epi32(c.lo, _mm256_madd_epi16(a.lo, b.lo)),
                  _mm256_add_epi32(c.hi, _mm256_madd_epi16(a.hi, b.hi))};
}

static inline vec ivec_to_vec(ivec a)
{
    return (vec){_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}

static inline __m256i pair_bits(__m256 a, __m256 b)
{
    return _mm256_blend_epi16(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(b), 16),
                              0xaa);
}

static inline ivec ivec_pair_bits(vec a, vec b)
{
    return (ivec){pair_bits(a.lo, b.lo), pair_bits(a.hi, b.hi)};
}

static inline void vec_store_low_bits(void *p, vec a)
{
    __m256i mask = _mm256_set1_epi32(0xffff);
    __m256i packed = _mm256_packus_epi32(_mm256_and_si256(_mm256_castps_si256(a.lo), mask),
                                         _mm256_and_si256(_mm256_castps_si256(a.hi), mask));
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(packed, 0xd8));
}

static inline ivec ivec_widen(const int8_t *p)
{
    return (ivec){_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)),
                  _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p + 16)))};
}

#endif
