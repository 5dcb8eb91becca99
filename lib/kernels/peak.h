/* SPDX-License-Identifier: MIT
 *
 * peak.h - loops that do nothing but one kind of arithmetic, as fast as an instruction set can: the
 * yardstick that measured speeds are compared with.
 *
 * What     int8() multiplies and adds 8-bit integers into 32-bit sums as the matrix kernels of the
 *          instruction set do; f32() does fused multiply-adds of floats. Both work in registers and
 *          return how many operations they did, a multiplication and an addition being two.
 * Threads  Pure functions of their arguments.
 */
#ifndef HEARTH_KERNELS_PEAK_H
#define HEARTH_KERNELS_PEAK_H

#include <stddef.h>
#include <stdint.h>

typedef struct peak_kernels {
    const char *isa;
    uint64_t (*int8)(uint64_t n_rounds);
    uint64_t (*f32)(uint64_t n_rounds);
} peak_kernels;

/* As kernels_get. */
const peak_kernels *peak_get(const char *isa);

/* Loads every byte once; n_bytes is a multiple of 256. The result keeps the compiler from
 * leaving the loads out. Vectors of more than 16 bytes read memory no faster. */
uint64_t peak_read(const uint64_t *data, size_t n_bytes);

uint64_t peak_int8_avx2(uint64_t n_rounds);
uint64_t peak_f32_avx2(uint64_t n_rounds);
uint64_t peak_int8_avx512(uint64_t n_rounds);
uint64_t peak_f32_avx512(uint64_t n_rounds);
uint64_t peak_int8_amx(uint64_t n_rounds); /* the process may use tiles */
uint64_t peak_int8_neon(uint64_t n_rounds);
uint64_t peak_f32_neon(uint64_t n_rounds);

#endif
