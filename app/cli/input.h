/* SPDX-License-Identifier: MIT
 *
 * input.h - text that a command works on: from an argument, a file or standard input, every byte.
 */
#ifndef HEARTH_CLI_INPUT_H
#define HEARTH_CLI_INPUT_H

#include <hearth/model.h>

#include "base/buf.h"
#include "base/option.h"

enum { INPUT_MAX = 1 << 30 }; /* bytes of text that are taken at most */

/* Reads a file to its end; "-" is standard input. Pipes are fine. Replaces what out holds. */
hearth_status input_read(const char *path, buf *out, hearth_error *err);

/* Turns \n \r \t \\ \' \" and \xHH into what they mean, in place; other backslashes stay. */
void input_unescape(char *text, size_t *n);

/* The same for texts of the command line, which may not hold \x00. They change where they are. */
hearth_status input_unescape_list(option_list *list, hearth_error *err);

/* Appends the tokens (int32_t) of n bytes of text. flags: HEARTH_TOKENIZE_*. */
hearth_status input_append_tokens(const hearth_model *model, const char *text, size_t n,
                                  unsigned flags, buf *tokens, hearth_error *err);

#endif
