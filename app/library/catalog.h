/* SPDX-License-Identifier: MIT
 *
 * catalog.h - models that Hearth knows by name: a table in the program, with no list to fetch.
 */
#ifndef HEARTH_LIBRARY_CATALOG_H
#define HEARTH_LIBRARY_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "library/library.h"

typedef struct catalog_model {
    const char *name;
    const char *title;
    const char *repository; /* "ORG/REPO" of the hub; "": built in */
    const char *file;
    uint64_t bytes; /* about */
    const char *parameters;
    uint32_t context;
    const char *quantization;
    const char *license;
    unsigned capabilities;
    double temperature, top_p; /* NaN: none of its own */
    unsigned top_k;            /* 0: likewise */
    const char *note;
} catalog_model;

size_t catalog_count(void);
const catalog_model *catalog_at(size_t i); /* ember is the first */
/* By its name in any case, or the only one that begins so. ENOTFOUND tells the nearest, EINVAL the
 * candidates. */
hearth_status catalog_find(const char *name, const catalog_model **out, hearth_error *err);

#endif
