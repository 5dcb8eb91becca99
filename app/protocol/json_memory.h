/* SPDX-License-Identifier: MIT
 *
 * json_memory.h - JSON from clients, read where memory may be out.
 *
 * jansson's lexer (2.14) does not look whether its buffer grew. Of a text for which there is no
 * memory it keeps the beginning, tries anew for every byte, and then reads behind its end; of a
 * number it ends the process, by an assertion on the last character. So
 *   - its memory comes from here: what fails is remembered for the thread and everything fails from
 *     then on, the copy of a text that lacks its end among it, and whoever reads a result asks;
 *   - a text is read behind a first one that makes the buffer large enough for every number, and a
 *     text with longer numbers must not be read.
 */
#ifndef HEARTH_PROTOCOL_JSON_MEMORY_H
#define HEARTH_PROTOCOL_JSON_MEMORY_H

#include <stdbool.h>

#include <jansson.h>

enum { JSON_MEMORY_WORD_MAX = 1024 }; /* characters of a number, true, false, null */

/* Once for the process, before jansson is used by other threads. */
void json_memory_install(void);

/* Forgets what failed before on this thread. */
void json_memory_begin(void);

/* Whether something has failed since: no JSON made on this thread since then can be relied on. */
bool json_memory_failed(void);

/* json_loadb; begins anew. NULL with json_memory_failed() if memory was out. */
json_t *json_memory_load(const char *text, size_t n, size_t flags, json_error_t *error);

#endif
