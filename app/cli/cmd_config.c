/* SPDX-License-Identifier: MIT
 *
 * cmd_config.c - hearth config: the options of hearth serve, their values, and where each is from.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "gateway/options.h"

typedef struct config_options {
    cli_general general;
    const char *path;
} config_options;

static const option rows[] = {
    OPTION_ROW_TEXT("--config", config_options, path, "FILE",
                    "the configuration file ($XDG_CONFIG_HOME/hearth/config.json)"),
    OPTION_ROW_END,
};

static void init(void *options)
{
    config_options *o = options;
    cli_general_init(&o->general);
}

static void print_value(const json_t *value)
{
    size_t i;
    json_t *item;
    if (json_is_string(value)) {
        printf("%s", json_string_value(value));
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, item) printf("%s%s", i ? ", " : "", json_string_value(item));
    } else if (json_is_integer(value)) {
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        printf("%s", json_is_true(value) ? "true" : "false");
    }
}

static void print_all(const config *all, const json_t *described)
{
    size_t i;
    json_t *one;
    printf("# %s%s\n", all->path, all->file ? "" : " (not there)");
    json_array_foreach(described, i, one)
    {
        printf("%-18s %-12s ", json_string_value(json_object_get(one, "name")),
               json_string_value(json_object_get(one, "source")));
        print_value(json_object_get(one, "value"));
        putchar('\n');
    }
}

/* One value, and nothing else: for scripts. */
static hearth_status print_one(const json_t *described, const char *name, hearth_error *err)
{
    size_t i;
    json_t *one;
    json_array_foreach(described, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0) {
            print_value(json_object_get(one, "value"));
            putchar('\n');
            return HEARTH_OK;
        }
    }
    FAIL(err, EINVAL, "NAME", "there is no option '%.64s'; hearth config lists them", name);
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    config_options *o = options;
    config all = {0};
    json_t *described = NULL;
    TRY(cli_no_more_arguments(arguments, 1, err));
    hearth_status status = HEARTH_OK;
    TRY_OUT(config_read(&all, o->path, environ, NULL, err));
    described = config_describe(&all);
    if (described == NULL)
        status = error_no_memory(err, "the configuration", 0);
    else if (arguments->n == 1)
        status = print_one(described, arguments->items[0], err);
    else if (o->general.json)
        status = output_json(json_pack("{s:s, s:O}", "file", all.path, "settings", described), err);
    else
        print_all(&all, described);
out:
    json_decref(described);
    config_deinit(&all);
    return status;
}

static const cli_argument arguments_help[] = {
    {"NAME", "print this option's value and nothing else", false},
};

static const option_group groups[] = {
    {"Configuration", rows, 0},
    {"General", cli_general_rows, offsetof(config_options, general)},
};

const cli_command cmd_config = {
    .name = "config",
    .summary = "tell the options of hearth serve and where their values come from",
    .description = "Lists every option of 'hearth serve' as it would hold now: from its default, "
                   "from the configuration file, or from the environment.",
    .examples = "  hearth config\n"
                "  hearth config idle-timeout\n",
    .arguments = arguments_help,
    .n_arguments = OPTION_COUNT(arguments_help),
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(config_options),
    .init = init,
    .run = run,
};
