/* SPDX-License-Identifier: MIT
 *
 * fmath.c - see fmath.h.
 *
 * How      Every function reduces its argument to a small interval around zero, exactly or with the
 *          rest kept in a second double, and sums a Taylor series there, long enough that what is
 *          cut off lies below a tenth of an ulp. Series instead of fitted polynomials: each
 *          coefficient can be checked by eye, and the few more terms cost nothing here.
 *
 *   exp    x = k ln 2 + r, |r| <= ln 2 / 2;  2^k * (1 + r + r^2/2! + ...)
 *   log    x = 2^k m, m in [sqrt 1/2, sqrt 2);  log m = 2 atanh(s), s = (m - 1) / (m + 1)
 *   pow    exp(y log x), the logarithm and the product held to about 105 bits
 *   tanh   e / (e + 2), e = exp(2x) - 1
 *   sin    x = k pi/2 + r, |r| <= pi/4 (Cody and Waite, "Software Manual for the Elementary
 *          Functions", 1980); the series that k mod 4 picks
 *
 * `pair` is an unevaluated sum of two doubles; its operations are those of T. J. Dekker, "A
 * floating-point technique for extending the available precision", Numer. Math. 18 (1971).
 */
#include "base/fmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2: HIGH has 42 bits after the point, so that its product with an exponent is exact. */
static const double ln2_high = 0x1.62e42fefa38p-1;
static const double ln2_low = 0x1.ef35793c7673p-45;

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Nearest integer, ties to even, for |x| < 2^51: the sum has no bits left below one. */
static double nearest(double x)
{
    const double shift = 0x1.8p52;
    return (x + shift) - shift;
}

/* 2^k for k in [-1022, 1023]. */
static double power_of_two(int k)
{
    return of_bits((uint64_t)(k + 1023) << 52);
}

/* ---- pairs ---- */

typedef struct pair {
    double high, low; /* |low| <= half an ulp of high */
} pair;

static pair sum(double a, double b)
{
    double s = a + b;
    double t = s - a;
    return (pair){s, (a - (s - t)) + (b - t)};
}

/* |a| >= |b|, or a is 0. */
static pair sum_ordered(double a, double b)
{
    double s = a + b;
    return (pair){s, b - (s - a)};
}

static pair product(double a, double b)
{
    const double split = 0x1p27 + 1;
    double ca = split * a, cb = split * b;
    double a1 = ca - (ca - a), b1 = cb - (cb - b); /* upper 26 bits */
    double a2 = a - a1, b2 = b - b1;
    double p = a * b;
    return (pair){p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2};
}

static pair pair_add(pair a, pair b)
{
    pair s = sum(a.high, b.high);
    return sum_ordered(s.high, s.low + (a.low + b.low));
}

static pair pair_mul(pair a, pair b)
{
    pair p = product(a.high, b.high);
    return sum_ordered(p.high, p.low + (a.high * b.low + a.low * b.high));
}

/* ---- exp, tanh ---- */

/* coefficients[0] + x * (coefficients[1] + x * ...) */
static double polynomial(const double *coefficients, int n, double x)
{
    double y = coefficients[n - 1];
    for (int i = n - 2; i >= 0; i--)
        y = y * x + coefficients[i];
    return y;
}

/* exp(r + r_low) - 1 for |r| <= 0.3466, r_low far below an ulp of 1. */
static double expm1_small(double r, double r_low)
{
    static const double series[] = {
        /* 1/n! from n = 2 */
        1.0 / 2,         1.0 / 6,          1.0 / 24,         1.0 / 120,     1.0 / 720,
        1.0 / 5040,      1.0 / 40320,      1.0 / 362880,     1.0 / 3628800, 1.0 / 39916800,
        1.0 / 479001600, 1.0 / 6227020800, 1.0 / 87178291200};
    double tail = r * r * polynomial(series, sizeof series / sizeof *series, r);
    return r + (tail + (r_low + r * r_low));
}

/* Splits x + x_low into k ln 2 and a rest. |x| < 2^11. */
static int reduce_exp(double x, double x_low, pair *rest)
{
    double k = nearest(x * 0x1.71547652b82fep+0); /* 1 / ln 2 */
    double r = x - k * ln2_high;
    *rest = sum(r, x_low - k * ln2_low);
    return (int)k;
}

