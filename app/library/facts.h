/* SPDX-License-Identifier: MIT
 *
 * facts.h - what a GGUF file's header says of a model, and a cache of it, so that a thousand files
 * need not be opened each time: an entry counts while path, size and time of change are the same.
 */
#ifndef HEARTH_LIBRARY_FACTS_H
#define HEARTH_LIBRARY_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct facts {
#define TEXT(name, bytes) char name[bytes];
#define COUNT(name) uint64_t name;
#define FLAG(name) bool name;
#include "library/facts.def"
} facts;

/* Never fails: what is wrong with the file becomes its problem. */
void facts_read(facts *out, const char *path);
void facts_read_memory(facts *out, const void *bytes, size_t n);

typedef struct facts_cache facts_cache;

/* path NULL: nothing is kept on the disk. What cannot be read there counts as nothing. NULL: out
 * of memory. */
facts_cache *facts_cache_open(const char *path);
void facts_cache_close(facts_cache *cache);
/* size and changed_ns: of all the model's files together. */
void facts_cache_get(facts_cache *cache, const char *path, uint64_t size, int64_t changed_ns,
                     facts *out);
/* Begins a scan: entries that are not asked for until facts_cache_save() are dropped by it. */
void facts_cache_begin(facts_cache *cache);
/* Writes it if it changed; its folder is made. What goes wrong is told, and harms nothing. */
hearth_status facts_cache_save(facts_cache *cache, hearth_error *err);

#endif
