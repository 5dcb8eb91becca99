/* SPDX-License-Identifier: MIT
 *
 * entry.c - what is known of a model, as applications see it: a record of the library, held, and a
 * public struct whose texts are the record's.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "library/catalog.h"
#include "models/models_state.h"

typedef struct entry {
    hearth_models_entry shown; /* first: what is given out is this one's address */
    const library_model *record;
    atomic_size_t n_refs;
} entry;

#define LIBRARY_X(name, bit, spelling)                                                             \
    _Static_assert((int)HEARTH_MODELS_##name == (int)LIBRARY_CAN_##name, spelling);
LIBRARY_CAPABILITY_MAP(LIBRARY_X)
#undef LIBRARY_X

const char *hearth_models_capability_name(unsigned capability)
{
    switch (capability) {
#define LIBRARY_X(name, bit, spelling)                                                             \
    case bit:                                                                                      \
        return spelling;
        LIBRARY_CAPABILITY_MAP(LIBRARY_X)
#undef LIBRARY_X
    default:
        return "";
    }
}

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static void show(hearth_models_entry *to, const library_model *m)
{
    to->name = m->name;
    to->origin = library_origin_name(m->origin);
    to->path = text_of(m->path);
    to->mmproj_path = text_of(m->mmproj_path);
    to->files = m->files;
    to->n_files = m->n_files;
    to->size_bytes = m->size_bytes;
    to->problem = text_of(m->problem);
    to->capabilities = m->capabilities;
    to->own_files = m->own_files;
    to->title = text_of(m->title);
    to->architecture = text_of(m->architecture);
    to->quantization = text_of(m->quantization);
    to->n_params = m->n_params;
    to->context_length = m->context_length;
    to->n_layer = m->n_layer;
    to->n_embd = m->n_embd;
    to->n_vocab = m->n_vocab;
    to->sha256 = text_of(m->sha256);
    to->source = text_of(m->source);
    to->creator = text_of(m->creator);
    to->provider = text_of(m->provider);
    to->license = text_of(m->license);
    to->created_ms = m->created_ms;
    to->modified_ms = m->modified_ms;
    to->last_used_ms = m->last_used_ms;
    to->usage_count = m->usage_count;
    to->temperature = m->temperature;
    to->top_p = m->top_p;
    to->top_k = m->top_k;
    to->mirostat = m->mirostat;
    to->max_tokens = m->max_tokens;
    to->context_size = m->context_size;
    to->batch_size = m->batch_size;
    to->threads = m->threads;
}

hearth_status models_give_entry(hearth_models *models, const library_model *record,
                                const hearth_models_entry **out, hearth_error *err)
{
    if (out == NULL) {
        library_model_unref(record);
        return HEARTH_OK;
    }
    entry *e = mem_calloc(1, sizeof *e);
    if (e == NULL) {
        library_model_unref(record);
        return error_no_memory(err, "a model's entry", sizeof *e);
    }
    e->record = record;
    atomic_init(&e->n_refs, 1);
    show(&e->shown, record);
    e->shown.active = models_is_active(models, record->name);
    *out = &e->shown;
    return HEARTH_OK;
}

const hearth_models_entry *hearth_models_entry_ref(const hearth_models_entry *shown)
{
    entry *e = (entry *)shown;
    atomic_fetch_add_explicit(&e->n_refs, 1, memory_order_relaxed);
    return shown;
}

void hearth_models_entry_unref(const hearth_models_entry *shown)
{
    entry *e = (entry *)shown;
    if (e == NULL || atomic_fetch_sub_explicit(&e->n_refs, 1, memory_order_acq_rel) > 1)
        return;
    library_model_unref(e->record);
    mem_free(e);
}

/* ---- lists ---- */

hearth_status hearth_models_list(hearth_models *models, const hearth_models_entry *const **out,
                                 size_t *n, hearth_error *err)
{
    library_models found = {0};
    TRY(library_list(models->library, &found, err));
    hearth_status status = HEARTH_OK;
    const hearth_models_entry **list = mem_calloc(found.n, sizeof *list);
    size_t n_made = 0;
    if (list == NULL)
        status = error_no_memory(err, "a list of models", found.n * sizeof *list);
    while (status == HEARTH_OK && n_made < found.n) {
        status =
            models_give_entry(models, library_model_ref(found.items[n_made]), &list[n_made], err);
        n_made += status == HEARTH_OK;
    }
    library_models_deinit(&found);
    if (status != HEARTH_OK) {
        hearth_models_list_free(list, n_made);
        return status;
    }
    *out = list;
    *n = n_made;
    return HEARTH_OK;
}

void hearth_models_list_free(const hearth_models_entry *const *list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        hearth_models_entry_unref(list[i]);
    mem_free((void *)list);
}

hearth_status hearth_models_find(hearth_models *models, const char *name,
                                 const hearth_models_entry **out, hearth_error *err)
{
    const library_model *record = NULL;
    TRY(models_need(name, "the model's name", err));
    TRY(library_find(models->library, name, &record, err));
    return models_give_entry(models, record, out, err);
}

/* ---- the catalogue ---- */

size_t hearth_models_n_known(void)
{
    return catalog_count();
}

hearth_status hearth_models_get_known(size_t i, hearth_models_known *out, hearth_error *err)
{
    size_t size = out->struct_size;
    if (size < sizeof size || size > 64 * 1024)
        FAIL(err, EINVAL, "hearth_models_known",
             "struct_size is %zu; set it to sizeof(hearth_models_known)", size);
    if (i >= catalog_count())
        FAIL(err, EINVAL, "i", "there is no known model %zu: they are %zu, from 0", i,
             catalog_count());
    const catalog_model *m = catalog_at(i);
    const hearth_models_known known = {.struct_size = size,
                                       .name = m->name,
                                       .title = m->title,
                                       .repository = text_of(m->repository),
                                       .file = text_of(m->file),
                                       .size_bytes = m->bytes,
                                       .parameters = text_of(m->parameters),
                                       .context_length = m->context,
                                       .quantization = text_of(m->quantization),
                                       .license = text_of(m->license),
                                       .capabilities = m->capabilities};
    memset(out, 0, size);
    memcpy(out, &known, size < sizeof known ? size : sizeof known);
    return HEARTH_OK;
}
