/* SPDX-License-Identifier: MIT
 *
 * models.c - see models.h.
 */
#include "support/models.h"

#include <stdio.h>
#include <stdlib.h>

#include <hearth/hearth.h>

#include "base/mem.h"
#include "support/reference_case.h"
#include "support/tiny_model.h"

static void add(model_set *set, const char *name, const char *path)
{
    hearth_error err = {.code = HEARTH_OK};
    hearth_model *model;
    hearth_model_options options;
    hearth_model_options_init(&options);
    options.scope = HEARTH_SCOPE_METADATA;
    if (hearth_model_open(&model, path, &options, &err) != HEARTH_OK) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        exit(1);
    }
    set->models = mem_realloc_array(set->models, set->n + 1, sizeof *set->models);
    model_entry *entry = &set->models[set->n++];
    snprintf(entry->name, sizeof entry->name, "%s", name);
    snprintf(entry->path, sizeof entry->path, "%s", path);
    entry->n_ctx_train = hearth_model_get_info(model)->n_ctx_train;
    entry->n_vocab = hearth_model_get_info(model)->n_vocab;
    entry->causal = hearth_model_get_info(model)->causal;
    hearth_model_close(model);
}

static void add_reference(model_set *set, const char *folder)
{
    size_t n;
    char path[PATH_MAX];
    char **names = reference_list(folder, ".gguf", &n);
    for (size_t i = 0; i < n; i++) {
        if (reference_path(path, "%s/%s.gguf", folder, names[i]))
            add(set, names[i], path);
    }
    reference_list_free(names, n);
}

static void generate(model_set *set, const tiny_model_options *o, const char *name)
{
    char path[PATH_MAX], file[96];
    snprintf(file, sizeof file, "%s.gguf", name);
    test_folder_path(&set->folder, file, path);
    tiny_model_write(path, o);
    add(set, name, path);
}

static void generate_all(model_set *set)
{
    tiny_model_options o;
    for (size_t i = 0; tiny_model_arch(i); i++) {
        tiny_model_options_init(&o, tiny_model_arch(i));
        generate(set, &o, o.arch);
    }
    tiny_model_options_init(&o, "llama");
    o.experts = true;
    generate(set, &o, "mixtral");
    for (int type = 0; type < WTYPE_COUNT; type++) {
        if (wtype_get((wtype)type)->class == WTYPE_CLASS_N)
            continue;
        tiny_model_options_init(&o, "llama");
        o.type = (wtype)type;
        o.n_embd = o.n_ff = 256;
        o.n_layer = 1;
        generate(set, &o, wtype_get((wtype)type)->name);
    }
}

model_set *model_set_open(bool with_reference)
{
    model_set *set = mem_calloc(1, sizeof *set);
    if (set == NULL || !test_folder_make(&set->folder)) {
        fprintf(stderr, "models: no temporary folder\n");
        exit(1);
    }
    generate_all(set);
    if (with_reference && reference_folder()) {
        add_reference(set, "arch");
        add_reference(set, "quant");
        add_reference(set, "story");
    }
    return set;
}

void model_set_close(model_set *set)
{
    test_folder_remove(&set->folder);
    mem_free(set->models);
    mem_free(set);
}
