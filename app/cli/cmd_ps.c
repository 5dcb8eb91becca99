/* SPDX-License-Identifier: MIT
 *
 * cmd_ps.c - hearth ps: the models that the running server has loaded.
 */
#include <stdio.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/human.h"
#include "cli/output.h"

typedef struct ps_options {
    cli_general general;
} ps_options;

static void init(void *options)
{
    cli_general_init(&((ps_options *)options)->general);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "-";
}

static void print_leaving(const json_t *engine)
{
    const json_t *ms = json_object_get(engine, "expires_in_ms");
    if (json_is_true(json_object_get(engine, "pinned")))
        printf("pinned");
    else if (json_is_integer(ms))
        printf("in %lld s", (long long)(json_integer_value(ms) / 1000));
    else
        printf("-");
}

static void print_table(const json_t *engines)
{
    size_t i;
    const json_t *e;
    if (json_array_size(engines) == 0) {
        printf("nothing is loaded\n");
        return;
    }
    printf("%-32s %-9s %-12s %10s %8s  %s\n", "model", "state", "kind", "memory", "requests",
           "leaves");
    json_array_foreach(engines, i, e)
    {
        const json_int_t bytes = json_integer_value(json_object_get(e, "reserved_bytes"));
        printf("%-32s %-9s %-12s %10s %8lld  ", text_of(e, "model"), text_of(e, "state"),
               text_of(e, "kind"), human_bytes((uint64_t)bytes).text,
               (long long)json_integer_value(json_object_get(e, "n_in_flight")));
        print_leaving(e);
        putchar('\n');
        const json_t *error = json_object_get(e, "error");
        if (json_is_object(error))
            printf("    %s\n", text_of(error, "message"));
    }
}

static hearth_status run(void *options, const option_list *arguments, hearth_error *err)
{
    const ps_options *o = options;
    json_t *answer;
    TRY(cli_no_more_arguments(arguments, 0, err));
    TRY(ask_server("/hearth/engines", NULL, ASK_QUICK_MS, &answer, err));
    if (o->general.json)
        return output_json(answer, err);
    print_table(json_object_get(answer, "engines"));
    json_decref(answer);
    return HEARTH_OK;
}

static const option_group groups[] = {
    {"General", cli_general_rows, offsetof(ps_options, general)},
};

const cli_command cmd_ps = {
    .name = "ps",
    .summary = "tell which models the running server has loaded",
    .description = "Asks the 'hearth serve' of this user for its engines: their state, the memory "
                   "they are counted with, their requests, and when they leave if nobody asks them "
                   "anything.",
    .examples = "  hearth ps\n"
                "  hearth ps --json\n",
    .groups = groups,
    .n_groups = OPTION_COUNT(groups),
    .options_size = sizeof(ps_options),
    .init = init,
    .run = run,
};
