/* SPDX-License-Identifier: MIT
 *
 * mt19937.h - the Mersenne Twister, as every C++ standard library draws from it.
 *
 * Source   M. Matsumoto and T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed
 *          uniform pseudorandom number generator", ACM TOMACS 8 (1998); seeding as in their
 * revision of 2002, which is std::mt19937(seed). Draws    mt19937_double and mt19937_float give
 * what libstdc++'s uniform_real_distribution gives over [0, 1), so that a seed chooses the tokens
 * that it chooses in llama.cpp. Threads  One thread at a time per generator.
 */
#ifndef HEARTH_ENGINE_MT19937_H
#define HEARTH_ENGINE_MT19937_H

#include <stdint.h>

enum { MT19937_WORDS = 624 };

typedef struct mt19937 {
    uint32_t words[MT19937_WORDS];
    uint32_t next; /* first word not given out yet */
} mt19937;

void mt19937_seed(mt19937 *generator, uint32_t seed);
uint32_t mt19937_next(mt19937 *generator);
double mt19937_double(mt19937 *generator); /* two outputs: (u0 + u1 * 2^32) / 2^64 */
float mt19937_float(mt19937 *generator);   /* one output: u0 / 2^32 */

#endif
