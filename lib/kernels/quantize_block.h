/* SPDX-License-Identifier: MIT
 *
 * quantize_block.h - what quantize.c and quantize_k.c share.
 */
#ifndef HEARTH_KERNELS_QUANTIZE_BLOCK_H
#define HEARTH_KERNELS_QUANTIZE_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/quantize_fit.h"

/* No format with f16 scales reaches further (65504 * 32 * 127 is the most), and squares of sums of
 * such weights stay finite. */
#define QUANTIZE_LIMIT 0x1p30f

void quantize_load(const float *x, int n, float *out); /* cut at QUANTIZE_LIMIT */

uint16_t quantize_round_f16(float x);          /* saturates */
float quantize_store_f16(uint8_t *p, float x); /* returns the value as stored */

extern const levels quantize_levels_iq4_nl;
uint8_t quantize_code_index(const levels *lv, float q);

/* quantize_k.c; the super-blocks of 256 */
void quantize_row_Q2_K(const float *x, size_t k, uint8_t *out);
void quantize_row_Q3_K(const float *x, size_t k, uint8_t *out);
void quantize_row_Q4_K(const float *x, size_t k, uint8_t *out);
void quantize_row_Q5_K(const float *x, size_t k, uint8_t *out);
void quantize_row_Q6_K(const float *x, size_t k, uint8_t *out);
void quantize_row_IQ4_XS(const float *x, size_t k, uint8_t *out);
void quantize_row_TQ1_0(const float *x, size_t k, uint8_t *out);
void quantize_row_TQ2_0(const float *x, size_t k, uint8_t *out);

#endif
