/* SPDX-License-Identifier: MIT
 *
 * ember.h - the model that ships inside the program (models/ember): the one to talk to when there
 * is no other yet.
 */
#ifndef HEARTH_LIBRARY_EMBER_H
#define HEARTH_LIBRARY_EMBER_H

#include <stdbool.h>
#include <stddef.h>

#define EMBER_NAME "ember"

/* Whether a MODEL on the command line means the built-in one; a file of that name is "./ember". */
bool ember_is_named(const char *model);

/* The bytes of its GGUF file, for hearth_model_open_memory. */
const void *ember_bytes(size_t *n);

#endif
