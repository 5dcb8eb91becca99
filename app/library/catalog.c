/* SPDX-License-Identifier: MIT
 *
 * catalog.c - see catalog.h; the table is catalog.def.
 */
#include "library/catalog.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "library/name.h"

static const catalog_model models[] = {
#define MODEL(...) {__VA_ARGS__},
#include "library/catalog.def"
};

enum { N_MODELS = sizeof models / sizeof *models };

size_t catalog_count(void)
{
    return N_MODELS;
}

const catalog_model *catalog_at(size_t i)
{
    return &models[i];
}

static hearth_status unknown(const char *name, hearth_error *err)
{
    nearest near;
    nearest_init(&near, name, strlen(name));
    for (size_t i = 0; i < N_MODELS; i++)
        nearest_offer(&near, models[i].name);
    FAIL(err, ENOTFOUND, "catalog",
         "the catalogue has no '%.150s'%s%s; give one of hearth list --catalog, or "
         "hf.co/ORG/REPO[:QUANT], or the address of a .gguf file",
         name, near.best ? "; did you mean " : "", near.best ? near.best : "");
}

hearth_status catalog_find(const char *name, const catalog_model **out, hearth_error *err)
{
    int best = NAME_FIT_NONE;
    size_t n = 0;
    buf names;
    for (size_t i = 0; i < N_MODELS; i++) {
        int fit = name_fit(models[i].name, name);
        n = fit > best ? 1 : n + (fit == best && fit > NAME_FIT_NONE);
        if (fit > best) {
            best = fit;
            *out = &models[i];
        }
    }
    if (n == 0)
        return unknown(name, err);
    if (n == 1)
        return HEARTH_OK;
    buf_init(&names, 0);
    for (size_t i = 0; i < N_MODELS; i++) {
        if (name_fit(models[i].name, name) == best)
            buf_append_format(&names, "%s%s", names.n ? ", " : "", models[i].name);
    }
    error_set(err, HEARTH_EINVAL, "catalog", "'%.60s' may be one of several: %.360s", name,
              names.data ? names.data : "");
    buf_deinit(&names);
    return HEARTH_EINVAL;
}
