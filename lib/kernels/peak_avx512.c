/* SPDX-License-Identifier: MIT
 *
 * peak_avx512.c - see peak.h. Also the tiles of AMX, whose other arithmetic is AVX-512's.
 */
#include "kernels/peak.h"

#include <immintrin.h>
#include <string.h>

/* Sums as variables of their own, which the compiler keeps in registers; an array it does not. */
#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { SUMS = 12 };

/* vpdpbusd: 64 products. */
uint64_t peak_int8_avx512(uint64_t n_rounds)
{
    const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
#define BEGIN(i) __m512i sum##i = _mm512_setzero_si512();
#define STEP(i)                                                                                    \
    sum##i = _mm512_dpbusd_epi32(sum##i, a, b);                                                    \
    __asm__("" : "+v"(sum##i));
#define END(i) __asm__ volatile("" : : "v"(sum##i));
    EACH_SUM(BEGIN)
    for (uint64_t round = 0; round < n_rounds; round++) {
        EACH_SUM(STEP)
    }
    EACH_SUM(END)
    return n_rounds * SUMS * 64 * 2;
#undef BEGIN
#undef STEP
}

uint64_t peak_f32_avx512(uint64_t n_rounds)
{
    const __m512 a = _mm512_set1_ps(1.0f);
#define BEGIN(i) __m512 sum##i = _mm512_setzero_ps();
#define STEP(i)                                                                                    \
    sum##i = _mm512_fmadd_ps(a, a, sum##i);                                                        \
    __asm__("" : "+v"(sum##i));
    EACH_SUM(BEGIN)
    for (uint64_t round = 0; round < n_rounds; round++) {
        EACH_SUM(STEP)
    }
    EACH_SUM(END)
    return n_rounds * SUMS * 16 * 2;
}

/* Four tiles of 16 x 16 sums from two of weights and two of activations, 16 x 64 bytes each. */
__attribute__((target("amx-tile,amx-int8"))) uint64_t peak_int8_amx(uint64_t n_rounds)
{
    struct {
        uint8_t palette, start_row, zero[14];
        uint16_t row_bytes[16];
        uint8_t n_rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = 64;
        shape.n_rows[i] = 16;
    }
    uint8_t data[1024];
    memset(data, 1, sizeof data);
    /* The intrinsics do not tell the compiler that they read memory. */
    __asm__ volatile("" : : "r"(&shape), "r"(data) : "memory");
    _tile_loadconfig(&shape);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, data, 64);
    _tile_loadd(5, data, 64);
    _tile_loadd(6, data, 64);
    _tile_loadd(7, data, 64);
    for (uint64_t round = 0; round < n_rounds; round++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
    return n_rounds * 4 * 16 * 16 * 64 * 2;
}
