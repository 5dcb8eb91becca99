/* SPDX-License-Identifier: MIT
 *
 * mt19937.c - see mt19937.h.
 *
 * State    624 words x[0..623]. A new block of words is
 *          x[k] = x[k + 397] ^ twist(upper bit of x[k], lower 31 bits of x[k + 1]),
 *          indices modulo 624, each word from the newest values there are.
 */
#include "engine/mt19937.h"

enum { SHIFT = 397 };

void mt19937_seed(mt19937 *generator, uint32_t seed)
{
    uint32_t *x = generator->words;
    x[0] = seed;
    for (uint32_t i = 1; i < MT19937_WORDS; i++)
        x[i] = UINT32_C(1812433253) * (x[i - 1] ^ x[i - 1] >> 30) + i;
    generator->next = MT19937_WORDS;
}

static uint32_t twist(uint32_t upper, uint32_t lower)
{
    uint32_t y = (upper & UINT32_C(0x80000000)) | (lower & UINT32_C(0x7fffffff));
    return y >> 1 ^ (y & 1 ? UINT32_C(0x9908b0df) : 0);
}

static void refill(mt19937 *generator)
{
    uint32_t *x = generator->words;
    for (int k = 0; k < MT19937_WORDS; k++)
        x[k] = x[(k + SHIFT) % MT19937_WORDS] ^ twist(x[k], x[(k + 1) % MT19937_WORDS]);
    generator->next = 0;
}

uint32_t mt19937_next(mt19937 *generator)
{
    if (generator->next == MT19937_WORDS)
        refill(generator);
    uint32_t y = generator->words[generator->next++];
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

double mt19937_double(mt19937 *generator)
{
    double low = mt19937_next(generator);
    double high = mt19937_next(generator);
    double x = (low + high * 0x1p32) * 0x1p-64;
    return x < 1 ? x : 0x1.fffffffffffffp-1; /* the 64 bits may have been rounded up */
}

float mt19937_float(mt19937 *generator)
{
    float x = (float)mt19937_next(generator) * 0x1p-32f;
    return x < 1 ? x : 0x1.fffffep-1f;
}
