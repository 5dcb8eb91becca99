/* SPDX-License-Identifier: MIT
 *
 * cmd_doctor.c - hearth doctor: what this machine has for running models, and what is in the way.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/human.h"
#include "cli/output.h"
#include "gateway/places.h"
#include "library/ember.h"
#include "os/file.h"
#include "runtime/runtime.h"

typedef struct doctor_options {
    cli_general general;
} doctor_options;

static void init(void *options)
{
    cli_general_init(&((doctor_options *)options)->general);
}

static hearth_status resolve(void *user, const char *name, model_spec *out, hearth_error *err)
{
    (void)user;
    (void)name;
    if (!model_spec_set(&out->id, EMBER_NAME) || !model_spec_set(&out->path, EMBER_NAME))
        return error_no_memory(err, "a model", 0);
    return HEARTH_OK;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "?";
}

static human_text bytes_of(const json_t *o, const char *key)
{
    return human_bytes((uint64_t)json_integer_value(json_object_get(o, key)));
}

static void print_row(const char *what, const char *mark)
{
    printf("%-5s %-12s ", mark, what);
}

static void print_machine(const json_t *m)
{
    size_t i;
    const json_t *one, *cpu = json_object_get(m, "cpu"), *memory = json_object_get(m, "memory");
    const json_t *isa = json_object_get(cpu, "isa");
    const char *best = json_string_value(json_array_get(isa, json_array_size(isa) - 1));
    print_row("processor", best ? "ok" : "slow");
    printf("%s, %lld cores, %s\n", text_of(cpu, "name"),
           (long long)json_integer_value(json_object_get(cpu, "cores")),
           best ? best : "no vector instructions that Hearth uses");
    print_row("memory", "ok");
    printf("%s", bytes_of(memory, "available").text);
    printf(" of %s free, ", bytes_of(memory, "total").text);
    printf("%s for engines\n", bytes_of(memory, "budget").text);
    if (json_array_size(json_object_get(m, "gpus")) == 0) {
        print_row("GPU", "none");
        printf("nvidia-smi tells of none\n");
    }
    json_array_foreach(json_object_get(m, "gpus"), i, one)
    {
        print_row("GPU", "ok");
        printf("%s, %s", text_of(one, "name"), bytes_of(one, "free").text);
        printf(" of %s free, driver %s\n", bytes_of(one, "total").text, text_of(one, "driver"));
    }
    if (json_array_size(json_object_get(m, "backends")) == 0) {
        print_row("backend", "none");
        printf("models run on the processor; hearth backends install adds a llama-server\n");
    }
    json_array_foreach(json_object_get(m, "backends"), i, one)
    {
        print_row("backend", json_is_true(json_object_get(one, "usable")) ? "ok" : "bad");
        printf("%s: %s\n", text_of(one, "name"), text_of(one, "reason"));
    }
}

static void print_rest(const json_t *report)
{
    const json_t *plan = json_object_get(report, "ember"),
                 *server = json_object_get(report, "server");
    print_row("data", json_is_true(json_object_get(report, "data_usable")) ? "ok" : "bad");
    printf("%s, %s free\n", text_of(report, "data_folder"), bytes_of(report, "data_free").text);
    print_row("ember", json_is_object(plan) ? "ok" : "bad");
    printf("%s\n", json_is_object(plan) ? "the built-in model can be run" : "it cannot be planned");
    print_row("server", json_is_string(server) ? "ok" : "none");
    printf("%s\n",
           json_is_string(server) ? "it answers" : "no server runs; hearth serve starts one");
}

/* What a folder that may not be there yet would be in: the nearest one above that is. */
static void nearest_folder(const char *folder, char *out, size_t n)
{
    if ((size_t)snprintf(out, n, "%s", folder) >= n)
        out[0] = '\0';
    while (out[0] && access(out, F_OK) != 0) {
        char *slash = strrchr(out, '/');
        *(slash ? slash : out) = '\0';
    }
    if (out[0] == '\0')
        snprintf(out, n, "/");
}

static hearth_status look(const char *data, json_t *report, hearth_error *err)
{
    runtime *rt = NULL;
    runtime_options options;
    json_t *plan = NULL, *answer = NULL;
    hearth_error ignored;
    char nearest[1024];
    runtime_options_init(&options);
    options.resolve = resolve;
    options.data_folder = data;
    options.builtin = ember_bytes(&options.n_builtin);
    options.builtin_name = EMBER_NAME;
    TRY(runtime_new(&rt, &options, err));
    json_object_set_new(report, "machine", runtime_machine(rt));
    if (runtime_plan(rt, EMBER_NAME, &plan, NULL, &ignored) == HEARTH_OK)
        json_object_set_new(report, "ember", plan);
    runtime_free(rt);
    nearest_folder(data, nearest, sizeof nearest);
    json_object_set_new(report, "data_folder", json_string(data));
    json_object_set_new(report, "data_usable", json_boolean(access(nearest, W_OK | X_OK) == 0));
    json_object_set_new(report, "data_free", json_integer((json_int_t)file_free_space(nearest)));
    if (ask_server("/hearth/version", NULL, ASK_QUICK_MS, &answer, &ignored) == HEARTH_OK)
        json_object_set_new(report, "server", json_string(text_of(answer, "version")));
    json_decref(answer);
    return HEARTH_OK;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    const doctor_options *o = options;
    char *data = NULL;
    json_t *report = NULL;
    hearth_status status = HEARTH_OK;
    TRY_OUT(cli_no_more_arguments(arguments, 0, err));
    TRY_OUT(place_path(PLACE_DATA, NULL, &data, err));
    report = json_object();
    TRY_OUT(look(data, report, err));
    if (o->general.json) {
        status = output_json(report, err);
        report = NULL;
    } else {
        print_machine(json_object_get(report, "machine"));
        print_rest(report);
    }
out:
    json_decref(report);
    mem_free(data);
    return status;
}

static const option_group groups[] = {
    {"General", cli_general_rows, offsetof(doctor_options, general)},
};

const cli_command cmd_doctor = {
    .name = "doctor",
    .summary = "tell what this machine has for running models, and what is in the way",
    .description = "Looks at the processor, memory, GPUs, backends, the folder for data and the "
                   "server of this user. Nothing is changed and nobody outside is asked.",
    .examples = "  hearth doctor\n"
                "  hearth doctor --json\n",
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(doctor_options),
    .init = init,
    .run = run,
};
