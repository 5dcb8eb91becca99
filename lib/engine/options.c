/* SPDX-License-Identifier: MIT
 *
 * options.c - defaults of the option structs.
 */
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
