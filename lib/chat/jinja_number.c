/* SPDX-License-Identifier: MIT
 *
 * jinja_number.c - see jinja_number.h. libc does the exact conversions; what the locale may put in
 * place of the point is put right again.
 */
#include "chat/jinja_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/jinja_unicode.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Digits of a base with single underscores between them; 0 if there is none at text. */
static size_t scan_digits(const char *text, size_t n, int base)
{
    size_t i = 0;
    while (i < n) {
        size_t at = i > 0 && text[i] == '_' ? i + 1 : i;
        if (at == n || digit_value(text[at]) >= base)
            break;
        i = at + 1;
    }
    return i;
}

static int prefix_base(const char *text, size_t n)
{
    if (n < 2 || text[0] != '0')
        return 10;
    char c = (char)(text[1] | 0x20);
    return c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
}

size_t jinja_scan_number(const char *text, size_t n, bool *is_float)
{
    *is_float = false;
    int base = prefix_base(text, n);
    size_t digits = base == 10 ? 0 : scan_digits(text + 2, n - 2, base);
    if (digits > 0)
        return 2 + digits;
    size_t i = scan_digits(text, n, 10);
    if (i < n && text[i] == '.' && i + 1 < n && is_digit(text[i + 1])) {
        *is_float = true;
        i += 1 + scan_digits(text + i + 1, n - i - 1, 10);
    }
    if (i < n && (text[i] | 0x20) == 'e') {
        size_t at = i + 1;
        if (at < n && (text[at] == '+' || text[at] == '-'))
            at++;
        digits = scan_digits(text + at, n - at, 10);
        if (digits > 0) {
            *is_float = true;
            i = at + digits;
        }
    }
    return i;
}

