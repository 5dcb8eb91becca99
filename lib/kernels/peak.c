/* SPDX-License-Identifier: MIT
 *
 * peak.c - see peak.h: the table, and the loops in plain C.
 */
#include "kernels/peak.h"

#include <math.h>
#include <string.h>

enum { ELEMENTS = 1024, SUMS = 8 };

static uint64_t int8_scalar(uint64_t n_rounds)
{
    int8_t a[ELEMENTS], b[ELEMENTS];
    volatile int32_t sink;
    int32_t sum = 0;
    memset(a, 3, sizeof a);
    memset(b, 5, sizeof b);
    for (uint64_t round = 0; round < n_rounds; round++) {
        __asm__ volatile("" : : "r"(a), "r"(b) : "memory"); /* the arrays may have changed */
        for (size_t i = 0; i < ELEMENTS; i++)
            sum += a[i] * b[i];
    }
    sink = sum;
    (void)sink;
    return n_rounds * ELEMENTS * 2;
}

static uint64_t f32_scalar(uint64_t n_rounds)
{
    float sums[SUMS] = {0};
    volatile float sink = 1.0f;
    float a = sink;
    for (uint64_t round = 0; round < n_rounds; round++) {
        for (size_t i = 0; i < SUMS; i++)
            sums[i] = fmaf(a, a, sums[i]);
    }
    for (size_t i = 0; i < SUMS; i++)
        sink = sums[i];
    return n_rounds * SUMS * 2;
}

/* Four streams and how far they are fetched ahead: the fastest that was measured
 * (docs/decisions/streams.md). */
uint64_t peak_read(const uint64_t *data, size_t n_bytes)
{
    enum { LINE = 64, STREAMS = 4, AHEAD = 2048 }; /* bytes */
    const size_t length = n_bytes / STREAMS;
    uint64_t sums[8] = {0}, sum = 0;
    for (size_t i = 0; i < length; i += LINE) {
        for (size_t s = 0; s < STREAMS; s++) {
            const uint64_t *line = data + (s * length + i) / sizeof *data;
            __builtin_prefetch((const char *)line + AHEAD, 0, 2);
            for (size_t lane = 0; lane < 8; lane++)
                sums[lane] ^= line[lane];
        }
    }
    for (size_t lane = 0; lane < 8; lane++)
        sum ^= sums[lane];
    return sum;
}

static const peak_kernels tables[] = {
    {"scalar", int8_scalar, f32_scalar},
#if defined(__x86_64__)
    {"avx2", peak_int8_avx2, peak_f32_avx2},
    {"avx512", peak_int8_avx512, peak_f32_avx512},
    {"amx", peak_int8_amx, peak_f32_avx512},
#elif defined(__aarch64__)
    {"neon", peak_int8_neon, peak_f32_neon},
#endif
};

const peak_kernels *peak_get(const char *isa)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (strcmp(tables[i].isa, isa) == 0)
            return &tables[i];
    }
    return NULL;
}