/* exp(x + x_low), |x_low| at most a few ulp of x. */
static double exp_pair(double x, double x_low)
{
    if (x > 710)
        return INFINITY;
    if (x < -746)
        return 0;
    pair r;
    int k = reduce_exp(x, x_low, &r);
    double y = 1 + expm1_small(r.high, r.low);
    /* Two steps: 2^k alone may lie outside the doubles although the result does not. */
    int half = k / 2;
    return y * power_of_two(half) * power_of_two(k - half);
}

double fmath_exp(double x)
{
    return isnan(x) ? x : exp_pair(x, 0);
}

/* In binary64, where a remainder and a series too coarse for a double's last bits are enough. */
float fmath_expf(float x)
{
    if (isnan(x))
        return x;
    if (x > 89)
        return INFINITY;
    if (x < -104)
        return 0;
    double k = nearest(x * 0x1.71547652b82fep+0);
    double r = x - k * 0x1.62e42fefa39efp-1;
    double r2 = r * r, r4 = r2 * r2;
    /* 1/n!, n = 0 to 9, in pairs: a tree is shorter than a chain. */
    double low = (1 + r) + r2 * (1.0 / 2 + r * (1.0 / 6));
    double middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040));
    double high = 1.0 / 40320 + r * (1.0 / 362880);
    return (float)((low + r4 * (middle + r4 * high)) * power_of_two((int)k));
}

double fmath_tanh(double x)
{
    if (isnan(x) || fabs(x) < 0x1p-28) /* x^3/3 is below half an ulp */
        return x;
    if (fabs(x) > 22)
        return copysign(1, x);
    pair r;
    int k = reduce_exp(2 * fabs(x), 0, &r);
    double scale = power_of_two(k);
    double e = scale * expm1_small(r.high, r.low) + (scale - 1);
    return copysign(e / (e + 2), x);
}

/* ---- log, pow ---- */

/* m in [sqrt 1/2, sqrt 2) and k with x = 2^k m, for a positive finite x. */
static double split_log(double x, int *k)
{
    uint64_t bits = bits_of(x);
    int shift = 0;
    if (bits < (uint64_t)1 << 52) { /* subnormal */
        bits = bits_of(x * 0x1p54);
        shift = 54;
    }
    /* Adding the distance from sqrt 1/2 to 1 carries into the exponent from sqrt 2 on. */
    const uint64_t one = (uint64_t)0x3ff << 52, sqrt_half = UINT64_C(0x3fe6a09e667f3bcd);
    uint64_t moved = bits + (one - sqrt_half);
    *k = (int)(moved >> 52) - 1023 - shift;
    return of_bits((moved & (((uint64_t)1 << 52) - 1)) + sqrt_half);
}

