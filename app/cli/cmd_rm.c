/* SPDX-License-Identifier: MIT
 *
 * cmd_rm.c - hearth rm: takes models out of Hearth's folder, and nothing from anywhere else.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/human.h"
#include "cli/models.h"
#include "cli/output.h"

typedef struct rm_options {
    cli_general general;
} rm_options;

static const option_group groups[] = {
    {"General", cli_general_rows, offsetof(rm_options, general)},
};
static const cli_argument arguments_help[] = {
    {"NAME...", "models, as hearth list names them: whole names only", true},
};

static void init(void *options)
{
    rm_options *o = options;
    cli_general_init(&o->general);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    rm_options *o = options;
    library *l = NULL;
    hearth_status status = HEARTH_OK;
    uint64_t freed, total = 0;
    json_t *names = json_array();
    if (arguments->n == 0)
        FAIL_OUT(err, EINVAL, "NAME", "which model? hearth list shows their names");
    TRY_OUT(models_open(&l, &o->general, err));
    for (size_t i = 0; i < arguments->n; i++) {
        TRY_OUT(library_remove(l, arguments->items[i], &freed, err));
        total += freed;
        json_array_append_new(names, output_json_string(arguments->items[i]));
        if (!o->general.json)
            printf("removed %s, %s freed\n", arguments->items[i], human_bytes(freed).text);
    }
    if (o->general.json)
        status = output_json(
            json_pack("{s:O, s:I}", "removed", names, "freed_bytes", (json_int_t)total), err);
out:
    json_decref(names);
    library_close(l);
    return status;
}

const cli_command cmd_rm = {
    .name = "rm",
    .summary = "remove models from Hearth's folder",
    .description =
        "Removes models that were pulled or imported, and tells how much that frees. A file that "
        "is used in place, wherever it is, stays there: only what Hearth knew of it goes. Models "
        "of other programs are theirs to remove.",
    .examples = "  hearth rm llama-3.2-3b-instruct\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(rm_options),
    .init = init,
    .run = run,
};
