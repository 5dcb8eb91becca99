/* SPDX-License-Identifier: MIT
 *
 * base64.h - bytes as text and back (RFC 4648, section 4).
 */
#ifndef HEARTH_STORE_BASE64_H
#define HEARTH_STORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the text of n bytes, without a NUL. */
size_t base64_length(size_t n);
void base64_encode(const void *bytes, size_t n, char *out);

/* Room that n characters need, at the most. */
size_t base64_decoded_max(size_t n);
/* Takes padding or none; false for any other character that is not of the alphabet. */
bool base64_decode(const char *text, size_t n, void *out, size_t *n_out);

#endif
