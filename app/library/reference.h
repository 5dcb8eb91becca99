/* SPDX-License-Identifier: MIT
 *
 * reference.h - what `hearth pull` is asked for: a name of the catalogue, a repository of the hub
 * and which of its files, or an address. Pure.
 */
#ifndef HEARTH_LIBRARY_REFERENCE_H
#define HEARTH_LIBRARY_REFERENCE_H

#include <stdbool.h>

#include "library/catalog.h"

typedef struct reference {
    char repository[200]; /* "ORG/REPO"; "": url is it */
    char revision[128];   /* "main" if none was given */
    char select[512];     /* a weight format, or a file of the repository; "": the usual one */
    char url[2048];
    const catalog_model *entry; /* NULL: not of the catalogue */
} reference;

/* endpoint: the hub's address, "https://huggingface.co", whose pages are taken for repositories, as
 * those of huggingface.co and hf.co always are. Errors: EINVAL, and those of catalog_find. */
hearth_status reference_parse(reference *out, const char *text, const char *endpoint,
                              hearth_error *err);

/* A path inside a repository: no empty part, none that begins with '.', no odd character. */
bool reference_is_file(const char *path);

#endif
