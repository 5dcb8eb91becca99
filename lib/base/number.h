/* SPDX-License-Identifier: MIT
 *
 * number.h - numbers with fractions as text, with a point whatever the program's locale says: a
 * library lives in programs that write 0,5.
 */
#ifndef HEARTH_BASE_NUMBER_H
#define HEARTH_BASE_NUMBER_H

#include <stddef.h>

/* As strtod. */
double number_parse(const char *text, char **end);
/* As snprintf. */
int number_print(char *out, size_t n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
