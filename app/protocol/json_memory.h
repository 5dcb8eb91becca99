/* SPDX-License-Identifier: MIT
 *
 * json_memory.h - how a lack of memory inside jansson is noticed.
 *
 * jansson's lexer does not look whether its buffer grew: of a text for which there is no memory it
 * silently keeps the beginning, and tries anew for every byte. So its memory comes from here: what
 * fails is remembered for the thread, fails from then on, and whoever reads a result asks.
 */
#ifndef HEARTH_PROTOCOL_JSON_MEMORY_H
#define HEARTH_PROTOCOL_JSON_MEMORY_H

#include <stdbool.h>

/* Once for the process, before jansson is used by other threads. */
void json_memory_install(void);

/* Forgets what failed before on this thread. */
void json_memory_begin(void);

/* Whether something has failed since: no JSON made on this thread since then can be relied on. */
bool json_memory_failed(void);

#endif
