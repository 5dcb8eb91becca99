/* SPDX-License-Identifier: MIT
 *
 * options.h - taking option structs from callers that may be older than this library.
 */
#ifndef HEARTH_ENGINE_OPTIONS_H
#define HEARTH_ENGINE_OPTIONS_H

#include <stddef.h>

#include "base/status.h"

/* `known` holds the defaults. Copies over it what `given` (NULL: nothing) has, up to the size its
 * struct_size tells: what an older caller does not know keeps its default. */
hearth_status options_take(void *known, size_t known_size, const void *given, const char *name,
                           hearth_error *err);

#endif
