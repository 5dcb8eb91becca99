/* SPDX-License-Identifier: MIT
 *
 * load_plan.c - see load_plan.h.
 */
#include "cli/load_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/human.h"
#include "gateway/places.h"
#include "library/ember.h"
#include "runtime/runtime.h"

static hearth_status know_none(void *user, const char *name, model_spec *out, hearth_error *err)
{
    (void)user;
    (void)out;
    FAIL(err, ENOTFOUND, "model", "there is no model '%.100s'", name);
}

hearth_status load_plan_make(const char *data, const model_spec *spec, json_t **plan,
                             json_t **machine, hearth_error *err)
{
    runtime *rt = NULL;
    char *usual = NULL;
    runtime_options options;
    *plan = NULL;
    runtime_options_init(&options);
    if (data == NULL && place_path(PLACE_DATA, NULL, &usual, NULL) == HEARTH_OK)
        data = usual;
    options.resolve = know_none;
    options.data_folder = data;
    options.builtin = ember_bytes(&options.n_builtin);
    options.builtin_name = EMBER_NAME;
    hearth_status status = runtime_new(&rt, &options, err);
    if (status == HEARTH_OK && machine)
        *machine = runtime_machine(rt);
    if (status == HEARTH_OK)
        status = runtime_plan_spec(rt, spec, plan, NULL, err);
    runtime_free(rt);
    mem_free(usual);
    return status;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

void load_plan_print(const json_t *plan)
{
    size_t i;
    const json_t *reason;
    const json_t *memory = json_object_get(plan, "memory");
    const char *problem = json_string_value(json_object_get(plan, "problem"));
    printf("hearth serve: %s", text_of(plan, "fit"));
    if (problem) {
        printf(", %s\n", problem);
        return;
    }
    const char *mode = text_of(plan, "mode"), *kind = text_of(plan, "kind");
    printf(", %s, by %s, %s of RAM\n",
           strcmp(mode, "gpu") == 0      ? "on the GPU"
           : strcmp(mode, "hybrid") == 0 ? "in part on the GPU"
                                         : "on the processor",
           strcmp(kind, "builtin") == 0 ? "the built-in engine" : kind,
           human_bytes((uint64_t)json_integer_value(json_object_get(memory, "ram"))).text);
    json_array_foreach(json_object_get(plan, "reasons"), i, reason)
        printf("  %-15s %s\n", text_of(reason, "about"), text_of(reason, "text"));
}
