/* SPDX-License-Identifier: MIT
 *
 * test_quantize_rows.c - writing rows of weights: how much is lost, what must not be lost at all,
 * and that nothing a row can hold breaks a block.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/half.h"
#include "kernels/quantize.h"
#include "kernels/tables.h"

enum { ROW = 2048, MAX_BYTES = ROW * 4 };

/* What is written, the error allowed on Gaussian rows (sum of squared differences over sum of
 * squares; a few percent above what the search reaches), and a hash of the bytes that one fixed row
 * gives. The hash is the proof that every machine writes the same file: whoever improves a search
 * changes it here. */
typedef struct expectation {
    wtype type;
    double error;
    bool repeats; /* quantizing what was quantized gives it back exactly */
    uint64_t hash;
} expectation;

static const expectation formats[] = {
    {WTYPE_F32, 0.0, true, 0x1bc94ec7650de931},
    {WTYPE_F16, 1e-7, true, 0x52d332f1d65d2db9},
    {WTYPE_BF16, 4e-6, true, 0xc115ce6d420fa06c},
    {WTYPE_Q8_0, 2.5e-5, true, 0xbb82cd721acf1611},
    {WTYPE_Q4_0, 7.0e-3, true, 0x60aef036e50efce5},
    {WTYPE_Q4_1, 5.2e-3, true, 0x84ddd700110370ce},
    {WTYPE_Q5_0, 1.7e-3, true, 0xd434f892faf3abc8},
    {WTYPE_Q5_1, 1.2e-3, true, 0xa2cf8ac44c102918},
    {WTYPE_Q2_K, 7.2e-2, false, 0xba29f9b63f274f51},
    {WTYPE_Q3_K, 2.2e-2, false, 0xbc4188c2efe674b7},
    {WTYPE_Q4_K, 5.2e-3, false, 0x4a231bcc8dc3afed},
    {WTYPE_Q5_K, 1.25e-3, false, 0x3a10574121bad0ef},
    {WTYPE_Q6_K, 3.0e-4, false, 0x453bcad1d9758666},
    {WTYPE_IQ4_NL, 5.7e-3, true, 0x1550f99e6520db0c},
    {WTYPE_IQ4_XS, 5.8e-3, false, 0x9e85620355e69041},
    {WTYPE_MXFP4, 1.35e-2, true, 0x5efd083a032a9a0b},
    {WTYPE_TQ1_0, 0.2, true, 0x4493bfe6f42f2e4b},
    {WTYPE_TQ2_0, 0.2, true, 0x85b60465cc11936f},
    {WTYPE_Q1_0, 0.38, true, 0x1f8a9ed3d448ed95},
    {WTYPE_Q2_0, 0.14, true, 0x222e46eb916e6567},
};
enum { N_FORMATS = sizeof formats / sizeof formats[0] };

static uint64_t random_state;

static uint32_t random_u32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

/* Close to a normal distribution, and the same bits everywhere: a sum of 12 uniform integers. */
static float random_normal(void)
{
    int64_t sum = 0;
    for (int i = 0; i < 12; i++)
        sum += random_u32() >> 8;
    return (float)(sum - 6 * (INT64_C(1) << 24)) * 0x1p-24f;
}

static void fill_normal(float *x, float scale)
{
    for (int i = 0; i < ROW; i++)
        x[i] = scale * random_normal();
}

static size_t row_bytes(wtype type)
{
    uint64_t n;
    assert_true(wtype_row_bytes(type, ROW, &n));
    return (size_t)n;
}

/* Quantizes x and reads it back into y; bytes gets the row. */
static void round_trip(wtype type, const float *x, uint8_t *bytes, float *y)
{
    size_t n = row_bytes(type);
    memset(bytes, 0xa5, MAX_BYTES + 16);
    quantize_row_get(type)(x, ROW, bytes);
    for (size_t i = n; i < n + 16; i++)
        assert_int_equal(bytes[i], 0xa5);
    weight_kernels_scalar.dequantize[type](bytes, ROW, y);
}

static double relative_error(const float *x, const float *y)
{
    double error = 0, total = 0;
    for (int i = 0; i < ROW; i++) {
        error += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        total += (double)x[i] * x[i];
    }
    return total > 0 ? error / total : error;
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t n)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static float x[ROW], y[ROW], z[ROW];
static uint8_t row[MAX_BYTES + 16];

static void test_gaussian_rows_stay_within_bounds(void **state)
{
    (void)state;
    static const float scales[] = {1.0f, 0.02f, 300.0f};
    for (int f = 0; f < N_FORMATS; f++) {
        random_state = 1;
        for (int s = 0; s < 3; s++) {
            fill_normal(x, scales[s]);
            round_trip(formats[f].type, x, row, y);
            double error = relative_error(x, y);
            if (error > formats[f].error)
                fail_msg("%s: error %g, allowed %g", wtype_get(formats[f].type)->name, error,
                         formats[f].error);
        }
    }
}

