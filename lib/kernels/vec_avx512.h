/* SPDX-License-Identifier: MIT
 *
 * vec_avx512.h - sixteen floats in one 512-bit register. See vec_scalar.h.
 */
#ifndef HEARTH_KERNELS_VEC_AVX512_H
#define HEARTH_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m512 vec;

static inline vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vec_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}

static inline vec vec_set1(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

static inline vec vec_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

static inline vec vec_abs(vec a)
{
    return _mm512_abs_ps(a);
}

static inline vec vec_select_less(vec x, vec limit, vec a, vec b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), b, a);
}

static inline vec vec_scale_exponent(vec y, vec t)
{
    __m512i shift = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(y), shift));
}

static inline float vec_sum(vec a)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float vec_top(vec a)
{
    return _mm512_reduce_max_ps(a);
}

typedef __m512i ivec;

static inline ivec ivec_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline void ivec_store(void *p, ivec a)
{
    _mm512_storeu_si512(p, a);
}

static inline ivec ivec_broadcast(const void *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    return _mm512_set1_epi32(bits);
}

static inline ivec ivec_zero(void)
{
    return _mm512_setzero_si512();
}

static inline ivec ivec_dot2(ivec c, ivec a, ivec b)
{
    return _mm512_dpwssd_epi32(c, a, b);
}

static inline vec ivec_to_vec(ivec a)
{
    return _mm512_cvtepi32_ps(a);
}

static inline ivec ivec_pair_bits(vec a, vec b)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_castps_si512(a),
                                   _mm512_slli_epi32(_mm512_castps_si512(b), 16));
}

static inline void vec_store_low_bits(void *p, vec a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_castps_si512(a)));
}

static inline ivec ivec_widen(const int8_t *p)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}

#endif
