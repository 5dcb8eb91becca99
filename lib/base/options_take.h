/* SPDX-License-Identifier: MIT
 *
 * options_take.h - taking option structs from callers that may be older than this library.
 */
#ifndef HEARTH_BASE_OPTIONS_TAKE_H
#define HEARTH_BASE_OPTIONS_TAKE_H

#include <stddef.h>

#include "base/status.h"

/* `known` holds the defaults. Copies over it what `given` (NULL: nothing) has, up to the size its
 * struct_size tells: what an older caller does not know keeps its default. */
hearth_status options_take(void *known, size_t known_size, const void *given, const char *name,
                           hearth_error *err);

#endif
