/* SPDX-License-Identifier: MIT
 *
 * describe.h - models as JSON, for the command line and for HTTP alike.
 */
#ifndef HEARTH_LIBRARY_DESCRIBE_H
#define HEARTH_LIBRARY_DESCRIBE_H

#include <jansson.h>

#include "library/catalog.h"
#include "library/library.h"

/* Fresh objects; NULL: out of memory. What is not known is null. */
json_t *describe_model(const library_model *model);
json_t *describe_catalog(const catalog_model *model);

/* Bytes as a string; what is not UTF-8 becomes U+FFFD. */
json_t *describe_bytes(const char *text, size_t n);
/* The same of a text up to its NUL, which may hold a path. NULL and "" are null. */
json_t *describe_text(const char *text);

/* ["chat", "tools", ...]. */
json_t *describe_capabilities(unsigned capabilities);

#endif
