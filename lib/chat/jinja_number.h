/* SPDX-License-Identifier: MIT
 *
 * jinja_number.h - numbers read and written as Python does, whatever the program's locale.
 */
#ifndef HEARTH_CHAT_JINJA_NUMBER_H
#define HEARTH_CHAT_JINJA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the number literal (at least one digit) at the start of text. */
size_t jinja_scan_number(const char *text, size_t n, bool *is_float);

/* A literal that was scanned: 12, 1_000, 0x1f, 0o7, 0b1. False: does not fit. */
bool jinja_parse_literal(const char *text, size_t n, int64_t *out);

/* Python's int(text, base): white space around, a sign, underscores. False: is no such number.
 * *too_big: it is one, of more than 64 bits. */
bool jinja_parse_int(const char *text, size_t n, int base, int64_t *out, bool *too_big);

/* Python's float(text); also of a literal. */
bool jinja_parse_float(const char *text, size_t n, double *out);

enum { JINJA_FLOAT_MAX = 32 }; /* bytes of a float's text */

/* repr(d): the shortest digits that give d back; returns their number of bytes. */
size_t jinja_format_float(double d, char out[JINJA_FLOAT_MAX]);

/* d with n digits after the point (0 to 300), half to even in decimal, as '%.nf' does. out holds
 * n_out bytes; returns the length, 0 if it does not fit. */
size_t jinja_format_fixed(double d, int n_digits, char *out, size_t n_out);

/* The same for any of the conversions e, f and g, alternate forms left out. */
size_t jinja_format_real(double d, char conversion, int precision, bool alternate, char *out,
                         size_t n_out);

#endif
