/* SPDX-License-Identifier: MIT
 *
 * vec_math.h - functions of sixteen floats, for the templates that include it after a vec_*.h.
 *
 * exp    x = n ln 2 + r, |r| <= ln 2 / 2; the Taylor polynomial of degree 7 in r (relative error
 *        below 6e-9) scaled by 2^n. Below -87 the result is 0, above 88 it is that of 88.
 * tanh   |x| < 0.625: x + x^3 P(x^2), the minimax polynomial of the Cephes library (S. Moshier);
 *        otherwise 1 - 2 / (exp(2|x|) + 1).
 */
#ifndef HEARTH_KERNELS_VEC_MATH_H
#define HEARTH_KERNELS_VEC_MATH_H

static inline vec vec_exp(vec x)
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

static inline vec vec_negate(vec x)
{
    return vec_mul(x, vec_set1(-1.0f));
}

static inline vec vec_tanh(vec x)
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

#endif
