/* SPDX-License-Identifier: MIT
 *
 * number.c - see number.h. The C locale is asked for each time: it costs nothing where libc has it
 * ready, and the library keeps nothing that would have to be freed.
 */
#include "base/number.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

double number_parse(const char *text, char **end)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c == (locale_t)0) {
        if (end)
            *end = (char *)text;
        return 0;
    }
    double value = strtod_l(text, end, c);
    freelocale(c);
    return value;
}

int number_print(char *out, size_t n, const char *format, ...)
{
    va_list args;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = c == (locale_t)0 ? c : uselocale(c); /* of this thread alone */
    va_start(args, format);
    int length = vsnprintf(out, n, format, args);
    va_end(args);
    if (c != (locale_t)0) {
        uselocale(before);
        freelocale(c);
    }
    return length;
}
