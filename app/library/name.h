/* SPDX-License-Identifier: MIT
 *
 * name.h - the names of models: what may be one, how one is made of a file's name, and which of
 * many is meant. Everything here is pure.
 */
#ifndef HEARTH_LIBRARY_NAME_H
#define HEARTH_LIBRARY_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "library/library.h"

/* A part of a split set: "STEM-00002-of-00003.gguf". */
typedef struct split_name {
    size_t n_stem; /* bytes of STEM, folders included */
    unsigned number, count;
} split_name;
bool split_name_parse(const char *path, split_name *out);
/* The path of part `number` of the set that path belongs to; false: longer than n. */
bool split_name_part(const char *path, const split_name *split, unsigned number, char *out,
                     size_t n);

/* The part of path after the last '/'. */
const char *name_of_path(const char *path);
bool name_is_gguf(const char *path); /* ends in .gguf, in any case */

/* The weight format that a file's name tells, in capitals ("Q4_K_M", "IQ3_XXS", "BF16"); "" if it
 * tells none. */
void name_quantization(const char *path, char out[24]);

/* A valid name of "FOLDER/STEM-00001-of-00003.gguf" ("STEM"); others become '-'. folder
 * (may be "") is put in front with a '/'. Cut to LIBRARY_NAME_MAX. */
void name_from_file(const char *folder, const char *path, char out[LIBRARY_NAME_MAX + 1]);
/* EINVAL, and what a name may be, where it cannot be one. */
hearth_status name_check(const char *name, hearth_error *err);
/* Makes any text a valid name. */
void name_repair(char *name);

/* How well a name fits what was asked for: the higher the better, 0 not at all. */
enum {
    NAME_FIT_NONE,
    NAME_FIT_PART_PREFIX, /* begins with it after a '/' */
    NAME_FIT_PREFIX,
    NAME_FIT_PART, /* is it after a '/' */
    NAME_FIT_CASE,
    NAME_FIT_EXACT
};
int name_fit(const char *name, const char *wanted);

#endif
