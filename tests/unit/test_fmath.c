/* SPDX-License-Identifier: MIT
 *
 * test_fmath.c - fmath against the libm, which is right to about one ulp itself, against exact
 * identities, at the edges of Annex F, and against bits that must never change.
 */
#include "base/fmath.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state = 20240229;

static uint64_t next(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double uniform(double low, double high)
{
    return low + (high - low) * ((double)(next() >> 11) * 0x1p-53);
}

/* Both signs, exponents spread evenly over [low, high]. */
static double spread(double low, double high)
{
    double size = exp2(uniform(low, high));
    return next() & 1 ? -size : size;
}

static double ulps(double value, double expected)
{
    if (value == expected || (isnan(value) && isnan(expected)))
        return 0;
    if (!isfinite(expected) || !isfinite(value))
        return 1e9;
    double ulp = nextafter(fabs(expected), INFINITY) - fabs(expected);
    return fabs(value - expected) / ulp;
}

static double pick_exp(void)
{
    return next() & 1 ? uniform(-745, 709.7) : spread(-60, 3);
}

static double pick_log(void)
{
    return next() & 1 ? uniform(0.5, 2) : fabs(spread(-1074, 1023));
}

static double pick_tanh(void)
{
    return spread(-30, 4.5);
}

static double pick_angle(void)
{
    switch (next() % 3) {
    case 0: /* close to a multiple of pi/2, where the reduction cancels the most */
        return (double)(next() % 600000000) * 1.5707963267948966;
    case 1:
        return uniform(-20, 20);
    default:
        return spread(-40, 30);
    }
}

static void agrees_with_libm(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        double (*ours)(double), (*libm)(double), (*pick)(void);
        double bound; /* ours and half an ulp for the libm's own */
    } rows[] = {
        {"exp", fmath_exp, exp, pick_exp, 1.5},   {"log", fmath_log, log, pick_log, 1.5},
        {"tanh", fmath_tanh, tanh, pick_tanh, 4}, {"sin", fmath_sin, sin, pick_angle, 1.5},
        {"cos", fmath_cos, cos, pick_angle, 1.5},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (int i = 0; i < 100000; i++) {
            double x = rows[r].pick();
            double off = ulps(rows[r].ours(x), rows[r].libm(x));
            if (off > rows[r].bound)
                fail_msg("%s(%a) is %a, libm says %a: %g ulp apart", rows[r].name, x,
                         rows[r].ours(x), rows[r].libm(x), off);
        }
}

static void expf_is_rounded_from_exp(void **unused)
{
    (void)unused;
    int different = 0;
    for (int i = 0; i < 200000; i++) {
        float x = (float)(i & 1 ? uniform(-105, 90) : spread(-30, 6));
        float ours = fmath_expf(x), expected = (float)exp((double)x);
        different += ours != expected;
        if (ours != expected && nextafterf(ours, expected) != expected)
            fail_msg("expf(%a) is %a, expected %a", (double)x, (double)ours, (double)expected);
    }
    assert_true(different < 20);
    assert_true(fmath_expf(0) == 1 && fmath_expf(-INFINITY) == 0 && fmath_expf(-104.1f) == 0);
    assert_true(fmath_expf(INFINITY) == INFINITY && fmath_expf(88.8f) == INFINITY);
    assert_true(isnan(fmath_expf(NAN)));
}

static void pow_agrees_with_libm(void **unused)
{
    (void)unused;
    for (int i = 0; i < 200000; i++) {
        double x = i % 3 ? fabs(spread(-1074, 1023)) : 1 + spread(-40, -2);
        double y = i % 2 ? spread(-30, 10) : uniform(-740, 709) / log(x);
        double off = ulps(fmath_pow(x, y), pow(x, y));
        if (off > 1.5)
            fail_msg("pow(%a, %a) is %a, libm says %a", x, y, fmath_pow(x, y), pow(x, y));
    }
    /* The frequencies of RoPE, and powers that are exact. */
    for (int i = 0; i < 64; i++)
        assert_true(ulps(fmath_pow(10000, -i / 64.0), pow(10000, -i / 64.0)) <= 1);
    for (int i = -1074; i < 1024; i++)
        assert_true(fmath_pow(2, i) == ldexp(1, i));
    assert_true(fmath_pow(-3, 5) == -243);
    assert_true(fmath_pow(10, 15) == 1e15);
}

static void check(double value, double expected)
{
    if (isnan(expected)) {
        assert_true(isnan(value));
        return;
    }
    assert_true(value == expected);
    assert_true(!signbit(value) == !signbit(expected));
}

static void edges(void **unused)
{
    (void)unused;
    check(fmath_exp(0), 1);
    check(fmath_exp(-0.0), 1);
    check(fmath_exp(INFINITY), INFINITY);
    check(fmath_exp(-INFINITY), 0);
    check(fmath_exp(NAN), NAN);
    check(fmath_exp(709.79), INFINITY);
    check(fmath_exp(-745.2), 0);
    check(fmath_exp(-745.1), 0x1p-1074);
    check(fmath_log(1), 0);
    check(fmath_log(0), -INFINITY);
    check(fmath_log(-0.0), -INFINITY);
    check(fmath_log(-1), NAN);
    check(fmath_log(-INFINITY), NAN);
    check(fmath_log(INFINITY), INFINITY);
    check(fmath_log(NAN), NAN);
    check(fmath_tanh(0), 0);
    check(fmath_tanh(-0.0), -0.0);
    check(fmath_tanh(INFINITY), 1);
    check(fmath_tanh(-INFINITY), -1);
    check(fmath_tanh(NAN), NAN);
    check(fmath_sin(-0.0), -0.0);
    check(fmath_sin(INFINITY), NAN);
    check(fmath_cos(0), 1);
    check(fmath_cos(-INFINITY), NAN);
    check(fmath_cos(NAN), NAN);
    check(fmath_sin(nextafter(FMATH_MAX_ANGLE, INFINITY)), NAN);
    assert_true(ulps(fmath_sin(-FMATH_MAX_ANGLE), sin(-FMATH_MAX_ANGLE)) <= 1.5);
}

/* Every pair of values in which pow has a rule of its own. */
static void pow_edges(void **unused)
{
    (void)unused;
    static const double values[] = {0,    -0.0,      1,          -1,      INFINITY, -INFINITY,
                                    NAN,  2,         -2,         3,       -3,       0.5,
                                    -0.5, 2.5,       -2.5,       1e300,   1e9,      1e19,
                                    0.1,  0x1p-1074, -0x1p-1074, DBL_MAX, -DBL_MAX, 1e-300};
    const size_t n = sizeof values / sizeof *values;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double ours = fmath_pow(values[i], values[j]);
            double expected = pow(values[i], values[j]);
            if (ulps(ours, expected) > 1.5 ||
                (!isnan(expected) && !signbit(ours) != !signbit(expected)))
                fail_msg("pow(%g, %g) is %g, expected %g", values[i], values[j], ours, expected);
        }
}

/* A sum over many results: one changed bit anywhere, on any machine or compiler, changes it. */
static void bits_are_pinned(void **unused)
{
    (void)unused;
    state = 7;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < 20000; i++) {
        /* No libm here: the arguments themselves must be the same everywhere. */
        double x = uniform(-30, 30);
        const double results[] = {fmath_exp(x),       fmath_log(x + 31),  fmath_pow(x + 31, 0.3),
                                  fmath_tanh(x / 20), fmath_sin(x * 1e6), fmath_cos(x * 1e6)};
        for (size_t r = 0; r < sizeof results / sizeof *results; r++) {
            uint64_t bits;
            memcpy(&bits, &results[r], sizeof bits);
            hash = (hash ^ bits) * UINT64_C(0x100000001b3);
        }
    }
    assert_true(hash == UINT64_C(0x36900e9103e65274));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_libm),
        cmocka_unit_test(pow_agrees_with_libm),
        cmocka_unit_test(expf_is_rounded_from_exp),
        cmocka_unit_test(edges),
        cmocka_unit_test(pow_edges),
        cmocka_unit_test(bits_are_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
