/* SPDX-License-Identifier: MIT
 *
 * cmd_list.c - hearth list: the models that are here, or those that Hearth knows by name.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/human.h"
#include "cli/models.h"
#include "cli/output.h"
#include "library/describe.h"

enum { NAME_WIDTH_MAX = 60 };

typedef struct list_options {
    cli_general general;
    bool catalog;
    bool paths;
} list_options;

static const option rows[] = {
    OPTION_ROW_FLAG("--catalog", list_options, catalog, "what hearth pull knows by name"),
    OPTION_ROW_FLAG("--paths", list_options, paths, "the file of each model"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"What to list", rows, 0},
    {"General", cli_general_rows, offsetof(list_options, general)},
};
static const cli_argument arguments_help[] = {
    {"TEXT", "only models whose name holds it", false},
};

static void init(void *options)
{
    list_options *o = options;
    cli_general_init(&o->general);
}

static bool is_wanted(const char *name, const char *text)
{
    return text == NULL || strcasestr(name, text) != NULL;
}

/* ---- the catalogue ---- */

static hearth_status list_catalog(const list_options *o, const char *text, hearth_error *err)
{
    json_t *list = o->general.json ? json_array() : NULL;
    for (size_t i = 0; i < catalog_count(); i++) {
        const catalog_model *m = catalog_at(i);
        if (!is_wanted(m->name, text))
            continue;
        if (list) {
            json_array_append_new(list, describe_catalog(m));
            continue;
        }
        printf("%-30s %8s  %10s  %-7s %-11s ", m->name, m->parameters, human_bytes(m->bytes).text,
               m->quantization, m->license);
        models_write_capabilities(m->capabilities);
        printf("\n    %s\n", m->note);
    }
    return list ? output_json(json_pack("{s:o}", "models", list), err) : HEARTH_OK;
}

/* ---- the library ---- */

static int name_width(const library_models *models, const char *text)
{
    size_t width = strlen("NAME");
    for (size_t i = 0; i < models->n; i++) {
        size_t n = strlen(models->items[i]->name);
        if (is_wanted(models->items[i]->name, text) && n > width)
            width = n;
    }
    return (int)(width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX) + 2;
}

static void print_model(const library_model *m, int width, bool paths)
{
    models_write_column(m->name, width);
    printf("%10s  %8s  ", human_bytes(m->size_bytes).text,
           m->n_params ? human_count(m->n_params).text : "");
    models_write_column(m->quantization, 9);
    models_write_column(library_origin_name(m->origin), 12);
    models_write_capabilities(m->capabilities);
    putchar('\n');
    if (*m->problem) {
        printf("    cannot be used: ");
        models_write_column(m->problem, 0);
        putchar('\n');
    }
    for (size_t i = 0; paths && i < m->n_files; i++) {
        printf("    ");
        models_write_column(m->files[i], 0);
        putchar('\n');
    }
}

/* What takes space and is no model yet. */
static hearth_status list_partials(library *l, const char *text, json_t *list, hearth_error *err)
{
    library_partials partials;
    TRY(library_list_partials(l, &partials, err));
    for (size_t i = 0; i < partials.n; i++) {
        const library_partial *p = &partials.items[i];
        if (!is_wanted(p->name, text))
            continue;
        if (list)
            json_array_append_new(
                list, json_pack("{s:s, s:I}", "name", p->name, "bytes", (json_int_t)p->bytes));
        else
            printf("unfinished: %s, %s; pull it again to go on, or hearth rm %s\n", p->name,
                   human_bytes(p->bytes).text, p->name);
    }
    library_partials_deinit(&partials);
    return HEARTH_OK;
}

static hearth_status list_models(const list_options *o, const char *text, hearth_error *err)
{
    library *l = NULL;
    library_models models = {0};
    hearth_status status = HEARTH_OK;
    json_t *list = o->general.json ? json_array() : NULL;
    json_t *unfinished = list ? json_array() : NULL;
    TRY_OUT(models_open(&l, &o->general, err));
    TRY_OUT(library_list(l, &models, err));
    int width = name_width(&models, text);
    if (!list)
        printf("%-*s%10s  %8s  %-9s%-12s%s\n", width, "NAME", "SIZE", "WEIGHTS", "FORMAT", "FROM",
               "CAN");
    for (size_t i = 0; i < models.n; i++) {
        const library_model *m = models.items[i];
        if (!is_wanted(m->name, text))
            continue;
        if (list)
            json_array_append_new(list, describe_model(m));
        else
            print_model(m, width, o->paths);
    }
    TRY_OUT(list_partials(l, text, unfinished, err));
    if (list)
        status =
            output_json(json_pack("{s:O, s:O}", "models", list, "unfinished", unfinished), err);
out:
    json_decref(list);
    json_decref(unfinished);
    library_models_deinit(&models);
    library_close(l);
    return status;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    list_options *o = options;
    TRY(cli_no_more_arguments(arguments, 1, err));
    const char *text = arguments->n > 0 ? arguments->items[0] : NULL;
    return o->catalog ? list_catalog(o, text, err) : list_models(o, text, err);
}

const cli_command cmd_list = {
    .name = "list",
    .summary = "list the models that are on this machine",
    .description =
        "Lists the models of Hearth's own folder, those that the Hugging Face cache, LM Studio and "
        "Ollama keep, which are used where they are, and ember, which is built in. With --catalog, "
        "models that hearth pull knows by name.",
    .examples = "  hearth list\n"
                "  hearth list llama --paths\n"
                "  hearth list --catalog\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(list_options),
    .init = init,
    .run = run,
};
