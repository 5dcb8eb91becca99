/* SPDX-License-Identifier: MIT
 *
 * jinja_unicode.c - see jinja_unicode.h. ASCII is answered without a table.
 */
#include "chat/jinja_unicode.h"

#include <utf8proc.h>

#include "base/utf8.h"

static int category(uint32_t c)
{
    return (int)utf8proc_category((utf8proc_int32_t)c);
}

bool jinja_is_space(uint32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool jinja_is_alpha(uint32_t c)
{
    if (c < 0x80)
        return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    int k = category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool jinja_is_decimal(uint32_t c)
{
    return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND;
}

/* Superscripts and circled digits count as digits too. */
bool jinja_is_digit(uint32_t c)
{
    return jinja_is_decimal(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 ||
           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
           (c >= 0x2460 && c <= 0x2468);
}

bool jinja_is_numeric(uint32_t c)
{
    if (c < 0x80)
        return c >= '0' && c <= '9';
    int k = category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool jinja_is_upper(uint32_t c)
{
    return c < 0x80 ? c >= 'A' && c <= 'Z' : utf8proc_isupper((utf8proc_int32_t)c) != 0;
}

bool jinja_is_lower(uint32_t c)
{
    return c < 0x80 ? c >= 'a' && c <= 'z' : utf8proc_islower((utf8proc_int32_t)c) != 0;
}

bool jinja_is_title(uint32_t c)
{
    return c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LT;
}

bool jinja_is_cased(uint32_t c)
{
    return jinja_is_upper(c) || jinja_is_lower(c) || jinja_is_title(c);
}

bool jinja_is_printable(uint32_t c)
{
    if (c < 0x80)
        return c >= 0x20 && c < 0x7f;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

bool jinja_starts_name(uint32_t c)
{
    return c == '_' || jinja_is_alpha(c);
}

bool jinja_goes_on_name(uint32_t c)
{
    return c == '_' || jinja_is_alpha(c) || jinja_is_numeric(c);
}

size_t jinja_last_char(const char *text, size_t n, uint32_t *c)
{
    size_t at = n - 1;
    while (at > 0 && n - at < 4 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return utf8_decode(text + at, n - at, c);
}

size_t jinja_space_prefix(const char *text, size_t n)
{
    size_t i = 0;
    uint32_t c;
    while (i < n) {
        size_t length = utf8_decode(text + i, n - i, &c);
        if (!jinja_is_space(c))
            break;
        i += length;
    }
    return i;
}

size_t jinja_space_suffix(const char *text, size_t n)
{
    size_t left = n;
    uint32_t c;
    while (left > 0) {
        size_t length = jinja_last_char(text, left, &c);
        if (!jinja_is_space(c))
            break;
        left -= length;
    }
    return n - left;
}
