/* SPDX-License-Identifier: MIT
 *
 * output.h - results that reach their reader or are reported as lost.
 *
 * Standard output is written through stdio; output_finish() flushes and closes it and turns a full
 * disk, a closed pipe or a closed descriptor into an error. A binary result goes to a file that
 * appears whole or not at all, to standard output for "-", or straight into a device or pipe.
 */
#ifndef HEARTH_CLI_OUTPUT_H
#define HEARTH_CLI_OUTPUT_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"

/* EIO if something of standard output could not be written. flush: now, keep writing; finish: at
 * the end of the program. */
hearth_status output_flush(hearth_error *err);
hearth_status output_finish(hearth_error *err);

typedef struct output_file output_file;
hearth_status output_open(output_file **out, const char *path, hearth_error *err);
hearth_status output_write(output_file *file, const void *bytes, size_t n, hearth_error *err);
hearth_status output_commit(output_file *file, hearth_error *err);
void output_close(output_file *file); /* without commit, nothing is left. NULL is fine */

/* ---- JSON ---- */

/* Writes the object and a newline to standard output, and releases it. NULL is ENOMEM. */
hearth_status output_json(json_t *object, hearth_error *err);

/* describe_bytes of all up to its NUL; null for NULL. */
json_t *output_json_string(const char *text);

/* A number, or null where JSON has none (NaN and infinities). */
json_t *output_json_number(double value);

#endif
