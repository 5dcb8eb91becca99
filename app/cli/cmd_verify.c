/* SPDX-License-Identifier: MIT
 *
 * cmd_verify.c - hearth verify: reads a model's files and compares their sums with what is known.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/models.h"
#include "cli/output.h"
#include "cli/terminal.h"

typedef struct verify_options {
    cli_general general;
} verify_options;

static const option_group groups[] = {
    {"General", cli_general_rows, offsetof(verify_options, general)},
};
static const cli_argument arguments_help[] = {
    {"NAME", "a model, as hearth list names it", true},
};

static void init(void *options)
{
    verify_options *o = options;
    cli_general_init(&o->general);
}

static hearth_status verify(const verify_options *o, library *l, const library_model *m,
                            hearth_error *err)
{
    char sum[LIBRARY_SHA256];
    progress_bar bar;
    const hearth_progress progress = progress_callback(&bar);
    bool known = *m->sha256 != '\0';
    progress_start(&bar, "comparing SHA-256");
    hearth_status status = library_verify(l, m->name, &progress, sum, err);
    progress_end(&bar);
    if (status != HEARTH_OK)
        return status;
    if (o->general.json)
        return output_json(
            json_pack("{s:s, s:s, s:b}", "name", m->name, "sha256", sum, "known", known), err);
    printf("%s  %s: %s\n", sum, m->name, known ? "as it should be" : "nothing to compare with");
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    verify_options *o = options;
    library *l = NULL;
    const library_model *m = NULL;
    hearth_status status = HEARTH_OK;
    if (arguments->n == 0)
        FAIL_OUT(err, EINVAL, "NAME", "which model? hearth list shows their names");
    TRY_OUT(cli_no_more_arguments(arguments, 1, err));
    TRY_OUT(models_open(&l, &o->general, err));
    TRY_OUT(library_find(l, arguments->items[0], &m, err));
    status = verify(o, l, m, err);
out:
    library_model_unref(m);
    library_close(l);
    return status;
}

const cli_command cmd_verify = {
    .name = "verify",
    .summary = "compare a model's files with their SHA-256",
    .description =
        "Reads all files of a model and compares their SHA-256 with what the hub, the user or the "
        "other program's store said of them. Where nobody said anything the sum is computed and, "
        "for a model of Hearth's folder, kept.",
    .examples = "  hearth verify qwen3-0.6b\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(verify_options),
    .init = init,
    .run = run,
};
