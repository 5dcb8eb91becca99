/* SPDX-License-Identifier: MIT
 *
 * cmd_plan.c - hearth plan: what a model would take in memory, from its header alone.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/plan.h"

typedef struct plan_options {
    cli_general general;
    cli_model model;
    hearth_session_options session;
} plan_options;

static const option_group groups[] = {
    {"Session", cli_session_rows, offsetof(plan_options, session)},
    {"Model", cli_model_rows, offsetof(plan_options, model)},
    {"General", cli_general_rows, offsetof(plan_options, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL", "a GGUF file, any part of a split set", true},
};

static void init(void *options)
{
    plan_options *o = options;
    cli_general_init(&o->general);
    hearth_session_options_init(&o->session);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    plan_options *o = options;
    hearth_status status = HEARTH_OK;
    hearth_model *model = NULL;
    hearth_plan plan;
    const char *path;
    size_t next;
    TRY_OUT(cli_take_model(&o->model, arguments, &next, &path, err));
    TRY_OUT(cli_no_more_arguments(arguments, next, err));
    TRY_OUT(
        cli_open_model(&model, path, &o->model, &o->general, HEARTH_SCOPE_METADATA, false, err));
    TRY_OUT(hearth_model_plan(model, &o->session, &plan, err));
    if (o->general.json)
        TRY_OUT(output_json(plan_json(&plan), err));
    else
        plan_print(&plan);
    if (!plan.fits && !o->model.ignore_memory_limit)
        FAIL_OUT(err, ENOFIT, path, "'%s' does not fit%s", path,
                 plan.n_ctx_max ? "; a smaller --ctx-size would" : " in any context size");
out:
    hearth_model_close(model);
    return status;
}

const cli_command cmd_plan = {
    .name = "plan",
    .summary = "tell how much memory a model takes, and whether it fits",
    .description =
        "Computes from the file's header what a session over the model takes, and compares it "
        "with the memory that is free now, limits of the control group counted. Nothing is "
        "loaded. The exit code is 0 if it fits and 3 if it does not.",
    .examples = "  hearth plan model.gguf\n"
                "  hearth plan model.gguf -c 32768 -ctk q8_0 -ctv q8_0 --json\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(plan_options),
    .init = init,
    .run = run,
};
