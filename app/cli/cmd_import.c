/* SPDX-License-Identifier: MIT
 *
 * cmd_import.c - hearth import: gives a file that is here a name.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/models.h"
#include "cli/output.h"
#include "library/describe.h"

typedef struct import_options {
    cli_general general;
    const char *name;
    const char *mmproj;
    const char *sha256;
    bool copy;
} import_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--name", import_options, name, "NAME", "its name; else that of the file"),
    OPTION_ROW_FLAG("--copy", import_options, copy,
                    "copy it to Hearth's folder; else it is used where it is"),
    OPTION_ROW_TEXT("--mmproj", import_options, mmproj, "FILE",
                    "the projector of images or sound; else the one beside it that fits"),
    OPTION_ROW_TEXT("--sha256", import_options, sha256, "SUM", "what the file's SHA-256 should be"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Import", rows, 0},
    {"General", cli_general_rows, offsetof(import_options, general)},
};
static const cli_argument arguments_help[] = {
    {"FILE", "a GGUF file, any part of a split set, or a folder with one model", true},
};

static void init(void *options)
{
    import_options *o = options;
    cli_general_init(&o->general);
}

/* A sum that was given is a question: it is answered before the model can be used. */
static hearth_status check_sum(library *l, const import_options *o, const library_model *m,
                               hearth_error *err)
{
    if (o->sha256 == NULL)
        return HEARTH_OK;
    hearth_status status = library_verify(l, m->name, NULL, NULL, err);
    if (status != HEARTH_OK)
        library_remove(l, m->name, NULL, NULL);
    return status;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    import_options *o = options;
    library *l = NULL;
    const library_model *m = NULL;
    hearth_status status = HEARTH_OK;
    if (arguments->n == 0)
        FAIL_OUT(err, EINVAL, "FILE", "which file? Give the path of a GGUF file");
    TRY_OUT(cli_no_more_arguments(arguments, 1, err));
    TRY_OUT(models_open(&l, &o->general, err));
    library_import import = {.path = arguments->items[0],
                             .name = o->name,
                             .mmproj_path = o->mmproj,
                             .copy = o->copy,
                             .sha256 = o->sha256};
    TRY_OUT(library_import_file(l, &import, &m, err));
    TRY_OUT(check_sum(l, o, m, err));
    if (o->general.json) {
        status = output_json(describe_model(m), err);
    } else {
        printf("%s\n", m->name);
        if (*m->problem)
            cli_note("it cannot be used here: %s", m->problem);
    }
out:
    library_model_unref(m);
    library_close(l);
    return status;
}

const cli_command cmd_import = {
    .name = "import",
    .summary = "give a model file that is here a name",
    .description =
        "Makes a GGUF file known under a name, which every command then takes in the place of its "
        "path. The file is used where it is and never changed, unless --copy is given. Prints the "
        "name.",
    .examples = "  hearth import ~/Downloads/model-Q4_K_M.gguf\n"
                "  hearth import model.gguf --name my/model --copy\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(import_options),
    .init = init,
    .run = run,
};
