/* SPDX-License-Identifier: MIT
 *
 * gemm.h - the trainer's arithmetic: matrix products and the few row functions around them.
 *
 * Why      The trained file must be the same on every machine, and the matrix unit of AMX-BF16,
 *          four times as fast as vectors, is to be of use where it is. So a product is what that
 *          unit computes: elements are rounded to bfloat16; GEMM_STEP_K of k at a time, those with
 *          even k are one chain of fused multiply-adds from +0 and those with odd k another, both
 *          ascending; the two are added, and then to what C holds (Intel's manual, TDPBF16PS).
 *          Elements below 2^-50 count as 0, so that no sum gets near the subnormal numbers, which
 *          the unit does not know. Every other sum goes through sixteen partial sums in a fixed
 *          tree. How rows are spread over threads and how wide the registers are cannot change a
 *          bit. The library's own kernels are free to change; these are the trainer's, so that its
 *          result is not.
 * Threads  Functions touch only their arguments.
 */
#ifndef HEARTH_EMBER_GEMM_H
#define HEARTH_EMBER_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* C[m][n] = sum over k of A(m,k) B(k,n), added to C if `accumulate`. Rows of C are ldc floats
 * apart; A and B may be transposed by their strides, of which one is 1. */
typedef struct gemm_job {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_k; /* floats from A(m,k) to A(m+1,k), A(m,k+1) */
    const float *b;
    size_t b_k, b_column;
    float *c;
    size_t ldc;
    bool accumulate;
} gemm_job;

enum { GEMM_TILE_M = 96, GEMM_TILE_N = 256, GEMM_TILE_K = 256, GEMM_STEP_K = 32 };
/* Scratch of one product on one thread, MEM_ALIGN-aligned. */
enum { GEMM_SCRATCH_FLOATS = (GEMM_TILE_M + 16 + GEMM_TILE_N + 32) * GEMM_TILE_K };

typedef struct gemm_kernels {
    const char *isa;
    void (*gemm)(const gemm_job *job, float *scratch);
    /* out = x * rsqrt(mean(x^2) + eps) * w; returns the factor. */
    float (*rms_norm)(const float *x, const float *w, float eps, size_t n, float *out);
    /* dx += the gradient through rms_norm; dw += that of w. `factor` is what rms_norm returned. */
    void (*rms_norm_back)(const float *x, const float *w, float factor, const float *dy, size_t n,
                          float *dx, float *dw);
    /* x[i] = exp(x[i] - max) / sum over i < n. */
    void (*softmax)(float *x, size_t n);
    /* out = silu(gate) * up, and back: dgate and dup from d. */
    void (*swiglu)(const float *gate, const float *up, size_t n, float *out);
    void (*swiglu_back)(const float *gate, const float *up, const float *d, size_t n, float *dgate,
                        float *dup);
    float (*dot)(const float *a, const float *b, size_t n);
} gemm_kernels;

/* k filled up to whole steps. */
static inline size_t gemm_whole_k(size_t n_k)
{
    return (n_k + GEMM_STEP_K - 1) / GEMM_STEP_K * GEMM_STEP_K;
}

/* What a product makes of an element: the nearest bfloat16, the even one of two, 0 below 2^-50. */
static inline float gemm_round(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bool small = (bits & 0x7fffffff) < (127u - 50) << 23;
    bits = small ? 0 : (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The best that this CPU runs; NULL name means that, and HEARTH_ISA is looked at first. "unrounded"
 * is plain C that does not round elements: the function whose slope the gradient is. */
const gemm_kernels *gemm_kernels_get(const char *isa);

#endif
