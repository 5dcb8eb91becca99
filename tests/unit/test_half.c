/* SPDX-License-Identifier: MIT
 *
 * test_half.c - binary16 and bfloat16: all 65,536 values, and millions of floats against the
 * hardware's own conversion where it has one (F16C) or against rounding done in double.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "base/half.h"
#include "os/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- references ---- */

static float slow_to_float(uint16_t half)
{
    int exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
    float sign = half & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 0x1f)
        return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * (float)ldexp(mantissa, -24);
    return sign * (float)ldexp(1024 + mantissa, exponent - 25);
}

/* Rounds to a multiple of the spacing at that magnitude; ties to even, which rint does. */
static uint16_t slow_from_float(float value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    double magnitude = fabs((double)value);
    if (isinf(value))
        return (uint16_t)(sign | 0x7c00);
    int exponent = 0;
    frexp(magnitude, &exponent);
    int step = exponent - 11 < -24 ? -24 : exponent - 11;
    double rounded = ldexp(rint(ldexp(magnitude, -step)), step);
    if (rounded >= 65536)
        return (uint16_t)(sign | 0x7c00);
    if (rounded < 0x1p-14)
        return (uint16_t)(sign | (uint16_t)ldexp(rounded, 24));
    frexp(rounded, &exponent);
    uint16_t mantissa = (uint16_t)(ldexp(rounded, 11 - exponent) - 1024);
    return (uint16_t)(sign | (exponent + 14) << 10 | mantissa);
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) static uint16_t hardware_from_float(float value)
{
    return _cvtss_sh(value, 0);
}

__attribute__((target("f16c"))) static float hardware_to_float(uint16_t half)
{
    return _cvtsh_ss(half);
}
#endif

/* Asked once: in a virtual machine each question to the CPU takes microseconds. */
static bool has_hardware;

static int ask_hardware(void **state)
{
    (void)state;
    has_hardware = cpu_best_isa() >= CPU_ISA_AVX2 && cpu_best_isa() != CPU_ISA_NEON;
    printf("compared with the hardware: %s\n", has_hardware ? "yes" : "no");
    return 0;
}

/* ---- tests ---- */

static void test_every_half(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t half = (uint16_t)i;
        float value = f16_to_f32(half), wanted = slow_to_float(half);
        if (isnan(wanted)) {
            assert_true(isnan(value));
            assert_int_equal(f32_to_f16(value), half | 0x200);
        } else {
            if (float_to_bits(value) != float_to_bits(wanted))
                fail_msg("half %04x gives %a, not %a", half, (double)value, (double)wanted);
            if (f32_to_f16(value) != half)
                fail_msg("half %04x comes back as %04x", half, f32_to_f16(value));
        }
#if defined(__x86_64__)
        if (has_hardware)
            assert_int_equal(float_to_bits(value), float_to_bits(hardware_to_float(half)));
#endif
    }
}

static void check_float(uint32_t bits)
{
    float value = float_from_bits(bits);
    uint16_t got = f32_to_f16(value);
    if (!isnan(value) && got != slow_from_float(value))
        fail_msg("%a (%08x) gives %04x, not %04x", (double)value, bits, got,
                 slow_from_float(value));
#if defined(__x86_64__)
    if (has_hardware && got != hardware_from_float(value))
        fail_msg("%08x gives %04x, the hardware %04x", bits, got, hardware_from_float(value));
#endif
}

static void test_many_floats(void **state)
{
    (void)state;
    /* A stride that is odd reaches every exponent with every kind of mantissa. */
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += 4099)
        check_float((uint32_t)bits);
    /* Around every half and every middle between two: where rounding turns. */
    for (uint32_t i = 0; i < 0x7c00; i++) {
        uint32_t at = float_to_bits(f16_to_f32((uint16_t)i));
        uint32_t next = float_to_bits(f16_to_f32((uint16_t)(i + 1)));
        uint32_t middle = i + 1 < 0x7c00
                              ? float_to_bits((float_from_bits(at) + float_from_bits(next)) / 2)
                              : 0x477ff000;
        for (uint32_t shift = 0; shift < 3; shift++) {
            check_float(at + shift - 1);
            check_float(middle + shift - 1);
            check_float((middle + shift - 1) | 0x80000000);
        }
    }
}

static void test_bfloat(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t half = (uint16_t)i;
        float value = bf16_to_f32(half);
        assert_int_equal(float_to_bits(value), i << 16);
        assert_int_equal(f32_to_bf16(value), isnan(value) ? half | 0x40 : half);
        if (isnan(value) || isinf(value))
            continue;
        /* Below the middle down, above it up, on it to the even neighbour. */
        assert_int_equal(f32_to_bf16(float_from_bits(i << 16 | 0x7fff)), half);
        assert_int_equal(f32_to_bf16(float_from_bits(i << 16 | 0x8001)), half + 1);
        assert_int_equal(f32_to_bf16(float_from_bits(i << 16 | 0x8000)), half + (half & 1));
    }
    assert_int_equal(f32_to_bf16(float_from_bits(0x7f800001)), 0x7fc0);
    assert_int_equal(f32_to_bf16(float_from_bits(0xffffffff)), 0xffff);
    assert_int_equal(f32_to_bf16(float_from_bits(0x7f7fffff)), 0x7f80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_many_floats),
        cmocka_unit_test(test_bfloat),
    };
    return cmocka_run_group_tests(tests, ask_hardware, NULL);
}
