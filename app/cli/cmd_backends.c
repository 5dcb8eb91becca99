/* SPDX-License-Identifier: MIT
 *
 * cmd_backends.c - hearth backends: builds of llama-server, which the server runs models with that
 * profit from a GPU, or that the built-in engine cannot run.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "gateway/places.h"
#include "runtime/backend_install.h"

typedef struct backends_options {
    cli_general general;
    const char *data_dir;
    const char *sha256;
    const char *version;
    const char *type;
} backends_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--sha256", backends_options, sha256, "SUM",
                    "the archive's SHA-256; an address must come with it"),
    OPTION_ROW_TEXT("--build", backends_options, version, "VERSION",
                    "b6325; from the archive's name if absent"),
    OPTION_ROW_TEXT("--type", backends_options, type, "TYPE",
                    "what it is built for: ubuntu-vulkan-x64; from the archive's name if absent"),
    OPTION_ROW_TEXT("--data-dir", backends_options, data_dir, "FOLDER",
                    "where backends are kept ($XDG_DATA_HOME/hearth)"),
    OPTION_ROW_END,
};

static void init(void *options)
{
    cli_general_init(&((backends_options *)options)->general);
}

static json_t *backend_json(const backend *b)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:s}", "version", b->version, "type", b->type,
                     "program", b->program, "usable", b->usable, "for_gpu", b->for_gpu, "reason",
                     b->reason);
}

static hearth_status list(const backends_options *o, const char *data, hearth_error *err)
{
    gpu gpus[GPU_MOST];
    backend *all;
    size_t n;
    const size_t n_gpus = gpu_ask_smi(NULL, NULL, gpus, GPU_MOST);
    json_t *json = json_array();
    TRY(backends_list(data, gpus, n_gpus, &all, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (o->general.json)
            json_array_append_new(json, backend_json(&all[i]));
        else
            printf("%-10s %-36s %-8s %s\n", all[i].version, all[i].type,
                   all[i].usable ? "usable" : "-", all[i].reason);
    }
    if (n == 0 && !o->general.json)
        printf("there are no backends in %s/backends\n", data);
    mem_free(all);
    if (o->general.json)
        return output_json(json_pack("{s:o}", "backends", json), err);
    json_decref(json);
    return HEARTH_OK;
}

static hearth_status install(const backends_options *o, const char *data, const char *archive,
                             hearth_error *err)
{
    gpu gpus[GPU_MOST];
    backend b;
    const backend_install_options options = {.data_folder = data,
                                             .archive = archive,
                                             .sha256 = o->sha256,
                                             .version = o->version,
                                             .type = o->type,
                                             .gpus = gpus,
                                             .n_gpus = gpu_ask_smi(NULL, NULL, gpus, GPU_MOST),
                                             .log = cli_log(&o->general)};
    TRY(place_make(data, err));
    TRY(backend_install(&options, &b, err));
    if (o->general.json)
        return output_json(backend_json(&b), err);
    printf("installed %s/%s: %s\n", b.version, b.type, b.reason);
    return HEARTH_OK;
}

static hearth_status act(const backends_options *o, const char *data, const option_list *arguments,
                         hearth_error *err)
{
    const char *verb = arguments->n > 0 ? arguments->items[0] : "list";
    const char *what = arguments->n > 1 ? arguments->items[1] : NULL;
    const bool takes = strcmp(verb, "install") == 0 || strcmp(verb, "remove") == 0;
    if (!takes && strcmp(verb, "list") != 0)
        FAIL(err, EINVAL, "action", "'%.60s' is none of list, install and remove", verb);
    TRY(cli_no_more_arguments(arguments, takes ? 2 : 1, err));
    if (takes && what == NULL)
        FAIL(err, EINVAL, "action", "%s takes %s", verb,
             *verb == 'i' ? "an archive: a file, or an address" : "a name, like b6325/ubuntu-x64");
    if (!takes)
        return list(o, data, err);
    return *verb == 'i' ? install(o, data, what, err) : backend_remove(data, what, err);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    const backends_options *o = options;
    char *data = NULL;
    if (o->data_dir)
        return act(o, o->data_dir, arguments, err);
    TRY(place_path(PLACE_DATA, NULL, &data, err));
    hearth_status status = act(o, data, arguments, err);
    mem_free(data);
    return status;
}

static const cli_argument arguments_help[] = {
    {"ACTION", "list (the default), install or remove", false},
    {"ARCHIVE|NAME",
     "install: a .zip or .tar.gz with a llama-server, or its address; remove: "
     "VERSION/TYPE",
     false},
};
static const option_group groups[] = {
    {"Backends", rows, 0},
    {"General", cli_general_rows, offsetof(backends_options, general)},
};

const cli_command cmd_backends = {
    .name = "backends",
    .summary = "list, install and remove builds of llama-server",
    .description =
        "hearth serve runs models by its own engine, and by a build of llama-server where that "
        "uses a GPU or knows more. list tells which there are, the best first, and why one cannot "
        "run here. install unpacks an archive, looks whether its libraries and the driver are "
        "there, runs it once, and only then puts it into its place; what was there before comes "
        "back if it does not run. Nothing is downloaded but what an address with its SHA-256 "
        "names.",
    .examples = "  hearth backends\n"
                "  hearth backends install llama-b6325-bin-ubuntu-vulkan-x64.zip\n"
                "  hearth backends remove b6325/ubuntu-vulkan-x64\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(backends_options),
    .init = init,
    .run = run,
};
