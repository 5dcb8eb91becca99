/* SPDX-License-Identifier: MIT
 *
 * rng.h - SplitMix64 (Steele, Lea, Flood 2014): numbers that depend on a seed and a stream alone.
 */
#ifndef HEARTH_EMBER_RNG_H
#define HEARTH_EMBER_RNG_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fmath.h"

typedef struct rng {
    uint64_t state;
} rng;

static inline uint64_t rng_next(rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static inline rng rng_new(uint64_t seed, uint64_t stream)
{
    rng r = {seed};
    r.state = rng_next(&r) ^ (stream * 0xd1342543de82ef95ull);
    (void)rng_next(&r);
    return r;
}

/* Uniform in [0, n), n > 0. */
static inline size_t rng_below(rng *r, size_t n)
{
    return (size_t)(((__uint128_t)rng_next(r) * n) >> 64);
}

/* Uniform in (0, 1). */
static inline double rng_unit(rng *r)
{
    return ((double)(rng_next(r) >> 11) + 0.5) * 0x1p-53;
}

/* Box and Muller's normal deviate. */
static inline double rng_normal(rng *r)
{
    double radius = sqrt(-2.0 * fmath_log(rng_unit(r)));
    return radius * fmath_cos(6.283185307179586 * rng_unit(r));
}

#endif
