/* SPDX-License-Identifier: MIT
 *
 * model_spec.c - see model_spec.h.
 */
#include "runtime/model_spec.h"

#include <string.h>

#include "base/mem.h"

static const char *const names[] = {"auto", "builtin", "llama-server", "remote"};

const char *engine_kind_name(engine_kind_id kind)
{
    return names[kind];
}

bool engine_kind_from_name(const char *name, engine_kind_id *out)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (engine_kind_id)i;
            return true;
        }
    }
    return false;
}

void model_spec_init(model_spec *spec)
{
    *spec = (model_spec){.n_gpu_layers = -1, .idle_ms = -1};
}

void model_spec_deinit(model_spec *spec)
{
    char *const texts[] = {spec->id,      spec->path,         spec->mmproj,
                           spec->backend, spec->cache_type_k, spec->url,
                           spec->key,     spec->remote_name,  spec->cache_type_v};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        mem_free(texts[i]);
    for (size_t i = 0; i < spec->n_extra; i++)
        mem_free(spec->extra[i]);
    mem_free(spec->extra);
    model_spec_init(spec);
}

bool model_spec_set(char **member, const char *text)
{
    char *copy = text ? mem_dup(text, strlen(text)) : NULL;
    if (text && copy == NULL)
        return false;
    mem_free(*member);
    *member = copy;
    return true;
}

bool model_spec_add_extra(model_spec *spec, const char *flag)
{
    char **grown = mem_realloc_array(spec->extra, spec->n_extra + 1, sizeof *grown);
    if (grown == NULL)
        return false;
    spec->extra = grown;
    grown[spec->n_extra] = mem_dup(flag, strlen(flag));
    if (grown[spec->n_extra] == NULL)
        return false;
    spec->n_extra++;
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool model_spec_same_engine(const model_spec *a, const model_spec *b)
{
    bool same =
        same_text(a->id, b->id) && same_text(a->path, b->path) && same_text(a->mmproj, b->mmproj) &&
        a->kind == b->kind && same_text(a->backend, b->backend) && a->n_ctx == b->n_ctx &&
        a->n_parallel == b->n_parallel && a->n_batch == b->n_batch &&
        a->n_threads == b->n_threads && a->n_gpu_layers == b->n_gpu_layers &&
        same_text(a->cache_type_k, b->cache_type_k) &&
        same_text(a->cache_type_v, b->cache_type_v) && a->embedding == b->embedding &&
        a->reranking == b->reranking && a->n_extra == b->n_extra && same_text(a->url, b->url) &&
        same_text(a->key, b->key) && same_text(a->remote_name, b->remote_name);
    for (size_t i = 0; same && i < a->n_extra; i++)
        same = same_text(a->extra[i], b->extra[i]);
    return same;
}
