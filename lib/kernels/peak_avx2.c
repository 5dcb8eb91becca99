/* SPDX-License-Identifier: MIT
 *
 * peak_avx2.c - see peak.h. Registers are made opaque to the compiler before each use, so that
 * nothing is computed once instead of every time.
 */
#include "kernels/peak.h"

#include <immintrin.h>

/* Sums as variables of their own, which the compiler keeps in registers; an array it does not. */
#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
enum { SUMS = 10 };

/* vpmaddubsw, vpmaddwd, vpaddd: 32 products. */
uint64_t peak_int8_avx2(uint64_t n_rounds)
{
    __m256i a = _mm256_set1_epi8(3);
    const __m256i b = _mm256_set1_epi8(5), ones = _mm256_set1_epi16(1);
#define BEGIN(i) __m256i sum##i = _mm256_setzero_si256();
#define STEP(i)                                                                                    \
    __asm__("" : "+x"(a));                                                                         \
    sum##i = _mm256_add_epi32(sum##i, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
#define END(i) __asm__ volatile("" : : "x"(sum##i));
    EACH_SUM(BEGIN)
    for (uint64_t round = 0; round < n_rounds; round++) {
        EACH_SUM(STEP)
    }
    EACH_SUM(END)
    return n_rounds * SUMS * 32 * 2;
#undef BEGIN
#undef STEP
}

uint64_t peak_f32_avx2(uint64_t n_rounds)
{
    const __m256 a = _mm256_set1_ps(1.0f);
#define BEGIN(i) __m256 sum##i = _mm256_setzero_ps();
#define STEP(i)                                                                                    \
    sum##i = _mm256_fmadd_ps(a, a, sum##i);                                                        \
    __asm__("" : "+x"(sum##i));
    EACH_SUM(BEGIN)
    for (uint64_t round = 0; round < n_rounds; round++) {
        EACH_SUM(STEP)
    }
    EACH_SUM(END)
    return n_rounds * SUMS * 8 * 2;
}
