/* SPDX-License-Identifier: MIT
 *
 * test_utf8.c - every code point there and back, every sequence of up to three bytes and many of
 * four against a decoder written from the definition, and the tails of broken streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

/* By the definition (RFC 3629): the shortest form of a scalar value, and nothing else. Slow. */
static size_t reference_length(const uint8_t *bytes, size_t n, uint32_t *code_point)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t min, max;
    } forms[] = {
        {0x80, 0x00, 0, 0x7f},
        {0xe0, 0xc0, 0x80, 0x7ff},
        {0xf0, 0xe0, 0x800, 0xffff},
        {0xf8, 0xf0, 0x10000, 0x10ffff},
    };
    for (size_t length = 1; length <= 4 && length <= n; length++) {
        if ((bytes[0] & forms[length - 1].mask) != forms[length - 1].lead)
            continue;
        uint32_t value = bytes[0] & (uint8_t)~forms[length - 1].mask;
        for (size_t i = 1; i < length; i++) {
            if ((bytes[i] & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (bytes[i] & 0x3f);
        }
        *code_point = value;
        bool surrogate = value >= 0xd800 && value <= 0xdfff;
        return value < forms[length - 1].min || value > forms[length - 1].max || surrogate ? 0
                                                                                           : length;
    }
    return 0;
}

static void check(const uint8_t *bytes, size_t n)
{
    uint32_t wanted = 0, got = 1;
    size_t length = reference_length(bytes, n, &wanted);
    if (utf8_valid_prefix((const char *)bytes, n) != length)
        fail_msg("%02x %02x %02x %02x of %zu", bytes[0], bytes[1], bytes[2], bytes[3], n);
    size_t decoded = utf8_decode((const char *)bytes, n, &got);
    if (decoded != (length ? length : 1) || got != (length ? wanted : 0xfffd))
        fail_msg("%02x %02x %02x %02x gives U+%04x", bytes[0], bytes[1], bytes[2], bytes[3], got);
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point < 0x110000; code_point++) {
        char text[4];
        uint32_t back;
        size_t n = utf8_encode(code_point, text);
        bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
        if (utf8_decode(text, n, &back) != n || back != (surrogate ? 0xfffd : code_point))
            fail_msg("U+%04x comes back as U+%04x", code_point, back);
    }
    char text[4];
    assert_int_equal(utf8_encode(0x110000, text), 3);
    assert_memory_equal(text, "\xef\xbf\xbd", 3);
    assert_int_equal(utf8_encode(UINT32_MAX, text), 3);
}

static void test_every_sequence(void **state)
{
    (void)state;
    uint8_t bytes[4] = {0};
    for (uint32_t word = 0; word < 1u << 24; word++) {
        bytes[0] = (uint8_t)word;
        bytes[1] = (uint8_t)(word >> 8);
        bytes[2] = (uint8_t)(word >> 16);
        check(bytes, 3);
        if (word < 1u << 16)
            check(bytes, 2);
        if (word < 1u << 8)
            check(bytes, 1);
    }
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (int lead = 0xe0; lead <= 0xff; lead++) {
        for (int second = 0; second < 256; second++) {
            for (int i = 0; i < 100; i++) {
                const uint8_t four[4] = {(uint8_t)lead, (uint8_t)second, edges[i / 10],
                                         edges[i % 10]};
                check(four, 4);
            }
        }
    }
}

static void test_whole_texts(void **state)
{
    (void)state;
    assert_true(utf8_is_valid("", 0));
    assert_true(utf8_is_valid("gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\xa5", 11));
    assert_false(utf8_is_valid("gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\xa5", 10));
    assert_false(utf8_is_valid("\xed\xa0\x80", 3));
    assert_int_equal(utf8_valid_prefix("x", 0), 0);
}

/* What must be held back: what could still become a character, and nothing more. */
static void test_incomplete_suffix(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t wanted;
    } cases[] = {
        {"", 0},
        {"a", 0},
        {"\xc3", 1},
        {"a\xc3", 1},
        {"\xc3\xa9", 0},
        {"\xe2", 1},
        {"\xe2\x82", 2},
        {"\xe2\x82\xac", 0},
        {"\xf0", 1},
        {"\xf0\x9f", 2},
        {"x\xf0\x9f\x94", 3},
        {"\xf0\x9f\x94\xa5", 0},
        {"\x80", 0},
        {"\x80\x80\x80", 0},
        {"\xff", 0},
        {"\xc0", 0},
        {"\xe0\x80", 0},
        {"\xed\xa0", 0},
        {"\xf4\x90", 0},
        {"\xf5", 0},
        {"\xc3\xc3", 1},
        {"\xe2\x82\xe2", 1},
        {"\xf0\x9f\x94\xf0\x9f", 2},
        {"\xf0\x80\x80\x80\x80", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t got = utf8_incomplete_suffix(cases[i].text, strlen(cases[i].text));
        if (got != cases[i].wanted)
            fail_msg("case %zu: %zu instead of %zu", i, got, cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_sequence),
        cmocka_unit_test(test_whole_texts),
        cmocka_unit_test(test_incomplete_suffix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
