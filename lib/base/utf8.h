/* SPDX-License-Identifier: MIT
 *
 * utf8.h - UTF-8 (RFC 3629): decoding that never reads past its end and never accepts a surrogate,
 * an overlong form or a value above U+10FFFF.
 */
#ifndef HEARTH_BASE_UTF8_H
#define HEARTH_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length (1 to 4) of the valid character at the start of text, or 0 if there is none. */
size_t utf8_valid_prefix(const char *text, size_t n);

/* Decodes one character and returns its length. An invalid byte gives U+FFFD and length 1.
 * n must be at least 1. */
size_t utf8_decode(const char *text, size_t n, uint32_t *code_point);

/* Writes code_point to out (room for 4 bytes) and returns the length; invalid ones give U+FFFD. */
size_t utf8_encode(uint32_t code_point, char *out);

/* How many bytes at the end of text begin a character that is still incomplete (0 to 3): what a
 * stream must hold back. Bytes that can never become a character are not counted. */
size_t utf8_incomplete_suffix(const char *text, size_t n);

/* Whether the whole text is valid UTF-8. */
int utf8_is_valid(const char *text, size_t n);

#endif
