/* SPDX-License-Identifier: MIT
 *
 * float_template.h - the float kernels, written once over a vec of sixteen floats.
 *
 * Included by float_scalar.c, float_avx2.c, float_avx512.c and float_neon.c after their vec_*.h;
 * defines the static functions and the table FLOAT_TABLE. Bits are equal on every instruction set
 * by construction: all operations are elementwise and correctly rounded, and every sum of a row
 * goes through the sixteen partial sums of kernels.h, the last partial vec filled up with zeros.
 *
 * exp    x = n ln 2 + r, |r| <= ln 2 / 2; the Taylor polynomial of degree 7 in r (relative error
 *        below 6e-9) scaled by 2^n. Below -87 the result is 0, above 88 it is that of 88.
 * tanh   |x| < 0.625: x + x^3 P(x^2), the minimax polynomial of the Cephes library (S. Moshier);
 *        otherwise 1 - 2 / (exp(2|x|) + 1).
 * erf    Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (error below 1.5e-7).
 */

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

/* The fixed tree: 16 partial sums to one. */
static float reduce(vec sums)
{
    float s[16];
    vec_store(s, sums);
    for (int width = 8; width > 0; width /= 2) {
        for (int j = 0; j < width; j++)
            s[j] += s[j + width];
    }
    return s[0];
}

