/* SPDX-License-Identifier: MIT
 *
 * float_template.h - the float kernels, written once over a vec of sixteen floats.
 *
 * Included by float_scalar.c, float_avx2.c, float_avx512.c and float_neon.c after their vec_*.h;
 * defines the static functions and the table FLOAT_TABLE. Bits are equal on every instruction set
 * by construction: all operations are elementwise and correctly rounded, and every sum of a row
 * goes through the sixteen partial sums of kernels.h, the last partial vec filled up with zeros.
 *
 * erf    Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (error below 1.5e-7).
 */

#include "kernels/vec_math.h"

/* The rest of a row, at most 15 elements, filled up with zeros. */
static vec load_tail(const float *x, size_t n)
{
    float padded[16] = {0};
    memcpy(padded, x, n * sizeof *x);
    return vec_load(padded);
}

static void store_tail(float *x, vec a, size_t n)
{
    float padded[16];
    vec_store(padded, a);
    memcpy(x, padded, n * sizeof *x);
}

/* Runs the statements with vec a holding x[i..i+15] and writes a back. */
#define FOR_EACH_VEC(x, n, a, body)                                                                \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + 16 <= (n); i += 16) {                                                           \
            vec a = vec_load((x) + i);                                                             \
            const size_t rest = 16;                                                                \
            (void)rest;                                                                            \
            body;                                                                                  \
            vec_store((x) + i, a);                                                                 \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            const size_t rest = (n)-i;                                                             \
            vec a = load_tail((x) + i, rest);                                                      \
            body;                                                                                  \
            store_tail((x) + i, a, rest);                                                          \
        }                                                                                          \
    } while (0)

static inline vec load_rest(const float *y, size_t rest)
{
    return rest == 16 ? vec_load(y) : load_tail(y, rest);
}

