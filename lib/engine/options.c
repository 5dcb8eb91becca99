/* SPDX-License-Identifier: MIT
 *
 * options.c - defaults of the option structs, and older, shorter ones accepted.
 */
#include "engine/options.h"

#include <string.h>

#include <hearth/hearth.h>

const char *hearth_version(void)
{
    return HEARTH_VERSION;
}

void hearth_model_options_init(hearth_model_options *options)
{
    *options = (hearth_model_options){.struct_size = sizeof *options};
}

void hearth_session_options_init(hearth_session_options *options)
{
    *options = (hearth_session_options){.struct_size = sizeof *options,
                                        .cache_type_k = HEARTH_CACHE_F16,
                                        .cache_type_v = HEARTH_CACHE_F16};
}

void hearth_feed_options_init(hearth_feed_options *options)
{
    *options = (hearth_feed_options){.struct_size = sizeof *options};
}

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
