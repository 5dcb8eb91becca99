/* SPDX-License-Identifier: MIT
 *
 * quantize.h - writing weights: rows of float32 to the bytes of a weight format.
 *
 * Aim      The least sum of squared differences between the weights and what the format's
 *          dequantize gives back, without knowing what they will be multiplied with.
 * Bits     The same on every machine: plain float32 arithmetic in a fixed order, and only
 *          operations that IEEE 754 rounds correctly.
 * Input    Finite. Weights beyond what a format can hold become its largest magnitude, never
 *          infinity.
 * Threads  Pure functions of their arguments.
 */
#ifndef HEARTH_KERNELS_QUANTIZE_H
#define HEARTH_KERNELS_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "base/wtype.h"

/* k is a multiple of the format's block; out holds wtype_row_bytes(type, k). */
typedef void (*quantize_row_fn)(const float *x, size_t k, uint8_t *out);

/* NULL for the formats that Hearth reads but does not write. */
quantize_row_fn quantize_row_get(wtype type);

/* The largest magnitude; infinity if there is an infinity or a NaN. */
float quantize_max_magnitude(const float *x, size_t k);

/* Every magnitude up to this one can be held by the format, if no better than its levels allow. */
float quantize_safe_magnitude(wtype type);

#endif
