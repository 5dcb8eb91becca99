/* SPDX-License-Identifier: MIT
 *
 * json.h - reading and writing JSON with jansson where memory may be out.
 *
 * Memory   jansson's allocations do not go through mem.h: they go through functions that are one
 *          per process (json_set_alloc_funcs), which a library must leave to the program that it is
 *          part of. A program may set its own before it uses jansson or Hearth for the first time;
 *          tests/fault/test_json.c does so, and lets each of them fail outside of reading. Inside,
 *          jansson (2.14) goes on when its buffer cannot grow, and reads another text if the memory
 *          comes back: where that may happen, its functions should go on failing once they failed,
 *          as those of hearth's own programs do (app/protocol/json_memory.h).
 */
#ifndef HEARTH_BASE_JSON_H
#define HEARTH_BASE_JSON_H

#include <stdbool.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/status.h"

/* Reads n bytes; flags are jansson's. EINVAL says where (`what` names the text) and why. *out is
 * NULL on failure. */
hearth_status json_read(json_t **out, const char *text, size_t n, size_t flags, const char *what,
                        hearth_error *err);

/* Appends a value as text; false, with out unchanged, if memory is out or value is NULL. jansson's
 * json_dumps loses keys when memory is out. */
bool json_write(buf *out, const json_t *value, size_t flags);
/* The same as a text of its own (mem_free), or NULL. */
char *json_to_text(const json_t *value, size_t flags);

/* A copy of an object or array that shares its members, or NULL. jansson's json_copy lacks some
 * when memory is out. */
json_t *json_dup(const json_t *value);

/* What JSON allows and is not taken here, in words; NULL: it is no JSON. */
const char *json_limit(const json_error_t *error);

/* Whether that is why jansson read nothing. */
bool json_out_of_memory(const json_error_t *error);

#endif
