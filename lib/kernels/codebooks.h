/* SPDX-License-Identifier: MIT
 *
 * codebooks.h - the tables of numbers behind the IQ, MXFP4 and NVFP4 formats.
 *
 * A grid entry is a vector of 8 (or 4) small integers, one per byte, the first in the lowest byte;
 * so on the little-endian machines that Hearth runs on, memory order is element order. Data only:
 * files of every instruction set may share them.
 *
 * Source: the codebooks of the GGUF formats as published with ggml (ggml-common.h).
 */
#ifndef HEARTH_KERNELS_CODEBOOKS_H
#define HEARTH_KERNELS_CODEBOOKS_H

#include <stdint.h>

/* Magnitudes, in eighths: 8, 25, 43. */
extern const uint64_t codebook_iq2_xxs[256];
extern const uint64_t codebook_iq2_xs[512];
extern const uint64_t codebook_iq2_s[1024];

/* Magnitudes: IQ3_XXS 4 to 62 in quarters, IQ3_S odd numbers 1 to 15. */
extern const uint32_t codebook_iq3_xxs[256];
extern const uint32_t codebook_iq3_s[512];

/* Signed, in eighths: -8, 0, 8. Of IQ1_S and IQ1_M, which add +-1 to each. */
extern const uint64_t codebook_iq1[2048];

/* Signs of 8 elements as bytes 1 or -1, for 7 stored bits: the eighth makes their number even. */
extern const uint64_t codebook_signs[128];

extern const int8_t codebook_iq4_nl[16];
extern const int8_t codebook_fp4[16]; /* twice the value of an E2M1 float */

#endif