static float dot(const float *a, const float *b, size_t n)
{
    vec sums = vec_set1(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        sums = vec_fma(vec_load(a + i), vec_load(b + i), sums);
    if (i < n)
        sums = vec_fma(load_tail(a + i, n - i), load_tail(b + i, n - i), sums);
    return reduce(sums);
}

static float sum(const float *x, size_t n)
{
    vec sums = vec_set1(0.0f);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        sums = vec_add(sums, vec_load(x + i));
    if (i < n)
        sums = vec_add(sums, load_tail(x + i, n - i));
    return reduce(sums);
}

static float max(const float *x, size_t n)
{
    float best = x[0];
    size_t i = 0;
    if (n >= 16) {
        float s[16];
        vec m = vec_load(x);
        for (i = 16; i + 16 <= n; i += 16)
            m = vec_max(m, vec_load(x + i));
        vec_store(s, m);
        for (int j = 0; j < 16; j++)
            best = s[j] > best ? s[j] : best;
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

static vec vec_exp(vec x)
{
    static const float taylor[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24,
                                   1.0f / 6,    0.5f,       1.0f,       1.0f};
    vec bounded = vec_min(vec_max(x, vec_set1(-87.0f)), vec_set1(88.0f));
    /* Adding 1.5 * 2^23 rounds x / ln 2 to the nearest integer, left in the low bits. */
    vec magic = vec_set1(12582912.0f);
    vec t = vec_fma(bounded, vec_set1(1.44269504f), magic);
    vec n = vec_sub(t, magic);
    vec r = vec_fma(n, vec_set1(-0.693359375f), bounded);
    r = vec_fma(n, vec_set1(2.12194440e-4f), r);
    vec p = vec_set1(taylor[0]);
    for (size_t i = 1; i < sizeof taylor / sizeof *taylor; i++)
        p = vec_fma(p, r, vec_set1(taylor[i]));
    return vec_select_less(x, vec_set1(-87.0f), vec_set1(0.0f), vec_scale_exponent(p, t));
}

static vec vec_negate(vec x)
{
    return vec_mul(x, vec_set1(-1.0f));
}

static vec vec_sigmoid(vec x)
{
    vec one = vec_set1(1.0f);
    return vec_div(one, vec_add(one, vec_exp(vec_negate(x))));
}

static vec vec_tanh(vec x)
{
    static const float cephes[] = {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
                                   1.33314422036e-1f, -3.33332819422e-1f};
    vec one = vec_set1(1.0f), magnitude = vec_abs(x);
    vec z = vec_mul(x, x);
    vec p = vec_set1(cephes[0]);
    for (size_t i = 1; i < sizeof cephes / sizeof *cephes; i++)
        p = vec_fma(p, z, vec_set1(cephes[i]));
    vec small = vec_fma(vec_mul(p, z), x, x);
    vec e = vec_exp(vec_add(magnitude, magnitude));
    vec large = vec_sub(one, vec_div(vec_set1(2.0f), vec_add(e, one)));
    large = vec_select_less(x, vec_set1(0.0f), vec_negate(large), large);
    return vec_select_less(magnitude, vec_set1(0.625f), small, large);
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

static void activate(ffn_act act, float *x, const float *up, size_t n)
{
    vec zero = vec_set1(0.0f);
    switch (act) {
    case FFN_SILU:
        FOR_EACH_VEC(x, n, a, a = vec_mul(a, vec_sigmoid(a)));
        break;
    case FFN_GELU:
        FOR_EACH_VEC(x, n, a, a = vec_gelu(a));
        break;
    case FFN_GELU_ERF:
        FOR_EACH_VEC(x, n, a, a = vec_gelu_erf(a));
        break;
    case FFN_GELU_QUICK:
        FOR_EACH_VEC(x, n, a, a = vec_mul(a, vec_sigmoid(vec_mul(vec_set1(1.702f), a))));
        break;
    case FFN_RELU:
        FOR_EACH_VEC(x, n, a, a = vec_max(a, zero));
        break;
    case FFN_RELU_SQR:
        FOR_EACH_VEC(x, n, a, a = vec_max(a, zero); a = vec_mul(a, a));
        break;
    case FFN_SWIGLU_OAI:
        swiglu_oai(x, up, n);
        return;
    }
    if (up)
        mul(x, up, n);
}

static void rope(float *x, const float *cos, const float *sin, size_t n_rot, bool neox)
{
    size_t half = n_rot / 2, distance = neox ? half : 1, step = neox ? 1 : 2;
    for (size_t i = 0; i < half; i++) {
        float *first = x + i * step, *second = first + distance;
        float a = *first, b = *second;
        *first = fmaf(a, cos[i], -(b * sin[i]));
        *second = fmaf(a, sin[i], b * cos[i]);
    }
}

/* Cached rows. Each type tells how sixteen elements from i (a multiple of 16) are read; the rest is
 * common. A short last vec is read by way of a padded copy of the row's end. */

static void store_f32(const float *x, size_t head_dim, void *row)
{
    memcpy(row, x, head_dim * sizeof *x);
}

static void store_f16(const float *x, size_t head_dim, void *row)
{
    uint16_t *out = row;
    size_t i = 0;
    for (; i + 16 <= head_dim; i += 16)
        vec_store_f16(out + i, vec_load(x + i));
    for (; i < head_dim; i++)
        out[i] = f32_to_f16(x[i]);
}

static void store_q8_0(const float *x, size_t head_dim, void *row)
{
    uint16_t *scales = row;
    int8_t *values = (int8_t *)(scales + (head_dim + 31) / 32);
    for (size_t block = 0; block * 32 < head_dim; block++) {
        size_t first = block * 32, n = head_dim - first < 32 ? head_dim - first : 32;
        float amax = 0.0f;
        for (size_t i = 0; i < n; i++)
            amax = fmaxf(amax, fabsf(x[first + i]));
        float d = f16_to_f32(f32_to_f16(fminf(amax / 127.0f, 65504.0f)));
        float inverse = d > 0.0f ? 1.0f / d : 0.0f;
        scales[block] = f32_to_f16(d);
        for (size_t i = 0; i < n; i++) {
            float scaled = fminf(fmaxf(x[first + i] * inverse, -127.0f), 127.0f);
            /* Adding 1.5 * 2^23 rounds to the nearest integer, ties to even. */
            values[first + i] = (int8_t)(scaled + 12582912.0f - 12582912.0f);
        }
    }
    if (head_dim % 2)
        values[head_dim] = 0;
}

static inline vec read_f32(const uint8_t *row, size_t head_dim, size_t i)
{
    (void)head_dim;
    return vec_load((const float *)row + i);
}

static inline vec read_f16(const uint8_t *row, size_t head_dim, size_t i)
{
    (void)head_dim;
    return vec_load_f16((const uint16_t *)row + i);
}

static inline vec read_q8_0(const uint8_t *row, size_t head_dim, size_t i)
{
    const uint16_t *scales = (const uint16_t *)row;
    const int8_t *values = (const int8_t *)(scales + (head_dim + 31) / 32);
    return vec_mul(vec_set1(f16_to_f32(scales[i / 32])), vec_load_i8(values + i));
}

static inline vec tail_f32(const uint8_t *row, size_t head_dim, size_t i)
{
    return load_tail((const float *)row + i, head_dim - i);
}

static inline vec tail_f16(const uint8_t *row, size_t head_dim, size_t i)
{
    uint16_t padded[16] = {0};
    memcpy(padded, (const uint16_t *)row + i, (head_dim - i) * sizeof *padded);
    return vec_load_f16(padded);
}

static inline vec tail_q8_0(const uint8_t *row, size_t head_dim, size_t i)
{
    const uint16_t *scales = (const uint16_t *)row;
    int8_t padded[16] = {0};
    memcpy(padded, (const int8_t *)(scales + (head_dim + 31) / 32) + i, head_dim - i);
    return vec_mul(vec_set1(f16_to_f32(scales[i / 32])), vec_load_i8(padded));
}

#define DEFINE_ATTENTION(type, TYPE)                                                               \
    static void scores_##type(const float *q, const void *k, size_t head_dim, size_t n,            \
                              float *out)                                                          \
    {                                                                                              \
        size_t row_bytes = cache_row_bytes(TYPE, head_dim);                                        \
        for (size_t j = 0; j < n; j++) {                                                           \
            const uint8_t *row = (const uint8_t *)k + j * row_bytes;                               \
            vec sums = vec_set1(0.0f);                                                             \
            size_t i = 0;                                                                          \
            for (; i + 16 <= head_dim; i += 16)                                                    \
                sums = vec_fma(vec_load(q + i), read_##type(row, head_dim, i), sums);              \
            if (i < head_dim)                                                                      \
                sums =                                                                             \
                    vec_fma(load_tail(q + i, head_dim - i), tail_##type(row, head_dim, i), sums);  \
            out[j] = reduce(sums);                                                                 \
        }                                                                                          \
    }                                                                                              \
    static void mix_##type(const float *p, const void *v, size_t head_dim, size_t n, float *acc)   \
    {                                                                                              \
        size_t row_bytes = cache_row_bytes(TYPE, head_dim);                                        \
        for (size_t i = 0; i < head_dim; i += 16) {                                                \
            bool whole = i + 16 <= head_dim;                                                       \
            vec a = whole ? vec_load(acc + i) : load_tail(acc + i, head_dim - i);                  \
            for (size_t j = 0; j < n; j++) {                                                       \
                const uint8_t *row = (const uint8_t *)v + j * row_bytes;                           \
                vec value = whole ? read_##type(row, head_dim, i) : tail_##type(row, head_dim, i); \
                a = vec_fma(vec_set1(p[j]), value, a);                                             \
            }                                                                                      \
            if (whole)                                                                             \
                vec_store(acc + i, a);                                                             \
            else                                                                                   \
                store_tail(acc + i, a, head_dim - i);                                              \
        }                                                                                          \
    }

DEFINE_ATTENTION(f32, CACHE_F32)
DEFINE_ATTENTION(f16, CACHE_F16)
DEFINE_ATTENTION(q8_0, CACHE_Q8_0)

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
    .cache_store = {store_f32, store_f16, store_q8_0},
    .attn_scores = {scores_f32, scores_f16, scores_q8_0},
    .attn_mix = {mix_f32, mix_f16, mix_q8_0},
};
