/* SPDX-License-Identifier: MIT
 *
 * metadata.c - the header of a model's file.
 */
#include <hearth/hearth.h>

#include "gateway/handlers.h"
#include "library/ember.h"

enum { VALUE_BYTES = 4096 };

static json_t *one_value(const hearth_model *model, size_t i)
{
    char *key = NULL, *type = NULL, *value = NULL;
    bool cut = false;
    json_t *one = NULL;
    if (hearth_model_metadata_at(model, i, VALUE_BYTES, &key, &type, &value, &cut, NULL) ==
        HEARTH_OK)
        one = json_pack("{s:s, s:s, s:s, s:b}", "key", key, "type", type, "value", value, "cut",
                        (int)cut);
    hearth_free(key);
    hearth_free(type);
    hearth_free(value);
    return one;
}

static json_t *header_of(const hearth_model *model)
{
    const hearth_model_info *info = hearth_model_get_info(model);
    json_t *all = json_array();
    for (size_t i = 0; i < hearth_model_n_metadata(model); i++) {
        json_t *one = one_value(model, i);
        if (one)
            json_array_append_new(all, one);
    }
    return json_pack("{s:i, s:i, s:I, s:s?, s:o}", "version", (int)info->gguf_version, "n_parts",
                     (int)info->n_parts, "n_tensors", (json_int_t)hearth_model_n_tensors(model),
                     "chat_template", info->chat_template, "metadata", all);
}

hearth_status serve_models_metadata(gateway_call *c, hearth_error *err)
{
    char name[LIBRARY_NAME_MAX + 1];
    const library_model *m;
    hearth_model *model = NULL;
    hearth_model_options options;
    size_t n;
    TRY(call_model(c, NULL, name, err));
    TRY(library_find(c->g->library, name, &m, err));
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_METADATA;
    const void *bytes = ember_bytes(&n);
    hearth_status status = m->path ? hearth_model_open(&model, m->path, &options, err)
                                   : hearth_model_open_memory(&model, bytes, n, &options, err);
    library_model_unref(m);
    TRY(status);
    json_t *header = header_of(model);
    hearth_model_close(model);
    return call_json(c, header, err);
}
