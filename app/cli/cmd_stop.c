/* SPDX-License-Identifier: MIT
 *
 * cmd_stop.c - hearth stop: unloads models of the running server.
 */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/output.h"

typedef struct stop_options {
    cli_general general;
    bool force;
    bool all;
} stop_options;

static const option rows[] = {
    OPTION_ROW_FLAG("--force", stop_options, force, "do not let running requests end"),
    OPTION_ROW_FLAG("--all", stop_options, all, "every model"),
    OPTION_ROW_END,
};

static void init(void *options)
{
    cli_general_init(&((stop_options *)options)->general);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    const stop_options *o = options;
    json_t *answer;
    const char *model = arguments->n > 0 ? arguments->items[0] : NULL;
    TRY(cli_no_more_arguments(arguments, model ? 1 : 0, err));
    if ((model != NULL) == o->all)
        FAIL(err, EINVAL, "model", "name one MODEL, or give --all");
    json_t *body = json_pack("{s:b, s:b}", "force", o->force, "wait", true);
    if (body && model)
        json_object_set_new(body, "model", json_string(model));
    if (body == NULL)
        return error_no_memory(err, "a question", 0);
    TRY(ask_server("/hearth/engines/stop", body, ASK_FOR_EVER, &answer, err));
    if (o->general.json)
        return output_json(answer, err);
    json_decref(answer);
    return HEARTH_OK;
}

static const cli_argument arguments_help[] = {
    {"MODEL", "its name, as hearth ps tells it", false},
};
static const option_group groups[] = {
    {"Unloading", rows, 0},
    {"General", cli_general_rows, offsetof(stop_options, general)},
};

const cli_command cmd_stop = {
    .name = "stop",
    .summary = "unload a model of the running server",
    .description = "Lets the model's running requests end, ends its engine and gives its memory "
                   "back. It is loaded again when somebody asks it something.",
    .examples = "  hearth stop ember\n"
                "  hearth stop --all --force\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(stop_options),
    .init = init,
    .run = run,
};
