/* SPDX-License-Identifier: MIT
 *
 * cmd_pull.c - hearth pull: downloads a model, with a bar; Ctrl-C leaves what came for next time.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/human.h"
#include "cli/interrupt.h"
#include "cli/models.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "library/describe.h"
#include "library/pull.h"

enum { LOOK_MS = 100 };

typedef struct pull_command {
    cli_general general;
    const char *name;
    const char *sha256;
    uint32_t connections;
    uint32_t stall_s;
    uint32_t piece_kib;
    bool no_mmproj;
} pull_command;

static const option rows[] = {
    OPTION_ROW_TEXT("--name", pull_command, name, "NAME",
                    "its name here; else that of the catalogue, or of the file"),
    OPTION_ROW_TEXT("--sha256", pull_command, sha256, "SUM",
                    "what the file's SHA-256 must be; else what the hub says"),
    OPTION_ROW_FLAG("--no-mmproj", pull_command, no_mmproj,
                    "without the projector of images or sound"),
    OPTION_ROW_U32("--connections", pull_command, connections, 1, 16, "N",
                   "fetch so many pieces at a time"),
    OPTION_ROW_U32("--piece", pull_command, piece_kib, 64, 1048576, "KIB",
                   "size of a piece: what a connection may have to fetch again after a crash"),
    OPTION_ROW_U32("--stall", pull_command, stall_s, 1, 3600, "SECONDS",
                   "make a connection anew that is silent so long"),
    OPTION_ROW_END,
};
static const option_group groups[] = {
    {"Download", rows, 0},
    {"General", cli_general_rows, offsetof(pull_command, general)},
};
static const cli_argument arguments_help[] = {
    {"MODEL",
     "a name of hearth list --catalog, hf.co/ORG/REPO, hf.co/ORG/REPO:QUANT, "
     "hf.co/ORG/REPO:FILE.gguf, or the address of a .gguf file",
     true},
};

static void init(void *options)
{
    pull_command *o = options;
    cli_general_init(&o->general);
    o->connections = 4;
    o->stall_s = 30;
    o->piece_kib = 8192;
}

static hearth_status wait_for(download *d, const library_model **m, hearth_error *err)
{
    progress_bar bar;
    char label[48] = "asking";
    hearth_status status;
    progress_start(&bar, label);
    while (!download_wait(d, LOOK_MS, m, &status, err)) {
        download_status now;
        download_get_status(d, &now);
        if (now.validating)
            snprintf(label, sizeof label, "comparing SHA-256");
        else if (now.total > 0)
            snprintf(label, sizeof label, "fetching, %s/s", human_bytes(now.bytes_per_second).text);
        if (!progress_update(&bar, now.transferred, now.total))
            download_cancel(d, false);
    }
    progress_end(&bar);
    return status;
}

static hearth_status pull(const pull_command *o, library *l, const char *reference,
                          hearth_error *err)
{
    download *d = NULL;
    const library_model *m = NULL;
    pull_options options = {.reference = reference,
                            .name = o->name,
                            .sha256 = o->sha256,
                            .n_connections = o->connections,
                            .chunk_bytes = (uint64_t)o->piece_kib * 1024,
                            .stall_ms = o->stall_s * 1000,
                            .no_mmproj = o->no_mmproj,
                            .log = cli_log(&o->general)};
    TRY(download_start(&d, l, &options, err));
    hearth_status status = wait_for(d, &m, err);
    if (status == HEARTH_ECANCELED)
        cli_note("What came stays; the same command goes on from there.");
    if (status == HEARTH_OK && o->general.json)
        status = output_json(describe_model(m), err);
    else if (status == HEARTH_OK)
        printf("%s\n", m->name);
    if (m && *m->problem)
        cli_note("it cannot be used here: %s", m->problem);
    library_model_unref(m);
    download_free(d);
    return status;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    pull_command *o = options;
    library *l = NULL;
    if (arguments->n == 0)
        FAIL(err, EINVAL, "MODEL", "which model? hearth list --catalog shows some");
    TRY(cli_no_more_arguments(arguments, 1, err));
    TRY(models_open(&l, &o->general, err));
    hearth_status status = pull(o, l, arguments->items[0], err);
    library_close(l);
    return status;
}

const cli_command cmd_pull = {
    .name = "pull",
    .summary = "download a model",
    .description =
        "Downloads a model to Hearth's folder, with all its parts and its projector, and prints "
        "the name to use it by. An interrupted download goes on where it was. SHA-256 sums are "
        "compared with what the hub says. HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and the usual "
        "proxy variables of the environment count.",
    .examples = "  hearth pull qwen3-0.6b\n"
                "  hearth pull hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q6_K\n"
                "  hearth pull https://example.com/models/model.gguf --name mine\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(pull_command),
    .init = init,
    .run = run,
};
