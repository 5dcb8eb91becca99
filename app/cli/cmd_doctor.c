/* SPDX-License-Identifier: MIT
 *
 * cmd_doctor.c - hearth doctor: what this machine has for running models, and what is in the way.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/checkup.h"
#include "cli/cli.h"
#include "cli/human.h"
#include "cli/load_plan.h"
#include "cli/output.h"
#include "gateway/options.h"
#include "library/ember.h"

typedef struct doctor_options {
    cli_general general;
} doctor_options;

static void init(void *options)
{
    cli_general_init(&((doctor_options *)options)->general);
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

static void print_folders(const json_t *folders, bool verbose)
{
    size_t i;
    const json_t *one;
    json_array_foreach(folders, i, one)
    {
        const char *problem = json_string_value(json_object_get(one, "problem"));
        if (problem) {
            print_row(text_of(one, "name"), "bad");
            printf("%s\n", problem);
        } else if (i == 0 || verbose) {
            print_row(text_of(one, "name"), "ok");
            printf("%s, %s free\n", text_of(one, "path"), bytes_of(one, "free").text);
        }
    }
}

static void print_port(const json_t *report)
{
    const int port = (int)json_integer_value(json_object_get(report, "port"));
    if (json_is_string(json_object_get(report, "server")) || port == 0)
        return;
    const bool is_free = json_is_true(json_object_get(report, "port_free"));
    print_row("port", is_free ? "ok" : "note");
    printf("%d is %s\n", port,
           is_free ? "free" : "another program's; hearth serve takes the next one, or --port");
}

static void print_rest(const json_t *report, bool verbose)
{
    size_t i;
    const json_t *one, *plan = json_object_get(report, "ember"),
                       *server = json_object_get(report, "server");
    const char *problem = json_string_value(json_object_get(report, "config_problem"));
    json_array_foreach(json_object_get(report, "devices"), i, one)
    {
        print_row("device", "bad");
        printf("%s: %s\n", text_of(one, "path"), text_of(one, "problem"));
    }
    print_folders(json_object_get(report, "folders"), verbose);
    if (problem) {
        print_row("options", "bad");
        printf("%s\n", problem);
    }
    print_row("ember", json_is_object(plan) ? "ok" : "bad");
    printf("%s\n", json_is_object(plan) ? "the built-in model can be run" : "it cannot be planned");
    print_port(report);
    print_row("server", json_is_string(server) ? "ok" : "none");
    printf("%s\n",
           json_is_string(server) ? "it answers" : "no server runs; hearth serve starts one");
}

static hearth_status look_at_machine(const char *data, json_t *report, hearth_error *err)
{
    json_t *machine = NULL, *plan = NULL;
    model_spec ember;
    model_spec_init(&ember);
    bool ok = model_spec_set(&ember.id, EMBER_NAME) && model_spec_set(&ember.path, EMBER_NAME);
    hearth_status status = ok ? load_plan_make(data, &ember, &plan, &machine, err)
                              : error_no_memory(err, "a model", 0);
    model_spec_deinit(&ember);
    if (machine == NULL)
        return status;
    json_object_set_new(report, "machine", machine);
    if (plan)
        json_object_set_new(report, "ember", plan);
    return HEARTH_OK;
}

static hearth_status look(json_t *report, hearth_error *err)
{
    json_t *answer = NULL;
    hearth_error bad;
    config all = {0};
    hearth_status status = HEARTH_OK;
    if (config_read(&all, NULL, environ, NULL, &bad) != HEARTH_OK) {
        json_object_set_new(report, "config_problem", json_string(bad.message));
        gateway_options_init(&all.values.options);
    }
    const gateway_options *o = &all.values.options;
    TRY_OUT(look_at_machine(o->data_dir, report, err));
    json_object_set_new(report, "devices", checkup_devices());
    json_object_set_new(report, "folders", checkup_folders(o->data_dir, o->models_dir));
    if (ask_server("/hearth/version", NULL, ASK_QUICK_MS, &answer, &bad) == HEARTH_OK)
        json_object_set_new(report, "server", json_string(text_of(answer, "version")));
    json_object_set_new(report, "port", json_integer(o->port));
    json_object_set_new(report, "port_free", json_boolean(checkup_port_is_free((int)o->port)));
out:
    json_decref(answer);
    config_deinit(&all);
    return status;
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    const doctor_options *o = options;
    json_t *report = NULL;
    hearth_status status = HEARTH_OK;
    TRY_OUT(cli_no_more_arguments(arguments, 0, err));
    report = json_object();
    TRY_OUT(look(report, err));
    if (o->general.json) {
        status = output_json(report, err);
        report = NULL;
    } else {
        print_machine(json_object_get(report, "machine"));
        print_rest(report, o->general.verbose);
    }
out:
    json_decref(report);
    return status;
}

static const option_group groups[] = {
    {"General", cli_general_rows, offsetof(doctor_options, general)},
};

const cli_command cmd_doctor = {
    .name = "doctor",
    .summary = "tell what this machine has for running models, and what is in the way",
    .description = "Looks at the processor, memory, GPUs and who may use them, backends, folders, "
                   "options, the port and the server of this user, and says what to do about what "
                   "is bad. Nothing is changed and nobody outside is asked.",
    .examples = "  hearth doctor\n"
                "  hearth doctor --json\n",
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(doctor_options),
    .init = init,
    .run = run,
};
