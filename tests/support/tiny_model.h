/* SPDX-License-Identifier: MIT
 *
 * tiny_model.h - small random models of every architecture, in every weight format, for tests that
 * must run without the reference set: tools/random_model.h under the name that says so.
 */
#ifndef HEARTH_TESTS_TINY_MODEL_H
#define HEARTH_TESTS_TINY_MODEL_H

#include "random_model.h"

typedef random_model_options tiny_model_options;

static inline void tiny_model_options_init(tiny_model_options *o, const char *arch)
{
    random_model_options_init(o, arch);
}

static inline void tiny_model_write(const char *path, const tiny_model_options *o)
{
    random_model_write(path, o);
}

static inline const char *tiny_model_arch(size_t i)
{
    return random_model_arch(i);
}

#endif
