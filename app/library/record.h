/* SPDX-License-Identifier: MIT
 *
 * record.h - making the immutable, counted library_model of what was found, of the file's facts and
 * of how often it was used.
 */
#ifndef HEARTH_LIBRARY_RECORD_H
#define HEARTH_LIBRARY_RECORD_H

#include <sys/types.h>

#include "library/facts.h"
#include "library/library.h"
#include "library/stores.h"

/* The files of a model, looked at. */
typedef struct file_set {
    char **paths; /* all parts that are there */
    size_t n;
    uint64_t n_bytes;
    int64_t changed_ns; /* the latest */
    dev_t device;       /* of the first */
    ino_t inode;
} file_set;

/* False: out of memory. n is 0 if there is no such file. */
bool file_set_read(file_set *set, const char *path);
void file_set_deinit(file_set *set);

typedef struct record_parts {
    const char *name;
    library_origin origin;
    const found *found;    /* NULL: the built-in model */
    const file_set *files; /* likewise */
    const facts *facts;
    const char *mmproj; /* or NULL */
    const file_set *mmproj_files;
    const facts *mmproj_facts;
    uint64_t size_bytes; /* of the built-in model */
    const char *own_folder;
    uint64_t usage_count;
    int64_t last_used_ms;
} record_parts;

/* With one reference. NULL: out of memory. */
const library_model *record_new(const record_parts *parts);

#endif