double fmath_log(double x)
{
    static const double series[] = {2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11, 2.0 / 13,
                                    2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
    if (x == 0)
        return -INFINITY;
    if (x < 0)
        return NAN;
    if (isnan(x) || isinf(x))
        return x;
    int k;
    double f = split_log(x, &k) - 1;
    double s = f / (2 + f);
    double z = s * s;
    /* 2s = f - s f, and s f = f^2/2 - s f^2/2: the large term f stays exact. */
    double half_square = 0.5 * f * f;
    double tail = s * (half_square + z * polynomial(series, sizeof series / sizeof *series, z));
    return k * ln2_high - ((half_square - (tail + k * ln2_low)) - f);
}

/* log x to about 100 bits, for a positive finite x. */
static pair log_pair(double x)
{
    static const double series[] = {1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15,
                                    1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25};
    const pair third = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
    int k;
    double m = split_log(x, &k);
    double f = m - 1; /* exact */
    pair d = sum(m, 1);
    /* s = f / d: one quotient, and one more for the rest that it leaves. */
    double q = f / d.high;
    pair qd = product(q, d.high);
    pair s = sum_ordered(q, (((f - qd.high) - qd.low) - q * d.low) / d.high);
    pair z = pair_mul(s, s);
    double tail = z.high * polynomial(series, sizeof series / sizeof *series, z.high);
    pair u = pair_mul(z, pair_add(third, (pair){tail, 0}));
    pair atanh2 = pair_mul((pair){2 * s.high, 2 * s.low}, pair_add((pair){1, 0}, u));
    return pair_add(sum_ordered(k * ln2_high, k * ln2_low), atanh2);
}

static int is_integer(double y)
{
    return fabs(y) >= 0x1p52 || nearest(y) == y;
}

static int is_odd(double y)
{
    return fabs(y) < 0x1p53 && is_integer(y) && !is_integer(y / 2);
}

/* x^y where x is zero or infinite and y is neither 0 nor NaN. */
static double pow_of_edge(double x, double y)
{
    double size = (x == 0) == (y < 0) ? INFINITY : 0;
    return is_odd(y) ? copysign(size, x) : size;
}

double fmath_pow(double x, double y)
{
    if (y == 0 || x == 1)
        return 1;
    if (isnan(x) || isnan(y))
        return NAN;
    if (isinf(y)) {
        if (fabs(x) == 1)
            return 1;
        return (fabs(x) < 1) == (y < 0) ? INFINITY : 0;
    }
    if (x == 0 || isinf(x))
        return pow_of_edge(x, y);
    if (x < 0 && !is_integer(y))
        return NAN;
    double sign = x < 0 && is_odd(y) ? -1 : 1;
    if (x == -1)
        return sign;
    pair l = log_pair(fabs(x));
    if (fabs(l.high) >= 2000 / fabs(y)) /* no double; also keeps y below 2^64 */
        return sign * ((l.high > 0) == (y > 0) ? INFINITY : 0);
    pair p = product(y, l.high);
    p = sum_ordered(p.high, p.low + y * l.low);
    return sign * exp_pair(p.high, p.low);
}

/* ---- sin, cos ---- */

/* x - k pi/2 with k the nearest integer. The first four parts of pi/2 have 23 bits, so that k (30
 * bits) times them is exact, and with them the first two subtractions. */
static int reduce_angle(double x, pair *rest)
{
    double k = nearest(x * 0x1.45f306dc9c883p-1); /* 2 / pi */
    double r = x - k * 0x1.921fb4p+0;
    r -= k * 0x1.4442dp-24;
    pair a = sum(r, -k * 0x1.8469800000000p-48);
    pair b = sum(a.high, -k * 0x1.3198a00000000p-69);
    *rest = sum(b.high, b.low + (a.low - k * 0x1.701b839a25205p-92));
    return (int)((int64_t)k & 3);
}

static double sin_small(pair r)
{
    static const double series[] = {-1.0 / 6,
                                    1.0 / 120,
                                    -1.0 / 5040,
                                    1.0 / 362880,
                                    -1.0 / 39916800,
                                    1.0 / 6227020800,
                                    -1.0 / 1307674368000,
                                    1.0 / 355687428096000,
                                    -1.0 / 121645100408832000};
    double z = r.high * r.high;
    double tail = r.high * z * polynomial(series, sizeof series / sizeof *series, z);
    return r.high + (tail + r.low * (1 - 0.5 * z));
}

static double cos_small(pair r)
{
    static const double series[] = {
        1.0 / 24,        -1.0 / 720,         1.0 / 40320,          -1.0 / 3628800,
        1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000, -1.0 / 6402373705728000};
    double z = r.high * r.high;
    pair head = sum_ordered(1, -0.5 * z);
    double tail = z * z * polynomial(series, sizeof series / sizeof *series, z);
    return head.high + (head.low + (tail - r.high * r.low));
}

/* quarter 0: sin, 1: cos. */
static double sin_of_quarter(double x, int quarter)
{
    if (!(fabs(x) <= FMATH_MAX_ANGLE))
        return NAN;
    pair r;
    quarter = (quarter + reduce_angle(x, &r)) & 3;
    double y = quarter & 1 ? cos_small(r) : sin_small(r);
    return quarter & 2 ? -y : y;
}

double fmath_sin(double x)
{
    return x == 0 ? x : sin_of_quarter(x, 0);
}

double fmath_cos(double x)
{
    return sin_of_quarter(x, 1);
}
