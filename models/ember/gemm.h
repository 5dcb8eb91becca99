/* SPDX-License-Identifier: MIT
 *
 * gemm.h - the trainer's arithmetic: matrix products and the few row functions around them.
 *
 * Why      The trained file must be the same on every machine. So every output element of a product
 *          is one chain of fused multiply-adds, ascending in k from +0 (or from what C held), and
 *          every other sum goes through sixteen partial sums in a fixed tree. How rows are spread
 *          over threads and how wide the registers are cannot change a bit. The library's own
 *          kernels are free to change; these are the trainer's, so that its result is not.
 * Threads  Functions touch only their arguments.
 */
#ifndef HEARTH_EMBER_GEMM_H
#define HEARTH_EMBER_GEMM_H

#include <stdbool.h>
#include <stddef.h>

/* C[m][n] = sum over k of A(m,k) B(k,n), added to C if `accumulate`. Rows of C are ldc floats
 * apart; A and B may be transposed by their strides. */
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

enum { GEMM_TILE_M = 96, GEMM_TILE_N = 256, GEMM_TILE_K = 256 };
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

/* The best that this CPU runs; NULL name means that, and HEARTH_ISA is looked at first. */
const gemm_kernels *gemm_kernels_get(const char *isa);

#endif
