/* SPDX-License-Identifier: MIT
 *
 * fmath.h - transcendental functions that give the same bits on every machine.
 *
 * Why      The libm of each system rounds differently, so the same seed could give another text and
 *          the same prompt other logits elsewhere. These use only +, -, *, / and comparisons of
 *          binary64, in a fixed order, compiled without contraction: IEEE 754 fixes every bit.
 * Error    Below 1 ulp for exp, log, pow, sin and cos, below 3 ulp for tanh.
 * tests/unit/test_fmath.c holds these bounds against the libm. Special  NaN, infinities, zeros and
 * the domain edges as C17 Annex F has them, but for signalling: errno and the exception flags mean
 * nothing here. Speed    For the edges of a computation (tables, samplers); kernels/ has the vector
 * versions.
 */
#ifndef HEARTH_BASE_FMATH_H
#define HEARTH_BASE_FMATH_H

double fmath_exp(double x);
double fmath_log(double x); /* natural logarithm; NaN below zero */
double fmath_pow(double x, double y);
double fmath_tanh(double x);

/* The float nearest to e^x in all but one of some ten thousand cases, and its neighbour in those:
 * for many values, at a third of fmath_exp's cost. */
float fmath_expf(float x);

/* |x| up to FMATH_MAX_ANGLE radians; NaN beyond, where the argument itself says too little. */
#define FMATH_MAX_ANGLE 0x1p30
double fmath_sin(double x);
double fmath_cos(double x);

#endif
