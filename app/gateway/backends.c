/* SPDX-License-Identifier: MIT
 *
 * backends.c - handlers of the builds of llama-server, and of the catalogue of models.
 */
#include <string.h>

#include "base/mem.h"
#include "gateway/handlers.h"
#include "library/catalog.h"
#include "runtime/backend_install.h"

/* ---- backends ---- */

static json_t *describe(const backend *b)
{
    return json_pack("{s:o, s:s, s:s, s:s, s:b, s:b, s:s}", "name",
                     json_sprintf("%s/%s", b->version, b->type), "version", b->version, "type",
                     b->type, "program", b->program, "usable", (int)b->usable, "for_gpu",
                     (int)b->for_gpu, "reason", b->reason);
}

static bool go_on(void *user, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return call_is_wanted(user);
}

hearth_status serve_backends(gateway_call *c, hearth_error *err)
{
    gpu gpus[GPU_MOST];
    backend *all = NULL;
    size_t n = 0;
    const hearth_progress watch = {go_on, (void *)(uintptr_t)c->q};
    const size_t n_gpus = gpu_ask_smi(NULL, &watch, gpus, GPU_MOST);
    TRY(backends_list(c->g->data_folder, gpus, n_gpus, &all, &n, err));
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, describe(&all[i]));
    mem_free(all);
    return call_json(c, json_pack("{s:o}", "backends", list), err);
}

hearth_status serve_backend_install(gateway_call *c, hearth_error *err)
{
    gpu gpus[GPU_MOST];
    backend installed;
    const hearth_progress watch = {go_on, (void *)(uintptr_t)c->q};
    backend_install_options options = {.data_folder = c->g->data_folder,
                                       .gpus = gpus,
                                       .n_gpus = gpu_ask_smi(NULL, &watch, gpus, GPU_MOST),
                                       .progress = watch,
                                       .log = c->g->host->log};
    TRY(call_unpack(c, err, "{s:s, s?:s, s?:s, s?:s}", "archive", &options.archive, "sha256",
                    &options.sha256, "version", &options.version, "type", &options.type));
    TRY(backend_install(&options, &installed, err));
    return call_json(c, describe(&installed), err);
}

hearth_status serve_backend_remove(gateway_call *c, hearth_error *err)
{
    const char *name;
    TRY(call_unpack(c, err, "{s:s}", "name", &name));
    TRY(backend_remove(c->g->data_folder, name, err));
    return call_json(c, json_pack("{s:b}", "removed", 1), err);
}

/* ---- the catalogue ---- */

static json_t *catalog_json(gateway *g, const catalog_model *m)
{
    const library_model *found;
    json_t *can = json_array();
    bool there = library_find(g->library, m->name, &found, NULL) == HEARTH_OK;
    if (there) {
        there = strcmp(found->name, m->name) == 0;
        library_model_unref(found);
    }
#define X(name, bit, spelling)                                                                     \
    if (m->capabilities & (bit))                                                                   \
        json_array_append_new(can, json_string(spelling));
    LIBRARY_CAPABILITY_MAP(X)
#undef X
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:s, s:o, s:b}", "name",
                     m->name, "reference", m->name, "repository", m->repository, "title", m->title,
                     "size_bytes", (json_int_t)m->bytes, "parameters", m->parameters,
                     "context_length", (json_int_t)m->context, "quantization", m->quantization,
                     "license", m->license, "description", m->note, "capabilities", can,
                     "installed", (int)there);
}

hearth_status serve_catalog(gateway_call *c, hearth_error *err)
{
    json_t *all = json_array();
    for (size_t i = 0; i < catalog_count(); i++)
        json_array_append_new(all, catalog_json(c->g, catalog_at(i)));
    return call_json(c, json_pack("{s:o}", "models", all), err);
}