static float dot(const float *a, const float *b, size_t n)
{
    vec sums = vec_set1(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        sums = vec_fma(vec_load(a + i), vec_load(b + i), sums);
    if (i < n)
        sums = vec_fma(load_tail(a + i, n - i), load_tail(b + i, n - i), sums);
    return vec_sum(sums);
}

static float sum(const float *x, size_t n)
{
    vec sums = vec_set1(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        sums = vec_add(sums, vec_load(x + i));
    if (i < n)
        sums = vec_add(sums, load_tail(x + i, n - i));
    return vec_sum(sums);
}

static float max(const float *x, size_t n)
{
    float best = x[0];
    size_t i = 0;
    if (n >= 16) {
        vec m = vec_load(x);
        for (i = 16; i + 16 <= n; i += 16)
            m = vec_max(m, vec_load(x + i));
        best = vec_top(m);
    }
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

static void add(float *x, const float *y, size_t n)
{
    FOR_EACH_VEC(x, n, a, a = vec_add(a, load_rest(y + i, rest)));
}

static void mul(float *x, const float *y, size_t n)
{
    FOR_EACH_VEC(x, n, a, a = vec_mul(a, load_rest(y + i, rest)));
}

static void scale(float *x, float s, size_t n)
{
    vec factor = vec_set1(s);
    FOR_EACH_VEC(x, n, a, a = vec_mul(a, factor));
}

static void axpy(float *x, float s, const float *y, size_t n)
{
    vec factor = vec_set1(s);
    FOR_EACH_VEC(x, n, a, a = vec_fma(factor, load_rest(y + i, rest), a));
}

static void clamp(float *x, float limit, size_t n)
{
    vec high = vec_set1(limit), low = vec_set1(-limit);
    FOR_EACH_VEC(x, n, a, a = vec_max(vec_min(a, high), low));
}

static void rms_norm(const float *x, const float *w, float eps, size_t n, float *out)
{
    float factor = 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
    memmove(out, x, n * sizeof *x);
    scale(out, factor, n);
    if (w)
        mul(out, w, n);
}

static void layer_norm(const float *x, const float *w, const float *b, float eps, size_t n,
                       float *out)
{
    float mean = sum(x, n) / (float)n;
    vec shift = vec_set1(mean);
    memmove(out, x, n * sizeof *x);
    FOR_EACH_VEC(out, n, a, a = vec_sub(a, shift));
    scale(out, 1.0f / sqrtf(dot(out, out, n) / (float)n + eps), n);
    if (w)
        mul(out, w, n);
    if (b)
        add(out, b, n);
}

static vec vec_sigmoid(vec x)
{
    vec one = vec_set1(1.0f);
    return vec_div(one, vec_add(one, vec_exp(vec_negate(x))));
}

static vec vec_erf(vec x)
{
    static const float hastings[] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f,
                                     0.254829592f};
    vec one = vec_set1(1.0f), magnitude = vec_abs(x);
    vec t = vec_div(one, vec_fma(vec_set1(0.3275911f), magnitude, one));
    vec p = vec_set1(hastings[0]);
    for (size_t i = 1; i < sizeof hastings / sizeof *hastings; i++)
        p = vec_fma(p, t, vec_set1(hastings[i]));
    vec tail = vec_mul(vec_mul(p, t), vec_exp(vec_negate(vec_mul(x, x))));
    vec y = vec_sub(one, tail);
    return vec_select_less(x, vec_set1(0.0f), vec_negate(y), y);
}

/* x * (1 + tanh(u)) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3), as x * sigmoid(2u). */
static vec vec_gelu(vec x)
{
    vec cubic = vec_fma(vec_mul(vec_set1(0.044715f), vec_mul(x, x)), x, x);
    return vec_mul(x, vec_sigmoid(vec_mul(vec_set1(1.59576912f), cubic)));
}

static vec vec_gelu_erf(vec x)
{
    vec half = vec_mul(vec_set1(0.5f), x);
    return vec_fma(half, vec_erf(vec_mul(x, vec_set1(0.707106781f))), half);
}

static float exp_sum(float *x, float shift, size_t n)
{
    vec offset = vec_set1(shift);
    FOR_EACH_VEC(x, n, a, a = vec_exp(vec_sub(a, offset)));
    return sum(x, n);
}

static void softcap(float *x, float cap, size_t n)
{
    vec factor = vec_set1(cap), inverse = vec_set1(1.0f / cap);
    FOR_EACH_VEC(x, n, a, a = vec_mul(factor, vec_tanh(vec_mul(a, inverse))));
}

static void sigmoid(float *x, size_t n)
{
    FOR_EACH_VEC(x, n, a, a = vec_sigmoid(a));
}

static void swiglu_oai(float *x, const float *up, size_t n)
{
    vec limit = vec_set1(7.0f), floor = vec_set1(-7.0f), one = vec_set1(1.0f);
    vec slope = vec_set1(1.702f);
    FOR_EACH_VEC(x, n, a, {
        vec gate = vec_min(a, limit);
        vec u = vec_max(vec_min(load_rest(up + i, rest), limit), floor);
        a = vec_mul(vec_mul(gate, vec_sigmoid(vec_mul(slope, gate))), vec_add(u, one));
    });
}

static inline vec times(vec a, const float *up, size_t i, size_t rest)
{
    return up ? vec_mul(a, load_rest(up + i, rest)) : a;
}

static void activate(ffn_act act, float *x, const float *up, size_t n)
{
    vec zero = vec_set1(0.0f);
    switch (act) {
    case FFN_SILU:
        FOR_EACH_VEC(x, n, a, a = times(vec_mul(a, vec_sigmoid(a)), up, i, rest));
        return;
    case FFN_GELU:
        FOR_EACH_VEC(x, n, a, a = times(vec_gelu(a), up, i, rest));
        return;
    case FFN_GELU_ERF:
        FOR_EACH_VEC(x, n, a, a = times(vec_gelu_erf(a), up, i, rest));
        return;
    case FFN_GELU_QUICK:
        FOR_EACH_VEC(x, n, a, {
            vec share = vec_sigmoid(vec_mul(vec_set1(1.702f), a));
            a = times(vec_mul(a, share), up, i, rest);
        });
        return;
    case FFN_RELU:
        FOR_EACH_VEC(x, n, a, a = times(vec_max(a, zero), up, i, rest));
        return;
    case FFN_RELU_SQR:
        FOR_EACH_VEC(x, n, a, {
            a = vec_max(a, zero);
            a = times(vec_mul(a, a), up, i, rest);
        });
        return;
    case FFN_SWIGLU_OAI:
        swiglu_oai(x, up, n);
        return;
    }
}

/* Two loops, so that the compiler sees where a pair's elements are and makes vectors of them. */
static void rope(float *restrict x, const float *restrict cos, const float *restrict sin,
                 size_t n_rot, bool neox)
{
    const size_t half = n_rot / 2;
    if (neox) {
        for (size_t i = 0; i < half; i++) {
            const float a = x[i], b = x[i + half];
            x[i] = fmaf(a, cos[i], -(b * sin[i]));
            x[i + half] = fmaf(a, sin[i], b * cos[i]);
        }
        return;
    }
    for (size_t i = 0; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = fmaf(a, cos[i], -(b * sin[i]));
        x[2 * i + 1] = fmaf(a, sin[i], b * cos[i]);
    }
}

const float_kernels FLOAT_TABLE = {
    .dot = dot,
    .max = max,
    .add = add,
    .mul = mul,
    .scale = scale,
    .axpy = axpy,
    .clamp = clamp,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .exp_sum = exp_sum,
    .softcap = softcap,
    .sigmoid = sigmoid,
    .activate = activate,
    .rope = rope,
};