static bool add_digits(const char *text, size_t n, int base, bool negative, int64_t *out)
{
    int64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '_')
            continue;
        int64_t digit = digit_value(text[i]);
        if (__builtin_mul_overflow(value, (int64_t)base, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool jinja_parse_literal(const char *text, size_t n, int64_t *out)
{
    int base = prefix_base(text, n);
    if (base == 10)
        return add_digits(text, n, 10, false, out);
    return add_digits(text + 2, n - 2, base, false, out);
}

static void trim(const char **text, size_t *n)
{
    size_t front = jinja_space_prefix(*text, *n);
    *text += front;
    *n -= front;
    *n -= jinja_space_suffix(*text, *n);
}

bool jinja_parse_int(const char *text, size_t n, int base, int64_t *out, bool *too_big)
{
    *too_big = false;
    trim(&text, &n);
    bool negative = n > 0 && *text == '-';
    if (n > 0 && (*text == '-' || *text == '+')) {
        text++;
        n--;
    }
    int prefix = prefix_base(text, n);
    if (prefix != 10 && (base == prefix || base == 0)) {
        text += 2;
        n -= 2;
        base = prefix;
        if (n > 0 && *text == '_') {
            text++;
            n--;
        }
    } else if (base == 0) {
        base = 10;
    }
    if (n == 0 || scan_digits(text, n, base) != n)
        return false;
    *too_big = !add_digits(text, n, base, negative, out);
    return !*too_big;
}

static bool word_is(const char *text, size_t n, const char *word)
{
    size_t i = 0;
    for (; i < n && word[i]; i++) {
        if ((text[i] | 0x20) != word[i])
            return false;
    }
    return i == n && word[i] == '\0';
}

/* inf, infinity and nan. */
static bool parse_named(const char *text, size_t n, double *out)
{
    if (word_is(text, n, "inf") || word_is(text, n, "infinity"))
        *out = HUGE_VAL;
    else if (word_is(text, n, "nan"))
        *out = (double)NAN;
    else
        return false;
    return true;
}

/* Digits, then an exponent in which the places after the point are counted: strtod needs no point
 * that way. More digits than any double needs are refused. */
static bool parse_decimal(const char *text, size_t n, double *out)
{
    enum { DIGITS_MAX = 900 };
    char plain[DIGITS_MAX + 32];
    size_t used = 0, i = 0, n_digits = 0;
    int64_t exponent = 0;
    bool after_point = false;
    for (; i < n && (is_digit(text[i]) || text[i] == '_' || (text[i] == '.' && !after_point));
         i++) {
        if (text[i] == '.') {
            after_point = true;
            continue;
        }
        if (text[i] == '_') {
            if (i == 0 || !is_digit(text[i - 1]) || i + 1 == n || !is_digit(text[i + 1]))
                return false;
            continue;
        }
        n_digits++;
        exponent -= after_point;
        if (used == DIGITS_MAX)
            return false;
        plain[used++] = text[i];
    }
    if (n_digits == 0)
        return false;
    if (i < n) {
        int64_t given = 0;
        bool negative = i + 1 < n && text[i + 1] == '-';
        size_t at = i + 1 + (i + 1 < n && (negative || text[i + 1] == '+'));
        if ((text[i] | 0x20) != 'e' || at >= n || scan_digits(text + at, n - at, 10) != n - at)
            return false;
        if (!add_digits(text + at, n - at, 10, negative, &given) || given > 100000)
            given = negative ? -100000 : 100000;
        exponent += given < -100000 ? -100000 : given;
    }
    snprintf(plain + used, sizeof plain - used, "e%lld", (long long)exponent);
    *out = strtod(plain, NULL);
    return true;
}

bool jinja_parse_float(const char *text, size_t n, double *out)
{
    trim(&text, &n);
    bool negative = n > 0 && *text == '-';
    if (n > 0 && (*text == '-' || *text == '+')) {
        text++;
        n--;
    }
    if (!parse_named(text, n, out) && !parse_decimal(text, n, out))
        return false;
    if (negative)
        *out = -*out;
    return true;
}

/* ---- writing ---- */

static size_t put_point(char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = out[i];
        if (!is_digit(c) && c != '-' && c != '+' && c != ' ' && (c | 0x20) != 'e') {
            size_t end = i + 1; /* a locale's point may be several bytes */
            while (end < n && !is_digit(out[end]) && (out[end] | 0x20) != 'e')
                end++;
            out[i] = '.';
            memmove(out + i + 1, out + end, n - end);
            return n - (end - i - 1);
        }
    }
    return n;
}

static size_t format_special(double d, char *out)
{
    const char *text = isnan(d) ? "nan" : d > 0 ? "inf" : "-inf";
    memcpy(out, text, strlen(text));
    return strlen(text);
}

/* The shortest decimal digits and the exponent of the first one. */
static size_t shortest(double d, char digits[20], int *exponent)
{
    char text[64];
    for (int precision = 0; precision <= 16; precision++) {
        int n = snprintf(text, sizeof text, "%.*e", precision, d);
        double back;
        size_t length = put_point(text, (size_t)n);
        if (precision == 16 || (parse_decimal(text, length, &back) && back == d)) {
            size_t used = 0, i = 0;
            for (; i < length && text[i] != 'e'; i++) {
                if (is_digit(text[i]))
                    digits[used++] = text[i];
            }
            text[length] = '\0';
            *exponent = (int)strtol(text + i + 1, NULL, 10);
            return used;
        }
    }
    return 0;
}

size_t jinja_format_float(double d, char out[JINJA_FLOAT_MAX])
{
    char digits[20] = {0};
    size_t n = 0;
    int exponent = 0;
    if (!isfinite(d))
        return format_special(d, out);
    if (signbit(d))
        out[n++] = '-';
    d = fabs(d);
    int n_digits = (int)shortest(d, digits, &exponent);
    if (exponent < -4 || exponent >= 16) {
        out[n++] = digits[0];
        if (n_digits > 1)
            out[n++] = '.';
        for (int i = 1; i < n_digits; i++)
            out[n++] = digits[i];
        return n + (size_t)snprintf(out + n, JINJA_FLOAT_MAX - n, "e%c%02d",
                                    exponent < 0 ? '-' : '+', abs(exponent));
    }
    if (exponent < 0) {
        out[n++] = '0';
        out[n++] = '.';
        for (int i = -1; i > exponent; i--)
            out[n++] = '0';
    }
    for (int i = 0; i < n_digits || i <= exponent; i++) {
        out[n++] = i < n_digits ? digits[i] : '0';
        if (i == exponent)
            out[n++] = '.';
    }
    if (out[n - 1] == '.')
        out[n++] = '0';
    return n;
}

size_t jinja_format_real(double d, char conversion, int precision, bool alternate, char *out,
                         size_t n_out)
{
    if (!isfinite(d))
        return n_out > 4 ? format_special(d, out) : 0;
    char format[8];
    snprintf(format, sizeof format, alternate ? "%%#.*%c" : "%%.*%c", conversion);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int n = snprintf(out, n_out, format, precision, d);
#pragma GCC diagnostic pop
    return n < 0 || (size_t)n >= n_out ? 0 : put_point(out, (size_t)n);
}

size_t jinja_format_fixed(double d, int n_digits, char *out, size_t n_out)
{
    return jinja_format_real(d, 'f', n_digits, false, out, n_out);
}