static void test_bytes_are_the_same_everywhere(void **state)
{
    (void)state;
    bool wrong = false;
    random_state = 42;
    fill_normal(x, 0.05f);
    for (int f = 0; f < N_FORMATS; f++) {
        round_trip(formats[f].type, x, row, y);
        uint64_t hash = hash_bytes(row, row_bytes(formats[f].type));
        if (hash != formats[f].hash) {
            print_message("%s: hash 0x%016llx\n", wtype_get(formats[f].type)->name,
                          (unsigned long long)hash);
            wrong = true;
        }
    }
    assert_false(wrong);
}

static void test_quantized_weights_are_reproduced(void **state)
{
    (void)state;
    random_state = 7;
    fill_normal(x, 0.05f);
    for (int f = 0; f < N_FORMATS; f++) {
        round_trip(formats[f].type, x, row, y);
        round_trip(formats[f].type, y, row, z);
        double error = relative_error(y, z);
        if (error > (formats[f].repeats ? 0.0 : 5e-4))
            fail_msg("%s: second time off by %g", wtype_get(formats[f].type)->name, error);
    }
}

/* Rounding to the nearest multiple of amax / n, the obvious way. */
static double plain_error(const float *values, float n)
{
    double error = 0;
    for (int b = 0; b < ROW; b += 32) {
        float amax = 0;
        for (int i = 0; i < 32; i++)
            amax = fmaxf(amax, fabsf(values[b + i]));
        for (int i = 0; i < 32; i++) {
            double d = (double)amax / n, v = values[b + i];
            error += pow(v - d * rint(v / d), 2);
        }
    }
    return error;
}

static void test_search_beats_plain_rounding(void **state)
{
    (void)state;
    static const struct {
        wtype type;
        float n;
    } cases[] = {{WTYPE_Q8_0, 127}, {WTYPE_Q5_0, 15.5f}, {WTYPE_Q4_0, 7.5f}};
    random_state = 3;
    fill_normal(x, 0.1f);
    for (int i = 0; i < ROW; i += 97)
        x[i] *= 6.0f; /* a heavy tail */
    for (int i = 0; i < 3; i++) {
        round_trip(cases[i].type, x, row, y);
        double error = 0;
        for (int j = 0; j < ROW; j++)
            error += pow((double)x[j] - y[j], 2);
        assert_true(error < 0.97 * plain_error(x, cases[i].n));
    }
}

static void test_zeros_stay_zeros(void **state)
{
    (void)state;
    memset(x, 0, sizeof x);
    for (int f = 0; f < N_FORMATS; f++) {
        round_trip(formats[f].type, x, row, y);
        for (int i = 0; i < ROW; i++) {
            if (y[i] != 0.0f)
                fail_msg("%s: element %d became %g", wtype_get(formats[f].type)->name, i,
                         (double)y[i]);
        }
    }
}

static void test_constant_rows(void **state)
{
    (void)state;
    static const float values[] = {0.37f, -0.37f, 1.0f, -12.5f, 0.001f};
    for (int f = 0; f < N_FORMATS; f++) {
        /* Between two scales near the smallest f16, or two levels of MXFP4. */
        double allowed = formats[f].type == WTYPE_MXFP4 ? 0.03 : 2e-4;
        for (int v = 0; v < 5; v++) {
            for (int i = 0; i < ROW; i++)
                x[i] = values[v];
            round_trip(formats[f].type, x, row, y);
            double error = relative_error(x, y);
            if (error > allowed)
                fail_msg("%s of %g: error %g", wtype_get(formats[f].type)->name, (double)values[v],
                         error);
        }
    }
}

static void test_ternary_weights_are_kept(void **state)
{
    (void)state;
    random_state = 9;
    for (int i = 0; i < ROW; i++)
        x[i] = 0.125f * (float)((int)(random_u32() % 3) - 1);
    for (int f = 0; f < N_FORMATS; f++) {
        if (formats[f].type == WTYPE_Q1_0)
            continue; /* has no zero */
        bool codebook = formats[f].type == WTYPE_IQ4_NL || formats[f].type == WTYPE_IQ4_XS;
        round_trip(formats[f].type, x, row, y);
        double error = relative_error(x, y);
        if (error > (codebook ? 2e-3 : 5e-5))
            fail_msg("%s: error %g", wtype_get(formats[f].type)->name, error);
    }
}

