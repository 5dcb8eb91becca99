/* SPDX-License-Identifier: MIT
 *
 * options_take.c - see options_take.h: older, shorter structs accepted.
 */
#include "base/options_take.h"

#include <string.h>

hearth_status options_take(void *known, size_t known_size, const void *given, const char *name,
                           hearth_error *err)
{
    size_t given_size;
    if (given == NULL)
        return HEARTH_OK;
    memcpy(&given_size, given, sizeof given_size); /* struct_size is every option struct's first */
    if (given_size < sizeof given_size || given_size > 64 * 1024)
        FAIL(err, EINVAL, name,
             "%s.struct_size is %zu; fill the struct in with its _init function first", name,
             given_size);
    memcpy(known, given, given_size < known_size ? given_size : known_size);
    return HEARTH_OK;
}
