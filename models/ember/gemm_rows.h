/* SPDX-License-Identifier: MIT
 *
 * gemm_rows.h - the row functions of gemm.h over a vec of sixteen floats, for one instruction set.
 *
 * Included after a kernels/vec_*.h.
 */
#include <math.h>
#include <string.h>

#include "ember/gemm.h"

static float reduce(vec sums)
{
    float s[16];
    vec_store(s, sums);
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++)
            s[i] += s[i + width];
    }
    return s[0];
}

/* Rows are multiples of 16 everywhere but in softmax. */
static float dot(const float *a, const float *b, size_t n)
{
    vec sums = vec_set1(0.0f);
    for (size_t i = 0; i < n; i += 16)
        sums = vec_fma(vec_load(a + i), vec_load(b + i), sums);
    return reduce(sums);
}

static float rms_norm(const float *x, const float *w, float eps, size_t n, float *out)
{
    float factor = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
    vec f = vec_set1(factor);
    for (size_t i = 0; i < n; i += 16)
        vec_store(out + i, vec_mul(vec_mul(vec_load(x + i), f), vec_load(w + i)));
    return factor;
}

/* y = x f w with f = (mean x^2 + eps)^-1/2: dx = f (w dy) - x f^3 / n sum(x w dy). */
static void rms_norm_back(const float *x, const float *w, float factor, const float *dy, size_t n,
                          float *dx, float *dw)
{
    vec sums = vec_set1(0.0f), f = vec_set1(factor);
    for (size_t i = 0; i < n; i += 16) {
        vec xd = vec_mul(vec_load(x + i), vec_load(dy + i));
        sums = vec_fma(xd, vec_load(w + i), sums);
        vec_store(dw + i, vec_fma(xd, f, vec_load(dw + i)));
    }
    vec pull = vec_set1(-factor * factor * factor / (float)n * reduce(sums));
    for (size_t i = 0; i < n; i += 16) {
        vec direct = vec_mul(f, vec_mul(vec_load(w + i), vec_load(dy + i)));
        direct = vec_fma(pull, vec_load(x + i), direct);
        vec_store(dx + i, vec_add(vec_load(dx + i), direct));
    }
}

/* e^x: x = n ln 2 + r, the Taylor polynomial of degree 7 in r, scaled by 2^n; 0 below -87. */
static vec exponential(vec x)
{
    static const float inverse_factorials[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6,
                                               0.5f,       1,          1};
    vec clamped = vec_max(vec_min(x, vec_set1(88.0f)), vec_set1(-87.0f));
    vec magic = vec_set1(12582912.0f); /* 1.5 * 2^23 rounds to an integer */
    vec t = vec_fma(clamped, vec_set1(1.44269504f), magic);
    vec n = vec_sub(t, magic);
    vec r = vec_fma(n, vec_set1(-0.693359375f), clamped);
    r = vec_fma(n, vec_set1(2.12194440e-4f), r);
    vec p = vec_set1(1.0f / 5040);
    for (size_t i = 0; i < sizeof inverse_factorials / sizeof *inverse_factorials; i++)
        p = vec_fma(p, r, vec_set1(inverse_factorials[i]));
    return vec_select_less(x, vec_set1(-87.0f), vec_set1(0.0f), vec_scale_exponent(p, t));
}

/* x[0..n) with the last vec filled up by `fill`. */
static vec load_part(const float *x, size_t n, float fill)
{
    float lanes[16];
    if (n >= 16)
        return vec_load(x);
    for (size_t i = 0; i < 16; i++)
        lanes[i] = i < n ? x[i] : fill;
    return vec_load(lanes);
}

static void store_part(float *x, vec a, size_t n)
{
    float lanes[16];
    if (n >= 16) {
        vec_store(x, a);
        return;
    }
    vec_store(lanes, a);
    memcpy(x, lanes, n * sizeof *x);
}

static float largest(const float *x, size_t n)
{
    float lanes[16], top;
    vec m = load_part(x, n, x[0]);
    for (size_t i = 16; i < n; i += 16)
        m = vec_max(m, load_part(x + i, n - i, x[0]));
    vec_store(lanes, m);
    top = lanes[0];
    for (int i = 1; i < 16; i++)
        top = lanes[i] > top ? lanes[i] : top;
    return top;
}

static void softmax(float *x, size_t n)
{
    vec sums = vec_set1(0.0f), shift = vec_set1(largest(x, n));
    for (size_t i = 0; i < n; i += 16) {
        vec e = exponential(vec_sub(load_part(x + i, n - i, -INFINITY), shift));
        sums = vec_add(sums, e);
        store_part(x + i, e, n - i);
    }
    float scale = 1.0f / reduce(sums);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}

static vec sigmoid(vec x)
{
    vec one = vec_set1(1.0f);
    return vec_div(one, vec_add(one, exponential(vec_sub(vec_set1(0.0f), x))));
}

static void swiglu(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        vec g = vec_load(gate + i);
        vec_store(out + i, vec_mul(vec_mul(g, sigmoid(g)), vec_load(up + i)));
    }
}

/* silu'(g) = s (1 + g (1 - s)). */
static void swiglu_back(const float *gate, const float *up, const float *d, size_t n, float *dgate,
                        float *dup)
{
    vec one = vec_set1(1.0f);
    for (size_t i = 0; i < n; i += 16) {
        vec g = vec_load(gate + i), s = sigmoid(g), u = vec_load(up + i), dy = vec_load(d + i);
        vec slope = vec_mul(s, vec_fma(g, vec_sub(one, s), one));
        vec_store(dgate + i, vec_mul(dy, vec_mul(u, slope)));
        vec_store(dup + i, vec_mul(dy, vec_mul(g, s)));
    }
}

#define GEMM_TABLE(name)                                                                           \
    {                                                                                              \
        .isa = name, .gemm = gemm, .rms_norm = rms_norm, .rms_norm_back = rms_norm_back,           \
        .softmax = softmax, .swiglu = swiglu, .swiglu_back = swiglu_back, .dot = dot               \
    }
