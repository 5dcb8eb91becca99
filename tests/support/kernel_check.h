/* SPDX-License-Identifier: MIT
 *
 * kernel_check.h - what the tests of kernels share: checks that count and go on, and numbers drawn
 * from a seed that the test sets and prints. For one test program: the state is static.
 */
#ifndef HEARTH_TESTS_KERNEL_CHECK_H
#define HEARTH_TESTS_KERNEL_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;
static uint64_t rng_state;

/* 31 bits of Knuth's MMIX generator. */
static inline uint32_t rng_bits(void)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng_state >> 33);
}

static inline float rng_float(float low, float high)
{
    return low + (high - low) * (float)(rng_bits() >> 7) / 16777216.0f;
}

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("FAILED %s:%d: %s: ", __FILE__, __LINE__, #condition);                          \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            if (++failures > 20)                                                                   \
                exit(1);                                                                           \
        }                                                                                          \
    } while (0)

#endif
