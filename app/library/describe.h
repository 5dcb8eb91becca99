/* SPDX-License-Identifier: MIT
 *
 * describe.h - models as JSON, for the command line and for HTTP alike.
 */
#ifndef HEARTH_LIBRARY_DESCRIBE_H
#define HEARTH_LIBRARY_DESCRIBE_H

#include <jansson.h>

#include "library/catalog.h"
#include "library/library.h"

/* Fresh objects; NULL: out of memory. What is not known is null. Paths that are no UTF-8 are null,
 * too. */
json_t *describe_model(const library_model *model);
json_t *describe_catalog(const catalog_model *model);

/* ["chat", "tools", ...]. */
json_t *describe_capabilities(unsigned capabilities);

#endif
