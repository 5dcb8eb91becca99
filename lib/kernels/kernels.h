/* SPDX-License-Identifier: MIT
 *
 * kernels.h - the arithmetic of a forward pass: one table of functions per instruction set.
 *
 * Contract  Every instruction set gives the same bits as `scalar`, which is the specification;
 * tests compare with memcmp. So the choice of table, of how many columns go into one call and of
 *           how rows are spread over threads never changes a result.
 *
 *   class F  (F32, F16, BF16) 16 partial sums: element i is added by one fma to sum i mod 16, i
 *            ascending, all starting at +0; then s[i] += s[i+8], s[i] += s[i+4], s[i] += s[i+2],
 *            s[0] + s[1]. dot() and all other reductions of floats use the same rule.
 *   class B  activations ACT_Q32. Per block of 32 weights (16 for NVFP4), ascending:
 *            I = sum q*a (exact int32);  y = fma(d * da, (float)I, y);
 *            and for formats with a minimum  y = fma(m, da * (float)sum_a, y).  y starts at +0.
 *   class K  activations ACT_Q256. Per super-block of 256, ascending:
 *            I = sum over 16-groups g of s[g] * sum q*a (exact int32);
 *            y = fma(d * da, (float)I, y);  and with minimums
 *            M = sum over g of m[g] * sum_a[g];  y = fma(-(dmin * da), (float)M, y).
 *            Fractional scales of the IQ formats become integers by folding powers of two into d.
 *
 * Activation rows (act_kind), each starting on a MEM_ALIGN boundary:
 *   ACT_F32   float x[k]
 *   ACT_Q32   int8 q[k], float d[k/32],  int16 sum[k/16]     (k a multiple of 32)
 *   ACT_Q256  int8 q[k], float d[k/256], int16 sum[k/16]     (k a multiple of 256)
 *   with d = amax/127, q = rint(x * (127/amax)) to nearest even, q = d = 0 where amax is not finite
 *   or so small that 127/amax is not; sum[i] is the sum of q[16i .. 16i+15].
 *
 * Threads   Tables are immutable; functions touch only their arguments.
 */
#ifndef HEARTH_KERNELS_KERNELS_H
#define HEARTH_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wtype.h"
#include "kernels/attention.h"
#include "kernels/panel.h"

typedef enum act_kind { ACT_F32, ACT_Q32, ACT_Q256, ACT_COUNT } act_kind;

act_kind act_kind_for(wtype type);              /* by class; ACT_F32 for class N */
size_t act_row_bytes(act_kind kind, size_t k);  /* rounded up to MEM_ALIGN */
size_t act_tile_bytes(act_kind kind, size_t k); /* of panel.h; a multiple of MEM_ALIGN */
static inline size_t act_block(act_kind kind)
{
    return kind == ACT_Q256 ? 256 : 32;
}
static inline const float *act_scales(const void *row, size_t k)
{
    return (const float *)((const uint8_t *)row + k);
}
static inline const int16_t *act_sums(act_kind kind, const void *row, size_t k)
{
    return (const int16_t *)((const uint8_t *)row + k + k / act_block(kind) * sizeof(float));
}

enum { MATMUL_MAX_COLUMNS = 8 };

/* y[c][r] = row r of w . column c, for r < n_rows and c < n_columns. */
typedef struct matmul_job {
    const uint8_t *w; /* first row; any alignment */
    size_t row_bytes; /* distance between rows */
    size_t k;         /* elements per row, a multiple of the format's block */
    size_t n_rows;
    int n_columns;                     /* 1..MATMUL_MAX_COLUMNS */
    const void *x[MATMUL_MAX_COLUMNS]; /* activation rows of act_kind_for(type) */
    float *y[MATMUL_MAX_COLUMNS];
    size_t n_next; /* rows that follow in memory and are likely to be wanted next: fetched ahead */
} matmul_job;

typedef struct weight_kernels {
    void (*matmul[WTYPE_COUNT])(const matmul_job *job);                      /* NULL for class N */
    void (*dequantize[WTYPE_COUNT])(const uint8_t *row, size_t k, float *x); /* exact */
    void (*quantize_act[ACT_COUNT])(const float *x, size_t k, void *row);
} weight_kernels;

/* Many columns at once (panel.h). Entries may be NULL: there matmul is as good. */
typedef struct panel_kernels {
    panel_pack_fn *pack[ACT_COUNT]; /* one tile from n <= TILE_COLUMNS activation rows */
    panel_matmul_fn *matmul[WTYPE_COUNT];
    /* By wtype_class F, B, K: from how many columns on panels are faster than weight_kernels. */
    size_t min_columns[WTYPE_CLASS_N];
} panel_kernels;

typedef enum ffn_act {
    FFN_SILU,
    FFN_GELU, /* tanh form */
    FFN_GELU_ERF,
    FFN_GELU_QUICK,
    FFN_RELU,
    FFN_RELU_SQR,
    FFN_SWIGLU_OAI /* gate clamped to 7, (up clamped to +-7) + 1, sigmoid slope 1.702 */
} ffn_act;

typedef struct float_kernels {
    float (*dot)(const float *a, const float *b, size_t n);
    float (*max)(const float *x, size_t n);                    /* n > 0, no NaN */
    void (*add)(float *x, const float *y, size_t n);           /* x += y */
    void (*mul)(float *x, const float *y, size_t n);           /* x *= y */
    void (*scale)(float *x, float s, size_t n);                /* x *= s */
    void (*axpy)(float *x, float s, const float *y, size_t n); /* x = fma(s, y, x) */
    void (*clamp)(float *x, float limit, size_t n);            /* to [-limit, limit] */
    /* out = x * (1 / sqrt(mean(x^2) + eps)) * w; w NULL means 1. out may be x. */
    void (*rms_norm)(const float *x, const float *w, float eps, size_t n, float *out);
    /* out = (x - mean) / sqrt(var + eps) * w + b; w and b may be NULL. out may be x. */
    void (*layer_norm)(const float *x, const float *w, const float *b, float eps, size_t n,
                       float *out);
    /* x[i] = exp(x[i] - shift), returns their sum. */
    float (*exp_sum)(float *x, float shift, size_t n);
    void (*softcap)(float *x, float cap, size_t n); /* cap * tanh(x / cap) */
    void (*sigmoid)(float *x, size_t n);
    /* x = act(x) * up, or act(x) where up is NULL. */
    void (*activate)(ffn_act act, float *x, const float *up, size_t n);
    /* Rotates n_rot elements of x in place. cos/sin hold n_rot/2 values. Pairs are (2i, 2i+1), or
     * (i, i + n_rot/2) if neox. */
    void (*rope)(float *x, const float *cos, const float *sin, size_t n_rot, bool neox);
} float_kernels;

typedef struct kernels {
    const char *isa;
    const weight_kernels *weight;
    const panel_kernels *panel; /* NULL: this instruction set has none */
    const float_kernels *f;
    const attn_kernels *attn;
} kernels;

/* By name: "scalar", "avx2", "avx512", "amx", "neon". NULL if this build has no such table. Whether
 * the CPU can run it is the caller's to know (os/cpu.h). */
const kernels *kernels_get(const char *isa);

#endif