static void test_one_outlier_does_not_wipe_the_rest(void **state)
{
    (void)state;
    for (int f = 0; f < N_FORMATS; f++) {
        if (formats[f].type == WTYPE_Q1_0)
            continue; /* one magnitude for all */
        random_state = 5;
        fill_normal(x, 0.01f);
        x[100] = 40.0f;
        round_trip(formats[f].type, x, row, y);
        if (fabsf(y[100] - 40.0f) > 8.0f)
            fail_msg("%s: 40 became %g", wtype_get(formats[f].type)->name, (double)y[100]);
        for (int i = 0; i < ROW; i++)
            assert_true(i == 100 || fabsf(y[i]) < 4.0f);
        /* Blocks without the outlier keep their own precision. */
        double lost = 0, total = 0;
        for (int i = 256; i < ROW; i++) {
            lost += pow((double)x[i] - y[i], 2);
            total += pow((double)x[i], 2);
        }
        if (lost > formats[f].error * total)
            fail_msg("%s: error %g beside an outlier", wtype_get(formats[f].type)->name,
                     lost / total);
    }
}

static void test_extremes_stay_finite(void **state)
{
    (void)state;
    static const float extremes[] = {FLT_MAX, -FLT_MAX,     FLT_MIN,         1e-45f,
                                     -3e-41f, 65504.0f * 3, -1e20f,          1e-8f,
                                     6e-8f,   1e-30f,       0x1.fffffep126f, 0x1p-126f};
    enum { N = sizeof extremes / sizeof extremes[0] };
    for (int f = 0; f < N_FORMATS; f++) {
        for (int first = 0; first <= N; first++) {
            random_state = 11;
            /* Each alone among zeros, each everywhere, and all of them mixed. */
            for (int i = 0; i < ROW; i++) {
                if (first < N)
                    x[i] = i < ROW / 2 ? extremes[first] : i % 64 == 1 ? extremes[first] : 0.0f;
                else
                    x[i] = extremes[random_u32() % N];
            }
            round_trip(formats[f].type, x, row, y);
            assert_true(isfinite(quantize_max_magnitude(y, ROW)));
        }
    }
}

static void test_tiny_weights_use_what_the_format_has(void **state)
{
    (void)state;
    random_state = 13;
    fill_normal(x, 1e-5f);
    /* One scale of 16 bits over an integer scale: near the smallest f16 the integer takes over. */
    static const wtype types[] = {WTYPE_Q3_K, WTYPE_Q6_K, WTYPE_IQ4_XS, WTYPE_Q4_K, WTYPE_Q8_0};
    for (int i = 0; i < 5; i++) {
        round_trip(types[i], x, row, y);
        assert_true(relative_error(x, y) < 0.06);
    }
    fill_normal(x, 1e-30f);
    round_trip(WTYPE_MXFP4, x, row, y);
    assert_true(relative_error(x, y) < 0.0135);
}

static void test_floats_round_and_saturate(void **state)
{
    (void)state;
    memset(x, 0, sizeof x);
    x[0] = 1.0f + 0x1p-11f; /* a tie, to even */
    x[1] = 1.0f + 0x1.8p-10f;
    x[2] = 70000.0f;
    x[3] = -FLT_MAX;
    round_trip(WTYPE_F16, x, row, y);
    assert_true(y[0] == 1.0f);
    assert_true(y[1] == 1.0f + 0x1p-9f);
    assert_true(y[2] == 65504.0f);
    assert_true(y[3] == -65504.0f);
    round_trip(WTYPE_BF16, x, row, y);
    assert_true(y[3] == -0x1.fep127f);
}

static void test_largest_magnitude(void **state)
{
    (void)state;
    random_state = 17;
    fill_normal(x, 1.0f);
    x[77] = -100.0f;
    assert_true(quantize_max_magnitude(x, ROW) == 100.0f);
    x[ROW - 1] = NAN;
    assert_true(isinf(quantize_max_magnitude(x, ROW)));
    x[ROW - 1] = -INFINITY;
    assert_true(isinf(quantize_max_magnitude(x, ROW)));
    assert_true(quantize_max_magnitude(x, ROW - 1) == 100.0f);
    assert_true(quantize_max_magnitude(x, 0) == 0.0f);
}

static void test_formats_that_are_not_written(void **state)
{
    (void)state;
    assert_null(quantize_row_get(WTYPE_I32));
    assert_null(quantize_row_get(WTYPE_IQ2_XXS));
    assert_null(quantize_row_get(WTYPE_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaussian_rows_stay_within_bounds),
        cmocka_unit_test(test_bytes_are_the_same_everywhere),
        cmocka_unit_test(test_quantized_weights_are_reproduced),
        cmocka_unit_test(test_search_beats_plain_rounding),
        cmocka_unit_test(test_zeros_stay_zeros),
        cmocka_unit_test(test_constant_rows),
        cmocka_unit_test(test_ternary_weights_are_kept),
        cmocka_unit_test(test_one_outlier_does_not_wipe_the_rest),
        cmocka_unit_test(test_extremes_stay_finite),
        cmocka_unit_test(test_tiny_weights_use_what_the_format_has),
        cmocka_unit_test(test_floats_round_and_saturate),
        cmocka_unit_test(test_largest_magnitude),
        cmocka_unit_test(test_formats_that_are_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
