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

/* A text that may hold a path: what is no UTF-8 comes as U+FFFD. NULL and "" are null. */
json_t *describe_text(const char *text);

/* ["chat", "tools", ...]. */
json_t *describe_capabilities(unsigned capabilities);

#endif
