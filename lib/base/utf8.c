/* SPDX-License-Identifier: MIT
 *
 * utf8.c - see utf8.h. One table-free validator that all others rest on.
 */
#include "base/utf8.h"

static int is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length a lead byte promises and the range its second byte must lie in (Unicode 15, table 3-7:
 * this is where overlong forms and surrogates are excluded). 0 if it is no lead byte. */
static size_t lead(unsigned char byte, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (byte < 0x80)
        return 1;
    if (byte >= 0xc2 && byte <= 0xdf)
        return 2;
    if (byte >= 0xe0 && byte <= 0xef) {
        if (byte == 0xe0)
            *low = 0xa0;
        if (byte == 0xed)
            *high = 0x9f;
        return 3;
    }
    if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte == 0xf0)
            *low = 0x90;
        if (byte == 0xf4)
            *high = 0x8f;
        return 4;
    }
    return 0;
}

size_t utf8_valid_prefix(const char *text, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned char low, high;
    if (n == 0)
        return 0;
    size_t length = lead(bytes[0], &low, &high);
    if (length == 0 || length > n)
        return 0;
    if (length > 1 && (bytes[1] < low || bytes[1] > high))
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (!is_continuation(bytes[i]))
            return 0;
    }
    return length;
}

size_t utf8_decode(const char *text, size_t n, uint32_t *code_point)
{
    const unsigned char *bytes = (const unsigned char *)text;
    switch (utf8_valid_prefix(text, n)) {
    case 1:
        *code_point = bytes[0];
        return 1;
    case 2:
        *code_point = (uint32_t)(bytes[0] & 0x1f) << 6 | (bytes[1] & 0x3f);
        return 2;
    case 3:
        *code_point = (uint32_t)(bytes[0] & 0x0f) << 12 | (uint32_t)(bytes[1] & 0x3f) << 6 |
                      (bytes[2] & 0x3f);
        return 3;
    case 4:
        *code_point = (uint32_t)(bytes[0] & 0x07) << 18 | (uint32_t)(bytes[1] & 0x3f) << 12 |
                      (uint32_t)(bytes[2] & 0x3f) << 6 | (bytes[3] & 0x3f);
        return 4;
    default:
        *code_point = 0xfffd;
        return 1;
    }
}

size_t utf8_encode(uint32_t code_point, char *out)
{
    unsigned char *bytes = (unsigned char *)out;
    if (code_point > 0x10ffff || (code_point >= 0xd800 && code_point <= 0xdfff))
        code_point = 0xfffd;
    if (code_point < 0x80) {
        bytes[0] = (unsigned char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        bytes[0] = (unsigned char)(0xc0 | code_point >> 6);
        bytes[1] = (unsigned char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        bytes[0] = (unsigned char)(0xe0 | code_point >> 12);
        bytes[1] = (unsigned char)(0x80 | (code_point >> 6 & 0x3f));
        bytes[2] = (unsigned char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    bytes[0] = (unsigned char)(0xf0 | code_point >> 18);
    bytes[1] = (unsigned char)(0x80 | (code_point >> 12 & 0x3f));
    bytes[2] = (unsigned char)(0x80 | (code_point >> 6 & 0x3f));
    bytes[3] = (unsigned char)(0x80 | (code_point & 0x3f));
    return 4;
}

size_t utf8_incomplete_suffix(const char *text, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char *start = bytes + n - back;
        unsigned char low, high;
        if (is_continuation(start[0]))
            continue;
        size_t length = lead(start[0], &low, &high);
        if (length <= back)
            return 0;
        if (back > 1 && (start[1] < low || start[1] > high))
            return 0;
        return back;
    }
    return 0;
}

int utf8_is_valid(const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = utf8_valid_prefix(text + i, n - i);
        if (length == 0)
            return 0;
        i += length;
    }
    return 1;
}
