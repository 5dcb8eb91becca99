/* SPDX-License-Identifier: MIT
 *
 * jinja_unicode.h - Python's questions about characters.
 */
#ifndef HEARTH_CHAT_JINJA_UNICODE_H
#define HEARTH_CHAT_JINJA_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool jinja_is_space(uint32_t c); /* str.isspace */
bool jinja_is_alpha(uint32_t c);
bool jinja_is_decimal(uint32_t c);
bool jinja_is_digit(uint32_t c);
bool jinja_is_numeric(uint32_t c);
bool jinja_is_upper(uint32_t c);
bool jinja_is_lower(uint32_t c);
bool jinja_is_title(uint32_t c);
bool jinja_is_cased(uint32_t c);
bool jinja_is_printable(uint32_t c);
bool jinja_starts_name(uint32_t c); /* of an identifier */
bool jinja_goes_on_name(uint32_t c);

/* Bytes of white space at the start and at the end of text. */
size_t jinja_space_prefix(const char *text, size_t n);
size_t jinja_space_suffix(const char *text, size_t n);

/* Length in bytes of the last character of text (n > 0), which is valid UTF-8. */
size_t jinja_last_char(const char *text, size_t n, uint32_t *c);

#endif
